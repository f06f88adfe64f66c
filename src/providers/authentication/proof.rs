//! The other side of the check: what a sender that holds the secrets puts on a request.
//!
//! Pure. For those who play the provider: the simulator, the benchmark and tests.

use base64::Engine as _;
use secrecy::{ExposeSecret, SecretString};

use super::{Authentication, Method, Signature, algorithm};

/// What makes one request believed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Headers to be sent, names and values.
    pub headers: Vec<(String, String)>,
    /// The last segment of the URL's path, where one is wanted; not percent-encoded.
    pub url_token: Option<String>,
}

impl Authentication {
    /// Proves that `body`, sent at `timestamp_s` (seconds since 1970 UTC), is from the
    /// provider; the first of several secrets signs.
    #[must_use]
    pub fn prove(&self, body: &[u8], timestamp_s: i64) -> Proof {
        let mut proof = Proof::default();
        for method in &self.methods {
            match method {
                Method::Header { name, value } => proof
                    .headers
                    .push((name.clone(), value.expose_secret().to_owned())),
                Method::Basic { username, password } => {
                    let pair = format!("{username}:{}", password.expose_secret());
                    let value = format!("Basic {}", algorithm::BASE64.encode(pair));
                    proof.headers.push(("Authorization".to_owned(), value));
                }
                Method::UrlToken(token) => {
                    proof.url_token = Some(token.expose_secret().to_owned());
                }
                Method::Signature(signature) => signature.prove(body, timestamp_s, &mut proof),
            }
        }
        proof
    }
}

impl Signature {
    fn prove(&self, body: &[u8], timestamp_s: i64, proof: &mut Proof) {
        let mut timestamp = String::new();
        if let Some(name) = &self.timestamp_header {
            timestamp = timestamp_s.to_string();
            proof.headers.push((name.clone(), timestamp.clone()));
        }
        let unsigned = SecretString::default();
        let secret = self.secrets.first().unwrap_or(&unsigned);
        let signature = self.algorithm.sign(secret, [timestamp.as_bytes(), body]);
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let value = format!("{prefix}{}", self.encoding.encode(&signature));
        proof.headers.push((self.header.clone(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Encoding, Headers};
    use super::*;

    /// Whether a request with the proof of `authentication` passes its own checks.
    fn check(authentication: &Authentication) {
        let proof = authentication.prove(b"{}", 1_784_800_000);
        let headers: Headers = (proof.headers.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        authentication
            .check_head(&headers, proof.url_token.as_deref())
            .unwrap();
        authentication.check_body(&headers, b"{}").unwrap();
        assert!(
            authentication
                .check_body(&headers, b"{ }")
                .is_err()
                .eq(&authentication
                    .methods
                    .iter()
                    .any(|method| matches!(method, Method::Signature(_))))
        );
    }

    #[test]
    fn what_proves_passes_the_check() {
        let signature = |algorithm, encoding, timestamp: Option<&str>| {
            Method::Signature(Signature {
                header: "X-Signature".to_owned(),
                algorithm,
                encoding,
                prefix: None,
                secrets: vec!["key".into(), "older".into()],
                timestamp_header: timestamp.map(str::to_owned),
            })
        };
        let methods = [
            vec![],
            vec![Method::UrlToken("t0ken".into())],
            vec![
                Method::Header {
                    name: "X-Api-Key".to_owned(),
                    value: "s3cret".into(),
                },
                Method::Basic {
                    username: "relay".to_owned(),
                    password: "pa:ss".into(),
                },
            ],
            vec![Method::Signature(Signature::hub_sha256(vec!["app".into()]))],
            vec![signature(Algorithm::Sha512, Encoding::Base64, Some("X-T"))],
            vec![signature(Algorithm::Md5, Encoding::Hex, None)],
        ];
        for methods in methods {
            check(&Authentication { methods });
        }
    }
}

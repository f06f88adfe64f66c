//! The other side of the check: what a sender that holds the secrets puts on a request.
//!
//! Pure. For programs that play the provider: the simulator, the benchmark and tests.

use base64::Engine as _;
use secrecy::{ExposeSecret, SecretString};

use super::{Authentication, Method, Signature, WebhookRequest, algorithm};

/// What makes one request believed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Headers to be sent, names and values.
    pub headers: Vec<(String, String)>,
    /// The last segment of the URL's path, where one is wanted; not percent-encoded.
    pub url_token: Option<String>,
}

impl Authentication {
    /// Proves that a request, sent at `timestamp_s` (seconds since 1970 UTC), is from the
    /// provider; the first of several secrets signs.
    ///
    /// `request` has method, URL and body; a token that the source wants stands in its URL.
    #[must_use]
    pub fn prove(&self, request: WebhookRequest<'_>, timestamp_s: i64) -> Proof {
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
                Method::Signature(signature) => signature.prove(request, timestamp_s, &mut proof),
            }
        }
        proof
    }
}

impl Signature {
    fn prove(&self, request: WebhookRequest<'_>, timestamp_s: i64, proof: &mut Proof) {
        let mut timestamp = String::new();
        if let Some(name) = &self.timestamp_header {
            timestamp = timestamp_s.to_string();
            proof.headers.push((name.clone(), timestamp.clone()));
        }
        let unsigned = SecretString::default();
        let secret = self.secrets.first().unwrap_or(&unsigned);
        let content = self.content.of(request);
        let signed = [timestamp.as_bytes(), &content];
        let signature = self.algorithm.sign(secret, &signed);
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let value = format!("{prefix}{}", self.encoding.encode(&signature));
        proof.headers.push((self.header.clone(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Content, Encoding, RequestHeaders};
    use super::*;

    const URL: &str = "https://relay.example.com/webhooks/acme?type=regular";

    /// Whether a request with the proof of `authentication` passes its own checks, and one with
    /// another body or URL only where none of it is signed.
    fn check(authentication: &Authentication) {
        let is_token = |method: &Method| matches!(method, Method::UrlToken(_));
        let url = if authentication.methods.iter().any(is_token) {
            URL.replace('?', "/t0ken?")
        } else {
            URL.to_owned()
        };
        let unproved = WebhookRequest::post(&url, b"{}");
        let proof = authentication.prove(unproved, 1_784_800_000);
        let headers: RequestHeaders = (proof.headers.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let url_token = proof.url_token.as_deref();
        let proved = WebhookRequest {
            url_token,
            headers: &headers,
            ..unproved
        };
        authentication.check_head(proved).unwrap();
        authentication.check_body(proved).unwrap();
        let content = authentication.methods.iter().find_map(|it| match it {
            Method::Signature(signature) => Some(signature.content),
            _ => None,
        });
        let other_body = WebhookRequest {
            body: b"{ }",
            ..proved
        };
        assert_eq!(
            authentication.check_body(other_body).is_err(),
            content.is_some()
        );
        let elsewhere = url.replace("relay", "other");
        let other_url = WebhookRequest {
            url: &elsewhere,
            ..proved
        };
        assert_eq!(
            authentication.check_body(other_url).is_err(),
            matches!(content, Some(Content::Request(_)))
        );
    }

    fn url_and_body(request: WebhookRequest<'_>) -> Vec<u8> {
        [request.url.as_bytes(), request.body].concat()
    }

    #[test]
    fn what_proves_passes_the_check() {
        let signature = |algorithm, encoding, timestamp: Option<&str>, content| {
            Method::Signature(Signature {
                header: "X-Signature".to_owned(),
                algorithm,
                encoding,
                prefix: None,
                secrets: vec!["key".into(), "older".into()],
                timestamp_header: timestamp.map(str::to_owned),
                content,
            })
        };
        let (body, whole) = (Content::Body, Content::Request(url_and_body));
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
            vec![signature(
                Algorithm::Sha512,
                Encoding::Base64,
                Some("X-T"),
                body,
            )],
            vec![signature(Algorithm::Md5, Encoding::Hex, None, body)],
            vec![signature(Algorithm::Sha1, Encoding::Base64, None, whole)],
            vec![
                signature(Algorithm::Sha256, Encoding::Hex, Some("X-T"), whole),
                Method::UrlToken("t0ken".into()),
            ],
        ];
        for methods in methods {
            check(&Authentication { methods });
        }
    }
}

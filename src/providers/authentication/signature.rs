//! Signatures: a keyed hash (HMAC) of the body's bytes, or of more of the request, in a header.

use std::fmt;

use secrecy::SecretString;

use super::{Algorithm, AuthError, Content, Encoding, RequestHeaders, WebhookRequest};
use crate::model::Word as _;

/// A signature as one sender makes it.
///
/// There is one construction and no choice at run time: with a timestamp header the
/// timestamp's bytes and the content's, without one the content's alone. If both were accepted, a
/// captured signature of the one could be replayed as the other.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The header that holds it, in any case.
    pub header: String,
    /// The hash function.
    pub algorithm: Algorithm,
    /// How it is written.
    pub encoding: Encoding,
    /// What must stand before it; `None` allows the algorithm's word and `=`, or nothing.
    pub prefix: Option<String>,
    /// The secrets, each of which may have signed: for rotation, and for several apps.
    pub secrets: Vec<SecretString>,
    /// The header whose bytes are signed before the content's.
    pub timestamp_header: Option<String>,
    /// What of the request is signed.
    pub content: Content,
}

impl Signature {
    /// Meta's `X-Hub-Signature-256`, made with any of these app secrets.
    #[must_use]
    pub fn hub_sha256(app_secrets: Vec<SecretString>) -> Self {
        Self {
            header: "X-Hub-Signature-256".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: Some("sha256=".to_owned()),
            secrets: app_secrets,
            timestamp_header: None,
            content: Content::Body,
        }
    }

    /// Checks that the header is there and holds as many bytes as a signature has.
    pub(super) fn check_form(&self, headers: &RequestHeaders) -> Result<(), AuthError> {
        self.timestamp(headers)?;
        self.claimed(headers).map(drop)
    }

    /// Checks the signature itself; includes [`Self::check_form`].
    pub(super) fn check(&self, request: WebhookRequest<'_>) -> Result<(), AuthError> {
        let timestamp = self.timestamp(request.headers)?;
        let claimed = self.claimed(request.headers)?;
        let content = self.content.of(request);
        let signed = [timestamp, &content];
        let signs = |secret| self.algorithm.signs(secret, &signed, &claimed);
        if self.secrets.iter().any(signs) {
            Ok(())
        } else {
            Err(AuthError::Wrong(self.to_string()))
        }
    }

    /// The signature's bytes as the request claims them.
    fn claimed(&self, headers: &RequestHeaders) -> Result<Vec<u8>, AuthError> {
        let given = headers
            .get(&self.header)
            .ok_or_else(|| AuthError::Missing(self.to_string()))?;
        self.unprefixed(given.trim_ascii())
            .and_then(|text| self.encoding.decode(text))
            .filter(|claimed| claimed.len() == self.algorithm.length())
            .ok_or_else(|| AuthError::Wrong(self.to_string()))
    }

    fn unprefixed<'a>(&self, given: &'a [u8]) -> Option<&'a [u8]> {
        if let Some(prefix) = &self.prefix {
            return given.strip_prefix(prefix.as_bytes());
        }
        let rest = given
            .strip_prefix(self.algorithm.as_str().as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="));
        Some(rest.unwrap_or(given))
    }

    fn timestamp<'a>(&self, headers: &RequestHeaders<'a>) -> Result<&'a [u8], AuthError> {
        match &self.timestamp_header {
            Some(name) => headers
                .get(name)
                .ok_or_else(|| AuthError::Missing(format!("header {}", name.to_ascii_lowercase()))),
            None => Ok(b""),
        }
    }
}

/// `signature in header x-hub-signature-256`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "signature in header {}",
            self.header.to_ascii_lowercase()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED_WITH_A: &str =
        "sha256=716a1c4618ea5affca3eb9e271961706f16f8f19e719f21f61c8a1091c80e750";
    const BODY_A: &str = r#"{"object":"whatsapp_business_account","entry":[]}"#;

    fn hub(secrets: &[&str]) -> Signature {
        Signature::hub_sha256(secrets.iter().map(|secret| (*secret).into()).collect())
    }

    fn check(signature: &Signature, headers: &[(&str, &str)], body: &str) -> &'static str {
        let headers: RequestHeaders = headers.iter().copied().collect();
        let form = signature.check_form(&headers);
        let whole = signature.check(WebhookRequest {
            headers: &headers,
            ..WebhookRequest::post("/webhooks/acme", body.as_bytes())
        });
        match (form, whole) {
            (Ok(()), Ok(())) => "right",
            (Ok(()), Err(AuthError::Wrong(_))) => "wrong",
            (Err(AuthError::Wrong(_)), Err(AuthError::Wrong(_))) => "malformed",
            (Err(AuthError::Missing(_)), Err(AuthError::Missing(_))) => "missing",
            _ => "inconsistent",
        }
    }

    #[test]
    fn meta_signs_the_bytes_as_they_came() {
        let escaped = r#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{"contacts":[{"profile":{"name":"Jos\u00e9"},"wa_id":"34600000001"}]},"field":"messages"}]}]}"#;
        let raw = escaped.replace("\\u00e9", "é");
        let blanks = r#"{"object": "whatsapp_business_account", "entry": []}"#;
        let slashes = r#"{"errors":[{"href":"https:\/\/developers.facebook.com\/x","t":"a\u0040b.example"}]}"#;
        let cases = [
            (BODY_A, &SIGNED_WITH_A[7..], "right"),
            (
                blanks,
                "438aec5c524a07c77ff907ba7bcd0c32ef9d5f3d7d3b15f5630e0baf60c6b4b1",
                "right",
            ),
            (blanks, &SIGNED_WITH_A[7..], "wrong"),
            (
                escaped,
                "1d2a78c35bd9be93868a75b73435efa6c462541ffe0e7b8a523f2298b16ede43",
                "right",
            ),
            (
                &raw,
                "335210a3c87c097c7c1273c9edddbde949fdbdd125b19612dbe89c399352fa33",
                "right",
            ),
            (
                &raw,
                "1d2a78c35bd9be93868a75b73435efa6c462541ffe0e7b8a523f2298b16ede43",
                "wrong",
            ),
            (
                slashes,
                "e4cbf8e34fa4b0d9d4456855eaacd96734a8a9d3facd5fdcd110a0dfa1b103ee",
                "right",
            ),
            (
                "",
                "ec3f2e8087c2b3ac71526b16a9e691e84e13759bba2c71145f8789915e413a2a",
                "right",
            ),
        ];
        for (body, digits, expected) in cases {
            let value = format!("sha256={digits}");
            let given = check(
                &hub(&["example_app_secret"]),
                &[("X-Hub-Signature-256", &value)],
                body,
            );
            assert_eq!(given, expected, "{body}");
        }
    }

    #[test]
    fn meta_signatures_are_refused_unless_whole_and_prefixed() {
        let name = "x-hub-signature-256";
        let upper = format!("sha256={}", SIGNED_WITH_A[7..].to_ascii_uppercase());
        let odd = &SIGNED_WITH_A[..SIGNED_WITH_A.len() - 1];
        let short = &SIGNED_WITH_A[..SIGNED_WITH_A.len() - 2];
        let not_hex = SIGNED_WITH_A.replace('7', "g");
        let cases = [
            ((name, SIGNED_WITH_A), "right"),
            ((name, upper.as_str()), "right"),
            ((name, odd), "malformed"),
            ((name, short), "malformed"),
            ((name, not_hex.as_str()), "malformed"),
            ((name, &SIGNED_WITH_A[7..]), "malformed"),
            ((name, ""), "malformed"),
            (
                (
                    "x-hub-signature",
                    "sha1=0000000000000000000000000000000000000000",
                ),
                "missing",
            ),
        ];
        for (header, expected) in cases {
            let given = check(&hub(&["example_app_secret"]), &[header], BODY_A);
            assert_eq!(given, expected, "{header:?}");
        }
    }

    #[test]
    fn any_of_several_secrets_may_have_signed() {
        let cases: [(&[&str], &str); 4] = [
            (&["retired", "example_app_secret"], "right"),
            (&["example_app_secret", "next"], "right"),
            (&["retired"], "wrong"),
            (&[], "wrong"),
        ];
        for (secrets, expected) in cases {
            let headers = [("X-Hub-Signature-256", SIGNED_WITH_A)];
            assert_eq!(
                check(&hub(secrets), &headers, BODY_A),
                expected,
                "{secrets:?}"
            );
        }
    }

    #[test]
    fn a_signature_with_an_empty_key_is_refused() {
        let with_empty_key =
            "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        let headers = [("X-Hub-Signature-256", with_empty_key)];
        assert_eq!(check(&hub(&[""]), &headers, ""), "wrong");
    }

    #[test]
    fn other_senders_choose_hash_and_encoding() {
        use Algorithm::{Sha1, Sha256};
        use Encoding::{Base64, Hex};

        let hex = "9d46a623407bafd751fcb3f3ffff7bd8e8d480a270c36250785eb64ecd90a667";
        let base64 = "nUamI0B7r9dR/LPz//972OjUgKJww2JQeF62Ts2Qpmc=";
        let prefixed = format!("sha256={hex}");
        let upper = hex.to_ascii_uppercase();
        let sha1 = "47deb8eb57797c605a479a99a6ce5c4d2f3387f3";
        let cases = [
            (Sha256, Hex, hex, "right"),
            (Sha256, Hex, &prefixed, "right"),
            (Sha256, Hex, &upper, "right"),
            (Sha256, Hex, base64, "malformed"),
            (Sha256, Base64, base64, "right"),
            (Sha256, Base64, &base64[..base64.len() - 1], "right"),
            (Sha256, Base64, hex, "malformed"),
            (Sha1, Hex, sha1, "right"),
            (Sha1, Hex, hex, "malformed"),
            (Sha256, Hex, sha1, "malformed"),
        ];
        for (algorithm, encoding, value, expected) in cases {
            let signature = Signature {
                header: "X-Infobip-Signature".to_owned(),
                algorithm,
                encoding,
                prefix: None,
                secrets: vec!["infobip-demo-secret".into()],
                timestamp_header: None,
                content: Content::Body,
            };
            let body =
                r#"{"results":[{"messageId":"demo-0001","status":{"groupName":"DELIVERED"}}]}"#;
            let given = check(&signature, &[("x-infobip-signature", value)], body);
            assert_eq!(given, expected, "{algorithm} {encoding} {value}");
            let given = check(&signature, &[("x-infobip-signature", value)], "{}");
            assert_ne!(given, "right", "{algorithm} {encoding} {value}");
        }
    }

    #[test]
    fn a_timestamp_header_is_signed_before_the_body_or_not_at_all() {
        let body = r#"{"results":[{"messageId":"demo-0001","status":{"groupName":"DELIVERED"}}]}"#;
        let with_time = "4d0c75a5f76f4ad0088c7febacb095ccbbdd043d8fb5a8aa291cf0076210be38";
        let without = "9d46a623407bafd751fcb3f3ffff7bd8e8d480a270c36250785eb64ecd90a667";
        let time = ("X-Ib-Exchange-Req-Timestamp", "1767225600000");
        let other_time = ("X-Ib-Exchange-Req-Timestamp", "1767225600001");
        let signed = |value| ("X-Ib-Exchange-Req-Signature", value);
        let mut signature = Signature {
            header: "X-Ib-Exchange-Req-Signature".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: None,
            secrets: vec!["infobip-demo-secret".into()],
            timestamp_header: Some("x-ib-exchange-req-timestamp".to_owned()),
            content: Content::Body,
        };
        assert_eq!(check(&signature, &[signed(with_time), time], body), "right");
        assert_eq!(
            check(&signature, &[signed(with_time), other_time], body),
            "wrong"
        );
        assert_eq!(check(&signature, &[signed(without), time], body), "wrong");
        assert_eq!(check(&signature, &[signed(with_time)], body), "missing");
        let glued = format!("1767225600000{body}");
        signature.timestamp_header = None;
        assert_eq!(check(&signature, &[signed(with_time), time], body), "wrong");
        assert_eq!(check(&signature, &[signed(with_time)], &glued), "right");
    }

    #[test]
    fn every_algorithm_signs_with_its_own_length() {
        for &algorithm in Algorithm::ALL {
            let claimed = vec![0; algorithm.length()];
            assert!(!algorithm.signs(&"key".into(), &[b"", b"x"], &claimed));
            let signature = Signature {
                algorithm,
                ..hub(&["key"])
            };
            let zeros = format!("sha256={}", "00".repeat(algorithm.length()));
            let headers = [("X-Hub-Signature-256", zeros.as_str())];
            assert_eq!(check(&signature, &headers, "x"), "wrong", "{algorithm}");
        }
    }
}

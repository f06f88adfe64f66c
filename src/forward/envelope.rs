//! The headers of an attempt: who it is (`webhook-id`), when, and the signature over both and
//! the body, as Standard Webhooks has it.
//!
//! Pure. A forward keeps its id on every attempt; the timestamp, and so the signature, is
//! each attempt's own. The next stage is [`super::sender`].

use crate::model::SigningSecret;

/// The header that holds the signatures.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// The value of `webhook-signature`: one `v1,<base64>` for each secret, separated by spaces.
///
/// While a secret rotates there are two, and the receiver takes either. Without a secret the
/// value is empty, and a receiver that checks refuses it.
#[must_use]
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    id: &str,
    timestamp_s: i64,
    body: &[u8],
) -> String {
    let mut signatures = String::new();
    for secret in secrets {
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str("v1,");
        secret.write_mac(id, timestamp_s, body, &mut signatures);
    }
    signatures
}

/// The three headers that seal one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    id: String,
    timestamp: String,
    signature: String,
}

impl Envelope {
    /// Seals `body` for an attempt at `now_ms` (ms since 1970 UTC).
    ///
    /// `id` is the same on every attempt of a forward, so that a subscriber can drop repeats.
    #[must_use]
    pub fn seal<'a>(
        secrets: impl IntoIterator<Item = &'a SigningSecret>,
        id: impl Into<String>,
        now_ms: i64,
        body: &[u8],
    ) -> Self {
        let id = id.into();
        let timestamp_s = now_ms.div_euclid(1000);
        Self {
            timestamp: timestamp_s.to_string(),
            signature: sign(secrets, &id, timestamp_s, body),
            id,
        }
    }

    /// What the signature is over: `{webhook-id}.{webhook-timestamp}.{body}`.
    #[must_use]
    pub fn signed(&self, body: &str) -> String {
        format!("{}.{}.{body}", self.id, self.timestamp)
    }

    /// Names, in lower case, and values, as they go on the wire.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [
            ("webhook-id", &self.id),
            ("webhook-timestamp", &self.timestamp),
            (SIGNATURE, &self.signature),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use standardwebhooks::{Webhook, WebhookError};

    use super::{Envelope, SigningSecret, sign};
    use crate::clock::Clock;

    const BODY: &[u8] = r#"{"message":"Grüße","MessageStatus":"read"}"#.as_bytes();

    /// What an independent receiver that knows `secret` makes of the envelope and `body`.
    fn check(envelope: &Envelope, secret: &SigningSecret, body: &[u8]) -> Result<(), WebhookError> {
        let headers: HashMap<String, String> = envelope
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        Webhook::new(&secret.expose())
            .unwrap()
            .verify(body, &(&headers).try_into().unwrap())
    }

    fn seal(secrets: &[SigningSecret]) -> Envelope {
        Envelope::seal(secrets, "0199-a", Clock::system().now_ms(), BODY)
    }

    #[test]
    fn a_receiver_of_standard_webhooks_accepts_the_signature() {
        for length in [24, 25, 63, 64] {
            let key: Vec<u8> = (0..length).collect();
            let secret: SigningSecret = format!("whsec_{}", STANDARD.encode(key)).parse().unwrap();
            check(&seal(std::slice::from_ref(&secret)), &secret, BODY).unwrap();
        }
        let secret = SigningSecret::generate();
        check(&seal(std::slice::from_ref(&secret)), &secret, BODY).unwrap();
    }

    #[test]
    fn a_receiver_refuses_another_body_and_another_secret() {
        let secret = SigningSecret::generate();
        let envelope = seal(std::slice::from_ref(&secret));
        assert!(check(&envelope, &secret, b"{}").is_err());
        assert!(check(&envelope, &SigningSecret::generate(), BODY).is_err());
        assert!(check(&seal(&[]), &secret, BODY).is_err());
    }

    #[test]
    fn while_a_secret_rotates_both_receivers_accept() {
        let (new, old) = (SigningSecret::generate(), SigningSecret::generate());
        let envelope = seal(&[new.clone(), old.clone()]);
        check(&envelope, &new, BODY).unwrap();
        check(&envelope, &old, BODY).unwrap();
        let signature = sign(&[new, old], "0199-a", 1_700_000_000, BODY);
        assert_eq!(signature.split(' ').count(), 2);
        assert!(signature.split(' ').all(|one| one.starts_with("v1,")));
    }

    /// The sender takes the names as they stand: one with a capital would panic there.
    #[test]
    fn each_name_is_a_header_as_it_stands() {
        for (name, _) in seal(&[]).headers() {
            assert_eq!(http::HeaderName::from_static(name), name);
        }
    }

    #[test]
    fn the_timestamp_is_in_whole_seconds() {
        let envelope = Envelope::seal(&[], "0199-a", 1_700_000_000_999, BODY);
        assert_eq!(envelope.headers()[1], ("webhook-timestamp", "1700000000"));
    }
}

//! The headers of an attempt: who it is (`webhook-id`), when, and the signature over both and
//! the body, as Standard Webhooks has it.
//!
//! Pure. A forward keeps its id on every attempt; the timestamp, and so the signature, is
//! each attempt's own. The next stage is [`super::sender`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

/// What a secret begins with, so that one is recognised where it should not be.
const PREFIX: &str = "whsec_";

/// The header that holds the signatures.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// The least and the most bytes of a key, by the Standard Webhooks specification.
const MIN_KEY: usize = 24;
const MAX_KEY: usize = 64;

/// SHA-256's block, the length to which HMAC pads its key.
const BLOCK: usize = 64;

/// The key that a subscriber and we share; written `whsec_` and base64 of 24 to 64 bytes.
///
/// It is neither printed by `Debug` nor serialised; [`SigningSecret::expose`] is the way out.
#[derive(Clone)]
pub struct SigningSecret(SecretSlice<u8>);

/// Why a text is no signing secret; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The prefix is missing.
    #[error("a signing secret begins with whsec_")]
    Prefix,
    /// What follows the prefix is not standard base64 with padding.
    #[error("a signing secret is whsec_ followed by base64")]
    Base64,
    /// The key is too short to be safe or too long to be one; holds its length in bytes.
    #[error("a signing secret holds 24 to 64 bytes in base64, not {0}")]
    Length(usize),
}

impl SigningSecret {
    /// A fresh secret of 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let key: [u8; 32] = rand::random();
        Self(SecretSlice::from(key.to_vec()))
    }

    /// The secret as it is written, to be shown once or stored: `whsec_…`.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret()))
    }

    /// Writes the HMAC-SHA256 of `id.timestamp.body` in base64.
    fn write_mac(&self, id: &str, timestamp_s: i64, body: &[u8], to: &mut String) {
        // HMAC fills a key up to the block with zeros. Keys are 64 bytes at most, so doing
        // it here is the same, and this constructor cannot fail.
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(self.0.expose_secret()) {
            *to = *from;
        }
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp_s.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        STANDARD.encode_string(mac.finalize().into_bytes(), to);
    }
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let key = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if !(MIN_KEY..=MAX_KEY).contains(&key.len()) {
            return Err(SecretError::Length(key.len()));
        }
        Ok(Self(SecretSlice::from(key)))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([redacted])")
    }
}

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

    /// Names and values, as they go on the wire.
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

    use super::{Envelope, SecretError, SigningSecret, sign};
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

    #[test]
    fn the_timestamp_is_in_whole_seconds() {
        let envelope = Envelope::seal(&[], "0199-a", 1_700_000_000_999, BODY);
        assert_eq!(envelope.headers()[1], ("webhook-timestamp", "1700000000"));
    }

    #[test]
    fn a_secret_that_cannot_be_one_is_refused_with_the_reason() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        let cases = [
            (of(32).replace("whsec_", ""), Some(SecretError::Prefix)),
            ("whsec_not base64".to_owned(), Some(SecretError::Base64)),
            (of(0), Some(SecretError::Length(0))),
            (of(23), Some(SecretError::Length(23))),
            (of(24), None),
            (of(64), None),
            (of(65), Some(SecretError::Length(65))),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<SigningSecret>().err(), error, "{text}");
        }
    }

    #[test]
    fn a_secret_comes_out_as_it_went_in_and_is_not_printed() {
        let secret = SigningSecret::generate();
        let text = secret.expose();
        assert_eq!(text.parse::<SigningSecret>().unwrap().expose(), text);
        assert!(!format!("{secret:?}").contains(&text["whsec_".len()..]));
        assert_ne!(text, SigningSecret::generate().expose());
    }
}

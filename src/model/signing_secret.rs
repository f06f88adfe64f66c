//! The key that signs what a subscriber receives, as Standard Webhooks writes it.

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
    pub(crate) fn write_mac(&self, id: &str, timestamp_s: i64, body: &[u8], to: &mut String) {
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

#[cfg(test)]
mod tests {
    use super::*;

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

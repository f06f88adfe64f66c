//! The hash functions and encodings a signature can have.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};

use crate::model::{UnknownWord, Word as _};

/// Base64 as senders write it: padded or not.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The hash function under a signature; its word stands in the configuration, and before the `=` of a
/// prefixed signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Algorithm {
    /// MD5; broken as a hash, yet offered by Infobip, and not broken as an HMAC.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The length of a signature in bytes.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The signature of `parts`, one after the other.
    pub(super) fn sign(self, secret: &SecretString, parts: &[&[u8]]) -> Vec<u8> {
        let key = secret.expose_secret().as_bytes();
        match self {
            Self::Md5 => sign::<Hmac<md5::Md5>>(key, parts),
            Self::Sha1 => sign::<Hmac<sha1::Sha1>>(key, parts),
            Self::Sha224 => sign::<Hmac<sha2::Sha224>>(key, parts),
            Self::Sha256 => sign::<Hmac<sha2::Sha256>>(key, parts),
            Self::Sha384 => sign::<Hmac<sha2::Sha384>>(key, parts),
            Self::Sha512 => sign::<Hmac<sha2::Sha512>>(key, parts),
        }
    }

    /// Whether `claimed` is the signature of `parts`, one after the other, in constant time.
    pub(super) fn signs(self, secret: &SecretString, parts: &[&[u8]], claimed: &[u8]) -> bool {
        let key = secret.expose_secret().as_bytes();
        // Every client can sign with an empty key.
        if key.is_empty() {
            return false;
        }
        match self {
            Self::Md5 => signs::<Hmac<md5::Md5>>(key, parts, claimed),
            Self::Sha1 => signs::<Hmac<sha1::Sha1>>(key, parts, claimed),
            Self::Sha224 => signs::<Hmac<sha2::Sha224>>(key, parts, claimed),
            Self::Sha256 => signs::<Hmac<sha2::Sha256>>(key, parts, claimed),
            Self::Sha384 => signs::<Hmac<sha2::Sha384>>(key, parts, claimed),
            Self::Sha512 => signs::<Hmac<sha2::Sha512>>(key, parts, claimed),
        }
    }
}

fn signs<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], claimed: &[u8]) -> bool {
    keyed::<M>(key, parts).is_some_and(|mac| mac.verify_slice(claimed).is_ok())
}

fn sign<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    keyed::<M>(key, parts).map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec())
}

/// Always there: an HMAC takes keys of any length.
fn keyed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Option<M> {
    let mut mac = <M as Mac>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownWord;

    /// Accepts Infobip's spellings too: `sha256`, `SHA-256`, `HMAC_SHA_256`.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let mut plain = word.to_ascii_lowercase();
        plain.retain(|letter| letter.is_ascii_alphanumeric());
        let plain = plain.strip_prefix("hmac").unwrap_or(&plain);
        Self::of_word(plain).ok_or_else(|| UnknownWord::among::<Self>("algorithm", word))
    }
}

/// How a signature's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal digits, in any case.
    Hex,
    /// Base64 of the standard alphabet, padded or not.
    Base64,
}

impl Encoding {
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => BASE64.encode(bytes),
        }
    }

    pub(super) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => BASE64.decode(text).ok(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Encoding {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let plain = word.trim().to_ascii_lowercase();
        Self::of_word(&plain).ok_or_else(|| UnknownWord::among::<Self>("encoding", word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_read_in_every_spelling() {
        let cases = [
            ("sha256", Some(Algorithm::Sha256)),
            ("SHA-256", Some(Algorithm::Sha256)),
            ("hmac_sha_256", Some(Algorithm::Sha256)),
            ("HMAC_SHA_1", Some(Algorithm::Sha1)),
            ("HMAC_MD5", Some(Algorithm::Md5)),
            ("HMAC-SHA512", Some(Algorithm::Sha512)),
            ("sha3-256", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(word.parse().ok(), expected, "{word}");
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
        }
        assert_eq!("Base64".parse(), Ok(Encoding::Base64));
        assert_eq!("HEX".parse(), Ok(Encoding::Hex));
        assert!("base32".parse::<Encoding>().is_err());
    }
}

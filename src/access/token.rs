//! The text of a token: `tr_`, 32 random bytes and their CRC-32, in URL-safe base64.
//!
//! The prefix and the checksum let a scanner recognise a token in any text without a request.
//! Only its SHA-256 is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Role;
use crate::model::TokenKey;

/// What a token begins with.
pub const PREFIX: &str = "tr_";
/// Random bytes in a token.
const RANDOM: usize = 32;
/// Random bytes with their checksum; a multiple of three, so that base64 needs no padding.
const LENGTH: usize = RANDOM + 4;

/// How exactly the time of a token's last use is kept, ms: a write for each use would cost a
/// sync of the disk each.
const USE_KEPT_MS: i64 = 60_000;

/// What is kept of a token's text.
pub type Hash = [u8; 32];

/// A fresh token, as it is shown once.
#[must_use]
pub fn generate() -> String {
    let random: [u8; RANDOM] = rand::random();
    let mut bytes = random.to_vec();
    bytes.extend(checksum(&random));
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The hash of what looks like a token; `None` for any other text.
#[must_use]
pub fn hash(text: &str) -> Option<Hash> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let (random, sum) = bytes.split_at_checked(RANDOM)?;
    let is_token = bytes.len() == LENGTH && sum == checksum(random);
    is_token.then(|| Sha256::digest(text).into())
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// A token to be created.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// Whose subscribers its bearer sees; an integrator's must have one.
    pub owner: Option<String>,
    /// The sources its bearer sees; all when empty.
    pub sources: Vec<String>,
    /// When it ends, ms since 1970 UTC.
    pub expires_at_ms: Option<i64>,
}

/// What is known of a token, its text aside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its key.
    pub token_id: TokenKey,
    /// What it was created with.
    #[serde(flatten)]
    pub token: NewToken,
    /// When it was created, ms since 1970 UTC.
    pub created_at_ms: i64,
    /// When it was last used, to the minute, ms since 1970 UTC.
    pub last_used_ms: Option<i64>,
    /// When it was revoked, ms since 1970 UTC.
    pub revoked_at_ms: Option<i64>,
}

impl TokenRecord {
    /// Notes that it was used; returns whether that is news to be written down.
    pub(crate) fn note_use(&mut self, now_ms: i64) -> bool {
        let before_ms = self.last_used_ms;
        let is_news = before_ms.is_none_or(|before_ms| now_ms - before_ms >= USE_KEPT_MS);
        if is_news {
            self.last_used_ms = Some(now_ms);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_kept_to_the_minute() {
        let token = NewToken {
            name: "app".to_owned(),
            role: Role::Admin,
            owner: None,
            sources: Vec::new(),
            expires_at_ms: None,
        };
        let mut token = TokenRecord {
            token_id: TokenKey::of(1),
            token,
            created_at_ms: 0,
            last_used_ms: None,
            revoked_at_ms: None,
        };
        for (now_ms, is_news, kept_ms) in [
            (5, true, 5),
            (60_004, false, 5),
            (60_005, true, 60_005),
            // A clock that was set back.
            (6, false, 60_005),
        ] {
            assert_eq!(token.note_use(now_ms), is_news, "{now_ms}");
            assert_eq!(token.last_used_ms, Some(kept_ms));
        }
    }

    #[test]
    fn a_token_is_distinguished_from_other_text() {
        let token = generate();
        assert_eq!(token.len(), PREFIX.len() + 48);
        assert!(hash(&token).is_some());
        assert_ne!(hash(&token), hash(&generate()));
        let last = if token.ends_with('A') { 'B' } else { 'A' };
        let mistyped = format!("{}{last}", &token[..token.len() - 1]);
        for text in [
            "",
            "tr_",
            "tr_abc",
            &token[3..],
            &mistyped,
            &format!("{token}AAAA"),
        ] {
            assert_eq!(hash(text), None, "{text}");
        }
    }
}

//! Sealing: how the store keeps what no reader of its file may read.
//!
//! Pure: keys come from `super::sqlite`'s `keys`, rows from its `secrets`. A sealed value is
//! ChaCha20-Poly1305 over the text, bound to its place in the store: moved to another row, or
//! altered by one bit, it does not open.
//!
//! Signing secrets, subscribers' own headers and credentials, the URLs of chats and kept answers are sealed. Of a
//! webhook's headers only content type, content encoding and user agent are kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

/// How a sealed value is laid out: this byte, the key's id, the nonce, the text with its tag.
const LAYOUT: u8 = 1;
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a key's id.
const ID: usize = 8;
/// Bytes before the sealed text.
const HEAD: usize = 1 + ID + NONCE_LEN;
/// Keeps a key's id apart from any other hash of the key.
const ID_OF: &[u8] = b"tickrelay key id\0";

/// The name of a key that people see; it reveals nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl KeyId {
    /// The id of the key that sealed this value; `None` for what is no sealed value.
    #[must_use]
    pub fn of(sealed: &[u8]) -> Option<Self> {
        if sealed.first() != Some(&LAYOUT) {
            return None;
        }
        sealed.get(1..=ID)?.try_into().ok().map(Self)
    }
}

/// Why a text is no key; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 bytes in base64, as `openssl rand -base64 32` writes them")]
pub struct KeyError;

/// A key that seals and opens.
pub struct SealingKey {
    id: KeyId,
    key: LessSafeKey,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

impl SealingKey {
    fn new(bytes: &[u8; KEY]) -> Result<Self, KeyError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_| KeyError)?;
        let hash = Sha256::new().chain_update(ID_OF).chain_update(bytes);
        let mut id = [0; ID];
        for (to, from) in id.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Ok(Self {
            id: KeyId(id),
            key: LessSafeKey::new(key),
        })
    }
}

/// A fresh key as it is written: 32 random bytes in base64.
#[must_use]
pub fn generate() -> String {
    STANDARD.encode(rand::random::<[u8; KEY]>())
}

/// The keys at hand: the first seals, each opens.
#[derive(Debug, Default)]
pub struct KeyRing(Vec<SealingKey>);

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub struct SealedCell<'a> {
    /// The table.
    pub table: &'a str,
    /// What identifies its row.
    pub row: &'a [&'a str],
    /// The column.
    pub column: &'a str,
}

impl SealedCell<'_> {
    /// All of it in bytes, no part of which can be taken for another.
    fn bound(&self, id: KeyId) -> Vec<u8> {
        let mut bound = vec![LAYOUT];
        bound.extend(id.0);
        let parts = [self.table, self.column].into_iter();
        for part in parts.chain(self.row.iter().copied()) {
            bound.extend((part.len() as u64).to_be_bytes());
            bound.extend(part.as_bytes());
        }
        bound
    }
}

/// Why a value was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no key to seal with.
    #[error("there is no key to seal it with")]
    NoKey,
    /// It was sealed with a key that is not at hand.
    #[error("it is sealed with the key {0}, which is missing")]
    Missing(KeyId),
    /// It was altered, cut, or moved from where it was sealed.
    #[error("it was damaged, or moved from another place")]
    Damaged,
}

impl KeyRing {
    /// The keys in texts of one key a line; empty lines and those that begin with `#` are none.
    ///
    /// # Errors
    /// When a line is no key.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyError> {
        let lines = texts.into_iter().flat_map(str::lines).map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = |line: &str| {
            let bytes = STANDARD.decode(line).map_err(|_| KeyError)?;
            SealingKey::new(bytes.as_slice().try_into().map_err(|_| KeyError)?)
        };
        keys.map(key).collect::<Result<_, _>>().map(Self)
    }

    /// The ids of the keys, that of the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// Whether a key of that id is at hand.
    #[must_use]
    pub fn has(&self, id: KeyId) -> bool {
        self.ids().any(|known| known == id)
    }

    /// Seals a text for a place, with the first key.
    ///
    /// # Errors
    /// [`SealError::NoKey`].
    pub fn seal(&self, place: SealedCell<'_>, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let SealingKey { id, key } = self.0.first().ok_or(SealError::NoKey)?;
        // Random ones of 96 bits may be used some 2^32 times with one key.
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = vec![LAYOUT];
        sealed.extend(id.0);
        sealed.extend(nonce);
        let mut text = text.to_vec();
        let bound = Aad::from(place.bound(*id));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut text)
            .map_err(|_| SealError::Damaged)?;
        sealed.extend(text);
        Ok(sealed)
    }

    /// Opens what was sealed for that place.
    ///
    /// # Errors
    /// [`SealError::Missing`] and [`SealError::Damaged`].
    pub fn open(&self, place: SealedCell<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let id = KeyId::of(sealed).ok_or(SealError::Damaged)?;
        let known = self.0.iter().find(|known| known.id == id);
        let key = &known.ok_or(SealError::Missing(id))?.key;
        let (head, text) = sealed.split_at_checked(HEAD).ok_or(SealError::Damaged)?;
        let nonce = head.get(1 + ID..).and_then(|nonce| nonce.try_into().ok());
        let nonce = Nonce::assume_unique_for_key(nonce.ok_or(SealError::Damaged)?);
        let mut text = text.to_vec();
        let bound = Aad::from(place.bound(id));
        let opened = key.open_in_place(nonce, bound, &mut text);
        Ok(opened.map_err(|_| SealError::Damaged)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: SealedCell<'_> = SealedCell {
        table: "subscriber_secret",
        row: &["12"],
        column: "secret",
    };

    fn ring(texts: &[&str]) -> KeyRing {
        KeyRing::parse(texts.iter().copied()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_and_shows_nothing() {
        let ring = ring(&[&generate()]);
        let sealed = ring.seal(HERE, b"whsec_secret").unwrap();
        assert_eq!(ring.open(HERE, &sealed).unwrap(), b"whsec_secret");
        assert_eq!(KeyId::of(&sealed), ring.ids().next());
        assert!(!sealed.windows(5).any(|window| window == b"whsec"));
        assert_ne!(sealed, ring.seal(HERE, b"whsec_secret").unwrap());
        let nothing = ring.seal(HERE, b"").unwrap();
        assert_eq!(ring.open(HERE, &nothing).unwrap(), b"");
    }

    #[test]
    fn the_first_key_seals_and_each_opens() {
        let (old, new) = (generate(), generate());
        let before = ring(&[&old]);
        let sealed = before.seal(HERE, b"text").unwrap();
        let both = ring(&[&format!("# the newest first\n{new}\n\n {old} \n")]);
        assert_eq!(both.open(HERE, &sealed).unwrap(), b"text");
        let again = both.seal(HERE, b"text").unwrap();
        assert_eq!(ring(&[&new]).open(HERE, &again).unwrap(), b"text");
        let missing = KeyId::of(&again).unwrap();
        assert_eq!(before.open(HERE, &again), Err(SealError::Missing(missing)));
        assert!(both.has(missing) && !before.has(missing));
        assert_eq!(
            KeyRing::default().seal(HERE, b"text"),
            Err(SealError::NoKey)
        );
    }

    #[test]
    fn what_was_moved_cut_or_altered_does_not_open() {
        let ring = ring(&[&generate()]);
        let sealed = ring.seal(HERE, b"text").unwrap();
        let elsewhere = [
            SealedCell {
                table: "idempotency",
                ..HERE
            },
            SealedCell {
                row: &["13"],
                ..HERE
            },
            SealedCell {
                row: &["1", "2"],
                ..HERE
            },
            SealedCell { row: &[], ..HERE },
            SealedCell {
                column: "url",
                ..HERE
            },
        ];
        for place in elsewhere {
            assert_eq!(
                ring.open(place, &sealed),
                Err(SealError::Damaged),
                "{place:?}"
            );
        }
        for length in 0..sealed.len() {
            assert!(ring.open(HERE, &sealed[..length]).is_err(), "{length}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.open(HERE, &altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_and_not_repeated() {
        for text in [
            "x",
            "AAAA",
            &STANDARD.encode([7; 31]),
            &STANDARD.encode([7; 33]),
        ] {
            let refused = KeyRing::parse([text]).unwrap_err();
            assert!(!refused.to_string().contains(text), "{refused}");
        }
        let text = generate();
        assert!(!format!("{:?}", ring(&[&text])).contains(&text));
        assert_eq!(ring(&["", "# none\n"]).ids().count(), 0);
    }
}

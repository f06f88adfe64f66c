//! Finds secrets, and long pieces of them, by their letters and digits alone.
//!
//! Pure. Case, blanks, line breaks and punctuation say nothing here: so a secret is found in
//! capitals, wrapped at any column, in hex with colons, in the lines of a dump, in either alphabet
//! of base64 and without its padding.

use std::collections::HashMap;
use std::ops::Range;

use super::plain::Plain;

/// A secret with fewer letters and digits is not looked for in this way: it may be a word.
pub(super) const LEAST_WHOLE: usize = 8;
/// Each run of so many bytes is looked up.
const GRAM: usize = 5;
/// Of a secret each so many-th run is kept: a piece of `LEAST_WHOLE` holds one of them.
const STRIDE: usize = LEAST_WHOLE - GRAM + 1;
/// So many places of one run are kept of each secret; more are in none but repetitions.
const PLACES: usize = 4;
const MASK: u64 = (1 << (8 * GRAM)) - 1;

/// Which part of a secret is one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretPart {
    /// None.
    Whole,
    /// A piece of twelve letters and digits, or of eight that are no word: a digit is in it.
    Piece,
    /// A piece of sixteen.
    LongPiece,
}

/// What a text is: that decides which pieces are looked for in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextShape {
    /// What is kept for people to read.
    Excerpt,
    /// What is understood: only a long piece may cost it something.
    Answer,
}

/// Which letters there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Letters {
    /// Those of ASCII: what became of any others makes no difference.
    #[default]
    Ascii,
    /// Those of every alphabet.
    All,
}

/// The secrets, by their letters and digits.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces {
    letters: Letters,
    needles: Vec<(Vec<u8>, SecretPart)>,
    /// Where each run stands: of which secret, and from which byte on.
    places: HashMap<u64, Vec<(usize, usize)>>,
    /// Says of most runs that they are in no secret.
    filter: PieceFilter,
}

/// A bit for each of 65 536 sorts of runs.
#[derive(Debug, Clone)]
struct PieceFilter(Vec<u64>);

impl Default for PieceFilter {
    fn default() -> Self {
        Self(vec![0; 1024])
    }
}

impl PieceFilter {
    fn place(run: u64) -> (usize, u64) {
        let mixed = run.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let sort = u16::from_be_bytes([mixed[0], mixed[1]]);
        (usize::from(sort >> 6), 1 << (sort & 63))
    }

    fn add(&mut self, run: u64) {
        let (word, bit) = Self::place(run);
        self.0[word] |= bit;
    }

    fn may_have(&self, run: u64) -> bool {
        let (word, bit) = Self::place(run);
        self.0[word] & bit != 0
    }
}

impl Pieces {
    pub(super) fn of(letters: Letters) -> Self {
        Self {
            letters,
            ..Self::default()
        }
    }

    /// Looks for that secret from here on, and for the parts of it.
    pub(super) fn add(&mut self, secret: &[u8], part: SecretPart) {
        let needle = (self.letters.of(secret).0, part);
        if needle.0.len() < LEAST_WHOLE || self.needles.contains(&needle) {
            return;
        }
        for (at, run) in needle.0.windows(GRAM).enumerate().step_by(STRIDE) {
            let run = run.iter().fold(0, |run, byte| shifted(run, *byte));
            let of = self.needles.len();
            let places = self.places.entry(run).or_default();
            if places.iter().filter(|place| place.0 == of).count() < PLACES {
                places.push((of, at));
            }
            self.filter.add(run);
        }
        self.needles.push(needle);
    }

    /// The length of the longest secret, in letters and digits.
    pub(super) fn longest(&self) -> usize {
        let lengths = self.needles.iter().map(|(bytes, _)| bytes.len());
        lengths.max().unwrap_or(0)
    }

    /// Adds where a secret stands in the text, or a piece of one.
    pub(super) fn find(&self, plain: &Plain, text: TextShape, hidden: &mut Vec<(usize, usize)>) {
        if self.needles.is_empty() {
            return;
        }
        let (bytes, from) = self.letters.of(&plain.bytes);
        let (mut run, mut done) = (0, 0);
        for (end, byte) in bytes.iter().enumerate() {
            run = shifted(run, *byte);
            // What lies within what was found needs no second look.
            if end + 1 < GRAM || end < done || !self.filter.may_have(run) {
                continue;
            }
            let places = self.places.get(&run).map_or(&[][..], Vec::as_slice);
            let start = end + 1 - GRAM;
            let found = places
                .iter()
                .filter_map(|place| self.at(&bytes, start, *place, text));
            if let Some(found) = found.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)) {
                hidden.push((
                    plain.span(from[found.start].0).0,
                    plain.span(from[found.end - 1].1).1,
                ));
                done = found.end;
            }
        }
    }

    /// Where the text has what stands around that place of a secret, if that is enough of it.
    fn at(
        &self,
        text: &[u8],
        start: usize,
        (of, at): (usize, usize),
        sort: TextShape,
    ) -> Option<Range<usize>> {
        let (needle, part) = &self.needles[of];
        let before = text[..start].iter().rev().zip(needle[..at].iter().rev());
        let before = before.take_while(|(found, wanted)| found == wanted).count();
        let after = text[start..].iter().zip(&needle[at..]);
        let after = after.take_while(|(found, wanted)| found == wanted).count();
        let piece = &needle[at - before..at + after];
        let least = match (part, sort) {
            (SecretPart::Whole, _) => needle.len(),
            (SecretPart::LongPiece, _) | (_, TextShape::Answer) => 16,
            (SecretPart::Piece, TextShape::Excerpt) if piece.iter().any(u8::is_ascii_digit) => 8,
            (SecretPart::Piece, TextShape::Excerpt) => 12,
        };
        (piece.len() >= least.min(needle.len())).then_some(start - before..start + after)
    }
}

impl Letters {
    /// The letters and digits of a text without their case, a byte for each, and where the first
    /// and the last byte of each stand.
    fn of(self, text: &[u8]) -> (Vec<u8>, Vec<(usize, usize)>) {
        let mut bytes = Vec::with_capacity(text.len());
        let mut from = Vec::with_capacity(text.len());
        if self == Self::Ascii {
            for (at, byte) in text.iter().enumerate() {
                if byte.is_ascii_alphanumeric() {
                    bytes.push(byte.to_ascii_lowercase());
                    from.push((at, at));
                }
            }
            return (bytes, from);
        }
        let mut add = |at, length, character| {
            for byte in folded(character) {
                bytes.push(byte);
                from.push((at, at + length - 1));
            }
        };
        let mut at = 0;
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                add(at, character.len_utf8(), character);
                at += character.len_utf8();
            }
            for byte in chunk.invalid() {
                // So it is in Latin-1, and in `\xe9`, which is a byte or a character.
                add(at, 1, char::from(*byte));
                at += 1;
            }
        }
        (bytes, from)
    }
}

/// A letter or digit without its case; as some are two in capitals, these two.
///
/// Letters outside ASCII share 128 bytes, so a text of others may be taken for a secret once in
/// 128 times to the power of its length.
fn folded(character: char) -> impl Iterator<Item = u8> {
    let ascii = character
        .is_ascii_alphanumeric()
        .then(|| character.to_ascii_lowercase());
    let other = (!character.is_ascii()).then_some(character);
    let other = other.into_iter().flat_map(char::to_uppercase);
    let folded = ascii
        .into_iter()
        .chain(other.flat_map(char::to_lowercase))
        .filter(|letter| letter.is_alphanumeric());
    folded.map(|letter| {
        let [.., low] = u32::from(letter).to_be_bytes();
        if letter.is_ascii() { low } else { low | 0x80 }
    })
}

/// The last bytes of a text as a number, one further.
fn shifted(run: u64, byte: u8) -> u64 {
    ((run << 8) | u64::from(byte)) & MASK
}

//! Takes escapes off a text, and remembers where each byte stood in it.
//!
//! Pure. Knows JSON's and JavaScript's backslashes, HTML's entities and percent-encoding. Escapes of
//! characters become UTF-8, those of bytes become these bytes.

use super::named;

/// A text with what was escaped in it put plainly, and where each byte came from.
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    /// Where each byte's original begins and ends.
    spans: Vec<(usize, usize)>,
    /// Where the whole text ends, a cut escape included.
    end: usize,
}

impl Plain {
    pub(super) fn new(text: &[u8]) -> Self {
        let end = text.len();
        // Where the text was cut within a character.
        let text = text.strip_suffix("\u{fffd}".as_bytes()).unwrap_or(text);
        Self {
            bytes: text.to_vec(),
            spans: (0..text.len()).map(|at| (at, at + 1)).collect(),
            end,
        }
    }

    /// Adds where the needle stands, and where the text ends with its beginning, of which that
    /// is the least.
    pub(super) fn find(&self, needle: &[u8], least: usize, hidden: &mut Vec<(usize, usize)>) {
        let same = |found: &[u8], wanted: &[u8]| {
            // A form has a blank as a plus, and that is what base64 has as a plus.
            let blank = |byte: u8| if byte == b'+' { b' ' } else { byte };
            found
                .iter()
                .zip(wanted)
                .all(|(found, wanted)| blank(*found) == blank(*wanted))
        };
        for (at, found) in self.bytes.windows(needle.len()).enumerate() {
            if same(found, needle) {
                hidden.push((self.spans[at].0, self.spans[at + needle.len() - 1].1));
            }
        }
        let longest = needle.len().saturating_sub(1).min(self.bytes.len());
        let cut = (least..=longest).rev().find(|length| {
            let tail = &self.bytes[self.bytes.len() - length..];
            same(tail, &needle[..*length])
        });
        if let Some(length) = cut {
            hidden.push((self.spans[self.bytes.len() - length].0, self.end));
        }
    }

    /// Where the original of that byte begins and ends.
    pub(super) fn span(&self, at: usize) -> (usize, usize) {
        self.spans[at]
    }

    /// Whether there may be an escape in it.
    pub(super) fn has_escapes(&self) -> bool {
        self.bytes
            .iter()
            .any(|byte| matches!(byte, b'%' | b'\\' | b'&'))
    }

    /// The same with one layer of escapes taken off.
    pub(super) fn unescaped(&self) -> Self {
        let mut plain = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            spans: Vec::with_capacity(self.bytes.len()),
            end: self.end,
        };
        let mut at = 0;
        let mut buffer = [0; 4];
        while at < self.bytes.len() {
            let (length, bytes) = match character(&self.bytes[at..]) {
                Escape::Byte(length, byte) => {
                    buffer[0] = byte;
                    (length, &buffer[..1])
                }
                Escape::Number(length, number) => {
                    // Half of a pair that stands alone is a character of no text.
                    let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
                    (length, character.encode_utf8(&mut buffer).as_bytes())
                }
                Escape::Cut => break,
                Escape::None => (1, &self.bytes[at..=at]),
            };
            let span = (self.spans[at].0, self.spans[at + length - 1].1);
            plain.bytes.extend_from_slice(bytes);
            plain.spans.extend(bytes.iter().map(|_| span));
            at += length;
        }
        plain
    }
}

/// What a text begins with.
enum Escape {
    /// An escape of that length, and the byte it stands for.
    Byte(usize, u8),
    /// An escape of that length, and the number of its character or of a half of it in UTF-16.
    Number(usize, u32),
    /// An escape that the end of the text has cut.
    Cut,
    /// No escape.
    None,
}

/// The escape that the text begins with; of two halves of a character, both.
fn character(text: &[u8]) -> Escape {
    let first = escape(text);
    let Escape::Number(length, high @ 0xD800..=0xDBFF) = first else {
        return first;
    };
    match escape(&text[length..]) {
        Escape::Number(more, low @ 0xDC00..=0xDFFF) => {
            let number = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            Escape::Number(length + more, number)
        }
        Escape::Cut => Escape::Cut,
        _ if length == text.len() => Escape::Cut,
        _ => first,
    }
}

fn escape(text: &[u8]) -> Escape {
    match text {
        [b'%', b'u' | b'U', rest @ ..] => digits(2, rest, 4),
        [b'%', rest @ ..] => byte(1, rest),
        [b'\\', b'u' | b'x', b'{', rest @ ..] => numbered(3, rest, 16, b'}'),
        [b'\\', b'u', rest @ ..] => digits(2, rest, 4),
        // In a text that was put in capitals, it is the shorter one.
        [b'\\', b'U', rest @ ..] => match digits(2, rest, 8) {
            Escape::None => digits(2, rest, 4),
            found => found,
        },
        [b'\\', b'x' | b'X', rest @ ..] => byte(2, rest),
        [b'\\', byte @ (b'"' | b'\'' | b'\\' | b'/'), ..] => Escape::Byte(2, *byte),
        [b'\\', b'n', ..] => Escape::Byte(2, b'\n'),
        [b'\\', b'r', ..] => Escape::Byte(2, b'\r'),
        [b'\\', b't', ..] => Escape::Byte(2, b'\t'),
        [b'\\' | b'&'] => Escape::Cut,
        [b'&', b'#', b'x' | b'X', rest @ ..] => numbered(3, rest, 16, b';'),
        [b'&', b'#', rest @ ..] => numbered(2, rest, 10, b';'),
        [b'&', rest @ ..] => named(rest),
        _ => Escape::None,
    }
}

/// Two hexadecimal digits after an opening of that length: a byte, as of UTF-8.
fn byte(opening: usize, rest: &[u8]) -> Escape {
    match digits(opening, rest, 2) {
        Escape::Number(length, number) => {
            u8::try_from(number).map_or(Escape::None, |byte| Escape::Byte(length, byte))
        }
        other => other,
    }
}

/// So many hexadecimal digits after an opening of that length.
fn digits(opening: usize, rest: &[u8], count: usize) -> Escape {
    let found = &rest[..rest.len().min(count)];
    if !found.iter().all(u8::is_ascii_hexdigit) {
        return Escape::None;
    }
    if found.len() < count {
        return Escape::Cut;
    }
    number(found, 16).map_or(Escape::None, |number| {
        Escape::Number(opening + count, number)
    })
}

/// What follows an opening of that length: a number and what closes it.
fn numbered(opening: usize, rest: &[u8], radix: u32, close: u8) -> Escape {
    let length = rest
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    match rest.get(length) {
        None => Escape::Cut,
        Some(found) if *found == close => number(&rest[..length], radix)
            .map_or(Escape::None, |number| {
                Escape::Number(opening + length + 1, number)
            }),
        Some(_) => Escape::None,
    }
}

/// What follows `&`: a name and a semicolon.
fn named(rest: &[u8]) -> Escape {
    let length = rest
        .iter()
        .take(named::LONGEST + 1)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let name = &rest[..length];
    match rest.get(length) {
        None if named::begins_one(name) => Escape::Cut,
        Some(b';') => named::character(name).map_or(Escape::None, |character| {
            Escape::Number(length + 2, character.into())
        }),
        _ => Escape::None,
    }
}

/// That number, if it is one of a character or of a half of one in UTF-16.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    let number = u32::from_str_radix(digits, radix).ok()?;
    (number <= u32::from(char::MAX)).then_some(number)
}

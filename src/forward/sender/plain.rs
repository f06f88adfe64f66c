//! Takes escapes off a text, and remembers where each byte stood in it.
//!
//! Pure. Knows JSON's and JavaScript's backslashes, HTML's entities and percent-encoding.

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
        Self {
            bytes: text.to_vec(),
            spans: (0..text.len()).map(|at| (at, at + 1)).collect(),
            end: text.len(),
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
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            let (length, byte) = match escape(rest) {
                Escape::Of(length, byte) => (length, byte),
                Escape::Cut => break,
                Escape::None => (1, rest[0]),
            };
            plain.bytes.push(byte);
            plain
                .spans
                .push((self.spans[at].0, self.spans[at + length - 1].1));
            at += length;
        }
        plain
    }
}

/// What a text begins with.
enum Escape {
    /// An escape of that length, and the byte it stands for.
    Of(usize, u8),
    /// An escape that the end of the text has cut.
    Cut,
    /// No escape of a byte.
    None,
}

/// The names that HTML has for ASCII.
const NAMED: [(&[u8], u8); 45] = [
    (b"&amp;", b'&'),
    (b"&AMP;", b'&'),
    (b"&lt;", b'<'),
    (b"&LT;", b'<'),
    (b"&gt;", b'>'),
    (b"&GT;", b'>'),
    (b"&quot;", b'"'),
    (b"&QUOT;", b'"'),
    (b"&apos;", b'\''),
    (b"&Tab;", b'\t'),
    (b"&NewLine;", b'\n'),
    (b"&excl;", b'!'),
    (b"&num;", b'#'),
    (b"&dollar;", b'$'),
    (b"&percnt;", b'%'),
    (b"&lpar;", b'('),
    (b"&rpar;", b')'),
    (b"&ast;", b'*'),
    (b"&midast;", b'*'),
    (b"&plus;", b'+'),
    (b"&comma;", b','),
    (b"&period;", b'.'),
    (b"&sol;", b'/'),
    (b"&colon;", b':'),
    (b"&semi;", b';'),
    (b"&equals;", b'='),
    (b"&quest;", b'?'),
    (b"&commat;", b'@'),
    (b"&lsqb;", b'['),
    (b"&lbrack;", b'['),
    (b"&bsol;", b'\\'),
    (b"&rsqb;", b']'),
    (b"&rbrack;", b']'),
    (b"&Hat;", b'^'),
    (b"&lowbar;", b'_'),
    (b"&UnderBar;", b'_'),
    (b"&grave;", b'`'),
    (b"&DiacriticalGrave;", b'`'),
    (b"&lcub;", b'{'),
    (b"&lbrace;", b'{'),
    (b"&verbar;", b'|'),
    (b"&vert;", b'|'),
    (b"&VerticalLine;", b'|'),
    (b"&rcub;", b'}'),
    (b"&rbrace;", b'}'),
];

fn escape(text: &[u8]) -> Escape {
    match text {
        [b'%', rest @ ..] => digits(1, rest, 2),
        [b'\\', b'u', rest @ ..] => digits(2, rest, 4),
        [b'\\', b'x', rest @ ..] => digits(2, rest, 2),
        [b'\\', byte @ (b'"' | b'\'' | b'\\' | b'/'), ..] => Escape::Of(2, *byte),
        [b'\\', b'n', ..] => Escape::Of(2, b'\n'),
        [b'\\', b'r', ..] => Escape::Of(2, b'\r'),
        [b'\\', b't', ..] => Escape::Of(2, b'\t'),
        [b'\\' | b'&'] => Escape::Cut,
        [b'&', b'#', rest @ ..] => numbered(rest),
        [b'&', ..] => NAMED
            .iter()
            .find_map(|(name, byte)| {
                if text.starts_with(name) {
                    Some(Escape::Of(name.len(), *byte))
                } else {
                    name.starts_with(text).then_some(Escape::Cut)
                }
            })
            .unwrap_or(Escape::None),
        _ => Escape::None,
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
    byte_of(found, 16).map_or(Escape::None, |byte| Escape::Of(opening + count, byte))
}

/// What follows `&#`: a number, decimal or after an `x` hexadecimal, and a semicolon.
fn numbered(rest: &[u8]) -> Escape {
    let is_hex = matches!(rest.first(), Some(b'x' | b'X'));
    let number = &rest[usize::from(is_hex)..];
    let length = number
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    match number.get(length) {
        None if length == number.len() => Escape::Cut,
        Some(b';') => byte_of(&number[..length], if is_hex { 16 } else { 10 })
            .map_or(Escape::None, |byte| {
                Escape::Of(3 + usize::from(is_hex) + length, byte)
            }),
        _ => Escape::None,
    }
}

/// The byte of that number; other characters are in none of our secrets.
fn byte_of(number: &[u8], radix: u32) -> Option<u8> {
    let number = std::str::from_utf8(number).ok()?;
    u8::try_from(u32::from_str_radix(number, radix).ok()?).ok()
}

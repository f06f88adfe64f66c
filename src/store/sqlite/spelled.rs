//! Where a text spells a number: its digits in any script, with anything but letters between.
//!
//! Pure. A miss leaves a person in the store, a false find costs another person one raw body or a
//! few blotted letters. Hence three rules:
//!
//! 1. A few characters that are no letters may stand between two digits, whichever they are. Escapes
//!    of JSON, HTML and forms are written out first, one over the other too.
//! 2. Digits that adjoin with nothing between are one string. The number is never found inside a
//!    longer one (a time, an id, another number), but for zeros before it, which are dialled.
//! 3. Digits that stand apart hide it in one case: they are a country code, and with the number no
//!    longer than a number may be. `+1 385 990 001 122` is of another country. A country code is one
//!    to three digits after a plus, the first no zero, with blanks, hyphens, dots or brackets alone
//!    before the number: `+0100; 385…` is a time, and `+1, 385…` a list. What follows never hides it,
//!    since no number begins with another whole number.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::decimal;

/// Characters between two digits of one number at most.
const GAP: usize = 8;
/// Digits of the longest number that there is, and of the longest country code.
const LONGEST: usize = 15;
const LONGEST_CODE: usize = 3;
/// How often a text may be escaped, as JSON within a string of JSON within a form.
const LAYERS: usize = 4;
/// Stands between digits that cannot be of one number.
const BREAK: u8 = b'|';
/// A zero that is dialled within the country alone, and left out after the country code.
const TRUNKS: [&str; 3] = ["(0)", "[0]", "{0}"];
/// How a plus is written where an escape ends in a letter or a semicolon.
const PLUSES: [&str; 7] = ["%2b", "%252b", "u002b", "u{2b}", "x2b", "&#43;", "&plus;"];

/// Whether the text, or what its escapes stand for, has what is looked for.
pub(super) fn in_any_layer(text: &str, mut holds: impl FnMut(&str) -> bool) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..LAYERS {
        if holds(&text) {
            return true;
        }
        match unescaped(&text) {
            Some(plain) => text = Cow::Owned(plain),
            None => return false,
        }
    }
    holds(&text)
}

/// Where the text as it stands spells one of the numbers, each given in ASCII digits.
pub(super) fn places(text: &str, numbers: &[String]) -> Vec<Range<usize>> {
    let mut found = Reduced::new(text, false).find(numbers);
    if TRUNKS.iter().any(|trunk| text.contains(trunk)) {
        found.extend(Reduced::new(text, true).find(numbers));
    }
    found
}

/// A text reduced to its digits.
#[derive(Default)]
struct Reduced {
    /// ASCII digits, and breaks.
    digits: Vec<u8>,
    /// Of each, where it stands.
    marks: Vec<SpellingMark>,
}

#[derive(Clone, Copy)]
struct SpellingMark {
    start: usize,
    end: usize,
    /// The digit before it stands right before it.
    adjoins: bool,
    /// A plus stands before it.
    has_plus: bool,
    /// Nothing stands between it and the digit before but what may follow a country code.
    is_joined: bool,
}

impl Reduced {
    fn new(text: &str, without_trunks: bool) -> Self {
        let mut reduced = Self::default();
        // Characters since the last digit, and whether a plus that is no blank of a form is among them.
        let (mut gap, mut has_plus, mut is_joined) = (GAP + 1, false, false);
        for (start, letter) in text.char_indices() {
            let end = start + letter.len_utf8();
            let value = decimal(letter);
            let is_left_out = without_trunks && gap <= GAP && value == Some('0') && {
                let around = start.checked_sub(1).and_then(|from| text.get(from..=end));
                around.is_some_and(|around| TRUNKS.contains(&around))
            };
            if let Some(value) = value.filter(|_| !is_left_out) {
                let mark = SpellingMark {
                    start,
                    end,
                    adjoins: gap == 0,
                    has_plus: has_plus || (gap > 0 && ends_with_plus(&text[..start])),
                    is_joined: is_joined && gap <= GAP,
                };
                if gap > GAP {
                    reduced.digits.push(BREAK);
                    reduced.marks.push(SpellingMark {
                        adjoins: false,
                        has_plus: false,
                        ..mark
                    });
                }
                reduced.digits.extend(u8::try_from(value));
                reduced.marks.push(mark);
                (gap, has_plus, is_joined) = (0, false, true);
            } else if letter.is_alphanumeric() && !is_left_out {
                (gap, has_plus) = (GAP + 1, false);
            } else {
                // Right after a digit a plus is the blank of a form.
                has_plus |= letter == '+' && gap > 0;
                is_joined &= is_left_out || follows_code(letter) || (letter == '+' && gap == 0);
                gap = gap.saturating_add(1);
            }
        }
        reduced
    }

    fn find(&self, numbers: &[String]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for number in numbers.iter().filter(|number| !number.is_empty()) {
            for (first, digits) in self.digits.windows(number.len()).enumerate() {
                if digits == number.as_bytes() && self.is_whole(first, number.len()) {
                    let last = first + number.len() - 1;
                    found.push(self.marks[first].start..self.marks[last].end);
                }
            }
        }
        found
    }

    /// Whether these digits are a number and no part of another.
    fn is_whole(&self, mut first: usize, length: usize) -> bool {
        let next = self.marks.get(first + length);
        if next.is_some_and(|next| next.adjoins) {
            return false;
        }
        while self.marks[first].adjoins {
            first -= 1;
            if self.digits[first] != b'0' {
                return false;
            }
        }
        if self.marks[first].has_plus {
            return true;
        }
        !self.follows_country_code(first, length)
    }

    /// Whether a country code stands before the number of so many digits that begins there.
    fn follows_country_code(&self, first: usize, length: usize) -> bool {
        if !self.marks[first].is_joined {
            return false;
        }
        let code = self.marks[..first].iter().rev();
        let after_first = code.take_while(|mark| mark.adjoins).count();
        let Some(begin) = first.checked_sub(after_first + 1) else {
            return false;
        };
        let digits = after_first + 1;
        self.marks[begin].has_plus
            && !matches!(self.digits[begin], b'0' | BREAK)
            && digits <= LONGEST_CODE
            && digits + length <= LONGEST
    }
}

/// Whether the letter may stand between a country code and the rest of a number.
const fn follows_code(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '\t' | '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
            | '-'
            | '_' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '.' | '(' | ')' | '[' | ']'
    )
}

fn ends_with_plus(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.last(), Some(b'b' | b'B' | b'}' | b';'))
        && PLUSES.iter().any(|plus| {
            let from = bytes.len().checked_sub(plus.len());
            from.is_some_and(|from| bytes[from..].eq_ignore_ascii_case(plus.as_bytes()))
        })
}

/// The text with one layer of escapes written out, those of JSON, of HTML and of forms; `None` where
/// there are none.
fn unescaped(text: &str) -> Option<String> {
    const SIGNS: [char; 3] = ['\\', '%', '&'];
    let mut plain = Vec::new();
    let (mut rest, mut is_changed) = (text, false);
    while let Some(at) = rest.find(SIGNS) {
        plain.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let length = match escape(rest) {
            Some((Escaped::Letter(letter), length)) => {
                plain.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                is_changed = true;
                length
            }
            Some((Escaped::Byte(byte), length)) => {
                plain.push(byte);
                is_changed = true;
                length
            }
            None => {
                plain.push(rest.as_bytes()[0]);
                1
            }
        };
        rest = &rest[length..];
    }
    plain.extend_from_slice(rest.as_bytes());
    is_changed.then(|| String::from_utf8_lossy(&plain).into_owned())
}

enum Escaped {
    Letter(char),
    /// A form escapes bytes.
    Byte(u8),
}

/// What the text's first escape stands for, and how long it is.
fn escape(text: &str) -> Option<(Escaped, usize)> {
    let after = &text[1..];
    let letter = |letter: char, length: usize| Some((Escaped::Letter(letter), length));
    match text.as_bytes()[0] {
        b'%' => {
            let byte = u8::try_from(hex(after, 2)?).ok()?;
            Some((Escaped::Byte(byte), 3))
        }
        b'&' => {
            let end = after.bytes().take(10).position(|byte| byte == b';')?;
            letter(entity(&after[..end])?, end + 2)
        }
        _ => match after.chars().next()? {
            'u' => {
                let unit = u16::try_from(hex(&after[1..], 4)?).ok()?;
                let low = text[6..].strip_prefix("\\u").and_then(|low| hex(low, 4));
                let low = low.and_then(|low| u16::try_from(low).ok());
                let pair = [unit, low.unwrap_or_default()];
                match char::decode_utf16(pair).next()? {
                    Ok(found) => letter(found, 6 * found.len_utf16()),
                    Err(_) => letter('\u{fffd}', 6),
                }
            }
            'x' => letter(char::from(u8::try_from(hex(&after[1..], 2)?).ok()?), 4),
            'n' | 'r' | 't' | 'b' | 'f' | 'v' => letter('\n', 2),
            other => letter(other, 1 + other.len_utf8()),
        },
    }
}

fn hex(text: &str, length: usize) -> Option<u32> {
    let code = text.get(..length)?;
    let is_hex = code.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(code, 16).ok()).flatten()
}

/// What stands between `&` and `;` in HTML. All that has a name and may stand within a number is a
/// sign or a blank.
fn entity(name: &str) -> Option<char> {
    if let Some(code) = name.strip_prefix('#') {
        let hex = code.strip_prefix(['x', 'X']);
        let code = hex.map_or_else(|| code.parse(), |hex| u32::from_str_radix(hex, 16));
        return char::from_u32(code.ok()?);
    }
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_name.then_some(match name {
        "amp" => '&',
        "plus" => '+',
        "bsol" => '\\',
        "percnt" => '%',
        _ => ' ',
    })
}

#[cfg(test)]
mod tests;

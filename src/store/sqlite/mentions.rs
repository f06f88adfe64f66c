//! Where a text names a person: a number in any spelling, an id of the person's, or an id that
//! holds the number.
//!
//! Pure. A shorter number inside a longer one is another person's. A number without its country
//! code cannot be told from others, and is not looked for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::model::is_phone_number;

/// What stands between two digits of one number at most.
const GAP: usize = 3;
/// Digits of the longest number that there is.
const LONGEST: usize = 15;
/// What Meta's ids begin with; base64 around the recipient's number follows.
const META_ID: &str = "wamid.";
/// How often a text may be escaped: JSON within a string of JSON.
const ESCAPED: usize = 3;

/// As what an id holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InId {
    /// The provider makes the id of its recipient's number.
    Recipient,
    /// The sender wrote it there; the message may be to somebody else.
    Mention,
}

/// The names of a person, ready to be looked for.
#[derive(Debug, Clone)]
pub(super) struct Mentions {
    numbers: Vec<String>,
    ids: Option<AhoCorasick>,
}

impl Mentions {
    /// Numbers are told from ids by their digits.
    pub(super) fn new(names: &BTreeSet<String>) -> Self {
        let is_number = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
        let (numbers, ids): (Vec<&String>, Vec<&String>) = names.iter().partition(is_number);
        Self {
            numbers: numbers.into_iter().cloned().collect(),
            // It fails for gigabytes of ids alone.
            ids: (!ids.is_empty())
                .then(|| AhoCorasick::new(ids).ok())
                .flatten(),
        }
    }

    /// Whether the text names the person, escaped as it may be.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut text = Cow::Borrowed(text);
        for _ in 0..=ESCAPED {
            if !self.places(&text).is_empty() {
                return true;
            }
            if text.contains('%') && !self.places(&form_decoded(&text)).is_empty() {
                return true;
            }
            if !text.contains('\\') {
                return false;
            }
            text = Cow::Owned(json_unescaped(&text));
        }
        false
    }

    /// Whether an id of a provider's holds a number of the person's.
    pub(super) fn is_in_id(&self, id: &str) -> bool {
        self.number_in_id(id).is_some()
    }

    /// As what an id of a provider's holds a number of the person's.
    pub(super) fn number_in_id(&self, id: &str) -> Option<InId> {
        let number_in = |text: &str| {
            self.numbers
                .iter()
                .any(|number| !numbers(text, number).is_empty())
        };
        let coded = id.strip_prefix(META_ID).unwrap_or(id);
        if decoded(coded).is_some_and(|bytes| number_in(&latin(&bytes))) {
            return Some(InId::Recipient);
        }
        // Of a broadcast's message the recipient stands at the end, and decides.
        let last = id.rsplit_once(':').map(|(_, last)| last);
        let last = last.map(|last| last.split_once('.').map_or(last, |(number, _)| number));
        if let Some(recipient) = last.filter(|last| is_phone_number(last)) {
            return number_in(recipient).then_some(InId::Recipient);
        }
        number_in(id).then_some(InId::Mention)
    }

    /// The text with each place blotted out, as it is written: not what is escaped.
    pub(super) fn blotted(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for place in self.places(text) {
            bytes[place].fill(b'*');
        }
        // Places begin and end between letters.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where the person is named in the text as it stands.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        if let Some(ids) = &self.ids {
            let found = ids.find_overlapping_iter(text).map(|found| found.range());
            places.extend(found.filter(|place| stands_alone(text, place)));
        }
        for number in &self.numbers {
            places.extend(numbers(text, number));
        }
        for (at, _) in text.match_indices(META_ID) {
            let rest = &text[at + META_ID.len()..];
            let length = rest.find(|letter| !is_base64(letter)).unwrap_or(rest.len());
            let id = at..at + META_ID.len() + length;
            if !self.numbers.is_empty() && self.is_in_id(&text[id.clone()]) {
                places.push(id);
            }
        }
        places
    }
}

/// Whether what stands there is not a part of a longer id or number.
fn stands_alone(text: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// Digits that stand together.
struct Group {
    place: Range<usize>,
    digits: String,
    /// It is a trunk zero in brackets, which is not dialled from abroad.
    is_trunk: bool,
}

/// Where the number is written, with or without something between its digits, after zeros or a
/// plus.
fn numbers(text: &str, number: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut run: Vec<Group> = Vec::new();
    // What stands between, and how much of it, since the last digit.
    let mut gap = GAP + 1;
    for (at, letter) in text.char_indices() {
        let end = at + letter.len_utf8();
        if let Some(digit) = digit(letter) {
            match run.last_mut() {
                Some(group) if gap == 0 => {
                    group.digits.push(digit);
                    group.place.end = end;
                }
                _ => {
                    if gap > GAP {
                        written(&run, number, &mut found);
                        run.clear();
                    }
                    run.push(Group {
                        place: at..end,
                        digits: digit.to_string(),
                        is_trunk: text[..at].ends_with('(') && text[end..].starts_with(')'),
                    });
                }
            }
            gap = 0;
        } else if is_between(letter) {
            gap += 1;
        } else {
            // A plus, like any other letter, begins something else.
            gap = GAP + 1;
        }
    }
    written(&run, number, &mut found);
    found
}

/// Where the number is written in groups that follow each other.
fn written(run: &[Group], number: &str, found: &mut Vec<Range<usize>>) {
    let total: usize = run.iter().map(|group| group.digits.len()).sum();
    for first in 0..run.len() {
        let mut digits = String::new();
        for (last, group) in run.iter().enumerate().skip(first) {
            if !(group.is_trunk && last > first) {
                digits.push_str(&group.digits);
            }
            let significant = digits.trim_start_matches('0');
            if significant.len() > number.len() {
                break;
            }
            // Written in groups, with more digits beside it, it is a part of a longer number,
            // unless there is none that long.
            let is_whole = first == last
                || total > LONGEST + 2
                || (last + 1 == run.len() && run[..first].iter().all(is_zeros));
            if significant == number && is_whole {
                found.push(run[first].place.start..group.place.end);
                break;
            }
        }
    }
}

fn is_zeros(group: &Group) -> bool {
    group.digits.bytes().all(|digit| digit == b'0')
}

/// A digit of any script that numbers are typed in.
fn digit(letter: char) -> Option<char> {
    const ZEROS: [char; 5] = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    let of = |zero: char| u32::from(letter).checked_sub(u32::from(zero));
    let value = ZEROS.into_iter().filter_map(of).find(|value| *value < 10)?;
    char::from_digit(value, 10)
}

/// What people write between the digits of a number.
const fn is_between(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '\t' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2010}'
            ..='\u{2014}'
    )
}

const fn is_base64(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '-' | '_' | '=')
}

/// What base64 of either alphabet holds.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let alphabet = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// Each byte as one letter.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The text with JSON's escapes written out; any other stays.
fn json_unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let escaped = &rest[at + 1..];
        let code = escaped.strip_prefix('u').and_then(|code| code.get(..4));
        let letter = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        if let Some(letter) = letter {
            plain.push(char::from_u32(letter).unwrap_or('\u{fffd}'));
            rest = &escaped[5..];
            continue;
        }
        let mut letters = escaped.chars();
        match letters.next() {
            Some('n' | 'r') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some(letter) => plain.push(letter),
            None => {}
        }
        rest = letters.as_str();
    }
    plain.push_str(rest);
    plain
}

/// The text as a form sends it, written out.
fn form_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let value = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, value) {
            (b'%', Some(value)) => {
                bytes.push(value);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "385990001122";
    /// Built as Meta's are: a few bytes, the number, a few more.
    const ID: &str = "wamid.HBgMMzg1OTkwMDAxMTIyFQIAERgSQTUwQkQ2QUVGMkYwQzI3RjI0AA==";

    fn mentions() -> Mentions {
        let names = [NUMBER, "ES.13491208655", "wamid.AbC=="];
        Mentions::new(&names.map(str::to_owned).into())
    }

    #[test]
    fn a_number_is_found_in_any_spelling_and_never_within_a_longer_one() {
        let check = |text: &str, expected: bool| {
            assert_eq!(mentions().is_in(text), expected, "{text:?}");
        };
        for text in [
            r#"{"to":"385990001122"}"#,
            r#"{"to":385990001122}"#,
            "+385990001122",
            "00385990001122",
            "00 385 99 000 1122",
            "+385 99 000-11-22",
            "+385 (99) 000.11.22",
            "+385 (0) 99 000 1122",
            "+385\u{a0}99\u{202f}000\u{2011}1122",
            "call +385/99/0001122, or 42",
            "5 385990001122",
            "1385990001122 385990001122",
            r"\u002b385990001122",
            r"\u0033\u00385990001122",
            r#"{\"to\":\"\\u002b385 99\\u00a0000 1122\"}"#,
            "to=%2B385990001122&x=1",
            "to=%2B385+99+000+1122&x=1",
            "to=%2B385%2099%20000%201122",
            "٣٨٥٩٩٠٠٠١١٢٢",
            ID,
            r"wamid.HBgMMzg1OTkwMDAxMTIyFQIAERgSQTUwQkQ2QUVGMkYwQzI3RjI0AA\u003d\u003d",
            "77:385990001122",
            "x ES.13491208655, y",
            "wamid.AbC==",
        ] {
            check(text, true);
        }
        for text in [
            "",
            "1385990001122",
            "3859900011220",
            "10385990001122",
            "+1 385 990 001 122",
            "+385 99 000 1122 7",
            "+385 99 000 112",
            "385,990,001,122",
            "385 99 000  -  1122",
            r"\u0031385990001122",
            "to=%2B1385990001122",
            "wamid.HBgNMTM4NTk5MDAwMTEyMhUCABEYEkE1MEJENkFFRjJGMEMyN0YyNAA=",
            "99 000 1122",
            "wamid.AbD==",
            "xES.13491208655",
            "ES.134912086551",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn what_is_blotted_out_is_found_no_more_and_the_rest_stays() {
        let text = "ask +385 99 000 1122 or 1385990001122 about wamid.AbC== again";
        let blotted = mentions().blotted(text);
        assert_eq!(
            blotted,
            "ask +*************** or 1385990001122 about *********** again"
        );
        assert!(!mentions().is_in(&blotted));
    }

    #[test]
    fn an_id_that_holds_the_number_is_told_from_one_that_holds_a_longer_one() {
        assert!(mentions().is_in_id(ID));
        assert!(mentions().is_in_id("77:385990001122"));
        assert!(!mentions().is_in_id("77:1385990001122"));
        assert!(
            !mentions().is_in_id("wamid.HBgNMTM4NTk5MDAwMTEyMhUCABEYEkE1MEJENkFFRjJGMEMyN0YyNAA=")
        );
    }
}

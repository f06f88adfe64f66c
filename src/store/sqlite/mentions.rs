//! Where a text names a person: a number in any spelling, an id of the person's, or an id that
//! holds the number.
//!
//! Pure. Numbers are found by [`spelled`]; one without its country code could be any number, and is
//! not looked for.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::spelled::{self, in_any_layer};
use crate::model::{digits, is_phone_number};

/// What ids of the Cloud API begin with; base64 follows, around the recipient's number in ASCII.
const CLOUD_ID: &str = "wamid.";
/// What an id begins with that holds its recipient's number: the former, and those of the On-Premises
/// API, base64 around the number in half bytes.
const CODED_IDS: [&str; 5] = [CLOUD_ID, "gBE", "gBG", "ABE", "ABG"];

/// Letters of an id that are looked at, after its beginning: it holds the number among the first, and
/// ids may begin anywhere in a long string of such letters.
const LONGEST_ID: usize = 128;

/// The names of a person, ready to be looked for.
#[derive(Debug, Clone)]
pub(super) struct Mentions {
    numbers: Vec<String>,
    ids: Option<AhoCorasick>,
    /// Finds the ids that may hold a number.
    coded: Option<AhoCorasick>,
}

impl Mentions {
    /// Only digits make a number; an id has other characters.
    pub(super) fn new(names: &BTreeSet<String>) -> Self {
        let is_number = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
        let (numbers, ids): (Vec<&String>, Vec<&String>) = names.iter().partition(is_number);
        Self {
            // It fails for gigabytes of ids alone.
            ids: (!ids.is_empty())
                .then(|| AhoCorasick::new(ids).ok())
                .flatten(),
            coded: (!numbers.is_empty())
                .then(|| AhoCorasick::new(CODED_IDS).ok())
                .flatten(),
            numbers: numbers.into_iter().cloned().collect(),
        }
    }

    /// Whether the text names the person, escaped as it may be.
    pub(super) fn is_in(&self, text: &str) -> bool {
        in_any_layer(text, |text| !self.places(text).is_empty())
    }

    /// Whether this provider's id is of a message to the person: it is made of the recipient's number.
    pub(super) fn is_recipient_of(&self, id: &str) -> bool {
        // Of a broadcast's message the recipient stands at the end.
        let last = id.rsplit_once(':').map(|(_, last)| last);
        let last = last.map(|last| last.split_once('.').map_or(last, |(number, _)| number));
        let number = digits(last.filter(|last| is_phone_number(last)).unwrap_or(id));
        self.numbers.contains(&number) || self.is_coded_in(id)
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
        let mut places = spelled::places(text, &self.numbers);
        if let Some(ids) = &self.ids {
            let found = ids.find_overlapping_iter(text).map(|found| found.range());
            places.extend(found.filter(|place| stands_alone(text, place)));
        }
        let coded = self.coded.iter().flat_map(|coded| coded.find_iter(text));
        // Where the letters of base64 end: looked for once, however many ids may begin in them.
        let mut letters_end = 0;
        for (start, end) in coded.map(|found| (found.start(), found.end())) {
            if letters_end < end || text[start..].starts_with(CLOUD_ID) {
                let rest = &text[end..];
                letters_end = end + rest.find(|letter| !is_base64(letter)).unwrap_or(rest.len());
            }
            let id = start..letters_end;
            let is_whole = text[id.clone()].starts_with(CLOUD_ID) || stands_alone(text, &id);
            // Base64 is ASCII, and so are the beginnings of ids.
            let looked_at = start..letters_end.min(end + LONGEST_ID);
            if is_whole && self.is_coded_in(&text[looked_at]) {
                places.push(id);
            }
        }
        places
    }

    /// Whether the id holds a number of the person's in base64.
    fn is_coded_in(&self, id: &str) -> bool {
        let coded = id.strip_prefix(CLOUD_ID).unwrap_or(id);
        decoded(coded).is_some_and(|bytes| {
            !spelled::places(&latin(&bytes), &self.numbers).is_empty()
                || self
                    .numbers
                    .iter()
                    .any(|number| is_in_halves(&bytes, number))
        })
    }
}

/// Whether these bytes of an On-Premises id hold the number: two bytes, the count of the bytes that
/// follow, a digit in each half of these, an `f` where the last half is empty, and then a 2.
fn is_in_halves(bytes: &[u8], number: &str) -> bool {
    let [0x80 | 0, 0x11, count, rest @ ..] = bytes else {
        return false;
    };
    let halves = hex::encode(rest);
    halves.strip_prefix(number).is_some_and(|after| {
        let is_even = number.len().is_multiple_of(2);
        let is_counted = usize::from(count & 0x7f) * 2 == number.len();
        is_counted || after.starts_with('f') || (is_even && after.starts_with("02"))
    })
}

/// Whether what stands there is not a part of a longer id or number.
fn stands_alone(text: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
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

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "385990001122";
    /// Built as Meta's are: a few bytes, the number, a few more.
    const ID: &str = "wamid.HBgMMzg1OTkwMDAxMTIyFQIAERgSQTUwQkQ2QUVGMkYwQzI3RjI0AA==";
    const ID_OF_NEIGHBOUR: &str = "wamid.HBgNMTM4NTk5MDAwMTEyMhUCABEYEkE1MEJENkFFRjJGMEMyN0YyNAA=";

    fn mentions() -> Mentions {
        let names = [NUMBER, "ES.13491208655", "wamid.AbC=="];
        Mentions::new(&names.map(str::to_owned).into())
    }

    /// An id as the On-Premises API makes it of its recipient's number.
    fn on_premises(number: &str) -> String {
        let (is_odd, mut halves) = (number.len() % 2 == 1, number.to_owned());
        if is_odd {
            halves.push('f');
        }
        let number = hex::decode(halves).unwrap();
        let count = u8::try_from(number.len()).unwrap() | if is_odd { 0x80 } else { 0 };
        let rest = b"\x02\x09\x4a\xd5\x91\x2a\x03\x56\x0a\x3e\xb5";
        let bytes = [&[0x80, 0x11, count], number.as_slice(), rest].concat();
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn a_person_is_found_by_number_by_id_and_within_ids() {
        let check = |text: &str, expected: bool| {
            assert_eq!(mentions().is_in(text), expected, "{text:?}");
        };
        let premises = on_premises(NUMBER);
        for text in [
            "to +385 [99] 000\n1122, or 42",
            ID,
            r"wamid.HBgMMzg1OTkwMDAxMTIyFQIAERgSQTUwQkQ2QUVGMkYwQzI3RjI0AA\u003d\u003d",
            &premises,
            &format!(r#"{{"id":"{premises}","status":"read"}}"#),
            &format!("id%3D{premises}"),
            "77:385990001122",
            "x ES.13491208655, y",
            "wamid.AbC==",
        ] {
            check(text, true);
        }
        for text in [
            "1385990001122",
            "99 000 1122",
            ID_OF_NEIGHBOUR,
            &on_premises("1385990001122"),
            &on_premises("3859900011220"),
            &on_premises("38599000112"),
            "wamid.AbD==",
            "xES.13491208655",
            "ES.134912086551",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn an_id_as_its_provider_documents_it_holds_its_recipient() {
        let check = |id: &str, number: &str| {
            assert!(Mentions::new(&[number.to_owned()].into()).is_in(id), "{id}");
        };
        check("gBGGFlA5FpafAgkOuJbRq54qwbM", "16503916969");
        check("gBEGkYiEB1VXAglK1ZEqA1YKPrU", "918884075557");
        check(
            "wamid.HBgLNjAxNzM1MjYyMzMVAgARGBJCNkY5NTBENEU3ODYxQTM3RUQA",
            "60173526233",
        );
    }

    /// The work is a number of letters for each beginning: with all that follow it takes hours.
    #[test]
    fn a_long_string_of_beginnings_of_ids_is_gone_through_once() {
        let premises = on_premises(NUMBER);
        for beginning in ["gBE", "gBE/", "gBE=", "wamid.", "wamid.HBgL"] {
            let long = beginning.repeat(1_000_000 / beginning.len());
            assert!(!mentions().is_in(&long), "{beginning}");
            for id in [premises.as_str(), ID] {
                let text = format!("{} {id}", &long[..30_000]);
                assert!(mentions().is_in(&text), "{beginning} {id}");
            }
            let at_the_end = format!("{}/{premises}", "gBE/".repeat(1000));
            assert!(mentions().is_in(&at_the_end));
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
    fn an_id_made_of_the_number_is_distinguished_from_one_that_mentions_it() {
        let check = |id: &str, expected: bool| {
            assert_eq!(mentions().is_recipient_of(id), expected, "{id}");
        };
        for id in [
            ID,
            &on_premises(NUMBER),
            "77:385990001122",
            "77:385990001122.2",
            NUMBER,
        ] {
            check(id, true);
        }
        for id in [
            ID_OF_NEIGHBOUR,
            &on_premises("1385990001122"),
            "77:1385990001122",
            "for-385990001122:34600000021",
            "invite-by-385990001122",
        ] {
            check(id, false);
        }
    }
}

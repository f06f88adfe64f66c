//! The person to be erased, read from what an operator pastes.

use crate::model::decimal;

/// The person to be erased: a phone number or a business-scoped user id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person(String);

impl Person {
    /// Reads a number in any spelling, as a link or an address of `WhatsApp` holds it too, or an id
    /// such as `ES.1349`.
    ///
    /// # Errors
    /// Why the text does not identify one person.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = bare(text.trim());
        if text.chars().any(char::is_alphabetic) {
            return if is_user_id(text) {
                Ok(Self(text.to_owned()))
            } else {
                Err(
                    "it is neither a number alone nor an id of letters, digits, \".\", \"-\" and \"_\"",
                )
            };
        }
        if let Some(why) = another_part(text) {
            return Err(why);
        }
        let name = number(text);
        match name.len() {
            // Below seven digits it is no number that a country code begins.
            0..7 => Err("it has fewer than the seven digits of the shortest number"),
            _ if name.starts_with('0') => Err("it begins with a zero, which no country code does"),
            7..=15 => Ok(Self(name)),
            _ => Err("it has more than the 15 digits of the longest number"),
        }
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Digits alone, or the id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What a link or an address of `WhatsApp` is about.
fn bare(text: &str) -> &str {
    const BEFORE: [&str; 10] = [
        "https://",
        "http://",
        "www.",
        "api.whatsapp.com/send",
        "wa.me/",
        "/",
        "?phone=",
        "whatsapp://send",
        "whatsapp:",
        "tel:",
    ];
    const AFTER: [&str; 2] = ["@c.us", "@s.whatsapp.net"];
    let begins = |text: &str, with: &str| {
        let start = text.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let mut bare = text;
    for before in BEFORE {
        if begins(bare, before) {
            bare = &bare[before.len()..];
        }
    }
    for after in AFTER {
        let at = bare.len().saturating_sub(after.len());
        if bare.get(at..).is_some_and(|end| begins(end, after)) {
            bare = &bare[..at];
            // What follows is one of the person's devices.
            bare = bare.split_once(':').map_or(bare, |(number, _)| number);
        }
    }
    bare
}

/// Why what stands there is more than a number, such as an extension, whose digits would make another
/// person's number of it.
fn another_part(text: &str) -> Option<&'static str> {
    let is_digit = |letter: char| decimal(letter).is_some();
    let (first, last) = (text.find(is_digit)?, text.rfind(is_digit)?);
    let within = &text[first..last];
    if within.contains(['#', ',', ';', ':']) {
        return Some(
            "it has \"#\", \",\", \";\" or \":\" between its digits, as an extension or a list has",
        );
    }
    let before = within.trim_end_matches(is_digit);
    let tail = text[before.len() + first..].chars();
    let digits = tail.take_while(|letter| is_digit(*letter)).count();
    let sign = before.trim_end().chars().next_back()?;
    let is_part = match sign {
        '(' | '[' | '{' => true,
        // Of `+33.6.12.34.56.78` the last digits are a part like those before them.
        '.' | '/' => digits == 1 || before.matches(sign).count() == 1,
        _ => false,
    };
    (digits <= 2 && is_part).then_some(
        "its last one or two digits stand apart, as an extension does: give the number without it, \
         or its digits alone",
    )
}

/// The digits of a number in any script, without the zeros that are dialled from abroad and without
/// that of `+385 (0) 99`, which is dialled within the country.
fn number(text: &str) -> String {
    let mut digits = String::new();
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let around = at.checked_sub(1).map(|before| &letters[before..]);
        let is_trunk = matches!(around, Some(['(', _, ')', ..] | ['[', _, ']', ..]));
        if let Some(digit) = decimal(*letter)
            && !(is_trunk && digit == '0' && !digits.is_empty())
        {
            digits.push(digit);
        }
    }
    match digits.strip_prefix("00") {
        Some(rest) => rest.to_owned(),
        None => digits,
    }
}

/// Whether it is written as a business-scoped user id: letters first, so that a number with something
/// odd in it is none.
fn is_user_id(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    text.len() >= 6
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_identified_by_a_number_in_any_spelling_or_an_id() {
        let cases = [
            ("+385 99 000-1122", Some("385990001122")),
            ("00385990001122", Some("385990001122")),
            ("00 385 99 000 1122", Some("385990001122")),
            ("+385 (0) 99 000 1122", Some("385990001122")),
            ("+385[0]99/000.11_22", Some("385990001122")),
            ("tel:+385-99-000-1122", Some("385990001122")),
            ("whatsapp:+385990001122", Some("385990001122")),
            ("WhatsApp:+385990001122", Some("385990001122")),
            ("385990001122@c.us", Some("385990001122")),
            ("385990001122@s.whatsapp.net", Some("385990001122")),
            ("wa.me/385990001122", Some("385990001122")),
            ("https://wa.me/+385990001122", Some("385990001122")),
            (
                "https://api.whatsapp.com/send/?phone=385990001122",
                Some("385990001122"),
            ),
            (
                "\u{202a}+385\u{a0}99\u{2011}0001122\u{202c}",
                Some("385990001122"),
            ),
            ("٣٨٥٩٩٠٠٠١١٢٢", Some("385990001122")),
            ("ES.1349abc", Some("ES.1349abc")),
            ("ES.ENT.1349_a-b", Some("ES.ENT.1349_a-b")),
            ("123456", None),
            ("099 000 1122", None),
            ("(0)99 000 1122", None),
            ("000385990001122", None),
            ("385990001122 385990001123", None),
            ("385990001122x", None),
            ("+385 99 000 1122 ext. 5", None),
            ("385990001122-1600000000@g.us", None),
            ("sip:385990001122", None),
            ("a", None),
            ("two words", None),
            ("", None),
        ];
        check(&cases);
    }

    #[test]
    fn a_device_is_cut_off_and_an_extension_refused() {
        check(&[
            ("385990001122:12@s.whatsapp.net", Some("385990001122")),
            ("385990001122:3@c.us", Some("385990001122")),
            ("+385.99.000.11.22", Some("385990001122")),
            ("+385/99/000/11/22", Some("385990001122")),
            ("+385 99 000 11-22", Some("385990001122")),
            ("+385 99 000 1122,", Some("385990001122")),
            ("+385 99 000 1122.", Some("385990001122")),
            ("385990001122 #5", None),
            ("385990001122#5", None),
            ("385990001122,5", None),
            ("385990001122;5", None),
            ("385990001122:12", None),
            ("385990001122.0", None),
            ("385990001122.12", None),
            ("385.99.000.1122.5", None),
            ("385990001122.0:1@s.whatsapp.net", None),
            ("385990001122 / 5", None),
            ("385990001122/12", None),
            ("385990001122 (5)", None),
            ("385990001122[12]", None),
        ]);
    }

    fn check(cases: &[(&str, Option<&str>)]) {
        for (given, expected) in cases {
            let person = Person::new(given);
            assert_eq!(
                person.as_ref().ok().map(Person::name),
                *expected,
                "{given:?}"
            );
        }
    }
}

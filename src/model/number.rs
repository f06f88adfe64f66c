//! Phone numbers as providers write them: compared by their digits, never by their spelling.

use serde_json::Number;

/// The digits of a number, without `+`, a leading `00`, blanks and punctuation.
///
/// Providers disagree on the `+` even between a request and its answer, so numbers are
/// compared by this alone. What has a letter in it (a business-scoped user id such as
/// `ES.1349…`, a group id) is no number and comes back as it is, trimmed.
#[must_use]
pub fn digits(number: &str) -> String {
    let number = number.trim();
    // As most are written, there is nothing to leave out.
    let bare = number.strip_prefix('+').unwrap_or(number);
    if bare.bytes().all(|byte| byte.is_ascii_digit()) && !bare.starts_with("00") {
        return bare.to_owned();
    }
    if number.chars().any(char::is_alphabetic) {
        return number.to_owned();
    }
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => digits,
    }
}

/// Whether this reads as a phone number: 6 to 20 digits after one optional `+`.
#[must_use]
pub fn is_phone_number(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    (6..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The zeros of the scripts whose digits follow each other in Unicode.
const ZEROS: [u32; 36] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xaa50, 0xabf0, 0xff10,
];
/// Bold, double-struck and other digits of formulas: five times ten.
const FORMULAS: std::ops::Range<u32> = 0x1d7ce..0x1d800;

/// The ASCII digit that a digit of any script stands for.
#[must_use]
pub fn decimal(letter: char) -> Option<char> {
    let code = u32::from(letter);
    let value = if letter.is_ascii() {
        return letter.is_ascii_digit().then_some(letter);
    } else if FORMULAS.contains(&code) {
        (code - FORMULAS.start) % 10
    } else {
        code - ZEROS.into_iter().rev().find(|zero| *zero <= code)?
    };
    char::from_digit(value, 10)
}

/// Beyond this a number with a decimal point has lost digits already.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The whole number this is: what languages without integers write as `131047.0` is one too.
#[must_use]
pub fn whole_number(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|_| number.is_f64())?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "it is whole and below 2^53, which both types hold exactly"
        )]
        (float.fract() == 0.0 && float.abs() < LARGEST_EXACT).then_some(float as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_identified_by_their_digits() {
        let cases = [
            ("+31 6 1234-5678", "31612345678"),
            ("0031612345678", "31612345678"),
            ("31612345678", "31612345678"),
            (" ES.1349abc ", "ES.1349abc"),
            ("00", "00"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(digits(given), expected, "{given:?}");
        }
    }

    #[test]
    fn digits_of_other_scripts_are_digits() {
        for script in [
            "0123456789",
            "٠١٢٣٤٥٦٧٨٩",
            "۰۱۲۳۴۵۶۷۸۹",
            "०१२३४५६७८९",
            "０１２３４５６７８９",
            "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
            "𝟶𝟷𝟸𝟹𝟺𝟻𝟼𝟽𝟾𝟿",
        ] {
            let read: String = script.chars().filter_map(decimal).collect();
            assert_eq!(read, "0123456789", "{script}");
        }
        assert!(
            "a ²½Ⅷ一\u{1d800}"
                .chars()
                .all(|letter| decimal(letter).is_none())
        );
    }

    #[test]
    fn a_whole_number_may_have_a_decimal_point() {
        let cases = [
            ("131047", Some(131_047)),
            ("131047.0", Some(131_047)),
            ("-3.0", Some(-3)),
            ("131047.5", None),
            ("9007199254740993.0", None),
            ("18446744073709551615", None),
            ("1e300", None),
        ];
        for (given, expected) in cases {
            let number: Number = given.parse().unwrap();
            assert_eq!(whole_number(&number), expected, "{given}");
        }
    }

    #[test]
    fn a_phone_number_has_six_to_twenty_digits() {
        let cases = [
            ("+385990001122", true),
            ("385990001122", true),
            ("12345", false),
            ("123456789012345678901", false),
            ("HR.1234567890", false),
            ("", false),
        ];
        for (given, expected) in cases {
            assert_eq!(is_phone_number(given), expected, "{given:?}");
        }
    }
}

//! Phone numbers as providers write them: compared by their digits, never by their spelling.

/// The digits of a number, without `+`, a leading `00`, blanks and punctuation.
///
/// Providers disagree on the `+` even between a request and its answer, so numbers are
/// compared by this alone. What has a letter in it (a business-scoped user id such as
/// `ES.1349…`, a group id) is no number and comes back as it is, trimmed.
#[must_use]
pub fn digits(number: &str) -> String {
    let number = number.trim();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_by_their_digits() {
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

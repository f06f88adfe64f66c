//! NUL characters in texts: SQLite's functions, C programs and many terminals end a text at one.
//!
//! They are legal in JSON, as an escape. What is stored has U+FFFD in their place, ids included.

use std::borrow::Cow;

/// The oddity of a report that holds one.
pub const NUL_CHARACTER: &str = "nul-character";

/// How JSON writes one.
const ESCAPE: &str = "\\u0000";

/// Replaces each NUL character of a text; says whether there was one.
pub fn replace_nul(text: &mut String) -> bool {
    let has_nul = text.contains('\0');
    if has_nul {
        *text = text.replace('\0', "\u{FFFD}");
    }
    has_nul
}

/// JSON in which each NUL character of a string, which is an escape, is U+FFFD.
#[must_use]
pub fn json_without_nul(json: &str) -> Cow<'_, str> {
    if !json.contains(ESCAPE) {
        return Cow::Borrowed(json);
    }
    let (mut clean, mut rest) = (String::with_capacity(json.len()), json);
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        clean.push_str(before);
        // A backslash that is itself escaped begins no escape.
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        clean.push_str(if backslashes % 2 == 0 {
            "\\uFFFD"
        } else {
            ESCAPE
        });
        rest = after;
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// Whether JSON holds a NUL character, in a string or in JSON that is itself a string.
#[must_use]
pub fn json_has_nul(json: &[u8]) -> bool {
    let escape = &ESCAPE.as_bytes()[1..];
    // Most JSON has no backslash at all, which is seen in a few steps.
    json.contains(&b'\\')
        && (json.split(|byte| *byte == b'\\').skip(1)).any(|after| after.starts_with(escape))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_nul_of_a_json_text_becomes_the_replacement_character() {
        let cases = [
            (json!("a\0b"), json!("a\u{FFFD}b")),
            (json!("\0\0"), json!("\u{FFFD}\u{FFFD}")),
            (
                json!({"k\0": ["\0", 0]}),
                json!({"k\u{FFFD}": ["\u{FFFD}", 0]}),
            ),
            (json!("\\u0000"), json!("\\u0000")),
            (json!("\\\0"), json!("\\\u{FFFD}")),
            (json!("\\\\u0000 \0"), json!("\\\\u0000 \u{FFFD}")),
            (json!("é"), json!("é")),
        ];
        for (given, expected) in cases {
            let text = given.to_string();
            let read: Value = serde_json::from_str(&json_without_nul(&text)).unwrap();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn a_text_without_one_is_left_alone() {
        let mut text = "as it is".to_owned();
        assert!(!replace_nul(&mut text) && text == "as it is");
        assert!(replace_nul(&mut "\0".to_owned()));
        assert!(matches!(json_without_nul("{}"), Cow::Borrowed("{}")));
        assert!(
            json_has_nul(br#"{"a":"\u0000"}"#) && json_has_nul(br#"{"a":"{\"b\":\"\\u0000\"}"}"#)
        );
        assert!(!json_has_nul(b"{}"));
    }

    #[test]
    fn a_nul_in_json_is_seen_wherever_it_stands() {
        for around in ["", "\\", "\\\\", "\\u000", "\\u0001", "u0000", "0", "é"] {
            for inner in [ESCAPE, "\\u000", "u0000", "\\U0000"] {
                let json = format!("{around}{inner}x{around}");
                let has_nul = json_has_nul(json.as_bytes());
                assert_eq!(has_nul, json.contains(ESCAPE), "{json}");
            }
        }
    }
}

//! Why a text is no JSON, in a reader's words and not the library's.

use std::fmt::Write as _;

/// What the library says, and what that is in words. The first that fits counts.
const WORDS: [(&str, &str); 20] = [
    ("EOF while parsing a list", "it ends within a list"),
    ("EOF while parsing an object", "it ends within an object"),
    ("EOF while parsing a string", "it ends within a text"),
    ("EOF while parsing", "it ends where a value belongs"),
    ("expected `:`", "a colon is missing behind a name"),
    (
        "expected `,` or `]`",
        "a comma or the end of a list is missing",
    ),
    (
        "expected `,` or `}`",
        "a comma or the end of an object is missing",
    ),
    (
        "expected ident",
        "a word stands there that is none of true, false and null",
    ),
    ("expected value", "a value is missing"),
    ("expected `\"`", "a name in quotes is missing"),
    (
        "invalid escape",
        "a backslash stands before what cannot be escaped",
    ),
    ("invalid number", "a number is not written as JSON has it"),
    ("number out of range", "a number is out of all range"),
    (
        "invalid unicode code point",
        "an escape after \\u names no character",
    ),
    (
        "lone leading surrogate",
        "an escape after \\u names half a character",
    ),
    (
        "unexpected end of hex escape",
        "an escape after \\u names half a character",
    ),
    (
        "control character",
        "a text holds a line end or another control character, which is to be escaped",
    ),
    ("key must be a string", "a name is not in quotes"),
    (
        "trailing comma",
        "a comma stands before the end of a list or an object",
    ),
    ("trailing characters", "something stands behind its end"),
];

/// Why a text cannot be read as JSON, with the place in it; nothing of the text itself.
#[must_use]
pub fn json_reason(error: &serde_json::Error) -> String {
    reason(error, "")
}

/// As [`json_reason`], of a part of a body, in which the place is counted.
#[must_use]
pub fn json_reason_of_part(error: &serde_json::Error) -> String {
    reason(error, " of it")
}

fn reason(error: &serde_json::Error, of: &str) -> String {
    let text = error.to_string();
    let (text, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    let known = WORDS.iter().find(|(start, _)| text.starts_with(start));
    let mut reason = match known {
        Some((_, words)) => (*words).to_owned(),
        None if text == "recursion limit exceeded" => "it is nested too deep".to_owned(),
        // Our own words.
        None => text.to_owned(),
    };
    if error.line() > 0 {
        // Writing to a string cannot fail.
        let (line, column) = (error.line(), error.column());
        let _ = write!(reason, " (line {line}, column {column}{of})");
    }
    reason
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_no_json_is_reported_in_words_with_its_place() {
        let deep = "[".repeat(200);
        for (text, expected) in [
            ("", "it ends where a value belongs (line 1, column 0)"),
            ("[1,\n2", "it ends within a list (line 2, column 1)"),
            ("{\"a\":1", "it ends within an object (line 1, column 6)"),
            ("\"a", "it ends within a text (line 1, column 2)"),
            ("{a: 1}", "a name is not in quotes (line 1, column 2)"),
            (
                "{\"a\" 1}",
                "a colon is missing behind a name (line 1, column 6)",
            ),
            (
                "[1 2]",
                "a comma or the end of a list is missing (line 1, column 4)",
            ),
            (
                "{\"a\":1 \"b\"}",
                "a comma or the end of an object is missing (line 1, column 8)",
            ),
            (
                "[1,]",
                "a comma stands before the end of a list or an object (line 1, column 4)",
            ),
            (
                "{\"a\":1,}",
                "a comma stands before the end of a list or an object (line 1, column 8)",
            ),
            (
                "nul!",
                "a word stands there that is none of true, false and null (line 1, column 4)",
            ),
            ("'a'", "a value is missing (line 1, column 1)"),
            (
                "{} {}",
                "something stands behind its end (line 1, column 4)",
            ),
            (
                "01",
                "a number is not written as JSON has it (line 1, column 2)",
            ),
            ("1e999", "a number is out of all range (line 1, column 5)"),
            (
                r#""\x""#,
                "a backslash stands before what cannot be escaped (line 1, column 3)",
            ),
            (
                "\"a\nb\"",
                "a text holds a line end or another control character, which is to be \
                escaped (line 2, column 0)",
            ),
            (&deep, "it is nested too deep (line 1, column 128)"),
        ] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(json_reason(&error), expected, "{text}");
        }
        let own = <serde_json::Error as serde::de::Error>::custom("too much");
        assert_eq!(json_reason(&own), "too much");
    }

    /// No word of the library's own is left, whatever is cut off or put into a body.
    #[test]
    fn a_body_that_is_broken_anywhere_is_never_reported_in_words_of_the_library() {
        let body = r#"{"results":[{"messageId":"é\u00e9\"","ok":true,"none":null,"n":-1.5e3}]}"#;
        let signs = ["", "}", "]", ",", ":", "\"", "\\", "\u{1}", "x", "0", "{"];
        let mut broken = 0;
        for (at, _) in body.char_indices() {
            for sign in signs {
                for rest in ["", &body[at..]] {
                    let text = format!("{}{sign}{rest}", &body[..at]);
                    let Err(error) = serde_json::from_str::<Value>(&text) else {
                        continue;
                    };
                    broken += 1;
                    let reason = json_reason(&error);
                    for word in [
                        "EOF", "expected", "ident", "trailing", " at line", "key must", "invalid",
                    ] {
                        assert!(!reason.contains(word), "{text}: {reason}");
                    }
                }
            }
        }
        assert!(broken > 500, "{broken}");
    }
}

//! What the JSON library says, in the words of the caller: which field, what it is, what to write.
//!
//! The library speaks of the types that we read into. No caller knows those.

use crate::model::{Echoed, nearest, quoted};

/// What is wrong with a field, from the library's text without its place. `name` is how the caller
/// calls the field; of a secret it is said what sort of value was found, and never which.
pub(crate) fn explained(text: &str, name: &str, is_secret: bool) -> String {
    let name = if name.is_empty() { "the body" } else { name };
    let name = Echoed(name);
    if let Some(rest) = text.strip_prefix("unknown field `") {
        let (field, known) = split(rest);
        let known = expected(known);
        return match nearest(field, known.iter().copied()) {
            Some(meant) => format!("{name} is unknown: did you mean {meant}?"),
            None if known.is_empty() => format!("{name} is unknown: leave it out"),
            None => format!("{name} is unknown: known here are {}", known.join(", ")),
        };
    }
    if text.starts_with("missing field `") {
        return format!("{name} is missing");
    }
    if text.starts_with("duplicate field `") {
        return format!("{name} is there twice: leave one out");
    }
    if let Some(rest) = text.strip_prefix("unknown variant `") {
        let (word, known) = split(rest);
        let known = expected(known);
        let found = if is_secret {
            "another text".to_owned()
        } else {
            quoted(word).to_string()
        };
        let all = known.join(", ");
        return match nearest(word, known.iter().copied()).filter(|_| !is_secret) {
            Some(meant) => format!("{name} is {found}: did you mean {meant}? Write one of {all}"),
            None => format!("{name} is {found}: write one of {all}"),
        };
    }
    let is_of_type = ["invalid type: ", "invalid value: ", "invalid length "];
    let invalid = is_of_type.iter().find_map(|start| text.strip_prefix(start));
    if let Some((found, wanted)) = invalid.and_then(|text| text.rsplit_once(", expected ")) {
        return format!(
            "{name} is {}: write {}",
            found_in_words(found, is_secret),
            wanted_in_words(wanted)
        );
    }
    match text {
        "provided string was not `true` or `false`" => format!("{name}: write true or false"),
        // Our own words, which name the remedy themselves.
        own => own.to_owned(),
    }
}

/// The word in the library's backticks, and what stands behind it.
fn split(rest: &str) -> (&str, &str) {
    let end = rest
        .rfind("`, expected ")
        .or_else(|| rest.rfind("`, there "));
    let end = end.unwrap_or_else(|| rest.trim_end_matches('`').len());
    (&rest[..end], &rest[end..])
}

/// The names in the library's backticks.
pub(super) fn expected(text: &str) -> Vec<&str> {
    let (_, list) = text.split_once("expected ").unwrap_or_default();
    list.split('`').skip(1).step_by(2).collect()
}

/// The field that the library speaks of where its path ends at what holds the field.
pub(crate) fn named(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("unknown field `") {
        return Some(split(rest).0);
    }
    ["missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start)?.split('`').next())
}

/// What was found.
fn found_in_words(found: &str, is_secret: bool) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_start_matches("point ");
    let inner = value.trim_matches('`');
    match kind {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit" | "Option" => "null".to_owned(),
        "integer" | "floating" | "number" if is_secret => "a number".to_owned(),
        "integer" | "floating" | "number" => Echoed(inner).to_string(),
        "boolean" if is_secret => "true or false".to_owned(),
        "boolean" => inner.to_owned(),
        "string" | "character" if is_secret => "a text".to_owned(),
        "string" => match serde_json::from_str::<String>(value) {
            Ok(text) => quoted(&text).to_string(),
            Err(_) => quoted(value.trim_matches('"')).to_string(),
        },
        "character" => quoted(inner).to_string(),
        _ => "something else".to_owned(),
    }
}

/// What is to be written instead.
fn wanted_in_words(wanted: &str) -> String {
    match wanted {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "a borrowed string" | "string or map" | "variant identifier" => {
            "a text".to_owned()
        }
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "unit" | "option" => "null, or leave it out".to_owned(),
        _ if wanted.contains("struct ") => "an object".to_owned(),
        // A word of a closed set may be written as a map too, though it is unusual.
        _ if wanted.starts_with("map ") => "a text".to_owned(),
        _ if wanted.contains("enum ") => "a text".to_owned(),
        _ => wanted.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_says_is_reported_in_words_of_the_caller() {
        for (text, expected) in [
            (
                "invalid type: string \"a\\\"b\", expected u16",
                "x is \"a\"b\": write a whole number from 0 to 65535",
            ),
            (
                "invalid type: floating point `1.5`, expected i64",
                "x is 1.5: write a whole number",
            ),
            (
                "invalid value: integer `0`, expected a whole number from 1 to 256",
                "x is 0: write a whole number from 1 to 256",
            ),
            (
                "invalid length 2, expected struct Rule with 3 elements",
                "x is something else: write an object",
            ),
            (
                "unknown variant `sentt`, expected one of `sent`, `read`",
                "x is \"sentt\": did you mean sent? Write one of sent, read",
            ),
            (
                "unknown variant `a`, expected one of `b`, expected `c`",
                "x is \"a`, expected one of `b\": write one of c",
            ),
            (
                "unknown field `colour`, expected `color` or `size`",
                "x is unknown: did you mean color?",
            ),
            (
                "unknown field `a`, there are no fields",
                "x is unknown: leave it out",
            ),
            ("missing field `x`", "x is missing"),
            ("duplicate field `x`", "x is there twice: leave one out"),
            ("write a number", "write a number"),
        ] {
            assert_eq!(explained(text, "x", false), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated() {
        for text in [
            "invalid type: string \"hunter2\", expected u16",
            "invalid type: integer `4711`, expected a string",
            "unknown variant `hunter2`, expected one of `basic`, `bearer`",
        ] {
            let detail = explained(text, "auth", true);
            assert!(
                !detail.contains("hunter2") && !detail.contains("4711"),
                "{detail}"
            );
        }
    }

    #[test]
    fn no_more_than_two_hundred_characters_are_repeated() {
        let long = "x".repeat(5000);
        for text in [
            format!("unknown field `{long}`, expected `a`"),
            format!("unknown variant `{long}`, expected `a`"),
            format!("invalid type: string \"{long}\", expected u16"),
        ] {
            for name in ["x", &long] {
                assert!(explained(&text, name, false).len() < 500, "{text}");
            }
        }
    }
}

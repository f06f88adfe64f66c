//! The members of an element, read as people send them: a text that is a number, a number that is
//! a text, and what is empty as if it were not there.

use serde_json::Value;

use crate::model::whole_number;

/// Whether this says nothing: `null`, a blank text, an empty object or array.
pub(in crate::providers) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The member, unless it says nothing.
pub(in crate::providers) fn present<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|member| !is_absent(member))
}

/// A non-blank text, or a number or bool written out; a whole number without its `.0`.
pub(in crate::providers) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(match whole_number(number) {
            Some(whole) => whole.to_string(),
            None => number.to_string(),
        }),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The member's text: a non-blank string, or a number or bool written out.
pub(in crate::providers) fn text(value: &Value, name: &str) -> Option<String> {
    scalar(value.get(name)?)
}

/// The member's word for a state.
pub(in crate::providers) fn word(value: &Value, name: &str) -> Option<String> {
    word_of(value.get(name)?)
}

/// A word for a state: a text with a letter or digit. What stands for "none" is none.
pub(in crate::providers) fn word_of(value: &Value) -> Option<String> {
    const NONE: [&str; 7] = ["none", "null", "nil", "undefined", "false", "true", "n/a"];
    let word = value.as_str()?.trim();
    let is_word = word.chars().any(char::is_alphanumeric);
    let is_none = NONE.iter().any(|none| word.eq_ignore_ascii_case(none));
    (is_word && !is_none).then(|| word.to_owned())
}

/// The member's whole number: a number, or a string that holds one.
pub(in crate::providers) fn integer(value: &Value, name: &str) -> Option<i64> {
    integer_of(value.get(name)?)
}

/// The whole number this is: `131047`, `"131047"`, and what a table calculation or a language
/// without integers makes of it, `131047.0`.
pub(in crate::providers) fn integer_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => whole_number(number),
        Value::String(text) => integer_in(text),
        _ => None,
    }
}

/// The whole number that a text holds.
pub(in crate::providers) fn integer_in(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|it| it == b'0') => whole,
        _ => text,
    };
    whole.parse().ok()
}

/// The member's number: a number, or a string that holds a finite one.
pub(in crate::providers) fn number(value: &Value, name: &str) -> Option<f64> {
    let number = match value.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// The member's truth: a bool, or a string that spells one in any case.
pub(in crate::providers) fn boolean(value: &Value, name: &str) -> Option<bool> {
    match value.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The member, when it is an object with anything in it.
pub(in crate::providers) fn object<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    present(value, name).filter(|member| member.is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_says_something() {
        let value = json!({"a": " PAUSED ", "b": "", "c": " ", "d": "None", "e": false, "f": "false",
            "g": null, "h": "-", "i": {}, "j": 7, "k": "UNKNOWN"});
        for (name, expected) in [("a", Some("PAUSED")), ("k", Some("UNKNOWN"))] {
            assert_eq!(word(&value, name).as_deref(), expected);
        }
        for name in ["b", "c", "d", "e", "f", "g", "h", "i", "j", "l"] {
            assert_eq!(word(&value, name), None, "{name}");
        }
    }

    #[test]
    fn scalars_are_read_as_people_send_them() {
        let value = json!({"n": 7, "f": 7.0, "h": 7.5, "b": true, "e": " ", "o": {}, "l": []});
        let texts = ["n", "f", "h", "b", "e", "o", "l", "-"].map(|name| text(&value, name));
        let expected = [
            Some("7"),
            Some("7"),
            Some("7.5"),
            Some("true"),
            None,
            None,
            None,
            None,
        ];
        assert_eq!(texts.each_ref().map(Option::as_deref), expected);
        let value = json!({"b": "TRUE", "f": "1e-7", "o": {"x": null}});
        assert_eq!(boolean(&value, "b"), Some(true));
        assert_eq!(number(&value, "f"), Some(1e-7));
        assert!(object(&value, "o").is_some() && object(&value, "f").is_none());
    }

    #[test]
    fn a_whole_number_may_have_a_decimal_point_and_no_more() {
        let cases = [
            (json!(131_047), Some(131_047)),
            (json!(131_047.0), Some(131_047)),
            (json!(1.31047e5), Some(131_047)),
            (json!("131047"), Some(131_047)),
            (json!(" 131047.00 "), Some(131_047)),
            (json!("-3.0"), Some(-3)),
            (json!(i64::MAX), Some(i64::MAX)),
            (json!(131_047.5), None),
            (json!("131047.5"), None),
            (json!("131047."), None),
            (json!(".0"), None),
            (json!("1e5"), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!(""), None),
            (json!({}), None),
            (json!(true), None),
        ];
        for (value, expected) in cases {
            assert_eq!(integer_of(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_empty_is_absent() {
        for empty in [json!(null), json!(""), json!(" \t"), json!({}), json!([])] {
            assert!(is_absent(&empty), "{empty}");
            assert_eq!(present(&json!({"x": empty}), "x"), None, "{empty}");
        }
        for full in [
            json!(0),
            json!(false),
            json!("0"),
            json!([null]),
            json!({"a": ""}),
        ] {
            assert_eq!(present(&json!({"x": full}), "x"), Some(&full), "{full}");
        }
    }
}

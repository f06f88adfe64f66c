//! Reading JSON that somebody wrote by hand, so that what is wrong is told by its place.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Fault;
use crate::provider::Shape;

/// Up to this length, in bytes, a text is read whatever is in it.
const SHORT: usize = 64 * 1024;
/// What a longer one may have in it: read as a value, an object takes up to eighty times its text.
const OBJECTS: usize = 32_768;
const VALUES: usize = 262_144;

/// Fields whose values no answer repeats.
const SECRET: [&str; 3] = ["auth", "headers", "url"];

/// Reads a whole text as a JSON object of that shape.
///
/// # Errors
/// The first field that is not as it must be; `""` for a text that is no JSON, or no object.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    if bytes.len() > SHORT {
        let text = std::str::from_utf8(bytes);
        let shape = Shape::of(text.map_err(|error| fault("", format!("it is no UTF-8: {error}")))?);
        if shape.objects > OBJECTS || shape.values() > VALUES {
            let detail = format!(
                "there is too much in it: send at most {OBJECTS} objects and {VALUES} values at once"
            );
            return Err(fault("", detail));
        }
    }
    // Serde takes a list of an object's values for the object.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(fault("", "it is a list: write an object, {\"…\": …}"));
    }
    let no_json = |error| fault("", format!("it is no JSON: {error}"));
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = match serde_path_to_error::deserialize(&mut json) {
        Ok(parsed) => parsed,
        Err(error) if error.inner().is_data() => return Err(misfit(&error)),
        // What stands where a word is wanted and is none is bad syntax to serde_json too. We do
        // not begin with a value: it keeps one of two fields of the same name.
        Err(_) => {
            let value: Value = serde_json::from_slice(bytes).map_err(no_json)?;
            return serde_path_to_error::deserialize(value).map_err(|error| misfit(&error));
        }
    };
    json.end().map_err(no_json)?;
    Ok(parsed)
}

/// JSON that is not of the shape.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let pointer = pointer(error.path());
    let detail = told(error.inner(), is_secret(&pointer));
    // Of a field that is unknown the path ends at the field itself.
    let name = named(&detail).filter(|_| !detail.starts_with("unknown"));
    let name = name.map_or_else(String::new, |name| format!("/{}", escape(name)));
    fault(format!("{pointer}{name}"), detail)
}

/// Whether what stands there may be a secret or hold one: what proves us to a subscriber, or the
/// whole, which may be JSON that was written as a text.
fn is_secret(pointer: &str) -> bool {
    let field = pointer.split('/').nth(1);
    field.is_none_or(|field| SECRET.contains(&field))
}

/// The error without its place, which the pointer tells better, in words of JSON and not of Rust.
/// Of a secret it says what sort of value was found, and never which.
fn told(error: &serde_json::Error, is_secret: bool) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let Some((found, wanted)) = text
        .strip_prefix("invalid ")
        .and_then(|text| text.split_once(": ")?.1.rsplit_once(", expected "))
    else {
        let words = text.strip_prefix("unknown variant `").filter(|_| is_secret);
        let Some((_, wanted)) = words.and_then(|words| words.rsplit_once("`, expected ")) else {
            return text.to_owned();
        };
        return format!("it is another text: write {wanted}");
    };
    let found = match found {
        "sequence" => "a list",
        "map" => "an object",
        other if is_secret => kind(other),
        other => other,
    };
    format!("it is {found}: write {}", in_words(wanted))
}

/// What sort of value serde found, without the value.
fn kind(found: &str) -> &'static str {
    match found.split(' ').next().unwrap_or_default() {
        "string" | "character" => "a text",
        "integer" | "floating" | "number" => "a number",
        "boolean" => "true or false",
        "null" | "unit" => "null",
        _ => "something else",
    }
}

/// What serde expected.
fn in_words(wanted: &str) -> String {
    match wanted {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "string or map" | "variant identifier" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        _ if wanted.starts_with("struct ") => "an object".to_owned(),
        _ if wanted.starts_with("enum ") => "a text".to_owned(),
        _ => wanted.to_owned(),
    }
}

/// The field that serde speaks of where its path ends at what holds the field.
pub(crate) fn named(detail: &str) -> Option<&str> {
    ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| detail.strip_prefix(start)?.split('`').next())
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment as Part;
    path.iter()
        .filter_map(|part| match part {
            Part::Seq { index } => Some(format!("/{index}")),
            Part::Map { key } => Some(format!("/{}", escape(key))),
            Part::Enum { .. } | Part::Unknown => None,
        })
        .collect()
}

/// As RFC 6901 has it.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn fault(field: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault {
        field: field.into(),
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::read;
    use crate::model::Status;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[serde(default)]
        status: Option<Status>,
        #[serde(default)]
        statuses: Vec<Status>,
        #[serde(default)]
        port: u16,
        #[serde(default)]
        inner: BTreeMap<String, Box<Thing>>,
    }

    #[test]
    fn every_fault_names_its_field_in_words_of_json() {
        let check = |text: &str, field: &str, detail: &str| {
            let fault = read::<Thing>(text.as_bytes()).unwrap_err();
            assert_eq!(fault.field, field, "{text}");
            assert!(fault.detail.starts_with(detail), "{text}: {}", fault.detail);
        };
        let thing: Thing = read(br#"{"status": "sent", "statuses": ["read"], "port": 1}"#).unwrap();
        assert_eq!((thing.status, thing.port), (Some(Status::Sent), 1));
        assert_eq!(thing.statuses, [Status::Read]);
        assert!(thing.inner.is_empty());
        check(
            r#"{"status": 5}"#,
            "/status",
            "it is integer `5`: write a text",
        );
        check(
            r#"{"statuses": ["sent", null]}"#,
            "/statuses/1",
            "it is null: write a text",
        );
        check(
            r#"{"inner": {"a/b": {"status": []}}}"#,
            "/inner/a~1b/status",
            "it is a list",
        );
        check(
            r#"{"status": "x"}"#,
            "/status",
            "unknown variant `x`, expected one of",
        );
        check(
            r#"{"port": 70000}"#,
            "/port",
            "it is integer `70000`: write a whole number from 0",
        );
        check(r#"{"port": 1, "port": 2}"#, "/port", "duplicate field");
        check(r#"{"colour": 1}"#, "/colour", "unknown field");
        check(
            r#"{"inner": 5}"#,
            "/inner",
            "it is integer `5`: write an object",
        );
        check(r#"{"status": 5"#, "", "it is no JSON: ");
        check("", "", "it is no JSON: ");
        check("{} {}", "", "it is no JSON: ");
        check("5", "", "it is a number: write an object");
        check(r#""{}""#, "", "it is a text: write an object");
        check(
            r#" ["sent", [], 1, {}]"#,
            "",
            "it is a list: write an object",
        );
    }
}

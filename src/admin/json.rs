//! Reading JSON that was written by hand: every mistake is reported at once, each with its field.

mod repair;
mod words;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Fault;
use crate::providers::Complexity;

pub(crate) use words::{explained, named};

/// Up to this length, in bytes, a text is read whatever is in it.
const SHORT: usize = 64 * 1024;
/// What a longer one may have in it: read as a value, an object takes up to eighty times its text.
const OBJECTS: usize = 32_768;
const VALUES: usize = 262_144;

/// Fields whose values no answer repeats.
const SECRET: [&str; 3] = ["auth", "headers", "url"];

/// A text that was read; where something is wrong, as far as it can be read all the same.
pub(crate) struct Read<T> {
    /// What it says, without the fields that are wrong.
    pub(crate) value: Option<T>,
    /// Each field that is not as it must be.
    pub(crate) faults: Vec<Fault>,
}

impl<T> Read<T> {
    fn refused(fault: Fault) -> Self {
        Self {
            value: None,
            faults: vec![fault],
        }
    }

    /// What it says, or all that is wrong.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn whole(self) -> Result<T, Vec<Fault>> {
        match self.value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }
}

/// The faults of the shape, and those of `others` that are of fields whose shape is right.
pub(crate) fn merged(mut faults: Vec<Fault>, others: Vec<Fault>) -> Vec<Fault> {
    let is_within = |field: &str, of: &str| {
        let rest = field.strip_prefix(of);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let new: Vec<Fault> = others
        .into_iter()
        .filter(|other| {
            !faults
                .iter()
                .any(|known| is_within(&other.field, &known.field))
        })
        .collect();
    faults.extend(new);
    faults
}

/// Reads a whole text as a JSON object of that shape; `""` is the field of a text that is no JSON, or
/// no object.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Read<T> {
    if bytes.len() > SHORT {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Read::refused(no_text(error)),
        };
        let shape = Complexity::of(text);
        if shape.objects > OBJECTS || shape.values() > VALUES {
            let detail = format!(
                "there is too much in it: send at most {OBJECTS} objects and {VALUES} values at once"
            );
            return Read::refused(Fault::new("", detail));
        }
    }
    // Serde takes a list of an object's values for the object.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Read::refused(Fault::new(
            "",
            "the body is a list: write an object, {\"…\": …}",
        ));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Read::refused(no_text(error));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let error = match serde_path_to_error::deserialize(&mut json) {
        Ok(value) => {
            return match json.end() {
                Ok(()) => Read {
                    value: Some(value),
                    faults: Vec::new(),
                },
                Err(error) => Read::refused(no_json(&error)),
            };
        }
        Err(error) => error,
    };
    // What stands where a word is wanted and is none is bad syntax to serde_json too. We do not begin
    // with a value: it keeps one of two fields of the same name.
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return Read::refused(no_json(&error)),
    };
    let twice = Some(&error).filter(|error| is_twice(error.inner()));
    let mut faults: Vec<Fault> = twice.map(misfit).into_iter().collect();
    if bytes.len() > SHORT {
        if faults.is_empty() {
            faults.extend(
                serde_path_to_error::deserialize::<_, T>(value)
                    .err()
                    .map(|it| misfit(&it)),
            );
        }
        return Read {
            value: None,
            faults,
        };
    }
    repair::repaired(value, faults)
}

/// A text that is no UTF-8.
pub(super) fn no_text(error: std::str::Utf8Error) -> Fault {
    let detail = format!(
        "it is no UTF-8 from byte {} on",
        error.valid_up_to().saturating_add(1)
    );
    Fault::new("", detail)
}

/// A text that is no JSON, with the place where that is seen.
pub(super) fn no_json(error: &serde_json::Error) -> Fault {
    let place = format!("line {}, column {}", error.line(), error.column());
    let detail = match error.classify() {
        serde_json::error::Category::Eof => format!("it is no JSON: it ends too early ({place})"),
        _ => format!("it is no JSON ({place})"),
    };
    Fault::new("", detail)
}

fn is_twice(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("duplicate field `")
}

/// JSON that is not of the shape.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let mut pointer = pointer(error.path());
    let text = error.inner().to_string();
    let place = format!(
        " at line {} column {}",
        error.inner().line(),
        error.inner().column()
    );
    let text = text.strip_suffix(&place).unwrap_or(&text);
    // Of a field that is unknown the path ends at the field itself.
    if let Some(name) = named(text).filter(|_| !text.starts_with("unknown")) {
        pointer = format!("{pointer}/{}", escape(name));
    }
    let detail = explained(text, pointer.trim_start_matches('/'), is_secret(&pointer));
    Fault::new(pointer, detail)
}

/// Whether what stands there may be a secret or hold one: what proves us to a subscriber, or the
/// whole, which may be JSON that was written as a text.
fn is_secret(pointer: &str) -> bool {
    let field = pointer.split('/').nth(1);
    field.is_none_or(|field| SECRET.contains(&field))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::{merged, read};
    use crate::model::Fault;
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
            let faults = read::<Thing>(text.as_bytes()).whole().unwrap_err();
            let fault = &faults[0];
            assert_eq!(fault.field, field, "{text}");
            assert!(fault.detail.starts_with(detail), "{text}: {}", fault.detail);
            assert_eq!(faults.len(), 1, "{faults:?}");
        };
        let thing = br#"{"status": "sent", "statuses": ["read"], "port": 1}"#;
        let thing: Thing = read(thing).whole().unwrap();
        assert_eq!((thing.status, thing.port), (Some(Status::Sent), 1));
        assert_eq!(thing.statuses, [Status::Read]);
        assert!(thing.inner.is_empty());
        check(r#"{"status": 5}"#, "/status", "status is 5: write a text");
        check(
            r#"{"statuses": ["sent", null]}"#,
            "/statuses/1",
            "statuses/1 is null: write a text",
        );
        check(
            r#"{"inner": {"a/b": {"status": []}}}"#,
            "/inner/a~1b/status",
            "inner/a~1b/status is a list: write a text",
        );
        check(
            r#"{"status": "x"}"#,
            "/status",
            "status is \"x\": write one of queued, sent",
        );
        check(
            r#"{"port": 70000}"#,
            "/port",
            "port is 70000: write a whole number from 0 to 65535",
        );
        check(r#"{"port": 1, "port": 2}"#, "/port", "port is there twice");
        check(
            r#"{"colour": 1}"#,
            "/colour",
            "colour is unknown: known here are",
        );
        check(
            r#"{"statu": 1}"#,
            "/statu",
            "statu is unknown: did you mean status?",
        );
        check(r#"{"inner": 5}"#, "/inner", "inner is 5: write an object");
        check(r#"{"status": 5"#, "", "it is no JSON");
        check("", "", "it is no JSON");
        check("{} {}", "", "it is no JSON");
        check("5", "", "the body is a number: write an object");
        check(r#""{}""#, "", "the body is a text: write an object");
        check(
            r#" ["sent", [], 1, {}]"#,
            "",
            "the body is a list: write an object",
        );
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Needy {
        name: String,
        status: Status,
        count: u8,
        #[serde(default)]
        list: Vec<u8>,
        #[serde(default)]
        free: Option<bool>,
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let check = |text: &str, expected: &[&str], is_read: bool| {
            let read = read::<Needy>(text.as_bytes());
            let mut fields: Vec<&str> = read.faults.iter().map(|it| it.field.as_str()).collect();
            fields.sort_unstable();
            assert_eq!(fields, expected, "{text}: {:?}", read.faults);
            assert_eq!(read.value.is_some(), is_read, "{text}: {:?}", read.faults);
        };
        check(r#"{"name": "a", "status": "sent", "count": 1}"#, &[], true);
        check("{}", &["/count", "/name", "/status"], true);
        check(
            r#"{"name": 5, "status": "x", "count": 300, "list": [1, "a", 2, 300], "free": 1, "colour": 1}"#,
            &[
                "/colour", "/count", "/free", "/list/1", "/list/3", "/name", "/status",
            ],
            true,
        );
        check(
            r#"{"name": "a", "name": "b", "status": [], "count": 1}"#,
            &["/name", "/status"],
            true,
        );
        let read = read::<Needy>(br#"{"name": "a", "status": "sent", "count": 1, "free": 5}"#);
        let value = read.value.unwrap();
        assert_eq!(
            (value.name.as_str(), value.status, value.count),
            ("a", Status::Sent, 1)
        );
        assert!(value.list.is_empty() && value.free.is_none());
    }

    #[test]
    fn what_is_wrong_in_its_meaning_is_reported_beside_what_is_wrong_in_its_shape() {
        let all = merged(
            vec![Fault::new("/a", "shape"), Fault::new("/b/1", "shape")],
            vec![
                Fault::new("/a/x", "meaning"),
                Fault::new("/ab", "meaning"),
                Fault::new("/b/1", "meaning"),
            ],
        );
        let fields: Vec<&str> = all.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["/a", "/b/1", "/ab"]);
    }
}

//! The errors of a failed status, and the key by which the catalogue knows each.

use serde_json::Value;

use super::super::json;
use crate::model::ReportError;

/// The key of an element or template that the recipient's device could not show.
const STRUCTURE_UNAVAILABLE: &str = "meta:structure_unavailable";

/// The errors in an `errors` member, in their order; a single object counts as one.
pub(super) fn all(errors: Option<&Value>) -> Vec<ReportError> {
    match errors {
        Some(Value::Array(errors)) => without_empty(errors.iter().filter_map(one).collect()),
        // Alone, an empty object is no error; in a list it is one of which nothing is said.
        Some(Value::Object(members)) if members.is_empty() => Vec::new(),
        Some(single) => one(single).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The errors that say something; where none does, one that says nothing.
fn without_empty(mut errors: Vec<ReportError>) -> Vec<ReportError> {
    if errors.iter().all(says_nothing) {
        errors.truncate(1);
    } else {
        errors.retain(|error| !says_nothing(error));
    }
    errors
}

/// Whether an error says neither which nor why.
pub(super) fn says_nothing(error: &ReportError) -> bool {
    error.code.is_none() && error.title.is_none() && error.details.is_none()
}

fn one(error: &Value) -> Option<ReportError> {
    if !error.is_object() {
        return None;
    }
    let code = json::integer(error, "code");
    let message = json::text(error, "message");
    let title = json::text(error, "title").or_else(|| message.clone());
    // The Cloud API has `error_data.details`, the On-Premises API `details`, and newer
    // bodies repeat the title as `message`, which then adds nothing.
    let details = json::object(error, "error_data")
        .and_then(|data| any_text(data, "details"))
        .or_else(|| any_text(error, "details"))
        .or_else(|| message.filter(|message| Some(message) != title.as_ref()));
    Some(ReportError {
        key: key(code, [title.as_deref(), details.as_deref()]),
        code,
        title,
        details,
        href: json::text(error, "href"),
        permanent: None,
    })
}

/// Structure unavailable comes as the generic code 500, so the text decides; the codes
/// 2001 to 2003 of later clients say more than the text does and stay themselves.
fn key(code: Option<i64>, texts: [Option<&str>; 2]) -> String {
    let by_text = texts.into_iter().flatten().any(says_structure_unavailable);
    match code {
        Some(code @ 2001..=2003) => format!("meta:{code}"),
        _ if by_text => STRUCTURE_UNAVAILABLE.to_owned(),
        Some(code) => format!("meta:{code}"),
        None => "meta:unknown".to_owned(),
    }
}

/// Whether the text holds `structure unavailable` in any case, the two words joined by a
/// blank, `_`, `-` or nothing.
fn says_structure_unavailable(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.split("structure").skip(1).any(|rest| {
        rest.strip_prefix([' ', '_', '-'])
            .unwrap_or(rest)
            .starts_with("unavailable")
    })
}

/// The member as text; an object or array, which some relays put there, as its JSON.
fn any_text(value: &Value, name: &str) -> Option<String> {
    json::text(value, name).or_else(|| {
        json::present(value, name)
            .filter(|member| member.is_object() || member.is_array())
            .map(Value::to_string)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn structure_unavailable_is_identified_by_its_text() {
        let cases = [
            (
                json!({"code": 500, "title": "structure unavailable: Client could not display it"}),
                "meta:structure_unavailable",
            ),
            (
                json!({"code": 500, "title": "Structure unavailable"}),
                "meta:structure_unavailable",
            ),
            (
                json!({"code": 500, "details": "STRUCTURE_UNAVAILABLE"}),
                "meta:structure_unavailable",
            ),
            (
                json!({"code": 131_000, "title": "x", "message": "structure-unavailable"}),
                "meta:structure_unavailable",
            ),
            (
                json!({"code": 500, "title": "the structure: structureunavailable"}),
                "meta:structure_unavailable",
            ),
            (
                json!({"title": "structure unavailable"}),
                "meta:structure_unavailable",
            ),
            (
                json!({"code": 500, "title": "structure is unavailable"}),
                "meta:500",
            ),
            (json!({"code": 500, "title": "Generic error"}), "meta:500"),
            (
                json!({"code": 2001, "title": "structure unavailable"}),
                "meta:2001",
            ),
            (
                json!({"code": 2003, "title": "Template Pack Missing"}),
                "meta:2003",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(one(&error).unwrap().key, expected, "{error}");
        }
    }

    #[test]
    fn an_error_keeps_what_its_provider_said() {
        let check = |error: Value, title: Option<&str>, details: Option<&str>, key: &str| {
            let read = one(&error).unwrap();
            assert_eq!(read.title.as_deref(), title, "{error}");
            assert_eq!(read.details.as_deref(), details, "{error}");
            assert_eq!(read.key, key, "{error}");
        };
        check(
            json!({"code": 131_026, "title": "T", "message": "T", "error_data": {"details": "D"}}),
            Some("T"),
            Some("D"),
            "meta:131026",
        );
        check(
            json!({"code": "131026", "title": "T", "message": "T"}),
            Some("T"),
            None,
            "meta:131026",
        );
        check(
            json!({"code": 1, "title": "T", "message": "M"}),
            Some("T"),
            Some("M"),
            "meta:1",
        );
        check(
            json!({"code": 1, "message": "M"}),
            Some("M"),
            None,
            "meta:1",
        );
        check(
            json!({"code": 400, "title": "T", "details": "D"}),
            Some("T"),
            Some("D"),
            "meta:400",
        );
        check(
            json!({"code": 400, "details": {"body": "b"}}),
            None,
            Some(r#"{"body":"b"}"#),
            "meta:400",
        );
        check(
            json!({"code": "131047.0", "title": "", "details": {}, "error_data": {"details": []}}),
            None,
            None,
            "meta:131047",
        );
        check(json!({"code": 131_047.5}), None, None, "meta:unknown");
        check(json!({"code": 139_999}), None, None, "meta:139999");
        check(json!({"title": "T"}), Some("T"), None, "meta:unknown");
    }

    #[test]
    fn an_error_that_says_nothing_hides_no_other() {
        let codes = |errors: &Value| -> Vec<Option<i64>> {
            all(Some(errors)).iter().map(|error| error.code).collect()
        };
        let known = json!({"code": 131_026, "title": "Message undeliverable"});
        for empty in [json!({}), json!({"code": "", "title": null})] {
            assert_eq!(codes(&json!([empty, known])), [Some(131_026)], "{empty}");
            assert_eq!(codes(&json!([known, empty])), [Some(131_026)], "{empty}");
            assert_eq!(codes(&json!([empty, empty])), [None], "{empty}");
        }
    }

    #[test]
    fn errors_come_as_array_or_alone_or_not_at_all() {
        let cases = [
            (json!([{"code": 1}, {"code": 2}]), vec![Some(1), Some(2)]),
            (json!({"code": 3}), vec![Some(3)]),
            (json!(["x", null, {"code": 4}]), vec![Some(4)]),
            (json!([{}]), vec![None]),
            (json!([]), vec![]),
            (json!({}), vec![]),
            (json!(""), vec![]),
            (json!(null), vec![]),
        ];
        for (errors, expected) in cases {
            let codes: Vec<_> = all(Some(&errors)).iter().map(|error| error.code).collect();
            assert_eq!(codes, expected, "{errors}");
        }
        assert!(all(None).is_empty());
    }
}

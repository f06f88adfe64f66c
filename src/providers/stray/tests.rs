//! What is taken for a status that stands where no provider puts it, and what never is.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::finder::{CLOSED, DEEPEST};
use super::*;

pub(super) fn look(text: &str) -> Option<Stray> {
    find(&Node::body(text).unwrap())
}

/// Where the first of so many is.
#[track_caller]
pub(super) fn check(body: &Value, expected: Option<(usize, &str, bool)>) {
    let found = look(&body.to_string());
    let summary = found.map(|stray| (stray.count, stray.path.join("."), stray.in_text));
    let expected = expected.map(|(count, path, in_text)| (count, path.to_owned(), in_text));
    assert_eq!(summary, expected, "{body}");
}

/// The statuses in an object's members, each of which is searched.
fn found_in_all<N: AsRef<str>, V>(
    members: impl IntoIterator<Item = (N, V)>,
    take: impl Fn(&mut Finder, V),
) -> Option<Stray> {
    let mut finder = Finder::new();
    finder.open(true);
    for (name, value) in members {
        finder.name(name.as_ref().bytes());
        take(&mut finder, value);
    }
    Stray::or(finder.finish())
}

/// Counts the statuses in an object's members; no member that is passed over holds one.
#[track_caller]
pub(super) fn count_within(text: &str) -> usize {
    let body = Node::body(text).unwrap();
    let (members, value) = (body.members().unwrap(), body.value().unwrap());
    let nodes = members.iter().map(|(name, node)| (name, node));
    let beside = find_beside(&members, &[]);
    assert_eq!(beside, found_in_all(nodes, Finder::node), "{text}");
    let values = value.as_object().into_iter().flatten();
    let within = find_within(&value);
    assert_eq!(within, found_in_all(values, Finder::value), "{text}");
    within.map_or(0, |stray| stray.count)
}

pub(super) fn status() -> Value {
    json!({"id": "wamid.1", "status": "delivered", "timestamp": "1785000000"})
}

pub(super) fn delivery() -> Value {
    json!({"messageId": "m", "to": "1", "status": {"groupId": 3, "groupName": "DELIVERED"}})
}

pub(super) fn envelope() -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "messages", "value": {"statuses": [status(), status()]}}]}]})
}

#[test]
fn a_status_is_found_by_what_it_says() {
    for word in ["sent", "DELIVERED", " read ", "played", "failed", "deleted"] {
        check(&json!({"id": "a", "status": word}), Some((1, "", false)));
    }
    for none in [
        json!({"id": "a", "status": "queued"}),
        json!({"id": "a", "status": "active"}),
        json!({"id": "", "status": "sent"}),
        json!({"id": 7, "status": "sent"}),
        json!({"id": "a", "status": {"sent": true}}),
        json!({"id": "a"}),
        json!({"status": "sent"}),
        json!({"id": {"id": "a"}, "x": {"status": "sent"}}),
        json!({"id": "a", "type": "payment", "status": "failed", "payment": {"reference_id": "r"}}),
        json!(["id", "status", "sent"]),
    ] {
        check(&none, None);
    }
    for one in [
        delivery(),
        json!({"messageId": "m", "status": {"groupId": "3"}}),
        json!({"messageId": "m", "status": {"groupName": "REJECTED"}}),
        json!({"messageId": "m", "from": "385990001122", "seenAt": "2026-01-01T00:00:00Z"}),
        json!({"from": "385990001122", "type": "x", "messageId": "m", "status": {"groupId": 3}}),
    ] {
        check(&one, Some((1, "", false)));
    }
    for none in [
        json!({"messageId": "m", "status": {"groupId": null}}),
        json!({"messageId": "m", "status": {"groupName": ""}}),
        json!({"messageId": "", "status": {"groupId": 3}}),
        json!({"messageId": "m", "error": {"groupId": 3}}),
        json!({"messageId": "m", "seenAt": ""}),
        json!({"status": {"groupId": 3}}),
    ] {
        check(&none, None);
    }
}

#[test]
fn a_status_with_a_type_of_its_own_is_found() {
    let kinds = [
        "message",
        "template",
        "text",
        "status",
        "whatsapp.updated",
        "call",
        "payment",
    ];
    for kind in kinds {
        let mut status = status();
        status["type"] = json!(kind);
        check(&status, Some((1, "", false)));
        status["text"] = json!({"body": "Hi"});
        status["from"] = json!("34910000000");
        check(&json!({"body": [status]}), Some((1, "body", false)));
    }
}

#[test]
fn a_wrapped_body_is_found_with_the_way_to_it() {
    let path = "body.entry.changes.value.statuses";
    check(&json!({"body": envelope()}), Some((2, path, false)));
    let passed_on = json!([{"headers": {"host": "x"}, "params": {}, "body": envelope()}]);
    check(&passed_on, Some((2, path, false)));
    check(&json!({"results": delivery()}), Some((1, "results", false)));
    check(
        &json!({"results": {"0": delivery()}}),
        Some((1, "results.?", false)),
    );
    check(
        &json!({"a": [[[status()]], delivery()]}),
        Some((2, "a", false)),
    );
    check(&json!({"34600000001": status()}), Some((1, "?", false)));
}

#[test]
fn six_objects_around_it_are_looked_into_and_no_more() {
    let nested = |depth| (0..depth).fold(status(), |inner, _| json!({"a": inner}));
    check(&nested(DEEPEST), Some((1, "a.a.a.a.a.a", false)));
    check(&nested(DEEPEST + 1), None);
    check(
        &json!({"deep": nested(DEEPEST), "b": status()}),
        Some((1, "b", false)),
    );
    let arrays = format!("{}{}{}", "[".repeat(40), status(), "]".repeat(40));
    assert_eq!(look(&arrays), None);
}

#[test]
fn one_text_that_is_itself_json_or_a_form_is_looked_into() {
    let text = envelope().to_string();
    let path = "entry.changes.value.statuses";
    check(&json!(text), Some((2, path, true)));
    check(
        &json!({"body": format!(" {text}\n")}),
        Some((2, &format!("body.{path}"), true)),
    );
    check(
        &json!({"Message": json!([status()]).to_string()}),
        Some((1, "Message", true)),
    );
    // Encoded once more, followed by something, or broken off, it is a text like any other.
    check(&json!(json!(text).to_string()), None);
    check(&json!({"body": json!({"body": text}).to_string()}), None);
    check(&json!(format!("{text} and more")), None);
    check(&json!(text[..text.len() - 1]), None);
    check(&json!("{\"id\":\"a\",\"status\":\"sent\"]"), None);
    let form = |name: &str, value: &str| {
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("n", "1")
            .append_pair(name, value)
            .append_pair("z", "")
            .finish()
    };
    check(
        &json!({"raw": form("payload", &text)}),
        Some((2, &format!("raw.{path}"), true)),
    );
    check(&json!(form("text", &text)), None);
    check(&json!("a=b&c"), None);
    let read = |text: &str| in_form(text, ParseError::NotJson("no".to_owned()));
    let items = read(&form("payload", &text)).unwrap().items;
    let [Item::Unreadable(why)] = items.as_slice() else {
        panic!("{items:?}");
    };
    assert!(
        why.starts_with("2 statuses stand in entry.changes.value.statuses of a text"),
        "{why}"
    );
    for other in [
        "",
        "x",
        "payload=7",
        "{\"id\":\"a\",\"status\":\"sent\",}",
        &form("caption", &text),
    ] {
        assert!(read(other).is_err(), "{other}");
    }
}

#[test]
fn what_is_known_is_not_looked_into_again() {
    let body = json!({"object": 1, "entry": [status()], "data": [status()]}).to_string();
    let body = Node::body(&body).unwrap();
    let members = body.members().unwrap();
    let found = find_beside(&members, &["object", "entry"]).unwrap();
    assert_eq!((found.count, found.path.join(".")), (1, "data".to_owned()));
    assert_eq!(find_beside(&members, &["object", "entry", "data"]), None);
}

/// Of members of one name the last is read.
#[test]
fn what_comes_again_under_the_same_name_is_looked_into() {
    let body = format!(
        r#"{{"entry": [{one}], "entry": [{one}, {one}], "entry": [], "x": 1}}"#,
        one = status()
    );
    let body = Node::body(&body).unwrap();
    let members = body.members().unwrap();
    let found = find_beside(&members, &["object", "entry"]).unwrap();
    assert_eq!((found.count, found.path.join(".")), (3, "entry".to_owned()));
}

#[test]
fn inside_of_what_was_read_the_rest_is_looked_into_and_it_is_none_itself() {
    let mut read = status();
    assert_eq!(find_within(&read), None);
    read["raw"] = json!({"statuses": [status()]});
    read["biz_opaque_callback_data"] = json!(status().to_string());
    read["text"] = status();
    let found = find_within(&read).unwrap();
    assert_eq!(
        found.reason_within("a status"),
        "a status stands in raw.statuses of a status, where the provider puts none, and was not \
         read: have the relay post the body as it came"
    );
    read["raw"] = json!(format!("payload={}", status()));
    let found = find_within(&read).unwrap();
    assert_eq!(
        found.reason_within("a status"),
        "a status stands in a text in raw of a status, where the provider puts none, and was not \
         read: have the relay post the body as it came"
    );
}

#[test]
fn a_status_is_found_however_its_names_are_spelled() {
    for hidden in [
        r#"{"id":"a","status":"sent"}"#,
        r#"{"messageId":"m","status":{"groupId":1}}"#,
        r#"{"messageId":"m","seenAt":"x"}"#,
        r#"{"messageId":"m","deletedAt":"x"}"#,
        r#"{"id":"a","\u0073tatus":"sent"}"#,
        r#""{\"id\":\"a\",\"status\":\"sent\"}""#,
        r#""{\"id\":\"a\",\"\\u0073tatus\":\"sent\"}""#,
        r#""{\"id\":\"a\",\"st\\atus\":\"sent\"}""#,
        r#""a=1&b=%7B%22id%22:%22a%22,%22%73tatus%22:%22sent%22%7D""#,
    ] {
        assert_eq!(count_within(&format!(r#"{{"a":1,"b":{hidden}}}"#)), 1);
        let deeper = format!(r#"{{"type":"payment","b":[0,{{"c":{hidden}}}],"d":{hidden}}}"#);
        assert_eq!(count_within(&deeper), 2);
    }
}

#[test]
fn usual_members_beside_a_status_and_inside_of_it_are_not_searched() {
    let metadata = r#"{"display_phone_number":"34910000000","phone_number_id":"1349"}"#;
    let contacts = r#"[{"wa_id":"34600000001","profile":{"name":"Pablo M."}}]"#;
    for text in [metadata, contacts, r#""whatsapp""#] {
        assert!(!may_hold(&Node::Slice(text)), "{text}");
    }
    for value in [
        json!({"id": "c", "origin": {"type": "utility"}, "expiration_timestamp": "1785000000"}),
        json!({"billable": true, "pricing_model": "PMP", "category": "utility"}),
        json!(r#"{"type":"regular"}"#),
        json!({"groupId": 3, "groupName": "DELIVERED", "name": "DELIVERED_TO_HANDSET"}),
    ] {
        assert!(!may_hold_within(&value), "{value}");
    }
}

#[test]
fn no_status_in_a_part_of_a_fixture_is_passed_over() {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let cases = inside(&root).into_iter().flat_map(|path| inside(&path));
    let mut objects = 0;
    for file in cases.flat_map(|path| inside(&path)) {
        let body = fs::read_to_string(&file).unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let mut parts = vec![body];
        while let Some(part) = parts.pop() {
            if part.is_object() {
                count_within(&part.to_string());
                objects += 1;
            }
            match part {
                Value::Object(members) => parts.extend(members.into_values()),
                Value::Array(elements) => parts.extend(elements),
                _ => {}
            }
        }
    }
    assert!(objects > 1000, "only {objects} objects found");
}

#[test]
fn the_sentence_says_what_where_and_what_to_do() {
    let reason = |body: Value| look(&body.to_string()).unwrap().reason();
    assert_eq!(
        reason(json!({"body": [status(), status()]})),
        "2 statuses stand in body, where the provider puts none: have the relay post the body as \
         it came"
    );
    assert_eq!(
        reason(status()),
        "a status stands without the provider's envelope: have the relay post the body as it came"
    );
    assert_eq!(
        reason(json!({"Message": status().to_string()})),
        "a status stands in Message of a text: have the relay post the provider's JSON as it came"
    );
}

#[test]
fn an_unknown_field_is_named() {
    let found = look(&status().to_string()).unwrap();
    assert_eq!(
        found.reason_in_field("field:x"),
        "field:x is not known, and a status stands in it: upgrade, then reprocess the webhook"
    );
}

/// Reading is linear, whatever is in the text: this ends at once, or the test never does.
#[test]
fn what_is_nested_or_quoted_without_end_is_passed_over() {
    let many = 200_000;
    for text in [
        "[".repeat(many),
        "{\"a\":".repeat(many / 4),
        "[\"".repeat(many),
        "\"\\".repeat(many),
        "\"[\\\"".repeat(many / 4),
        format!("\"{}", "a=[".repeat(many)),
        format!("\"{}", "%5B&".repeat(many)),
        format!("\"a={}", "%".repeat(many)),
        "}".repeat(many),
        "]{".repeat(many),
    ] {
        assert_eq!(find(&Node::Slice(&text)), None);
    }
}

/// Around a status: an array, or an object with a member of this name and others beside it.
fn any_wrapping() -> impl Strategy<Value = Vec<Option<&'static str>>> {
    const NAMES: [&str; 8] = [
        "body", "data", "statuses", "results", "status", "text", "messages", "call",
    ];
    proptest::collection::vec(proptest::option::of(select(&NAMES[..])), 0..=DEEPEST)
}

proptest! {
    #[test]
    fn a_status_is_found_in_any_wrapping_but_a_closed_one(wrapping in any_wrapping()) {
        let body = wrapping.iter().fold(status(), |inner, name| match *name {
            None => json!([0, inner, {"id": "x"}]),
            Some(name) => json!({"aa": [{}], name: inner, "zz": "{"}),
        });
        let is_closed = wrapping.iter().flatten().any(|name| CLOSED.contains(name));
        let expected = usize::from(!is_closed);
        for text in [body.to_string(), json!(body.to_string()).to_string()] {
            let looked = look(&text).map_or(0, |stray| stray.count);
            prop_assert_eq!(looked, expected, "{}", text);
            count_within(&format!(r#"{{"a":{text}}}"#));
        }
    }

    #[test]
    fn whatever_the_text_is_looking_ends(text in r#"([{}\[\]",:=&%\\ ]|id|status|sent|5B|u00){0,60}"#) {
        find(&Node::Slice(&text));
        find(&Node::Slice(&json!(text).to_string()));
        let _ = in_form(&text, ParseError::NotJson(String::new()));
        count_within(&json!({"a": text, "b": {"status": text}}).to_string());
    }
}

//! One element of `statuses`: what it says of one message.

use std::borrow::Cow;

use serde_json::Value;

use super::super::json::{self, Node};
use super::super::{Item, stray};
use super::contacts::Contacts;
use super::time::milliseconds;
use super::words::meaning;
use super::{Surroundings, error, named, pricing};
use crate::model::{
    Echo, Kind, MessageType, ProviderTime, Report, digits, is_phone_number, json_reason_of_part,
};

/// Reads an element of `statuses`, and notes what looks like a status inside of it.
pub(super) fn read(element: &Node, surroundings: &Surroundings, items: &mut Vec<Item>) {
    if !element.is_object() {
        return items.push(unreadable("a status is no object"));
    }
    let status = match element.value() {
        Ok(status) => status,
        // The error of serde_json says what and where, and repeats no content.
        Err(error) => {
            let reason = json_reason_of_part(&error);
            return items.push(unreadable(format!("a status cannot be read: {reason}")));
        }
    };
    let word = json::text(&status, "status");
    items.push(match (other_type(&status), word) {
        (Some(OtherType::Known(name)), _) => Item::Ignored(Cow::Borrowed(name)),
        (Some(OtherType::Unknown(kind)), word) => {
            let is_status = word.is_some_and(|word| meaning(&word).is_some());
            let name = named("type", &kind);
            // Only a later version can know whether it is one of a message.
            if is_status && status.get("id").is_some_and(Value::is_string) {
                let what = "is not known, and a status is of it";
                unreadable(format!(
                    "{name} {what}: upgrade, then reprocess the webhook"
                ))
            } else {
                Item::Ignored(name)
            }
        }
        (None, Some(word)) => Item::Report(Box::new(report(&status, word, element, surroundings))),
        (None, None) => return items.push(unreadable("a status has no status word")),
    });
    let stray = stray::find_within(&status);
    items.extend(stray.map(|stray| unreadable(stray.reason_within("a status"))));
}

fn unreadable(why: impl Into<String>) -> Item {
    Item::Unreadable(why.into())
}

fn report(status: &Value, word: String, element: &Node, surroundings: &Surroundings) -> Report {
    let id = json::text(status, "id");
    let mut report = Report::new(Kind::Status, word, id, element.text().as_bytes());
    report.status = meaning(&report.provider_status);
    if report.message.is_none() {
        report.oddities.push("id-missing");
    }
    set_time(&mut report, status);
    set_recipient(&mut report, status, &surroundings.contacts);
    report.errors = error::all(status.get("errors"));
    report.pricing = pricing::read(status, &mut report.oddities);
    report.template_id = template_id(status);
    // Only the template that a Direct Send became has an id here.
    let is_template = report
        .template_id
        .is_some()
        .then_some(MessageType::Template);
    report.evidence = is_template.or_else(|| pricing::evidence(&report.pricing));
    report.echo = echo(status).map(Echo::new);
    report.sender.clone_from(&surroundings.sender);
    report.sender_id.clone_from(&surroundings.sender_id);
    report.account_id.clone_from(&surroundings.account_id);
    report.field = surroundings.field;
    report
}

/// The id of the template that WhatsApp made of a message without one: text, or a number.
fn template_id(status: &Value) -> Option<String> {
    let is_scalar = |value: &&Value| value.is_string() || value.is_number();
    status.get("template_id").filter(is_scalar)?;
    id(status, &["template_id"]).filter(|id| id != "0")
}

/// What an element is about instead of a message.
enum OtherType {
    /// A call, or a payment, whose `failed` is no failed delivery.
    Known(&'static str),
    /// Unknown to this version.
    Unknown(String),
}

/// What this is when `type` says that it is not about a message.
fn other_type(status: &Value) -> Option<OtherType> {
    let kind = json::text(status, "type")?.trim().to_ascii_lowercase();
    match kind.as_str() {
        "message" => None,
        "payment" => Some(OtherType::Known("payment")),
        "call" => Some(OtherType::Known("call")),
        _ => Some(OtherType::Unknown(kind)),
    }
}

pub(super) fn set_time(report: &mut Report, status: &Value) {
    let text = json::text(status, "timestamp");
    let ms = json::number(status, "timestamp").and_then(milliseconds);
    if text.is_none() {
        report.oddities.push("time-missing");
    } else if ms.is_none() {
        report.oddities.push("time-unusable");
    }
    report.time = ProviderTime { text, ms };
}

/// Who should receive the message: `recipient_id`, which from client 2.45 of the
/// On-Premises API is found inside `message` only, and which is missing when a message
/// went to a business-scoped user id and the number may not be shown.
fn set_recipient(report: &mut Report, status: &Value, contacts: &Contacts) {
    let addressee = id(status, &["recipient_id"])
        .or_else(|| id(json::object(status, "message")?, &["recipient_id"]));
    // The spellings of earlier drafts are still around.
    let participant = id(
        status,
        &["recipient_participant_id", "participant_recipient_id"],
    );
    let participant_user_id = id(status, &["recipient_participant_user_id"]);
    let is_group = json::text(status, "recipient_type")
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("group"));
    report.recipient_user_id = id(status, &["recipient_user_id"]);
    report.recipient_parent_user_id = id(
        status,
        &[
            "recipient_parent_user_id",
            "parent_recipient_user_id",
            "parent_user_id",
        ],
    );

    if is_group || participant.is_some() || participant_user_id.is_some() {
        report.group = addressee;
        let participant = participant.or_else(|| participant_user_id.clone());
        // A member is one, however its number is written.
        report.participant = participant.as_deref().map(one_spelling);
        report.recipient = participant;
        let user_id = report.recipient_user_id.take();
        report.recipient_user_id = participant_user_id.or(user_id);
        let parent = id(status, &["recipient_participant_parent_user_id"]);
        report.recipient_parent_user_id = parent.or(report.recipient_parent_user_id.take());
        // The group as a whole is no person.
        if report.participant.is_some() {
            identify(report, contacts);
        }
        return;
    }
    report.recipient = addressee;
    identify(report, contacts);
    if report.recipient.is_none() {
        report.recipient.clone_from(&report.recipient_user_id);
    }
}

/// A number in digits alone, and anything else as it is.
fn one_spelling(name: &str) -> String {
    Some(digits(name))
        .filter(|it| is_phone_number(it))
        .unwrap_or_else(|| name.to_owned())
}

/// Learns the number behind a user id, and the user id behind a number.
fn identify(report: &mut Report, contacts: &Contacts) {
    let number = report.recipient.as_deref();
    let number = number.filter(|it| is_phone_number(&digits(it)));
    // A recipient that is no number is a user id, wherever it stands.
    let user_id = report.recipient_user_id.as_deref();
    let user_id = user_id.or_else(|| report.recipient.as_deref().filter(|_| number.is_none()));
    let contact = match (user_id, number) {
        (None, None) => contacts.only(),
        (user_id, number) => contacts.of(user_id, number),
    };
    let Some(contact) = contact else { return };
    if number.is_none() && contact.phone.is_some() {
        report.recipient.clone_from(&contact.phone);
    }
    learn(&mut report.recipient_user_id, contact.user_id.as_ref());
    learn(
        &mut report.recipient_parent_user_id,
        contact.parent_user_id.as_ref(),
    );
}

fn learn(known: &mut Option<String>, new: Option<&String>) {
    if known.is_none() {
        *known = new.cloned();
    }
}

/// The first of these members that has a text, trimmed.
pub(super) fn id(value: &Value, names: &[&str]) -> Option<String> {
    let text = names.iter().find_map(|name| json::text(value, name))?;
    let trimmed = text.trim();
    Some(if trimmed.len() == text.len() {
        text
    } else {
        trimmed.to_owned()
    })
}

/// What the sender gave along: any text; an object, which a relay may have made of it, as
/// its JSON.
fn echo(status: &Value) -> Option<String> {
    let name = "biz_opaque_callback_data";
    json::text(status, name).or_else(|| json::object(status, name).map(Value::to_string))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Status;

    fn read_report(status: &Value, surroundings: &Surroundings) -> Report {
        let text = status.to_string();
        let mut items = Vec::new();
        read(&Node::body(&text).unwrap(), surroundings, &mut items);
        match (items.pop(), items.as_slice()) {
            (Some(Item::Report(report)), []) => *report,
            other => panic!("{other:?} of {text}"),
        }
    }

    #[test]
    fn words_are_reported_in_any_case_and_kept_as_received() {
        let cases = [
            (json!("sent"), "sent", Some(Status::Sent)),
            (json!("Delivered"), "Delivered", Some(Status::Delivered)),
            (json!(" READ "), " READ ", Some(Status::Read)),
            (json!("failed"), "failed", Some(Status::Failed)),
            (json!("deleted"), "deleted", Some(Status::Deleted)),
            (json!("played"), "played", Some(Status::Read)),
            (json!("Played "), "Played ", Some(Status::Read)),
            (json!("warning"), "warning", None),
            (json!("queued"), "queued", None),
            (json!(3), "3", None),
        ];
        for (word, received, expected) in cases {
            let report = read_report(&json!({"status": word}), &Surroundings::default());
            assert_eq!(report.provider_status, received);
            assert_eq!(report.status, expected, "{word}");
        }
    }

    #[test]
    fn times_are_seconds_or_milliseconds_by_their_size() {
        let seconds = Some(1_760_000_000_000);
        let cases = [
            (json!("1760000000"), Some("1760000000"), seconds, None),
            (json!(1_760_000_000), Some("1760000000"), seconds, None),
            (
                json!(1_760_000_000.5),
                Some("1760000000.5"),
                Some(1_760_000_000_500),
                None,
            ),
            (
                json!("1760000000123"),
                Some("1760000000123"),
                Some(1_760_000_000_123),
                None,
            ),
            (
                json!(1_760_000_000_123_i64),
                Some("1760000000123"),
                Some(1_760_000_000_123),
                None,
            ),
            (
                json!("253402300799"),
                Some("253402300799"),
                None,
                Some("time-unusable"),
            ),
            (
                json!("4133980800"),
                Some("4133980800"),
                None,
                Some("time-unusable"),
            ),
            (
                json!("1760000000123456"),
                Some("1760000000123456"),
                None,
                Some("time-unusable"),
            ),
            (json!(-5), Some("-5"), None, Some("time-unusable")),
            (json!("0"), Some("0"), None, Some("time-unusable")),
            (json!("NaN"), Some("NaN"), None, Some("time-unusable")),
            (json!("soon"), Some("soon"), None, Some("time-unusable")),
            (json!(""), None, None, Some("time-missing")),
            (json!(null), None, None, Some("time-missing")),
        ];
        for (timestamp, text, ms, oddity) in cases {
            let status = json!({"id": "m", "status": "sent", "timestamp": timestamp});
            let report = read_report(&status, &Surroundings::default());
            assert_eq!(report.time.text.as_deref(), text, "{timestamp}");
            assert_eq!(report.time.ms, ms, "{timestamp}");
            assert_eq!(report.oddities, Vec::from_iter(oddity), "{timestamp}");
        }
    }

    #[test]
    fn the_recipient_is_looked_for_in_four_places() {
        let contact = |wa_id: &str, user_id: Option<&str>| {
            let contacts = json!([{"wa_id": wa_id, "user_id": user_id}]).to_string();
            Some(contacts)
        };
        let outer = "34600000001";
        let cases = [
            (
                json!({"recipient_id": outer, "message": {"recipient_id": "+1"}}),
                None,
                Some(outer),
            ),
            (
                json!({"recipient_id": "", "message": {"recipient_id": " +1 "}}),
                None,
                Some("+1"),
            ),
            (
                json!({"recipient_id": outer}),
                contact("2", None),
                Some(outer),
            ),
            (json!({}), contact("2", None), Some("2")),
            (
                json!({"recipient_user_id": "ES.1"}),
                contact("2", Some("ES.1")),
                Some("2"),
            ),
            (
                json!({"recipient_user_id": "ES.1"}),
                contact("2", Some("ES.2")),
                Some("ES.1"),
            ),
            (json!({"recipient_user_id": "ES.1"}), None, Some("ES.1")),
            (json!({}), contact("", Some("ES.3")), Some("ES.3")),
            (
                json!({"recipient_id": 34_600_000_001_i64}),
                None,
                Some(outer),
            ),
            (json!({}), None, None),
        ];
        for (mut status, contact, expected) in cases {
            status["status"] = json!("read");
            let report = read_report(&status, &beside(contact.as_deref().unwrap_or("[]")));
            assert_eq!(report.recipient.as_deref(), expected, "{status}");
        }
    }

    fn beside(contacts: &str) -> Surroundings {
        Surroundings {
            contacts: Contacts::read(&Node::body(contacts).unwrap()),
            ..Surroundings::default()
        }
    }

    #[test]
    fn a_contact_belongs_to_a_status_by_its_ids_and_never_by_its_place() {
        let contacts = json!([
            {"wa_id": "34600000002", "user_id": "ES.2", "parent_user_id": "ES.ENT.2"},
            {"wa_id": "", "user_id": "ES.3"},
            {"wa_id": "+34 600 000 001", "user_id": "ES.1"},
            {"wa_id": "34600000004"},
            7,
        ]);
        let surroundings = beside(&contacts.to_string());
        let member = |id: &str| {
            json!({"recipient_id": "g1", "recipient_type": "group",
                   "recipient_participant_user_id": id})
        };
        let cases = [
            (
                json!({"recipient_user_id": "ES.1"}),
                "+34 600 000 001",
                Some("ES.1"),
            ),
            (
                json!({"recipient_user_id": "ES.2"}),
                "34600000002",
                Some("ES.2"),
            ),
            (json!({"recipient_user_id": "ES.3"}), "ES.3", Some("ES.3")),
            (json!({"recipient_user_id": "ES.9"}), "ES.9", Some("ES.9")),
            (json!({"recipient_id": "ES.2"}), "34600000002", Some("ES.2")),
            (
                json!({"recipient_id": "34600000001"}),
                "34600000001",
                Some("ES.1"),
            ),
            (json!({"recipient_id": "34600000004"}), "34600000004", None),
            (
                json!({"recipient_id": "34600000001", "recipient_user_id": "ES.7"}),
                "34600000001",
                Some("ES.7"),
            ),
            (member("ES.2"), "34600000002", Some("ES.2")),
            (member("ES.9"), "ES.9", Some("ES.9")),
            (
                json!({"recipient_participant_id": "34600000002", "recipient_type": "group"}),
                "34600000002",
                Some("ES.2"),
            ),
        ];
        for (mut status, recipient, user_id) in cases {
            status["status"] = json!("read");
            let report = read_report(&status, &surroundings);
            assert_eq!(report.recipient.as_deref(), Some(recipient), "{status}");
            assert_eq!(report.recipient_user_id.as_deref(), user_id, "{status}");
        }
        let unnamed = read_report(&json!({"status": "read"}), &surroundings);
        assert_eq!(unnamed.recipient, None);
        let parent = read_report(
            &json!({"status": "read", "recipient_user_id": "ES.2"}),
            &surroundings,
        );
        assert_eq!(parent.recipient_parent_user_id.as_deref(), Some("ES.ENT.2"));
    }

    #[test]
    fn a_contact_is_not_made_the_one_of_a_group() {
        let group = json!({"status": "failed", "recipient_id": "g1", "recipient_type": "group"});
        let report = read_report(&group, &beside(r#"[{"wa_id":"34600000001"}]"#));
        assert_eq!((report.recipient, report.participant), (None, None));
    }

    #[test]
    fn a_parent_user_id_is_known_under_each_of_its_names() {
        for name in [
            "recipient_parent_user_id",
            "parent_recipient_user_id",
            "parent_user_id",
        ] {
            let status = json!({"status": "read", "recipient_user_id": "ES.1", name: "ES.ENT.1"});
            let report = read_report(&status, &Surroundings::default());
            assert_eq!(report.recipient_user_id.as_deref(), Some("ES.1"));
            assert_eq!(
                report.recipient_parent_user_id.as_deref(),
                Some("ES.ENT.1"),
                "{name}"
            );
        }
    }

    #[test]
    fn in_a_group_the_recipient_is_the_member() {
        let check =
            |status: Value, group: &str, participant: Option<&str>, user_id: Option<&str>| {
                let report = read_report(&status, &Surroundings::default());
                assert_eq!(report.group.as_deref(), Some(group), "{status}");
                assert_eq!(report.participant.as_deref(), participant, "{status}");
                assert_eq!(report.recipient.as_deref(), participant, "{status}");
                assert_eq!(report.recipient_user_id.as_deref(), user_id, "{status}");
            };
        let group = |member: Value| {
            let mut status =
                json!({"status": "read", "recipient_id": "g1", "recipient_type": "group"});
            status
                .as_object_mut()
                .unwrap()
                .extend(member.as_object().unwrap().clone());
            status
        };
        check(
            group(json!({"recipient_participant_id": "346"})),
            "g1",
            Some("346"),
            None,
        );
        check(
            group(json!({"participant_recipient_id": "346"})),
            "g1",
            Some("346"),
            None,
        );
        check(
            group(json!({"recipient_participant_user_id": "ES.1"})),
            "g1",
            Some("ES.1"),
            Some("ES.1"),
        );
        check(
            group(
                json!({"recipient_participant_id": "346", "recipient_participant_user_id": "ES.1"}),
            ),
            "g1",
            Some("346"),
            Some("ES.1"),
        );
        check(group(json!({})), "g1", None, None);
    }

    #[test]
    fn an_echo_is_text_whatever_it_looks_like() {
        let cases = [
            (json!("12345"), Some("12345")),
            (json!(12345), Some("12345")),
            (
                json!("{\"type\":\"regular\"}"),
                Some("{\"type\":\"regular\"}"),
            ),
            (json!({"order": 7}), Some("{\"order\":7}")),
            (json!({}), None),
            (json!([]), None),
            (json!(""), None),
            (json!(null), None),
        ];
        for (data, expected) in cases {
            let status = json!({"status": "sent", "biz_opaque_callback_data": data});
            let report = read_report(&status, &Surroundings::default());
            let text = report.echo.as_ref().and_then(|echo| echo.text.as_deref());
            assert_eq!(text, expected, "{data}");
        }
    }

    #[test]
    fn the_template_of_a_direct_send_is_known_by_its_id() {
        for (id, expected) in [
            (json!(9_007_199_254_740_993_i64), Some("9007199254740993")),
            (
                json!("0123456789012345678901234"),
                Some("0123456789012345678901234"),
            ),
            (json!(" 77 "), Some("77")),
            (json!(""), None),
            (json!("0"), None),
            (json!(0), None),
            (json!(null), None),
            (json!(true), None),
            (json!({}), None),
            (json!(["7"]), None),
        ] {
            let status = json!({"id": "a", "status": "sent", "template_id": id});
            let report = read_report(&status, &Surroundings::default());
            assert_eq!(report.template_id.as_deref(), expected, "{status}");
            let proved = expected.map(|_| MessageType::Template);
            assert_eq!(report.evidence, proved, "{status}");
        }
    }
}

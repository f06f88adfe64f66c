//! One element of `message_echoes` in `standby`: what another responder of the account sent.
//!
//! It holds the send request as it was, so it is read as a request that is registered. It describes
//! the message and reports no status.

use std::borrow::Cow;

use serde_json::Value;

use super::super::Item;
use super::super::json::{self, Node, object};
use super::{Surroundings, send_receipt, status};
use crate::model::{Echo, FilledTemplate, Kind, MessageType, Registration, Report};

/// Reads an element of `message_echoes`; one without an id describes no message.
pub(super) fn read(element: &Node, surroundings: &Surroundings) -> Item {
    let echo = element.value().ok().filter(Value::is_object);
    let report = echo.and_then(|echo| report(&echo, element, surroundings));
    report.map_or(Item::Ignored(Cow::Borrowed("echo")), |report| {
        Item::Report(Box::new(report))
    })
}

fn report(echo: &Value, element: &Node, surroundings: &Surroundings) -> Option<Report> {
    let id = status::id(echo, &["id"])?;
    let mut report = Report::new(Kind::Echo, "echo", Some(id), element.text().as_bytes());
    status::set_time(&mut report, echo);
    // Some bodies have the request flat in the element.
    let request = object(echo, "message").unwrap_or(echo);
    let mut registration = send_receipt::registration(request);
    if registration.message_type == Some(MessageType::Template) && registration.template.is_none() {
        registration.template = object(echo, "template").and_then(send_receipt::template);
    }
    let body = [echo, request].into_iter().find_map(body_of_template);
    if let (None, Some(template), Some(body)) = (&registration.text, &registration.template, body) {
        registration.text = Some(FilledTemplate::render(template, &body));
    }
    if registration == Registration::default() {
        return None;
    }
    let is_group = json::text(request, "recipient_type")
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("group"));
    let recipient = registration.recipient.clone();
    if is_group {
        report.group = recipient;
    } else {
        report.recipient = recipient;
        report.recipient_user_id.clone_from(&registration.user_id);
    }
    report.sender.clone_from(&surroundings.sender);
    report.sender_id.clone_from(&surroundings.sender_id);
    report.account_id.clone_from(&surroundings.account_id);
    report.field = surroundings.field;
    report.echo = Some(Echo {
        text: json::text(request, "biz_opaque_callback_data"),
        registration: Some(registration),
    });
    Some(report)
}

/// The text of a template's body with its placeholders, where the definition comes along.
fn body_of_template(holder: &Value) -> Option<String> {
    let components = object(holder, "template")?.get("components")?.as_array()?;
    let is_body = |component: &&Value| {
        json::text(component, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("body"))
    };
    let mut bodies = components.iter().filter(is_body);
    bodies.find_map(|component| json::text(component, "text"))
}

#[cfg(test)]
mod tests {
    use crate::model::Word as _;
    use serde_json::json;

    use super::*;
    use crate::model::Field;

    #[test]
    fn a_copy_is_read_as_the_request_that_it_is() {
        let definition = json!({"name": "order", "language": "en",
            "components": [{"type": "header", "text": "no"}, {"type": "BODY", "text": "Hi {{1}}"}]});
        let filled = json!({"name": "order", "language": {"code": "en"}, "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]});
        for (echo, recipient, text, kind) in [
            (
                json!({"message": {"to": "34600000001", "type": "text", "text": {"body": "Hi"}}}),
                Some("34600000001"),
                Some("Hi"),
                Some("Regular-Message"),
            ),
            (
                json!({"to": "34600000001", "type": "text", "text": {"body": "flat"}}),
                Some("34600000001"),
                Some("flat"),
                Some("Regular-Message"),
            ),
            (
                json!({"message": {"recipient": "ES.1", "type": "image", "image": {"caption": "Look"}}}),
                Some("ES.1"),
                Some("Look"),
                Some("Regular-Message"),
            ),
            (
                json!({"message": {"to": "1", "type": "text", "category": "utility", "text": {"body": "x"}}}),
                Some("1"),
                Some("x"),
                Some("Template-Message"),
            ),
            (
                json!({"message": {"to": "1", "type": "template", "template": filled}, "template": definition}),
                Some("1"),
                Some("Hi Ana"),
                Some("Template-Message"),
            ),
            (
                json!({"message": {"to": "1", "type": "template"}, "template": definition}),
                Some("1"),
                Some("Hi {{1}}"),
                Some("Template-Message"),
            ),
            (json!({"message": {"to": "1"}}), Some("1"), None, None),
        ] {
            let mut echo = echo;
            echo["id"] = json!("e");
            let body = echo.to_string();
            let surroundings = Surroundings {
                field: Some(Field::Standby),
                ..Surroundings::default()
            };
            let Item::Report(report) = read(&Node::body(&body).unwrap(), &surroundings) else {
                panic!("{body}");
            };
            assert!(report.is_echo() && report.status.is_none(), "{body}");
            assert_eq!(report.field, Some(Field::Standby), "{body}");
            let read = report.echo.as_ref().unwrap().registration.as_ref().unwrap();
            assert_eq!(read.recipient.as_deref(), recipient, "{body}");
            assert_eq!(read.text.as_deref(), text, "{body}");
            assert_eq!(read.message_type.map(MessageType::as_str), kind, "{body}");
        }
    }
}

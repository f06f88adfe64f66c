//! Infobip's send requests: `POST /whatsapp/1/message/template` and its siblings.

use serde_json::Value;

use super::super::json::{object, text};
use super::super::sent::{Sent, SentFault, with_echo};
use crate::model::{FilledTemplate, MessageType, Parameters, Registration, digits};

/// Reads `{"messages": […]}` or one message, and the answer in the same form; an answer names
/// the messages in the order of the request.
pub(in crate::provider) fn read(request: &Value, response: &Value) -> Result<Vec<Sent>, SentFault> {
    let asked = messages(request);
    let answered = messages(response);
    let bulk_id = text(response, "bulkId").or_else(|| text(request, "bulkId"));
    if !asked.iter().any(|message| message.get("content").is_some()) {
        let detail = "an Infobip send has messages with a content";
        return Err(SentFault::new("/request/messages", detail));
    }
    let mut sent = Vec::new();
    for (place, answer) in answered.iter().enumerate() {
        let Some(id) = text(answer, "messageId") else {
            continue;
        };
        let in_place = asked.get(place).filter(|message| is_of(message, answer));
        let message = in_place.or_else(|| asked.iter().find(|message| is_of(message, answer)));
        let Some(message) = message else { continue };
        sent.push((id, registration(message, answer, bulk_id.clone())));
    }
    if sent.is_empty() {
        let detail = "the answer gives no messageId of a message in the request";
        return Err(SentFault::new("/response/messages", detail));
    }
    Ok(sent)
}

fn messages(body: &Value) -> Vec<&Value> {
    match body.get("messages").and_then(Value::as_array) {
        Some(messages) => messages.iter().collect(),
        None => vec![body],
    }
}

/// Whether an answer is about this message: by the id that the sender gave, else by the number.
fn is_of(message: &Value, answer: &Value) -> bool {
    if let Some(id) = text(message, "messageId") {
        return text(answer, "messageId").as_ref() == Some(&id);
    }
    let number = |value| text(value, "to").map(|to| digits(&to));
    number(message) == number(answer)
}

fn registration(message: &Value, answer: &Value, bulk_id: Option<String>) -> Registration {
    let content = message.get("content").unwrap_or(&Value::Null);
    let template = text(content, "templateName").map(|name| FilledTemplate {
        name,
        language: text(content, "language"),
        parameters: parameters(content),
    });
    let told = Registration {
        text: text(content, "text").or_else(|| text(content, "caption")),
        message_type: Some(if template.is_some() {
            MessageType::Template
        } else {
            MessageType::Regular
        }),
        recipient: text(answer, "to").or_else(|| text(message, "to")),
        sender: text(message, "from"),
        template,
        bulk_id,
        ..Registration::default()
    };
    with_echo(told, message, "callbackData")
}

/// The placeholders of the body; those of header and buttons are no part of the text.
fn parameters(content: &Value) -> Parameters {
    let data = object(content, "templateData");
    let body = data.and_then(|data| object(data, "body"));
    match body.and_then(|body| body.get("placeholders")) {
        Some(Value::Array(values)) => Parameters::Positional(
            values
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .collect(),
        ),
        Some(Value::Object(values)) => Parameters::Named(
            values
                .iter()
                .map(|(name, value)| {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    (name.clone(), text)
                })
                .collect(),
        ),
        _ => Parameters::default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bulk_of_templates_is_read_message_by_message() {
        let message = |to: &str| {
            json!({"from": "385910009999", "to": to, "content": {"templateName": "order",
                "language": "en", "templateData": {"body": {"placeholders": ["Ana", "7"]}}}})
        };
        let request = json!({"messages": [message("385990000001"), message("+385990000002")]});
        // One is answered out of its place, one was not asked for.
        let response = json!({"bulkId": "b-1", "messages": [
            {"to": "385990000002", "messageId": "m-2"},
            {"to": "385990000001", "messageId": "m-1"},
            {"to": "385990000009", "messageId": "m-9"},
        ]});
        let sent = read(&request, &response).unwrap();
        let ids: Vec<&str> = sent.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["m-2", "m-1"]);
        let told = &sent[0].1;
        assert_eq!(told.recipient.as_deref(), Some("385990000002"));
        assert_eq!(told.bulk_id.as_deref(), Some("b-1"));
        assert_eq!(
            told.template.as_ref().unwrap().described(),
            "order (en): Ana, 7"
        );
    }

    #[test]
    fn one_text_and_what_the_sender_has_returned_are_read() {
        let request = json!({"from": "385910009999", "to": "385990000001", "messageId": "mine",
            "content": {"text": "Hi"},
            "callbackData": "{\"metadata\":{\"order\":7},\"message\":\"other\"}"});
        let response = json!({"to": "385990000001", "messageId": "mine"});
        let sent = read(&request, &response).unwrap();
        let told = &sent[0].1;
        assert_eq!(told.text.as_deref(), Some("Hi"));
        assert_eq!(told.message_type, Some(MessageType::Regular));
        assert_eq!(told.metadata.as_deref(), Some(r#"{"order":7}"#));
    }

    #[test]
    fn what_is_no_send_or_has_no_id_is_told() {
        let request = json!({"to": "1", "content": {"text": "Hi"}});
        for (request, response, field) in [
            (&json!({}), json!({"messageId": "m"}), "/request/messages"),
            (&request, json!({"requestError": {}}), "/response/messages"),
            (
                &request,
                json!({"to": "2", "messageId": "m"}),
                "/response/messages",
            ),
        ] {
            assert_eq!(read(request, &response).unwrap_err().field, field);
        }
    }
}

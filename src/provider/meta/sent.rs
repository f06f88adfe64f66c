//! Meta's send requests: On-Premises `/v1/messages`, Cloud API `/messages`, and 360dialog's,
//! which relays both.
//!
//! `hsm` is the older form of `template`: <https://developers.facebook.com/docs/whatsapp/api/messages/message-templates>.

use serde_json::Value;

use super::super::json::{object, text};
use super::super::sent::{Sent, SentFault, with_echo};
use crate::model::{FilledTemplate, MessageType, Parameters, Registration, read_ttl};

/// Reads a request and its answer; Meta sends one message at a time.
pub(in crate::provider) fn read(request: &Value, response: &Value) -> Result<Vec<Sent>, SentFault> {
    let Some(to) = text(request, "to") else {
        let detail = "a send has the recipient in to";
        return Err(SentFault::new("/request/to", detail));
    };
    let first = |name: &str| response.get(name)?.as_array()?.first();
    let Some(id) = first("messages").and_then(|message| text(message, "id")) else {
        let detail = "the answer gives no id of a message";
        return Err(SentFault::new("/response/messages/0/id", detail));
    };
    let kind = text(request, "type").unwrap_or_else(|| "text".to_owned());
    let content = request.get(&kind).unwrap_or(&Value::Null);
    let template = match kind.as_str() {
        "template" => template(content),
        "hsm" => hsm(content),
        _ => None,
    };
    let words = match kind.as_str() {
        "text" => text(content, "body"),
        "interactive" => object(content, "body").and_then(|body| text(body, "text")),
        _ => text(content, "caption"),
    };
    let told = Registration {
        text: words,
        message_type: Some(match kind.as_str() {
            "template" | "hsm" => MessageType::Template,
            _ => MessageType::Regular,
        }),
        // The number as reports name it, where the answer tells.
        recipient: first("contacts")
            .and_then(|contact| text(contact, "wa_id"))
            .or(Some(to)),
        template,
        ttl_s: request.get("ttl").and_then(read_ttl),
        ..Registration::default()
    };
    let told = with_echo(told, request, "biz_opaque_callback_data");
    Ok(vec![(id, told)])
}

/// A template as WhatsApp writes it, filled.
pub(in crate::provider) fn template(content: &Value) -> Option<FilledTemplate> {
    let components = content.get("components").and_then(Value::as_array);
    let is_body = |component: &&Value| {
        text(component, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("body"))
    };
    // Header and buttons are no part of the text.
    let body = components.and_then(|components| components.iter().find(is_body));
    let parameters = body.and_then(|body| body.get("parameters")?.as_array());
    let values: Vec<(Option<String>, String)> = parameters
        .into_iter()
        .flatten()
        .map(|parameter| (text(parameter, "parameter_name"), value(parameter)))
        .collect();
    let is_named = !values.is_empty() && values.iter().all(|(name, _)| name.is_some());
    Some(FilledTemplate {
        name: text(content, "name")?,
        language: language(content),
        parameters: if is_named {
            let named = values.into_iter();
            Parameters::Named(
                named
                    .filter_map(|(name, value)| Some((name?, value)))
                    .collect(),
            )
        } else {
            Parameters::Positional(values.into_iter().map(|(_, value)| value).collect())
        },
    })
}

fn hsm(content: &Value) -> Option<FilledTemplate> {
    let parameters = content.get("localizable_params").and_then(Value::as_array);
    let values = parameters.into_iter().flatten();
    Some(FilledTemplate {
        name: text(content, "element_name")?,
        language: language(content),
        parameters: Parameters::Positional(
            values
                .map(|value| text(value, "default").unwrap_or_default())
                .collect(),
        ),
    })
}

fn language(content: &Value) -> Option<String> {
    text(object(content, "language")?, "code")
}

/// A parameter in words: text, or what stands for an amount or a time that the phone writes in
/// its own way.
fn value(parameter: &Value) -> String {
    let fallback = |name: &str| text(object(parameter, name)?, "fallback_value");
    text(parameter, "text")
        .or_else(|| fallback("currency"))
        .or_else(|| fallback("date_time"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(request: &Value) -> Registration {
        let response = json!({"messages": [{"id": "wamid.1"}], "meta": {"version": "2"}});
        let mut sent = read(request, &response).unwrap();
        assert_eq!(sent[0].0, "wamid.1");
        sent.remove(0).1
    }

    #[test]
    fn a_template_tells_its_name_language_and_parameters() {
        let request = json!({"messaging_product": "whatsapp", "to": "+34 600000001",
        "type": "template", "template": {"name": "order", "language": {"code": "es"},
        "components": [
            {"type": "header", "parameters": [{"type": "text", "text": "no"}]},
            {"type": "body", "parameters": [
                {"type": "text", "text": "Ana"},
                {"type": "currency", "currency": {"fallback_value": "$7", "code": "USD"}},
                {"type": "date_time", "date_time": {"fallback_value": "today"}},
            ]},
        ]}});
        let response = json!({"contacts": [{"input": "+34 600000001", "wa_id": "34600000001"}],
            "messages": [{"id": "wamid.1", "message_status": "accepted"}]});
        let sent = read(&request, &response).unwrap();
        let told = &sent[0].1;
        assert_eq!(told.recipient.as_deref(), Some("34600000001"));
        assert_eq!(told.message_type, Some(MessageType::Template));
        let template = told.template.as_ref().unwrap();
        assert_eq!(template.described(), "order (es): Ana, $7, today");
    }

    #[test]
    fn named_parameters_the_older_form_and_a_ttl_are_read() {
        let named = told(
            &json!({"to": "1", "type": "template", "template": {"name": "order",
            "components": [{"type": "BODY", "parameters": [
                {"type": "text", "parameter_name": "who", "text": "Ana"}]}]}}),
        );
        assert_eq!(named.template.unwrap().render("Hi {{who}}"), "Hi Ana");
        let older = told(&json!({"to": "1", "type": "hsm", "ttl": "P1D", "hsm": {
            "namespace": "n", "element_name": "order",
            "language": {"policy": "deterministic", "code": "en"},
            "localizable_params": [{"default": "Ana"}, {"default": "$7"}]}}));
        assert_eq!(older.ttl_s, Some(86_400));
        assert_eq!(older.template.unwrap().described(), "order (en): Ana, $7");
    }

    #[test]
    fn other_messages_are_regular_and_have_their_words() {
        for (request, expected) in [
            (json!({"to": "1", "text": {"body": "Hi"}}), Some("Hi")),
            (
                json!({"to": "1", "type": "image", "image": {"caption": "Look"}}),
                Some("Look"),
            ),
            (
                json!({"to": "1", "type": "interactive", "interactive": {"body": {"text": "?"}}}),
                Some("?"),
            ),
            (
                json!({"to": "1", "type": "sticker", "sticker": {"id": "7"}}),
                None,
            ),
        ] {
            let told = told(&request);
            assert_eq!(told.text.as_deref(), expected, "{request}");
            assert_eq!(told.message_type, Some(MessageType::Regular));
        }
        let echoed = told(&json!({"to": "1", "text": {"body": "Hi"},
            "biz_opaque_callback_data": "{\"broadcastId\":\"b\"}"}));
        assert_eq!(echoed.bulk_id.as_deref(), Some("b"));
    }

    #[test]
    fn what_is_no_send_or_has_no_id_is_told() {
        let request = json!({"to": "1", "text": {"body": "Hi"}});
        let error = json!({"error": {"code": 131_026}});
        assert_eq!(read(&json!({}), &error).unwrap_err().field, "/request/to");
        let field = read(&request, &error).unwrap_err().field;
        assert_eq!(field, "/response/messages/0/id");
    }
}

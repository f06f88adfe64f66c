//! Requests to Meta and its answers: what they say of a message, and how it was answered.

use serde_json::json;

use super::*;

fn read_with(
    http_status: Option<u16>,
    request: &Value,
    response: &Value,
) -> Result<Sent, SentFault> {
    read_one(Exchange {
        request,
        response,
        http_status,
    })
}

fn registration(request: &Value) -> Registration {
    let response = json!({"messages": [{"id": "wamid.1"}], "meta": {"version": "2"}});
    let sent = read_with(None, request, &response).unwrap();
    assert_eq!(sent.id.as_deref(), Some("wamid.1"));
    assert_eq!(sent.result, SendResult::accepted());
    sent.registration
}

#[test]
fn a_message_to_a_user_id_is_known_by_it_or_by_the_number_that_the_answer_gives() {
    let id = "ES.13491208655302741918";
    for (request, contact, recipient, user_id) in [
        (
            json!({ "recipient": id }),
            json!({"user_id": id}),
            id,
            Some(id),
        ),
        (
            json!({ "recipient": id }),
            json!({"user_id": id, "wa_id": "34600000001"}),
            "34600000001",
            Some(id),
        ),
        (
            json!({"to": "+34600000001"}),
            json!({"wa_id": "34600000001", "user_id": id}),
            "34600000001",
            Some(id),
        ),
        (
            json!({"to": "+34600000001", "recipient": id}),
            json!({}),
            "+34600000001",
            Some(id),
        ),
        (
            json!({"to": "+34600000001", "recipient": ""}),
            json!({"wa_id": " "}),
            "+34600000001",
            None,
        ),
    ] {
        let mut request = request;
        request["text"] = json!({"body": "Hi"});
        let response = json!({"contacts": [contact], "messages": [{"id": "m"}]});
        let read = read_with(None, &request, &response).unwrap().registration;
        assert_eq!(
            read.recipient.as_deref(),
            Some(recipient),
            "{request} {response}"
        );
        assert_eq!(read.user_id.as_deref(), user_id, "{request} {response}");
    }
}

#[test]
fn a_send_of_another_product_is_refused_also_where_meta_refused_it() {
    let product = |product: &str| json!({"messaging_product": product, "to": "34600000001"});
    let taken = json!({"messages": [{"id": "wamid.1"}]});
    let refused = json!({"error": {"code": 190, "message": "expired"}});
    for response in [&taken, &refused] {
        for word in ["messenger", "instagram"] {
            let fault = read_with(None, &product(word), response).unwrap_err();
            assert_eq!(fault.field, "/request/messaging_product");
        }
        for word in ["whatsapp", "WhatsApp", " "] {
            assert!(read_with(None, &product(word), response).is_ok(), "{word}");
        }
    }
}

#[test]
fn a_direct_send_is_a_template() {
    for (request, expected) in [
        (
            json!({"type": "text", "category": "utility"}),
            MessageType::Template,
        ),
        (
            json!({"category": "Authentication", "text": {"body": "1"}}),
            MessageType::Template,
        ),
        (
            json!({"type": "image", "category": "utility"}),
            MessageType::Template,
        ),
        (
            json!({"type": "text", "category": "service"}),
            MessageType::Regular,
        ),
        (
            json!({"type": "text", "category": ""}),
            MessageType::Regular,
        ),
        (
            json!({"type": "text", "category": null}),
            MessageType::Regular,
        ),
    ] {
        let mut request = request;
        request["to"] = json!("1");
        assert_eq!(
            registration(&request).message_type,
            Some(expected),
            "{request}"
        );
    }
}

#[test]
fn how_a_send_was_answered_is_read() {
    let request = json!({"to": "34600000001", "text": {"body": "Hi"}});
    for (word, expected) in [
        (
            json!("accepted"),
            SendResult::AcceptedAs("accepted".to_owned()),
        ),
        (json!("Paused"), SendResult::AcceptedAs("paused".to_owned())),
        (json!(" "), SendResult::accepted()),
        (json!(null), SendResult::accepted()),
    ] {
        let response = json!({"messages": [{"id": "m", "message_status": word}]});
        let sent = read_with(None, &request, &response).unwrap();
        assert_eq!(sent.result, expected, "{response}");
    }
}

/// An answer that refuses, with its HTTP status: what came of it in one line.
fn refused(http_status: Option<u16>, response: &Value) -> String {
    let request = json!({"to": "34600000001", "text": {"body": "Hi"}});
    let sent = read_with(http_status, &request, response).unwrap();
    let [error] = sent.result.errors() else {
        panic!("{response}");
    };
    let recipient = sent.registration.recipient.as_deref();
    assert_eq!(recipient, Some("34600000001"), "{response}");
    format!(
        "{} {} {}|{}",
        sent.id.as_deref().unwrap_or("-"),
        error.key,
        error.title.as_deref().unwrap_or_default(),
        error.details.as_deref().unwrap_or_default(),
    )
}

#[test]
fn a_refused_send_has_its_reason() {
    let on_premises = json!({"errors": [{"code": 1013, "title": "User is not valid",
        "details": "unknown contact"}]});
    let cloud = json!({"error": {"message": "(#131030) Not in allowed list", "code": 131_030,
        "type": "OAuthException", "error_data": {"details": "Add it"}, "fbtrace_id": "x"}});
    let dialog = json!({"meta": {"success": false, "developer_message": "Invalid api key"}});
    let taken = json!({"messages": [{"id": "m"}]});
    for (http_status, response, expected) in [
        (None, &cloud, "- meta:131030 Not in allowed list|Add it"),
        (
            Some(400),
            &cloud,
            "- meta:131030 Not in allowed list|Add it",
        ),
        (
            None,
            &on_premises,
            "- meta:1013 User is not valid|unknown contact",
        ),
        (Some(401), &dialog, "- meta:send_refused Invalid api key|"),
        (
            None,
            &json!({"error": "Unauthorized"}),
            "- meta:send_refused Unauthorized|",
        ),
        (Some(503), &Value::Null, "- meta:send_refused HTTP 503|"),
        (
            Some(500),
            &json!("oops"),
            "- meta:send_refused HTTP 500|oops",
        ),
        (
            Some(429),
            &taken,
            r#"m meta:send_refused HTTP 429|{"messages":[{"id":"m"}]}"#,
        ),
    ] {
        assert_eq!(refused(http_status, response), expected);
    }
}

#[test]
fn what_says_nothing_is_no_error_and_one_beside_an_id_is_none_of_the_send() {
    let request = json!({"to": "34600000001", "text": {"body": "Hi"}});
    for response in [
        json!({"error": null}),
        json!({"errors": []}),
        json!({"error": false}),
    ] {
        assert!(read_with(None, &request, &response).is_err(), "{response}");
    }
    let beside = json!({"messages": [{"id": "m"}], "errors": [{"code": 1}]});
    let sent = read_with(Some(200), &request, &beside).unwrap();
    assert_eq!(sent.result, SendResult::accepted());
}

#[test]
fn a_template_shows_its_name_language_and_parameters() {
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
    let sent = read_with(None, &request, &response).unwrap();
    let read = &sent.registration;
    assert_eq!(read.recipient.as_deref(), Some("34600000001"));
    assert_eq!(read.message_type, Some(MessageType::Template));
    let template = read.template.as_ref().unwrap();
    assert_eq!(template.described(), "order (es): Ana, $7, today");
}

#[test]
fn named_parameters_the_older_form_and_a_ttl_are_read() {
    let named = registration(
        &json!({"to": "1", "type": "template", "template": {"name": "order",
        "components": [{"type": "BODY", "parameters": [
            {"type": "text", "parameter_name": "who", "text": "Ana"}]}]}}),
    );
    assert_eq!(named.template.unwrap().render("Hi {{who}}"), "Hi Ana");
    let older = registration(&json!({"to": "1", "type": "hsm", "ttl": "P1D", "hsm": {
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
        let text = registration(&request);
        assert_eq!(text.text.as_deref(), expected, "{request}");
        assert_eq!(text.message_type, Some(MessageType::Regular));
    }
    let echoed = registration(&json!({"to": "1", "text": {"body": "Hi"},
        "biz_opaque_callback_data": "{\"broadcastId\":\"b\"}"}));
    assert_eq!(echoed.broadcast.as_deref(), Some("b"));
}

#[test]
fn what_is_no_send_or_has_no_id_is_reported() {
    let request = json!({"to": "1", "text": {"body": "Hi"}});
    let nothing = json!({"contacts": []});
    let field = |request: &Value| read_with(None, request, &nothing).unwrap_err().field;
    assert_eq!(field(&json!({})), "/request/to");
    assert_eq!(field(&request), "/response/messages/0/id");
}

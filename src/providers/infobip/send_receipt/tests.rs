//! Requests to Infobip and its answers: which messages they are, and which they are not.

use serde_json::json;

use super::*;

fn read_with(http_status: Option<u16>, request: &Value, response: &Value) -> SentAll {
    let exchange = Exchange {
        request,
        response,
        http_status,
    };
    read(exchange, &Hints::default()).unwrap()
}

/// One line for each message: id, recipient, type and text; or where and why not.
fn lines(sent: &SentAll) -> Vec<String> {
    let line = |sent: &Result<Sent, SentFault>| match sent {
        Ok(sent) => {
            let read = &sent.registration;
            let kind = read.message_type.map_or("?", Into::into);
            let template = read.template.as_ref().map(FilledTemplate::described);
            let words = template.or_else(|| read.text.clone()).unwrap_or_default();
            let errors: Vec<&str> = sent.result.errors().iter().map(|it| &*it.key).collect();
            let (id, to) = (&sent.id, &read.recipient);
            let [id, to] = [id, to].map(|it| it.as_deref().unwrap_or("-"));
            format!("{id} {to} {kind} {words} {}", errors.join(","))
        }
        Err(fault) => format!("!{}", fault.field),
    };
    let lines = sent.iter().map(line);
    lines.map(|line| line.trim().to_owned()).collect()
}

fn check(request: &Value, response: &Value, expected: &[&str]) {
    let sent = read_with(None, request, response);
    assert_eq!(lines(&sent), expected, "{request} {response}");
}

/// A request to the Messages API with one message of this.
fn message(more: &Value) -> Value {
    let mut message = json!({"channel": "WHATSAPP", "sender": "385910009999"});
    let more = more.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(more);
    json!({ "messages": [message] })
}

/// The answer of the Messages API: id and number of each.
fn answer(numbers: &[(&str, &str)]) -> Value {
    let one = |(id, to): &(&str, &str)| json!({"messageId": id, "destination": to});
    json!({"bulkId": "b", "messages": numbers.iter().map(one).collect::<Vec<_>>()})
}

#[test]
fn the_messages_api_is_read_destination_by_destination() {
    let text = json!({"body": {"type": "TEXT", "text": "Hi"}});
    let two = json!([{"to": "385990000001"}, {"to": "+385990000002"}]);
    // In any order, and of one number twice each in its place.
    check(
        &message(&json!({"destinations": two, "content": text})),
        &answer(&[("m2", "385990000002"), ("m1", "385990000001")]),
        &[
            "m2 385990000002 Regular-Message Hi",
            "m1 385990000001 Regular-Message Hi",
        ],
    );
    let twice = json!([{"to": "385990000001"}, {"to": "385990000001"}]);
    check(
        &message(&json!({"destinations": twice, "content": text})),
        &answer(&[("a", "385990000001"), ("b", "385990000001")]),
        &[
            "a 385990000001 Regular-Message Hi",
            "b 385990000001 Regular-Message Hi",
        ],
    );
}

#[test]
fn a_template_of_the_messages_api_has_its_parameters_beside_it() {
    let template = json!({"templateName": "order", "language": "en"});
    let body = json!({"body": {"type": "TEXT", "1": "Ana", "2": 7}, "buttons": [{"1": "x"}]});
    let named = json!({"body": {"type": "TEXT", "who": "Ana"}});
    for (content, words) in [
        (body, "order (en): Ana, 7"),
        (named, "order (en): who=Ana"),
        (
            json!({"body": {"type": "CAROUSEL", "cards": [{}]}}),
            "order (en)",
        ),
        (json!({}), "order (en)"),
    ] {
        check(
            &message(&json!({"destinations": [{"to": "385990000001"}],
                "template": template, "content": content})),
            &answer(&[("m", "385990000001")]),
            &[&format!("m 385990000001 Template-Message {words}")],
        );
    }
    let no_content = message(&json!({"destinations": [{"to": "1"}], "template": template}));
    check(
        &no_content,
        &answer(&[("m", "1")]),
        &["m 1 Template-Message order (en)"],
    );
}

#[test]
fn what_else_the_messages_api_says_is_read() {
    let text = json!({"body": {"type": "TEXT", "text": "Hi"}});
    // The sender's own id and a place for each channel.
    let by_channel = json!([{"messageId": "mine", "byChannel": [
        {"channel": "SMS", "to": "7"}, {"channel": "WHATSAPP", "to": "385990000003"}]}]);
    check(
        &message(&json!({"destinations": by_channel, "content": text})),
        &answer(&[("mine", "385990000003")]),
        &["mine 385990000003 Regular-Message Hi"],
    );
    let full = message(&json!({"destinations": [{"to": "1"}], "content": text,
        "options": {"validityPeriod": {"amount": 10, "timeUnit": "MINUTES"}},
        "webhooks": {"callbackData": "{\"metadata\":{\"order\":7}}"}}));
    let sent = read_with(None, &full, &answer(&[("m", "1")]));
    let read = &sent[0].as_ref().unwrap().registration;
    assert_eq!(
        (read.ttl_s, read.broadcast.as_deref()),
        (Some(600), Some("b"))
    );
    assert_eq!(read.sender.as_deref(), Some("385910009999"));
    assert_eq!(read.metadata.as_deref(), Some(r#"{"order":7}"#));
}

#[test]
fn what_goes_another_way_or_cannot_be_matched_is_refused_and_costs_no_other() {
    let text = json!({"body": {"type": "TEXT", "text": "Hi"}});
    let by = |channel: Value, to: &str| json!({"channel": channel, "destinations": [{"to": to}], "content": text});
    let request = json!({"messages": [by(json!("SMS"), "1"), by(json!("whatsapp"), "2"),
        by(json!("VIBER_BM"), "3"), by(Value::Null, "4")]});
    let answer = json!({"messages": [
        {"messageId": "a", "destination": "1"}, {"messageId": "b", "destination": "2"},
        {"messageId": "c", "destination": "3"}, {"messageId": "d", "destination": "4"},
        {"messageId": "e", "destination": "5"}]});
    check(
        &request,
        &answer,
        &[
            "!/request/messages/0/channel",
            "b 2 Regular-Message Hi",
            "!/request/messages/2/channel",
            "!/request/messages/3/channel",
            "!/response/messages/4",
        ],
    );
    // Viber's and RCS's own sends look like WhatsApp's but for whom they come from.
    for from in ["ShopHR", "600600", "shop@shop.example"] {
        let request = json!({"from": from, "to": "385990001122", "content": {"text": "Hi"}});
        let answer = json!({"messageId": "a", "to": "385990001122"});
        check(&request, &answer, &["!/request/from"]);
        let request = json!({"sender": from, "to": "385990001122", "content": {"text": "Hi"}});
        check(&request, &answer, &["!/request/sender"]);
    }
    let request = json!({"messages": [{"channel": "WHATSAPP", "content": text,
        "destinations": [{"to": "1"}, {"to": "2"}, {"byChannel": [{"channel": "SMS", "to": "3"}]}]}]});
    let answer = json!({"messages": [{"messageId": "a", "destination": "1"}]});
    check(
        &request,
        &answer,
        &[
            "a 1 Regular-Message Hi",
            "!/request/messages/0/destinations/1",
            "!/request/messages/0/destinations/2",
        ],
    );
}

#[test]
fn a_send_of_another_channel_from_a_number_is_identified_by_its_members() {
    let content = |more: Value| {
        let mut content = json!({"text": "Hi"});
        let members = more.as_object().unwrap().clone();
        content.as_object_mut().unwrap().extend(members);
        json!({"from": "385910009999", "to": "385990001122", "content": content})
    };
    let message = |more: Value| {
        let mut message = content(json!({}));
        let members = more.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(members);
        message
    };
    let answer = json!({"messageId": "a", "to": "385990001122"});
    for (request, field) in [
        (content(json!({"type": "TEXT"})), "content/type"),
        (content(json!({"suggestions": []})), "content/suggestions"),
        (
            content(json!({"file": {"url": "https://a.example"}})),
            "content/file",
        ),
        (
            content(json!({"imageUrl": "https://a.example/i"})),
            "content/imageUrl",
        ),
        (
            message(json!({"validityPeriodTimeUnit": "MINUTES"})),
            "validityPeriodTimeUnit",
        ),
        (message(json!({"to": "ana@shop.example"})), "to"),
        (message(json!({"to": "7788990011223344"})), "to"),
    ] {
        check(&request, &answer, &[&format!("!/request/{field}")]);
        // A refused one is none of WhatsApp's either.
        let refused = json!({"errorCode": "E400"});
        check(&request, &refused, &[&format!("!/request/{field}")]);
        let bulk = json!({ "messages": [request] });
        let answers = json!({ "messages": [answer] });
        check(&bulk, &answers, &[&format!("!/request/messages/0/{field}")]);
    }
}

/// The control: WhatsApp's own members, and those that are there and say nothing.
#[test]
fn what_whatsapp_itself_sends_is_no_other_channels() {
    let content = |content: Value| {
        json!({"from": "385910009999", "to": "385990001122",
        "content": content})
    };
    let message = |more: Value| {
        let mut message = content(json!({"text": "Hi"}));
        let members = more.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(members);
        message
    };
    for request in [
        content(json!({"text": "Hi", "previewUrl": true})),
        content(json!({"text": "Hi", "type": null, "suggestions": null})),
        message(json!({"smsFailover": {"from": "ShopHR", "text": "Hi"}, "notifyUrl": "x"})),
        message(json!({"to": "HR.1349", "entityId": "e", "urlOptions": {"shortenUrl": true}})),
    ] {
        let sent = read_with(None, &request, &json!({"errorCode": "E400"}));
        assert!(sent[0].is_ok(), "{request}");
    }
}

#[test]
fn a_refused_send_keeps_the_ids_that_the_provider_gave() {
    let rejected = |id: &str, more: Value| {
        let mut answer = json!({"messageId": id, "status": {"groupId": 5, "id": 12,
            "name": "REJECTED_NOT_ENOUGH_CREDITS"}});
        let members = more.as_object().unwrap().clone();
        answer.as_object_mut().unwrap().extend(members);
        answer
    };
    let request = json!({"messages": [
        {"to": "385990000001", "content": {"text": "Hi"}},
        {"to": "385990000002", "messageId": "mine", "content": {"text": "Ho"}}]});
    let refused =
        |request: &Value, response: &Value| lines(&read_with(Some(400), request, response));
    let both = [
        "ib-1 385990000001 Regular-Message Hi infobip-status:12",
        "mine 385990000002 Regular-Message Ho infobip-status:12",
    ];
    let to = |number: &str| json!({"to": number});
    let named = json!({"messages": [rejected("ib-1", to("385990000001")),
        rejected("mine", to("385990000002"))]});
    assert_eq!(refused(&request, &named), both);
    let unnamed = json!({"messages": [rejected("ib-1", json!({})), rejected("mine", json!({}))]});
    assert_eq!(refused(&request, &unnamed), both);
    // Of one that the answer does not name there is the reason of the whole.
    let one = json!({"errorCode": "E400", "messages": [rejected("ib-1", to("385990000001"))]});
    let mixed = [
        both[0],
        "mine 385990000002 Regular-Message Ho infobip:send_refused",
    ];
    assert_eq!(refused(&request, &one), mixed);
    // An answer about a message outside the request is a fault, one about none is not.
    let other = json!({"messages": [rejected("ib-9", to("385990000009"))], "status": 400});
    let lines = refused(&request, &other);
    assert_eq!(lines[0], "!/response/messages/0");
    assert_eq!(lines.len(), 3);
    let single = json!({"to": "385990000001", "content": {"text": "Hi"}});
    assert_eq!(refused(&single, &rejected("ib-1", json!({}))), [both[0]]);
    let none = json!({"timestamp": "2026-02-11", "status": 400, "error": "Bad Request"});
    let unread = "- 385990000001 Regular-Message Hi infobip:send_refused";
    assert_eq!(refused(&single, &none), [unread]);
}

#[test]
fn an_id_that_a_refused_request_gave_to_several_names_none_of_them() {
    let message = |to: &str| json!({"to": to, "messageId": "mine", "content": {"text": "Hi"}});
    let request = json!({"messages": [message("385990000001"), message("385990000002")]});
    let expected = ["385990000001", "385990000002"]
        .map(|to| format!("- {to} Regular-Message Hi infobip:send_refused"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&request, &json!({"errorCode": "E400"}), &expected);
}

#[test]
fn a_refused_send_is_a_failure_for_each_recipient() {
    let request = json!({"messages": [
        {"to": "385990000001", "messageId": "mine", "content": {"text": "Hi"}},
        {"to": "385990000002", "content": {"text": "Ho"}}]});
    let older = json!({"requestError": {"serviceException": {"messageId": "UNAUTHORIZED",
        "text": "Invalid login details"}}});
    let newer = json!({"errorCode": "E400", "description": "Request cannot be processed.",
        "violations": [{"property": "to", "violation": "too short"}]});
    let reason = |http_status, response: &Value| {
        let sent = read_with(http_status, &request, response);
        let expected = [
            "mine 385990000001 Regular-Message Hi infobip:send_refused",
            "- 385990000002 Regular-Message Ho infobip:send_refused",
        ];
        assert_eq!(lines(&sent), expected, "{response}");
        let error = sent[0].as_ref().unwrap().result.errors()[0].clone();
        format!(
            "{}|{}",
            error.title.unwrap(),
            error.details.unwrap_or_default()
        )
    };
    assert_eq!(reason(None, &older), "UNAUTHORIZED|Invalid login details");
    let violations = r#"[{"property":"to","violation":"too short"}]"#;
    let expected = format!("E400|Request cannot be processed. {violations}");
    assert_eq!(reason(None, &newer), expected);
    assert_eq!(reason(Some(400), &newer), expected);
    assert_eq!(reason(Some(502), &Value::Null), "HTTP 502|");
    assert_eq!(reason(Some(502), &json!("<html>")), "HTTP 502|<html>");
    // A message that is refused among others that are taken.
    let rejected = json!({"groupId": 5, "groupName": "REJECTED", "id": 8,
        "name": "REJECTED_PREFIX_MISSING", "description": "d"});
    let answer = json!({"messages": [
        {"messageId": "mine", "to": "385990000001", "status": {"groupId": 1, "id": 26}},
        {"to": "385990000002", "status": rejected}]});
    check(
        &request,
        &answer,
        &[
            "mine 385990000001 Regular-Message Hi",
            "- 385990000002 Regular-Message Ho infobip-status:8",
        ],
    );
}

#[test]
fn a_bulk_of_templates_is_read_message_by_message() {
    let message = |to: &str| {
        json!({"from": "385910009999", "to": to, "content": {"templateName": "order",
            "language": "en", "templateData": {"body": {"placeholders": ["Ana", "7"]}}}})
    };
    let request = json!({"messages": [message("385990000001"), message("+385990000002")]});
    // One is answered out of its place, one is not in the request.
    let response = json!({"bulkId": "b-1", "messages": [
        {"to": "385990000002", "messageId": "m-2"},
        {"to": "385990000001", "messageId": "m-1"},
        {"to": "385990000009", "messageId": "m-9"},
    ]});
    let sent = read_with(None, &request, &response);
    let words = "Template-Message order (en): Ana, 7";
    let expected = [
        format!("m-2 385990000002 {words}"),
        format!("m-1 385990000001 {words}"),
        "!/response/messages/2".to_owned(),
    ];
    assert_eq!(lines(&sent), expected);
    let read = &sent[0].as_ref().unwrap().registration;
    assert_eq!(read.recipient.as_deref(), Some("385990000002"));
    assert_eq!(read.broadcast.as_deref(), Some("b-1"));
}

#[test]
fn one_text_and_what_the_sender_has_returned_are_read() {
    let request = json!({"from": "385910009999", "to": "385990000001", "messageId": "mine",
        "content": {"text": "Hi"},
        "callbackData": "{\"metadata\":{\"order\":7},\"message\":\"other\"}"});
    let response = json!({"to": "385990000001", "messageId": "mine"});
    let sent = read_with(None, &request, &response);
    let read = &sent[0].as_ref().unwrap().registration;
    assert_eq!(read.text.as_deref(), Some("Hi"));
    assert_eq!(read.message_type, Some(MessageType::Regular));
    assert_eq!(read.metadata.as_deref(), Some(r#"{"order":7}"#));
}

#[test]
fn what_is_no_send_or_has_no_id_is_reported() {
    let request = json!({"to": "1", "content": {"text": "Hi"}});
    let field = |request, response, http_status| {
        let exchange = Exchange {
            request,
            response,
            http_status,
        };
        read(exchange, &Hints::default()).err().unwrap().field
    };
    let (none, an_id) = (json!({}), json!({"messageId": "m"}));
    assert_eq!(field(&none, &an_id, None), "/request/messages");
    assert_eq!(field(&request, &none, Some(200)), "/response/messages");
    check(&request, &json!({"to": "1"}), &["!/response/messageId"]);
    check(
        &request,
        &json!({"to": "2", "messageId": "m"}),
        &["!/response", "!/request"],
    );
}

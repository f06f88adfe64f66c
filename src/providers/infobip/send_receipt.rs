//! Infobip's send requests: `POST /whatsapp/1/message/template` and its siblings, one message or
//! many, and `POST /messages-api/1/messages`, whose messages have destinations and a channel.

use std::collections::HashSet;

use serde_json::Value;

use super::super::Hints;
use super::super::json::{object, text};
use super::super::send_receipt::{Exchange, Sent, SentAll, SentFault, with_echo};
use super::open_sends::{OpenSends, RequestedMessage};
use super::party::is_user_id;
use super::report::error_of_status;
use super::send_channel::{is_whatsapp, misfit};
use super::status::Group;
use crate::model::{
    FilledTemplate, MessageType, Parameters, Registration, ReportError, SendResult,
};

/// Reads `{"messages": […]}` or one message, and the answer in the same form: each answer is
/// about the message of its id, its number or its place, and about no other. A send that was refused
/// as a whole may still name its messages.
pub(super) fn read(exchange: Exchange<'_>, _: &Hints) -> Result<SentAll, SentFault> {
    let Exchange {
        request, response, ..
    } = exchange;
    let requested = requested(request, response)?;
    let mut answers = messages(response);
    let says = |answer: &&Value, names: &[&str]| names.iter().any(|it| answer.get(it).is_some());
    answers.retain(|it| says(it, &["messageId", "to", "destination", "status"]));
    let has_id = |answer: &&Value| text(answer, "messageId").is_some();
    let is_refused = exchange.is_refused(answers.iter().any(has_id));
    if answers.is_empty() && !is_refused {
        let detail = "the answer gives no messageId of a message in the request, and no error";
        return Err(SentFault::new("/response/messages", detail));
    }
    let mut open = OpenSends::new(requested);
    let mut sent = Vec::new();
    let is_single = response.get("messages").is_none();
    for (place, answer) in answers.iter().enumerate() {
        let pointer = pointer("/response", is_single, place);
        match open.take((place, answers.len()), answer) {
            Some(Ok(requested)) => {
                let whole = is_refused.then(|| reasons(response));
                sent.push(answered(&exchange, &requested, (answer, &pointer), whole));
            }
            Some(Err(fault)) => sent.push(Err(fault)),
            // An error has a status too, and is of no message.
            None if is_refused && !says(answer, &["messageId", "to", "destination"]) => {}
            None => {
                let detail = "no message of the request has this id or number";
                sent.push(Err(SentFault::new(pointer, detail)));
            }
        }
    }
    let rest = open.into_rest();
    let shared = ids_of_several(&rest);
    let unanswered = rest.into_iter().map(|requested| match requested {
        Ok(requested) if is_refused => Ok(Sent {
            registration: registration(&requested, &Value::Null),
            id: requested.own_id.filter(|id| !shared.contains(id)),
            result: exchange.refused("infobip", reasons(response)),
        }),
        Ok(requested) => {
            let detail = "the answer gives no messageId of this message";
            Err(SentFault::new(requested.pointer, detail))
        }
        Err(fault) => Err(fault),
    });
    sent.extend(unanswered);
    Ok(sent)
}

/// Ids that the request gave to several messages: they name none of them.
fn ids_of_several(open: &[Result<RequestedMessage, SentFault>]) -> HashSet<String> {
    let requested = open.iter().flatten();
    let mut ids: Vec<&String> = requested
        .filter_map(|requested| requested.own_id.as_ref())
        .collect();
    ids.sort_unstable();
    let pairs = ids.windows(2).filter(|pair| pair[0] == pair[1]);
    pairs.map(|pair| pair[0].clone()).collect()
}

/// Where a message stands in the request or the answer.
fn pointer(body: &str, is_single: bool, place: usize) -> String {
    if is_single {
        body.to_owned()
    } else {
        format!("{body}/messages/{place}")
    }
}

fn messages(body: &Value) -> Vec<&Value> {
    match body.get("messages").and_then(Value::as_array) {
        Some(messages) => messages.iter().collect(),
        None => vec![body],
    }
}

/// Every message to every recipient of the request; one that cannot be registered says why.
fn requested<'a>(
    request: &'a Value,
    response: &Value,
) -> Result<Vec<Result<RequestedMessage<'a>, SentFault>>, SentFault> {
    let broadcast = text(response, "bulkId")
        .or_else(|| text(request, "bulkId"))
        .or_else(|| text(object(object(request, "options")?, "schedule")?, "bulkId"));
    let is_send = |message: &&Value| {
        let parts = ["content", "template", "destinations"];
        parts.iter().any(|part| message.get(part).is_some())
    };
    let messages = messages(request);
    if !messages.iter().any(is_send) {
        let detail = "an Infobip send has messages with a content or a template";
        return Err(SentFault::new("/request/messages", detail));
    }
    let is_single = request.get("messages").is_none();
    let mut requested = Vec::new();
    for (place, message) in messages.into_iter().enumerate() {
        let pointer = pointer("/request", is_single, place);
        let destinations = message.get("destinations").and_then(Value::as_array);
        if let Some(fault) = misfit(message, &pointer, destinations.is_some()) {
            // It has as many answers as it has recipients.
            let count = destinations.map_or(1, |destinations| destinations.len().max(1));
            requested.extend((0..count).map(|_| Err(fault.clone())));
            continue;
        }
        let Some(destinations) = destinations else {
            requested.push(Ok(RequestedMessage {
                message,
                pointer,
                to: text(message, "to"),
                own_id: text(message, "messageId"),
                broadcast: broadcast.clone(),
            }));
            continue;
        };
        for (index, destination) in destinations.iter().enumerate() {
            let pointer = format!("{pointer}/destinations/{index}");
            let place = on_whatsapp(destination);
            let Some(to) = text(place, "to") else {
                let detail = "a destination has a number in to, or one for WHATSAPP in byChannel";
                requested.push(Err(SentFault::new(pointer, detail)));
                continue;
            };
            requested.push(Ok(RequestedMessage {
                message,
                pointer,
                to: Some(to),
                own_id: text(destination, "messageId").or_else(|| text(place, "messageId")),
                broadcast: broadcast.clone(),
            }));
        }
    }
    Ok(requested)
}

/// Where a destination is reached by WhatsApp: one for each channel may be given.
fn on_whatsapp(destination: &Value) -> &Value {
    let Some(by_channel) = destination.get("byChannel").and_then(Value::as_array) else {
        return destination;
    };
    let is_ours = |place: &&Value| is_whatsapp(text(place, "channel").as_deref());
    by_channel.iter().find(is_ours).unwrap_or(&Value::Null)
}

/// One message and the answer to it. `whole` has the reasons of a send that was refused as a whole.
fn answered(
    exchange: &Exchange,
    requested: &RequestedMessage,
    (answer, pointer): (&Value, &str),
    whole: Option<Vec<ReportError>>,
) -> Result<Sent, SentFault> {
    let state = object(answer, "status").unwrap_or(&Value::Null);
    let (group, _) = Group::of(state);
    let id = text(answer, "messageId").or_else(|| requested.own_id.clone());
    let registration = registration(requested, answer);
    let own = error_of_status(state, group).map(|error| vec![error]);
    if let Some(errors) = own.or(whole) {
        return Ok(Sent {
            id,
            registration,
            result: exchange.refused("infobip", errors),
        });
    }
    if id.is_none() {
        let detail = "the answer gives no messageId of this message, and no refusal";
        return Err(SentFault::new(format!("{pointer}/messageId"), detail));
    }
    Ok(Sent {
        id,
        registration,
        result: SendResult::accepted(),
    })
}

fn registration(requested: &RequestedMessage, answer: &Value) -> Registration {
    let message = requested.message;
    let content = object(message, "content").unwrap_or(&Value::Null);
    let of_messages_api = object(message, "template");
    let template = match of_messages_api {
        Some(template) => text(template, "templateName").map(|name| FilledTemplate {
            name,
            language: text(template, "language"),
            parameters: object(content, "body").map(named).unwrap_or_default(),
        }),
        None => text(content, "templateName").map(|name| FilledTemplate {
            name,
            language: text(content, "language"),
            parameters: parameters(content),
        }),
    };
    let is_template = template.is_some() || of_messages_api.is_some();
    let body = object(content, "body").filter(|_| !is_template);
    let recipient = text(answer, "to")
        .or_else(|| text(answer, "destination"))
        .or_else(|| requested.to.clone());
    let registration = Registration {
        text: text(content, "text")
            .or_else(|| text(content, "caption"))
            .or_else(|| text(body?, "text")),
        message_type: Some(if is_template {
            MessageType::Template
        } else {
            MessageType::Regular
        }),
        user_id: recipient.clone().filter(|recipient| is_user_id(recipient)),
        recipient,
        sender: text(message, "from").or_else(|| text(message, "sender")),
        template,
        broadcast: requested.broadcast.clone(),
        ttl_s: object(message, "options").and_then(validity),
        ..Registration::default()
    };
    let registration = with_echo(registration, message, "callbackData");
    let webhooks = object(message, "webhooks").unwrap_or(&Value::Null);
    with_echo(registration, webhooks, "callbackData")
}

/// For how long the Messages API tries, in seconds.
fn validity(options: &Value) -> Option<i64> {
    let period = object(options, "validityPeriod")?;
    let amount = super::super::json::integer(period, "amount").filter(|amount| *amount > 0)?;
    let unit = text(period, "timeUnit")?;
    let seconds = match unit.trim().to_ascii_uppercase().as_str() {
        "SECONDS" => 1,
        "MINUTES" => 60,
        "HOURS" => 3600,
        "DAYS" => 86_400,
        _ => return None,
    };
    amount.checked_mul(seconds)
}

/// The placeholders of the body; those of header and buttons are no part of the text.
fn parameters(content: &Value) -> Parameters {
    let data = object(content, "templateData");
    let body = data.and_then(|data| object(data, "body"));
    match body.and_then(|body| body.get("placeholders")) {
        Some(Value::Array(values)) => Parameters::Positional(values.iter().map(plain).collect()),
        Some(Value::Object(values)) => {
            let named = values.iter();
            Parameters::Named(
                named
                    .map(|(name, value)| (name.clone(), plain(value)))
                    .collect(),
            )
        }
        _ => Parameters::default(),
    }
}

/// The placeholders of the Messages API, which stand beside the body's type: in their order where
/// they are numbered, else by their names.
fn named(body: &Value) -> Parameters {
    let members = body.as_object().into_iter().flatten();
    let is_value = |(name, value): &(&String, &Value)| {
        name.as_str() != "type" && !value.is_object() && !value.is_array()
    };
    let mut values: std::collections::BTreeMap<String, String> = members
        .filter(is_value)
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect();
    let numbers = (1..=values.len()).map(|number| number.to_string());
    let positional: Option<Vec<String>> = numbers.map(|name| values.get(&name).cloned()).collect();
    match positional {
        Some(positional) if !positional.is_empty() => Parameters::Positional(positional),
        _ if values.is_empty() => Parameters::default(),
        _ => Parameters::Named(std::mem::take(&mut values)),
    }
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
}

/// Why a whole send was refused, in the older words and in those of the Messages API.
fn reasons(response: &Value) -> Vec<ReportError> {
    let older = object(response, "requestError").and_then(|error| {
        let kinds = ["serviceException", "policyException"];
        kinds.iter().find_map(|kind| object(error, kind))
    });
    let (error, title, said, more) = match older {
        Some(error) => (error, "messageId", "text", "validationErrors"),
        None => (response, "errorCode", "description", "violations"),
    };
    let (title, said) = (text(error, title), text(error, said));
    if title.is_none() && said.is_none() {
        return Vec::new();
    }
    let more = error
        .get(more)
        .filter(|more| !super::super::json::is_absent(more));
    let details: Vec<String> = said.into_iter().chain(more.map(Value::to_string)).collect();
    vec![ReportError {
        key: String::new(),
        code: None,
        title: title.or_else(|| details.first().cloned()),
        details: (!details.is_empty()).then(|| details.join(" ")),
        href: None,
        permanent: None,
    }]
}

#[cfg(test)]
mod tests;

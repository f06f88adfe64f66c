//! Meta's send requests: On-Premises `/v1/messages`, Cloud API `/messages`, and 360dialog's,
//! which relays both.
//!
//! `hsm` is the older form of `template`: <https://developers.facebook.com/docs/whatsapp/api/messages/message-templates>.

use serde_json::{Value, json};

use super::super::Hints;
use super::super::json::{object, text};
use super::super::send_receipt::{Exchange, Sent, SentAll, SentFault, with_echo};
use super::error;
use super::status::id;
use crate::model::{
    FilledTemplate, MessageType, Parameters, Registration, ReportError, SendResult, WHATSAPP,
    read_ttl,
};

/// Reads a request and its answer; Meta sends one message at a time.
pub(in crate::providers) fn read(exchange: Exchange<'_>, _: &Hints) -> Result<SentAll, SentFault> {
    Ok(vec![Ok(read_one(exchange)?)])
}

fn read_one(exchange: Exchange<'_>) -> Result<Sent, SentFault> {
    let product = text(exchange.request, "messaging_product");
    if let Some(product) = product.filter(|it| !it.eq_ignore_ascii_case(WHATSAPP)) {
        let product: String = product.chars().take(32).collect();
        let detail =
            format!("this send goes by {product:?}: only those by whatsapp are registered");
        return Err(SentFault::new("/request/messaging_product", detail));
    }
    let mut registration = registration(exchange.request);
    if registration.recipient.is_none() {
        let detail = "a send has the recipient in to, or a user id in recipient";
        return Err(SentFault::new("/request/to", detail));
    }
    let first = |name: &str| exchange.response.get(name)?.as_array()?.first();
    let message = first("messages");
    let id = message.and_then(|message| id(message, &["id"]));
    if exchange.is_refused(id.is_some()) {
        return Ok(Sent {
            id,
            registration,
            result: exchange.refused("meta", reasons(exchange.response)),
        });
    }
    let (Some(message), Some(_)) = (message, &id) else {
        let detail = "the answer gives no id of a message, and no error";
        return Err(SentFault::new("/response/messages/0/id", detail));
    };
    // The recipient as reports name it, where the answer has it.
    if let Some(contact) = first("contacts") {
        registration.user_id = self::id(contact, &["user_id"]).or(registration.user_id);
        registration.recipient = self::id(contact, &["wa_id"]).or(registration.recipient);
    }
    let word = self::id(message, &["message_status"]);
    let result = word.map_or_else(SendResult::accepted, |word| {
        SendResult::AcceptedAs(word.to_ascii_lowercase())
    });
    Ok(Sent {
        id,
        registration,
        result,
    })
}

/// Why a send was refused: the Cloud API's `error`, the On-Premises API's `errors`, or what
/// 360dialog says of its own.
fn reasons(response: &Value) -> Vec<ReportError> {
    let mut errors = error::all(response.get("error"));
    errors.extend(error::all(response.get("errors")));
    if let (true, Some(said)) = (errors.is_empty(), text(response, "error")) {
        errors.extend(error::all(Some(&json!({ "title": said }))));
    }
    let own = object(response, "meta").and_then(|meta| text(meta, "developer_message"));
    if let (true, Some(said)) = (errors.is_empty(), own) {
        errors.extend(error::all(Some(&json!({ "title": said }))));
    }
    for error in &mut errors {
        // The Cloud API writes the number once more: "(#131030) Recipient …".
        if let Some(title) = &error.title
            && let Some(rest) = title.strip_prefix("(#")
            && let Some((number, rest)) = rest.split_once(") ")
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            error.title = Some(rest.to_owned());
        }
    }
    errors
}

/// The categories that a send without a template may name: WhatsApp makes a template of it.
const DIRECT: [&str; 3] = ["utility", "authentication", "marketing"];

/// What a request says of its message, before it is answered.
pub(super) fn registration(request: &Value) -> Registration {
    let kind = text(request, "type").map(|kind| kind.trim().to_ascii_lowercase());
    let is_untyped = kind.is_none();
    let kind = kind.unwrap_or_else(|| "text".to_owned());
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
    let category = text(request, "category").map(|word| word.trim().to_ascii_lowercase());
    let is_template = matches!(kind.as_str(), "template" | "hsm");
    let is_direct =
        !is_template && category.is_some_and(|category| DIRECT.contains(&category.as_str()));
    let message_type = if is_template || is_direct {
        Some(MessageType::Template)
    } else {
        // Without a type there is a text, or nothing is said.
        (!is_untyped || words.is_some()).then_some(MessageType::Regular)
    };
    let user_id = id(request, &["recipient"]);
    let registration = Registration {
        text: words,
        message_type,
        is_direct_send: is_direct,
        recipient: id(request, &["to"]).or_else(|| user_id.clone()),
        user_id,
        template,
        ttl_s: request.get("ttl").and_then(read_ttl),
        ..Registration::default()
    };
    with_echo(registration, request, "biz_opaque_callback_data")
}

/// A template as WhatsApp writes it, filled.
pub(in crate::providers) fn template(content: &Value) -> Option<FilledTemplate> {
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
mod tests;

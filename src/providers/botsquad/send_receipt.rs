//! Botsquad's send: one template to one or more users, answered with the id of the broadcast.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::Hints;
use super::super::json::{object, scalar};
use super::super::meta;
use super::super::send_receipt::{Exchange, Sent, SentAll, SentFault};
use super::{AnswerField, Dialect, message_id, recipient_key};
use crate::model::{
    FilledTemplate, MessageType, Parameters, Registration, ReportError, SendResult,
};

/// Reads a request and its answer: a message for each of `users`.
pub(super) fn read(exchange: Exchange<'_>, hints: &Hints) -> Result<SentAll, SentFault> {
    let dialect = &Dialect::of(&hints.options);
    let Exchange {
        request, response, ..
    } = exchange;
    let broadcast = dialect.fields.text(AnswerField::Id, response);
    let refusal = exchange.is_refused(broadcast.is_some());
    let refusal = refusal.then(|| exchange.refused("meta", reasons(response)));
    let broadcast = broadcast.filter(|_| refusal.is_none());
    if broadcast.is_none() && refusal.is_none() {
        let detail = "the answer gives no id of the broadcast, and no error";
        return Err(SentFault::new("/response/id", detail));
    }
    let users = request.get("users").and_then(Value::as_array);
    let Some(users) = users.filter(|users| !users.is_empty()) else {
        let detail = "a broadcast has its recipients in users";
        return Err(SentFault::new("/request/users", detail));
    };
    let template = object(request, "template").and_then(meta::send_receipt::template);
    let defaults = parameters(request);
    let mut seen: HashMap<String, u32> = HashMap::new();
    let read = users.iter().enumerate().map(|(index, user)| {
        // A user may be written as its number alone.
        let to = scalar(user).or_else(|| dialect.fields.text(AnswerField::To, user));
        let Some(to) = to else {
            let field = format!("/request/users/{index}");
            return Err(SentFault::new(&field, "a user has a number in to or phone"));
        };
        let times = seen.entry(recipient_key(&to)).or_default();
        *times += 1;
        let mut values = defaults.clone();
        values.extend(parameters(user));
        let registration = Registration {
            message_type: Some(MessageType::Template),
            recipient: Some(to.clone()),
            template: template.as_ref().map(|template| fill(template, values)),
            broadcast: broadcast.clone(),
            ..Registration::default()
        };
        let id = broadcast.as_deref();
        Ok(Sent {
            id: id.map(|broadcast| message_id(broadcast, &to, *times)),
            registration,
            result: refusal.clone().unwrap_or_else(SendResult::accepted),
        })
    });
    // A broadcast is registered as a whole or not at all: its answers are read by place.
    let read: Result<Vec<Sent>, SentFault> = read.collect();
    Ok(read?.into_iter().map(Ok).collect())
}

/// What the answer says in place of a broadcast.
fn reasons(response: &Value) -> Vec<ReportError> {
    let error = ["error", "errors"]
        .into_iter()
        .find_map(|name| match response.get(name)? {
            Value::Array(errors) => errors.first(),
            error => Some(error),
        });
    let said = |of: &Value| {
        let names = ["message", "title", "detail", "description"];
        scalar(of).or_else(|| names.iter().find_map(|name| scalar(of.get(name)?)))
    };
    let said = error.and_then(said);
    let reason = said.map(|said| ReportError {
        key: String::new(),
        code: None,
        title: Some(said),
        details: None,
        href: None,
        permanent: None,
    });
    reason.into_iter().collect()
}

/// The values of placeholders, of all users or of one.
fn parameters(of: &Value) -> BTreeMap<String, String> {
    let params = object(of, "params").and_then(Value::as_object);
    let params = params.into_iter().flatten();
    params
        .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
        .collect()
}

/// The template with each `{{name}}` in its parameters replaced by what it stands for.
fn fill(template: &FilledTemplate, values: BTreeMap<String, String>) -> FilledTemplate {
    let values = FilledTemplate {
        parameters: Parameters::Named(values),
        ..template.clone()
    };
    FilledTemplate {
        parameters: match &template.parameters {
            Parameters::Positional(texts) => {
                Parameters::Positional(texts.iter().map(|text| values.render(text)).collect())
            }
            Parameters::Named(texts) => Parameters::Named(
                texts
                    .iter()
                    .map(|(name, text)| (name.clone(), values.render(text)))
                    .collect(),
            ),
        },
        ..template.clone()
    }
}

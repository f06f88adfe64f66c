//! Botsquad's send: one template to one or more users, answered with the id of the broadcast.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::json::{object, scalar};
use super::super::meta;
use super::super::sent::{Sent, SentFault};
use super::{Dialect, Field, message_id, told_by};
use crate::model::{FilledTemplate, MessageType, Parameters, Registration};

/// Reads a request and its answer: a message for each of `users`.
pub(in crate::provider) fn read(
    request: &Value,
    response: &Value,
    dialect: &Dialect,
) -> Result<Vec<Sent>, SentFault> {
    let Some(broadcast) = dialect.fields.text(Field::Id, response) else {
        let detail = "the answer gives no id of the broadcast";
        return Err(SentFault::new("/response/id", detail));
    };
    let users = request.get("users").and_then(Value::as_array);
    let Some(users) = users.filter(|users| !users.is_empty()) else {
        let detail = "a broadcast has its recipients in users";
        return Err(SentFault::new("/request/users", detail));
    };
    let template = object(request, "template").and_then(meta::sent::template);
    let defaults = parameters(request);
    let mut seen: HashMap<String, u32> = HashMap::new();
    let read = users.iter().enumerate().map(|(index, user)| {
        // A user may be written as its number alone.
        let to = scalar(user).or_else(|| dialect.fields.text(Field::To, user));
        let Some(to) = to else {
            let field = format!("/request/users/{index}");
            return Err(SentFault::new(&field, "a user has a number in to or phone"));
        };
        let times = seen.entry(told_by(&to)).or_default();
        *times += 1;
        let mut values = defaults.clone();
        values.extend(parameters(user));
        let told = Registration {
            message_type: Some(MessageType::Template),
            recipient: Some(to.clone()),
            template: template.as_ref().map(|template| fill(template, values)),
            bulk_id: Some(broadcast.clone()),
            ..Registration::default()
        };
        Ok((message_id(&broadcast, &to, *times), told))
    });
    read.collect()
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

//! The configuration as TOML again, without its secrets.

use std::collections::BTreeMap;
use std::fmt::Write;

use toml::Value;

use super::notation::MASK;
use super::setting::SettingSection;
use super::{Config, Origin, Source};
use crate::model::Word as _;
use crate::providers::Provider;
use crate::providers::authentication::{Method, Signature};

/// See [`Config::show`].
pub(super) fn show(config: &Config, origins: &BTreeMap<String, Origin>) -> String {
    let mut text = String::new();
    for section in config.sections() {
        section_into(&mut text, &section, origins);
    }
    for source in &config.sources {
        let origin = origins.get(&format!("source.{}", source.name));
        let origin = origin.map(|origin| format!("  # {origin}"));
        let _ = writeln!(text, "\n[[source]]{}", origin.unwrap_or_default());
        for (key, value) in source_settings(source) {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    text
}

/// Writes one section with the comments in one column.
fn section_into(text: &mut String, section: &SettingSection, origins: &BTreeMap<String, Origin>) {
    let gap = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{gap}[{}]", section.path);
    for row in &section.rows {
        let key = row.key();
        let Some(value) = &row.value else {
            let _ = writeln!(text, "# {key} is not set");
            continue;
        };
        let line = format!("{key} = {value}");
        let _ = match origins.get(row.path) {
            Some(origin) => writeln!(text, "{line:<36}  # {origin}"),
            None => writeln!(text, "{line}"),
        };
    }
}

/// What is set of a source, in the order of the example.
pub(super) fn source_settings(source: &Source) -> Vec<(&'static str, Value)> {
    let mut settings = vec![
        ("name", Value::from(source.name.as_str())),
        ("provider", Value::from(source.provider.as_str())),
    ];
    let methods = &source.authentication.methods;
    settings.extend(
        methods
            .iter()
            .map(|method| method_setting(source.provider, method)),
    );
    if let (Some(pull), Some(pulled)) = (source.provider.definition().pull, &source.pulled) {
        settings.extend(pulled.settings(pull));
    } else if methods.is_empty() {
        settings.push(("unauthenticated", Value::from(true)));
    }
    if !source.verify_tokens.is_empty() {
        settings.push(("verify_tokens", masked(source.verify_tokens.len())));
    }
    settings.push(("default_type", Value::from(source.default_type.as_str())));
    if let Some(sender) = &source.sender {
        settings.push(("sender", Value::from(sender.as_str())));
    }
    if !source.senders.is_empty() {
        settings.push(("senders", Value::from(source.senders.clone())));
    }
    if !source.owners.is_empty() {
        settings.push(("owners", Value::from(source.owners.clone())));
    }
    settings
}

pub(super) fn method_setting(provider: Provider, method: &Method) -> (&'static str, Value) {
    match method {
        Method::Header { name, .. } => (
            "header",
            table([("name", name.as_str().into()), ("value", MASK.into())]),
        ),
        Method::Basic { username, .. } => {
            let username = username.as_str().into();
            (
                "basic_auth",
                table([("username", username), ("password", MASK.into())]),
            )
        }
        Method::UrlToken(_) => ("url_token", MASK.into()),
        Method::Signature(signature) => match &provider.definition().credentials.signature {
            Some(own) => (own.settings[1], masked(signature.secrets.len())),
            None => ("hmac", hmac(signature)),
        },
    }
}

fn hmac(signature: &Signature) -> Value {
    let required = [
        ("header", signature.header.as_str().into()),
        ("algorithm", signature.algorithm.as_str().into()),
        ("encoding", signature.encoding.as_str().into()),
        ("secrets", masked(signature.secrets.len())),
    ];
    let optional = [
        ("prefix", signature.prefix.as_deref()),
        ("timestamp_header", signature.timestamp_header.as_deref()),
    ];
    let optional = optional.into_iter();
    table(
        required
            .into_iter()
            .chain(optional.filter_map(|(key, value)| Some((key, value?.into())))),
    )
}

fn table(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let entries = entries.into_iter();
    Value::Table(
        entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn masked(secrets: usize) -> Value {
    Value::Array(vec![MASK.into(); secrets])
}

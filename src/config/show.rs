//! The configuration as TOML again, without its secrets.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use ipnet::IpNet;
use toml::Value;

use super::value::{spell_duration, spell_size};
use super::{Config, Events, Forward, Log, Origin, Polled, Retention, Server, Source, Store};
use crate::providers::Provider;
use crate::providers::authentication::{Method, Signature};

/// What stands for a secret.
const MASK: &str = "***";

/// See [`Config::show`].
pub(super) fn show(config: &Config, origins: &BTreeMap<String, Origin>) -> String {
    let mut text = String::new();
    for (section, settings) in sections(config) {
        section_into(&mut text, section, &settings, origins);
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

pub(super) type Settings = Vec<(&'static str, Option<Value>)>;

/// Every setting by section; `None` for one that is not set and has no default.
pub(super) fn sections(config: &Config) -> [(&'static str, Settings); 6] {
    [
        ("server", server(&config.server)),
        ("store", store(&config.store)),
        ("store.retention", retention(config.store.retention)),
        ("forward", forward(&config.forward)),
        ("events", events(&config.events)),
        ("log", log(&config.log)),
    ]
}

fn server(server: &Server) -> Settings {
    vec![
        ("listen", Some(word(server.listen))),
        ("public_url", server.public_url.as_ref().map(word)),
        ("workers", Some(number(server.workers))),
        ("body_limit", Some(size(server.body_limit_bytes))),
        ("shutdown_grace", Some(time(server.shutdown_grace))),
        ("trusted_proxies", Some(networks(&server.trusted_proxies))),
    ]
}

fn store(store: &Store) -> Settings {
    let url = format!("sqlite://{}", store.path.display());
    let keys = store.keys.len();
    vec![
        ("url", Some(word(url))),
        ("durability", Some(word(store.durability.as_str()))),
        ("wal_limit", Some(size(store.wal_limit_bytes))),
        ("disk_reserve", Some(size(store.disk_reserve_bytes))),
        ("list_budget", Some(time(store.list_budget))),
        ("key", (keys > 0).then(|| masked(keys))),
    ]
}

fn networks(networks: &[IpNet]) -> Value {
    let networks = networks.iter().map(ToString::to_string);
    networks.collect::<Vec<_>>().into()
}

fn retention(retention: Retention) -> Settings {
    all_set([
        ("webhooks_days", number(retention.webhooks_days)),
        ("attempts_days", number(retention.attempts_days)),
        ("messages_days", number(retention.messages_days)),
    ])
}

fn forward(forward: &Forward) -> Settings {
    let schedule = forward.schedule.iter().copied().map(spell_duration);
    let ca_file = forward.ca_file.as_ref();
    vec![
        ("allow_http", Some(forward.allow_http.into())),
        ("allow_networks", Some(networks(&forward.allow_networks))),
        ("proxy", forward.proxy.as_ref().map(word)),
        ("ca_file", ca_file.map(|path| word(path.display()))),
        ("timeout", Some(time(forward.timeout))),
        ("schedule", Some(schedule.collect::<Vec<_>>().into())),
        ("max_age", Some(time(forward.max_age))),
        ("disable_after", Some(time(forward.disable_after))),
    ]
}

fn events(events: &Events) -> Settings {
    all_set([
        ("repeat_after", time(events.repeat_after)),
        ("silence", time(events.silence)),
        ("silence_factor", number(events.silence_factor)),
        ("failures", number(events.failures)),
        ("failure_factor", number(events.failure_factor)),
        ("silent_messages", number(events.silent_messages)),
    ])
}

fn log(log: &Log) -> Settings {
    all_set([
        ("format", word(log.format.as_str())),
        ("filter", word(&log.filter)),
    ])
}

/// Settings none of which can be left out.
fn all_set<const N: usize>(settings: [(&'static str, Value); N]) -> Settings {
    settings.map(|(key, value)| (key, Some(value))).into()
}

fn word(word: impl Display) -> Value {
    Value::String(word.to_string())
}

fn number(number: impl TryInto<i64>) -> Value {
    Value::Integer(number.try_into().unwrap_or(i64::MAX))
}

fn size(bytes: impl TryInto<u64>) -> Value {
    word(spell_size(bytes.try_into().unwrap_or(u64::MAX)))
}

fn time(duration: Duration) -> Value {
    word(spell_duration(duration))
}

/// Writes one section with the comments in one column.
fn section_into(
    text: &mut String,
    section: &str,
    settings: &Settings,
    origins: &BTreeMap<String, Origin>,
) {
    let gap = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{gap}[{section}]");
    for (key, value) in settings {
        let line = match value {
            Some(value) => format!("{key} = {value}"),
            None => format!("# {key} is not set"),
        };
        let origin = origins.get(&format!("{section}.{key}"));
        let _ = match origin.filter(|_| value.is_some()) {
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
    if let Some(polled) = &source.polled {
        settings.extend(polled_settings(polled));
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

fn polled_settings(polled: &Polled) -> Vec<(&'static str, Value)> {
    let proof = match &polled.authorization {
        Some((name, _)) => (
            "authorization",
            table([("name", name.as_str().into()), ("value", MASK.into())]),
        ),
        None => ("unauthenticated", Value::from(true)),
    };
    let mut settings = vec![
        ("url", word(&polled.url)),
        proof,
        ("poll_every", time(polled.every)),
        ("poll_at_most", time(polled.at_most)),
        ("poll_for", time(polled.give_up_after)),
        ("answer_limit", size(polled.answer_limit_bytes)),
        ("success_at", word(polled.dialect.success_at)),
    ];
    let fields: toml::Table = (polled.dialect.fields.own())
        .map(|(field, names)| (field.to_string(), names.to_vec().into()))
        .collect();
    let words: toml::Table = (polled.dialect.words.iter())
        .map(|(word, status)| (word.clone(), status.as_str().into()))
        .collect();
    for (key, table) in [("fields", fields), ("statuses", words)] {
        if !table.is_empty() {
            settings.push((key, Value::Table(table)));
        }
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
        Method::Signature(signature) if provider == Provider::MetaCloud => {
            ("app_secrets", masked(signature.secrets.len()))
        }
        Method::Signature(signature) => ("hmac", hmac(signature)),
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

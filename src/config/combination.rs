//! Settings that are right each by itself and impossible together.
//!
//! Pure; [`super::resolve`] says where each was decided.

use std::time::Duration;

use super::value::spell_duration;
use super::{Config, Source};
use crate::providers::authentication::Method;

/// A forward must live for this long at least where it is tried once: it may wait for its turn.
const LEAST_AGE: Duration = Duration::from_mins(1);

/// Two settings that cannot hold together.
pub(super) struct Combination {
    /// Their full keys.
    pub(super) keys: [&'static str; 2],
    /// Why not, and what to write.
    pub(super) text: String,
}

/// Everything that is impossible together, sources aside.
pub(super) fn impossible(config: &Config) -> Vec<Combination> {
    let forward = &config.forward;
    let (timeout, schedule, max_age) = (&forward.timeout, &forward.schedule, &forward.max_age);
    let age = spell_duration(*max_age);
    let mut found = Vec::new();
    if max_age < timeout {
        found.push(Combination {
            keys: ["forward.max_age", "forward.timeout"],
            text: format!(
                "max_age = \"{age}\" is shorter than timeout = \"{}\": a forward would be given up \
                 before its first attempt ends; write a longer max_age or a shorter timeout",
                spell_duration(*timeout)
            ),
        });
    }
    let text = match schedule.first() {
        None if *max_age < LEAST_AGE => Some(format!(
            "an empty schedule and max_age = \"{age}\" give up what waits for a moment, without one \
             attempt: write a max_age of \"{}\" or more",
            spell_duration(LEAST_AGE)
        )),
        Some(first) if first >= max_age => Some(format!(
            "max_age = \"{age}\" ends before the first retry, which schedule has after \"{}\": write a \
             longer max_age, or schedule = [] for no retry",
            spell_duration(*first)
        )),
        _ => None,
    };
    found.extend(text.map(|text| Combination {
        keys: ["forward.max_age", "forward.schedule"],
        text,
    }));
    let signs_url = |source: &&Source| source.authentication.signs_url();
    if config.server.public_url.is_none()
        && let Some(source) = config.sources.iter().find(signs_url)
    {
        found.push(Combination {
            keys: ["server.public_url"; 2],
            text: format!(
                "source {} is of provider {}, which signs the URL that it calls: write where it reaches \
                 this service, e.g. \"https://relay.example.com\"",
                source.name, source.provider
            ),
        });
    }
    found
}

/// What is impossible together in one source.
pub(super) fn impossible_in(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut headers: Vec<(String, &str)> = Vec::new();
    for method in &source.authentication.methods {
        let (name, key) = match method {
            Method::Header { name, .. } => (name.as_str(), "header"),
            Method::Basic { .. } => ("authorization", "basic_auth"),
            Method::Signature(signature) => (signature.header.as_str(), "hmac"),
            Method::UrlToken(_) => continue,
        };
        let name = name.to_ascii_lowercase();
        if let Some((_, other)) = headers.iter().find(|(known, _)| *known == name) {
            found.push(format!(
                "{other} and {key} both want the header {name}, and no request has it twice: remove \
                 one of them"
            ));
        }
        headers.push((name, key));
        if let Method::Signature(signature) = method
            && let Some(time) = &signature.timestamp_header
            && time.eq_ignore_ascii_case(&signature.header)
        {
            found.push(
                "hmac has one header for signature and timestamp: name the one that holds the time"
                    .to_owned(),
            );
        }
    }
    if let Some(pulled) = &source.pulled
        && pulled.give_up_after < pulled.every
    {
        found.push(format!(
            "poll_for = \"{}\" is shorter than poll_every = \"{}\": nothing would be polled again; write \
             a longer poll_for",
            spell_duration(pulled.give_up_after),
            spell_duration(pulled.every)
        ));
    }
    found
}

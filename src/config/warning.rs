//! What works and should be known at every start.

use secrecy::{ExposeSecret as _, SecretString};

use super::value::spell_duration;
use super::{Config, Source, Warning, starter};
use crate::forward::guard::Guard;
use crate::providers::authentication::Method;
use crate::store::Durability;

/// A secret with fewer characters may be guessed.
const LEAST_SECRET: usize = 16;

impl Config {
    /// What works and should be known at every start.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let warning = |key: &str, text: &str| Warning {
            key: key.to_owned(),
            text: text.to_owned(),
        };
        let mut warnings = Vec::new();
        if self.store.durability == Durability::Os {
            warnings.push(warning(
                "store.durability",
                "a power cut may lose webhooks that were acknowledged; \"full\" prevents it",
            ));
        }
        let store = self.store.engine();
        let of_store = store.warnings();
        warnings.extend(of_store.iter().map(|text| warning("store.url", text)));
        warnings.extend(self.passed_over.iter().map(|old| {
            let text = format!(
                "there are two stores: {} is used, beside the configuration; {old}, in the current \
                 folder, where earlier versions had it, is not: write the url of the right one, \
                 or move the other away",
                store.location()
            );
            warning("store.url", &text)
        }));
        if self.forward.allow_http {
            warnings.push(warning(
                "forward.allow_http",
                "phone numbers may travel unencrypted; false prevents it",
            ));
        }
        let networks = self.forward.allow_networks.iter();
        for network in networks.filter(|network| network.prefix_len() == 0) {
            warnings.push(warning(
                "forward.allow_networks",
                &format!("{network} lets payloads go to any address, the relay's own network and the cloud's metadata included"),
            ));
        }
        let proxies = self.server.trusted_proxies.iter();
        for network in proxies.filter(|network| network.prefix_len() == 0) {
            warnings.push(warning(
                "server.trusted_proxies",
                &format!("{network} believes the X-Forwarded-For of every client, which may write any address there"),
            ));
        }
        warnings.extend(self.warnings_of_times());
        if self.sources.is_empty() {
            warnings.push(warning(
                "source",
                "there is none, so every webhook is answered 404; `tickrelay init` writes a start",
            ));
        }
        for source in &self.sources {
            warnings.extend(self.warnings_of(source));
        }
        warnings
    }

    /// Times that hold together, though a part of one of them says nothing.
    fn warnings_of_times(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let forward = &self.forward;
        let mut age = std::time::Duration::ZERO;
        let late = forward.schedule.iter().position(|wait| {
            age = age.saturating_add(*wait);
            age >= forward.max_age
        });
        if let Some(late) = late.filter(|late| *late > 0) {
            warnings.push(Warning {
                key: "forward.schedule".to_owned(),
                text: format!(
                    "max_age = \"{}\" gives a forward up before retry {} of {}: the retries from there on \
                     are never made",
                    spell_duration(forward.max_age),
                    late + 1,
                    forward.schedule.len()
                ),
            });
        }
        let kept = &self.retention;
        for (key, days, what) in [
            (
                "webhooks_days",
                kept.webhooks_days,
                "webhooks older than the messages are never read again",
            ),
            (
                "attempts_days",
                kept.attempts_days,
                "attempts go with their messages",
            ),
        ] {
            if days > kept.messages_days {
                warnings.push(Warning {
                    key: format!("store.retention.{key}"),
                    text: format!(
                        "{key} = {days} is more than messages_days = {}: {what}; write {} or less",
                        kept.messages_days, kept.messages_days
                    ),
                });
            }
        }
        warnings
    }

    /// What works of a source and should be known.
    fn warnings_of(&self, source: &Source) -> Vec<Warning> {
        let warning = |text: &str| Warning {
            key: format!("source.{}", source.name),
            text: text.to_owned(),
        };
        let credentials = &source.provider.definition().credentials;
        let mut warnings = Vec::new();
        if let (Some(pull), Some(pulled)) = (source.provider.definition().pull, &source.pulled) {
            let guard = Guard::new(self.forward.allow_http, self.forward.allow_networks.clone());
            if let Err(error) = guard.target(&(pull.url)(&pulled.url, "id")) {
                warnings.push(warning(&format!("url cannot be polled: {error}")));
            }
        } else if source.authentication.methods.is_empty() {
            warnings.push(warning(
                "unauthenticated: any client with its URL can invent reports",
            ));
        }
        if credentials.handshake && source.verify_tokens.is_empty() {
            warnings.push(warning("no verify_token: the provider's GET handshake will be refused, so the callback URL cannot be set in its dashboard",
            ));
        }
        if secrets(source).any(|secret| secret.expose_secret().starts_with(starter::PLACEHOLDER)) {
            warnings.push(warning(
                "a secret is still the placeholder of `tickrelay init`: fill in the provider's",
            ));
        }
        for (what, secret) in guessable(source) {
            let length = secret.expose_secret().chars().count();
            if length < LEAST_SECRET {
                warnings.push(warning(&format!(
                    "{what} has {length} characters and may be guessed: agree on {LEAST_SECRET} or more \
                     with the provider, as `openssl rand -hex 24` writes them"
                )));
            }
        }
        warnings
    }
}

/// What proves where a webhook comes from, with the key that it stands under.
fn guessable(source: &Source) -> impl Iterator<Item = (&'static str, &SecretString)> {
    let methods = source.authentication.methods.iter();
    methods.flat_map(|method| {
        let (key, secrets) = match method {
            Method::Header { value, .. } => ("header.value", std::slice::from_ref(value)),
            Method::Basic { password, .. } => {
                ("basic_auth.password", std::slice::from_ref(password))
            }
            Method::UrlToken(token) => ("url_token", std::slice::from_ref(token)),
            Method::Signature(signature) => {
                let own = source.provider.definition().credentials.signature.as_ref();
                let key = own.map_or("hmac.secret", |own| own.settings[1]);
                (key, signature.secrets.as_slice())
            }
        };
        secrets.iter().map(move |secret| (key, secret))
    })
}

/// Every secret of a source.
fn secrets(source: &Source) -> impl Iterator<Item = &SecretString> {
    let polled_with = source
        .pulled
        .iter()
        .flat_map(|pulled| &pulled.authorization);
    guessable(source)
        .map(|(_, secret)| secret)
        .chain(&source.verify_tokens)
        .chain(polled_with.map(|header| &header.value))
}

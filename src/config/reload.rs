//! What another configuration changes while the service runs: what is safe to take over, and what
//! needs a restart.
//!
//! Pure. Safe is what is read again for each log line and each webhook: settings whose row says so, and
//! what proves where a webhook comes from. Everything else was built into what runs.

use secrecy::ExposeSecret as _;

use super::setting::Reloaded;
use super::show::{method_setting, source_settings};
use super::source::{CONFIGURED, VERIFY, own_keys};
use super::{Config, SettingRow, Source};
use crate::providers::authentication::Method;

/// What differs between the configuration that runs and one that was read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The keys of settings that can be applied at once, and how.
    pub reloaded: Vec<(&'static str, Reloaded)>,
    /// The sources whose secrets or verify tokens are others, and nothing else of them.
    pub proofs: Vec<String>,
    /// The keys that hold from the next start on; sources as `source.{name}`.
    pub restart: Vec<String>,
}

impl Changes {
    /// From what runs to what was read.
    #[must_use]
    pub fn between(running: &Config, read: &Config) -> Self {
        let mut changes = Self::default();
        let rows = running.sections().into_iter();
        let rows: Vec<SettingRow> = rows.flat_map(|section| section.rows).collect();
        for path in running.differences(read) {
            let row = rows.iter().find(|row| row.path == path);
            match row.and_then(|row| row.reloaded) {
                Some(how) => changes.reloaded.push((path, how)),
                None => changes.restart.push(path.to_owned()),
            }
        }
        changes.compare_sources(&running.sources, &read.sources);
        changes
    }

    fn compare_sources(&mut self, running: &[Source], read: &[Source]) {
        let named = |sources: &[Source], name: &str| {
            let mut sources = sources.iter();
            sources.find(|source| source.name == name).cloned()
        };
        for source in running {
            let Some(now) = named(read, &source.name) else {
                self.restart.push(format!("source.{}", source.name));
                continue;
            };
            let mut pulled = source.pulled.iter().zip(&now.pulled);
            let is_polled_otherwise =
                pulled.any(|(before, after)| !before.differences(after).is_empty());
            if settings(source) != settings(&now) || is_polled_otherwise {
                self.restart.push(format!("source.{}", source.name));
            } else if proof(source) != proof(&now) {
                self.proofs.push(source.name.clone());
            }
        }
        let new = read.iter().filter(|it| named(running, &it.name).is_none());
        self.restart
            .extend(new.map(|source| format!("source.{}", source.name)));
    }
}

/// What is set of a source beside what proves where its webhooks come from.
fn settings(source: &Source) -> Vec<String> {
    let own: Vec<&str> = own_keys().map(|(key, _)| key).collect();
    let proofs = [&CONFIGURED[..], &VERIFY, &own[..], &["unauthenticated"]].concat();
    let all = source_settings(source).into_iter();
    all.filter(|(key, _)| !proofs.contains(key))
        .map(|(key, value)| format!("{key} = {value}"))
        .collect()
}

/// What proves where a webhook comes from, secrets included: to be compared, never to be shown.
fn proof(source: &Source) -> Vec<String> {
    let mut proof = Vec::new();
    for method in &source.authentication.methods {
        let (key, value) = method_setting(source.provider, method);
        proof.push(format!("{key} = {value}"));
        let secrets = match method {
            Method::Header { value, .. } => std::slice::from_ref(value),
            Method::Basic { password, .. } => std::slice::from_ref(password),
            Method::UrlToken(token) => std::slice::from_ref(token),
            Method::Signature(signature) => signature.secrets.as_slice(),
        };
        proof.extend(secrets.iter().map(|it| it.expose_secret().to_owned()));
    }
    proof.push("verify".to_owned());
    let tokens = source.verify_tokens.iter();
    proof.extend(tokens.map(|it| it.expose_secret().to_owned()));
    proof
}

//! The demo's configuration, and the proofs its providers present.
//!
//! The configuration is a true file, read like any other: the demo runs on what stands in
//! it, and every other command can be pointed at it.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use toml::Value;

use super::case::Case;
use crate::model::MessageType;
use crate::providers::Provider;

/// What the providers and the service share in this run.
pub(super) struct Sources {
    /// One secret does for all of them: nobody else gets to know it.
    secret: String,
    /// The `[[source]]` tables of the configuration.
    sources: String,
}

impl Sources {
    /// A source for each provider, and one for each case that needs its own.
    pub(super) fn new<'a>(cases: impl Iterator<Item = &'a Case>) -> Self {
        let secret = hex::encode(rand::random::<[u8; 24]>());
        let mut sources = String::new();
        // The reports of the other providers name the business's number themselves.
        let usual = |provider| (provider == Provider::Infobip).then_some("+385910009999");
        for provider in Provider::SENDING {
            let name = provider.as_str();
            sources += &source(name, provider, &secret, usual(provider), None);
        }
        for case in cases {
            if let Some(change) = &case.source {
                let sender = change.sender.as_deref().or(usual(case.provider));
                let default_type = change.default_type.map(MessageType::as_str);
                let name = case.source_name();
                sources += &source(&name, case.provider, &secret, sender, default_type);
            }
        }
        Self { secret, sources }
    }

    /// The configuration of a service that listens on `port`.
    pub(super) fn configuration(&self, port: u16) -> String {
        format!(
            "# Written by `tickrelay demo`, which runs on it: other commands understand it too.\n\
             \n\
             [server]\n\
             listen = \"127.0.0.1:{port}\"\n\
             \n\
             [store]\n\
             url = \"sqlite://tickrelay.db\"\n\
             \n\
             [forward]\n\
             # The demo's subscriber has neither TLS nor a public address.\n\
             allow_http = true\n\
             allow_networks = [\"127.0.0.0/8\"]\n\
             {}",
            self.sources
        )
    }

    /// The header with which `provider` proves that `body` is its own.
    pub(super) fn proof(
        &self,
        provider: Provider,
        body: &[u8],
    ) -> anyhow::Result<(&'static str, String)> {
        Ok(match provider {
            Provider::MetaCloud => {
                let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
                    .context("cannot sign")?;
                mac.update(body);
                let signature = hex::encode(mac.finalize().into_bytes());
                ("X-Hub-Signature-256", format!("sha256={signature}"))
            }
            Provider::MetaOnPremises | Provider::Dialog360 => {
                ("Authorization", format!("Bearer {}", self.secret))
            }
            Provider::Infobip => {
                let credentials = STANDARD.encode(format!("infobip:{}", self.secret));
                ("Authorization", format!("Basic {credentials}"))
            }
            Provider::Botsquad => bail!("{provider} sends nothing"),
        })
    }
}

/// How `provider` proves itself, in words.
pub(super) const fn means(provider: Provider) -> &'static str {
    match provider {
        Provider::MetaCloud => "signed with the app secret",
        Provider::MetaOnPremises | Provider::Dialog360 => "with a header of its own",
        Provider::Infobip => "with user name and password",
        Provider::Botsquad => "asked by us",
    }
}

/// One `[[source]]` table.
fn source(
    name: &str,
    provider: Provider,
    secret: &str,
    sender: Option<&str>,
    default_type: Option<&str>,
) -> String {
    let proof = match provider {
        Provider::MetaCloud => {
            format!("app_secrets = [\"{secret}\"]\nverify_token = \"{secret}\"")
        }
        Provider::MetaOnPremises | Provider::Dialog360 => {
            format!("header = {{ name = \"Authorization\", value = \"Bearer {secret}\" }}")
        }
        Provider::Infobip => {
            format!("basic_auth = {{ username = \"infobip\", password = \"{secret}\" }}")
        }
        Provider::Botsquad => {
            "url = \"https://api.example.com\"\nunauthenticated = true".to_owned()
        }
    };
    let mut table =
        format!("\n[[source]]\nname = \"{name}\"\nprovider = \"{provider}\"\n{proof}\n");
    for (key, value) in [("sender", sender), ("default_type", default_type)] {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{key} = {}", Value::from(value));
        }
    }
    table
}

//! What the demo knows of each provider, and the configuration that it makes of it.
//!
//! The configuration is a true file, read like any other: the demo runs on what stands in
//! it, and every other command can be pointed at it.

use std::fmt::Write as _;

use toml::Value;

use super::case::{Program, SourceChange};
use crate::model::{MessageType, Word as _};
use crate::providers::Provider;

/// What the demo knows of a provider that sends webhooks.
pub(super) struct Profile {
    pub(super) provider: Provider,
    /// Its name, for people.
    pub(super) title: &'static str,
    /// How it proves itself, in words.
    pub(super) means: &'static str,
    /// The same as settings of its source; `SECRET` stands for the secret.
    settings: &'static str,
    /// The business's number, where its reports do not name it.
    sender: Option<&'static str>,
    /// The fixtures of what happens every day, in the order of the show.
    pub(super) everyday: &'static [&'static str],
}

/// One row for each of [`Provider::SENDING`].
pub(super) static PROFILES: [Profile; 4] = [
    Profile {
        provider: Provider::MetaCloud,
        title: "Meta's Cloud API",
        means: "signed with the app secret",
        settings: "app_secrets = [\"SECRET\"]\nverify_token = \"SECRET\"",
        sender: None,
        everyday: &[
            "template-sent-delivered-read",
            "regular-sent-delivered-read",
            "failed-not-on-whatsapp",
            "failed-marketing-limit",
            "failed-window-closed",
        ],
    },
    Profile {
        provider: Provider::MetaOnPremises,
        title: "Meta's On-Premises API",
        means: "with a header of its own",
        settings: BEARER,
        sender: None,
        everyday: &["template-expired", "structure-unavailable"],
    },
    Profile {
        provider: Provider::Dialog360,
        title: "360dialog",
        means: "with a header of its own",
        settings: BEARER,
        sender: None,
        everyday: &["both-envelopes"],
    },
    Profile {
        provider: Provider::Infobip,
        title: "Infobip",
        means: "with user name and password",
        settings: "basic_auth = { username = \"infobip\", password = \"SECRET\" }",
        sender: Some("+385910009999"),
        everyday: &[
            "delivered",
            "seen",
            "failed-template-arguments",
            "sms-fallback-delivered",
            "sms-fallback-failed",
            "rejected-before-sending",
            "expired",
            "pending",
            "messages-api",
        ],
    },
];

const BEARER: &str = "header = { name = \"Authorization\", value = \"Bearer SECRET\" }";

impl Profile {
    /// A `[[source]]` table.
    fn source(&self, name: &str, change: Option<&SourceChange>, secret: &str) -> String {
        let (provider, settings) = (self.provider, self.settings.replace("SECRET", secret));
        let sender = change.and_then(|change| change.sender.as_deref());
        let default_type = change.and_then(|change| change.default_type);
        let mut table =
            format!("\n[[source]]\nname = \"{name}\"\nprovider = \"{provider}\"\n{settings}\n");
        for (key, value) in [
            ("sender", sender.or(self.sender)),
            ("default_type", default_type.map(MessageType::as_str)),
        ] {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = writeln!(table, "{key} = {}", Value::from(value));
            }
        }
        table
    }
}

/// The configuration of a service on `port`, with a source for each provider and one for each case
/// that needs its own. One secret does for all of them: nobody else gets to know it.
pub(super) fn configuration(programs: &[Program], secret: &str, port: u16) -> String {
    let mut text = format!(
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
         allow_networks = [\"127.0.0.0/8\"]\n"
    );
    for profile in &PROFILES {
        text += &profile.source(profile.provider.as_str(), None, secret);
    }
    for program in programs {
        let differs = program.cases().filter(|case| case.source.is_some());
        for case in differs {
            let source = program
                .profile
                .source(&case.source_name(), case.source.as_ref(), secret);
            text += &source;
        }
    }
    text
}

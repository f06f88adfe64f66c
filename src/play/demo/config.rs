//! The configuration that the demo makes of what it knows of each provider.
//!
//! The configuration is a true file, read like any other: the demo runs on what stands in
//! it, and every other command can be pointed at it.

use std::fmt::Write as _;

use toml::Value;

use super::case::{Program, SourceChange};
use crate::model::{MessageType, Word as _};
use crate::providers::{OwnSignature, Provider};

/// Where the providers that sign the URL call the demo; `None` when none does.
pub(super) fn public_url() -> Option<&'static str> {
    let mut providers = Provider::push().map(Provider::definition);
    let signs = providers.any(|it| {
        let own = it.credentials.signature.as_ref();
        own.is_some_and(OwnSignature::signs_url)
    });
    signs.then_some("https://relay.example.com")
}

/// A `[[source]]` table.
fn source(provider: Provider, name: &str, change: Option<&SourceChange>, secret: &str) -> String {
    let samples = &provider.definition().samples;
    let settings = samples.settings.replace("{secret}", secret);
    let sender = change.and_then(|change| change.sender.as_deref());
    let default_type = change.and_then(|change| change.default_type);
    let mut table =
        format!("\n[[source]]\nname = \"{name}\"\nprovider = \"{provider}\"\n{settings}\n");
    for (key, value) in [
        ("sender", sender.or(samples.sender)),
        ("default_type", default_type.map(MessageType::as_str)),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{key} = {}", Value::from(value));
        }
    }
    table
}

/// The configuration of a service on `port`, with a source for each provider and one for each case
/// that needs its own. One secret does for all of them: it never leaves the process.
pub(super) fn configuration(programs: &[Program], secret: &str, port: u16) -> String {
    let public_url = public_url();
    let public_url = public_url.map_or(String::new(), |url| format!("public_url = \"{url}\"\n"));
    let mut text = format!(
        "# Written by `tickrelay demo`, which runs on it: other commands understand it too.\n\
         \n\
         [server]\n\
         listen = \"127.0.0.1:{port}\"\n\
         {public_url}\n\
         [store]\n\
         url = \"sqlite://tickrelay.db\"\n\
         \n\
         [forward]\n\
         # The demo's subscriber has neither TLS nor a public address.\n\
         allow_http = true\n\
         allow_networks = [\"127.0.0.0/8\"]\n"
    );
    for provider in Provider::push() {
        text += &source(provider, provider.as_str(), None, secret);
    }
    for program in programs {
        let differs = program.cases().filter(|case| case.source.is_some());
        for case in differs {
            let (name, change) = (case.source_name(), case.source.as_ref());
            text += &source(program.provider, &name, change, secret);
        }
    }
    text
}

//! 360dialog, which relays both of Meta's formats, with the header that was registered with the URL.

use super::definition::{CredentialRules, Definition, Samples, Starter};
use super::meta;

pub(super) const DEFINITION: Definition = Definition {
    name: "360dialog",
    title: "360dialog",
    pull: None,
    ends_at_sent: false,
    credentials: CredentialRules {
        signs_with: &["x-360dialog-signature"],
        ..meta::on_premises::RELAY
    },
    errors: &meta::ERRORS,
    events: &meta::events::EVENTS,
    read: meta::read,
    send_receipt: meta::send_receipt::read,
    samples: Samples {
        everyday: &["both-envelopes"],
        settings: meta::on_premises::DEFINITION.samples.settings,
        proof: meta::on_premises::DEFINITION.samples.proof,
        ..meta::cloud::DEFINITION.samples
    },
    starter: Some(Starter {
        toml: include_str!("dialog360/starter.toml"),
        register: None,
    }),
};

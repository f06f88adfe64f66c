//! Botsquad's definition: its API is polled, and its answers are read beside this file.

use super::super::definition::{CredentialRules, Definition, Samples};
use super::super::meta;
use super::super::pull::{Pull, url_with_id};
use super::dialect::SETTINGS;
use super::{message_id, open, parse, send_receipt};

pub(in crate::providers) const DEFINITION: Definition = Definition {
    name: "botsquad",
    title: "Botsquad",
    pull: Some(&Pull {
        settings: SETTINGS,
        url: url_with_id,
        message_id,
        open,
    }),
    ends_at_sent: true,
    credentials: CredentialRules {
        any_of: &["authorization"],
        missing: "authorization is missing: give { name, value } as the provider's API wants it, or write unauthenticated = true",
        misfits: &[],
        signs_with: &[],
        sets: &[],
        signature: None,
        handshake: false,
    },
    // It passes on Meta's codes; no catalogue explains its own words.
    errors: &meta::ERRORS,
    events: &meta::events::EVENTS,
    read: parse,
    send_receipt: send_receipt::read,
    samples: Samples {
        settings: "url = \"https://api.example.com\"\nunauthenticated = true",
        proof: "polled by us",
        sender: None,
        everyday: &[],
        // A pull source is never played.
        ..meta::on_premises::DEFINITION.samples
    },
    starter: None,
};

//! Meta's On-Premises API, and what still speaks its format.

use super::super::definition::{CredentialRules, Definition, Samples};
use super::events::EVENTS;
use super::{ERRORS, read, sample, send_receipt};

/// A relay of Meta's formats presents what was registered together with the URL.
pub(in crate::providers) const RELAY: CredentialRules = CredentialRules {
    any_of: &["header", "basic_auth", "hmac", "url_token"],
    missing: "nothing authenticates its webhooks: give header, basic_auth, hmac or url_token, or write unauthenticated = true",
    misfits: &[
        (
            "app_secret",
            "only meta-cloud signs with an app secret: give header, basic_auth, hmac or url_token",
        ),
        (
            "app_secrets",
            "only meta-cloud signs with an app secret: give header, basic_auth, hmac or url_token",
        ),
        ("verify_token", "only meta-cloud sends it: remove it"),
        ("verify_tokens", "only meta-cloud sends it: remove it"),
    ],
    signs_with: &[],
    sets: &[],
    signature: None,
    handshake: false,
};

pub(in crate::providers) const DEFINITION: Definition = Definition {
    name: "meta-on-premises",
    title: "Meta's On-Premises API",
    pull: None,
    ends_at_sent: false,
    credentials: RELAY,
    errors: &ERRORS,
    events: &EVENTS,
    read,
    send_receipt: send_receipt::read,
    samples: Samples {
        settings: "header = { name = \"Authorization\", value = \"Bearer {secret}\" }",
        proof: "with a header of its own",
        sender: None,
        everyday: &["template-expired", "structure-unavailable"],
        reports_queued: false,
        frequent: &sample::FREQUENT,
        // It ended before any history that is invented.
        history: None,
        not_failures: &[],
        content_type: "application/json",
        batch: usize::MAX,
        write: sample::write_on_premises,
        id: sample::on_premises_id,
        key: sample::on_premises_key,
    },
    starter: None,
};

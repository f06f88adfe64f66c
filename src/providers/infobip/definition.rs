//! Infobip's definition; its formats are read beside this file.

use super::super::definition::{
    CredentialRules, Definition, ErrorCatalogue, Refusals, Samples, Starter,
};
use super::super::meta::events::LINES;
use super::super::sample::HistorySamples;
use super::{causes, parse, sample, send_receipt};
use crate::model::EventWords;

const NO_APP_SECRET: &str = "an app secret belongs to meta-cloud: if Infobip signs, give hmac = { header, algorithm, encoding, secret }";
const NO_VERIFY_TOKEN: &str = "only meta-cloud sends it; for a secret in the URL give url_token";

/// WhatsApp decides on templates and people on marketing, so the words are Meta's.
pub(super) static EVENTS: EventWords = EventWords {
    title: "Infobip",
    unknown: "Look into Infobip's portal for what it means.",
    lines: LINES,
};

pub(in crate::providers) const DEFINITION: Definition = Definition {
    name: "infobip",
    title: "Infobip",
    pull: None,
    ends_at_sent: false,
    credentials: CredentialRules {
        any_of: &["header", "basic_auth", "hmac", "url_token"],
        missing: "nothing authenticates its webhooks: give header, basic_auth, hmac or url_token, or write unauthenticated = true",
        misfits: &[
            ("app_secret", NO_APP_SECRET),
            ("app_secrets", NO_APP_SECRET),
            ("verify_token", NO_VERIFY_TOKEN),
            ("verify_tokens", NO_VERIFY_TOKEN),
        ],
        signs_with: &[],
        sets: &[],
        signature: None,
        handshake: false,
    },
    errors: &ErrorCatalogue {
        name: "infobip",
        title: "Infobip",
        toml: include_str!("errors.toml"),
        refusals: Some(Refusals {
            of_one_message: "infobip-status:",
            duplicate: "infobip-status:23",
        }),
        causes: causes::CAUSES,
        vague: causes::VAGUE,
    },
    events: &EVENTS,
    read: parse,
    send_receipt: send_receipt::read,
    samples: Samples {
        settings: "basic_auth = { username = \"infobip\", password = \"{secret}\" }",
        proof: "with user name and password",
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
        reports_queued: true,
        frequent: &[
            "infobip:7003",
            "infobip:7008",
            "infobip:7009",
            "infobip:7016",
            "infobip:7032",
        ],
        history: Some(HistorySamples {
            unreachable: "infobip:7003",
            wrong_template: "infobip:7009",
            pause: None,
            fallback: Some("infobip:sms_fallback"),
            has_groups: false,
        }),
        not_failures: &[
            "infobip:0",
            "infobip-status:0",
            "infobip-status:1",
            "infobip-status:2",
            "infobip-status:3",
            "infobip-status:5",
            "infobip-status:7",
            "infobip-status:26",
        ],
        content_type: "application/json",
        batch: usize::MAX,
        write: sample::write,
        id: sample::id,
        key: sample::key,
    },
    starter: Some(Starter {
        toml: include_str!("starter.toml"),
        register: Some(["Infobip", "infobip", "with the file's basic_auth"]),
    }),
};

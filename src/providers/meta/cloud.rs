//! Meta's Cloud API: signs each body with the app secret and checks the URL by a GET.

use super::super::definition::{CredentialRules, Definition, OwnSignature, Samples, Starter};
use super::events::EVENTS;
use super::{ERRORS, read, sample, send_receipt};
use crate::providers::authentication::Signature;

pub(in crate::providers) const DEFINITION: Definition = Definition {
    name: "meta-cloud",
    title: "Meta's Cloud API",
    pull: None,
    ends_at_sent: false,
    credentials: CredentialRules {
        any_of: &["app_secret", "app_secrets"],
        missing: "app_secrets is missing: copy the app secret from Meta's dashboard (App settings, Basic)",
        misfits: &[
            (
                "header",
                "Meta sends no header of yours: give app_secrets, with which it signs",
            ),
            (
                "basic_auth",
                "Meta sends no password: give app_secrets, with which it signs",
            ),
            (
                "hmac",
                "Meta's signature is known: give its key as app_secrets",
            ),
        ],
        signs_with: &["x-hub-signature", "x-hub-signature-256"],
        sets: &["facebook-api-"],
        signature: Some(OwnSignature {
            settings: ["app_secret", "app_secrets"],
            of: Signature::hub_sha256,
        }),
        handshake: true,
    },
    errors: &ERRORS,
    events: &EVENTS,
    read,
    send_receipt: send_receipt::read,
    samples: Samples {
        settings: "app_secrets = [\"{secret}\"]\nverify_token = \"{secret}\"",
        proof: "signed with the app secret",
        sender: None,
        everyday: &[
            "template-sent-delivered-read",
            "regular-sent-delivered-read",
            "failed-not-on-whatsapp",
            "failed-marketing-limit",
            "failed-window-closed",
        ],
        reports_queued: false,
        frequent: &sample::FREQUENT,
        history: Some(sample::HISTORY),
        not_failures: &[],
        content_type: "application/json",
        batch: usize::MAX,
        write: sample::write_cloud,
        id: sample::cloud_id,
        key: sample::cloud_key,
    },
    starter: Some(Starter {
        toml: include_str!("cloud/starter.toml"),
        register: Some([
            "Meta",
            "meta",
            "with the file's verify_token; field \"messages\"",
        ]),
    }),
};

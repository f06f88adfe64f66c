//! One sentence for each state that a message can be in.

use super::*;
use crate::access::Caller;
use crate::model::{MessageKey, MessageType, TypeRule};
use crate::store::timeline::{
    ErrorRecord, MessageRecord, RegistrationOrigin, RegistrationRecord, StatusTimes,
};

const AT: i64 = 1_760_000_000_000;

fn check(change: impl FnOnce(&mut MessageRecord), expected: &[&str]) {
    let mut message = MessageRecord {
        message_id: MessageKey::of(1),
        provider_message_id: Some("wamid.1".to_owned()),
        source: "cloud".to_owned(),
        provider: "meta-cloud".to_owned(),
        channel: WHATSAPP.to_owned(),
        status: None,
        conflict: false,
        message_type: MessageType::Template,
        type_rule: TypeRule::Default,
        recipient: Some("34600000001".to_owned()),
        sender: None,
        text: None,
        broadcast: None,
        category: None,
        times: StatusTimes {
            sent_at_ms: Some(AT),
            delivered_at_ms: Some(AT),
            failed_at_ms: Some(AT),
            ..StatusTimes::default()
        },
        error_at_ms: None,
        error: None,
        registration: None,
        first_report_at_ms: AT,
        last_report_at_ms: AT,
    };
    change(&mut message);
    let text = answer(&TimelineView {
        message: MessageView::new(message, &Caller::cli(), AT),
        reports: Vec::new(),
    });
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

fn error(key: &str, code: i64) -> ErrorRecord {
    ErrorRecord {
        error_key: key.to_owned(),
        code: Some(code),
        title: Some("Message undeliverable".to_owned()),
        details: None,
    }
}

#[test]
fn each_status_has_its_sentence() {
    check(
        |message| message.status = Some(Status::Delivered),
        &["Delivered to +34600000001 on 2025-10-09 at 08:53:20 UTC; no read report so far."],
    );
    check(
        |message| message.status = Some(Status::Sent),
        &[
            "Waiting: sent to +34600000001 on ",
            "no delivery report yet",
        ],
    );
    check(
        |message| message.status = Some(Status::Failed),
        &["Failed on 2025-10-09 at 08:53:20 UTC: the provider gave no reason."],
    );
    check(|_| (), &["No status was reported"]);
}

fn answered(word: &str) -> RegistrationRecord {
    RegistrationRecord {
        origin: RegistrationOrigin::Call,
        owner: None,
        template_name: None,
        template_language: None,
        template_parameters: None,
        metadata: None,
        sent_at_ms: None,
        ttl_s: None,
        silent_after_ms: None,
        send_status: Some(word.to_owned()),
        registered_at_ms: AT,
    }
}

#[test]
fn what_is_only_registered_is_not_said_to_be_taken() {
    let said = "Registered, no report yet: the message to +34600000001 was registered on \
         2025-10-09 at 08:53:20 UTC, and the provider has reported nothing of it so far.";
    let registered = |message: &mut MessageRecord| {
        message.status = Some(Status::Queued);
        message.registration = Some(RegistrationRecord {
            send_status: None,
            ..answered("")
        });
    };
    check(registered, &[said]);
}

#[test]
fn the_reason_of_a_later_failure_has_its_own_time() {
    let failed = |again_ms: i64| {
        move |message: &mut MessageRecord| {
            message.status = Some(Status::Failed);
            message.error_at_ms = Some(AT + again_ms);
        }
    };
    let again = "Failed on 2025-10-09 at 08:53:20 UTC, and again on 2025-10-09 at 08:53:29 UTC \
         with this reason: ";
    check(failed(9000), &[again]);
    check(failed(0), &["Failed on 2025-10-09 at 08:53:20 UTC: "]);
    let contradicted = |message: &mut MessageRecord| {
        message.status = Some(Status::Delivered);
        message.conflict = true;
        message.error_at_ms = Some(AT + 9000);
    };
    check(
        contradicted,
        &["also reported a failure on 2025-10-09 at 08:53:29 UTC"],
    );
}

#[test]
fn how_a_send_was_answered_is_said() {
    for (status, word, expected) in [
        (
            Some(Status::Failed),
            "refused",
            "Failed, because the send itself was refused on ",
        ),
        (
            Some(Status::Queued),
            "held_for_quality_assessment",
            "answered held_for_quality_assessment",
        ),
        (
            Some(Status::Queued),
            "accepted",
            "Waiting: taken by the provider",
        ),
        (
            None,
            "paused",
            "Held back: the provider has paused the template",
        ),
    ] {
        let change = |message: &mut MessageRecord| {
            message.status = status;
            message.registration = Some(answered(word));
        };
        check(change, &[expected]);
    }
}

#[test]
fn a_failure_says_who_can_fix_it_and_how() {
    check(
        |message| {
            message.status = Some(Status::Failed);
            message.error = Some(error("meta:131026", 131_026));
        },
        &[
            "Can be fixed by the recipient.",
            "(error 131026, Message undeliverable)",
        ],
    );
    check(
        |message| {
            message.status = Some(Status::Failed);
            message.error = Some(error("meta:139999", 139_999));
        },
        &["error 139999, Message undeliverable", "ask the provider"],
    );
}

#[test]
fn what_went_another_way_is_said_first() {
    for (channel, expected) in [
        (
            "viber_bm",
            "Not on WhatsApp, on viber_bm: Delivered to +34600000001",
        ),
        (
            "unknown",
            "Not on WhatsApp, on another channel: Delivered to",
        ),
    ] {
        let change = |message: &mut MessageRecord| {
            message.status = Some(Status::Delivered);
            channel.clone_into(&mut message.channel);
        };
        check(change, &[expected]);
    }
}

#[test]
fn a_contradiction_and_a_deletion_are_added() {
    check(
        |message| {
            message.status = Some(Status::Delivered);
            message.conflict = true;
            message.error = Some(error("meta:131026", 131_026));
            message.times.deleted_at_ms = Some(AT);
        },
        &[
            "also reported a failure on 2025-10-09",
            "It was deleted on 2025-10-09",
        ],
    );
}

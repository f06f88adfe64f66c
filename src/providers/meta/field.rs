//! What a change is about: the values of `field` that hold statuses of messages, and those that
//! are known to hold none.

use super::members::Members;
use crate::model::{Field, Word as _};

/// The fields whose statuses are those of messages; `calls` has statuses of calls.
const WITH_STATUSES: [Field; 2] = [Field::Messages, Field::Standby];

/// The fields of Meta's pages, and those that public set-ups subscribe to; in no order.
const WITHOUT_STATUSES: [&str; 36] = [
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
    "business_capability_update",
    "business_status_update",
    "business_username_update",
    "business_username_updates",
    "calls",
    "consumer_profile",
    "flows",
    "group_lifecycle_update",
    "group_participants_update",
    "group_settings_update",
    "group_status_update",
    "history",
    "message_echoes",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "messaging_handovers",
    "partner_solutions",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "pricing",
    "security",
    "smb_app_state_sync",
    "smb_message_echoes",
    "template_category_update",
    "template_correct_category_detection",
    "template_performance_metrics",
    "tracking_events",
    "user_id_update",
    "user_preferences",
];

/// Fields whose `statuses` are of calls or phone messages.
const CLOSED: [&str; 4] = ["calls", "history", "message_echoes", "smb_message_echoes"];

/// Whether a change of this field is known, and never one of a message's status.
pub(super) fn is_without_statuses(field: &str) -> bool {
    is_among(&WITHOUT_STATUSES, field)
}

/// Whether nothing in a value of this field is a message's status, whatever it looks like.
pub(in crate::providers) fn is_closed(field: &str) -> bool {
    is_among(&CLOSED, field)
}

fn is_among(fields: &[&str], field: &str) -> bool {
    fields.iter().any(|known| known.eq_ignore_ascii_case(field))
}

/// The field with statuses of messages that this part of a body names, or none.
///
/// # Errors
/// The name of any other field.
pub(super) fn of(part: &Members) -> Result<Option<Field>, String> {
    let Some(word) = part.word("field") else {
        return Ok(None);
    };
    let is_of = |field: &Field| word.eq_ignore_ascii_case(field.as_str());
    let field = WITH_STATUSES.into_iter().find(is_of);
    field.map(Some).ok_or(word)
}

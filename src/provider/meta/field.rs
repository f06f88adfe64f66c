//! What a change is about: the values of `field` that are known to hold no status of a message.

/// The fields of Meta's pages, and those that public set-ups subscribe to; in no order.
///
/// `calls`, `history` and the echoes hold statuses, though of calls and of what a phone sent.
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

/// Whether a change of this field is known, and never one of a message's status.
pub(in crate::provider) fn is_without_statuses(field: &str) -> bool {
    WITHOUT_STATUSES.contains(&field)
}

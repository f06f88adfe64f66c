//! Which account events can cause which of WhatsApp's errors.
//!
//! Meta documents the consequence of few events; the others are what its words for event and error
//! have in common.

use super::super::definition::ErrorCause;

/// Codes that state no cause.
pub(super) const VAGUE: &[i64] = &[1, 500, 1000, 131_000];

/// A template that cannot be sent, whatever the reason.
pub(in crate::providers) const NO_TEMPLATE: &[&str] = &[
    "template.paused",
    "template.disabled",
    "template.rejected",
    "template.pending",
    "template.in_appeal",
    "template.archived",
    "template.deletion_pending",
    "template.deleted",
];

/// What is not, or no longer, one's own.
pub(in crate::providers) const NO_ACCESS: &[&str] = &[
    "account.disabled",
    "account.deleted",
    "account.offboarded",
    "account.partner_removed",
    "account.app_uninstalled",
];

/// An account that may not send to some, or not this.
pub(in crate::providers) const RESTRICTED: &[&str] = &["account.restricted", "account.violation"];

/// An account that is locked, or not one's own.
pub(in crate::providers) const LOCKED_OR_NO_ACCESS: &[&str] = &[
    "account.restricted",
    "account.violation",
    "account.disabled",
    "account.disable_scheduled",
    "account.deleted",
    "account.offboarded",
    "account.partner_removed",
    "account.app_uninstalled",
];

/// A number that is not registered, or not one's own.
pub(in crate::providers) const NO_NUMBER: &[&str] = &[
    "number.onboarding",
    "account.disabled",
    "account.deleted",
    "account.offboarded",
    "account.partner_removed",
    "account.app_uninstalled",
];

/// The pace or the number of messages of a number or account.
pub(in crate::providers) const LIMITS: &[&str] =
    &["account.limits_changed", "account.limits_lowered"];

/// What low quality of a number limits.
pub(in crate::providers) const SPAM: &[&str] = &[
    "number.quality_dropped",
    "account.restricted",
    "account.violation",
    "account.limits_changed",
    "account.limits_lowered",
    "account.limit_not_raised",
];

/// A number's or an account's settings.
pub(in crate::providers) const SETTINGS: &[&str] =
    &["number.settings_changed", "account.settings_changed"];

pub(super) const CAUSES: &[ErrorCause] = &[
    ErrorCause::of(&[0, 3, 33, 190, 1005], NO_ACCESS),
    // Meta documents no code of its own for a message of one who is not the owner of the conversation.
    ErrorCause::of(
        &[10, 131_005],
        &[
            "account.disabled",
            "account.deleted",
            "account.offboarded",
            "account.partner_removed",
            "account.app_uninstalled",
            "conversation.handed_over",
        ],
    ),
    ErrorCause::of(
        &[368, 1031],
        &[
            "account.restricted",
            "account.violation",
            "account.disabled",
            "account.disable_scheduled",
        ],
    ),
    ErrorCause::of(&[131_031], LOCKED_OR_NO_ACCESS),
    ErrorCause::of(&[130_497, 139_200], RESTRICTED),
    ErrorCause::of(&[131_064], &["account.violation"]),
    ErrorCause::of(&[429, 80_007, 80_008, 130_429], LIMITS),
    ErrorCause::of(&[471, 131_048], SPAM),
    ErrorCause::of(&[1011, 131_045, 133_000], &["number.onboarding"]),
    ErrorCause::of(&[133_010], NO_NUMBER),
    ErrorCause::of(&[138_000, 138_006, 138_018], SETTINGS),
    ErrorCause::of(&[2001, 2003, 132_001, 134_102], NO_TEMPLATE),
    ErrorCause::of(&[134_101], &["template.pending"]),
    ErrorCause::of(&[2060], &["template.rejected", "template.in_appeal"])
        .stating("template.rejected"),
    ErrorCause::of(
        &[2061, 132_015],
        &[
            "template.paused",
            "template.flagged",
            "template.quality_dropped",
        ],
    )
    .stating("template.paused"),
    ErrorCause::of(
        &[2062, 132_016],
        &[
            "template.disabled",
            "template.in_appeal",
            "template.flagged",
            "template.quality_dropped",
        ],
    )
    .stating("template.disabled"),
    ErrorCause::of(&[131_050], &["contact.opted_out"]),
];

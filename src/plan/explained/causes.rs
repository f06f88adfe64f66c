//! Which account event can explain which errors, and which event ends what others began.
//!
//! Which errors an event can cause stands in each provider's folder, by our name of the event, which
//! stands for its field and the provider's word (`Definition::events`). Here is what holds of an
//! event whatever the provider: one table. An event that has no line explains nothing.
//! `docs/account-events.md` shows both, and a test compares them.

use crate::catalogue::{self, CatalogueEntry};
use crate::providers;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far before a failure an event may lie that explains it, ms.
pub(crate) const LOOK_BACK_MS: i64 = 90 * DAY_MS;
/// The same for an error of the channel, which passes by itself.
pub(crate) const CHANNEL_MS: i64 = HOUR_MS;

/// How one kind of event explains errors.
pub(super) struct Cause {
    /// Our name of the event.
    pub(super) name: &'static str,
    /// Whether also an error without a stated cause.
    vague: bool,
    /// How long before the failure it may lie, ms.
    pub(super) within_ms: i64,
}

const fn cause(name: &'static str) -> Cause {
    Cause {
        name,
        vague: false,
        within_ms: LOOK_BACK_MS,
    }
}

impl Cause {
    const fn or_vague(self) -> Self {
        Self {
            vague: true,
            ..self
        }
    }

    const fn within(self, within_ms: i64) -> Self {
        Self { within_ms, ..self }
    }
}

pub(super) const CAUSES: &[Cause] = &[
    cause("template.paused").or_vague(),
    cause("template.disabled").or_vague(),
    cause("template.rejected").or_vague(),
    cause("template.pending").or_vague(),
    cause("template.in_appeal").or_vague(),
    cause("template.archived").or_vague(),
    cause("template.deletion_pending").or_vague(),
    cause("template.deleted").or_vague(),
    cause("template.flagged"),
    cause("template.quality_dropped"),
    cause("number.quality_dropped"),
    cause("number.onboarding"),
    cause("number.settings_changed"),
    cause("account.settings_changed"),
    cause("account.restricted").or_vague(),
    cause("account.violation"),
    cause("account.disabled").or_vague(),
    cause("account.disable_scheduled"),
    cause("account.deleted").or_vague(),
    cause("account.offboarded").or_vague(),
    cause("account.partner_removed").or_vague(),
    cause("account.app_uninstalled").or_vague(),
    cause("account.limits_changed"),
    cause("account.limits_lowered"),
    cause("account.limit_not_raised"),
    cause("contact.opted_out"),
    cause("conversation.handed_over").or_vague().within(DAY_MS),
    // An error explains itself: the same code, at the same number.
    cause(CHANNEL_ERROR).within(CHANNEL_MS),
];

/// The event that is an error itself.
pub(super) const CHANNEL_ERROR: &str = "channel.error";

/// What each event ends, of the same subject; any of these ends the earlier ones of its own name too.
#[rustfmt::skip]
const ENDS: &[(&str, &[&str])] = &[
    ("template.approved", TEMPLATE_STATES),
    ("template.reinstated", TEMPLATE_STATES),
    ("template.unpaused", TEMPLATE_STATES),
    ("template.unarchived", TEMPLATE_STATES),
    ("template.quality_changed", &["template.quality_dropped"]),
    ("number.quality_changed", &["number.quality_dropped"]),
    ("number.quality_restored", &["number.quality_dropped"]),
    ("number.limit_raised", &["number.quality_dropped"]),
    ("account.reinstated", &["account.disabled", "account.disable_scheduled", "account.restricted", "account.violation"]),
    ("account.limits_raised", &["account.limits_changed", "account.limits_lowered"]),
    ("account.limits_lowered", &["account.limits_changed"]),
    ("account.reconnected", &["account.offboarded", "account.partner_removed"]),
    ("account.partner_added", &["account.partner_removed"]),
    ("account.app_installed", &["account.app_uninstalled"]),
    ("contact.opted_in", &["contact.opted_out"]),
    ("conversation.received", &["conversation.handed_over"]),
];

/// The states of a template, which has one at a time.
const TEMPLATE_STATES: &[&str] = &[
    "template.paused",
    "template.disabled",
    "template.rejected",
    "template.pending",
    "template.in_appeal",
    "template.archived",
    "template.deletion_pending",
    "template.deleted",
    "template.flagged",
];

/// The line of an event; `None` for one that explains nothing.
pub(super) fn of(name: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| cause.name == name)
}

/// Whether of the older, about the same subject, nothing holds since the newer.
pub(super) fn ends(newer: &str, older: &str) -> bool {
    let both = |names: &[&str]| names.contains(&newer) && names.contains(&older);
    newer == older
        || both(TEMPLATE_STATES)
        || ENDS
            .iter()
            .any(|(name, ended)| *name == newer && ended.contains(&older))
}

impl Cause {
    /// Whether it can explain an error of this key; `word` is the provider's, of the event.
    pub(super) fn lists(&self, error_key: Option<&str>, word: &str) -> bool {
        let Some(key) = error_key else { return false };
        if self.name == CHANNEL_ERROR {
            return key.split_once(':').is_some_and(|(_, code)| code == word);
        }
        providers::cause(key).is_some_and(|cause| cause.events.contains(&self.name))
    }

    /// Whether it can explain an error without a stated cause, and this is one.
    pub(super) fn is_vague(&self, error_key: Option<&str>) -> bool {
        self.vague && error_key.is_none_or(is_vague)
    }

    /// Whether an error of this key says itself that the event is its cause.
    pub(super) fn is_named_by(&self, error_key: Option<&str>) -> bool {
        let cause = error_key.and_then(providers::cause);
        cause.is_some_and(|cause| cause.stated == Some(self.name))
    }
}

/// Whether an error states no cause: it is unknown, or "something went wrong".
fn is_vague(key: &str) -> bool {
    providers::states_no_cause(key) || catalogue::find(key).is_none_or(CatalogueEntry::is_of_send)
}

#[cfg(test)]
mod tests;

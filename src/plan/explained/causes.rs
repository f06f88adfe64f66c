//! Which account event can explain which errors, and which event ends what others began.
//!
//! One table, by our name of the event, which stands for its field and the provider's word
//! (`model/account_event/words`); where the name says too little, by that word too. An event that has
//! no line explains nothing. `docs/account-events.md` has the same table, and a test compares the two.

use crate::catalogue::{self, CatalogueEntry};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far before a failure an event may lie that explains it, ms.
pub(crate) const LOOK_BACK_MS: i64 = 90 * DAY_MS;
/// The same for an error of the channel, which passes by itself.
pub(crate) const CHANNEL_MS: i64 = HOUR_MS;

/// The errors that one kind of event can explain.
pub(super) struct Cause {
    /// Our name of the event.
    pub(super) name: &'static str,
    /// How the provider's word begins, in upper case; empty for any.
    word: &'static str,
    /// WhatsApp's codes.
    meta: &'static [i64],
    /// Infobip's codes.
    infobip: &'static [i64],
    /// Whether also an error without a stated cause.
    vague: bool,
    /// Those of `meta` that say themselves what became of their template: they explain enough even
    /// where no template is named.
    naming: &'static [i64],
    /// How long before the failure it may lie, ms.
    pub(super) within_ms: i64,
}

/// A template that cannot be sent, whatever the reason.
const NO_TEMPLATE: &[i64] = &[2001, 2003, 132_001, 134_102];
/// The same of Infobip's.
const NO_TEMPLATE_INFOBIP: &[i64] = &[7009, 7037];
/// The pace or the number of messages of a number or account.
const LIMITS: &[i64] = &[429, 471, 80_007, 80_008, 130_429, 131_048];
/// What low quality of a number limits.
const SPAM: &[i64] = &[471, 131_048];
/// An account or number that is locked.
const LOCKED: &[i64] = &[368, 1031, 131_031];
/// What is not, or no longer, one's own.
const ACCESS: &[i64] = &[0, 3, 10, 33, 190, 1005, 131_005, 131_031, 133_010];
const ACCESS_INFOBIP: &[i64] = &[7001, 7005, 7011, 7034, 7083];

const fn cause(name: &'static str, meta: &'static [i64], infobip: &'static [i64]) -> Cause {
    Cause {
        name,
        word: "",
        meta,
        infobip,
        vague: false,
        naming: &[],
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

    const fn naming(self, naming: &'static [i64]) -> Self {
        Self { naming, ..self }
    }

    const fn of_word(self, word: &'static str) -> Self {
        Self { word, ..self }
    }

    const fn within(self, within_ms: i64) -> Self {
        Self { within_ms, ..self }
    }
}

#[rustfmt::skip]
pub(super) const CAUSES: &[Cause] = &[
    cause("template.paused", &[2001, 2003, 2061, 132_001, 132_015, 134_102], NO_TEMPLATE_INFOBIP).or_vague().naming(&[2061, 132_015]),
    cause("template.disabled", &[2001, 2003, 2062, 132_001, 132_016, 134_102], NO_TEMPLATE_INFOBIP).or_vague().naming(&[2062, 132_016]),
    cause("template.rejected", &[2001, 2003, 2060, 132_001, 134_102], NO_TEMPLATE_INFOBIP).or_vague().naming(&[2060]),
    cause("template.pending", &[2001, 2003, 132_001, 134_101, 134_102], &[7009, 7036, 7037]).or_vague(),
    cause("template.in_appeal", &[2001, 2003, 2060, 2062, 132_001, 132_016, 134_102], NO_TEMPLATE_INFOBIP).or_vague(),
    cause("template.archived", NO_TEMPLATE, NO_TEMPLATE_INFOBIP).or_vague(),
    cause("template.deletion_pending", NO_TEMPLATE, NO_TEMPLATE_INFOBIP).or_vague(),
    cause("template.deleted", NO_TEMPLATE, NO_TEMPLATE_INFOBIP).or_vague(),
    cause("template.flagged", &[2061, 2062, 132_015, 132_016], &[]),
    cause("template.quality_dropped", &[2061, 2062, 132_015, 132_016], &[]),
    cause("number.quality_dropped", SPAM, &[7016]),
    cause("number.onboarding", &[1011, 131_045, 133_000, 133_010], &[7034]),
    cause("number.settings_changed", &[138_000, 138_006, 138_018], &[7035]),
    cause("account.settings_changed", &[138_000, 138_006, 138_018], &[7035]),
    cause("account.restricted", &[368, 471, 1031, 130_497, 131_031, 131_048, 139_200], &[7011, 7016, 7021, 7027]).or_vague(),
    cause("account.violation", &[368, 471, 1031, 130_497, 131_031, 131_048, 131_064, 139_200], &[7011, 7016, 7021, 7027]),
    cause("account.disabled", &[0, 3, 10, 33, 190, 368, 1005, 1031, 131_005, 131_031, 133_010], ACCESS_INFOBIP).or_vague(),
    cause("account.disable_scheduled", LOCKED, &[7011]),
    cause("account.deleted", ACCESS, ACCESS_INFOBIP).or_vague(),
    cause("account.offboarded", ACCESS, ACCESS_INFOBIP).or_vague(),
    cause("account.partner_removed", ACCESS, ACCESS_INFOBIP).or_vague(),
    cause("account.app_uninstalled", ACCESS, ACCESS_INFOBIP).or_vague(),
    cause("account.limits_changed", LIMITS, &[7016, 7017]),
    cause("account.limits_lowered", LIMITS, &[7016, 7017]),
    cause("account.alert", SPAM, &[7016]).of_word("INCREASED_CAPABILITIES_ELIGIBILITY_"),
    cause("contact.opted_out", &[131_050], &[7030, 7033]),
    // Meta documents no code of its own for a message of one who is not the owner.
    cause("conversation.handed_over", &[10, 131_005], &[]).or_vague().within(DAY_MS),
    // An error explains itself: the same code, at the same number.
    cause(CHANNEL_ERROR, &[], &[]).within(CHANNEL_MS),
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
pub(super) fn of(name: &str, word: &str) -> Option<&'static Cause> {
    let word = word.trim().to_ascii_uppercase();
    CAUSES
        .iter()
        .find(|cause| cause.name == name && word.starts_with(cause.word))
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
        code(key, "meta").is_some_and(|code| self.meta.contains(&code))
            || code(key, "infobip").is_some_and(|code| self.infobip.contains(&code))
    }

    /// Whether it can explain an error without a stated cause, and this is one.
    pub(super) fn is_vague(&self, error_key: Option<&str>) -> bool {
        self.vague && error_key.is_none_or(is_vague)
    }

    /// Whether an error of this key says itself that the event is its cause.
    pub(super) fn is_named_by(&self, error_key: Option<&str>) -> bool {
        let code = error_key.and_then(|key| code(key, "meta"));
        code.is_some_and(|code| self.naming.contains(&code))
    }
}

fn code(key: &str, provider: &str) -> Option<i64> {
    let (of, code) = key.split_once(':')?;
    (of == provider).then(|| code.parse().ok()).flatten()
}

/// Whether an error states no cause: it is unknown, or "something went wrong".
fn is_vague(key: &str) -> bool {
    const VAGUE: [&str; 6] = [
        "meta:1",
        "meta:500",
        "meta:1000",
        "meta:131000",
        "infobip:7050",
        "infobip:7080",
    ];
    VAGUE.contains(&key) || catalogue::find(key).is_none_or(CatalogueEntry::is_of_send)
}

#[cfg(test)]
mod tests;

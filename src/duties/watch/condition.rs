//! What can be wrong with the service, what is said when it begins and ends, and when it is said.
//!
//! Conditions are looked at, not waited for: what holds now is compared with what was sent last.
//! So an event that a crash swallowed is sent after it, what comes and goes between two looks is
//! not sent at all, and what goes on coming and going is sent now and then.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::{ConditionKey, Word as _};
use crate::store::watching::{EventTransition, NotifiedCondition};

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Condition {
    /// A subscriber's breaker is open.
    SubscriberFailing,
    /// A subscriber was disabled.
    SubscriberDisabled,
    /// A source has been silent for longer than usual.
    SourceSilent,
    /// Webhooks of a source could not be read.
    WebhooksUnparsed,
    /// The share of an error jumped.
    ErrorJumped,
    /// The disk is nearly full.
    DiskLow,
    /// The write-ahead log is nearly as large as it may be.
    WalLarge,
}

impl Condition {
    /// The event of its beginning, and that of its end where one is sent.
    pub(super) const fn events(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::SubscriberFailing => ("subscriber.breaker_opened", Some("subscriber.recovered")),
            Self::SubscriberDisabled => ("subscriber.disabled", Some("subscriber.resumed")),
            Self::SourceSilent => ("source.silent", Some("source.recovered")),
            Self::WebhooksUnparsed => ("webhooks.unparsed", None),
            Self::ErrorJumped => ("errors.jumped", Some("errors.settled")),
            Self::DiskLow => ("disk.low", Some("disk.recovered")),
            Self::WalLarge => ("wal.large", Some("wal.recovered")),
        }
    }

    /// Whether it was logged when it happened, in more detail: an outage is one warning.
    pub(super) fn is_logged_elsewhere(event: &str) -> bool {
        matches!(event, "subscriber.breaker_opened" | "subscriber.recovered")
    }
}

/// What a look at one thing found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) condition: Condition,
    /// Of what: a subscriber, a source, an error key; empty for the service as a whole.
    pub(super) subject: String,
    pub(super) state: ConditionState,
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ConditionState {
    /// It does: one sentence, and the figures behind it.
    Holds(String, Map<String, Value>),
    /// It does not: one sentence.
    Ended(String),
    /// It is unknown now; what was reported stands.
    Unclear,
}

/// The events to send, given the earlier ones. A beginning is reported at most once within `apart`.
///
/// What was sent of a thing that is not looked at any more (it was removed) comes back with it,
/// to be forgotten.
pub(super) fn changes(
    seen: Vec<Seen>,
    notified: &[NotifiedCondition],
    now_ms: i64,
    apart: Duration,
) -> (Vec<EventTransition>, Vec<ConditionKey>) {
    let gone = notified.iter().filter(|notified| {
        !seen.iter().any(|seen| {
            seen.condition.as_str() == notified.what && seen.subject == notified.subject
        })
    });
    let gone = gone.map(|notified| notified.condition_id).collect();
    let changes = seen
        .into_iter()
        .filter_map(|seen| {
            let notified = notified.iter().find(|notified| {
                notified.what == seen.condition.as_str() && notified.subject == seen.subject
            });
            change(seen, notified, now_ms, apart)
        })
        .collect();
    (changes, gone)
}

fn change(
    seen: Seen,
    notified: Option<&NotifiedCondition>,
    now_ms: i64,
    apart: Duration,
) -> Option<EventTransition> {
    let held = notified.is_some_and(|notified| notified.holds);
    let Seen {
        condition,
        subject,
        state,
    } = seen;
    let (holds, event, text, data) = match state {
        ConditionState::Holds(text, data) if !held => {
            let apart_ms = i64::try_from(apart.as_millis()).unwrap_or(i64::MAX);
            // A time that is still to come was set before the clock was set back.
            let since_ms = notified.map_or(i64::MAX, |notified| now_ms - notified.began_at_ms);
            if (0..apart_ms).contains(&since_ms) {
                return None;
            }
            (true, Some(condition.events().0), text, data)
        }
        ConditionState::Ended(text) if held => (false, condition.events().1, text, Map::new()),
        ConditionState::Holds(..) | ConditionState::Ended(_) | ConditionState::Unclear => {
            return None;
        }
    };
    Some(EventTransition {
        what: condition.as_str(),
        subject,
        holds,
        event,
        text,
        data,
        at_ms: now_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APART: Duration = Duration::from_mins(10);

    fn notified(holds: bool, began_at_ms: i64) -> NotifiedCondition {
        NotifiedCondition {
            condition_id: ConditionKey::of(1),
            what: "subscriber-failing".to_owned(),
            subject: "crm".to_owned(),
            holds,
            began_at_ms,
            notified_at_ms: began_at_ms,
        }
    }

    fn check(
        state: &ConditionState,
        notified: &[NotifiedCondition],
        now_ms: i64,
        expected: Option<&str>,
    ) {
        let seen = vec![Seen {
            condition: Condition::SubscriberFailing,
            subject: "crm".to_owned(),
            state: state.clone(),
        }];
        let (changes, gone) = changes(seen, notified, now_ms, APART);
        let events: Vec<_> = changes.iter().filter_map(|change| change.event).collect();
        assert_eq!(
            events,
            Vec::from_iter(expected),
            "{state:?} after {notified:?}"
        );
        assert_eq!(gone, Vec::<ConditionKey>::new());
    }

    fn holds() -> ConditionState {
        ConditionState::Holds("it fails".to_owned(), Map::new())
    }

    fn ended() -> ConditionState {
        ConditionState::Ended("it answers".to_owned())
    }

    #[test]
    fn a_change_is_reported_once() {
        let opened = Some("subscriber.breaker_opened");
        let recovered = Some("subscriber.recovered");
        check(&holds(), &[], 0, opened);
        check(&holds(), &[notified(true, 0)], 1, None);
        check(&ended(), &[notified(true, 0)], 1, recovered);
        check(&ended(), &[notified(false, 0)], 1, None);
        check(&ended(), &[], 1, None);
        check(&ConditionState::Unclear, &[notified(true, 0)], 1, None);
        check(&ConditionState::Unclear, &[], 1, None);
    }

    #[test]
    fn what_flaps_is_reported_now_and_then() {
        let apart_ms = 600_000;
        let opened = Some("subscriber.breaker_opened");
        check(&holds(), &[notified(false, 0)], apart_ms - 1, None);
        check(&holds(), &[notified(false, 0)], apart_ms, opened);
        // The clock was set back.
        check(&holds(), &[notified(false, apart_ms)], 0, opened);
    }

    #[test]
    fn an_end_that_is_worth_no_event_is_noted_without_one() {
        let seen = vec![Seen {
            condition: Condition::WebhooksUnparsed,
            subject: "crm".to_owned(),
            state: ended(),
        }];
        let notified = NotifiedCondition {
            what: "webhooks-unparsed".to_owned(),
            ..notified(true, 0)
        };
        let (changes, _) = changes(seen, &[notified], 1, APART);
        assert_eq!((changes.len(), changes[0].event), (1, None));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (changes, gone) = changes(Vec::new(), &[notified(true, 0)], 1, APART);
        assert_eq!((changes.len(), gone), (0, vec![ConditionKey::of(1)]));
    }
}

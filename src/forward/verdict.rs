//! What becomes of a forward after an attempt, in the table and in memory.
//!
//! Pure: the outcome, the breaker and the schedule decide.

use super::breaker::Breaker;
use super::lane::Fate;
use super::schedule::{Attempted, Next, Schedule};
use crate::model::Outcome;
use crate::store::{Owed, Verdict};

/// One attempt that ended.
#[derive(Debug)]
pub struct Ended {
    /// The forward, as it was when it was sent.
    pub owed: Owed,
    /// Whether it was an open breaker's probe.
    pub probe: bool,
    /// When it began, ms since 1970 UTC.
    pub started_at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What becomes of its forward, at `now_ms` (ms since 1970 UTC). The breaker is not yet told of
/// the outcome.
#[must_use]
pub fn decide(
    ended: &Ended,
    breaker: &Breaker,
    schedule: &Schedule,
    now_ms: i64,
) -> (Verdict, Fate) {
    let owed = &ended.owed;
    // A retry by hand or a replay begins anew, whatever was charged before.
    let charged_ms = owed.last_attempt_ms.filter(|_| owed.attempts > 0);
    // A failure that may be the subscriber's says nothing of its forward.
    let is_spared = ended.outcome.counts_against_subscriber()
        && !breaker.charges(ended.probe, charged_ms, now_ms);
    let attempts = owed.attempts + u32::from(!is_spared);
    let next = schedule.next(Attempted {
        forward: owed.uid,
        attempt: attempts,
        outcome: &ended.outcome,
        owed_since_ms: owed.owed_since_ms,
        now_ms,
    });
    // One that went ahead for a sibling's sake would use up its attempts before its time.
    let ahead = owed.due_at_ms > ended.started_at_ms;
    let last_attempt_ms = ended.started_at_ms;
    let waits = |due_at_ms| Fate::Waits {
        due_at_ms,
        last_attempt_ms,
        attempts,
    };
    match next {
        Next::Done => (Verdict::Delivered, Fate::Leaves),
        Next::Disable => {
            let due_at_ms = owed.due_at_ms;
            (Verdict::Untouched, Fate::Requeues { due_at_ms })
        }
        Next::GaveUp(_) | Next::RetryAt(_) if is_spared && ended.probe => {
            let due_at_ms = now_ms;
            (Verdict::Untouched, Fate::Requeues { due_at_ms })
        }
        Next::GaveUp(_) | Next::RetryAt(_) if ahead => {
            (Verdict::Untouched, Fate::WentAhead { last_attempt_ms })
        }
        Next::GaveUp(reason) => (Verdict::GaveUp(reason), Fate::Leaves),
        // The same wait again, for the attempt that was not used up.
        Next::RetryAt(due_at_ms) if is_spared => (Verdict::PutOff(due_at_ms), waits(due_at_ms)),
        Next::RetryAt(due_at_ms) => (Verdict::RetryAt(due_at_ms), waits(due_at_ms)),
    }
}

/// Whether an attempt that ended so used up one of its forward's.
#[must_use]
pub const fn is_charged(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Untouched | Verdict::PutOff(_))
}

//! What becomes of a forward after an attempt, in the table and in memory.
//!
//! Pure: the outcome, the breaker and the schedule decide.

use super::breaker::Breaker;
use super::lane::LaneAction;
use super::schedule::{Attempted, RetryDecision, Schedule};
use crate::model::Outcome;
use crate::store::{PendingForward, Settled};

/// One attempt that ended.
#[derive(Debug)]
pub struct EndedAttempt {
    /// The forward, as it was when it was sent.
    pub pending: PendingForward,
    /// Whether it was an open breaker's probe.
    pub probe: bool,
    /// When it began, ms since 1970 UTC.
    pub started_at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What becomes of its forward, at `now_ms` (ms since 1970 UTC). The breaker does not know
/// the outcome yet.
#[must_use]
pub fn decide(
    ended: &EndedAttempt,
    breaker: &Breaker,
    schedule: &Schedule,
    now_ms: i64,
) -> (Settled, LaneAction) {
    let pending = &ended.pending;
    // A retry by hand or a replay starts over, whatever was charged before.
    let charged_ms = pending.last_attempt_ms.filter(|_| pending.attempts > 0);
    // A failure that may be the subscriber's says nothing of its forward.
    let is_spared = ended.outcome.counts_against_subscriber()
        && !breaker.charges(ended.probe, charged_ms, now_ms);
    let attempts = pending.attempts + u32::from(!is_spared);
    let next = schedule.next(Attempted {
        forward: pending.uid,
        attempt: attempts,
        outcome: &ended.outcome,
        pending_since_ms: pending.pending_since_ms,
        now_ms,
    });
    // One that went ahead for a sibling's sake would use up its attempts before its time.
    let ahead = pending.due_at_ms > ended.started_at_ms;
    let last_attempt_ms = ended.started_at_ms;
    let waits = |due_at_ms| LaneAction::Waits {
        due_at_ms,
        last_attempt_ms,
        attempts,
    };
    match next {
        RetryDecision::Done => (Settled::Delivered, LaneAction::Leaves),
        RetryDecision::Disable => {
            let due_at_ms = pending.due_at_ms;
            (Settled::Untouched, LaneAction::Requeues { due_at_ms })
        }
        RetryDecision::GaveUp(_) | RetryDecision::RetryAt(_) if is_spared && ended.probe => {
            let due_at_ms = now_ms;
            (Settled::Untouched, LaneAction::Requeues { due_at_ms })
        }
        RetryDecision::GaveUp(_) | RetryDecision::RetryAt(_) if ahead => (
            Settled::Untouched,
            LaneAction::WentAhead { last_attempt_ms },
        ),
        RetryDecision::GaveUp(reason) => (Settled::GaveUp(reason), LaneAction::Leaves),
        // The same wait again, for the attempt that was not used up.
        RetryDecision::RetryAt(due_at_ms) if is_spared => {
            (Settled::PutOff(due_at_ms), waits(due_at_ms))
        }
        RetryDecision::RetryAt(due_at_ms) => (Settled::RetryAt(due_at_ms), waits(due_at_ms)),
    }
}

/// Whether an attempt that ended so used up one of its forward's.
#[must_use]
pub const fn is_charged(settled: Settled) -> bool {
    !matches!(settled, Settled::Untouched | Settled::PutOff(_))
}

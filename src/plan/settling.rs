//! What becomes of a forward in the table: when an attempt at it ended, or its subscriber was removed.
//!
//! Pure. An engine writes it where the forward is still pending: one that ended stays as it ended. The attempt
//! is kept in both cases; of a forward that is gone nothing is. `store/conformance/settling.rs` holds this for
//! every engine.

use crate::model::{ErrorCode, GaveUp, Settled};

/// An attempt, as far as it decides what becomes of its forward.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptFacts {
    /// When it began, ms since 1970 UTC.
    pub(crate) started_at_ms: i64,
    /// How long it took, ms.
    pub(crate) duration_ms: u32,
    /// Why it failed.
    pub(crate) error: Option<ErrorCode>,
}

/// The state that a pending forward changes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextState {
    /// It was delivered, and its last error is forgotten.
    Delivered {
        /// When it ended, ms since 1970 UTC.
        settled_at_ms: i64,
    },
    /// It stays pending.
    Pending {
        /// When it is to be sent, ms since 1970 UTC.
        due_at_ms: i64,
    },
    /// It is given up.
    GaveUp {
        /// Why.
        reason: GaveUp,
        /// When it ended, ms since 1970 UTC.
        settled_at_ms: i64,
    },
}

/// What is written of a pending forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ForwardWrite {
    /// What it changes to.
    pub(crate) state: NextState,
    /// Attempts that it used up in addition.
    pub(crate) tried: u32,
    /// When it was last tried, ms since 1970 UTC; `None` leaves what is known.
    pub(crate) last_attempt_ms: Option<i64>,
    /// Why that failed; `None` leaves what is known.
    pub(crate) last_error: Option<ErrorCode>,
}

/// What is written of a forward that was settled so, at `now_ms` (ms since 1970 UTC): after that attempt, or
/// without one where it waited too long. `None` when it stays as it is.
pub(crate) fn settle(
    settled: Settled,
    attempt: Option<AttemptFacts>,
    now_ms: i64,
) -> Option<ForwardWrite> {
    let started_ms = attempt.map(|attempt| attempt.started_at_ms);
    let ended_ms = |attempt: AttemptFacts| attempt.started_at_ms + i64::from(attempt.duration_ms);
    let settled_at_ms = attempt.map_or(now_ms, ended_ms);
    let (state, last_attempt_ms) = match settled {
        Settled::Delivered => (NextState::Delivered { settled_at_ms }, started_ms),
        Settled::RetryAt(due_ms) | Settled::PutOff(due_ms) => {
            // Where the clock was set back since, its due time goes by the former one. It waits as long, and
            // counts as tried since then, so that it is not moved once more with what waits.
            let ahead_ms = started_ms.map_or(0, |started_ms| (started_ms - now_ms).max(0));
            let due_at_ms = due_ms - ahead_ms;
            let last_attempt_ms = started_ms.map(|started_ms| started_ms.min(now_ms));
            (NextState::Pending { due_at_ms }, last_attempt_ms)
        }
        Settled::GaveUp(reason) => {
            let state = NextState::GaveUp {
                reason,
                settled_at_ms,
            };
            (state, started_ms)
        }
        Settled::Untouched => return None,
    };
    let is_charged = attempt.is_some() && !matches!(settled, Settled::PutOff(_));
    Some(ForwardWrite {
        state,
        tried: u32::from(is_charged),
        last_attempt_ms,
        last_error: attempt.and_then(|attempt| attempt.error),
    })
}

/// What is written of a pending forward whose subscriber was removed. What the subscriber took once, the last
/// time then, stays delivered, though a retry or a replay queued it again. Times are ms since 1970 UTC.
pub(crate) fn of_removed(removed_at_ms: i64, taken_at_ms: Option<i64>) -> ForwardWrite {
    let gave_up = NextState::GaveUp {
        reason: GaveUp::SubscriberRemoved,
        settled_at_ms: removed_at_ms,
    };
    let delivered = |settled_at_ms| NextState::Delivered { settled_at_ms };
    ForwardWrite {
        state: taken_at_ms.map_or(gave_up, delivered),
        tried: 0,
        last_attempt_ms: None,
        last_error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;
    const DUE_MS: i64 = NOW_MS + 5_000;
    const SERVER: Option<ErrorCode> = Some(ErrorCode::Http5xx);

    /// One that began then and took 7 ms.
    const fn attempt(started_at_ms: i64, error: Option<ErrorCode>) -> AttemptFacts {
        AttemptFacts {
            started_at_ms,
            duration_ms: 7,
            error,
        }
    }

    fn check(settled: Settled, attempt: Option<AttemptFacts>, state: NextState, tried: u32) {
        let last_error = attempt.and_then(|attempt| attempt.error);
        let started_ms = attempt.map(|attempt| attempt.started_at_ms);
        let expected = ForwardWrite {
            state,
            tried,
            last_attempt_ms: started_ms.map(|started_ms| started_ms.min(NOW_MS)),
            last_error,
        };
        let found = settle(settled, attempt, NOW_MS);
        assert_eq!(found, Some(expected), "{settled:?} {attempt:?}");
    }

    #[test]
    fn an_end_is_when_its_attempt_ended() {
        let started_ms = NOW_MS - 100;
        let settled_at_ms = started_ms + 7;
        let reason = GaveUp::AttemptsExhausted;
        let gave_up = |settled_at_ms| NextState::GaveUp {
            reason,
            settled_at_ms,
        };
        let delivered = NextState::Delivered { settled_at_ms };
        let taken = Some(attempt(started_ms, None));
        check(Settled::Delivered, taken, delivered, 1);
        let failed = Some(attempt(started_ms, SERVER));
        check(Settled::GaveUp(reason), failed, gave_up(settled_at_ms), 1);
        // It waited too long: no attempt is used up.
        check(Settled::GaveUp(reason), None, gave_up(NOW_MS), 0);
    }

    #[test]
    fn a_retry_is_due_then_and_one_that_is_put_off_uses_up_no_attempt() {
        let failed = Some(attempt(NOW_MS - 100, SERVER));
        let due = NextState::Pending { due_at_ms: DUE_MS };
        check(Settled::RetryAt(DUE_MS), failed, due, 1);
        check(Settled::PutOff(DUE_MS), failed, due, 0);
        assert_eq!(settle(Settled::Untouched, failed, NOW_MS), None);
    }

    #[test]
    fn a_retry_waits_no_longer_because_the_clock_was_set_back_during_the_attempt() {
        let hour_ms = 3_600_000;
        let failed = Some(attempt(NOW_MS + hour_ms, SERVER));
        let due = NextState::Pending { due_at_ms: DUE_MS };
        check(Settled::RetryAt(DUE_MS + hour_ms), failed, due, 1);
    }

    #[test]
    fn what_a_removed_subscriber_took_once_stays_delivered() {
        let gave_up = NextState::GaveUp {
            reason: GaveUp::SubscriberRemoved,
            settled_at_ms: 9,
        };
        let delivered = NextState::Delivered { settled_at_ms: 4 };
        for (taken_at_ms, state) in [(None, gave_up), (Some(4), delivered)] {
            let found = of_removed(9, taken_at_ms);
            assert_eq!((found.state, found.tried), (state, 0));
            assert_eq!(found.last_attempt_ms, None, "nothing was tried");
        }
    }
}

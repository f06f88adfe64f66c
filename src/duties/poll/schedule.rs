//! When a broadcast is polled again, and when no more: data and arithmetic.
//!
//! Pure. The spread of the waits comes from the poll's key and count, not from a random number.

use std::time::Duration;

use crate::forward::schedule::spread;
use crate::store::poll::{PollGaveUp, PollRecord, PollState};

/// How long a 404 for a new broadcast is retried, ms: the API may learn of a broadcast later than we do.
pub(super) const GONE_AFTER_MS: i64 = 3_600_000;

/// How far a wait is spread, to either side, in thousandths.
const SPREAD: u64 = 100;

/// The waits of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PollInterval {
    /// The wait after an answer with news.
    pub(super) every: Duration,
    /// What the wait may grow to.
    pub(super) at_most: Duration,
    /// The age at which a broadcast is polled no more; none while the clock is held.
    pub(super) give_up_after: Option<Duration>,
}

/// How a poll went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollOutcome {
    /// It was answered.
    Answer {
        /// Whether the answer differs from the one before.
        is_news: bool,
        /// Whether nothing in it is pending.
        is_done: bool,
    },
    /// It was not, or with nothing that can be read.
    Trouble {
        /// Of what sort.
        trouble: Trouble,
        /// `Retry-After` of the API, ms since 1970 UTC.
        retry_at_ms: Option<i64>,
    },
}

/// What is wrong when a poll has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The API does not know us (401, 403): the operator has to act.
    Refused,
    /// The API knows no such broadcast (404, 410).
    Gone,
    /// Anything else, which may pass.
    Passing,
}

impl PollInterval {
    /// The poll as it is after a request that ended at `now_ms`.
    ///
    /// The last poll is due when the time is over, so that nothing is missed by one wait. A
    /// `Retry-After` moves a poll later than it would be, never earlier.
    pub(super) fn after(
        &self,
        mut poll: PollRecord,
        result: PollOutcome,
        now_ms: i64,
    ) -> PollRecord {
        poll.polls += 1;
        let (mut requested_ms, mut steps) = (i64::MIN, 0);
        match result {
            PollOutcome::Answer { is_news, is_done } => {
                poll.unchanged = if is_news {
                    0
                } else {
                    poll.unchanged.saturating_add(1)
                };
                (poll.failures, poll.gone_since_ms) = (0, None);
                poll.answered_at_ms = Some(now_ms);
                if is_news {
                    poll.changed_at_ms = Some(now_ms);
                }
                if is_done {
                    poll.state = PollState::Done;
                    return poll;
                }
                steps = poll.unchanged;
            }
            PollOutcome::Trouble {
                trouble,
                retry_at_ms,
            } => {
                poll.failures = poll.failures.saturating_add(1);
                requested_ms = retry_at_ms.unwrap_or(i64::MIN);
                steps = if trouble == Trouble::Refused {
                    u32::MAX
                } else {
                    steps.max(poll.failures)
                };
                poll.gone_since_ms =
                    (trouble == Trouble::Gone).then(|| poll.gone_since_ms.unwrap_or(now_ms));
                let gone_ms = poll.gone_since_ms.map_or(0, |since_ms| now_ms - since_ms);
                if gone_ms >= GONE_AFTER_MS && self.give_up_after.is_some() {
                    return gave_up(poll, PollGaveUp::Gone);
                }
            }
        }
        let last_ms = self.give_up_after.map_or(i64::MAX, |after| {
            poll.registered_at_ms.saturating_add(millis(after))
        });
        if now_ms >= last_ms {
            return gave_up(poll, PollGaveUp::Expired);
        }
        let wait_ms = spread(self.wait_ms(steps), SPREAD, seed(&poll));
        poll.due_at_ms = now_ms
            .saturating_add(wait_ms)
            .max(requested_ms)
            .min(last_ms);
        poll
    }

    /// Doubled with each step, up to the longest.
    fn wait_ms(&self, steps: u32) -> i64 {
        let every = i128::from(millis(self.every));
        let grown = every << steps.min(62);
        i64::try_from(grown)
            .unwrap_or(i64::MAX)
            .min(millis(self.at_most))
    }
}

fn gave_up(mut poll: PollRecord, why: PollGaveUp) -> PollRecord {
    poll.state = PollState::GaveUp;
    poll.gave_up = Some(why);
    poll
}

fn seed(poll: &PollRecord) -> u64 {
    poll.poll_id.number().unsigned_abs() ^ (poll.polls << 32)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PollKey;
    use crate::store::poll::PollCounts;

    const NOW_MS: i64 = 1_800_000_000_000;
    const MINUTE_MS: i64 = 60_000;

    const INTERVAL: PollInterval = PollInterval {
        every: Duration::from_secs(30),
        at_most: Duration::from_mins(15),
        give_up_after: Some(Duration::from_hours(72)),
    };

    fn poll(age_ms: i64) -> PollRecord {
        PollRecord {
            poll_id: PollKey::of(7),
            source: "a".to_owned(),
            broadcast: "b".to_owned(),
            state: PollState::Open,
            gave_up: None,
            registered_at_ms: NOW_MS - age_ms,
            due_at_ms: NOW_MS,
            polls: 0,
            unchanged: 0,
            failures: 0,
            gone_since_ms: None,
            answered_at_ms: None,
            changed_at_ms: None,
            error_code: None,
            error_detail: None,
            answer_hash: None,
            counts: PollCounts::default(),
        }
    }

    const fn answer(is_news: bool, is_done: bool) -> PollOutcome {
        PollOutcome::Answer { is_news, is_done }
    }

    const fn trouble(trouble: Trouble, retry_at_ms: Option<i64>) -> PollOutcome {
        PollOutcome::Trouble {
            trouble,
            retry_at_ms,
        }
    }

    /// The waits after each of these, in seconds without their spread.
    fn check(result: &[PollOutcome]) -> Vec<i64> {
        let mut poll = poll(0);
        let mut waits = Vec::new();
        for result in result {
            poll = INTERVAL.after(poll, *result, NOW_MS);
            let wait_ms = poll.due_at_ms - NOW_MS;
            let steps = [30, 60, 120, 240, 480, 900];
            let near = |wait: &&i64| (wait_ms - **wait * 1000).abs() <= **wait * 100;
            waits.push(*steps.iter().find(near).unwrap_or(&wait_ms));
        }
        waits
    }

    #[test]
    fn waits_grow_while_nothing_is_new_and_begin_again_with_news() {
        let same = answer(false, false);
        let news = answer(true, false);
        let result = [news, same, same, same, same, same, same, news, same];
        assert_eq!(check(&result), [30, 60, 120, 240, 480, 900, 900, 30, 60]);
    }

    #[test]
    fn trouble_is_asked_again_ever_later_and_a_refusal_slowly_at_once() {
        let down = trouble(Trouble::Passing, None);
        assert_eq!(check(&[down, down, down]), [60, 120, 240]);
        assert_eq!(check(&[trouble(Trouble::Refused, None)]), [900]);
        let news = answer(true, false);
        assert_eq!(check(&[down, down, news, down]), [60, 120, 30, 60]);
    }

    #[test]
    fn retry_after_moves_a_question_later_and_never_earlier() {
        let pulled = NOW_MS + 10 * MINUTE_MS;
        let later = INTERVAL.after(poll(0), trouble(Trouble::Passing, Some(pulled)), NOW_MS);
        assert_eq!(later.due_at_ms, pulled);
        let sooner = trouble(Trouble::Passing, Some(NOW_MS + 1));
        assert_eq!(
            INTERVAL.after(poll(0), sooner, NOW_MS).due_at_ms,
            INTERVAL
                .after(poll(0), trouble(Trouble::Passing, None), NOW_MS)
                .due_at_ms
        );
    }

    #[test]
    fn it_ends_when_nothing_is_pending_when_it_is_gone_or_too_old() {
        let done = INTERVAL.after(poll(0), answer(true, true), NOW_MS);
        assert_eq!(
            (done.state, done.answered_at_ms),
            (PollState::Done, Some(NOW_MS))
        );

        let gone = trouble(Trouble::Gone, None);
        let first = INTERVAL.after(poll(0), gone, NOW_MS);
        assert_eq!(first.state, PollState::Open);
        let back = INTERVAL.after(first.clone(), answer(true, false), NOW_MS + 1);
        assert_eq!(back.gone_since_ms, None);
        let last = INTERVAL.after(first, gone, NOW_MS + GONE_AFTER_MS);
        assert_eq!(
            (last.state, last.gave_up),
            (PollState::GaveUp, Some(PollGaveUp::Gone))
        );

        let age_ms = 72 * 60 * MINUTE_MS;
        let near = INTERVAL.after(poll(age_ms - 5), answer(true, false), NOW_MS);
        assert_eq!((near.state, near.due_at_ms), (PollState::Open, NOW_MS + 5));
        let old = INTERVAL.after(poll(age_ms), answer(true, false), NOW_MS);
        assert_eq!(
            (old.state, old.gave_up),
            (PollState::GaveUp, Some(PollGaveUp::Expired))
        );
        let done = INTERVAL.after(poll(age_ms), answer(true, true), NOW_MS);
        assert_eq!(done.state, PollState::Done);
    }
}

//! When a forward is tried again, and when it is given up: data and arithmetic.
//!
//! Pure. The spread of retries comes from the forward's id, not from a random number, so the
//! same facts always give the same answer.

use std::time::Duration;

use uuid::Uuid;

use crate::model::{GaveUp, Outcome};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How far a delay of the schedule is spread, to either side, in thousandths.
const SPREAD: u64 = 200;

/// The waits between attempts, and how long a forward may wait in all.
///
/// By default 10 attempts in 75 h 35 min 5 s, and 8 days: a forward whose subscriber was
/// paused over a long weekend still has its whole schedule before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The wait after the first failed attempt, the second, and so on; one attempt more than
    /// there are waits.
    pub delays: Vec<Duration>,
    /// How long after it was queued a forward may still be tried.
    pub max_age: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        let delays = [
            5,
            5 * MINUTE,
            30 * MINUTE,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self {
            delays: delays.map(Duration::from_secs).to_vec(),
            max_age: Duration::from_secs(8 * DAY),
        }
    }
}

/// An attempt that ended, and the forward it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Attempted<'a> {
    /// The forward's id; it decides how its retries are spread.
    pub forward: Uuid,
    /// Which attempt of the forward it was, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Since when the forward is pending (a replay queues it again), ms since 1970 UTC.
    pub pending_since_ms: i64,
    /// When the attempt ended, ms since 1970 UTC.
    pub now_ms: i64,
}

/// What happens to a forward after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// It is delivered.
    Done,
    /// It comes due again at this time, ms since 1970 UTC.
    RetryAt(i64),
    /// It is not tried again by itself.
    GaveUp(GaveUp),
    /// The subscriber is gone (410): it is disabled, and this forward stays pending with the
    /// rest of what is pending for it, until it is resumed or they expire.
    Disable,
}

impl Schedule {
    /// What follows an attempt.
    ///
    /// A `Retry-After` moves the retry later than the schedule has it, never earlier: asking
    /// for haste would let a failing subscriber use up its attempts in minutes. A retry that
    /// would come after the forward's time is not waited for: it expires now.
    #[must_use]
    pub fn next(&self, facts: Attempted<'_>) -> RetryDecision {
        if facts.outcome.is_delivered() {
            return RetryDecision::Done;
        }
        if facts.outcome.is_gone() {
            return RetryDecision::Disable;
        }
        let failures = usize::try_from(facts.attempt.max(1)).unwrap_or(usize::MAX);
        let Some(delay) = self.delays.get(failures - 1) else {
            return RetryDecision::GaveUp(GaveUp::AttemptsExhausted);
        };
        let seed = seed(facts.forward, facts.attempt);
        let scheduled_ms = facts
            .now_ms
            .saturating_add(spread(millis(*delay), SPREAD, seed));
        let retry_ms = facts
            .outcome
            .retry_at_ms
            .map_or(scheduled_ms, |requested_ms| requested_ms.max(scheduled_ms));
        if self.is_expired(facts.pending_since_ms, retry_ms) {
            return RetryDecision::GaveUp(GaveUp::Expired);
        }
        RetryDecision::RetryAt(retry_ms)
    }

    /// Whether a forward pending since `pending_since_ms` is too old to be tried at `at_ms`.
    #[must_use]
    pub fn is_expired(&self, pending_since_ms: i64, at_ms: i64) -> bool {
        at_ms.saturating_sub(pending_since_ms) > millis(self.max_age)
    }
}

/// Whole ms, as many as fit.
pub(in crate::forward) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The random half of a `UUIDv7` and the attempt, so that each retry of each forward differs.
fn seed(forward: Uuid, attempt: u32) -> u64 {
    let (_, low) = forward.as_u64_pair();
    low ^ (u64::from(attempt) << 32)
}

/// `wait_ms` moved by up to `thousandths` of itself to either side, as the seed decides.
pub(crate) fn spread(wait_ms: i64, thousandths: u64, seed: u64) -> i64 {
    // The finaliser of SplitMix64: neighbouring seeds give unrelated results.
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let share = i128::from(mixed % (2 * thousandths + 1)) - i128::from(thousandths);
    let moved = i128::from(wait_ms) + i128::from(wait_ms) * share / 1000;
    i64::try_from(moved).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{Attempted, HOUR, RetryDecision, Schedule, millis, spread};
    use crate::model::{ErrorCode, GaveUp, Outcome};

    const NOW_MS: i64 = 1_800_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn outcome(http_status: u16, retry_at_ms: Option<i64>) -> Outcome {
        Outcome {
            http_status: Some(http_status),
            error: match http_status {
                200..=299 => None,
                400..=499 => Some(ErrorCode::Http4xx),
                _ => Some(ErrorCode::Http5xx),
            },
            detail: String::new(),
            excerpt: String::new(),
            retry_at_ms,
            duration_ms: 1,
        }
    }

    /// What follows attempt `attempt` of a forward of age `age_ms` that ended so.
    fn check(attempt: u32, age_ms: i64, outcome: &Outcome) -> RetryDecision {
        Schedule::default().next(Attempted {
            forward: Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001),
            attempt,
            outcome,
            pending_since_ms: NOW_MS - age_ms,
            now_ms: NOW_MS,
        })
    }

    #[test]
    fn the_default_is_ten_attempts_in_75_h_35_min_5_s() {
        let schedule = Schedule::default();
        assert_eq!(schedule.delays.len() + 1, 10);
        let span: Duration = schedule.delays.iter().sum();
        assert_eq!(span, Duration::from_secs(75 * HOUR + 35 * 60 + 5));
        // Even when each wait is spread to its longest, nothing expires on the way.
        assert!(span.mul_f64(1.2) < schedule.max_age);
    }

    #[test]
    fn an_attempt_decides_what_follows() {
        let cases = [
            (1, 0, outcome(204, None), RetryDecision::Done),
            (10, 0, outcome(200, None), RetryDecision::Done),
            (1, 0, outcome(410, None), RetryDecision::Disable),
            (10, 0, outcome(410, None), RetryDecision::Disable),
            (
                10,
                0,
                outcome(500, None),
                RetryDecision::GaveUp(GaveUp::AttemptsExhausted),
            ),
            (
                u32::MAX,
                0,
                outcome(500, None),
                RetryDecision::GaveUp(GaveUp::AttemptsExhausted),
            ),
            (
                9,
                8 * 24 * HOUR_MS,
                outcome(500, None),
                RetryDecision::GaveUp(GaveUp::Expired),
            ),
            (
                1,
                7 * 24 * HOUR_MS,
                outcome(429, Some(NOW_MS + 24 * HOUR_MS + 1)),
                RetryDecision::GaveUp(GaveUp::Expired),
            ),
            (
                1,
                7 * 24 * HOUR_MS,
                outcome(429, Some(NOW_MS + 24 * HOUR_MS)),
                RetryDecision::RetryAt(NOW_MS + 24 * HOUR_MS),
            ),
        ];
        for (attempt, age_ms, outcome, next) in cases {
            assert_eq!(
                check(attempt, age_ms, &outcome),
                next,
                "{attempt} {outcome:?}"
            );
        }
    }

    #[test]
    fn each_wait_is_the_schedules_within_a_fifth() {
        for (attempt, delay) in (1..).zip(Schedule::default().delays) {
            let RetryDecision::RetryAt(at_ms) = check(attempt, 0, &outcome(500, None)) else {
                panic!("attempt {attempt} is not retried");
            };
            let (wait_ms, delay_ms) = (at_ms - NOW_MS, millis(delay));
            assert!(
                (wait_ms - delay_ms).abs() * 5 <= delay_ms,
                "{wait_ms} for {delay:?}"
            );
        }
    }

    #[test]
    fn retry_after_moves_a_retry_later_and_never_earlier() {
        let plain = check(3, 0, &outcome(503, None));
        assert_eq!(check(3, 0, &outcome(503, Some(NOW_MS + 1))), plain);
        let requested_ms = NOW_MS + 2 * HOUR_MS;
        let requested = check(3, 0, &outcome(503, Some(requested_ms)));
        assert_eq!(requested, RetryDecision::RetryAt(requested_ms));
    }

    #[test]
    fn retries_are_spread_over_the_whole_range_and_repeatable() {
        let waits: Vec<i64> = (0..1000).map(|seed| spread(1000, 200, seed)).collect();
        assert!(waits.iter().all(|wait| (800..=1200).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 820) && waits.iter().any(|wait| *wait > 1180));
        assert_eq!(spread(1000, 200, 7), spread(1000, 200, 7));
        assert_eq!(spread(i64::MAX, 0, 7), i64::MAX);
    }

    #[test]
    fn a_forward_expires_by_age_alone() {
        let schedule = Schedule::default();
        let limit_ms = millis(schedule.max_age);
        assert!(!schedule.is_expired(NOW_MS, NOW_MS + limit_ms));
        assert!(schedule.is_expired(NOW_MS, NOW_MS + limit_ms + 1));
        assert!(!schedule.is_expired(NOW_MS, NOW_MS - 1));
    }
}

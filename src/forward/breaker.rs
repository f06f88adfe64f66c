//! The breaker of one subscriber: stops sending while it fails as a whole, and looks now and
//! then whether it is back.
//!
//! Pure: a state machine that is told the time. An open breaker gates the subscriber, it
//! touches no forward: they stay due, and use up no attempts by waiting. The same holds for a
//! probe that finds the subscriber still failing: the caller records the attempt but leaves
//! the forward's attempt number and due time alone, or the first forwards in line would be
//! given up by an outage of an hour. A probe that ends otherwise (any 2xx, 3xx or 4xx but
//! 429) is an attempt like any other.

use std::time::Duration;

use super::schedule::spread;
use crate::model::Outcome;

/// How many failures in a row open the breaker.
const FAILURES: u32 = 5;

/// The wait before the first probe; each failed probe doubles it up to [`MAX_WAIT_MS`].
const FIRST_WAIT_MS: i64 = 1_000;
const MAX_WAIT_MS: i64 = 60_000;

/// How far a wait is spread to either side, in thousandths: breakers that opened together in
/// an outage of ours do not probe together.
const SPREAD: u64 = 100;

/// The longest a `Retry-After` holds back the next probe.
const MAX_ASKED_MS: i64 = 3_600_000;

/// The breaker of one subscriber. It lives in memory: after a restart it is closed.
#[derive(Debug, Clone)]
pub struct Breaker {
    seed: u64,
    probe_lease_ms: i64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Holds the failures in a row so far.
    Closed { failures: u32 },
    /// Holds the number of probes that failed, and when the next may go.
    Open { probes: u32, until_ms: i64 },
    /// A probe is under way, and counts as lost at `until_ms`.
    Probing { probes: u32, until_ms: i64 },
}

/// Whether a forward may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// No: ask again at `until_ms` (ms since 1970 UTC), or after the outcome of a probe that
    /// is under way.
    Open {
        /// When the next probe may go.
        until_ms: i64,
    },
    /// One: the caller now holds the probe and sends one forward at once.
    Probe,
    /// Yes.
    Closed,
}

/// A change of the breaker that people are told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The subscriber fails as a whole; nothing but probes is sent to it.
    Opened,
    /// It is back.
    Closed,
}

impl Breaker {
    /// A closed breaker. The subscriber's id spreads its probes; `timeout` is how long an
    /// attempt may take, after which (and a little) a probe of which nothing was heard counts
    /// as lost.
    #[must_use]
    pub fn new(subscriber: i64, timeout: Duration) -> Self {
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(MAX_WAIT_MS);
        Self {
            seed: subscriber.unsigned_abs(),
            probe_lease_ms: timeout_ms.saturating_add(MAX_WAIT_MS),
            state: State::Closed { failures: 0 },
        }
    }

    /// Whether a forward may be sent at `now_ms` (ms since 1970 UTC).
    ///
    /// [`Gate::Probe`] is given once: ask only with a forward in hand.
    pub fn gate(&mut self, now_ms: i64) -> Gate {
        match self.state {
            State::Closed { .. } => Gate::Closed,
            State::Open { until_ms, .. } | State::Probing { until_ms, .. }
                if self.is_ahead(until_ms, now_ms) =>
            {
                Gate::Open { until_ms }
            }
            State::Open { probes, .. } | State::Probing { probes, .. } => {
                self.state = State::Probing {
                    probes,
                    until_ms: now_ms.saturating_add(self.probe_lease_ms),
                };
                Gate::Probe
            }
        }
    }

    /// Whether that time is still to come; one that is further away than any wait was set
    /// before the clock was set back, and is past.
    fn is_ahead(&self, until_ms: i64, now_ms: i64) -> bool {
        let longest_ms = self.probe_lease_ms.max(MAX_ASKED_MS);
        now_ms < until_ms && until_ms.saturating_sub(now_ms) <= longest_ms
    }

    /// Whether nothing but probes is sent; for display.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// Takes note of how an attempt ended at `now_ms` (ms since 1970 UTC).
    ///
    /// Every attempt counts, probe or not: those that were in flight when the breaker opened
    /// close it when they succeed. An answer that does not speak against the subscriber as a
    /// whole (a 400, a redirect) is as good as a success here: it shows that somebody
    /// is there, and what is wrong with that forward is for its schedule.
    pub fn on_outcome(&mut self, outcome: &Outcome, now_ms: i64) -> Option<Transition> {
        let failed = outcome.counts_against_subscriber();
        match self.state {
            State::Closed { failures } if failed => {
                let failures = failures + 1;
                if failures < FAILURES {
                    self.state = State::Closed { failures };
                    return None;
                }
                self.open(0, outcome, now_ms);
                Some(Transition::Opened)
            }
            State::Closed { .. } => {
                self.state = State::Closed { failures: 0 };
                None
            }
            // A straggler from before it opened: it says nothing new.
            State::Open { .. } if failed => None,
            State::Probing { probes, .. } if failed => {
                self.open(probes.saturating_add(1), outcome, now_ms);
                None
            }
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Closed { failures: 0 };
                Some(Transition::Closed)
            }
        }
    }

    fn open(&mut self, probes: u32, outcome: &Outcome, now_ms: i64) {
        let wait_ms = FIRST_WAIT_MS
            .checked_shl(probes.min(16))
            .unwrap_or(MAX_WAIT_MS)
            .min(MAX_WAIT_MS);
        let seed = self.seed ^ (u64::from(probes) << 48);
        let own_ms = now_ms.saturating_add(spread(wait_ms, SPREAD, seed));
        let latest_ms = now_ms.saturating_add(MAX_ASKED_MS);
        let asked_ms = outcome.retry_at_ms.unwrap_or(own_ms).min(latest_ms);
        self.state = State::Open {
            probes,
            until_ms: own_ms.max(asked_ms),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Breaker, Gate, Transition};
    use crate::model::{ErrorCode, Outcome};

    fn outcome(error: Option<ErrorCode>, http_status: Option<u16>) -> Outcome {
        Outcome {
            http_status,
            error,
            detail: String::new(),
            excerpt: String::new(),
            retry_at_ms: None,
            duration_ms: 1,
        }
    }

    fn good() -> Outcome {
        outcome(None, Some(200))
    }

    fn bad() -> Outcome {
        outcome(Some(ErrorCode::Connect), None)
    }

    fn closed() -> Breaker {
        Breaker::new(7, Duration::from_secs(15))
    }

    /// A breaker that opened at 0.
    fn opened() -> Breaker {
        let mut breaker = closed();
        for _ in 0..5 {
            breaker.on_outcome(&bad(), 0);
        }
        breaker
    }

    fn until_ms(breaker: &mut Breaker, now_ms: i64) -> i64 {
        match breaker.gate(now_ms) {
            Gate::Open { until_ms } => until_ms,
            other => panic!("{other:?} at {now_ms}"),
        }
    }

    /// Whether outcomes, one after the other, leave a fresh breaker open.
    fn check(outcomes: &[Outcome], open: bool) {
        let mut breaker = closed();
        for outcome in outcomes {
            breaker.on_outcome(outcome, 0);
        }
        assert_eq!(breaker.is_open(), open, "{outcomes:?}");
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let refused = outcome(Some(ErrorCode::Http4xx), Some(400));
        let throttled = outcome(Some(ErrorCode::Http4xx), Some(429));
        let broken = outcome(Some(ErrorCode::Http5xx), Some(500));
        let slow = outcome(Some(ErrorCode::Timeout), None);
        check(
            &[bad(), slow.clone(), broken.clone(), throttled.clone()],
            false,
        );
        check(&[bad(), slow, broken, throttled, bad()], true);
        check(&[bad(), bad(), bad(), bad(), good(), bad()], false);
        check(&[bad(), bad(), bad(), bad(), refused.clone(), bad()], false);
        check(&vec![refused; 9], false);
    }

    #[test]
    fn opening_and_closing_are_told_once() {
        let mut breaker = closed();
        let told: Vec<_> = (0..7).map(|_| breaker.on_outcome(&bad(), 0)).collect();
        assert_eq!(
            told.iter().flatten().collect::<Vec<_>>(),
            [&Transition::Opened]
        );
        assert_eq!(told[4], Some(Transition::Opened));
        assert_eq!(breaker.on_outcome(&good(), 0), Some(Transition::Closed));
        assert_eq!(breaker.on_outcome(&good(), 0), None);
        assert_eq!(breaker.gate(0), Gate::Closed);
    }

    #[test]
    fn the_wait_for_a_probe_doubles_from_a_second_to_a_minute() {
        let mut breaker = opened();
        let mut now_ms = 0;
        for wait_s in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let due_ms = until_ms(&mut breaker, now_ms);
            let (wait_ms, around_ms) = (due_ms - now_ms, wait_s * 1000);
            assert!(
                (wait_ms - around_ms).abs() * 10 <= around_ms,
                "{wait_ms} for {wait_s} s"
            );
            assert_eq!(breaker.gate(due_ms - 1), Gate::Open { until_ms: due_ms });
            assert_eq!(breaker.gate(due_ms), Gate::Probe);
            assert_eq!(breaker.on_outcome(&bad(), due_ms), None);
            now_ms = due_ms;
        }
    }

    #[test]
    fn a_wait_that_was_set_before_the_clock_was_set_back_is_over() {
        let mut breaker = opened();
        assert_eq!(breaker.gate(-86_400_000), Gate::Probe);
    }

    #[test]
    fn one_probe_goes_at_a_time_and_a_lost_one_is_replaced() {
        let mut breaker = opened();
        assert_eq!(breaker.gate(2_000), Gate::Probe);
        let lost_ms = until_ms(&mut breaker, 2_000);
        assert!(lost_ms > 2_000 + 15_000);
        assert_eq!(breaker.gate(lost_ms), Gate::Probe);
        assert!(until_ms(&mut breaker, lost_ms) > lost_ms);
    }

    #[test]
    fn a_probe_that_is_answered_closes_it() {
        for answer in [good(), outcome(Some(ErrorCode::Http4xx), Some(404))] {
            let mut breaker = opened();
            assert_eq!(breaker.gate(2_000), Gate::Probe);
            assert_eq!(breaker.on_outcome(&answer, 2_100), Some(Transition::Closed));
            // It takes five failures again.
            breaker.on_outcome(&bad(), 2_200);
            assert_eq!(breaker.gate(2_200), Gate::Closed);
        }
    }

    #[test]
    fn a_straggler_that_fails_does_not_lengthen_the_wait() {
        let mut breaker = opened();
        let due_ms = until_ms(&mut breaker, 0);
        breaker.on_outcome(&bad(), 500);
        assert_eq!(until_ms(&mut breaker, 500), due_ms);
    }

    #[test]
    fn retry_after_holds_back_the_probe_for_an_hour_at_most() {
        for (asked_ms, due_ms) in [(5_000, 5_000), (86_400_000, 3_600_000)] {
            let mut breaker = closed();
            let throttled = Outcome {
                retry_at_ms: Some(asked_ms),
                ..outcome(Some(ErrorCode::Http4xx), Some(429))
            };
            for _ in 0..5 {
                breaker.on_outcome(&throttled, 0);
            }
            assert_eq!(until_ms(&mut breaker, 0), due_ms);
        }
    }
}

//! The breaker of one subscriber: stops sending while it fails as a whole, and looks now and
//! then whether it is back.
//!
//! Pure: a state machine that is given the time. An open breaker gates the subscriber, it
//! touches no forward: they stay due, and use up no attempts by waiting. The same holds for a
//! probe that finds the subscriber still failing: the caller records the attempt but leaves
//! the forward's attempt number and due time alone, or the first forwards in line would be
//! given up by an outage of an hour. A probe that ends otherwise (any 2xx, 3xx or 4xx but
//! 429) is an attempt like any other.
//!
//! A subscriber that refuses some payloads for ever is not down. While anything succeeds within
//! `RECENT_MS`, failures are those of their forwards, and the breaker stays closed.
//!
//! # Why an outage and poison differ
//!
//! It opens after five failures in a row without a success for ten seconds. A failed probe is charged to its
//! forward only when another forward succeeded within ten seconds. After five failures in a row it is
//! unknown which of the two it is, so a forward is charged once until something succeeds. Probes take
//! forwards that were never tried, the newest and the oldest in turn. A wait for a probe is at most a tenth
//! of the time since the last success or the first failure. With `c` places and a share `p` of payloads that
//! time out, a subscriber takes no more than `c / (p * timeout)` a second. After a restart a subscriber that
//! was failing begins with one probe.

use std::time::Duration;

use super::schedule::spread;
use crate::model::{Outcome, SubscriberKey};

/// How many failures in a row open the breaker.
const FAILURES: u32 = 5;

/// A success this recent proves that the subscriber is there, whatever else fails.
const RECENT_MS: i64 = 10_000;

/// The wait before the first probe; each failed probe doubles it up to [`MAX_WAIT_MS`].
const FIRST_WAIT_MS: i64 = 1_000;
/// No wait is longer than this part of the time since the last success, or since the first failure.
/// One that takes a payload now and then is found soon, and an hour's outage is still probed once
/// a minute.
const PART_OF_SILENCE: i64 = 10;
const MAX_WAIT_MS: i64 = 60_000;

/// How far a wait is spread to either side, in thousandths: breakers that opened together in
/// an outage of ours do not probe together.
const SPREAD: u64 = 100;

/// The longest a `Retry-After` holds back the next probe.
const MAX_REQUESTED_MS: i64 = 3_600_000;

/// The breaker of one subscriber. It lives in memory.
#[derive(Debug, Clone)]
pub struct Breaker {
    seed: u64,
    probe_lease_ms: i64,
    state: BreakerState,
    /// When an attempt last showed that the subscriber is there, ms since 1970 UTC.
    last_success_ms: Option<i64>,
    /// The same, or when the first attempt failed, ms since 1970 UTC.
    quiet_since_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    /// Holds the failures in a row so far.
    Closed { failures: u32 },
    /// Holds the number of probes that failed, and when the next may go.
    Open { probes: u32, until_ms: i64 },
    /// A probe is under way, and counts as lost at `until_ms`.
    Probing { probes: u32, until_ms: i64 },
}

/// Whether a forward may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerPermit {
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

/// A change of the breaker that operators are notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The subscriber fails as a whole; nothing but probes is sent to it.
    Opened,
    /// It is back.
    Closed,
}

impl Breaker {
    /// A closed breaker. The subscriber's id spreads its probes; `timeout` is how long an
    /// attempt may take, after which (and a little) a probe without an outcome counts
    /// as lost.
    #[must_use]
    pub fn new(subscriber: SubscriberKey, timeout: Duration) -> Self {
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(MAX_WAIT_MS);
        Self {
            seed: subscriber.number().unsigned_abs(),
            probe_lease_ms: timeout_ms.saturating_add(MAX_WAIT_MS),
            state: BreakerState::Closed { failures: 0 },
            last_success_ms: None,
            quiet_since_ms: None,
        }
    }

    /// A breaker that lets one probe through before anything else: a restart in the middle of an
    /// outage costs no forward an attempt.
    #[must_use]
    pub fn doubtful(subscriber: SubscriberKey, timeout: Duration) -> Self {
        Self {
            state: BreakerState::Open {
                probes: 0,
                until_ms: i64::MIN,
            },
            ..Self::new(subscriber, timeout)
        }
    }

    /// Whether a forward may be sent at `now_ms` (ms since 1970 UTC).
    ///
    /// [`BreakerPermit::Probe`] is given once: ask only with a forward in hand.
    pub fn permit(&mut self, now_ms: i64) -> BreakerPermit {
        match self.state {
            BreakerState::Closed { .. } => BreakerPermit::Closed,
            BreakerState::Open { until_ms, .. } | BreakerState::Probing { until_ms, .. }
                if self.is_ahead(until_ms, now_ms) =>
            {
                BreakerPermit::Open { until_ms }
            }
            BreakerState::Open { probes, .. } | BreakerState::Probing { probes, .. } => {
                self.state = BreakerState::Probing {
                    probes,
                    until_ms: now_ms.saturating_add(self.probe_lease_ms),
                };
                BreakerPermit::Probe
            }
        }
    }

    /// Until when nothing may be sent at `now_ms` (both ms since 1970 UTC), as [`Breaker::permit`]
    /// would say; gives no probe out.
    #[must_use]
    pub fn waits_until_ms(&self, now_ms: i64) -> Option<i64> {
        match self.state {
            BreakerState::Open { until_ms, .. } | BreakerState::Probing { until_ms, .. } => {
                Some(until_ms).filter(|until_ms| self.is_ahead(*until_ms, now_ms))
            }
            BreakerState::Closed { .. } => None,
        }
    }

    /// The probe that was given out was not made, for no fault of the subscriber: another may go
    /// at `until_ms` (ms since 1970 UTC).
    pub fn take_back_probe(&mut self, until_ms: i64) {
        if let BreakerState::Probing { probes, .. } = self.state {
            self.state = BreakerState::Open { probes, until_ms };
        }
    }

    /// Whether that time is still to come; one that is further away than any wait was set
    /// before the clock was set back, and is past.
    fn is_ahead(&self, until_ms: i64, now_ms: i64) -> bool {
        let longest_ms = self.probe_lease_ms.max(MAX_REQUESTED_MS);
        now_ms < until_ms && until_ms.saturating_sub(now_ms) <= longest_ms
    }

    /// Whether nothing but probes is sent; for display.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, BreakerState::Closed { .. })
    }

    /// When the next probe may go, ms since 1970 UTC; `None` while it is closed or a probe is
    /// under way.
    #[must_use]
    pub const fn next_probe_ms(&self) -> Option<i64> {
        match self.state {
            BreakerState::Open { until_ms, .. } => Some(until_ms),
            BreakerState::Closed { .. } | BreakerState::Probing { .. } => None,
        }
    }

    /// Whether a failure at `now_ms` uses up an attempt of its forward, which was charged last at
    /// `charged_ms` (both ms since 1970 UTC). Ask before [`Breaker::on_outcome`].
    ///
    /// A failed probe does so only when another forward succeeded recently. While five in a row
    /// have failed, a forward is charged once: it is unknown yet whether an outage has begun, and
    /// an outage costs a forward one attempt at most.
    #[must_use]
    pub fn charges(&self, probe: bool, charged_ms: Option<i64>, now_ms: i64) -> bool {
        if probe {
            return self.succeeded_recently(now_ms);
        }
        if matches!(self.state, BreakerState::Closed { failures } if failures < FAILURES) {
            return true;
        }
        charged_ms.is_none_or(|charged_ms| {
            self.last_success_ms
                .is_some_and(|success_ms| success_ms >= charged_ms)
        })
    }

    fn succeeded_recently(&self, now_ms: i64) -> bool {
        self.last_success_ms
            .is_some_and(|success_ms| (0..=RECENT_MS).contains(&now_ms.saturating_sub(success_ms)))
    }

    /// Takes note of how an attempt ended at `now_ms` (ms since 1970 UTC).
    ///
    /// Every attempt counts, probe or not: those that were in flight when the breaker opened
    /// close it when they succeed. An answer that does not speak against the subscriber as a
    /// whole (a 400, a redirect) is as good as a success here: it shows that the subscriber
    /// answers, and what is wrong with that forward is for its schedule.
    pub fn on_outcome(&mut self, outcome: &Outcome, now_ms: i64) -> Option<Transition> {
        let failed = outcome.counts_against_subscriber();
        if failed {
            self.quiet_since_ms.get_or_insert(now_ms);
        } else {
            self.last_success_ms = Some(now_ms);
            self.quiet_since_ms = Some(now_ms);
        }
        match self.state {
            BreakerState::Closed { failures } if failed => {
                let failures = failures.saturating_add(1);
                if failures < FAILURES || self.succeeded_recently(now_ms) {
                    self.state = BreakerState::Closed { failures };
                    return None;
                }
                self.open(0, outcome, now_ms);
                Some(Transition::Opened)
            }
            BreakerState::Closed { .. } => {
                self.state = BreakerState::Closed { failures: 0 };
                None
            }
            // A straggler from before it opened: it says nothing new.
            BreakerState::Open { .. } if failed => None,
            BreakerState::Probing { probes, .. } if failed => {
                self.open(probes.saturating_add(1), outcome, now_ms);
                None
            }
            BreakerState::Open { .. } | BreakerState::Probing { .. } => {
                self.state = BreakerState::Closed { failures: 0 };
                Some(Transition::Closed)
            }
        }
    }

    fn open(&mut self, probes: u32, outcome: &Outcome, now_ms: i64) {
        let quiet_since_ms = self.quiet_since_ms.unwrap_or(now_ms);
        let silence_ms = now_ms.saturating_sub(quiet_since_ms);
        let longest_ms = (silence_ms / PART_OF_SILENCE).clamp(FIRST_WAIT_MS, MAX_WAIT_MS);
        let wait_ms = FIRST_WAIT_MS
            .checked_shl(probes.min(16))
            .unwrap_or(MAX_WAIT_MS)
            .min(longest_ms);
        let seed = self.seed ^ (u64::from(probes) << 48);
        let own_ms = now_ms.saturating_add(spread(wait_ms, SPREAD, seed));
        let latest_ms = now_ms.saturating_add(MAX_REQUESTED_MS);
        let requested_ms = outcome.retry_at_ms.unwrap_or(own_ms).min(latest_ms);
        self.state = BreakerState::Open {
            probes,
            until_ms: own_ms.max(requested_ms),
        };
    }
}

#[cfg(test)]
mod tests;

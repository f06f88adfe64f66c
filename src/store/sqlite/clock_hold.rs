//! A clock that is far ahead of what the store saw last: what goes by age is held.
//!
//! Such a clock is wrong, or the service was off for long; the two look the same. What is pruned or
//! expired does not come back with the right time, so there is a day to set the clock. What the
//! store saw last stands in its file, hence a restart neither hides a jump nor ends a hold.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

use crate::clock::Clock;
use crate::store::AgeHold;

/// A clock that is ahead by more than this has jumped.
const JUMP_MS: i64 = 24 * 3_600_000;
/// How long what goes by age is held after a jump, unless the clock comes back.
const HELD_MS: i64 = 24 * 3_600_000;

/// A time that lies further ahead than this was stamped by a clock that was wrong.
#[must_use]
pub(super) const fn latest_credible_ms(now_ms: i64) -> i64 {
    now_ms.saturating_add(JUMP_MS)
}

/// A jump of the clock, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockJump {
    /// What the clock showed before it, ms since 1970 UTC.
    pub(super) before_ms: i64,
    /// For how long the service has run since, ms.
    pub(super) held_ms: i64,
}

/// Watches a clock for jumps ahead.
#[derive(Debug)]
pub(super) struct ClockHold {
    clock: Clock,
    hold: Mutex<Hold>,
}

impl ClockHold {
    /// Begins with the latest time that the store knows, and the hold that it was left in.
    pub(super) fn new(clock: Clock, seen_ms: Option<i64>, jump: Option<ClockJump>) -> Self {
        let hold = Hold {
            seen_ms,
            ran_ms: clock.monotonic_ms(),
            jump,
        };
        let this = Self {
            clock,
            hold: Mutex::new(hold),
        };
        let (lasting, change) = this.look();
        if let (Some(lasting), HoldTransition::None) = (lasting, change) {
            warn(lasting);
        }
        this
    }

    /// Looks at the clock; the hold, while there is one.
    pub(super) fn held(&self) -> Option<AgeHold> {
        self.look().0
    }

    /// The time of day, ms since 1970 UTC.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The hold as it is to be written down.
    pub(super) fn jump(&self) -> Option<ClockJump> {
        let _ = self.look();
        self.hold
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .jump
    }

    fn look(&self) -> (Option<AgeHold>, HoldTransition) {
        let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.clock.now_ms();
        let change = hold.look(now_ms, self.clock.monotonic_ms());
        let lasting = hold.jump.map(|jump| AgeHold {
            before_ms: jump.before_ms,
            now_ms,
            left: Duration::from_millis(HELD_MS.abs_diff(jump.held_ms.min(HELD_MS))),
        });
        match (change, lasting) {
            (HoldTransition::Began, Some(lasting)) => warn(lasting),
            (HoldTransition::Ended, _) => {
                tracing::info!(now = %iso(now_ms), "store.clock_hold_ended");
            }
            _ => {}
        }
        (lasting, change)
    }
}

fn warn(held: AgeHold) {
    tracing::warn!(
        last_seen = %iso(held.before_ms),
        clock = %iso(held.now_ms),
        left_s = held.left.as_secs(),
        "store.clock_ahead: the clock is wrong, or the service was off for long; nothing is pruned \
         or expired until the clock is set back, or the service has run for 24 h"
    );
}

fn iso(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(
        || ms.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HoldTransition {
    None,
    Began,
    Ended,
}

/// What was seen of a clock.
#[derive(Debug)]
struct Hold {
    seen_ms: Option<i64>,
    ran_ms: i64,
    jump: Option<ClockJump>,
}

impl Hold {
    /// The clock shows `now_ms`; `ran_ms` goes on evenly, whatever is done to the clock.
    fn look(&mut self, now_ms: i64, ran_ms: i64) -> HoldTransition {
        let passed_ms = (ran_ms - std::mem::replace(&mut self.ran_ms, ran_ms)).max(0);
        let seen_ms = self.seen_ms.replace(now_ms).unwrap_or(now_ms);
        let right_ms = self
            .jump
            .map_or(seen_ms, |jump| jump.before_ms + jump.held_ms);
        if now_ms.saturating_sub(seen_ms) > JUMP_MS {
            self.jump = Some(ClockJump {
                before_ms: right_ms,
                held_ms: 0,
            });
            return HoldTransition::Began;
        }
        let Some(jump) = &mut self.jump else {
            return HoldTransition::None;
        };
        jump.held_ms += passed_ms;
        let is_back = now_ms.saturating_sub(right_ms + passed_ms) <= JUMP_MS;
        if is_back || jump.held_ms >= HELD_MS {
            self.jump = None;
            return HoldTransition::Ended;
        }
        HoldTransition::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn hold(seen: Option<i64>) -> Hold {
        Hold {
            seen_ms: seen.map(|hours| hours * HOUR_MS),
            ran_ms: 0,
            jump: None,
        }
    }

    #[test]
    fn what_goes_by_age_is_held_for_a_day_after_the_clock_jumped_ahead() {
        let mut hold = hold(None);
        // Hours that the clock shows, hours that the machine has run.
        for (clock, ran, expected) in [
            (1_000, 0, false),
            (1_024, 24, false),
            (1_060, 25, true),
            // Corrected by an hour, it is still ahead.
            (1_059, 26, true),
            (1_081, 48, true),
            (1_082, 49, false),
            // Ahead and back.
            (11_000, 50, true),
            (11_001, 51, true),
            (1_085, 52, false),
            // Ahead twice: a day from the second jump.
            (9_000, 53, true),
            (18_000, 76, true),
            (18_023, 99, true),
            (18_024, 100, false),
            // Ahead, and only partly back.
            (40_000, 101, true),
            (30_000, 102, true),
            (18_026, 103, false),
            // Set back alone holds nothing.
            (100, 104, false),
        ] {
            hold.look(clock * HOUR_MS, ran * HOUR_MS);
            assert_eq!(hold.jump.is_some(), expected, "{clock} after {ran}");
        }
    }

    #[test]
    fn a_day_of_the_machine_ends_the_hold_and_no_day_of_the_clock() {
        let mut hold = hold(Some(1_000));
        for hours in [10_000, 10_020, 10_040, 10_060] {
            hold.look(hours * HOUR_MS, 1);
        }
        assert_eq!(hold.jump.map(|jump| jump.before_ms), Some(1_000 * HOUR_MS));
        assert_eq!(
            hold.look(10_060 * HOUR_MS, HELD_MS + 1),
            HoldTransition::Ended
        );
    }

    #[test]
    fn a_start_goes_on_with_the_hold_that_was_written_down() {
        let at = |hours| Clock::manual(hours * HOUR_MS).0;
        let seen = |hours| Some(hours * HOUR_MS);
        let jump = |held: i64| {
            Some(ClockJump {
                before_ms: 1_000 * HOUR_MS,
                held_ms: held * HOUR_MS,
            })
        };
        // A jump while the service was down, and none.
        assert!(
            ClockHold::new(at(1_025), seen(1_000), None)
                .held()
                .is_some()
        );
        assert!(
            ClockHold::new(at(1_024), seen(1_000), None)
                .held()
                .is_none()
        );
        assert!(ClockHold::new(at(9_000), None, None).held().is_none());
        // The clock showed that it is ahead before the restart, and does so now.
        let restarted = ClockHold::new(at(9_001), seen(9_000), jump(20))
            .held()
            .unwrap();
        assert_eq!(restarted.left, Duration::from_hours(4));
        assert_eq!(restarted.before_ms, 1_000 * HOUR_MS);
        // Set right while the service was down.
        assert!(
            ClockHold::new(at(1_021), seen(9_000), jump(20))
                .held()
                .is_none()
        );
    }
}

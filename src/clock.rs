//! The time of day: the one file that reads it from the system.
//!
//! What decides takes `now_ms` as an argument; only what waits holds a [`Clock`]. Tests hold
//! its [`Hand`] and move it, so that a retry after 24 h needs no sleep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// How long a sleep trusts the wall clock: after a jump of it, a sleeper is late by this much
/// at most.
const RECHECK: Duration = Duration::from_secs(30);

/// Gives the time and waits for it; a clone shows the same time.
#[derive(Debug, Clone)]
pub struct Clock(ClockSource);

/// Microseconds since the machine started: never set back, and the same for all its processes.
#[must_use]
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds * 1_000_000 + nanoseconds / 1_000
}

#[derive(Debug, Clone)]
enum ClockSource {
    System,
    Manual(watch::Receiver<i64>),
}

/// Moves a manual [`Clock`] and wakes the tasks that wait on it.
#[derive(Debug)]
pub struct Hand(watch::Sender<i64>);

impl Clock {
    /// The system's wall clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(ClockSource::System)
    }

    /// A clock that stands at `start_ms` (ms since 1970 UTC) until its hand is moved.
    ///
    /// Once the hand is dropped the clock stands still: a sleeper then sleeps for good.
    #[must_use]
    pub fn manual(start_ms: i64) -> (Self, Hand) {
        let (hand, face) = watch::channel(start_ms);
        (Self(ClockSource::Manual(face)), Hand(hand))
    }

    /// Now, in ms since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            ClockSource::System => system_now_ms(),
            ClockSource::Manual(face) => *face.borrow(),
        }
    }

    /// Ms since the machine started, which no setting of the clock changes; a manual clock's hand
    /// moves both.
    #[must_use]
    pub(crate) fn monotonic_ms(&self) -> i64 {
        match &self.0 {
            ClockSource::System => i64::try_from(monotonic_us() / 1_000).unwrap_or(i64::MAX),
            ClockSource::Manual(face) => *face.borrow(),
        }
    }

    /// Waits until `due_ms` (ms since 1970 UTC); returns at once when that is past.
    ///
    /// May be dropped at any time. It follows the wall clock, not the time that has passed,
    /// since what is due was written down as a time of day. When the clock is set back while
    /// it waits, it returns early: what was reckoned before has to be reckoned again.
    pub async fn sleep_until(&self, due_ms: i64) {
        match &self.0 {
            ClockSource::System => {
                let mut latest_ms = i64::MIN;
                loop {
                    let now_ms = system_now_ms();
                    let left_ms = u64::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(0);
                    if left_ms == 0 || now_ms < latest_ms {
                        return;
                    }
                    latest_ms = now_ms;
                    tokio::time::sleep(Duration::from_millis(left_ms).min(RECHECK)).await;
                }
            }
            ClockSource::Manual(face) => {
                let mut face = face.clone();
                let mut latest_ms = i64::MIN;
                let woken = face.wait_for(|now_ms| {
                    let set_back = *now_ms < latest_ms;
                    latest_ms = *now_ms;
                    *now_ms >= due_ms || set_back
                });
                if woken.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl Hand {
    /// Sets the time, backwards too, to `now_ms` since 1970 UTC.
    pub fn set_ms(&self, now_ms: i64) {
        self.0.send_replace(now_ms);
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0
            .send_modify(|now_ms| *now_ms = now_ms.saturating_add(by_ms));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the system's clock"
)]
fn system_now_ms() -> i64 {
    // A clock before 1970 is a clock that was never set: it counts as 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Clock;

    #[test]
    fn a_manual_clock_shows_what_its_hand_was_set_to() {
        let (clock, hand) = Clock::manual(1_000);
        let other = clock.clone();
        assert_eq!(clock.now_ms(), 1_000);
        hand.advance(Duration::from_secs(2));
        assert_eq!(other.now_ms(), 3_000);
        hand.set_ms(500);
        assert_eq!(clock.now_ms(), 500);
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hand_reaches_its_time() {
        let (clock, hand) = Clock::manual(0);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(10).await;
                clock.now_ms()
            }
        });
        tokio::task::yield_now().await;
        hand.set_ms(9);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.set_ms(11);
        assert_eq!(sleeper.await.unwrap(), 11);
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_set_back() {
        let (clock, hand) = Clock::manual(1_000);
        let sleeper = tokio::spawn(async move { clock.sleep_until(2_000).await });
        tokio::task::yield_now().await;
        hand.set_ms(1_500);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.set_ms(1_400);
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_until_its_time_and_not_when_it_is_past() {
        let clock = Clock::system();
        clock.sleep_until(i64::MIN).await;
        let due_ms = clock.now_ms() + 20;
        clock.sleep_until(due_ms).await;
        assert!(clock.now_ms() >= due_ms);
    }
}

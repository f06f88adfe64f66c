//! How many attempts of one subscriber begin within a second.
//!
//! Pure: it is given the time. It counts what began within the last second instead of filling a
//! bucket, so that no second, wherever it begins, sees more than the limit; and it follows the
//! lane's clock, which may be set back, where a crate's own would wait until it is caught up.

use std::collections::VecDeque;

const SECOND_MS: i64 = 1_000;

/// The pace of one subscriber. It lives in memory: after a restart it starts over.
#[derive(Debug, Default)]
pub struct RateLimiter {
    limit: Option<usize>,
    /// When the attempts of the last second began, ms since 1970 UTC, the oldest first.
    begun_ms: VecDeque<i64>,
}

impl RateLimiter {
    /// At most so many attempts begin within a second from here on; any when `None`.
    pub fn set_limit(&mut self, per_second: Option<u32>) {
        self.limit = per_second.map(|limit| usize::try_from(limit.max(1)).unwrap_or(usize::MAX));
        if self.limit.is_none() {
            self.begun_ms.clear();
        }
    }

    /// When the next attempt may begin, ms since 1970 UTC; `None` when at once.
    pub fn wait_until_ms(&mut self, now_ms: i64) -> Option<i64> {
        let limit = self.limit?;
        // What began in the future began before the clock was set back.
        if self
            .begun_ms
            .back()
            .is_some_and(|last_ms| *last_ms > now_ms)
        {
            self.begun_ms.clear();
        }
        while self
            .begun_ms
            .front()
            .is_some_and(|first_ms| first_ms.saturating_add(SECOND_MS) <= now_ms)
        {
            self.begun_ms.pop_front();
        }
        let over = self.begun_ms.len().checked_sub(limit)?;
        let first_ms = self.begun_ms.get(over)?;
        Some(first_ms.saturating_add(SECOND_MS))
    }

    /// An attempt begins at `now_ms` (ms since 1970 UTC).
    pub fn begin(&mut self, now_ms: i64) {
        if self.limit.is_some() {
            self.begun_ms.push_back(now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_limit(limit: u32) -> RateLimiter {
        let mut rate_limit = RateLimiter::default();
        rate_limit.set_limit(Some(limit));
        rate_limit
    }

    /// Begins as many as may at that time.
    fn begin_all(rate_limit: &mut RateLimiter, now_ms: i64) -> usize {
        let mut begun = 0;
        while rate_limit.wait_until_ms(now_ms).is_none() && begun < 1_000 {
            rate_limit.begin(now_ms);
            begun += 1;
        }
        begun
    }

    #[test]
    fn no_second_sees_more_than_the_limit() {
        let mut rate_limit = rate_limit(10);
        let mut begun: Vec<i64> = Vec::new();
        for now_ms in (0..5_000).step_by(7) {
            begun.extend(vec![now_ms; begin_all(&mut rate_limit, now_ms)]);
        }
        for from_ms in 0..4_000 {
            let within = begun
                .iter()
                .filter(|at| (from_ms..from_ms + 1_000).contains(*at));
            assert!(within.count() <= 10, "from {from_ms}");
        }
        assert_eq!(begun.len(), 50);
    }

    #[test]
    fn it_says_when_the_next_may_begin() {
        let mut rate_limit = rate_limit(2);
        rate_limit.begin(100);
        assert_eq!(rate_limit.wait_until_ms(400), None);
        rate_limit.begin(400);
        assert_eq!(rate_limit.wait_until_ms(400), Some(1_100));
        assert_eq!(rate_limit.wait_until_ms(1_099), Some(1_100));
        assert_eq!(rate_limit.wait_until_ms(1_100), None);
        rate_limit.begin(1_100);
        assert_eq!(rate_limit.wait_until_ms(1_100), Some(1_400));
    }

    #[test]
    fn without_a_limit_nothing_waits_and_nothing_is_kept() {
        let mut rate_limit = rate_limit(1);
        rate_limit.begin(0);
        rate_limit.set_limit(None);
        assert_eq!(begin_all(&mut rate_limit, 0), 1_000);
        rate_limit.set_limit(Some(1));
        assert_eq!(begin_all(&mut rate_limit, 0), 1);
    }

    #[test]
    fn a_limit_that_is_lowered_holds_at_once() {
        let mut rate_limit = rate_limit(4);
        for now_ms in [0, 100, 200, 300] {
            rate_limit.begin(now_ms);
        }
        rate_limit.set_limit(Some(2));
        assert_eq!(rate_limit.wait_until_ms(300), Some(1_200));
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_send() {
        let mut rate_limit = rate_limit(1);
        rate_limit.begin(3_600_000);
        assert_eq!(rate_limit.wait_until_ms(0), None);
    }
}

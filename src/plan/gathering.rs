//! How long what follows a notice is gathered, to be sent in one with its count.
//!
//! The first of a quiet time is sent at once. It opens a time in which others of the same kind are
//! counted; what was counted is sent when it is over, which opens the next.

use super::explained::CHANNEL_MS;

/// A time in which others of the same kind are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gathering {
    length_ms: i64,
}

/// Failures of one error, for a chat.
pub(crate) const ALERTS: Gathering = Gathering { length_ms: 60_000 };
/// Errors of a channel of one code: as long as one explains failures.
pub(crate) const CHANNEL_ERRORS: Gathering = Gathering {
    length_ms: CHANNEL_MS,
};

impl Gathering {
    /// When one ends that begins now, ms since 1970 UTC.
    pub(crate) const fn end_ms(self, now_ms: i64) -> i64 {
        now_ms + self.length_ms
    }

    /// Whether one that ends then is over; one that is further off was set before the clock was set
    /// back.
    pub(crate) const fn is_over(self, end_ms: i64, now_ms: i64) -> bool {
        end_ms <= now_ms || end_ms > self.end_ms(now_ms)
    }
}

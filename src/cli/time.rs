//! Times as people read and write them: always UTC, because a support desk, its providers
//! and its subscribers seldom share a zone.

use chrono::{DateTime, Utc};

pub(super) use crate::model::Since;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `2025-10-09 08:53:20`, for columns that say they are UTC.
pub(super) fn stamp(ms: impl Into<i64>) -> String {
    format(ms.into(), "%Y-%m-%d %H:%M:%S")
}

/// `2025-10-09 at 08:53:20 UTC`, for sentences.
pub(super) fn day_and_time(ms: impl Into<i64>) -> String {
    format(ms.into(), "%Y-%m-%d at %H:%M:%S UTC")
}

fn format(ms: i64, pattern: &str) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms).map_or_else(
        || format!("{ms} ms"),
        |time| time.format(pattern).to_string(),
    )
}

/// A span of time in its largest unit: `4 min`.
pub(super) fn span(ms: i64) -> String {
    let ms = ms.abs();
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => format!("{} min", ms / MINUTE),
        // One hour and a half is shown apart from two.
        HOUR..DAY => format!("{} h {:02} min", ms / HOUR, ms % HOUR / MINUTE),
        _ if ms < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", ms / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_reported_in_their_largest_unit() {
        let cases = [
            (12, "12 ms"),
            (59_999, "59 s"),
            (-240_000, "4 min"),
            (5_400_000, "1 h 30 min"),
            (DAY, "1 day"),
            (3 * DAY + HOUR, "3 days"),
        ];
        for (ms, expected) in cases {
            assert_eq!(span(ms), expected);
        }
    }
}

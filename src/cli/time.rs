//! Times as people read and write them: always UTC, because a support desk, its providers
//! and its subscribers seldom share a zone.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `2025-10-09 08:53:20`, for columns that say they are UTC.
pub(super) fn stamp(ms: i64) -> String {
    format(ms, "%Y-%m-%d %H:%M:%S")
}

/// `2025-10-09 at 08:53:20 UTC`, for sentences.
pub(super) fn day_and_time(ms: i64) -> String {
    format(ms, "%Y-%m-%d at %H:%M:%S UTC")
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
        // One hour and a half is told from two.
        HOUR..DAY => format!("{} h {:02} min", ms / HOUR, ms % HOUR / MINUTE),
        _ if ms < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", ms / DAY),
    }
}

/// What a person means by `--since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// That long ago, ms.
    Ago(i64),
    /// At that time, ms since 1970 UTC.
    At(i64),
}

impl Since {
    /// As ms since 1970 UTC.
    pub(super) const fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Ago(ms) => now_ms.saturating_sub(ms),
            Self::At(ms) => ms,
        }
    }
}

impl std::str::FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        ago(text)
            .map(Self::Ago)
            .or_else(|| at(text).map(Self::At))
            .ok_or(
                "write how long ago (90s, 30m, 2h, 7d), or a time in UTC \
                 (2025-10-09, 2025-10-09T08:53, 2025-10-09T08:53:20Z)",
            )
    }
}

fn ago(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?.trim_end();
    let scale = match unit {
        's' => SECOND,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        _ => return None,
    };
    i64::from(number.parse::<u32>().ok()?).checked_mul(scale)
}

fn at(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(
            date.and_time(chrono::NaiveTime::MIN)
                .and_utc()
                .timestamp_millis(),
        );
    }
    let text = text.replace('T', " ");
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|pattern| NaiveDateTime::parse_from_str(&text, pattern).ok())
        .map(|time| time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_time() {
        let cases = [
            ("90s", Some(Since::Ago(90_000))),
            ("2h", Some(Since::Ago(7_200_000))),
            ("7 d", Some(Since::Ago(604_800_000))),
            ("2025-10-09", Some(Since::At(1_759_968_000_000))),
            (
                "2025-10-09 08:53",
                Some(Since::At(1_760_000_000_000 - 20_000)),
            ),
            ("2025-10-09T08:53:20", Some(Since::At(1_760_000_000_000))),
            (
                "2025-10-09T10:53:20+02:00",
                Some(Since::At(1_760_000_000_000)),
            ),
            ("yesterday", None),
            ("-2h", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
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

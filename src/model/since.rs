//! A time as people ask for it: how long ago, a date, or a time. Always UTC unless they say another
//! offset, because a support desk, its providers and its subscribers seldom share a zone.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::quoted;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What a person means by `since` and `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// A span before now, ms.
    Ago(i64),
    /// At that time, ms since 1970 UTC.
    At(i64),
}

impl Since {
    /// As ms since 1970 UTC.
    #[must_use]
    pub const fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Ago(ms) => now_ms.saturating_sub(ms),
            Self::At(ms) => ms,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        ago(trimmed)
            .map(Self::Ago)
            .or_else(|| at(trimmed).map(Self::At))
            .ok_or_else(|| {
                format!(
                    "{} is no time: write how long ago (90s, 30m, 2h, 7d), or a time in UTC \
                     (2025-10-09, 2025-10-09T08:53, 2025-10-09T08:53:20Z)",
                    quoted(text)
                )
            })
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
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let text = text.replace('T', " ");
    let text = text.trim_end_matches('Z');
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
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
            (
                "2025-10-09T08:53Z",
                Some(Since::At(1_760_000_000_000 - 20_000)),
            ),
            ("2025-10-09T08:53:20", Some(Since::At(1_760_000_000_000))),
            (
                "2025-10-09T10:53:20+02:00",
                Some(Since::At(1_760_000_000_000)),
            ),
            ("2025-10-09T08:53:20.5Z", Some(Since::At(1_760_000_000_500))),
            ("yesterday", None),
            ("2025-13-09", None),
            ("-2h", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }
}

//! When it happened: offsets without a colon, any zone, and what else is found in the wild.

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

use super::super::json::{present, scalar};
use crate::model::ProviderTime;

/// Takes `Z`, `+01`, `+0000` and `+01:00`, and any number of fraction digits; RFC 3339
/// would refuse Infobip's usual `+0000`. The zone is the account's, not always UTC.
const PATTERN: &str = "%Y-%m-%dT%H:%M:%S%.f%#z";
/// The oldest APIs sent no offset and meant UTC.
const PATTERN_WITHOUT_OFFSET: &str = "%Y-%m-%dT%H:%M:%S%.f";
/// The last millisecond that four digits of a year can write.
const LAST_MS: i64 = 253_402_300_799_999;
/// Below this a number counts seconds: as milliseconds it would be March 1973, as seconds
/// it is the year 5138.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// A time as received, and what was odd about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The time.
    pub(super) time: ProviderTime,
    /// `time-missing`, `time-unusable` or `time-without-offset`.
    pub(super) oddity: Option<&'static str>,
}

/// Reads the first of the named members that is there.
///
/// One that is there but cannot be used is not replaced by the next: that would be the time
/// of something else.
pub(super) fn read(element: &Value, names: &[&str]) -> Reading {
    let found = names.iter().find_map(|name| {
        let member = present(element, name)?;
        scalar(member).or_else(|| Some(member.to_string()))
    });
    let Some(text) = found else {
        return Reading {
            oddity: Some("time-missing"),
            ..Reading::default()
        };
    };
    let (ms, oddity) = milliseconds(text.trim());
    let ms = ms.filter(|ms| (0..=LAST_MS).contains(ms));
    Reading {
        oddity: if ms.is_some() {
            oddity
        } else {
            Some("time-unusable")
        },
        time: ProviderTime {
            text: Some(text),
            ms,
        },
    }
}

fn milliseconds(text: &str) -> (Option<i64>, Option<&'static str>) {
    if let Ok(time) = DateTime::parse_from_str(text, PATTERN) {
        return (Some(time.timestamp_millis()), None);
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(text, PATTERN_WITHOUT_OFFSET) {
        let ms = time.and_utc().timestamp_millis();
        return (Some(ms), Some("time-without-offset"));
    }
    (epoch(text), None)
}

/// A count since 1970: whole milliseconds, or seconds with or without a fraction.
fn epoch(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: i64 = whole.parse().ok()?;
    if count >= FIRST_MILLISECONDS {
        return Some(count);
    }
    // Three digits of the fraction, as if it had been padded with zeros.
    let fraction = fraction.bytes().map(|digit| i64::from(digit - b'0'));
    let thousandths = fraction
        .chain(std::iter::repeat(0))
        .take(3)
        .fold(0, |sum, digit| sum * 10 + digit);
    Some(count * 1000 + thousandths)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(given: &Value, ms: Option<i64>, oddity: Option<&str>) {
        let reading = read(&json!({"doneAt": given}), &["doneAt"]);
        assert_eq!((reading.time.ms, reading.oddity), (ms, oddity), "{given}");
    }

    #[test]
    fn a_time_is_read_in_every_zone_and_form() {
        let cases = [
            ("2026-02-11T08:15:30.120+0000", 1_770_797_730_120),
            ("2026-02-11T05:15:30.120-0300", 1_770_797_730_120),
            ("2026-02-11T13:45:30.120+0530", 1_770_797_730_120),
            ("2026-02-11T09:15:30.120+01:00", 1_770_797_730_120),
            ("2026-02-11T09:15:30+01", 1_770_797_730_000),
            ("2026-02-11T08:15:30Z", 1_770_797_730_000),
            ("2026-02-11T08:15:30.120456789Z", 1_770_797_730_120),
            (" 2026-02-11T08:15:30Z ", 1_770_797_730_000),
            ("1770797730120", 1_770_797_730_120),
            ("1970-01-01T00:00:00.000+0000", 0),
            ("9999-12-31T23:59:59.999+0000", LAST_MS),
        ];
        for (given, ms) in cases {
            check(&json!(given), Some(ms), None);
        }
        let without_offset = json!("2026-02-11T08:15:30.120");
        let oddity = Some("time-without-offset");
        check(&without_offset, Some(1_770_797_730_120), oddity);
    }

    #[test]
    fn a_number_counts_milliseconds_or_seconds() {
        check(&json!(1_770_797_730_120_i64), Some(1_770_797_730_120), None);
        check(&json!(1_770_797_730), Some(1_770_797_730_000), None);
        check(&json!(1_770_797_730.12), Some(1_770_797_730_120), None);
    }

    #[test]
    fn a_time_that_cannot_be_is_named_as_such() {
        let unusable = [
            json!("0001-01-01T00:00:00.000+0000"),
            json!("2026-02-30T08:15:30.000+0000"),
            json!("2026-02-11"),
            json!("yesterday"),
            json!("-.5"),
            json!(-1),
            json!(1e300),
            json!(i64::MAX),
            json!({"x": 1}),
            json!(true),
        ];
        for given in unusable {
            check(&given, None, Some("time-unusable"));
        }
        for given in [json!(""), json!(null), json!({}), json!([])] {
            check(&given, None, Some("time-missing"));
        }
    }

    #[test]
    fn the_first_time_that_is_there_counts_as_received() {
        let names = ["doneAt", "sentAt"];
        let cases = [
            (
                json!({"doneAt": "x", "sentAt": "2026-02-11T08:15:30Z"}),
                Some("x"),
            ),
            (json!({"doneAt": "", "sentAt": 17}), Some("17")),
            (json!({"doneAt": {}, "sentAt": 17.0}), Some("17")),
            (json!({"doneAt": null}), None),
        ];
        for (element, text) in cases {
            assert_eq!(read(&element, &names).time.text.as_deref(), text);
        }
    }
}

//! Times and durations as senders and payloads write them.

use chrono::DateTime;
use serde_json::Value;

use super::whole_number;

/// Reads a time as payloads have it: RFC 3339, or seconds or milliseconds since 1970 UTC in
/// digits. Milliseconds since 1970 UTC.
#[must_use]
pub fn read_time(text: &str) -> Option<i64> {
    const FIRST_MILLIS: i64 = 100_000_000_000;
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            0..FIRST_MILLIS => Some(number * 1000),
            FIRST_MILLIS.. => Some(number).filter(|ms| *ms < 1000 * FIRST_MILLIS),
            _ => None,
        };
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

/// Reads how long something lives: seconds, as a number or in digits, or an ISO 8601 duration
/// of days, hours, minutes and seconds, as in `P4D` or `PT1H`. Seconds.
#[must_use]
pub fn read_ttl(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Number(number) => whole_number(number)?,
        Value::String(text) => match text.trim().parse() {
            Ok(seconds) => seconds,
            Err(_) => read_duration(text.trim())?,
        },
        _ => return None,
    };
    (seconds > 0).then_some(seconds)
}

fn read_duration(text: &str) -> Option<i64> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    let mut seconds: i64 = 0;
    for (part, units) in [
        (days, &[('W', 604_800), ('D', 86_400)][..]),
        (time, &[('H', 3600), ('M', 60), ('S', 1)]),
    ] {
        let mut part = part;
        while let Some(end) = part.find(|letter: char| !letter.is_ascii_digit()) {
            let count: i64 = part[..end].parse().ok()?;
            let letter = part[end..].chars().next()?;
            let (_, unit) = units.iter().find(|(name, _)| *name == letter)?;
            seconds = seconds.checked_add(count.checked_mul(*unit)?)?;
            part = &part[end + letter.len_utf8()..];
        }
        if !part.is_empty() {
            return None;
        }
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ttl_and_a_time_are_read_as_providers_and_payloads_write_them() {
        for (given, expected) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!("P4D"), Some(345_600)),
            (json!("P1DT1H30M5S"), Some(91_805)),
            (json!("PT"), None),
            (json!("P"), None),
            (json!("P1Y"), None),
            (json!("P99999999999999999W"), None),
            (json!(0), None),
            (json!(-5), None),
            (json!(1.5), None),
            (json!(null), None),
        ] {
            assert_eq!(read_ttl(&given), expected, "{given}");
        }
        for (given, expected) in [
            ("2026-02-11T08:15:32.904Z", Some(1_770_797_732_904)),
            ("2026-02-11T09:15:32.904+01:00", Some(1_770_797_732_904)),
            ("1770797732", Some(1_770_797_732_000)),
            ("1770797732904", Some(1_770_797_732_904)),
            ("-1", None),
            ("99999999999999999", None),
            ("yesterday", None),
        ] {
            assert_eq!(read_time(given), expected, "{given}");
        }
    }
}

//! Times in what a provider adds to a notice, as people read them: when a restriction ends, when an
//! account is to be disabled.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// Before it (September 2001) a number is no time that anybody would name.
const FIRST_SECOND: f64 = 1e9;
/// From here on a number counts milliseconds.
const FIRST_MILLISECOND: f64 = 1e11;
/// The last of them: 2100.
const LAST_MILLISECOND: f64 = 4_102_444_800_000.0;
/// RFC 3339, and `+0000` as Facebook's own API writes offsets.
const WITH_OFFSET: &str = "%Y-%m-%dT%H:%M:%S%.f%#z";
const WITHOUT_OFFSET: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];

/// A time as a person reads it, and in milliseconds since 1970 UTC where it is understood; what is
/// not stays as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) text: String,
    pub(super) ms: Option<i64>,
}

impl Moment {
    /// Reads a count since 1970, a date, or a date and a time.
    pub(super) fn read(given: &str) -> Self {
        let given = given.trim();
        let day = NaiveDate::parse_from_str(given, "%Y-%m-%d").ok();
        let day = day.and_then(|day| day.and_hms_opt(0, 0, 0));
        if let Some(day) = day {
            // It ends at some time of that day, which is not given: it lasts all of it.
            let next = day.checked_add_days(chrono::Days::new(1));
            return Self {
                text: given.to_owned(),
                ms: next.map(|next| next.and_utc().timestamp_millis()),
            };
        }
        let time = epoch(given).or_else(|| written(given));
        Self {
            text: time.map_or_else(
                || given.to_owned(),
                |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ),
            ms: time.map(|time| time.timestamp_millis()),
        }
    }
}

fn epoch(given: &str) -> Option<DateTime<Utc>> {
    let count: f64 = given.parse().ok()?;
    let ms = if (FIRST_SECOND..FIRST_MILLISECOND).contains(&count) {
        count * 1000.0
    } else {
        count
    };
    if !(FIRST_MILLISECOND..=LAST_MILLISECOND).contains(&ms) {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "at most 4.2e12, which both types hold exactly"
    )]
    DateTime::from_timestamp_millis(ms.round() as i64)
}

fn written(given: &str) -> Option<DateTime<Utc>> {
    let with_offset = DateTime::parse_from_str(given, WITH_OFFSET).ok();
    let without = |pattern: &&str| NaiveDateTime::parse_from_str(given, pattern).ok();
    with_offset
        .map(|time| time.to_utc())
        .or_else(|| Some(WITHOUT_OFFSET.iter().find_map(without)?.and_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_people_read_it_and_what_is_none_as_it_came() {
        let at = Some(1_798_761_599_000);
        let shown = "2026-12-31 23:59:59 UTC";
        for given in [
            "1798761599",
            "1798761599000",
            "1798761599.0",
            "2026-12-31T23:59:59Z",
            "2026-12-31T23:59:59.000Z",
            "2026-12-31T23:59:59+0000",
            "2027-01-01T00:59:59+01:00",
            "2026-12-31T23:59:59",
            " 2026-12-31 23:59:59 ",
        ] {
            let moment = Moment::read(given);
            assert_eq!((&*moment.text, moment.ms), (shown, at), "{given}");
        }
        let day = Moment::read("2026-12-31");
        assert_eq!(
            (&*day.text, day.ms),
            ("2026-12-31", Some(1_798_761_600_000))
        );
        for given in [
            "October 9, 2026",
            "0",
            "-1",
            "7",
            "99999999999999999",
            "NaN",
            "never",
        ] {
            let moment = Moment::read(given);
            assert_eq!((&*moment.text, moment.ms), (given, None), "{given}");
        }
    }
}

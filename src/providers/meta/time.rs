//! Meta's times: seconds since 1970 UTC, or milliseconds as some relays send them.

/// The end of the year 2100 in seconds since 1970 UTC: what is later is no time of ours.
const LATEST_SECOND: f64 = 4_133_980_799.0;

/// From here on (in seconds the year 33658) a timestamp is in milliseconds, as some relays
/// send it. Between the two lies nothing that WhatsApp was there for.
const FIRST_MILLISECOND: f64 = 1e12;

/// A timestamp in milliseconds since 1970 UTC, from seconds or milliseconds by its size;
/// `None` for what is no time up to the year 2100.
pub(super) fn milliseconds(timestamp: f64) -> Option<i64> {
    let ms = if timestamp > 0.0 && timestamp <= LATEST_SECOND {
        timestamp * 1000.0
    } else if (FIRST_MILLISECOND..=LATEST_SECOND * 1000.0).contains(&timestamp) {
        timestamp
    } else {
        return None;
    };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "at most 4.2e12, which both types hold exactly"
    )]
    Some(ms.round() as i64)
}

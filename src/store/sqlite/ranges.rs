//! The times of each 1024 keys, so that an old key is not taken for an old time.
//!
//! Keys are in order of arrival; times are what a clock showed, and a clock may jump. A range
//! is noted when the key after it is given out, within the same transaction. Only a range that
//! is known to hold nothing of a time is passed over, so a range without a note costs a look
//! and never a row.
//!
//! That serves pruning and every `since`, and costs a small row for a thousand. An index on each time cost every
//! report, and triggers in place of the call cost an insert 1.5 µs. What may not be pruned yet (a pending forward, a
//! message that is still reported) is stepped over.

use crate::model::Word as _;

use rusqlite::{Connection, params};

/// Keys in a range.
const KEYS: i64 = 1024;

/// The first and the last of some keys.
pub(super) type KeySpan = (i64, i64);

/// What has a time within the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Timed {
    /// When it was received.
    Webhook,
    /// When it was first reported; a report that an earlier clock stamped lowers it later.
    Message,
    /// When its report was received.
    Payload,
    /// Since when it is pending; a retry by hand raises it.
    Forward,
    /// When it began.
    Attempt,
}

impl Timed {
    /// The time, and where it stands. A payload without its report is as old as can be; one of
    /// an event is not pruned by its key.
    const fn time(self) -> (&'static str, &'static str) {
        match self {
            Self::Webhook => ("received_at_ms", "webhook WHERE TRUE"),
            Self::Message => ("first_report_at_ms", "message WHERE TRUE"),
            Self::Payload => (
                "coalesce(report.received_at_ms, 0)",
                "payload LEFT JOIN report USING (report_id) WHERE payload.report_id > 0",
            ),
            Self::Forward => ("pending_since_ms", "forward WHERE TRUE"),
            Self::Attempt => ("started_at_ms", "attempt WHERE TRUE"),
        }
    }
}

/// To be called with each key that is given out: notes the range that ended before it.
pub(super) fn given_out(connection: &Connection, timed: Timed, key: i64) -> rusqlite::Result<()> {
    if key % KEYS == 0 {
        note(connection, timed, key / KEYS - 1, key / KEYS - 1)?;
    }
    Ok(())
}

/// Notes these ranges by the rows that they hold now.
fn note(connection: &Connection, timed: Timed, first: i64, last: i64) -> rusqlite::Result<()> {
    let kind = timed.as_str();
    connection
        .prepare_cached("DELETE FROM key_range WHERE kind = ?1 AND range_id BETWEEN ?2 AND ?3")?
        .execute(params![kind, first, last])?;
    let (time, from) = timed.time();
    connection
        .prepare_cached(&format!(
            "INSERT INTO key_range SELECT ?1, {kind}_id / {KEYS}, min({time}), max({time}) \
             FROM {from} AND {kind}_id BETWEEN ?2 AND ?3 GROUP BY {kind}_id / {KEYS}"
        ))?
        .execute(params![kind, first * KEYS, last * KEYS + KEYS - 1])?;
    Ok(())
}

/// Notes again the ranges that end among these keys, after rows of them were removed. The range
/// that is still being filled is left to [`given_out`].
pub(super) fn thinned(
    connection: &Connection,
    timed: Timed,
    (first_key, last_key): KeySpan,
) -> rusqlite::Result<()> {
    let given_out: i64 = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1")?
        .query_row([timed.as_str()], |row| row.get(0))?;
    let last = (last_key.saturating_add(1) / KEYS).min(given_out / KEYS) - 1;
    let first = first_key / KEYS;
    if first <= last {
        note(connection, timed, first, last)?;
    }
    Ok(())
}

/// The range of this forward holds one that is pending since now.
pub(super) fn requeued(
    connection: &Connection,
    forward_id: i64,
    now_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE key_range SET latest_ms = max(latest_ms, ?2), \
             earliest_ms = min(earliest_ms, ?2) WHERE kind = 'forward' AND range_id = ?1",
        )?
        .execute([forward_id / KEYS, now_ms])?;
    Ok(())
}

/// The next keys after this one that may hold a row from before that time, however late the
/// keys: those up to which, without a gap, that is not known to be otherwise.
pub(super) fn before(
    connection: &Connection,
    timed: Timed,
    after_key: i64,
    before_ms: i64,
) -> rusqlite::Result<KeySpan> {
    let mut range = after_key.saturating_add(1) / KEYS;
    let mut select = connection.prepare_cached(
        "SELECT range_id FROM key_range WHERE kind = ?1 AND range_id >= ?2 AND earliest_ms >= ?3 \
         ORDER BY range_id",
    )?;
    let mut younger = select.query(params![timed, range, before_ms])?;
    let mut last_key = i64::MAX;
    while let Some(row) = younger.next()? {
        let young: i64 = row.get(0)?;
        if young > range {
            last_key = young * KEYS - 1;
            break;
        }
        range += 1;
    }
    Ok((after_key.saturating_add(1).max(range * KEYS), last_key))
}

/// The keys that may hold rows from `since_ms` on and before `until_ms`, the newest first.
pub(super) fn within(
    connection: &Connection,
    timed: Timed,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
) -> rusqlite::Result<Vec<KeySpan>> {
    // What was noted of messages as the earliest may be lowered later.
    let until_ms = until_ms.filter(|_| timed != Timed::Message);
    let mut select = connection.prepare_cached(
        "SELECT range_id FROM key_range WHERE kind = ?1 AND (latest_ms < ?2 OR earliest_ms >= ?3) \
         ORDER BY range_id DESC",
    )?;
    let mut outside = select.query(params![timed, since_ms, until_ms])?;
    let (mut found, mut last_key) = (Vec::new(), i64::MAX);
    while let Some(row) = outside.next()? {
        let range: i64 = row.get(0)?;
        if (range + 1) * KEYS <= last_key {
            found.push(((range + 1) * KEYS, last_key));
        }
        last_key = range * KEYS - 1;
    }
    if last_key >= 0 {
        found.push((0, last_key));
    }
    Ok(found)
}

/// All keys, where no time is given.
pub(super) fn all() -> Vec<KeySpan> {
    vec![(0, i64::MAX)]
}

/// As a list that SQL reads with `json_each`: `value ->> 0` is the first key of each, `value ->> 1`
/// the last.
pub(super) fn as_json(keys: &[KeySpan]) -> String {
    serde_json::to_string(keys).unwrap_or_else(|_| format!("[[0,{}]]", i64::MAX))
}

#[cfg(test)]
mod tests;

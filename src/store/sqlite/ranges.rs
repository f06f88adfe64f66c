//! The times of each 1024 keys, so that an old key is not taken for an old time.
//!
//! Keys are in order of arrival; times are what a clock showed, and a clock may jump. A range
//! is noted when the key after it is given out, within the same transaction. Only a range that
//! is known to hold nothing of a time is passed over, so a range without a note costs a look
//! and never a row.
//!
//! The writer knows the time of each key that it gives out, so it notes most ranges from memory
//! ([`RangeTimes`]). To read a thousand rows of each kind back cost every report 2 µs. It reads the rows of a range
//! that something else may have changed meanwhile, and of one that it did not see from its first key.
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

/// The time of a row whose key is given out.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowTime {
    /// This one, ms since 1970 UTC.
    At(i64),
    /// It has none that counts.
    Uncounted,
    /// It was not looked up: its range is to be read.
    Unknown,
}

/// The times of the ranges that are being filled, each seen from its first key.
///
/// They follow the writer's groups alone. They are to be dropped when a transaction is rolled back, and
/// when another one may have changed rows.
#[derive(Debug, Default)]
pub(super) struct RangeTimes([Option<OpenRange>; Timed::ALL.len()]);

/// A range that is being filled.
#[derive(Debug, Clone, Copy)]
struct OpenRange {
    range: i64,
    /// The earliest and the latest, once a row counts. A row whose time is moved may leave them too far apart,
    /// which costs a look; never too close.
    times_ms: Option<(i64, i64)>,
}

impl RangeTimes {
    /// To be called with each key that is given out: notes the range that ended before it.
    pub(super) fn given_out(
        &mut self,
        connection: &Connection,
        timed: Timed,
        (key, time): (i64, RowTime),
    ) -> rusqlite::Result<()> {
        let range = key / KEYS;
        let slot = &mut self.0[timed as usize];
        let ended = slot.take_if(|open| open.range != range);
        if let Some(ended) = ended.filter(|ended| ended.range < range) {
            ended.note(connection, timed)?;
        }
        if key % KEYS == 0 {
            if ended.is_none_or(|ended| ended.range != range - 1) {
                note(connection, timed, range - 1, range - 1)?;
            }
            *slot = Some(OpenRange {
                range,
                times_ms: None,
            });
        }
        match time {
            RowTime::At(at_ms) => self.moved(timed, (key, at_ms)),
            RowTime::Uncounted => {}
            RowTime::Unknown => self.forget(timed),
        }
        Ok(())
    }

    /// The row of that key has this time from now on.
    pub(super) fn moved(&mut self, timed: Timed, (key, at_ms): (i64, i64)) {
        let open = self.0[timed as usize].as_mut();
        if let Some(open) = open.filter(|open| open.range == key / KEYS) {
            let (earliest_ms, latest_ms) = open.times_ms.unwrap_or((at_ms, at_ms));
            open.times_ms = Some((earliest_ms.min(at_ms), latest_ms.max(at_ms)));
        }
    }

    /// The rows of this kind changed in a way that is not followed.
    pub(super) fn forget(&mut self, timed: Timed) {
        self.0[timed as usize] = None;
    }
}

impl OpenRange {
    fn note(self, connection: &Connection, timed: Timed) -> rusqlite::Result<()> {
        let Some((earliest_ms, latest_ms)) = self.times_ms else {
            return Ok(());
        };
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO key_range (kind, range_id, earliest_ms, latest_ms) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![timed, self.range, earliest_ms, latest_ms])?;
        Ok(())
    }
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
/// that is still being filled is left to [`RangeTimes::given_out`].
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

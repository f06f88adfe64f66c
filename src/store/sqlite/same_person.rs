//! People who are known by several names: numbers and user ids that were named together, or of
//! which one took the place of another.
//!
//! A search for one of the names means the person, so a search and an erasure begin with all
//! of them, and so does the history of a group's member. A scope that sees a source sees the
//! names that it gave, and no other's.
//!
//! Two names that one statement gives a person (a report, `contacts`, a registration, a notice of a new
//! number or user id) are stored as a pair, once per person and not per report. A pair that arrives after
//! the reports it links finds their messages by the failures of the person's names, which alone have an
//! index for that, so every order ends in one state. Pairs are believed within their source. No name leads
//! to more than 64 others: a name with more is a placeholder.

use std::collections::BTreeSet;

use rusqlite::{Connection, params, params_from_iter};

use super::clause::Clause;
use super::search;
use crate::model::usual_name;

/// Every name of the person with this one, as far as these sources gave them; of all when empty.
pub(super) fn names_of(
    connection: &Connection,
    name: &str,
    sources: &[String],
) -> rusqlite::Result<BTreeSet<String>> {
    let mut clause = Clause::default();
    let name = clause.bind(name.to_owned());
    search::of_sources(&mut clause, sources, "same_person");
    let of_sources = clause.text();
    connection
        .prepare_cached(&format!(
            "WITH RECURSIVE person (known) AS (SELECT {name} \
             UNION SELECT other_name FROM person CROSS JOIN same_person ON name = known \
             WHERE {of_sources} \
             UNION SELECT name FROM person CROSS JOIN same_person ON other_name = known \
             WHERE {of_sources}) SELECT known FROM person"
        ))?
        .query_map(params_from_iter(clause.values()), |row| row.get(0))?
        .collect()
}

/// What a member is called, the same under each of its names.
pub(super) fn called(
    connection: &Connection,
    participant: &str,
    source: &[String],
) -> rusqlite::Result<String> {
    let names = names_of(connection, participant, source)?;
    Ok(usual_name(&names).unwrap_or(participant).to_owned())
}

/// The keys of links that were not reported since: they are of no use once the messages are gone.
pub(super) fn old(
    connection: &Connection,
    before_ms: i64,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT same_person_id FROM same_person WHERE last_seen_ms < ?1 LIMIT ?2")?
        .query_map(params![before_ms, limit], |row| row.get(0))?
        .collect()
}

/// Forgets that link, where it was not reported meanwhile either.
pub(super) fn forget_old(
    connection: &Connection,
    key: i64,
    before_ms: i64,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM same_person WHERE same_person_id = ?1 AND last_seen_ms < ?2")?
        .execute([key, before_ms])
}

/// Forgets every link that names one of a person's names.
pub(super) fn forget(connection: &Connection, name: &str) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM same_person WHERE name = ?1 OR other_name = ?1")?
        .execute([name])
}

//! People who are known by several names: a number or a user id took the place of another.
//!
//! Whoever looks for one of the names means the person, so a search and an erasure begin with all
//! of them. Who may see a source may see what it told of its people, and no other's.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::clause::Clause;
use super::search;

/// The most names that one person is followed through.
const MOST: usize = 64;

/// Remembers that these names are one person's.
pub(super) fn link(
    connection: &Connection,
    source_id: i64,
    names: &[String],
    at_ms: i64,
) -> rusqlite::Result<()> {
    let Some((first, others)) = names.split_first() else {
        return Ok(());
    };
    for other in others {
        connection
            .prepare_cached(
                "INSERT INTO same_person (source_id, name, other_name, first_seen_ms, \
                 last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?4) \
                 ON CONFLICT (source_id, name, other_name) DO UPDATE SET \
                 first_seen_ms = min(first_seen_ms, ?4), last_seen_ms = max(last_seen_ms, ?4)",
            )?
            .execute(params![source_id, first, other, at_ms])?;
    }
    Ok(())
}

/// Every name of the person with this one, as far as these sources told; of all when empty.
pub(super) fn names_of(
    connection: &Connection,
    name: &str,
    sources: &[String],
) -> rusqlite::Result<BTreeSet<String>> {
    let mut clause = Clause::default();
    search::of_sources(&mut clause, sources, "same_person");
    let of_sources = clause.text();
    let sources = clause.values().to_vec();
    let name_is = clause.bind(String::new());
    let mut select = connection.prepare_cached(&format!(
        "SELECT other_name FROM same_person WHERE name = {name_is} AND {of_sources} \
         UNION SELECT name FROM same_person WHERE other_name = {name_is} AND {of_sources}"
    ))?;
    let mut known = BTreeSet::from([name.to_owned()]);
    let mut unasked = vec![name.to_owned()];
    while let Some(name) = unasked.pop()
        && known.len() < MOST
    {
        let values = sources.iter().cloned().chain([Value::from(name)]);
        let others = select.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
        for other in others {
            let other = other?;
            if known.insert(other.clone()) {
                unasked.push(other);
            }
        }
    }
    Ok(known)
}

/// Forgets every link that names one of a person's names.
pub(super) fn forget(connection: &Connection, name: &str) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM same_person WHERE name = ?1 OR other_name = ?1")?
        .execute([name])
}

/// Forgets links of which nothing was told since; they are of no use once the messages are gone.
pub(super) fn prune(connection: &Connection, before_ms: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM same_person WHERE last_seen_ms < ?1")?
        .execute([before_ms])
}

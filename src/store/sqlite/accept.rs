//! Taking a group in: what it must know is loaded, the plan decides, and what it leaves is written.

use std::sync::Arc;

use rusqlite::Connection;

use super::apply::{Applied, apply};
use super::load::load;
use super::sources::Sources;
use crate::model::Subscriber;
use crate::plan::group::{self, Work, Writes};
use crate::providers::Provider;

/// Takes a group in at `now_ms` (ms since 1970 UTC), within the writer's transaction.
pub(super) fn take_in(
    connection: &Connection,
    sources: &mut Sources<'_>,
    works: &[Work<'_>],
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<Applied> {
    let id = |name: &Arc<str>, provider| sources.id(name, provider);
    let (writes, source_ids) = decide(connection, id, works, subscribers, now_ms)?;
    apply(connection, writes, &source_ids)
}

/// What a group would leave, and the keys of its sources, which `id` finds.
pub(super) fn decide<'w>(
    connection: &Connection,
    mut id: impl FnMut(&Arc<str>, Provider) -> rusqlite::Result<i64>,
    works: &[Work<'w>],
    subscribers: &[Arc<Subscriber>],
    now_ms: i64,
) -> rusqlite::Result<(Writes<'w>, Vec<i64>)> {
    let keys = group::keys(works);
    let source_ids = keys.sources.iter();
    let source_ids = source_ids.map(|(name, provider)| id(name, *provider));
    let source_ids: Vec<i64> = source_ids.collect::<rusqlite::Result<_>>()?;
    let known = load(connection, &keys, &source_ids)?;
    let writes = group::decide(works, keys, known, subscribers, now_ms);
    Ok((writes, source_ids))
}

//! Taking a group in: what it must know is loaded, the plan decides, and what it leaves is written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::{Connection, Error};

use super::apply::{Applied, apply};
use super::load::load;
use super::ranges::RangeTimes;
use super::sources::Sources;
use crate::model::Subscriber;
use crate::plan::group::{self, PublicIds, Work, Writes};
use crate::providers::Provider;

/// Takes a group in at that moment (ms since 1970 UTC, and ids for what it queues), within the writer's
/// transaction.
pub(super) fn take_in(
    (connection, times): (&Connection, &mut RangeTimes),
    sources: &mut Sources<'_>,
    works: &[Work<'_>],
    subscribers: &[Arc<Subscriber>],
    moment: (i64, &mut PublicIds),
) -> rusqlite::Result<Applied> {
    let id = |name: &Arc<str>, provider| sources.id(name, provider);
    let (writes, source_ids) = decide(connection, id, works, subscribers, moment)?;
    apply((connection, times), writes, &source_ids)
}

/// What a group would leave, and the keys of its sources, which `id` finds.
pub(super) fn decide<'w>(
    connection: &Connection,
    mut id: impl FnMut(&Arc<str>, Provider) -> rusqlite::Result<i64>,
    works: &[Work<'w>],
    subscribers: &[Arc<Subscriber>],
    moment: (i64, &mut PublicIds),
) -> rusqlite::Result<(Writes<'w>, Vec<i64>)> {
    let keys = group::keys(works);
    let source_ids = keys.sources.iter();
    let source_ids = source_ids.map(|(name, provider)| id(name, *provider));
    let source_ids: Vec<i64> = source_ids.collect::<rusqlite::Result<_>>()?;
    let known = load(connection, &keys, &source_ids)?;
    let writes = survive(|| group::decide(works, keys, known, subscribers, moment))?;
    Ok((writes, source_ids))
}

/// A panic in the plan is a bug of ours that must cost the webhook that it stumbles over, and not the
/// service: the provider would send the same bytes to the next start. The plan is pure, so it leaves
/// nothing broken.
fn survive<T>(decide: impl FnOnce() -> T) -> rusqlite::Result<T> {
    catch_unwind(AssertUnwindSafe(decide))
        .map_err(|_| Error::UserFunctionError("the plan panicked, a bug of ours".into()))
}

#[cfg(test)]
mod tests {
    use super::super::disk::is_of_the_surroundings;
    use super::survive;

    #[test]
    fn a_panic_in_the_plan_fails_its_group_alone() {
        let bug =
            || -> () { panic!("an invented bug: this message in the test's output is meant") };
        let failed = survive(bug).unwrap_err();
        assert!(!is_of_the_surroundings(&failed), "{failed}");
        assert_eq!(survive(|| 7).unwrap(), 7);
    }
}

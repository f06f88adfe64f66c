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
    let writes = survive(|| {
        #[cfg(test)]
        tests::stumble(works);
        group::decide(works, keys, known, subscribers, moment)
    })?;
    Ok((writes, source_ids))
}

/// A panic in the plan is a bug of ours that must cost the webhook that it stumbles over, and not the
/// service: the provider would send the same bytes to the next start. The plan is pure, so it leaves
/// nothing broken.
fn survive<T>(decide: impl FnOnce() -> T) -> rusqlite::Result<T> {
    catch_unwind(AssertUnwindSafe(decide))
        .map_err(|_| Error::UserFunctionError("the plan panicked, a bug of ours".into()))
}

/// Whether it is such a panic.
pub(super) const fn is_bug(error: &Error) -> bool {
    matches!(error, Error::UserFunctionError(_))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    use super::super::pieces::any_arrival;
    use crate::clock::Clock;
    use crate::plan::group::Work;
    use crate::store::query::{Scope, WebhookDetailQuery};
    use crate::store::{Arrival, Options, Store, WebhookOutcome};

    /// The client of a webhook over which the plan stumbles, in tests.
    const STUMBLING: &str = "an invented bug";

    /// Panics over such a webhook, if it is parsed.
    pub(super) fn stumble(works: &[Work<'_>]) {
        for work in works {
            if let Work::Webhook(arrival) = work
                && arrival.user_agent.as_deref() == Some(STUMBLING)
                && arrival.parsed.is_ok()
            {
                panic!("an invented bug: this message in the test's output is meant");
            }
        }
    }

    #[tokio::test]
    async fn a_webhook_that_the_plan_stumbles_over_is_kept_and_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::of_test(folder.path());
        let store = Store::open(&options, Clock::system(), std::sync::Arc::default()).unwrap();
        let usual = || -> Arrival {
            let tree = any_arrival().new_tree(&mut TestRunner::deterministic());
            tree.unwrap().current()
        };
        let odd = Arrival {
            user_agent: Some(STUMBLING.to_owned()),
            body: b"odd".to_vec(),
            ..usual()
        };
        let (first, odd, last) = tokio::join!(
            store.commit(usual()),
            store.commit(odd),
            store.commit(usual())
        );
        let (first, odd, last) = (first.unwrap(), odd.unwrap(), last.unwrap());
        assert_eq!(odd.outcome, WebhookOutcome::Unparsed);
        assert_ne!(first.webhook_id, last.webhook_id);
        let detail = WebhookDetailQuery {
            webhook_id: odd.webhook_id,
            scope: Scope::default(),
        };
        let detail = store.read(detail).await.unwrap().unwrap();
        assert_eq!(detail.body.as_deref(), Some(&b"odd"[..]));
        assert!(store.health().commit_ok);
        // Its part of the queue is free again.
        let shared = &store.sqlite().writer.shared;
        assert_eq!(shared.queued_bytes.load(Ordering::Relaxed), 0);
    }

    /// Kept unread it would count as taken in; as it is, it is asked for again.
    #[tokio::test]
    async fn the_answer_of_a_poll_over_which_the_plan_stumbles_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::of_test(folder.path());
        let store = Store::open(&options, Clock::system(), std::sync::Arc::default()).unwrap();
        let tree = any_arrival().new_tree(&mut TestRunner::deterministic());
        let answer = Arrival {
            user_agent: Some(STUMBLING.to_owned()),
            broadcast: Some("spring".to_owned()),
            ..tree.unwrap().current()
        };
        store.commit(answer).await.unwrap_err();
        assert!(store.health().commit_ok, "it says nothing of a webhook");
    }
}

//! Which jobs of the writer become one transaction and one sync.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::writer::WriterJob;
use crate::store::commit::CommitWork;

/// Jobs in one group.
const GROUP_LIMIT: usize = 256;
/// Things in one group that the plan decides: reports, account events, messages to be registered.
const GROUP_ITEMS_LIMIT: usize = 8192;
/// Bytes of bodies in one group.
const GROUP_BYTES_LIMIT: usize = 4 * 1024 * 1024;
/// How long settlements wait for a webhook to ride with.
const SETTLE_DELAY: Duration = Duration::from_millis(20);

/// Takes what waits, up to a group; webhooks have that much patience for more, settlements alone
/// wait a little for company. A job that wants to be alone, or would make the group too large, comes
/// back as the next one: only the first may be larger than a group.
pub(super) fn gather(
    first: WriterJob,
    inbox: &Receiver<WriterJob>,
    patience: Duration,
) -> (Vec<WriterJob>, Option<WriterJob>) {
    if wants_to_be_alone(&first) {
        return (vec![first], None);
    }
    let (mut bytes, mut decided) = size(&first);
    let mut urgent = first.is_awaited();
    let mut group = vec![first];
    let begun = Instant::now();
    while group.len() < GROUP_LIMIT && bytes < GROUP_BYTES_LIMIT && decided < GROUP_ITEMS_LIMIT {
        // Where one waits already, there is no need to look at the clock.
        let job = inbox.try_recv().ok().or_else(|| {
            let wait = if urgent {
                patience
            } else {
                SETTLE_DELAY.max(patience)
            };
            let left = wait.saturating_sub(begun.elapsed());
            inbox.recv_timeout(left).ok()
        });
        let Some(job) = job else { break };
        let (more_bytes, more_items) = size(&job);
        bytes += more_bytes;
        decided += more_items;
        let is_too_much = bytes > GROUP_BYTES_LIMIT || decided > GROUP_ITEMS_LIMIT;
        if is_too_much || wants_to_be_alone(&job) {
            return (group, Some(job));
        }
        urgent |= job.is_awaited();
        group.push(job);
    }
    (group, None)
}

/// Whether it shares no group: webhooks that are read again are many at once, and may be odd ones,
/// which must cost no new webhook its commit.
const fn wants_to_be_alone(job: &WriterJob) -> bool {
    matches!(
        job,
        WriterJob::Run(_) | WriterJob::Stop | WriterJob::Commit(CommitWork::Reparsed(_), _)
    )
}

/// What it adds to a group: bytes, and things that the plan decides.
fn size(job: &WriterJob) -> (usize, usize) {
    match job {
        WriterJob::Commit(work, _) => (work.bytes(), work.items()),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;
    use tokio::sync::oneshot;

    use super::super::pieces::any_arrival;
    use super::*;
    use crate::clock::Clock;
    use crate::model::{Kind, Report, WebhookKey};
    use crate::providers::{Item, Parsed};
    use crate::store::Store;
    use crate::store::commit::{CommitWork, ReparsedWebhooks};
    use crate::store::{Arrival, Error, Options};

    fn arrival() -> Arrival {
        let tree = any_arrival().new_tree(&mut TestRunner::deterministic());
        tree.unwrap().current()
    }

    fn reparsed(webhook_id: WebhookKey) -> ReparsedWebhooks {
        ReparsedWebhooks {
            webhooks: vec![(webhook_id, arrival())],
        }
    }

    fn job(work: impl Into<CommitWork>) -> WriterJob {
        WriterJob::Commit(work.into(), oneshot::channel().0)
    }

    #[test]
    fn webhooks_that_are_read_again_share_no_group_with_new_ones() {
        let (jobs, inbox) = channel();
        for work in [
            arrival().into(),
            reparsed(WebhookKey::of(1)).into(),
            CommitWork::from(arrival()),
        ] {
            jobs.send(job(work)).unwrap();
        }
        drop(jobs);
        let (group, next) = gather(job(arrival()), &inbox, Duration::ZERO);
        assert_eq!(group.len(), 2);
        let (group, none) = gather(next.unwrap(), &inbox, Duration::ZERO);
        assert!(matches!(
            group[..],
            [WriterJob::Commit(CommitWork::Reparsed(_), _)]
        ));
        assert!(none.is_none());
    }

    #[test]
    fn a_job_that_would_make_a_group_too_large_is_left_for_the_next() {
        let of_size = |(bytes, items): (usize, usize)| {
            let report = || Item::Report(Box::new(Report::new(Kind::Status, "sent", None, b"x")));
            let items = std::iter::repeat_with(report).take(items).collect();
            job(Arrival {
                body: vec![b'x'; bytes],
                parsed: Ok(Parsed { items }),
                ..arrival()
            })
        };
        for (first, second, is_taken) in [
            ((GROUP_BYTES_LIMIT - 2, 0), (2, 0), true),
            ((GROUP_BYTES_LIMIT - 2, 0), (3, 0), false),
            ((0, GROUP_ITEMS_LIMIT - 2), (0, 2), true),
            ((0, GROUP_ITEMS_LIMIT - 2), (0, 3), false),
        ] {
            let (jobs, inbox) = channel();
            jobs.send(of_size(second)).unwrap();
            drop(jobs);
            let (group, next) = gather(of_size(first), &inbox, Duration::ZERO);
            assert_eq!(group.len(), 1 + usize::from(is_taken), "{second:?}");
            assert_eq!(next.is_none(), is_taken, "{second:?}");
        }
    }

    #[tokio::test]
    async fn an_old_webhook_that_cannot_be_taken_in_does_not_make_the_service_unready() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::of_test(folder.path());
        let store = Store::open(&options, Clock::system(), std::sync::Arc::default()).unwrap();
        let webhook_id = store.commit(arrival()).await.unwrap().webhook_id;
        let odd = rusqlite::Connection::open(folder.path().join("t.db")).unwrap();
        odd.execute_batch(
            "CREATE TRIGGER odd BEFORE UPDATE ON webhook BEGIN SELECT RAISE(ABORT, 'odd'); END",
        )
        .unwrap();
        let failed = store.commit(reparsed(webhook_id)).await;
        assert!(matches!(failed, Err(Error::Backend { .. })), "{failed:?}");
        assert!(store.health().commit_ok);
        // The control: a new webhook that cannot be taken in does.
        odd.execute_batch(
            "CREATE TRIGGER odder BEFORE INSERT ON webhook BEGIN SELECT RAISE(ABORT, 'odd'); END",
        )
        .unwrap();
        store.commit(arrival()).await.unwrap_err();
        assert!(!store.health().commit_ok);
    }
}

//! Which jobs of the writer become one transaction and one sync.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::writer::WriterJob;

/// Jobs in one group.
const GROUP_LIMIT: usize = 256;
/// Things in one group that the plan decides: reports, account events, messages to be registered.
const GROUP_ITEMS_LIMIT: usize = 8192;
/// Bytes of bodies in one group.
const GROUP_BYTES_LIMIT: usize = 4 * 1024 * 1024;
/// How long settlements wait for a webhook to ride with.
const SETTLE_DELAY: Duration = Duration::from_millis(20);

/// Takes what waits, up to a group; webhooks have that much patience for more, settlements alone
/// wait a little for company. A job that wants to be alone comes back as the next one.
pub(super) fn gather(
    first: WriterJob,
    inbox: &Receiver<WriterJob>,
    patience: Duration,
) -> (Vec<WriterJob>, Option<WriterJob>) {
    let (mut bytes, mut decided) = size(&first);
    let mut urgent = first.is_awaited();
    let mut group = vec![first];
    let begun = Instant::now();
    while group.len() < GROUP_LIMIT && bytes < GROUP_BYTES_LIMIT && decided < GROUP_ITEMS_LIMIT {
        let wait = if urgent {
            patience
        } else {
            SETTLE_DELAY.max(patience)
        };
        match inbox.recv_timeout(wait.saturating_sub(begun.elapsed())) {
            Ok(job @ (WriterJob::Run(_) | WriterJob::Stop)) => return (group, Some(job)),
            Ok(job) => {
                let (more_bytes, more_items) = size(&job);
                bytes += more_bytes;
                decided += more_items;
                urgent |= job.is_awaited();
                group.push(job);
            }
            Err(_) => break,
        }
    }
    (group, None)
}

/// What it adds to a group: bytes, and things that the plan decides.
fn size(job: &WriterJob) -> (usize, usize) {
    match job {
        WriterJob::Commit(work, _) => (work.bytes(), work.items()),
        _ => (0, 0),
    }
}

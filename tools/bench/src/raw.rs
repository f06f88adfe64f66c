//! The floor's store: raw bodies in one table, committed in groups, and nothing else.
//!
//! It is set up and tended as the relay's writer does it (the same pragmas, groups and
//! checkpoints beside it on a thread of their own), so that what is between the two is the
//! relay's work. Written again all the same: a floor that shared the writer's code would sink
//! with it.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use actix_web::web::Bytes;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Bodies in one commit, as in the relay.
const GROUP: usize = 256;
/// Pages of the WAL after which they are moved, as in the relay.
const CHECKPOINT_PAGES: u32 = 2048;
/// Passes of a checkpoint in one go, and how many pages one must have moved for another: as
/// in the relay.
const PASSES: usize = 4;
const FEW_PAGES: i64 = 256;

/// Where bodies are stored, and what a commit waits for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Storing {
    pub(super) file: PathBuf,
    /// The disk; else the operating system.
    pub(super) full: bool,
}

/// A body and who waits for it.
pub(super) type Job = (Bytes, oneshot::Sender<()>);

thread_local! {
    /// Pages of the WAL after the last commit of this thread.
    static WAL_PAGES: Cell<u32> = const { Cell::new(0) };
}

/// Makes the store and starts its two threads.
pub(super) fn store(storing: &Storing) -> anyhow::Result<Sender<Job>> {
    let connection = connect(storing)?;
    connection.execute("CREATE TABLE raw (id INTEGER PRIMARY KEY, body BLOB)", ())?;
    let moves = Moves::start(storing)?;
    let (jobs, inbox) = channel();
    std::thread::spawn(move || commit_all(&connection, &inbox, moves));
    Ok(jobs)
}

fn connect(storing: &Storing) -> rusqlite::Result<Connection> {
    let connection = Connection::open(&storing.file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    let synchronous = if storing.full { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(connection)
}

/// Commits what waits together, then answers all of it; ends when a commit fails, and whatever
/// waits is answered 503.
fn commit_all(
    connection: &Connection,
    inbox: &Receiver<Job>,
    mut moves: Moves,
) -> rusqlite::Result<()> {
    connection.wal_hook(Some(|_, pages| {
        WAL_PAGES.set(u32::try_from(pages).unwrap_or_default());
        Ok(())
    }));
    while let Ok(first) = inbox.recv() {
        let mut group = vec![first];
        group.extend(inbox.try_iter().take(GROUP - 1));
        let transaction = connection.unchecked_transaction()?;
        for (body, _) in &group {
            transaction
                .prepare_cached("INSERT INTO raw (body) VALUES (?1)")?
                .execute([body.as_ref()])?;
        }
        transaction.commit()?;
        for (_, done) in group {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
        let under_way = moves.under_way.load(Ordering::Acquire);
        match moves.turns.next(WAL_PAGES.get(), under_way) {
            Turn::Nothing => {}
            Turn::Beside => moves.begin(),
            Turn::Rest => drop(checkpoint(connection)?),
        }
    }
    Ok(())
}

/// What is to be done about the WAL after a commit.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Nothing,
    /// The other thread is to move what is there.
    Beside,
    /// It has, and what was committed meanwhile is the committing thread's: only then can
    /// the WAL start over.
    Rest,
}

/// When the WAL is moved, by its length alone.
#[derive(Debug)]
struct Turns {
    at_pages: u32,
    moving: bool,
}

impl Turns {
    const fn new() -> Self {
        Self {
            at_pages: CHECKPOINT_PAGES,
            moving: false,
        }
    }

    fn next(&mut self, pages: u32, under_way: bool) -> Turn {
        if under_way {
            return Turn::Nothing;
        }
        if std::mem::take(&mut self.moving) {
            self.at_pages = pages + CHECKPOINT_PAGES;
            return Turn::Rest;
        }
        if pages >= self.at_pages {
            self.moving = true;
            return Turn::Beside;
        }
        // It may have started over since.
        self.at_pages = self.at_pages.min(pages + CHECKPOINT_PAGES);
        Turn::Nothing
    }
}

/// The thread that moves the WAL into the file beside the committing one.
struct Moves {
    turns: Turns,
    under_way: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

impl Moves {
    fn start(storing: &Storing) -> anyhow::Result<Self> {
        let connection = connect(storing)?;
        let under_way: Arc<AtomicBool> = Arc::default();
        let (wake, woken) = sync_channel(1);
        let idle = Arc::clone(&under_way);
        std::thread::spawn(move || {
            while woken.recv().is_ok() {
                let mut moved_before = 0;
                for _ in 0..PASSES {
                    // One that fails leaves its pages to the next.
                    let Ok(moved) = checkpoint(&connection) else {
                        break;
                    };
                    if moved - moved_before < FEW_PAGES {
                        break;
                    }
                    moved_before = moved;
                }
                idle.store(false, Ordering::Release);
            }
        });
        Ok(Self {
            turns: Turns::new(),
            under_way,
            wake,
        })
    }

    fn begin(&self) {
        self.under_way.store(true, Ordering::Release);
        // It is idle, so there is room.
        let _ = self.wake.try_send(());
    }
}

/// Moves what no reader keeps; says how many pages are moved by now.
fn checkpoint(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(5);

    /// How often a WAL has started over, as its header counts; none while it is empty.
    fn starts(wal: &std::path::Path) -> Option<u32> {
        let mut count = [0; 4];
        let read = std::fs::File::open(wal)
            .unwrap()
            .read_exact_at(&mut count, 12);
        read.is_ok().then_some(u32::from_be_bytes(count))
    }

    #[test]
    fn pages_are_moved_beside_and_the_rest_once_that_is_done() {
        let mut turns = Turns::new();
        assert_eq!(turns.next(2047, false), Turn::Nothing);
        assert_eq!(turns.next(2050, false), Turn::Beside);
        assert_eq!(turns.next(2100, true), Turn::Nothing);
        assert_eq!(turns.next(2150, false), Turn::Rest);
        // The WAL starts over with the next commit.
        assert_eq!(turns.next(3, false), Turn::Nothing);
        assert_eq!(turns.next(2050, false), Turn::Nothing);
        assert_eq!(turns.next(2051, false), Turn::Beside);
    }

    #[test]
    fn what_is_stored_is_committed_and_the_log_starts_over() {
        let folder = tempfile::TempDir::new().unwrap();
        let storing = Storing {
            file: folder.path().join("raw.db"),
            full: false,
        };
        let jobs = store(&storing).unwrap();
        let wal = folder.path().join("raw.db-wal");
        let body = Bytes::from(vec![b'x'; 64 * 1024]);
        let begun = Instant::now();
        let mut stored = 0;
        let mut first = None;
        while first.is_none() || starts(&wal) == first {
            assert!(begun.elapsed() < PATIENCE, "the WAL never started over");
            let waiting: Vec<_> = (0..16)
                .map(|_| {
                    let (done, wait) = oneshot::channel();
                    jobs.send((body.clone(), done)).unwrap();
                    wait
                })
                .collect();
            for wait in waiting {
                wait.blocking_recv().unwrap();
            }
            stored += 16 * body.len() as u64;
            first = first.or_else(|| starts(&wal));
        }
        let connection = Connection::open(&storing.file).unwrap();
        let rows: u64 = connection
            .query_row("SELECT count(*) FROM raw", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows * body.len() as u64, stored);
    }
}

//! When to kill, and the evidence afterwards of where the kill fell.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::trial::{CONNECTIONS, IN_FLIGHT};

/// A stretch of the relay's line in which a kill may fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Window {
    /// The webhook was sent in full, was not answered, is not in the store.
    BeforeCommit,
    /// The webhook is in the store and was not answered.
    CommitToAnswer,
    /// The forward has reached the subscriber and is pending in the store.
    SendToSettle,
    /// A checkpoint had begun to copy the WAL into the file and had not ended.
    Checkpoint,
}

impl Window {
    pub(super) const ALL: [Self; 4] = [
        Self::BeforeCommit,
        Self::CommitToAnswer,
        Self::SendToSettle,
        Self::Checkpoint,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before commit",
            Self::CommitToAnswer => "commit to 200",
            Self::SendToSettle => "send to settle",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// How often the windows were hit.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Kills with enough requests in flight.
    kills: usize,
    /// Kills with fewer, which are checked and not counted.
    idle_kills: usize,
    /// Kills that fell into the window, and webhooks, forwards or checkpoints caught in it.
    hits: BTreeMap<Window, (usize, usize)>,
}

impl Tally {
    /// Counts one kill by what each window had caught.
    pub(super) fn count(&mut self, busy: bool, caught: [(Window, usize); 4]) {
        if !busy {
            self.idle_kills += 1;
            return;
        }
        self.kills += 1;
        for (window, caught) in caught.into_iter().filter(|(_, caught)| *caught > 0) {
            let (kills, sum) = self.hits.entry(window).or_default();
            *kills += 1;
            *sum += caught;
        }
    }

    /// Kills with enough requests in flight, and those with fewer.
    pub(super) fn kills(&self) -> (usize, usize) {
        (self.kills, self.idle_kills)
    }

    /// The windows that no kill fell into.
    pub(super) fn empty(&self) -> Vec<Window> {
        let mut windows = Window::ALL.to_vec();
        windows.retain(|window| !self.hits.contains_key(window));
        windows
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} kills with at least {IN_FLIGHT} requests in flight, {} with fewer",
            self.kills, self.idle_kills
        )?;
        for window in Window::ALL {
            let (kills, caught) = self.hits.get(&window).copied().unwrap_or_default();
            writeln!(f, "{:<16}{kills:>6} kills{caught:>9} caught", window.name())?;
        }
        Ok(())
    }
}

/// What to wait for before the kill; the counts are those of one run of the service.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// That many webhooks were sent.
    Sent(usize),
    /// That many were answered: others of the same group may be committed and are not yet.
    Answered(usize),
    /// That many forwards reached the subscriber: some of them are not settled yet. The
    /// load begins when nothing is pending any more, so that they are sent from memory; at the
    /// other moments a backlog waits in the table.
    Received(usize),
    /// The WAL is being copied into the file.
    Checkpoint,
}

impl Moment {
    /// The moment of kill number `kill`: each kind in turn, early and late.
    pub(super) fn of(kill: usize) -> Self {
        // Steps without a common divisor with the range, so that every part of it is met.
        let count = 150 + kill * 67 % 300;
        match kill % 4 {
            0 => Self::Checkpoint,
            1 => Self::Sent(CONNECTIONS + count),
            2 => Self::Answered(count),
            _ => Self::Received(count),
        }
    }
}

/// How far the WAL has been copied into the file, as the WAL's index says. The index is
/// shared memory over a file, so it can be read from outside and outlives a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backfill {
    /// Frames that are copied and synced.
    done: u32,
    /// Frames that the last checkpoint set out to copy; written before the first is.
    attempted: u32,
}

impl Backfill {
    /// Reads `nBackfill` and `nBackfillAttempted` where SQLite's description of the
    /// WAL-index format has them; `None` when there is no index.
    pub(super) fn read(index: &Path) -> Option<Self> {
        let mut words = [0; 36];
        File::open(index).ok()?.read_exact_at(&mut words, 96).ok()?;
        let word = |at: usize| Some(u32::from_ne_bytes(words[at..at + 4].try_into().ok()?));
        Some(Self {
            done: word(0)?,
            attempted: word(32)?,
        })
    }

    /// Whether a checkpoint is under way. `start` is what the index said when the service
    /// began: a recovery leaves it as if one had been broken off.
    pub(super) fn is_under_way(self, start: Option<Self>) -> bool {
        self.attempted > self.done && Some(self) != start
    }
}

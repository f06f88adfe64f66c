//! All connections of a thread, and what those of all threads share.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use actix_web::rt::net::TcpStream;
use tokio::sync::Semaphore;

use super::{Meter, Metered};

/// What all connections may hold beyond that, in bytes.
const SHARE: usize = 24 * 1024 * 1024;
/// Open connections, where files enough may be open; for one more, that which has kept us waiting
/// longest is cut.
pub(in crate::web) const CONNECTIONS: usize = 4_096;
/// Files beside connections of clients: the store's and its readers', sockets, the log.
const OTHER_FILES: u64 = 128;
/// One in so many of the files is for connections to subscribers, and for those of clients that are
/// cut and not yet closed.
const PART_OF_OTHERS: u64 = 4;

/// How many more may be open for a moment: those that are cut and not yet closed. Whoever comes beyond
/// that waits to be accepted, rather than that accepting fails.
pub(in crate::web) fn closing(open_files: Option<u64>) -> usize {
    let part = open_files.map_or(u64::MAX, |files| files / PART_OF_OTHERS / 2);
    usize::try_from(part).map_or(CONNECTIONS, |part| part.clamp(16, CONNECTIONS))
}

/// How many connections there may be at once where the process may have so many files open; `None`
/// where there is no limit.
pub(in crate::web) fn connections(open_files: Option<u64>) -> usize {
    let Some(files) = open_files else {
        return CONNECTIONS;
    };
    let left = (files - files / PART_OF_OTHERS).saturating_sub(OTHER_FILES);
    usize::try_from(left).map_or(CONNECTIONS, |left| left.clamp(16, CONNECTIONS))
}

/// What the connections of all threads share. A permit is a byte.
#[derive(Clone)]
pub(in crate::web) struct Share(pub(super) Arc<Semaphore>);

/// The connections of one thread.
pub(in crate::web) struct Crowd {
    share: Share,
    limit: usize,
    connections: RefCell<Vec<Weak<Meter>>>,
    turns: Turns,
}

/// Counts what connections did, to say who did it earlier.
#[derive(Clone, Default)]
pub(super) struct Turns(Rc<Cell<u64>>);

impl Turns {
    pub(super) fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

impl Default for Share {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARE)))
    }
}

impl Crowd {
    /// No connections yet, of which there may be `limit`.
    #[must_use]
    pub(in crate::web) fn new(share: Share, limit: usize) -> Self {
        Self {
            share,
            limit: limit.max(1),
            connections: RefCell::default(),
            turns: Turns::default(),
        }
    }

    /// Takes in a connection, in place of another when there are too many.
    pub(in crate::web) fn meter(&self, io: TcpStream) -> Metered {
        let meter = Rc::new(Meter::new(self.share.clone(), self.turns.clone()));
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.limit {
            connections.retain(|one| one.strong_count() > 0);
        }
        if connections.len() >= self.limit {
            let waiting = |one: &Weak<Meter>| one.upgrade().filter(|one| one.is_waiting());
            if let Some((at, longest)) = connections
                .iter()
                .enumerate()
                .filter_map(|(at, one)| Some((at, waiting(one)?)))
                .min_by_key(|(_, one)| one.waiting_since.get())
            {
                connections.swap_remove(at);
                longest.cut();
            }
        }
        connections.push(Rc::downgrade(&meter));
        Metered {
            io,
            meter,
            turn: 0,
            is_stuck: false,
            timer: None,
            late: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_left_for_what_is_no_connection_of_a_client() {
        for (open_files, expected) in [
            (None, 4_096),
            (Some(u64::MAX), 4_096),
            (Some(1_048_576), 4_096),
            (Some(8_192), 4_096),
            (Some(5_632), 4_096),
            (Some(4_096), 2_944),
            (Some(1_024), 640),
            (Some(256), 64),
            (Some(100), 16),
            (Some(0), 16),
        ] {
            assert_eq!(connections(open_files), expected, "{open_files:?}");
            if let Some(files) = open_files.filter(|files| *files >= 256) {
                let all = connections(open_files) + closing(open_files);
                let left = usize::try_from(files).map_or(usize::MAX, |files| files - all);
                assert!(left >= 96, "{files}: {left} for subscribers and the store");
            }
        }
    }
}

//! All connections of a thread, and what those of all threads share.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{BudgetedConnection, ConnectionBudget};

/// What all connections may hold beyond that, in bytes.
const SHARE: usize = 24 * 1024 * 1024;

/// What the connections of all threads share. A permit is a byte.
#[derive(Clone)]
pub(in crate::web) struct SharedBytes(pub(super) Arc<Semaphore>);

/// The connections of one thread.
pub(in crate::web) struct ConnectionLimit {
    share: SharedBytes,
    limit: usize,
    connections: RefCell<Vec<Weak<ConnectionBudget>>>,
    turns: TurnCounter,
}

/// Counts what connections did, to say which did it earlier.
#[derive(Clone, Default)]
pub(super) struct TurnCounter(Rc<Cell<u64>>);

impl TurnCounter {
    pub(super) fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

impl Default for SharedBytes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARE)))
    }
}

impl ConnectionLimit {
    /// No connections yet, of which there may be `limit`.
    #[must_use]
    pub(in crate::web) fn new(share: SharedBytes, limit: usize) -> Self {
        Self {
            share,
            limit: limit.max(1),
            connections: RefCell::default(),
            turns: TurnCounter::default(),
        }
    }

    /// Takes in a connection, in place of another when there are too many.
    pub(in crate::web) fn budget<Io>(&self, io: Io) -> BudgetedConnection<Io> {
        let budget = Rc::new(ConnectionBudget::new(
            self.share.clone(),
            self.turns.clone(),
        ));
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.limit {
            connections.retain(|one| one.strong_count() > 0);
        }
        if connections.len() >= self.limit {
            let waiting =
                |one: &Weak<ConnectionBudget>| one.upgrade().filter(|one| one.is_waiting());
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
        connections.push(Rc::downgrade(&budget));
        BudgetedConnection {
            io,
            budget,
            turn: 0,
            is_stuck: false,
            timer: None,
            late: None,
        }
    }
}

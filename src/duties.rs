//! Duties: loops of which a store has one each, beside the line. None of them is on the way of a
//! webhook.
//!
//! A duty is a name and a step that says when the next one is wanted. The [`supervisor`] runs all of
//! them: it holds a lease for each, waits between steps, logs what fails and starts a duty again that
//! panicked. So a duty has no loop, no task and no sleep of its own, and a test calls its step.

pub mod alerts;
pub mod expiry;
pub mod keys;
pub mod outages;
pub mod poll;
pub mod pruning;
pub mod replay;
pub mod supervisor;
pub mod watch;

use std::time::Duration;

use crate::store::{Error, Lease};

/// What is done again and again, by one instance at a time.
///
/// A clone of one that was not stepped yet starts again: after a panic, and with each new lease.
pub trait Duty: Clone + Send + Sync + 'static {
    /// Its name: of its role in the store, and in the log.
    const NAME: &'static str;

    /// Does a small part of it, and says when the next one is wanted.
    ///
    /// It writes by [`Store::step_under`](crate::store::Store::step_under), which refuses a lease that
    /// is lost; one that takes long looks at the lease before that. It is not cut off, neither by a lost
    /// lease nor by a stop: both wait for its end.
    ///
    /// # Errors
    /// The store's. The supervisor logs it and calls the step again after a while.
    fn step(&mut self, lease: &Lease) -> impl Future<Output = Result<Next, Error>> + Send;

    /// Waits until something asks for a step before its time. May be dropped at any time.
    fn woken(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// When the next step of a duty is wanted. One that is woken steps earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At this time of day, ms since 1970 UTC. At once when the clock is set back meanwhile, since the
    /// time was reckoned by the clock before.
    At(i64),
    /// After this pause, whatever the clock shows.
    After(Duration),
    /// When it is woken.
    Woken,
}

/// The time of day after a wait, ms since 1970 UTC.
fn after(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// The time of day at which something began that is of this age, ms since 1970 UTC.
fn before(now_ms: i64, age: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

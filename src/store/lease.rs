//! The right to do what exists once on a store.
//!
//! Polling, replays, watching and pruning are duties: two instances that did one at the same time
//! would send things twice, or remove what the other still reads. So an instance asks its store for
//! the role first ([`super::Store::role`]), and works while it holds the lease. Its store hands out the
//! lanes of subscribers in the same way ([`super::Store::open_lane`]).

use tokio::sync::watch;

/// One instance's right to a role or a lane, until it is lost.
///
/// On SQLite it is held for good: one process owns the file, and is the only instance. An engine with
/// several instances grants a role to one of them, and renews the lease with the instance's heartbeat.
/// It ends the lease early enough that the instance has stopped before another one is granted the role.
/// A lease that is lost stays lost: the instance asks for the role again, and gets a new one.
///
/// The lease goes to the store with each step that is taken under it ([`super::Store::step_under`]),
/// which refuses one that is lost. An instance that stood still for long may not know yet that it lost
/// the lease. So an engine with several instances also compares the lease's number with the last one
/// that it granted, within the transaction of the step. On SQLite nothing can have been granted
/// meanwhile, and there is nothing to compare. The answer of a poll is committed as a webhook is,
/// without a lease: what was stored before is a duplicate.
#[derive(Debug, Clone)]
pub struct Lease {
    number: u64,
    /// True once it is lost, as is one whose other end is gone; `None` where it cannot be.
    lost: Option<watch::Receiver<bool>>,
}

/// The engine's end of a [`Lease`]: dropped, it ends the lease.
#[derive(Debug)]
pub struct LeaseEnd(watch::Sender<bool>);

impl Lease {
    /// The number of every lease that cannot be lost: no other follows it.
    pub const FIRST: u64 = 1;

    /// One that is never lost.
    #[must_use]
    pub const fn for_good() -> Self {
        Self {
            number: Self::FIRST,
            lost: None,
        }
    }

    /// One that is held until its end is called.
    #[must_use]
    pub fn until_ended(number: u64) -> (Self, LeaseEnd) {
        let (end, lost) = watch::channel(false);
        let lost = Some(lost);
        (Self { number, lost }, LeaseEnd(end))
    }

    /// The number by which an engine fences what is written under it. Once a lease is lost, the next one
    /// of the same role or lane has a greater number, whoever is granted it.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Whether it is held now.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let lost = self.lost.as_ref();
        lost.is_none_or(|lost| !*lost.borrow() && lost.has_changed().is_ok())
    }

    /// Waits until it is lost.
    pub async fn lost(&self) {
        match &self.lost {
            // An error says that the other end is gone.
            Some(lost) => drop(lost.clone().wait_for(|lost| *lost).await),
            None => std::future::pending().await,
        }
    }
}

impl LeaseEnd {
    /// Ends the lease.
    pub fn end(self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;

    #[tokio::test]
    async fn a_lease_is_held_until_its_end_is_called_or_gone() {
        assert!(Lease::for_good().is_held());
        for is_called in [true, false] {
            let (lease, end) = Lease::until_ended(7);
            let copy = lease.clone();
            assert!(lease.is_held() && copy.is_held());
            assert_eq!(copy.number(), 7);
            if is_called {
                end.end();
            } else {
                drop(end);
            }
            assert!(!lease.is_held() && !copy.is_held());
            copy.lost().await;
        }
    }
}

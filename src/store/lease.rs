//! The right to do what exists once on a store.
//!
//! Polling, replays, watching and pruning are duties: two instances that did one at the same time
//! would send things twice, or remove what the other still reads. So an instance asks its store for
//! the role first ([`super::Store::role`]), and works while it holds the lease.

use tokio::sync::watch;

/// One instance's right to a role, until it is lost.
///
/// On SQLite it is held for good: one process owns the file, and is the only instance. An engine with
/// several instances grants a role to one of them, and renews the lease with the instance's heartbeat.
/// It ends the lease early enough that the instance has stopped before another one is granted the role;
/// what was under way is fenced by the lease's number when it is written. A lease that is lost stays
/// lost: the instance asks for the role again, and gets a new one.
#[derive(Debug, Clone)]
pub struct Lease {
    /// True once it is lost, as is one whose other end is gone; `None` where it cannot be.
    lost: Option<watch::Receiver<bool>>,
}

/// The engine's end of a [`Lease`]: dropped, it ends the lease.
#[derive(Debug)]
pub struct LeaseEnd(watch::Sender<bool>);

impl Lease {
    /// One that is never lost.
    #[must_use]
    pub const fn for_good() -> Self {
        Self { lost: None }
    }

    /// One that is held until its end is called.
    #[must_use]
    pub fn until_ended() -> (Self, LeaseEnd) {
        let (end, lost) = watch::channel(false);
        (Self { lost: Some(lost) }, LeaseEnd(end))
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
            let (lease, end) = Lease::until_ended();
            let copy = lease.clone();
            assert!(lease.is_held() && copy.is_held());
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

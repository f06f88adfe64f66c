//! Runs every duty until the service stops, and keeps each from harming the others.
//!
//! Each duty has a task. It asks for the role, and calls the duty's step while the lease is held. A
//! step that fails is called again after a pause, which doubles up to ten seconds: so all duties go on
//! within that time once the store works again, and the log is not flooded meanwhile. A duty that
//! panicked starts again, and so does one whose lease was lost: another instance may have changed what
//! it knew.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Duty, Next};
use crate::clock::Clock;
use crate::store::{Lease, Store};

/// The pause after a first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after failures, in first ones.
const MOST_PAUSES: u32 = 10;

/// Grants roles: the store, and in tests what they invent.
pub trait Roles: Send + Sync + 'static {
    /// Waits until this instance holds the role.
    fn role(&self, name: &'static str) -> impl Future<Output = Lease> + Send;
}

impl Roles for Store {
    fn role(&self, name: &'static str) -> impl Future<Output = Lease> + Send {
        Self::role(self, name)
    }
}

/// Runs duties; see the module.
#[must_use]
pub struct Supervisor<R> {
    attendant: Attendant<R>,
    duties: Vec<Started<R>>,
}

/// Runs one duty until the stop.
type Started<R> =
    Box<dyn FnOnce(Attendant<R>, watch::Receiver<bool>) -> BoxFuture<'static, ()> + Send>;

impl<R: Roles> Supervisor<R> {
    /// One without duties, whose leases come from `roles`.
    pub fn new(roles: R, clock: Clock) -> Self {
        Self::pausing(roles, clock, FIRST_PAUSE)
    }

    fn pausing(roles: R, clock: Clock, first_pause: Duration) -> Self {
        Self {
            attendant: Attendant {
                roles: Arc::new(roles),
                clock,
                first_pause,
            },
            duties: Vec::new(),
        }
    }

    /// With this duty too.
    pub fn with<D: Duty>(mut self, duty: D) -> Self {
        self.duties.push(Box::new(|attendant, stop| {
            Box::pin(attendant.attend(duty, stop))
        }));
        self
    }

    /// Runs all of them until `stop` turns true and the steps under way are over.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for duty in self.duties {
            tasks.spawn(duty(self.attendant.clone(), stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "duty.ended");
            }
        }
    }
}

/// What runs one duty.
struct Attendant<R> {
    roles: Arc<R>,
    clock: Clock,
    first_pause: Duration,
}

impl<R> Clone for Attendant<R> {
    fn clone(&self) -> Self {
        Self {
            roles: Arc::clone(&self.roles),
            clock: self.clock.clone(),
            first_pause: self.first_pause,
        }
    }
}

impl<R: Roles> Attendant<R> {
    /// Calls the duty's step while its lease is held, and asks for the role again when it is lost.
    async fn attend<D: Duty>(self, untouched: D, mut stop: watch::Receiver<bool>) {
        loop {
            let lease = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                lease = self.roles.role(D::NAME) => lease,
            };
            let mut attended = Attended {
                untouched: &untouched,
                duty: untouched.clone(),
                failures: 0,
            };
            while lease.is_held() {
                let began_ms = self.clock.now_ms();
                let next = attended.step(&lease).await;
                let is_set_back = self.clock.now_ms() < began_ms;
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = lease.lost() => {}
                    () = self.wait(&mut attended, next, is_set_back) => {}
                }
            }
        }
    }

    /// Waits until the next step is wanted.
    async fn wait<D: Duty>(
        &self,
        attended: &mut Attended<'_, D>,
        next: Option<Next>,
        is_set_back: bool,
    ) {
        let Some(next) = next else {
            return tokio::time::sleep(self.pause(attended.failures)).await;
        };
        let due = async {
            match next {
                Next::At(_) if is_set_back => {}
                Next::At(due_ms) => self.clock.sleep_until(due_ms).await,
                Next::After(pause) => tokio::time::sleep(pause).await,
                Next::Woken => std::future::pending().await,
            }
        };
        let is_well = tokio::select! {
            () = due => true,
            is_well = attended.woken() => is_well,
        };
        if !is_well {
            tokio::time::sleep(self.pause(attended.failures)).await;
        }
    }

    /// How long a duty rests after so many failures in a row; nothing wakes it meanwhile.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first_pause * doubled.min(MOST_PAUSES)
    }
}

/// A duty while its lease is held.
struct Attended<'u, D> {
    /// As it was before its first step.
    untouched: &'u D,
    duty: D,
    /// In a row.
    failures: u32,
}

impl<D: Duty> Attended<'_, D> {
    /// Calls its step; `None` when that failed.
    async fn step(&mut self, lease: &Lease) -> Option<Next> {
        let step = AssertUnwindSafe(self.duty.step(lease)).catch_unwind();
        match step.await {
            Ok(Ok(next)) => {
                self.failures = 0;
                return Some(next);
            }
            Ok(Err(error)) => {
                tracing::warn!(duty = D::NAME, %error, "duty.failed");
                self.failures = self.failures.saturating_add(1);
            }
            Err(_) => self.start_again(),
        }
        None
    }

    /// Waits until it is woken; false when that failed.
    async fn woken(&mut self) -> bool {
        let woken = AssertUnwindSafe(self.duty.woken()).catch_unwind();
        let is_well = woken.await.is_ok();
        if !is_well {
            self.start_again();
        }
        is_well
    }

    /// After a panic, what it knew may be half of something.
    fn start_again(&mut self) {
        tracing::error!(duty = D::NAME, "duty.panicked");
        self.duty = self.untouched.clone();
        self.failures = self.failures.saturating_add(1);
    }
}

//! Waiting for a condition, for as long as a busy machine may take.

use std::time::{Duration, Instant};

use super::TestApp;

/// How long a condition may take to come true before a test fails: long, because the machine may
/// be busy, and it costs nothing where the condition comes true.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Waits until a condition holds; fails the test when it does not come true.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut looks = Looks::begin();
    while !holds() {
        looks.pause(what).await;
    }
}

/// As `until`, for a condition that asks the service or its store.
pub(crate) async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut looks = Looks::begin();
    while !holds().await {
        looks.pause(what).await;
    }
}

/// The looks at a condition that does not hold yet.
struct Looks {
    deadline: Instant,
    began: Instant,
}

impl Looks {
    fn begin() -> Self {
        let began = Instant::now();
        let deadline = began + PATIENCE;
        Self { deadline, began }
    }

    /// Waits before the next look: as long as the last one took, so that a question that takes long
    /// leaves the machine to the service.
    async fn pause(&mut self, what: &str) {
        assert!(Instant::now() < self.deadline, "not in time: {what}");
        let pause = self.began.elapsed().max(Duration::from_millis(5));
        tokio::time::sleep(pause).await;
        self.began = Instant::now();
    }
}

impl TestApp {
    /// Waits until no forward is pending.
    pub(crate) async fn settled(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.pending(1).await.is_empty() {
            if Instant::now() >= deadline {
                // What became of them so far distinguishes a forward that waits from one that was
                // forgotten.
                let mut waiting = Vec::new();
                for forward in self.pending(100).await {
                    waiting.push(self.forward(forward.forward_id).await.forward);
                }
                panic!("not in time: every forward is settled; pending: {waiting:#?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

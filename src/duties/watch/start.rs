//! Where counting begins.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::Store;
use crate::store::query::ArrivedQuery;
use crate::store::watching::Position;

/// What was stored before the service began to take webhooks in.
///
/// So the first webhook is counted, however late the first look is. A duty that starts again, after a
/// panic or with a new lease, counts from then on.
#[derive(Clone, Default)]
pub struct WatchStart(Arc<Mutex<Option<Position>>>);

impl WatchStart {
    /// Notes what is stored now. Where that cannot be read the service starts all the same, and counts
    /// from its first look on.
    pub async fn mark(&self, store: &Store) {
        match store.read(ArrivedQuery { after: None }).await {
            Ok(arrived) => {
                let mut marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *marked = Some(arrived.position);
            }
            Err(error) => tracing::warn!(%error, "watch.start_unknown"),
        }
    }

    /// What was noted, once.
    pub(super) fn take(&self) -> Option<Position> {
        let mut marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marked.take()
    }
}

#[cfg(test)]
mod tests {

    use super::super::{Watch, Watching};
    use super::*;
    use crate::clock::Clock;
    use crate::config::Events;
    use crate::metrics::Metrics;
    use crate::model::MessageType;
    use crate::providers::{Parsed, Provider};
    use crate::store::query::TrafficQuery;
    use crate::store::{Arrival, Lease, Options};

    fn arrival(received_ms: i64) -> Arrival {
        Arrival {
            source: "cloud".into(),
            provider: Provider::ALL[0],
            default_type: MessageType::Template,
            default_sender: None,
            received_ms,
            content_type: None,
            content_encoding: None,
            user_agent: None,
            broadcast: None,
            known: 0,
            body: b"{}".to_vec(),
            parsed: Ok(Parsed::default()),
        }
    }

    /// How many kinds of things the first look counts of a webhook that came before it.
    async fn counted(is_marked: bool) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let (clock, metrics) = (Clock::system(), Arc::<Metrics>::default());
        let options = Options::of_test(folder.path());
        let store = Store::open(&options, clock.clone(), Arc::clone(&metrics)).unwrap();
        let start = WatchStart::default();
        if is_marked {
            start.mark(&store).await;
        }
        store.commit(arrival(clock.now_ms())).await.unwrap();
        let mut watching = Watching::new(Watch {
            store: store.clone(),
            clock,
            metrics,
            events: Events::default(),
            sources: vec!["cloud".to_owned()],
            pulled: Vec::new(),
            start,
        });
        watching.look(&Lease::for_good()).await.unwrap();
        let counts = store.read(TrafficQuery).await.unwrap();
        store.close().await.unwrap();
        counts.len()
    }

    #[tokio::test]
    async fn a_webhook_that_comes_before_the_first_look_is_counted() {
        assert!(counted(true).await > 0);
        // The control: without the mark the first look begins after it.
        assert_eq!(counted(false).await, 0);
    }
}

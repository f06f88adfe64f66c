//! How a lane learns that its subscriber was changed.
//!
//! The registry wakes the lane that a change concerns, and no other. That takes two tasks' turns,
//! so before it sends the lane looks at the store's table too: once a change was answered,
//! nothing goes out by the settings before it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::Subscriber;
use crate::store::Subscribers;

/// What a lane listens to.
pub(super) struct News {
    /// Wakes this lane alone; ends when the subscriber is gone.
    registry: watch::Receiver<Arc<Subscriber>>,
    /// Every subscriber, as the last change left them.
    table: Subscribers,
    known: Arc<Subscriber>,
}

/// What became of the subscriber since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LaneNews {
    /// Nothing.
    None,
    /// An operator changed something that concerns it.
    Settings(Arc<Subscriber>),
    /// It was removed.
    Gone,
}

impl News {
    /// Of the subscriber that the registry's channel holds.
    pub(super) fn new(registry: watch::Receiver<Arc<Subscriber>>, table: Subscribers) -> Self {
        let known = Arc::clone(&registry.borrow());
        Self {
            registry,
            table,
            known,
        }
    }

    /// The subscriber as the lane knows it.
    pub(super) const fn known(&self) -> &Arc<Subscriber> {
        &self.known
    }

    /// Waits until the registry notifies; [`look`](Self::look) shows of what.
    pub(super) async fn wait(&mut self) {
        // An error is the end of the channel: the subscriber is gone. What changed is left to the look:
        // the table may have had it already when the lane began to listen.
        if self.registry.changed().await.is_ok() {
            self.registry.mark_changed();
        }
    }

    /// What changed since the last look.
    pub(super) fn look(&mut self) -> LaneNews {
        let Ok(receiver) = self.registry.has_changed() else {
            return LaneNews::Gone;
        };
        if !receiver && !self.table.has_changed().unwrap_or_default() {
            return LaneNews::None;
        }
        self.registry.mark_unchanged();
        let table = Arc::clone(&self.table.borrow_and_update());
        match table.iter().find(|own| own.id == self.known.id) {
            None => LaneNews::Gone,
            Some(own) if Arc::ptr_eq(own, &self.known) => LaneNews::None,
            Some(own) => {
                self.known = Arc::clone(own);
                LaneNews::Settings(Arc::clone(own))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::model::{Filter, Ordering, PayloadOptions, Reports, SubscriberState};

    type CheckedRegistry = Result<(), Box<dyn Error>>;

    fn named(id: i64, name: &str) -> Result<Arc<Subscriber>, Box<dyn Error>> {
        Ok(Arc::new(serde_json::from_value(json!({
            "id": id,
            "name": name,
            "url": "http://127.0.0.1/",
            "state": SubscriberState::Active,
            "filter": Filter::default(),
            "reports": Reports::default(),
            "options": PayloadOptions::default(),
            "ordering": Ordering::default(),
            "concurrency": 1,
            "headers": [],
            "created_at_ms": 0,
        }))?))
    }

    #[test]
    fn a_resumption_is_seen_though_the_pause_before_it_was_not() -> CheckedRegistry {
        let crm = named(1, "crm")?;
        let table = watch::Sender::new(Arc::from([Arc::clone(&crm)]));
        let (_registry, receiver) = watch::channel(Arc::clone(&crm));
        let mut news = News::new(receiver, table.subscribe());
        let paused = Subscriber {
            state: SubscriberState::Paused,
            ..(*crm).clone()
        };
        let resumed = Arc::new(Subscriber {
            resumes: 1,
            ..(*crm).clone()
        });
        assert!(!paused.is_resumed_since(&crm) && !crm.is_resumed_since(&crm));
        table.send_replace(Arc::from([Arc::new(paused)]));
        table.send_replace(Arc::from([Arc::clone(&resumed)]));
        assert_eq!(news.look(), LaneNews::Settings(Arc::clone(&resumed)));
        assert!(resumed.is_resumed_since(&crm));
        Ok(())
    }

    #[test]
    fn a_change_is_seen_before_the_registry_notifies_of_it() -> CheckedRegistry {
        let (crm, other) = (named(1, "crm")?, named(2, "other")?);
        let table = watch::Sender::new(Arc::from([Arc::clone(&crm), Arc::clone(&other)]));
        let (registry, receiver) = watch::channel(crm);
        let mut news = News::new(receiver, table.subscribe());
        assert_eq!(news.look(), LaneNews::None);
        let renamed = named(1, "renamed")?;
        table.send_replace(Arc::from([Arc::clone(&renamed), Arc::clone(&other)]));
        assert_eq!(news.look(), LaneNews::Settings(Arc::clone(&renamed)));
        // The registry's word comes later and says nothing new.
        registry.send_replace(Arc::clone(&renamed));
        assert_eq!(news.look(), LaneNews::None);
        // A change of another one is none of this one.
        table.send_replace(Arc::from([renamed, named(2, "other")?]));
        assert_eq!(news.look(), LaneNews::None);
        table.send_replace(Arc::from([other]));
        assert_eq!(news.look(), LaneNews::Gone);
        Ok(())
    }

    #[test]
    fn one_that_changed_before_the_lane_listened_is_looked_up_when_the_registry_notifies()
    -> CheckedRegistry {
        let old = named(1, "old")?;
        let new = named(1, "new")?;
        let table = watch::Sender::new(Arc::from([Arc::clone(&new)]));
        let (registry, receiver) = watch::channel(old);
        let mut news = News::new(receiver, table.subscribe());
        assert_eq!(news.look(), LaneNews::None);
        registry.send_replace(Arc::clone(&new));
        assert!(news.wait().now_or_never().is_some());
        assert_eq!(news.look(), LaneNews::Settings(new));
        assert!(news.wait().now_or_never().is_none());
        drop(registry);
        assert_eq!(news.look(), LaneNews::Gone);
        Ok(())
    }
}

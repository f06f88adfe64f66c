//! The headers that subscribers have, or had before, of their own.
//!
//! A subscriber may still answer with a credential that was replaced: it is hidden too, from
//! attempts and from tests. A restart forgets it, since the store keeps no credential that is not
//! sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::model::{Headers, SubscriberKey};

/// So many that were replaced are still hidden.
const FORMER: usize = 4;

/// Those of every subscriber that has a lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnHeaders(Arc<Mutex<HashMap<SubscriberKey, Weak<SentHeaders>>>>);

impl OwnHeaders {
    /// Those of that subscriber; they are forgotten when they are no longer held.
    pub(crate) fn of(&self, subscriber_id: SubscriberKey) -> Arc<SentHeaders> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&subscriber_id).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, known| known.strong_count() > 0);
        let known = Arc::default();
        all.insert(subscriber_id, Arc::downgrade(&known));
        known
    }
}

/// Those of one subscriber that something was sent with, the latest first.
#[derive(Debug, Default)]
pub(crate) struct SentHeaders(Mutex<Vec<Arc<Headers>>>);

impl SentHeaders {
    /// Something is sent with these: they are known from now on. Returns the others.
    pub(crate) fn with(&self, headers: &Arc<Headers>) -> Vec<Arc<Headers>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(headers) && !headers.is_empty() {
            known.insert(0, Arc::clone(headers));
            known.truncate(FORMER + 1);
        }
        let others = known.iter().filter(|other| *other != headers);
        others.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: usize) -> Arc<Headers> {
        Arc::new([("x-key".to_owned(), value.to_string().into())].into())
    }

    #[test]
    fn the_latest_that_were_replaced_are_kept_as_long_as_they_are_held() {
        let own = OwnHeaders::default();
        let known = own.of(SubscriberKey::of(1));
        for value in [0, 1, 1, 2, 3, 4, 5] {
            own.of(SubscriberKey::of(1)).with(&headers(value));
        }
        assert_eq!(known.with(&headers(5)), [4, 3, 2, 1].map(headers));
        assert_eq!(known.with(&Arc::default()), [5, 4, 3, 2, 1].map(headers));
        assert!(own.of(SubscriberKey::of(2)).with(&headers(1)).is_empty());
        drop(known);
        assert!(own.of(SubscriberKey::of(1)).with(&headers(5)).is_empty());
    }
}

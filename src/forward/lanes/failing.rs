//! Since when a subscriber has been failing, in the lane's memory at once and in the store after a while;
//! and whether the log was warned of it.

use crate::model::SubscriberKey;
use crate::store::Store;
use crate::store::step::NoteFailing;

/// A subscriber that fails again within this time is no news to the log, ms.
const WARN_AGAIN_MS: i64 = 600_000;
/// How long a subscriber fails before it is noted in the store, ms; a stop notes it too.
pub(super) const NOTE_AFTER_MS: i64 = 60_000;

/// Since when the subscriber has been failing.
pub(super) struct Failing {
    pub(super) since_ms: Option<i64>,
    /// Whether the store knows.
    pub(super) noted: bool,
    /// When the log was last warned, ms since 1970 UTC.
    pub(super) warned_ms: Option<i64>,
}

impl Failing {
    /// Whether a failed attempt begins an outage that the log is to be warned of: one that fails now
    /// and then is no news each time.
    pub(super) fn begins(&mut self, now_ms: i64) -> bool {
        let warned = self
            .warned_ms
            .map(|warned_ms| now_ms.saturating_sub(warned_ms));
        let is_news = warned.is_none_or(|ago_ms| !(0..WARN_AGAIN_MS).contains(&ago_ms));
        let begins = self.since_ms.is_none() && is_news;
        if begins {
            self.warned_ms = Some(now_ms);
        }
        begins
    }
}

/// Notes it in the store, beside what the lane does.
pub(super) fn note_apart(store: &Store, subscriber_id: SubscriberKey, since_ms: Option<i64>) {
    let store = store.clone();
    tokio::spawn(async move { note(&store, subscriber_id, since_ms).await });
}

/// Notes it in the store.
pub(super) async fn note(store: &Store, subscriber_id: SubscriberKey, since_ms: Option<i64>) {
    let failing = NoteFailing {
        subscriber_id,
        since_ms,
    };
    if let Err(error) = store.step(failing).await {
        tracing::warn!(%error, "forward.note_failing");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_news_once_and_a_flapping_subscriber_each_ten_minutes() {
        let mut failing = Failing {
            since_ms: None,
            noted: false,
            warned_ms: None,
        };
        assert!(failing.begins(0));
        failing.since_ms = Some(0);
        assert!(!failing.begins(1));
        assert!(!failing.begins(WARN_AGAIN_MS * 2));
        // It answered in between.
        for (now_ms, is_news) in [
            (WARN_AGAIN_MS - 1, false),
            (WARN_AGAIN_MS, true),
            (WARN_AGAIN_MS + 1, false),
            // The clock was set back.
            (5, true),
        ] {
            failing.since_ms = None;
            assert_eq!(failing.begins(now_ms), is_news, "{now_ms}");
        }
    }
}

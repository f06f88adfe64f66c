//! Messages that fell silent: their time to live passed without a final report.
//!
//! They are reported together, once for each stretch of time. The end of the last stretch is
//! kept with the event, so no restart reports a message twice or passes one over. Each
//! registration is read once, by the index on when it falls silent.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::Watching;
use crate::store::Error;
use crate::store::query::UnconfirmedQuery;
use crate::store::watching::{EventTransition, NotifiedCondition};

/// The word in the table.
pub(super) const WHAT: &str = "messages-silent";
/// The event.
const EVENT: &str = "messages.silent";

impl Watching {
    /// Notes messages that fell silent since the last note, and reports them if there are enough;
    /// `None` when such events are off, or too early.
    pub(super) async fn unconfirmed(
        &self,
        notified: &[NotifiedCondition],
        now_ms: i64,
    ) -> Result<Option<EventTransition>, Error> {
        let events = &self.watch.events;
        if events.silent_messages == 0 {
            return Ok(None);
        }
        let apart_ms = i64::try_from(events.repeat_after.as_millis()).unwrap_or(i64::MAX);
        // A stretch that takes no time would be looked at for ever.
        let apart_ms = apart_ms.max(1_000);
        let noted = notified.iter().find(|notified| notified.what == WHAT);
        // From now on when it was off before, and when the clock was set back.
        let noted_ms = noted.map_or(now_ms, |notified| notified.notified_at_ms.min(now_ms));
        let is_first = noted.is_none_or(|notified| notified.notified_at_ms > now_ms);
        if !is_first && now_ms - noted_ms < apart_ms {
            return Ok(None);
        }
        let mut silent: BTreeMap<String, u64> = BTreeMap::new();
        let mut from_ms = noted_ms;
        while from_ms < now_ms {
            let until_ms = now_ms.min(from_ms.saturating_add(apart_ms));
            let found = UnconfirmedQuery { from_ms, until_ms };
            let found = self.watch.store.read(found).await?;
            for (source, count) in found {
                *silent.entry(source).or_default() += count;
            }
            from_ms = until_ms;
        }
        Ok(Some(change(&silent, events.silent_messages, now_ms)))
    }
}

fn change(silent: &BTreeMap<String, u64>, least: u64, now_ms: i64) -> EventTransition {
    let count: u64 = silent.values().sum();
    let of_each: Vec<String> = silent
        .iter()
        .map(|(source, count)| format!("{count} of {source}"))
        .collect();
    let mut data = Map::new();
    data.insert("messages".to_owned(), json!(count));
    data.insert("sources".to_owned(), json!(silent));
    let is_reported = count >= least;
    let text = if is_reported {
        format!(
            "Messages without a final report within their time to live: {count} ({}). They are \
             listed by /api/v1/messages?silent=true.",
            of_each.join(", ")
        )
    } else {
        String::new()
    };
    EventTransition {
        what: WHAT,
        subject: String::new(),
        holds: is_reported,
        event: is_reported.then_some(EVENT),
        text,
        data,
        at_ms: now_ms,
    }
}

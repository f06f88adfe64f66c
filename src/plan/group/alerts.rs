//! Which failures chats are alerted of at once, and which are gathered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fold::Fold;
use super::writes::{AlertWrite, ForwardAbout, ForwardRow, PayloadBody, PayloadRow};
use crate::model::{Status, Subscriber};
use crate::plan::alert::Alert;
use crate::plan::gathering::ALERTS;

impl Fold<'_, '_> {
    /// Counts the failures that one piece of work brought, and queues what is to be sent at once; returns how
    /// many alerts that is.
    pub(super) fn alert(&mut self, now_ms: i64) -> usize {
        let subscribers = self.subscribers;
        // By the chat's place among the subscribers: the order is the same each time.
        let mut brought: BTreeMap<(usize, String), (u64, usize)> = BTreeMap::new();
        for failure in std::mem::take(&mut self.failures) {
            let is_chat = |it: &Arc<Subscriber>| it.id == failure.subscriber_id;
            let Some(chat) = subscribers.iter().position(is_chat) else {
                continue;
            };
            let report = &self.writes.reports[failure.report].report;
            let error = report.error().map(|error| error.key.clone());
            let entry = brought.entry((chat, error.unwrap_or_default()));
            let entry = entry.or_default();
            // The latest stands for all.
            *entry = (entry.0 + 1, failure.report);
        }
        let mut alerts = 0;
        for ((chat, error_key), (failures, report)) in brought {
            let chat = &subscribers[chat];
            let key = (chat.id, error_key);
            let known = self.known.alerts.get(&key);
            let (gathered, due_at_ms) = known.copied().unwrap_or((0, now_ms));
            let mut state = (gathered + failures, due_at_ms);
            if ALERTS.is_over(due_at_ms, now_ms) {
                self.send(chat, &key.1, (state.0, report), now_ms);
                alerts += 1;
                state = (0, ALERTS.end_ms(now_ms));
            }
            self.known.alerts.insert(key.clone(), state);
            let write = AlertWrite {
                failures: state.0,
                due_at_ms: state.1,
                message: self.writes.reports[report].message,
                report,
            };
            self.writes.alerts.insert(key, write);
        }
        alerts
    }

    /// Queues what was gathered to its chat.
    fn send(
        &mut self,
        chat: &Subscriber,
        error_key: &str,
        (failures, report): (u64, usize),
        now_ms: i64,
    ) {
        let row = &self.writes.reports[report];
        let state = self.known.messages[row.message].as_ref();
        let shown = state.and_then(|state| state.message.shown_recipient());
        let given = row.report.participant.as_deref();
        let given = given.or(row.report.recipient.as_deref());
        let message = row.message;
        let keys = &self.keys.messages[message];
        let title = row.report.error().and_then(|error| error.title.clone());
        let alert = Alert {
            subscriber: chat.name.clone(),
            failures,
            error_key: error_key.to_owned(),
            title,
            source: Some(self.keys.sources[keys.source].0.to_string()),
            message: row.report.message.clone(),
            recipient: given.or(shown).map(str::to_owned),
            message_key: None,
        };
        self.writes.payloads.push(PayloadRow {
            report: Some(report),
            body: PayloadBody::Alert {
                alert: Box::new(alert),
                options: chat.alert.clone(),
                message,
            },
        });
        let payload = self.writes.payloads.len() - 1;
        self.writes.forwards.push(ForwardRow {
            uid: self.ids.make(now_ms),
            subscriber_id: chat.id,
            about: ForwardAbout::Message(message),
            payload,
            order: (now_ms, Status::Failed.order()),
            pending_since_ms: now_ms,
            alert_failures: Some(failures),
        });
    }
}

//! What is pending for each subscriber, counted as it changes: to ask costs the same however much
//! that is.
//!
//! What queues forwards reports them ([`Pending::queued`]): a trigger for new rows cost every report more than
//! a microsecond. Triggers on the writer's connection report each row that becomes pending again or stops being
//! so, whatever statement did it. All of it counts once the transaction is committed. The table is counted
//! once, when the store is opened.
//!
//! So `/metrics`, `/readyz` and the API read no forward to say how many are pending and since when. 2048
//! times are kept apart for a subscriber. With more, neighbours become one, and the age of the oldest may be
//! shown too high by the time between them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::model::{Subscriber, SubscriberKey};
use crate::store::{Backlog, PendingForward};

/// Times that are kept apart for one subscriber; beyond that neighbours become one.
const TIMES: usize = 2_048;

const TRIGGERS: &str = "\
    CREATE TEMP TRIGGER pending_updated \
    AFTER UPDATE OF state, subscriber_id, pending_since_ms ON main.forward \
    WHEN old.state = 'pending' OR new.state = 'pending' BEGIN \
        SELECT note_pending(old.subscriber_id, old.pending_since_ms, -1) WHERE old.state = 'pending'; \
        SELECT note_pending(new.subscriber_id, new.pending_since_ms, 1) WHERE new.state = 'pending'; \
    END; \
    CREATE TEMP TRIGGER pending_deleted AFTER DELETE ON main.forward \
    WHEN old.state = 'pending' BEGIN \
        SELECT note_pending(old.subscriber_id, old.pending_since_ms, -1); \
    END;";

/// The counts; shared by the writer and the readers.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<PendingCounts>);

#[derive(Debug, Default)]
struct PendingCounts {
    subscribers: HashMap<SubscriberKey, PendingCount>,
    /// What the transaction under way has changed.
    changes: Vec<PendingChange>,
    /// The subscribers that are not removed, once they are read: of others no count is shown.
    known: Option<HashSet<SubscriberKey>>,
}

/// A forward became pending, or stopped being so.
#[derive(Debug, Clone, Copy)]
struct PendingChange {
    subscriber_id: SubscriberKey,
    pending_since_ms: i64,
    is_more: bool,
}

/// What is pending for one subscriber.
#[derive(Debug, Default)]
struct PendingCount {
    pending: u64,
    /// How many are pending since each time and before the next one, ms since 1970 UTC.
    since: BTreeMap<i64, u64>,
}

impl PendingCount {
    fn add(&mut self, pending_since_ms: i64) {
        self.pending += 1;
        *self.since.entry(pending_since_ms).or_default() += 1;
        if self.since.len() > TIMES {
            self.merge();
        }
    }

    fn remove(&mut self, pending_since_ms: i64) {
        self.pending = self.pending.saturating_sub(1);
        let found = self.since.range_mut(..=pending_since_ms).next_back();
        let Some((&since_ms, pending)) = found else {
            return;
        };
        *pending = pending.saturating_sub(1);
        if *pending == 0 {
            self.since.remove(&since_ms);
        }
    }

    /// Makes each two neighbouring times one, so that memory is bounded: of what has been pending for
    /// days, minutes do not matter.
    fn merge(&mut self) {
        let mut merged = BTreeMap::new();
        let mut times = std::mem::take(&mut self.since).into_iter();
        while let Some((since_ms, pending)) = times.next() {
            let next = times.next().map_or(0, |(_, pending)| pending);
            merged.insert(since_ms, pending + next);
        }
        self.since = merged;
    }
}

impl Pending {
    /// Counts the table, and from here on all that this connection changes of the rows in it.
    /// Each connection of the writer is watched once.
    pub(super) fn watch(this: &Arc<Self>, connection: &Connection) -> rusqlite::Result<()> {
        let mut subscribers: HashMap<SubscriberKey, PendingCount> = HashMap::new();
        let mut select = connection.prepare(
            "SELECT subscriber_id, pending_since_ms FROM forward WHERE state = 'pending'",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let count = subscribers.entry(row.get(0)?).or_default();
            count.add(row.get(1)?);
        }
        {
            let mut counts = this.locked();
            counts.subscribers = subscribers;
            counts.changes.clear();
        }
        let counter = Arc::clone(this);
        connection.create_scalar_function(
            "note_pending",
            3,
            FunctionFlags::SQLITE_UTF8,
            move |arguments| {
                let change = PendingChange {
                    subscriber_id: arguments.get(0)?,
                    pending_since_ms: arguments.get(1)?,
                    is_more: arguments.get::<i64>(2)? > 0,
                };
                counter.locked().changes.push(change);
                Ok(0)
            },
        )?;
        connection.execute_batch(TRIGGERS)
    }

    /// A transaction begins: what one that was not committed had changed is forgotten.
    pub(super) fn begin(&self) {
        self.locked().changes.clear();
    }

    /// The transaction under way queues these, each for its subscriber.
    pub(super) fn queued(&self, pending: &[(SubscriberKey, PendingForward)]) {
        let changes = pending.iter().map(|(subscriber_id, of)| PendingChange {
            subscriber_id: *subscriber_id,
            pending_since_ms: of.pending_since_ms,
            is_more: true,
        });
        self.locked().changes.extend(changes);
    }

    /// The transaction is committed.
    pub(super) fn commit(&self) {
        let mut counts = self.locked();
        let PendingCounts {
            subscribers,
            changes,
            ..
        } = &mut *counts;
        for change in changes.drain(..) {
            let count = subscribers.entry(change.subscriber_id).or_default();
            if change.is_more {
                count.add(change.pending_since_ms);
            } else {
                count.remove(change.pending_since_ms);
            }
            if count.pending == 0 {
                subscribers.remove(&change.subscriber_id);
            }
        }
    }

    /// From now on those of these subscribers alone are shown: what one left that was removed is given
    /// up, some at a time.
    pub(super) fn keep(&self, subscribers: &[Arc<Subscriber>]) {
        let known = subscribers.iter().map(|subscriber| subscriber.id);
        self.locked().known = Some(known.collect());
    }

    /// The pending forwards of each subscriber that has any, removed ones aside.
    pub(super) fn backlog(&self) -> Vec<Backlog> {
        let counts = self.locked();
        let known = counts.known.as_ref();
        let backlog = |(subscriber_id, count): (&SubscriberKey, &PendingCount)| Backlog {
            subscriber_id: *subscriber_id,
            pending: count.pending,
            oldest_pending_since_ms: count.since.keys().next().copied().unwrap_or_default(),
        };
        let shown = counts.subscribers.iter();
        let shown = shown.filter(|(id, _)| known.is_none_or(|known| known.contains(*id)));
        shown.map(backlog).collect()
    }

    fn locked(&self) -> MutexGuard<'_, PendingCounts> {
        // Whatever panicked with it in hand left numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;
    use crate::model::{ForwardKey, LanePlace, MessageKey, NewSubscriber, SubscriberKind};
    use crate::store::change::InsertSubscriber;
    use crate::store::query::BacklogQuery;
    use crate::store::step::NotifyConditions;
    use crate::store::watching::EventTransition;
    use crate::store::{ChangeRecord, Options, Store};

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let forward = "CREATE TABLE forward (forward_id INTEGER PRIMARY KEY, subscriber_id INTEGER, \
             pending_since_ms INTEGER, state TEXT)";
        connection.execute_batch(forward).unwrap();
        connection
    }

    fn watched(connection: &Connection) -> Arc<Pending> {
        let pending = Arc::default();
        Pending::watch(&pending, connection).unwrap();
        pending
    }

    /// A forward that is pending since then.
    fn forward(since_ms: i64) -> PendingForward {
        PendingForward {
            forward_id: ForwardKey::of(1),
            uid: Uuid::nil(),
            message_id: MessageKey::of(1),
            payload: Bytes::from_static(b"{}"),
            place: (0, 0, LanePlace::of(1)),
            attempts: 0,
            pending_since_ms: since_ms,
            due_at_ms: since_ms,
            last_attempt_ms: None,
        }
    }

    fn counted(pending: &Pending) -> Vec<(i64, u64, i64)> {
        let mut backlog: Vec<_> = pending
            .backlog()
            .into_iter()
            .map(|of| {
                (
                    of.subscriber_id.number(),
                    of.pending,
                    of.oldest_pending_since_ms,
                )
            })
            .collect();
        backlog.sort_unstable();
        backlog
    }

    #[test]
    fn every_statement_that_changes_what_is_pending_is_counted_once_it_is_committed() {
        let connection = table();
        let insert = "INSERT INTO forward VALUES (1, 7, 100, 'pending'), (2, 7, 200, 'pending'), \
             (3, 8, 50, 'pending'), (4, 8, 1, 'gave-up')";
        connection.execute_batch(insert).unwrap();
        let pending = watched(&connection);
        assert_eq!(counted(&pending), [(7, 2, 100), (8, 1, 50)]);
        for (sql, expected) in [
            (
                "UPDATE forward SET state = 'delivered' WHERE forward_id = 1",
                &[(7, 1, 200), (8, 1, 50)][..],
            ),
            (
                "UPDATE forward SET state = 'pending', pending_since_ms = 300 WHERE forward_id = 1",
                &[(7, 2, 200), (8, 1, 50)],
            ),
            (
                "UPDATE forward SET pending_since_ms = 400 WHERE forward_id = 2",
                &[(7, 2, 300), (8, 1, 50)],
            ),
            (
                "DELETE FROM forward WHERE subscriber_id = 8",
                &[(7, 2, 300)],
            ),
            ("UPDATE forward SET subscriber_id = 9", &[(9, 2, 300)]),
            ("DELETE FROM forward", &[]),
        ] {
            pending.begin();
            connection.execute_batch(sql).unwrap();
            pending.commit();
            assert_eq!(counted(&pending), expected, "{sql}");
        }
    }

    #[test]
    fn what_is_rolled_back_is_not_counted() {
        let connection = table();
        let insert = "INSERT INTO forward VALUES (1, 7, 100, 'pending')";
        connection.execute_batch(insert).unwrap();
        let pending = watched(&connection);
        pending.begin();
        let [seven, eight] = [7, 8].map(SubscriberKey::of);
        pending.queued(&[(seven, forward(50))]);
        connection
            .execute_batch("BEGIN; DELETE FROM forward; ROLLBACK")
            .unwrap();
        pending.begin();
        pending.queued(&[(seven, forward(200)), (eight, forward(300))]);
        pending.commit();
        assert_eq!(counted(&pending), [(7, 2, 100), (8, 1, 300)]);
    }

    /// It is queued in a transaction of its own.
    #[tokio::test]
    async fn an_event_of_the_service_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::of_test(folder.path());
        let store = Store::open(&options, Clock::manual(100).0, Arc::default()).unwrap();
        let new = NewSubscriber {
            kind: SubscriberKind::Events,
            ..NewSubscriber::new("ops", "https://ops.example/")
        };
        let insert = InsertSubscriber { new };
        let finish = |_| ((), ChangeRecord::default());
        store.change(insert, finish).await.unwrap();
        let change = EventTransition {
            what: "disk",
            subject: String::new(),
            holds: true,
            event: Some("disk.low"),
            text: "The disk is full.".to_owned(),
            data: serde_json::Map::new(),
            at_ms: 100,
        };
        let notify = NotifyConditions {
            changes: vec![change],
            gone: Vec::new(),
        };
        store.step(notify).await.unwrap();
        let backlog = store.read(BacklogQuery).await.unwrap();
        assert_eq!((backlog.len(), backlog[0].pending), (1, 1));
    }

    #[test]
    fn of_any_number_of_times_the_oldest_is_known_and_memory_is_bounded() {
        let mut count = PendingCount::default();
        for since_ms in 0..50_000 {
            count.add(since_ms);
        }
        assert!(count.since.len() <= TIMES);
        for since_ms in 0..50_000 {
            assert_eq!(count.pending, 50_000 - u64::try_from(since_ms).unwrap());
            let oldest_ms = *count.since.keys().next().unwrap();
            assert!(oldest_ms <= since_ms, "{oldest_ms} for {since_ms}");
            count.remove(since_ms);
        }
        assert!(count.since.is_empty());
    }
}

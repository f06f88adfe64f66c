//! What must hold after a kill and in the end, read from the file itself and from what the
//! subscriber got; it trusts no word of the service.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::subscriber::Ingest;
use crate::support::traffic::{message_id, number, statuses};

/// Something that was promised not to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Answered 200 and not in the store.
    Lost,
    /// Some statuses of a webhook are in the store, others are not.
    Torn,
    /// A status has more than one report, or a report more than one forward.
    Doubled,
    /// A report whose forward is not delivered, or never reached the subscriber.
    Undelivered,
    /// One forward, and another id or other bytes than before.
    Changed,
    /// It was settled in the store before a kill and was sent after it.
    SentAgain,
}

/// Every fault found, with what it was found on.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Fault, BTreeSet<String>>);

impl Fault {
    /// Each of them once.
    pub(super) const ALL: [Self; 6] = [
        Self::Lost,
        Self::Torn,
        Self::Doubled,
        Self::Undelivered,
        Self::Changed,
        Self::SentAgain,
    ];
}

impl Findings {
    fn add(&mut self, fault: Fault, what: &impl ToString) {
        self.0.entry(fault).or_default().insert(what.to_string());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds of faults that were found.
    pub(super) fn kinds(&self) -> Vec<Fault> {
        self.0.keys().copied().collect()
    }
}

/// Opens the file beside a service that runs or was killed, and leaves file and WAL as they
/// are: the recovery after a kill is the service's own.
pub(super) fn look(store: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(store, flags).unwrap();
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .unwrap();
    connection
}

/// A report as it is stored.
#[derive(Debug)]
struct Stored {
    reports: BTreeSet<i64>,
    /// Its forwards, and whether each is delivered.
    forwards: BTreeMap<Uuid, bool>,
}

/// What the store holds of the webhooks from one number on: by number, by status.
#[derive(Debug, Default)]
pub(super) struct Holdings(BTreeMap<usize, BTreeMap<String, Stored>>);

impl Holdings {
    pub(super) fn read(connection: &Connection, from: usize) -> Self {
        let mut statement = connection
            .prepare(
                "SELECT provider_message_id, provider_status, report_id, uid, forward.state \
                 FROM message JOIN report USING (message_id) LEFT JOIN forward USING (report_id) \
                 WHERE provider_message_id >= ?1",
            )
            .unwrap();
        let mut rows = statement.query([message_id(from)]).unwrap();
        let mut holdings = Self::default();
        while let Some(row) = rows.next().unwrap() {
            let id: String = row.get(0).unwrap();
            let webhook = holdings.0.entry(number(&id)).or_default();
            let stored = webhook.entry(row.get(1).unwrap()).or_insert(Stored {
                reports: BTreeSet::new(),
                forwards: BTreeMap::new(),
            });
            stored.reports.insert(row.get(2).unwrap());
            if let Some(uid) = row.get::<_, Option<[u8; 16]>>(3).unwrap() {
                let state: String = row.get(4).unwrap();
                stored
                    .forwards
                    .insert(Uuid::from_bytes(uid), state == "delivered");
            }
        }
        holdings
    }

    pub(super) fn holds(&self, number: usize) -> bool {
        self.0.contains_key(&number)
    }

    /// Checks that all of `answered` is there, whole and once.
    pub(super) fn check(&self, answered: impl Iterator<Item = usize>, findings: &mut Findings) {
        for number in answered.filter(|number| !self.holds(*number)) {
            findings.add(Fault::Lost, &number);
        }
        for (number, webhook) in &self.0 {
            let whole = statuses(*number);
            if webhook.len() != whole.len() || whole.iter().any(|s| !webhook.contains_key(*s)) {
                findings.add(Fault::Torn, number);
            }
            for (status, stored) in webhook {
                if stored.reports.len() != 1 || stored.forwards.len() > 1 {
                    findings.add(Fault::Doubled, &format!("{number} {status}"));
                }
            }
        }
    }

    /// Checks that each report has one forward that is delivered and reached the subscriber.
    pub(super) fn check_delivered(&self, receptions: &[Ingest], findings: &mut Findings) {
        let mut bodies: HashMap<Uuid, &[u8]> = HashMap::new();
        let mut forwards: BTreeMap<(usize, String), Uuid> = BTreeMap::new();
        for Ingest { forward, body } in receptions {
            if let Some(first) = bodies.insert(*forward, body) {
                if first != &body[..] {
                    findings.add(Fault::Changed, forward);
                }
                continue;
            }
            match forwards.entry(subject(body)) {
                Entry::Vacant(entry) => {
                    entry.insert(*forward);
                }
                Entry::Occupied(_) => findings.add(Fault::Changed, forward),
            }
        }
        for (number, webhook) in &self.0 {
            for (status, stored) in webhook {
                let reached = forwards.get(&(*number, status.clone()));
                let delivered = stored.forwards.values().all(|delivered| *delivered);
                match reached {
                    Some(forward) if !stored.forwards.contains_key(forward) => {
                        findings.add(Fault::Changed, forward);
                    }
                    Some(_) if delivered => {}
                    _ => findings.add(Fault::Undelivered, &format!("{number} {status}")),
                }
            }
        }
    }
}

/// Number and status that a payload is about.
fn subject(body: &[u8]) -> (usize, String) {
    let payload: serde_json::Value = serde_json::from_slice(body).unwrap();
    let text = |key: &str| payload[key].as_str().unwrap().to_owned();
    (number(&text("msId")), text("MessageStatus"))
}

/// Which forwards were settled when, counted in requests that had reached the subscriber.
#[derive(Debug, Default)]
pub(super) struct Settled {
    at: HashMap<Uuid, usize>,
    /// Every forward with a lower key was settled when last looked at.
    looked_up_to: i64,
}

impl Settled {
    /// Notes what is settled now that `received` requests have reached the subscriber;
    /// returns what is pending.
    pub(super) fn note(&mut self, connection: &Connection, received: usize) -> BTreeSet<Uuid> {
        let mut statement = connection
            .prepare("SELECT forward_id, uid, state FROM forward WHERE forward_id >= ?1 ORDER BY 1")
            .unwrap();
        let mut rows = statement.query([self.looked_up_to]).unwrap();
        let mut pending = BTreeSet::new();
        while let Some(row) = rows.next().unwrap() {
            let uid = Uuid::from_bytes(row.get(1).unwrap());
            let state: String = row.get(2).unwrap();
            if state != "pending" {
                self.at.entry(uid).or_insert(received);
            } else if pending.insert(uid) && pending.len() == 1 {
                self.looked_up_to = row.get(0).unwrap();
            }
        }
        pending
    }

    /// Checks that nothing reached the subscriber after the kill that found it settled.
    pub(super) fn check(&self, receptions: &[Ingest], findings: &mut Findings) {
        for (index, ingest) in receptions.iter().enumerate() {
            if self.at.get(&ingest.forward).is_some_and(|at| index >= *at) {
                findings.add(Fault::SentAgain, &ingest.forward);
            }
        }
    }
}

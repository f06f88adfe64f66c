//! What must be there after the power went, read from the file; it trusts no word of the
//! service.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tickrelay::clock::Clock;
use tickrelay::metrics::Metrics;
use tickrelay::store::query::OutboundQuery;
use tickrelay::store::{Durability, EngineOptions, Options, SqliteOptions, Store};

use crate::support::traffic::{message_id, statuses};

/// What a client was answered before the power went.
pub(super) struct Promised<'a> {
    /// The webhooks that were answered 200.
    pub(super) webhooks: &'a HashSet<usize>,
    /// The subscriber whose secret was shown.
    pub(super) subscriber: Option<&'a str>,
}

/// Something that was promised not to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The store cannot be opened.
    Closed,
    /// `PRAGMA integrity_check` complains.
    Corrupt,
    /// A webhook was answered 200, and not all of its reports are there.
    Lost,
    /// A report is there, and nothing is queued for it.
    NotPending,
    /// A subscriber was added, and it or its secret is gone.
    Unsubscribed,
}

/// Every fault: how often, and the event and the words of the first.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<Fault, (usize, usize, String)>);

impl Faults {
    pub(super) fn add(&mut self, event: usize, found: Vec<(Fault, String)>) {
        for (fault, what) in found {
            let first = self.0.entry(fault).or_insert((0, event, what));
            first.0 += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn count(&self, fault: Fault) -> usize {
        self.0.get(&fault).map_or(0, |(count, ..)| *count)
    }
}

/// Opens the store as the service does and compares it with what was promised.
pub(super) async fn check(path: &Path, promised: &Promised<'_>) -> Vec<(Fault, String)> {
    let options = Options {
        engine: EngineOptions::Sqlite(SqliteOptions {
            path: path.to_path_buf(),
            durability: Durability::Full,
            wal_limit_bytes: u64::MAX,
            disk_reserve_bytes: 0,
        }),
        list_budget: Duration::from_secs(5),
        keys: Vec::new(),
        owner_patience: Duration::from_millis(100),
    };
    let store = match Store::open(&options, Clock::system(), Arc::new(Metrics::new())) {
        Ok(store) => store,
        Err(error) => return vec![(Fault::Closed, format!("{error:?}"))],
    };
    let mut faults = Vec::new();
    if let Some(name) = promised.subscriber {
        let secrets = match store.subscriber(name) {
            Ok(subscriber) => store
                .read(OutboundQuery {
                    subscriber_id: subscriber.id,
                })
                .await
                .map(|it| it.secrets.len()),
            Err(error) => Err(error),
        };
        if !matches!(secrets, Ok(1)) {
            let found = format!("{secrets:?}");
            faults.push((Fault::Unsubscribed, found));
        }
    }
    store.close().await.unwrap();
    let connection = Connection::open(path).unwrap();
    if let Err(corrupt) = intact(&connection) {
        faults.push((Fault::Corrupt, corrupt));
    }
    match holdings(&connection) {
        Ok(holdings) => faults.extend(missing(&holdings, promised)),
        Err(error) => faults.push((Fault::Corrupt, error.to_string())),
    }
    faults
}

fn intact(connection: &Connection) -> Result<(), String> {
    let answer = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok::<String, _>(complaint) => Err(complaint),
        Err(error) => Err(error.to_string()),
    }
}

/// The reports of each message, and the pending forwards for them.
type Holdings = HashMap<String, (usize, usize)>;

fn holdings(connection: &Connection) -> rusqlite::Result<Holdings> {
    connection
        .prepare(
            "SELECT provider_message_id, count(report_id), count(forward_id) \
             FROM message JOIN report USING (message_id) LEFT JOIN forward USING (report_id) \
             GROUP BY message.message_id",
        )?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
        .collect()
}

fn missing(holdings: &Holdings, promised: &Promised<'_>) -> Vec<(Fault, String)> {
    let mut faults = Vec::new();
    for webhook in promised.webhooks {
        let id = message_id(*webhook);
        let expected = statuses(*webhook).len();
        let (reports, forwards) = holdings.get(&id).copied().unwrap_or_default();
        if reports != expected {
            faults.push((
                Fault::Lost,
                format!("{id}: {reports} of {expected} reports"),
            ));
        } else if forwards != expected {
            let what = format!("{id}: {forwards} of {expected} forwards");
            faults.push((Fault::NotPending, what));
        }
    }
    faults
}

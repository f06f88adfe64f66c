//! A page of the store that holds nonsense: what needs it is refused and said to be broken,
//! what does not goes on, and the file as it was before serves again. A subscriber is queued all
//! of it: pages that only forwarding needs are met as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::disk::{get, post_some};
use super::{MEMORY, is_long};
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::traffic::{message_id, post_each, statuses};
use crate::support::until;

/// Webhooks in the store before it is damaged; enough for pages beyond each first one.
const WEBHOOKS: usize = 300;
/// What comes afterwards: some that are known and some that are new.
const COMING: std::ops::Range<usize> = WEBHOOKS - 10..WEBHOOKS + 20;

/// A whole store, and where its pages are.
struct Whole {
    bytes: Vec<u8>,
    /// The key beside it, without which nothing is sent.
    key: Vec<u8>,
    page_size: usize,
    /// The first page of each table and index, by its name.
    roots: Vec<(String, usize)>,
    /// The subscriber, which takes everything.
    receiver: Receiver,
}

impl Whole {
    async fn write() -> Self {
        let home = Home::new();
        let (service, receiver) = (home.start(), Receiver::start());
        service.subscribe("crm", &receiver.url);
        post_each(service.address, 0..WEBHOOKS).await;
        let store = Connection::open(home.store()).unwrap();
        until("all is delivered", || pending(&home.store()) == 0).await;
        service.stop();
        let page_size = store
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .unwrap();
        let mut statement = store
            .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")
            .unwrap();
        let roots = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        Self {
            bytes: std::fs::read(home.store()).unwrap(),
            key: std::fs::read(key(&home)).unwrap(),
            page_size,
            roots: roots.unwrap().map(Result::unwrap).collect(),
            receiver,
        }
    }

    /// The pages to be damaged; the first one is left to `start`.
    fn pages(&self) -> BTreeSet<usize> {
        if is_long() {
            return (2..=self.bytes.len() / self.page_size).collect();
        }
        self.roots.iter().map(|(_, page)| *page).collect()
    }

    /// A home with this store; `page` of it is nonsense.
    fn home(&self, page: Option<usize>) -> Home {
        let mut bytes = self.bytes.clone();
        if let Some(page) = page {
            bytes[(page - 1) * self.page_size..page * self.page_size].fill(0xA5);
        }
        let home = Home::new();
        std::fs::write(home.store(), bytes).unwrap();
        std::fs::write(key(&home), &self.key).unwrap();
        home
    }
}

fn key(home: &Home) -> PathBuf {
    home.store().with_extension("key")
}

/// How a service did on a store.
#[derive(Debug, PartialEq, Eq)]
enum Served {
    /// It refused to start, in words.
    Not,
    /// It took these, and forwarded those.
    Took(BTreeSet<usize>, Forwarded),
}

/// Messages and statuses that the subscriber was sent.
type Forwarded = BTreeSet<(String, String)>;

/// How long forwarding is looked at where it is held up; nothing that must hold hangs on it.
const LOOK: Duration = Duration::from_secs(1);

async fn serve(home: &Home, receiver: &Receiver) -> Served {
    let before = receiver.count();
    let service = match home.try_start() {
        Ok(service) => service,
        Err((status, log)) => {
            assert_eq!(status.code(), Some(2), "{log}");
            assert!(log.contains("malformed"), "{log}");
            return Served::Not;
        }
    };
    let address = service.address;
    let taken = post_some(address, COMING).await;
    assert_eq!(get(address, "/livez").await, Some(200));
    if !taken.contains(&(COMING.end - 1)) {
        assert_eq!(get(address, "/readyz").await, Some(503), "{taken:?}");
    }
    let deadline = Instant::now() + LOOK;
    while !has_all_new(&taken, &forwarded(receiver, before)) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(service.peak_memory() < MEMORY);
    service.stop();
    Served::Took(taken, forwarded(receiver, before))
}

/// What came after so much.
fn forwarded(receiver: &Receiver, before: usize) -> Forwarded {
    let all = receiver.received();
    let new = all[before..].iter();
    new.map(|request| (request.message(), request.status()))
        .collect()
}

/// Whether that has every status of each webhook that was not in the store before.
fn has_all_new(taken: &BTreeSet<usize>, forwarded: &Forwarded) -> bool {
    taken.range(WEBHOOKS..).all(|number| {
        let mut statuses = statuses(*number).iter();
        statuses.all(|status| forwarded.contains(&(message_id(*number), (*status).to_owned())))
    })
}

/// How many forwards are queued still.
fn pending(store: &Path) -> usize {
    let store = Connection::open(store).unwrap();
    let sql = "SELECT count(*) FROM forward WHERE state = 'pending'";
    store.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Those of `taken` of which the store does not hold every status.
fn missing(store: &Path, taken: &BTreeSet<usize>) -> Vec<usize> {
    let sql = "SELECT status FROM report WHERE message_id = \
               (SELECT message_id FROM message WHERE provider_message_id = ?1)";
    without_all(store, sql, taken, &Forwarded::new())
}

/// Those of `taken` of which a status was neither forwarded nor stands in the store as queued.
fn unqueued(store: &Path, taken: &BTreeSet<usize>, forwarded: &Forwarded) -> Vec<usize> {
    let sql = "SELECT status FROM report JOIN forward USING (report_id) WHERE report.message_id = \
               (SELECT message_id FROM message WHERE provider_message_id = ?1)";
    without_all(store, sql, taken, forwarded)
}

/// Those of `taken` of which not every status is among those that this finds, or that are there
/// already. What cannot be read is not found.
fn without_all(store: &Path, sql: &str, taken: &BTreeSet<usize>, there: &Forwarded) -> Vec<usize> {
    let store = Connection::open(store).unwrap();
    let found = |message: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = store.prepare(sql)?;
        let rows = statement.query_map([message], |row| row.get(0))?;
        rows.collect()
    };
    let has_all = |number: &usize| {
        let message = message_id(*number);
        let found = found(&message).unwrap_or_default();
        statuses(*number).iter().all(|status| {
            let status = (*status).to_owned();
            found.contains(&status) || there.contains(&(message.clone(), status))
        })
    };
    let mut lacking = taken.clone();
    lacking.retain(|number| !has_all(number));
    lacking.into_iter().collect()
}

#[actix_web::test]
async fn whichever_page_is_damaged_nothing_is_answered_200_that_is_not_stored() {
    let whole = Whole::write().await;
    let (mut refused, mut untouched, mut unsettled) = (0, 0, 0);
    for page in whole.pages() {
        let home = whole.home(Some(page));
        if let Served::Took(taken, forwarded) = serve(&home, &whole.receiver).await {
            let missing = missing(&home.store(), &taken);
            assert!(missing.is_empty(), "page {page}: {missing:?}");
            let new = taken.range(WEBHOOKS..).copied().collect();
            let unqueued = unqueued(&home.store(), &new, &forwarded);
            assert!(unqueued.is_empty(), "page {page}: {unqueued:?}");
            let all_taken = taken.len() == COMING.len();
            if all_taken && has_all_new(&taken, &forwarded) && pending(&home.store()) == 0 {
                untouched += 1;
            } else if all_taken {
                unsettled += 1;
            } else {
                refused += 1;
            }
        }
    }
    // The controls: damage was met, by webhooks and by forwarding alone, and the rest went on.
    assert!(refused >= 3, "{refused} damaged pages were met");
    assert!(untouched >= 3, "{untouched} damaged pages hurt nobody");
    assert!(unsettled >= 1, "{unsettled} left a forward queued");
}

#[actix_web::test]
async fn what_every_webhook_needs_being_damaged_none_is_taken_until_the_store_is_restored() {
    let whole = Whole::write().await;
    for name in ["message_provider_id", "webhook", "report"] {
        let (_, page) = whole.roots.iter().find(|(found, _)| found == name).unwrap();
        let home = whole.home(Some(*page));
        let nothing = Served::Took(BTreeSet::new(), Forwarded::new());
        assert_eq!(serve(&home, &whole.receiver).await, nothing, "{name}");
        // As an operator does with a backup.
        std::fs::write(home.store(), &whole.bytes).unwrap();
        for beside in ["tickrelay.db-wal", "tickrelay.db-shm"] {
            // There may be none.
            let _ = std::fs::remove_file(home.file(beside));
        }
        let Served::Took(taken, forwarded) = serve(&home, &whole.receiver).await else {
            panic!("{name}: a restored store is not served");
        };
        assert_eq!(taken, COMING.collect(), "{name}");
        assert_eq!(
            unqueued(&home.store(), &taken, &forwarded),
            [0; 0],
            "{name}"
        );
        assert!(has_all_new(&taken, &forwarded), "{name}: {forwarded:?}");
    }
}

#[actix_web::test]
async fn a_store_that_lost_what_was_taken_is_caught() {
    let whole = Whole::write().await;
    let home = whole.home(None);
    let Served::Took(taken, forwarded) = serve(&home, &whole.receiver).await else {
        panic!("a whole store is not served");
    };
    assert_eq!(taken, COMING.collect());
    assert_eq!(missing(&home.store(), &taken), [0; 0]);
    assert_eq!(unqueued(&home.store(), &taken, &Forwarded::new()), [0; 0]);
    let lost: Vec<usize> = (WEBHOOKS..COMING.end).collect();
    let store = Connection::open(home.store()).unwrap();
    let unscheduled =
        "DELETE FROM forward WHERE report_id > (SELECT max(report_id) FROM report) - ?1";
    let new: usize = lost.iter().map(|number| statuses(*number).len()).sum();
    assert_eq!(store.execute(unscheduled, [new]).unwrap(), new);
    drop(store);
    assert_eq!(unqueued(&home.store(), &taken, &Forwarded::new()), lost);
    assert_eq!(unqueued(&home.store(), &taken, &forwarded), [0; 0]);
    std::fs::write(home.store(), &whole.bytes).unwrap();
    assert_eq!(missing(&home.store(), &taken), lost);
}

//! A page of the store that holds nonsense: what needs it is refused and said to be broken,
//! what does not goes on, and the file as it was before serves again.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::disk::{get, post_some};
use super::{MEMORY, is_long};
use crate::support::service::Home;
use crate::support::traffic::{message_id, post_each, statuses};

/// Webhooks in the store before it is damaged; enough for pages beyond each first one.
const WEBHOOKS: usize = 300;
/// What comes afterwards: some that are known and some that are new.
const COMING: std::ops::Range<usize> = WEBHOOKS - 10..WEBHOOKS + 20;

/// A whole store, and where its pages are.
struct Whole {
    bytes: Vec<u8>,
    page_size: usize,
    /// The first page of each table and index, by its name.
    roots: Vec<(String, usize)>,
}

impl Whole {
    async fn write() -> Self {
        let home = Home::new();
        let service = home.start();
        post_each(service.address, 0..WEBHOOKS).await;
        service.stop();
        let store = Connection::open(home.store()).unwrap();
        let page_size = store
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .unwrap();
        let mut statement = store
            .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")
            .unwrap();
        let roots = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        Self {
            bytes: std::fs::read(home.store()).unwrap(),
            page_size,
            roots: roots.unwrap().map(Result::unwrap).collect(),
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
        home
    }
}

/// How a service did on a store.
#[derive(Debug, PartialEq, Eq)]
enum Served {
    /// It refused to start, in words.
    Not,
    /// It took these.
    Took(BTreeSet<usize>),
}

async fn serve(home: &Home) -> Served {
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
    assert!(service.peak_memory() < MEMORY);
    service.stop();
    Served::Took(taken)
}

/// Those of `taken` of which the store does not hold every status.
fn missing(store: &Path, taken: &BTreeSet<usize>) -> Vec<usize> {
    let store = Connection::open(store).unwrap();
    let sql = "SELECT count(*) FROM report WHERE message_id = \
               (SELECT message_id FROM message WHERE provider_message_id = ?1)";
    let held = |number: usize| -> usize {
        store
            .query_row(sql, [message_id(number)], |row| row.get(0))
            .unwrap_or_default()
    };
    taken
        .iter()
        .copied()
        .filter(|number| held(*number) != statuses(*number).len())
        .collect()
}

#[actix_web::test]
async fn whichever_page_is_damaged_nothing_is_answered_200_that_is_not_stored() {
    let whole = Whole::write().await;
    let (mut refused, mut untouched) = (0, 0);
    for page in whole.pages() {
        let home = whole.home(Some(page));
        if let Served::Took(taken) = serve(&home).await {
            let missing = missing(&home.store(), &taken);
            assert!(missing.is_empty(), "page {page}: {missing:?}");
            refused += usize::from(taken.len() < COMING.len());
            untouched += usize::from(taken.len() == COMING.len());
        }
    }
    // The controls: damage was met, and more than what needs it went on.
    assert!(refused >= 3, "{refused} damaged pages were met");
    assert!(untouched >= 3, "{untouched} damaged pages hurt nobody");
}

#[actix_web::test]
async fn what_every_webhook_needs_being_damaged_none_is_taken_until_the_store_is_restored() {
    let whole = Whole::write().await;
    for name in ["message_provider_id", "webhook", "report"] {
        let (_, page) = whole.roots.iter().find(|(found, _)| found == name).unwrap();
        let home = whole.home(Some(*page));
        assert_eq!(serve(&home).await, Served::Took(BTreeSet::new()), "{name}");
        // As an operator does with a backup.
        std::fs::write(home.store(), &whole.bytes).unwrap();
        for beside in ["tickrelay.db-wal", "tickrelay.db-shm"] {
            // There may be none.
            let _ = std::fs::remove_file(home.file(beside));
        }
        assert_eq!(serve(&home).await, Served::Took(COMING.collect()), "{name}");
    }
}

#[actix_web::test]
async fn a_store_that_lost_what_was_taken_is_caught() {
    let whole = Whole::write().await;
    let home = whole.home(None);
    let Served::Took(taken) = serve(&home).await else {
        panic!("a whole store is not served");
    };
    assert_eq!(taken, COMING.collect());
    assert_eq!(missing(&home.store(), &taken), [0; 0]);
    std::fs::write(home.store(), &whole.bytes).unwrap();
    let lost: Vec<usize> = (WEBHOOKS..COMING.end).collect();
    assert_eq!(missing(&home.store(), &taken), lost);
}

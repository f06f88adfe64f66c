//! Files are taken away while a change is committed, and while nothing is.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::clock::Clock;
use crate::model::SubscriberKey;
use crate::store::Store;
use crate::store::step::{ExpireForwards, RewriteStore};
use crate::store::{Durability, Error, LaneContents, LaneKey, Lease, Options};

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::of_sqlite_test(folder.path(), Durability::Os);
    let store = Store::open(&options, Clock::system(), std::sync::Arc::default()).unwrap();
    (folder, store)
}

/// A step that changes nothing.
const NOTHING_EXPIRES: ExpireForwards = ExpireForwards {
    pending_before_ms: 0,
};

fn is_displaced<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Displaced))
}

/// Writes a template, and takes a file away before that is committed.
async fn put_while(
    store: &Store,
    name: &'static str,
    act: impl FnOnce() + Send + 'static,
) -> Result<(), Error> {
    store
        .sqlite()
        .run(move |core| {
            core.change("write a template", |connection, now_ms| {
                let sql = "INSERT INTO template (name, language, body, updated_at_ms) \
                           VALUES (?1, 'en', 'x', ?2)";
                connection
                    .execute(sql, rusqlite::params![name, now_ms])
                    .map_err(|error| {
                        crate::store::sqlite::backend("cannot write".to_owned(), error)
                    })?;
                act();
                Ok(())
            })
        })
        .await
}

async fn names(store: &Store) -> Result<Vec<String>, Error> {
    let read = |connection: &rusqlite::Connection| {
        let mut found = connection.prepare("SELECT name FROM template ORDER BY name")?;
        found.query_map([], |row| row.get(0))?.collect()
    };
    store.sqlite().look("read templates", read).await
}

fn beside(path: &Path, end: &str) -> std::path::PathBuf {
    crate::store::sqlite::files::suffixed(path, end)
}

#[tokio::test]
async fn a_change_whose_log_vanishes_as_it_commits_is_not_called_done_and_not_lost() {
    let (_folder, store) = open();
    let wal = beside(&store.sqlite().reader.path, "-wal");
    let gone = wal.clone();
    let answer = put_while(&store, "first", move || std::fs::remove_file(gone).unwrap()).await;
    assert!(matches!(answer, Err(Error::Unconfirmed)), "{answer:?}");
    put_while(&store, "second", || ()).await.unwrap();
    assert_eq!(names(&store).await.unwrap(), ["first", "second"]);
    assert!(wal.exists());
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_called_done() {
    let (folder, store) = open();
    put_while(&store, "before", || ()).await.unwrap();
    let (path, away) = (
        store.sqlite().reader.path.to_path_buf(),
        folder.path().join("away"),
    );
    let (from, to) = (path.clone(), away.clone());
    let answer = put_while(&store, "meanwhile", move || {
        std::fs::rename(from, to).unwrap();
    })
    .await;
    assert!(matches!(answer, Err(Error::Unconfirmed)), "{answer:?}");
    assert!(is_displaced(&put_while(&store, "refused", || ()).await));
    assert!(is_displaced(&store.step(NOTHING_EXPIRES).await));
    assert!(is_displaced(&store.open_lane(SubscriberKey::of(1)).await));
    let lane = LaneKey {
        subscriber_id: SubscriberKey::of(1),
        shard: 0,
        epoch: Lease::FIRST,
    };
    let refilled = store.refill(lane, LaneContents::default()).await;
    assert!(is_displaced(&refilled));
    assert!(is_displaced(&store.step(RewriteStore).await));
    // No read makes an empty store in its place, or says that there never was one.
    assert!(is_displaced(&names(&store).await));
    assert!(is_displaced(
        &store.read(crate::store::query::KeyQuery).await
    ));
    assert!(!path.exists() && !store.health().in_place);
    std::fs::rename(away, &path).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while store.step(NOTHING_EXPIRES).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "it does not go on");
    }
    assert_eq!(names(&store).await.unwrap(), ["before", "meanwhile"]);
}

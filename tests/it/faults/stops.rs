//! The service is stopped while its log is cut or away: the next start has all of it, or the
//! stop fails and says what is lost.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Signal, kill_process};

use tickrelay::store::Loss;

use super::disk::{post_some, stored};
use super::displaced::{in_place, remove};
use crate::support::service::Home;
use crate::support::shim::{self, Disk};
use crate::support::traffic::post_each;
use crate::support::{PATIENCE, TestApp, cloud};

/// Webhooks that are stored before the log is taken away.
const BEFORE: usize = 40;

/// An analyst reads rows from before the newest, the log is taken away, and the service is
/// stopped; returns its exit code, its log, and what was answered 200 and is not stored.
async fn stop_beneath_a_reader(
    (home, switch): (Home, Option<shim::Switch>),
    act: impl Fn(&Home),
) -> (Option<i32>, String, usize) {
    home.start().stop();
    let mut service = home.start();
    let mut taken = post_some(service.address, 0..BEFORE / 2).await;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let reader = Connection::open_with_flags(home.store(), flags).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM report")
        .unwrap();
    taken.extend(post_some(service.address, BEFORE / 2..BEFORE).await);
    assert_eq!(taken.len(), BEFORE);
    if let Some(switch) = &switch {
        switch.set(Disk::Full);
    }
    act(&home);
    let deadline = Instant::now() + PATIENCE;
    while in_place(&service).await != false {
        assert!(Instant::now() < deadline, "it is not noticed");
    }
    kill_process(service.process(), Signal::TERM).unwrap();
    let (status, log) = service.end();
    drop(reader);
    let mode = |file: std::path::PathBuf| file.metadata().unwrap().mode();
    assert_eq!(mode(home.file("tickrelay.db-wal")), mode(home.store()));
    if let Some(switch) = &switch {
        switch.set(Disk::Works);
    }
    // What is left is a store that serves.
    let next = home.start();
    post_each(next.address, [BEFORE]).await;
    next.stop();
    (status.code(), log, (&taken - &stored(&home)).len())
}

#[actix_web::test]
async fn a_stop_after_the_log_was_removed_beneath_a_reader_costs_no_webhook() {
    let copied = |home: &Home| {
        let wal = home.file("tickrelay.db-wal");
        std::fs::rename(&wal, home.file("moved")).unwrap();
        std::fs::copy(home.file("moved"), wal).unwrap();
    };
    let removed: [&dyn Fn(&Home); 4] = [
        &|home| std::fs::remove_file(home.file("tickrelay.db-wal")).unwrap(),
        &|home| remove(home, &["-wal"]),
        &|home| remove(home, &["-wal", "-shm"]),
        &copied,
    ];
    for act in removed {
        let (code, log, lost) = stop_beneath_a_reader((Home::new(), None), act).await;
        assert_eq!((code, lost), (Some(0), 0), "{log}");
        assert!(log.contains("store.wal_put_back"), "{log}");
    }
}

#[actix_web::test]
async fn a_stop_that_cannot_write_what_memory_alone_has_says_so_and_fails() {
    let (home, switch) = shim::with_switch();
    let empty = |home: &Home| {
        File::create(home.file("tickrelay.db-wal")).unwrap();
    };
    let (code, log, lost) = stop_beneath_a_reader((home, Some(switch)), empty).await;
    assert_eq!(code, Some(70), "{log}");
    assert!(log.contains("\"store.lost"), "{log}");
    assert!(log.contains("error: rows that were acknowledged"), "{log}");
    assert!(lost > 0, "the control: the disk was not full");
}

/// The service is a part of this process. A folder that is removed takes the store and its log along,
/// and memory has rows that no file has.
#[actix_web::test]
async fn a_stop_whose_store_was_removed_says_so_and_ends_no_process_but_its_own() {
    let app = TestApp::boot().await;
    app.report(&[cloud::status("wamid.1", "sent", 1_760_000_000)])
        .await;
    std::fs::remove_dir_all(app.path().parent().unwrap()).unwrap();
    let error = app.end().await.unwrap_err();
    let loss = error.downcast_ref();
    assert!(matches!(loss, Some(Loss::Unkept(_))), "{error:#}");
}

/// The control: the same, with its files in place.
#[actix_web::test]
async fn a_stop_whose_store_is_in_place_loses_nothing() {
    let app = TestApp::boot().await;
    app.report(&[cloud::status("wamid.1", "sent", 1_760_000_000)])
        .await;
    assert!(app.end().await.is_ok());
}

/// A log that stays behind has only a part of it.
#[actix_web::test]
async fn a_stop_whose_store_is_gone_without_its_log_says_so_and_fails() {
    let home = Home::new();
    let mut service = home.start();
    assert_eq!(post_some(service.address, 0..1).await.len(), 1);
    std::fs::remove_file(home.store()).unwrap();
    kill_process(service.process(), Signal::TERM).unwrap();
    let (status, log) = service.end();
    assert_eq!(status.code(), Some(70), "{log}");
    assert!(log.contains("\"store.lost"), "{log}");
    assert!(home.file("tickrelay.db-wal").exists());
}

/// The control: one that was moved away has all of it, with its log.
#[actix_web::test]
async fn a_stop_whose_store_was_moved_away_loses_nothing() {
    let home = Home::new();
    let mut service = home.start();
    let taken = post_some(service.address, 0..1).await;
    std::fs::rename(home.store(), home.file("away")).unwrap();
    kill_process(service.process(), Signal::TERM).unwrap();
    let (status, log) = service.end();
    assert_eq!(status.code(), Some(0), "{log}");
    std::fs::rename(home.file("away"), home.store()).unwrap();
    assert_eq!(stored(&home), taken);
}

//! A backup is put over a store whose service runs or was killed: the log of the store that was there
//! does not get into it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::{Signal, kill_process};

use super::names::{found_by, log_of};
use crate::support::service::{Home, Service};
use crate::support::traffic::post_each;

/// Webhooks in the backup.
const BEFORE: usize = 20;
/// Webhooks from then on: so many that the store grows by the log that holds them.
const ALL: usize = 400;

/// After the log's last page.
const LATER: Duration = Duration::from_secs(3);

fn back_up(home: &Home) {
    let store = Connection::open(home.store()).unwrap();
    let backup = home.file("backup.db");
    store
        .execute("VACUUM INTO ?1", [backup.to_str().unwrap()])
        .unwrap();
}

fn kill(mut service: Service) {
    kill_process(service.process(), Signal::KILL).unwrap();
    service.end();
}

/// A service that has a log with rows that the backup lacks. The backup is of this run of the service or
/// of an earlier one.
async fn run_on_from_backup(home: &Home, is_of_this_run: bool) -> Service {
    home.start().stop();
    let mut service = home.start();
    post_each(service.address, 0..BEFORE).await;
    back_up(home);
    if !is_of_this_run {
        service.stop();
        service = home.start();
    }
    post_each(service.address, BEFORE..ALL).await;
    service
}

/// The backup takes the store's place under its name, as `mv` does it.
fn rename_over(home: &Home) {
    std::fs::rename(home.file("backup.db"), home.store()).unwrap();
}

/// The backup takes the store's place in its file, as `cp` does it some seconds later.
fn write_over(home: &Home) {
    std::fs::copy(home.file("backup.db"), home.store()).unwrap();
    let store = File::options().write(true).open(home.store()).unwrap();
    let log = log_of(&home.store()).metadata();
    if let Ok(log) = log {
        store.set_modified(log.modified().unwrap() + LATER).unwrap();
    }
}

/// A start is refused and changes nothing; without the log the backup is as it was.
fn check_refused(home: &Home) {
    let backup = std::fs::read(home.store()).unwrap();
    let log = log_of(&home.store());
    for _ in 0..2 {
        let (code, said) = home.refused();
        assert_ne!(code, Some(0), "it serves: {said}");
        assert!(said.contains("would damage it"), "{said}");
        for named in [&home.store(), &log] {
            assert!(said.contains(&*named.to_string_lossy()), "{said}");
        }
    }
    assert!(std::fs::read(home.store()).unwrap() == backup, "it wrote");
    std::fs::rename(&log, home.file("away")).unwrap();
    check_backup(home);
}

fn check_backup(home: &Home) {
    assert_eq!(found_by(home, &home.store()), (0..BEFORE).collect());
    assert!(is_intact(&home.store()));
}

fn is_intact(store: &Path) -> bool {
    let answer = Connection::open(store).and_then(|store| {
        store.query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        })
    });
    answer.is_ok_and(|answer| answer == "ok")
}

#[actix_web::test]
async fn a_backup_that_is_put_over_a_running_store_is_not_damaged_by_its_log() {
    for is_of_this_run in [true, false] {
        let home = Home::new();
        let service = run_on_from_backup(&home, is_of_this_run).await;
        rename_over(&home);
        service.stop();
        check_refused(&home);
    }
}

#[actix_web::test]
async fn a_backup_that_is_put_over_a_killed_store_is_not_damaged_by_its_log() {
    for put in [rename_over, write_over] {
        for is_of_this_run in [true, false] {
            let home = Home::new();
            kill(run_on_from_backup(&home, is_of_this_run).await);
            put(&home);
            check_refused(&home);
        }
    }
}

#[actix_web::test]
async fn a_backup_that_is_put_over_a_stopped_store_is_started_as_ever() {
    for put in [rename_over, write_over] {
        let home = Home::new();
        run_on_from_backup(&home, true).await.stop();
        put(&home);
        check_backup(&home);
    }
}

/// The control: what SQLite does with such a log by itself.
#[actix_web::test]
async fn a_log_that_is_not_looked_at_damages_the_backup() {
    let home = Home::new();
    kill(run_on_from_backup(&home, true).await);
    rename_over(&home);
    let store = Connection::open(home.store()).unwrap();
    // The last to close it moves the log into the file.
    let _: rusqlite::Result<i64> =
        store.query_row("SELECT count(*) FROM message", [], |row| row.get(0));
    drop(store);
    assert!(!is_intact(&home.store()));
}

/// Its own log, whatever numbers its files have now, is no reason to refuse it.
#[actix_web::test]
async fn a_store_that_is_written_again_with_its_own_log_has_all_of_it() {
    let home = Home::new();
    kill(run_on_from_backup(&home, true).await);
    std::fs::copy(home.store(), home.file("backup.db")).unwrap();
    rename_over(&home);
    let all: BTreeSet<usize> = (0..ALL).collect();
    assert_eq!(found_by(&home, &home.store()), all);
    assert!(is_intact(&home.store()));
}

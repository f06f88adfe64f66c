//! A file of the open store is moved, removed or replaced: nothing is acknowledged that is not
//! kept, and the service goes on by itself as soon as it can.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::disk::{ask, get, post_some, stored};
use crate::support::program::runs;
use crate::support::receiver::Receiver;
use crate::support::service::{Home, Service, read_only};
use crate::support::shim::{self, Disk};
use crate::support::socket;
use crate::support::traffic::{message_id, post_each, request};
use crate::support::{PATIENCE, client, until};

/// Webhooks that are stored before a file is taken away.
const BEFORE: usize = 40;
/// Webhooks that come from then on, at least.
const AFTER: usize = 40;

fn inode(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|found| found.ino())
}

/// Removes files of the store, by what follows its name. Each keeps another name, or the one
/// that takes its place might get its number.
pub(super) fn remove(home: &Home, ends: &[&str]) {
    for end in ends {
        let file = home.file(&format!("tickrelay.db{end}"));
        std::fs::hard_link(&file, home.file(&format!("removed{end}"))).unwrap();
        std::fs::remove_file(file).unwrap();
    }
}

/// Posts webhooks from `number` on, each once, until `enough`; returns those that were answered
/// 200, and how many there were.
async fn post_until(
    service: &Service,
    number: usize,
    enough: impl Fn(&BTreeSet<usize>) -> bool,
) -> (BTreeSet<usize>, usize) {
    let mut taken = BTreeSet::new();
    let deadline = std::time::Instant::now() + 3 * PATIENCE;
    let mut next = number;
    while next < number + AFTER || !enough(&taken) {
        assert!(std::time::Instant::now() < deadline, "it does not go on");
        taken.extend(post_some(service.address, next..next + 1).await);
        next += 1;
    }
    (taken, next)
}

fn kill(service: &mut Service) -> String {
    kill_process(service.process(), Signal::KILL).unwrap();
    service.end().1
}

/// Files are removed while webhooks come, and the process is killed as soon as it has a log
/// again; returns what was answered 200 and is not stored.
async fn lost_by_removing(ends: &[&str]) -> BTreeSet<usize> {
    let home = Home::new();
    let mut service = home.start();
    let wal = home.file("tickrelay.db-wal");
    let mut taken = post_some(service.address, 0..BEFORE).await;
    assert_eq!(taken.len(), BEFORE);
    let removed = inode(&home.file(&format!("tickrelay.db{}", ends[0])));
    remove(&home, ends);
    let is_back = || {
        let now = inode(&home.file(&format!("tickrelay.db{}", ends[0])));
        now.is_some() && now != removed && wal.exists()
    };
    let last = |taken: &BTreeSet<usize>| taken.last().is_some_and(|last| *last >= BEFORE);
    let (more, _) = post_until(&service, BEFORE, |taken| is_back() && last(taken)).await;
    taken.extend(more);
    let log = kill(&mut service);
    assert_eq!(log.matches("\"store.displaced").count(), 1, "{log}");
    assert!(log.contains("store.in_place_again"), "{log}");
    &taken - &stored(&home)
}

#[actix_web::test]
async fn a_log_that_is_removed_costs_no_webhook_that_was_answered_200() {
    let lost = lost_by_removing(&["-wal"]).await;
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn an_index_that_is_removed_costs_no_webhook_that_was_answered_200() {
    let lost = lost_by_removing(&["-shm"]).await;
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn a_log_and_index_that_are_removed_cost_no_webhook_that_was_answered_200() {
    let lost = lost_by_removing(&["-shm", "-wal"]).await;
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn a_service_that_does_not_look_is_caught_by_what_it_answered() {
    let (home, switch) = shim::with_switch();
    // Its tables are in its file.
    home.start().stop();
    let mut service = home.start();
    let mut taken = post_some(service.address, 0..BEFORE).await;
    switch.set(Disk::Blind);
    remove(&home, &["-wal"]);
    taken.extend(post_some(service.address, BEFORE..BEFORE + AFTER).await);
    assert_eq!(taken.len(), BEFORE + AFTER, "something was refused");
    kill(&mut service);
    assert!(!(&taken - &stored(&home)).is_empty());
}

#[actix_web::test]
async fn a_log_that_is_removed_from_an_idle_service_is_saved_before_anything_comes() {
    check_idle(false).await;
}

#[actix_web::test]
async fn an_analyst_who_reads_the_newest_rows_does_not_keep_a_removed_log_from_being_saved() {
    check_idle(true).await;
}

async fn check_idle(is_read: bool) {
    let home = Home::new();
    let mut service = home.start();
    let taken = post_some(service.address, 0..BEFORE).await;
    let reader = is_read.then(|| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reader = Connection::open_with_flags(home.store(), flags).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM report")
            .unwrap();
        reader
    });
    let wal = home.file("tickrelay.db-wal");
    let removed = inode(&wal);
    remove(&home, &["-wal"]);
    until("there is a log again", || {
        inode(&wal).is_some_and(|now| Some(now) != removed)
    })
    .await;
    kill(&mut service);
    drop(reader);
    assert_eq!(stored(&home), taken);
}

#[actix_web::test]
async fn a_log_that_an_older_copy_replaces_is_not_believed() {
    let home = Home::new();
    let mut service = home.start();
    let wal = home.file("tickrelay.db-wal");
    let mut taken = post_some(service.address, 0..BEFORE / 2).await;
    let copy = home.file("copy");
    std::fs::copy(&wal, &copy).unwrap();
    taken.extend(post_some(service.address, BEFORE / 2..BEFORE).await);
    let copied = inode(&copy);
    // Or the log that takes its place might get its number.
    std::fs::hard_link(&copy, home.file("kept")).unwrap();
    std::fs::rename(&copy, &wal).unwrap();
    let last = |taken: &BTreeSet<usize>| taken.last().is_some_and(|last| *last >= BEFORE);
    let (more, _) = post_until(&service, BEFORE, |taken| {
        inode(&wal) != copied && last(taken)
    })
    .await;
    taken.extend(more);
    kill(&mut service);
    let lost = &taken - &stored(&home);
    assert!(lost.is_empty(), "{lost:?}");
}

/// What `/readyz` says of the files.
pub(super) async fn in_place(service: &Service) -> Value {
    let page = client()
        .get(format!("http://{}/readyz", service.address))
        .send();
    let page = page.await.unwrap().text().await.unwrap();
    let page: Value = serde_json::from_str(&page).unwrap();
    page["store_in_place"].clone()
}

/// Files of the store are put elsewhere by `away`, and put back.
async fn check_away(away: impl Fn(&Home), back: impl Fn(&Home)) {
    let home = Home::new();
    let receiver = Receiver::start();
    let mut service = home.start();
    service.subscribe("crm", &receiver.url);
    let address = service.address;
    post_each(address, 0..BEFORE).await;
    away(&home);
    let taken = post_some(address, BEFORE..BEFORE + AFTER).await;
    assert!(taken.is_empty(), "answered 200 meanwhile: {taken:?}");
    assert_eq!(in_place(&service).await, false);
    assert_eq!(get(address, "/readyz").await, Some(503));
    let pause = ("POST", "/subscribers/crm/pause");
    let (status, answer) = socket::ask(&home.store(), pause, &Value::Null);
    assert_eq!(status, 503, "{answer}");
    back(&home);
    while ask(address, &request(BEFORE)).await != Some(200) {
        assert_eq!(get(address, "/livez").await, Some(200));
    }
    assert_eq!(get(address, "/readyz").await, Some(200));
    let all = BEFORE + AFTER;
    post_each(address, BEFORE..all).await;
    // The pause was not done, nor is it done later.
    until("all of it is forwarded", || {
        let forwards = receiver.received();
        let about: BTreeSet<_> = forwards
            .iter()
            .map(|forward| forward.json()["msId"].as_str().unwrap().to_owned())
            .collect();
        (0..all).all(|number| about.contains(&message_id(number)))
    })
    .await;
    let log = kill(&mut service);
    assert_eq!(log.matches("\"store.displaced").count(), 1, "{log}");
    assert_eq!(stored(&home), (0..all).collect());
}

#[actix_web::test]
async fn a_store_that_is_moved_away_takes_nothing_until_it_is_back() {
    let away = |home: &Home| std::fs::rename(home.store(), home.file("away")).unwrap();
    let back = |home: &Home| std::fs::rename(home.file("away"), home.store()).unwrap();
    check_away(away, back).await;
}

#[actix_web::test]
async fn a_store_that_is_moved_away_with_its_log_takes_nothing_until_both_are_back() {
    let ends = ["", "-wal", "-shm"];
    let path = |home: &Home, name: &str, end: &str| home.file(&format!("{name}{end}"));
    let away = |home: &Home| {
        for end in ends {
            std::fs::rename(path(home, "tickrelay.db", end), path(home, "away", end)).unwrap();
        }
    };
    let back = |home: &Home| {
        for end in ["-shm", "-wal", ""] {
            std::fs::rename(path(home, "away", end), path(home, "tickrelay.db", end)).unwrap();
        }
    };
    check_away(away, back).await;
}

#[actix_web::test]
async fn a_store_that_a_copy_replaces_takes_nothing_until_it_is_back() {
    let away = |home: &Home| {
        std::fs::copy(home.store(), home.file("copy")).unwrap();
        std::fs::hard_link(home.store(), home.file("away")).unwrap();
        std::fs::rename(home.file("copy"), home.store()).unwrap();
    };
    let back = |home: &Home| std::fs::rename(home.file("away"), home.store()).unwrap();
    check_away(away, back).await;
}

/// A copy takes the store's place, and the service is stopped as `systemd` does it; returns
/// what was answered 200 and is not stored.
async fn lost_by_stopping(home: &Home, switch: Option<&shim::Switch>, notices: bool) -> usize {
    // Its tables are in its file.
    home.start().stop();
    let service = home.start();
    let taken = post_some(service.address, 0..BEFORE).await;
    assert_eq!(taken.len(), BEFORE);
    if let Some(switch) = switch {
        switch.set(Disk::Blind);
    }
    replace_by_copy(home);
    if notices {
        assert!(
            post_some(service.address, BEFORE..BEFORE + 1)
                .await
                .is_empty()
        );
    }
    service.stop();
    (&taken - &stored(home)).len()
}

fn replace_by_copy(home: &Home) {
    std::fs::copy(home.store(), home.file("copy")).unwrap();
    std::fs::rename(home.file("copy"), home.store()).unwrap();
}

#[actix_web::test]
async fn a_stop_after_a_copy_took_the_stores_place_costs_no_webhook() {
    for notices in [false, true] {
        assert_eq!(lost_by_stopping(&Home::new(), None, notices).await, 0);
    }
}

#[actix_web::test]
async fn a_stop_that_does_not_look_destroys_what_was_answered() {
    let (home, switch) = shim::with_switch();
    assert_eq!(lost_by_stopping(&home, Some(&switch), false).await, BEFORE);
}

#[actix_web::test]
async fn a_second_service_is_kept_out_while_the_first_has_the_log_of_a_replaced_store() {
    let home = Home::new();
    home.start().stop();
    let service = home.start();
    let taken = post_some(service.address, 0..BEFORE).await;
    replace_by_copy(&home);
    let (code, said) = home.refused();
    assert_ne!(code, Some(0));
    assert!(said.contains("-wal is in use by a service"), "{said}");
    let read = read_only(&home.store()).unwrap_err().to_string();
    assert!(read.contains("-wal is in use by a service"), "{read}");
    service.stop();
    let second = home.start();
    post_each(second.address, BEFORE..BEFORE + AFTER).await;
    second.stop();
    assert_eq!(taken.len(), BEFORE);
    assert_eq!(stored(&home), (0..BEFORE + AFTER).collect());
}

#[actix_web::test]
async fn a_log_behind_a_link_is_not_the_log() {
    let home = Home::new();
    let mut service = home.start();
    let wal = home.file("tickrelay.db-wal");
    let mut taken = post_some(service.address, 0..BEFORE).await;
    std::fs::rename(&wal, home.file("moved")).unwrap();
    std::os::unix::fs::symlink(home.file("moved"), &wal).unwrap();
    let is_back = || wal.symlink_metadata().is_ok_and(|found| found.is_file());
    let last = |taken: &BTreeSet<usize>| taken.last().is_some_and(|last| *last >= BEFORE);
    let (more, _) = post_until(&service, BEFORE, |taken| is_back() && last(taken)).await;
    taken.extend(more);
    kill(&mut service);
    // The next start finds what it left, by itself.
    std::fs::remove_file(home.file("moved")).unwrap();
    let lost = &taken - &stored(&home);
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn a_mounted_store_that_is_removed_where_it_came_from_takes_nothing() {
    let remedy = "a mount namespace of one's own needs root";
    if !runs("unshare", &["--mount", "true"], remedy) {
        return;
    }
    let home = Home::new().mounted("host.db");
    let service = home.start();
    let taken = post_some(service.address, 0..BEFORE).await;
    assert_eq!(taken.len(), BEFORE);
    std::fs::remove_file(home.file("host.db")).unwrap();
    let taken = post_some(service.address, BEFORE..BEFORE + AFTER).await;
    assert!(taken.is_empty(), "answered 200 meanwhile: {taken:?}");
    assert_eq!(in_place(&service).await, false);
}

#[actix_web::test]
async fn a_log_damaged_in_its_middle_loses_what_came_after_and_nothing_before() {
    let home = Home::new();
    // Its tables are in its file.
    home.start().stop();
    let mut service = home.start();
    post_each(service.address, 0..BEFORE).await;
    kill(&mut service);
    let (store, log) = (home.store(), home.file("tickrelay.db-wal"));
    let whole = [&store, &log].map(|file| std::fs::read(file).unwrap());
    assert_eq!(stored(&home), (0..BEFORE).collect());
    let mut damaged = whole[1].clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xFF;
    std::fs::write(&store, &whole[0]).unwrap();
    std::fs::write(&log, &damaged).unwrap();
    let service = home.start();
    post_each(service.address, [BEFORE]).await;
    service.stop();
    let found = stored(&home);
    let kept = found.iter().filter(|number| **number < BEFORE).count();
    assert!(kept > 0 && kept < BEFORE, "{kept} are kept");
    assert!((0..kept).all(|number| found.contains(&number)), "{found:?}");
}

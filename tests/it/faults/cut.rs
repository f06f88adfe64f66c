//! The write-ahead log is cut short or written over in its place while the service has it open.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Signal, kill_process};

use super::disk::{answered, ask, post_some, stored};
use crate::support::service::{Home, Service};
use crate::support::shim::{self, Disk};
use crate::support::traffic::{TrafficGenerator, post_each, request};
use crate::support::{APP_SECRET, PATIENCE, client, cloud, hub_signature, until};

/// Webhooks that are stored before the cut.
const BEFORE: usize = 40;
/// Webhooks that come from then on.
const AFTER: usize = 40;

/// The log as another program opens it.
fn log_of(home: &Home) -> File {
    let mut options = File::options();
    let log = options.read(true).write(true);
    log.open(home.file("tickrelay.db-wal")).unwrap()
}

fn length(log: &File) -> u64 {
    log.metadata().unwrap().len()
}

fn cut(log: &File, length: u64) {
    log.set_len(length).unwrap();
}

/// As `: > tickrelay.db-wal` does it.
fn empty(home: &Home) {
    File::create(home.file("tickrelay.db-wal")).unwrap();
}

fn zero(log: &File, from: u64, bytes: usize) {
    log.write_all_at(&vec![0; bytes], from).unwrap();
}

fn kill(mut service: Service) -> String {
    kill_process(service.process(), Signal::KILL).unwrap();
    service.end().1
}

/// The log is cut while webhooks come, and the process is killed; checks that nothing is lost
/// that was answered 200.
async fn check(act: impl Fn(&Home, &File)) {
    let home = Home::new();
    // Its tables are in its file.
    home.start().stop();
    let service = home.start();
    post_each(service.address, 0..BEFORE).await;
    act(&home, &log_of(&home));
    let first = BEFORE..BEFORE + AFTER;
    let mut taken = post_some(service.address, first).await;
    while ask(service.address, &request(0)).await != Some(200) {}
    assert!(!taken.is_empty(), "it takes none");
    let log = kill(service);
    assert_eq!(log.matches("\"store.wal_cut").count(), 1, "{log}");
    assert!(log.contains("store.in_place_again"), "{log}");
    taken.extend(0..BEFORE);
    let lost = &taken - &stored(&home);
    assert!(lost.is_empty(), "{lost:?}");
    post_each(home.start().address, 2 * AFTER..3 * AFTER).await;
}

#[actix_web::test]
async fn a_log_that_is_cut_to_nothing_costs_no_webhook_that_was_answered_200() {
    check(|_, log| cut(log, 0)).await;
    check(|home, _| empty(home)).await;
}

#[actix_web::test]
async fn a_log_that_is_cut_to_a_part_costs_no_webhook_that_was_answered_200() {
    check(|_, log| cut(log, length(log) / 2)).await;
    check(|_, log| cut(log, length(log) - 1)).await;
    check(|_, log| cut(log, 16)).await;
}

#[actix_web::test]
async fn a_log_that_is_written_over_costs_no_webhook_that_was_answered_200() {
    check(|_, log| zero(log, 0, 4096)).await;
    check(|_, log| zero(log, length(log) - 4096, 4096)).await;
    // Zeros of the same length take its place.
    check(|_, log| {
        let whole = length(log);
        cut(log, 0);
        cut(log, whole);
    })
    .await;
}

#[actix_web::test]
async fn an_older_copy_that_is_written_over_the_log_is_not_believed() {
    let home = Home::new();
    home.start().stop();
    let service = home.start();
    post_each(service.address, 0..BEFORE).await;
    let older = std::fs::read(home.file("tickrelay.db-wal")).unwrap();
    checkpoint(&home, "RESTART");
    post_each(service.address, [BEFORE]).await;
    log_of(&home).write_all_at(&older, 0).unwrap();
    post_each(service.address, BEFORE + 1..BEFORE + AFTER).await;
    let log = kill(service);
    assert_eq!(log.matches("\"store.wal_cut").count(), 1, "{log}");
    assert_eq!(stored(&home), (0..BEFORE + AFTER).collect());
}

#[actix_web::test]
async fn a_log_that_is_cut_and_removed_costs_no_webhook_that_was_answered_200() {
    check_removed(|home| std::fs::remove_file(home.file("tickrelay.db-wal")).unwrap()).await;
    check_removed(|home| std::fs::remove_file(home.file("tickrelay.db-shm")).unwrap()).await;
    check_removed(|home| {
        std::fs::rename(home.file("tickrelay.db-wal"), home.file("moved")).unwrap();
        std::fs::copy(home.file("moved"), home.file("tickrelay.db-wal")).unwrap();
    })
    .await;
}

async fn check_removed(remove: impl Fn(&Home)) {
    let home = Home::new();
    home.start().stop();
    let service = home.start();
    post_each(service.address, 0..BEFORE).await;
    cut(&log_of(&home), 0);
    remove(&home);
    let mut taken = post_some(service.address, BEFORE..BEFORE + AFTER).await;
    while ask(service.address, &request(0)).await != Some(200) {}
    kill(service);
    taken.extend(0..BEFORE);
    let lost = &taken - &stored(&home);
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn a_log_that_is_cut_under_an_idle_service_is_written_back_before_anything_comes() {
    for is_read in [false, true] {
        let home = Home::new();
        home.start().stop();
        let service = home.start();
        post_each(service.address, 0..BEFORE).await;
        let reader = is_read.then(|| analyst(&home));
        let log = log_of(&home);
        cut(&log, 0);
        until("there is another log", || {
            let now = home.file("tickrelay.db-wal").metadata();
            now.is_ok_and(|now| now.ino() != log.metadata().unwrap().ino())
        })
        .await;
        kill(service);
        drop(reader);
        assert_eq!(stored(&home), (0..BEFORE).collect());
    }
}

/// Another program that reads and does not let go.
fn analyst(home: &Home) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let reader = Connection::open_with_flags(home.store(), flags).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM report")
        .unwrap();
    reader
}

#[actix_web::test]
async fn a_log_that_is_cut_amid_commits_costs_no_webhook_that_was_answered_200() {
    check_amid(|home| cut(&log_of(home), 0)).await;
}

#[actix_web::test]
async fn a_log_that_is_cut_and_removed_amid_commits_costs_no_webhook_that_was_answered_200() {
    check_amid(|home| {
        cut(&log_of(home), 0);
        // A service that noticed the cut at once has ended, and left no log.
        if let Err(error) = std::fs::remove_file(home.file("tickrelay.db-wal")) {
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    })
    .await;
    check_amid(|home| {
        std::fs::copy(home.file("tickrelay.db-wal"), home.file("older")).unwrap();
        cut(&log_of(home), 0);
        std::fs::rename(home.file("older"), home.file("tickrelay.db-wal")).unwrap();
    })
    .await;
}

/// Whether the service takes a webhook, or has ended.
async fn takes_or_has_ended(address: SocketAddr) -> bool {
    match answered(address, request(usize::from(u16::MAX))).await {
        Ok(status) => status == 200,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    }
}

async fn check_amid(act: impl Fn(&Home)) {
    let home = Home::new();
    let traffic = TrafficGenerator::default();
    let mut cuts = 0;
    for _ in 0..6 {
        let service = home.start();
        let mut clients = traffic.flow(service.address, 4);
        until("webhooks are taken", || traffic.answered_count() >= BEFORE).await;
        act(&home);
        // Those that wait for the commit under way are refused, or the process ends.
        let enough = traffic.answered_count() + AFTER;
        while traffic.answered_count() < enough && !clients.is_empty() {
            let next = tokio::time::timeout(PATIENCE / 100, clients.join_next());
            let _ = next.await;
        }
        // What was refused is refused before the log is mended, which a kill must not forestall.
        let deadline = Instant::now() + PATIENCE;
        while !takes_or_has_ended(service.address).await {
            assert!(
                Instant::now() < deadline,
                "it neither takes webhooks nor ends"
            );
        }
        let log = kill(service);
        cuts += log.matches("\"store.wal_cut").count();
        while clients.join_next().await.is_some() {}
    }
    assert!(cuts > 0, "no cut was noticed");
    let answered: BTreeSet<usize> = (0..traffic.begun()).collect();
    let lost = &(&answered - &traffic.unanswered()) - &stored(&home);
    assert!(lost.is_empty(), "{lost:?}");
}

fn checkpoint(home: &Home, mode: &str) {
    let other = Connection::open(home.store()).unwrap();
    let pragma = format!("PRAGMA wal_checkpoint({mode})");
    other.query_row(&pragma, [], |_| Ok(())).unwrap();
}

#[actix_web::test]
async fn a_log_that_another_program_empties_into_the_store_is_not_cut() {
    let home = Home::new();
    let service = home.start();
    let modes = ["TRUNCATE", "RESTART", "PASSIVE", "TRUNCATE", "FULL"];
    let mut next = 0;
    for mode in modes {
        post_each(service.address, next..next + AFTER).await;
        next += AFTER;
        checkpoint(&home, mode);
    }
    post_each(service.address, next..next + AFTER).await;
    let log = kill(service);
    assert!(
        !log.contains("store.wal_cut") && !log.contains("store.displaced"),
        "{log}"
    );
    assert_eq!(stored(&home), (0..next + AFTER).collect());
}

/// A program that just opened the store draws the numbers by which a log is known at random.
#[actix_web::test]
async fn a_log_that_another_program_begins_again_is_not_cut() {
    let home = Home::new();
    let service = home.start();
    for round in 0..10 {
        post_each(service.address, round..=round).await;
        let other = Connection::open(home.file("tickrelay.db")).unwrap();
        let emptied = "PRAGMA wal_checkpoint(TRUNCATE)";
        other.query_row(emptied, [], |_| Ok(())).unwrap();
        let counted = "INSERT INTO ignored VALUES (99, ?1, 1, 0, 0)";
        other.execute(counted, [round.to_string()]).unwrap();
    }
    let log = kill(service);
    assert!(
        !log.contains("store.wal_cut") && !log.contains("store.displaced"),
        "{log}"
    );
    assert_eq!(stored(&home), (0..10).collect());
    let store = Connection::open(home.file("tickrelay.db")).unwrap();
    let counted = "SELECT count(*) FROM ignored WHERE source_id = 99";
    let counted = store.query_row(counted, [], |row| row.get::<_, i64>(0));
    assert_eq!(counted.unwrap(), 10, "what the other program wrote");
}

#[actix_web::test]
async fn a_service_that_does_not_look_into_its_log_is_caught_by_what_it_answered() {
    let (home, switch) = shim::with_switch();
    home.start().stop();
    let service = home.start();
    let mut taken = post_some(service.address, 0..BEFORE).await;
    switch.set(Disk::Blind);
    cut(&log_of(&home), 0);
    taken.extend(post_some(service.address, BEFORE..BEFORE + AFTER).await);
    assert!(taken.len() > BEFORE, "none was answered 200 after the cut");
    kill(service);
    assert!(!(&taken - &stored(&home)).is_empty());
}

/// Statuses in a webhook that fills the log quickly.
const MANY: usize = 500;

async fn post_many(service: &Service, number: usize) -> Option<u16> {
    let status = |index| cloud::status(&format!("wamid.{number}.{index}"), "sent", 1_760_000_000);
    let body = cloud::webhook(&(0..MANY).map(status).collect::<Vec<_>>());
    let request = client()
        .post(format!("http://{}/webhooks/cloud", service.address))
        .header(
            "X-Hub-Signature-256",
            hub_signature(APP_SECRET, body.as_bytes()),
        )
        .body(body);
    request
        .send()
        .await
        .ok()
        .map(|answer| answer.status().as_u16())
}

#[actix_web::test]
async fn a_cut_log_that_is_too_large_for_memory_ends_the_service_and_leaves_what_came_first() {
    let home = Home::new();
    home.start().stop();
    let mut service = home.start();
    let reader = analyst(&home);
    let mut next = 0;
    while length(&log_of(&home)) < 32 * 1024 * 1024 {
        assert_eq!(post_many(&service, next).await, Some(200));
        next += 1;
    }
    let log = log_of(&home);
    cut(&log, length(&log) / 2);
    assert_ne!(post_many(&service, next).await, Some(200));
    let (status, said) = service.end();
    drop(reader);
    assert_eq!(status.code(), Some(70), "{said}");
    assert!(said.contains("error: another program cut"), "{said}");
    assert_eq!(said.matches("\"store.wal_cut").count(), 1, "{said}");
    let service = home.start();
    assert_eq!(post_many(&service, next).await, Some(200));
    service.stop();
    let store = Connection::open(home.store()).unwrap();
    let integrity: String = store
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let mut found = store
        .prepare("SELECT DISTINCT webhook_id FROM report")
        .unwrap();
    let found: Vec<usize> = found
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(
        found.len() > 1 && found.len() <= next,
        "{} of {next}",
        found.len()
    );
}

//! A disk that is full, read-only, or that cannot sync.
//!
//! A library beneath the service makes its calls fail (`tests/shim/record.c`); the service
//! itself is the true one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{MEMORY, is_long};
use crate::support::hasty::Front;
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::shim::{self, Disk, Switch};
use crate::support::traffic::{message_id, number, post_each, request};
use crate::support::{PATIENCE, until};

/// The status that a request is answered with; an error when the connection is cut, or
/// `ConnectionRefused` when no process listens.
pub(super) async fn answered(
    address: SocketAddr,
    request: impl AsRef<[u8]>,
) -> std::io::Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_ref()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let status = std::str::from_utf8(&head[9..]).ok();
        let status = status.and_then(|status| status.parse().ok());
        status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await;
    answer.expect("a request is neither answered nor cut")
}

/// The status that a request is answered with; `None` when the connection is cut.
pub(super) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Option<u16> {
    answered(address, request).await.ok()
}

pub(super) async fn get(address: SocketAddr, path: &str) -> Option<u16> {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n"),
    )
    .await
}

/// Posts each webhook once; returns those that were answered 200.
pub(super) async fn post_some(
    address: SocketAddr,
    numbers: std::ops::Range<usize>,
) -> BTreeSet<usize> {
    let mut taken = BTreeSet::new();
    for number in numbers {
        match ask(address, &request(number)).await {
            Some(200) => {
                taken.insert(number);
            }
            Some(503) | None => {}
            other => panic!("webhook {number} is answered {other:?}"),
        }
    }
    taken
}

/// The webhooks that the store holds, when it is intact.
pub(super) fn stored(home: &Home) -> BTreeSet<usize> {
    let store = Connection::open(home.store()).unwrap();
    let answer: String = store
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(answer, "ok");
    let mut statement = store
        .prepare("SELECT provider_message_id FROM message")
        .unwrap();
    let ids = statement.query_map([], |row| row.get::<_, String>(0));
    ids.unwrap().map(|id| number(&id.unwrap())).collect()
}

/// Webhooks that come while the disk fails.
fn meanwhile() -> usize {
    if is_long() { 2_000 } else { 100 }
}

/// The disk fails while webhooks come, and works again.
async fn check(fault: Disk) {
    let (home, switch) = shim::with_switch();
    let receiver = Receiver::start();
    let service = home.start();
    service.subscribe("crm", &receiver.url);
    let address = service.address;
    post_each(address, 0..20).await;

    switch.set(fault);
    let last = 20 + meanwhile();
    let taken = post_some(address, 20..last).await;
    // The control: the fault was there.
    assert!(taken.len() < meanwhile(), "nothing was refused");
    assert_eq!(get(address, "/livez").await, Some(200));
    assert_eq!(get(address, "/readyz").await, Some(503));

    switch.set(Disk::Works);
    let deadline = Instant::now() + PATIENCE;
    while get(address, "/readyz").await != Some(200) {
        assert!(Instant::now() < deadline, "it does not find out by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What was refused comes again, as providers do, and something new. What was taken does not:
    // a false 200 would be mended by it.
    let all = last + 10;
    post_each(address, (20..all).filter(|number| !taken.contains(number))).await;
    until("all of it is forwarded", || {
        let about: BTreeSet<String> = receiver
            .received()
            .iter()
            .map(|forward| forward.json()["msId"].as_str().unwrap().to_owned())
            .collect();
        (0..all).all(|number| about.contains(&message_id(number)))
    })
    .await;
    assert!(service.peak_memory() < MEMORY);
    service.stop();
    assert_eq!(stored(&home), (0..all).collect());
}

#[actix_web::test]
async fn a_full_disk_refuses_webhooks_until_there_is_room() {
    check(Disk::Full).await;
}

#[actix_web::test]
async fn a_read_only_disk_refuses_webhooks_until_it_can_be_written() {
    check(Disk::ReadOnly).await;
}

/// What was answered 200 by the service, or a hasty front before it, and is not in the store
/// after the disk failed so and the process was killed.
async fn lost_on(disk: Disk, hasty: bool) -> BTreeSet<usize> {
    let (home, switch) = shim::with_switch();
    let mut service = home.start();
    let front = hasty.then(|| Front::start(service.address));
    let address = front.as_ref().map_or(service.address, Front::address);
    let mut taken = post_some(address, 0..50).await;
    switch.set(disk);
    taken.extend(post_some(address, 50..50 + meanwhile()).await);
    rustix::process::kill_process(service.process(), rustix::process::Signal::KILL).unwrap();
    service.end();
    &taken - &stored(&home)
}

#[actix_web::test]
async fn what_was_answered_200_on_a_full_disk_is_stored() {
    let lost = lost_on(Disk::Full, false).await;
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn what_was_answered_200_on_a_read_only_disk_is_stored() {
    let lost = lost_on(Disk::ReadOnly, false).await;
    assert!(lost.is_empty(), "{lost:?}");
}

#[actix_web::test]
async fn a_front_that_answers_before_it_stores_is_caught_on_a_full_disk() {
    assert!(!lost_on(Disk::Full, true).await.is_empty());
}

#[actix_web::test]
async fn a_front_that_answers_before_it_stores_is_caught_on_a_read_only_disk() {
    assert!(!lost_on(Disk::ReadOnly, true).await.is_empty());
}

#[actix_web::test]
async fn a_sync_that_fails_ends_the_process_and_the_next_one_has_all_that_was_answered() {
    let (home, switch) = shim::with_switch();
    let mut service = home.start();
    let mut taken = post_some(service.address, 0..20).await;
    assert_eq!(taken.len(), 20);
    taken.extend(taken_with(&switch, Disk::FailsToSync, service.address).await);
    assert_eq!(taken.len(), 20, "answered without a sync");
    let (status, log) = service.end();
    assert_eq!(status.code(), Some(70), "{log}");
    assert_eq!(log.matches("\"store.failed").count(), 1, "{log}");
    assert!(
        log.contains("error: a sync of the store's files failed"),
        "{log}"
    );
    switch.set(Disk::Works);
    let service = home.start();
    post_each(service.address, 20..30).await;
    service.stop();
    assert_eq!(stored(&home), (0..30).collect());
}

/// What is answered 200 while the disk is so.
async fn taken_with(switch: &Switch, disk: Disk, address: SocketAddr) -> BTreeSet<usize> {
    switch.set(disk);
    post_some(address, 20..22).await
}

#[actix_web::test]
async fn a_sync_that_fails_and_says_nothing_is_caught_by_what_is_answered() {
    let (home, switch) = shim::with_switch();
    let service = home.start();
    let taken = taken_with(&switch, Disk::OmitsSyncs, service.address).await;
    assert!(!taken.is_empty(), "nothing was answered without a sync");
    service.stop();
}

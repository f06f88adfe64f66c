//! Idle connections and subscribers that hang, where the process may open few files.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tickrelay::model::ErrorCode;
use tickrelay::store::query::{AttemptQuery, Window};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::clients::{answer_to, check_taken, invented_head};
use super::connections::{SENDING, allow_many_connections};
use crate::support::hostile::{Hostile, Vice};
use crate::support::plain::Plain;
use crate::support::receiver::Receiver;
use crate::support::service::{Home, Service, read_only};
use crate::support::traffic::{post_each, statuses};
use crate::support::{PATIENCE, until};

/// Opens so many connections that stay idle; one that is cut is simply held.
async fn idle(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut idle = Vec::new();
    for _ in 0..count {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    idle
}

#[actix_web::test]
async fn where_few_files_may_be_open_idle_connections_keep_no_webhook_out() {
    allow_many_connections();
    // Fewer connections than that fit into either limit, and than 3072.
    for (limit, clients) in [(256, 1_000), (1_024, 3_000)] {
        let home = Home::new().at_most_open_files(limit);
        let mut service = home.start();
        let mut held = idle(service.address, clients).await;
        for number in 0..20 {
            check_taken(service.address, number).await;
            held.extend(idle(service.address, 50).await);
        }
        drop(held);
        kill_process(service.process(), Signal::TERM).unwrap();
        let (status, log) = service.end();
        assert!(status.success(), "{status}: {log}");
        let warning = log.lines().find(|line| line.contains("LimitNOFILE"));
        let limit = format!("\"open_files\":{limit}");
        assert!(warning.is_some_and(|line| line.contains(&limit)), "{log}");
        assert!(!log.contains("Too many open files"), "{log}");
    }
}

/// A server without the bound has no file left for a webhook, and so no answer.
#[actix_web::test]
async fn a_server_without_the_bound_is_caught_by_the_same_idle_connections() {
    allow_many_connections();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    let (plain, address) = Plain::launch(command);
    let held = idle(address, 1_000).await;
    let taken = tokio::time::timeout(SENDING, check_taken(address, 1)).await;
    assert!(taken.is_err(), "it was answered");
    drop((held, plain));
}

/// Subscribers that take a forward and never answer.
const HANGING: usize = 60;
/// Webhooks that each of them is to get: more than it may have at once.
const WEBHOOKS: usize = 40;

const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";

/// A service whose attempts wait for a minute, beside that many files.
fn patient(open_files: u32) -> Home {
    let home = Home::new().at_most_open_files(open_files);
    home.set("forward.timeout=60s")
        .set("server.shutdown_grace=1s")
}

/// Subscribes one that hangs so many times, and beside it one that does not.
async fn subscribe(service: &Service) -> (Hostile, Receiver) {
    let (hangs, good) = (Hostile::start(Vice::Holds).await, Receiver::start());
    for number in 0..HANGING {
        let url = format!("{}?{number}", hangs.url);
        service.subscribe(&format!("hangs-{number}"), &url);
    }
    service.subscribe("good", &good.url);
    (hangs, good)
}

/// The reports of so many webhooks, from the first on.
fn reports(webhooks: usize) -> usize {
    (0..webhooks).map(|number| statuses(number).len()).sum()
}

/// The files that the process has open.
fn open_files(process: Pid) -> usize {
    let folder = format!("/proc/{}/fd", process.as_raw_nonzero());
    std::fs::read_dir(folder).unwrap().count()
}

/// Connections of strangers: every other one is idle, the rest begin a body that never ends.
async fn strangers(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut strangers = idle(address, count).await;
    for stranger in strangers.iter_mut().step_by(2) {
        // It may be cut by now.
        let _ = stranger.write_all(invented_head(1_000).as_bytes()).await;
    }
    strangers
}

#[allow(clippy::print_stdout, reason = "what was measured, for --nocapture")]
#[actix_web::test]
async fn where_few_files_may_be_open_subscribers_that_hang_leave_the_others_theirs() {
    allow_many_connections();
    // Of the connections to subscribers, what the good one has of its own is left.
    for (limit, clients, all_but_its_own) in [(256, 1_000, 63), (1_024, 3_000, 254)] {
        let home = patient(limit);
        let mut service = home.start();
        let (hangs, good) = subscribe(&service).await;
        post_each(service.address, 0..WEBHOOKS).await;
        until("those that hang hold what they get", || {
            hangs.offended() >= all_but_its_own
        })
        .await;
        let mut held = strangers(service.address, clients).await;
        for number in WEBHOOKS..WEBHOOKS + 20 {
            check_taken(service.address, number).await;
            assert_eq!(answer_to(service.address, READY).await, "HTTP/1.1 200");
            held.extend(strangers(service.address, 50).await);
        }
        let all = reports(WEBHOOKS + 20);
        until("the good one has all", || good.count() >= all).await;
        assert_eq!(good.count(), all);
        // The command line is answered.
        service.token();
        println!(
            "of {limit} files {} are open",
            open_files(service.process())
        );
        drop(held);
        kill_process(service.process(), Signal::TERM).unwrap();
        let (status, log) = service.end();
        assert!(status.success(), "{status}: {log}");
        let warning = log.lines().find(|line| line.contains("to_subscribers"));
        let subscribers_share = format!("\"to_subscribers\":{}", limit / 4);
        assert!(
            warning.is_some_and(|line| line.contains(&subscribers_share)),
            "{log}"
        );
        for trouble in [
            "Too many open files",
            "forward.put_off",
            "checkpoint_failed",
        ] {
            assert!(!log.contains(trouble), "{log}");
        }
    }
}

/// The files are taken from a service that has begun with more: its bounds do not fit them, the
/// same subscribers use them up, and no webhook on a new connection is answered. What could not be
/// sent for that stays due, and no attempt is charged for it.
#[actix_web::test]
async fn bounds_that_do_not_fit_are_caught_and_what_could_not_be_sent_stays_due() {
    allow_many_connections();
    let home = patient(4_096);
    let mut service = home.start();
    let limit = |current| {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(4_096),
        };
        prlimit(Some(service.process()), Resource::Nofile, limit).unwrap();
    };
    let (_hangs, good) = subscribe(&service).await;
    limit(256);
    post_each(service.address, 0..WEBHOOKS).await;
    until("all files are in use", || {
        open_files(service.process()) >= 256
    })
    .await;
    // One that ends may leave its file to a connection of ours.
    let asked = || tokio::time::timeout(SENDING, answer_to(service.address, READY));
    let deadline = std::time::Instant::now() + PATIENCE;
    while asked().await.is_ok() {
        assert!(
            std::time::Instant::now() < deadline,
            "it is always answered"
        );
    }
    limit(4_096);
    post_each(service.address, WEBHOOKS..WEBHOOKS + 20).await;
    let all = reports(WEBHOOKS + 20);
    until("the good one has all", || good.count() >= all).await;
    kill_process(service.process(), Signal::TERM).unwrap();
    let (status, log) = service.end();
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("forward.put_off"), "{log}");
    assert!(log.contains("Too many open files"), "{log}");
    let charged = AttemptQuery {
        error: Some(ErrorCode::Connect),
        window: Window::newest(1),
        ..AttemptQuery::default()
    };
    let store = read_only(&home.store()).unwrap();
    assert!(store.read(charged).await.unwrap().rows.is_empty());
}

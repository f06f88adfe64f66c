//! Idle connections where the process may open few files.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::{Signal, kill_process};
use tokio::net::TcpStream;

use super::clients::check_taken;
use super::connections::{Plain, SENDING, allow_many_connections};
use crate::support::service::Home;

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
    // Fewer connections than that fit into either limit, and than 4096.
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
        .arg(env!("CARGO_BIN_EXE_tickrelay-bench"));
    let (plain, address) = Plain::launch(command);
    let held = idle(address, 1_000).await;
    let taken = tokio::time::timeout(SENDING, check_taken(address, 1)).await;
    assert!(taken.is_err(), "it was answered");
    drop((held, plain));
}

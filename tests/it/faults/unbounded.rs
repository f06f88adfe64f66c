//! What one stranger does, and thousands, done to a server that bounds nothing: each measurement
//! must see it.

use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::MEMORY;
use super::connections::{
    Attack, PART, SENDING, allow_many_connections, answer, check_kept, head, post, webhook,
};
use crate::support::plain::Plain;
use crate::support::service::peak_memory;
use crate::support::traffic::request;
use crate::support::{PATIENCE, until};

/// All but those who read no answer: the HTTP library alone holds some 95 KiB for each of them,
/// which is too much from 3000 on, and these are too slow to be made here.
#[actix_web::test]
async fn a_server_without_the_bounds_is_caught_by_each_of_the_thousands() {
    allow_many_connections();
    for (name, mut attack) in [
        ("unfinished heads", Attack::unfinished_heads()),
        ("many headers", Attack::many_headers()),
        ("unfinished bodies", Attack::unfinished_bodies()),
        ("refused bodies", Attack::refused_bodies()),
    ] {
        let (plain, address) = Plain::start();
        let process = Pid::from_child(&plain.0);
        // It cuts no client, and the machine may be busy.
        attack.sending = PATIENCE;
        let attack = tokio::spawn(attack.run(address));
        let caught = format!("{name}: it holds more than it may");
        until(&caught, || peak_memory(process) > MEMORY).await;
        attack.abort();
    }
}

#[actix_web::test]
async fn a_server_without_the_bounds_is_caught_by_the_same_stranger() {
    allow_many_connections();
    let (_plain, address) = Plain::start();
    // Longer than the service waits for a head.
    let patience = 2 * SENDING;
    let mut second = TcpStream::connect(address).await.unwrap();
    check_kept(&post(&mut second, 1).await);
    let head = head("POST /webhooks/cloud", 1, PART);
    second.write_all(head.as_bytes()).await.unwrap();
    let cut = tokio::time::timeout(patience, answer(&mut second)).await;
    assert!(cut.is_err(), "a second head: {cut:?}");

    let mut unfinished = TcpStream::connect(address).await.unwrap();
    let part = webhook(1, 1_000) + &" ".repeat(500);
    unfinished.write_all(part.as_bytes()).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..10_000 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let cut = tokio::time::timeout(Duration::from_secs(1), answer(&mut unfinished)).await;
    assert!(cut.is_err(), "of so many: {cut:?}");

    let mut last = TcpStream::connect(address).await.unwrap();
    let first = request(0).replacen("HTTP/1.1", "HTTP/1.1\r\nConnection: close", 1);
    last.write_all((first + &request(1)).as_bytes())
        .await
        .unwrap();
    let mut answers = Vec::new();
    // It may not even be cut.
    let second = async {
        while answers
            .windows(9)
            .filter(|text| text == b"HTTP/1.1 ")
            .count()
            < 2
        {
            if last.read_buf(&mut answers).await.unwrap() == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, second).await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert!(answers.matches("HTTP/1.1 ").count() > 1, "{answers}");
}

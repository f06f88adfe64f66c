//! Bodies that do not end: they take a bounded part of the memory, and the room of nobody else.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::MEMORY;
use super::clients::{
    HOLD, MIB, SOURCES, answer_to, check_all_sizes_taken, invented_head, post_all_but_the_end,
    send_all_but_the_end,
};
use super::connections::allow_many_connections;
use crate::support::PATIENCE;
use crate::support::service::Home;

/// Configures a source for each kind of credentials beside `cloud`.
pub(super) fn with_all_credentials(home: Home) -> Home {
    let config = std::fs::read_to_string(home.file("tickrelay.toml")).unwrap();
    std::fs::write(home.file("tickrelay.toml"), config + SOURCES).unwrap();
    home
}

/// The head of a request to a source that knows its sender by the password.
pub(super) fn infobip_head(length: usize, more: &str) -> String {
    let basic = base64::engine::general_purpose::STANDARD.encode("infobip:a-password-of-length");
    format!(
        "POST /webhooks/basic HTTP/1.1\r\nHost: relay\r\nAuthorization: Basic {basic}\r\n\
         Content-Length: {length}\r\n{more}\r\n"
    )
}

/// A text with blanks up to that length.
fn padded(text: &str, length: usize) -> String {
    text.to_owned() + &" ".repeat(length - text.len())
}

/// A webhook of an empty batch from Infobip, so many bytes long.
fn infobip(length: usize) -> Vec<u8> {
    let body = padded(r#"{"results":[]}"#, length);
    (infobip_head(body.len(), "") + &body).into_bytes()
}

/// The head of a call of the API with that token.
pub(super) fn call(token: &str, path: &str, length: usize) -> String {
    format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// All that is answered until the connection ends or is closed to further requests.
async fn whole_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // It may end with a reset: what was sent is not read.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// Strangers of whom each holds the body that it has not ended yet.
async fn hold(address: SocketAddr, lengths: impl Iterator<Item = usize>) -> Vec<TcpStream> {
    let strangers: JoinSet<_> = lengths
        .map(|length| post_all_but_the_end(address, length))
        .collect();
    strangers.join_all().await.into_iter().flatten().collect()
}

#[actix_web::test]
async fn strangers_with_unfinished_bodies_keep_no_webhook_out() {
    allow_many_connections();
    let home = with_all_credentials(Home::new());
    let service = home.start();
    let address = service.address;
    let (small, large) = (1_080, 300);
    let small_lengths = (0..small).map(|number| 4_200 + number * 53);
    let small_held = hold(address, small_lengths);
    let large_held = hold(address, (0..large).map(|number| 66_000 + number * 1_000));
    let (small_held, large_held) = tokio::join!(small_held, large_held);
    // The shares are full: some had to make room already, and the others hold what there is.
    assert!(
        (1..small).contains(&small_held.len()),
        "{}",
        small_held.len()
    );
    assert!(
        (1..large).contains(&large_held.len()),
        "{}",
        large_held.len()
    );
    for number in 0..20 {
        check_all_sizes_taken(address, number * 10).await;
        for length in [1_000, 5_000, 20_000, 300_000] {
            let answer = answer_to(address, &infobip(length)).await;
            assert_eq!(answer, "HTTP/1.1 200", "{length} bytes from Infobip");
        }
    }
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    drop((small_held, large_held));
    service.stop();
}

/// Sends an unfinished body ten times a second, and holds the last sixteen.
async fn renew(address: SocketAddr, length: usize, sent: Arc<AtomicUsize>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut held = VecDeque::new();
    loop {
        ticks.tick().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may be cut for another's sake.
        let _ = send_all_but_the_end(&mut stream, &invented_head(length), length).await;
        sent.fetch_add(length, Ordering::SeqCst);
        held.push_back(stream);
        if held.len() > 16 {
            held.pop_front();
        }
    }
}

#[actix_web::test]
async fn strangers_who_come_again_and_again_keep_no_webhook_out() {
    allow_many_connections();
    let home = Home::new();
    let service = home.start();
    let address = service.address;
    let lengths = [60_000, 300_000];
    let held = hold(address, (0..800).map(|number| lengths[number % 2])).await;
    assert!((1..800).contains(&held.len()), "{} are held", held.len());
    let sent = Arc::new(AtomicUsize::new(0));
    let mut strangers = JoinSet::new();
    for number in 0..8 {
        strangers.spawn(renew(address, lengths[number % 2], Arc::clone(&sent)));
    }
    let mut number = 0;
    // More than both shares together.
    while sent.load(Ordering::SeqCst) < 64 * MIB {
        check_all_sizes_taken(address, number).await;
        number += 10;
    }
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    strangers.abort_all();
    drop(held);
    service.stop();
}

/// Calls the API with all but the last byte of so many; the connection, and what was answered
/// while it was held.
async fn call_all_but_the_end(
    address: SocketAddr,
    token: Arc<str>,
    length: usize,
) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = call(&token, "/messages", length);
    let send = send_all_but_the_end(&mut stream, &head, length);
    let _ = tokio::time::timeout(HOLD, send).await;
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(HOLD, stream.read(&mut answer)).await;
    answer.truncate(read.ok().and_then(Result::ok).unwrap_or(0));
    (stream, String::from_utf8(answer).unwrap())
}

/// How many bodies of 16 MB of as many callers the service holds, and what the others are told.
async fn call_by_many(address: SocketAddr, token: Arc<str>) -> (usize, Vec<String>) {
    let callers: JoinSet<_> = (0..64)
        .map(|_| call_all_but_the_end(address, Arc::clone(&token), 16_000_000))
        .collect();
    let callers = callers.join_all().await;
    let answers: Vec<String> = callers.iter().map(|(_, answer)| answer.clone()).collect();
    let answers: Vec<String> = answers
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    (callers.len() - answers.len(), answers)
}

#[actix_web::test]
async fn many_huge_bodies_to_the_api_take_a_bounded_part_of_the_memory() {
    let home = Home::new();
    let service = home.start();
    let address = service.address;
    let token: Arc<str> = service.token().into();
    let calling = tokio::spawn(call_by_many(address, Arc::clone(&token)));
    let mut number = 0;
    while !calling.is_finished() {
        check_all_sizes_taken(address, number).await;
        number += 10;
    }
    let (held, answers) = calling.await.unwrap();
    assert!(held < 64 && !answers.is_empty(), "{held} are held");
    for answer in answers {
        let head = answer.to_lowercase();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(head.contains("\r\nretry-after: "), "{answer}");
        assert!(head.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("send it again later"), "{answer}");
    }
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    // What is whole is taken, whoever else holds what.
    let body = padded(r#"[{"source":"cloud","msId":"wamid.api"}]"#, 12 * MIB);
    let request = call(&token, "/messages", body.len()) + &body;
    assert_eq!(answer_to(address, request.as_bytes()).await, "HTTP/1.1 200");
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    service.stop();
}

#[actix_web::test]
async fn a_body_that_does_not_end_is_answered_408() {
    let home = with_all_credentials(Home::new());
    let service = home.start();
    let token = service.token();
    let mut answers = JoinSet::new();
    for head in [
        invented_head(10_000),
        infobip_head(10_000, ""),
        call(&token, "/messages", 10_000),
        call(&token, "/replays", 10_000),
    ] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        send_all_but_the_end(&mut stream, &head, 10_000)
            .await
            .unwrap();
        answers.spawn(async move { (head, whole_answer(&mut stream).await) });
    }
    for (head, answer) in answers.join_all().await {
        assert!(answer.starts_with("HTTP/1.1 408"), "{head}{answer}");
        assert!(answer.contains("send it again"), "{head}{answer}");
    }
    service.stop();
}

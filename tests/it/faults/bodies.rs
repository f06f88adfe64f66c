//! Bodies that do not end: they take a bounded part of the memory, and no room of other clients.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::MEMORY;
use super::clients::{
    MIB, SOURCES, answer_to, check_all_sizes_taken, invented_head, send_all_but_the_end,
};
use super::connections::allow_many_connections;
use crate::support::service::Home;
use crate::support::{PATIENCE, until};

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

/// Posts bodies that only seem to be signed, all but the last byte of each, and waits until no more
/// than `at_most` of them are held: the others had to make room. Returns the connections of those
/// that are.
pub(super) async fn hold(
    address: SocketAddr,
    lengths: impl Iterator<Item = usize>,
    at_most: usize,
) -> Vec<TcpStream> {
    let strangers: JoinSet<_> = lengths
        .map(|length| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let sent = send_all_but_the_end(&mut stream, &invented_head(length), length).await;
            // It may be cut off while it goes on sending.
            sent.is_ok().then_some(stream)
        })
        .collect();
    let sent = strangers.join_all().await;
    let mut held: Vec<TcpStream> = sent.into_iter().flatten().collect();
    until("bodies make room for others", || {
        held.retain(is_held);
        held.len() <= at_most
    })
    .await;
    held
}

/// Whether the connection is open and nothing was answered.
fn is_held(stream: &TcpStream) -> bool {
    let mut answer = [0; 12];
    match stream.try_read(&mut answer) {
        // A slow machine may also take longer than a body has.
        Ok(12) => assert!(
            [b"HTTP/1.1 503", b"HTTP/1.1 408"].contains(&&answer),
            "{}",
            String::from_utf8_lossy(&answer)
        ),
        Ok(_) => {}
        Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
    }
    false
}

#[actix_web::test]
async fn strangers_with_unfinished_bodies_keep_no_webhook_out() {
    allow_many_connections();
    let home = with_all_credentials(Home::new());
    let service = home.start();
    let address = service.address;
    let (small, large) = (1_080, 300);
    let small_lengths = (0..small).map(|number| 4_200 + number * 53);
    let small_held = hold(address, small_lengths, small - 1);
    let large_lengths = (0..large).map(|number| 66_000 + number * 1_000);
    let large_held = hold(address, large_lengths, large - 1);
    // The shares are full: some had to make room already, and the others hold what there is.
    let (small_held, large_held) = tokio::join!(small_held, large_held);
    assert!(!small_held.is_empty() && !large_held.is_empty());
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

/// Sends new unfinished bodies, and holds the last hundred of them all.
async fn renew(address: SocketAddr, lengths: &[usize], held: &mut VecDeque<TcpStream>) {
    for length in lengths {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may be cut for another's sake.
        let _ = send_all_but_the_end(&mut stream, &invented_head(*length), *length).await;
        held.push_back(stream);
        held.drain(..held.len().saturating_sub(100));
    }
}

#[actix_web::test]
async fn strangers_who_come_again_and_again_keep_no_webhook_out() {
    allow_many_connections();
    let home = Home::new();
    let service = home.start();
    let address = service.address;
    let lengths = [60_000, 300_000];
    let mut held = hold(address, (0..800).map(|number| lengths[number % 2]), 799).await;
    assert!(!held.is_empty());
    // By the webhook and not by the clock: as many bodies would fit into the time that a webhook
    // takes on a slow machine as the shares hold, and what is oldest makes room.
    let new = [60_000, 300_000, 60_000, 300_000, 60_000, 300_000];
    let mut number = 0;
    let mut sent = 0;
    let mut renewed = VecDeque::new();
    // More than both shares together.
    while sent < 64 * MIB {
        tokio::join!(
            renew(address, &new, &mut renewed),
            check_all_sizes_taken(address, number)
        );
        sent += new.iter().sum::<usize>();
        number += 10;
    }
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    held.clear();
    service.stop();
}

/// How many bodies of 16 MB of as many callers the service holds, once it refused some, and what
/// these are told.
async fn call_by_many(address: SocketAddr, token: Arc<str>) -> (usize, Vec<String>) {
    let length = 16_000_000;
    let calls: JoinSet<_> = (0..64)
        .map(|_| Arc::clone(&token))
        .map(|token| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = call(&token, "/messages", length);
            // It may be answered and cut before it sent all.
            let _ = send_all_but_the_end(&mut stream, &head, length).await;
            (stream, Vec::new())
        })
        .collect();
    let mut calls = calls.join_all().await;
    let is_whole = |answer: &[u8]| String::from_utf8_lossy(answer).ends_with('}');
    until("some callers are refused", || {
        for (stream, answer) in &mut calls {
            let mut more = [0; 4096];
            if let Ok(length) = stream.try_read(&mut more) {
                answer.extend_from_slice(&more[..length]);
            }
        }
        let mut begun = calls.iter().filter(|(_, answer)| !answer.is_empty());
        begun.clone().next().is_some() && begun.all(|(_, answer)| is_whole(answer))
    })
    .await;
    let total = calls.len();
    let answers = calls.into_iter().filter(|(_, answer)| !answer.is_empty());
    let answers: Vec<String> = answers
        .map(|(_, answer)| String::from_utf8(answer).unwrap())
        .collect();
    (total - answers.len(), answers)
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
    // What is whole is taken, whatever other clients hold.
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

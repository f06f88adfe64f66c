//! Clients that mean harm: huge bodies, endless heads, idle connections, no HTTP at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::bodies::hold;
use super::connections::allow_many_connections;
use super::{MEMORY, is_long};
use crate::support::answer::{TOO_LONG, send_until_taken};
use crate::support::service::Home;
use crate::support::traffic::{body, request, signed};
use crate::support::{PATIENCE, until};

pub(super) const MIB: usize = 1024 * 1024;

/// Fails unless the service takes webhook `number` now, at once.
pub(super) async fn check_taken(address: SocketAddr, number: usize) {
    let answer = answer_to(address, request(number).as_bytes()).await;
    assert_eq!(answer, "HTTP/1.1 200", "webhook {number}");
}

/// The first words of the answer to that request, or why there is none.
pub(super) async fn answer_to(address: SocketAddr, request: &[u8]) -> String {
    let post = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, post).await;
    let answer = answer.unwrap_or_else(|late| Err(late.into()));
    answer.unwrap_or_else(|error| error.to_string())
}

/// Fails unless the service has room for that webhook, now, at once; a slow machine may take too long
/// to store it.
async fn check_large_taken(address: SocketAddr, request: &[u8]) {
    let send = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        (answer[9..12].parse().unwrap(), answer)
    };
    send_until_taken(TOO_LONG, send).await;
}

/// The sizes of webhooks, each of which takes its part of memory from elsewhere.
const SIZES: [usize; 4] = [0, 5_000, 20_000, 300_000];

/// Fails unless the service takes webhooks of every size now, at once; their numbers are from
/// `number` on.
pub(super) async fn check_all_sizes_taken(address: SocketAddr, number: usize) {
    for (index, size) in SIZES.into_iter().enumerate() {
        let request = large_request(number + index, size);
        assert_eq!(
            answer_to(address, &request).await,
            "HTTP/1.1 200",
            "webhook {number} of {size} bytes"
        );
    }
}

/// The head of a webhook that only seems to be signed.
pub(super) fn invented_head(length: usize) -> String {
    format!(
        "POST /webhooks/cloud HTTP/1.1\r\nHost: relay\r\nContent-Length: {length}\r\n\
         X-Hub-Signature-256: sha256={}\r\n\r\n",
        "0".repeat(64)
    )
}

/// Sends the head and all but the last of so many bytes.
pub(super) async fn send_all_but_the_end(
    stream: &mut TcpStream,
    head: &str,
    length: usize,
) -> std::io::Result<()> {
    let chunk = vec![b' '; 64 * 1024];
    stream.write_all(head.as_bytes()).await?;
    let mut left = length - 1;
    while left > 0 {
        let part = left.min(chunk.len());
        stream.write_all(&chunk[..part]).await?;
        left -= part;
    }
    Ok(())
}

/// A webhook that is signed and says little, with so many blanks at its end.
pub(super) fn large_request(number: usize, bytes: usize) -> Vec<u8> {
    let body = [body(number), " ".repeat(bytes)].concat();
    signed(body.as_bytes(), "")
}

#[actix_web::test]
async fn many_huge_bodies_at_once_take_a_bounded_part_of_the_memory() {
    let home = Home::new();
    let service = home.start();
    let address = service.address;
    // Some hold what they can; the others were refused for their sake.
    let held = hold(address, std::iter::repeat_n(16 * MIB, 64), 8).await;
    assert!(!held.is_empty());
    check_all_sizes_taken(address, 1).await;
    check_large_taken(address, &large_request(9, 12 * MIB)).await;
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    drop(held);
    service.stop();
}

#[actix_web::test]
async fn a_larger_share_for_bodies_is_caught_by_the_same_measurement() {
    // One body may take all that all bodies may: the limit of one moves the bound of all.
    let home = Home::new().set("server.body_limit=512MiB");
    let service = home.start();
    let one = std::iter::once(MEMORY + 16 * MIB);
    let stranger = tokio::spawn(hold(service.address, one, 1));
    until("it holds more than it may", || {
        service.peak_memory() > MEMORY
    })
    .await;
    stranger.abort();
    service.stop();
}

/// A client that does nothing (or, `endless`, sends one header after the other) on an open
/// connection; whether that is cut while it has patience.
async fn is_cut(mut stream: TcpStream, endless: bool, patience: Duration) -> bool {
    if !endless {
        let mut rest = Vec::new();
        let cut = stream.read_to_end(&mut rest);
        return tokio::time::timeout(patience, cut).await.is_ok();
    }
    let mut sent = stream.write_all(b"POST /webhooks/cloud HTTP/1.1\r\n").await;
    let deadline = Instant::now() + patience;
    while sent.is_ok() && Instant::now() < deadline {
        let mut byte = [0];
        let next = Duration::from_millis(200);
        match tokio::time::timeout(next, stream.read(&mut byte)).await {
            Ok(_) => return true,
            Err(_) => sent = stream.write_all(b"X-More: 1\r\n").await,
        }
    }
    sent.is_err()
}

#[actix_web::test]
async fn idle_connections_and_endless_heads_are_cut_and_hold_nobody_up() {
    let (idle, endless) = if is_long() {
        (10_000, 500)
    } else {
        (1_000, 50)
    };
    // Room for the other ends of the connections, which are here.
    allow_many_connections();
    let home = Home::new().open_files(256);
    let service = home.start();
    let address = service.address;
    let mut clients = JoinSet::new();
    for number in 0..idle + endless {
        let stream = TcpStream::connect(address).await.unwrap();
        clients.spawn(is_cut(stream, number >= idle, PATIENCE));
    }
    for number in 0..20 {
        check_taken(address, number).await;
    }
    let cut = clients.join_all().await;
    assert!(cut.iter().all(|cut| *cut), "some are held for good");
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    check_taken(address, 21).await;
    service.stop();
}

#[actix_web::test]
async fn a_server_that_never_cuts_is_caught_by_the_same_clients() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for endless in [false, true] {
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        let (stream, held) = tokio::join!(stream, listener.accept());
        let cut = is_cut(stream.unwrap(), endless, Duration::from_secs(1)).await;
        assert!(!cut, "{endless}");
        drop(held);
    }
}

/// A source for each kind of credentials that stand in a request's head.
pub(super) const SOURCES: &str = r#"
[[source]]
name = "keyed"
provider = "360dialog"
header = { name = "X-Key", value = "a-key-of-the-right-length" }
[[source]]
name = "basic"
provider = "infobip"
basic_auth = { username = "infobip", password = "a-password-of-length" }
[[source]]
name = "url"
provider = "infobip"
url_token = "a-token-of-the-right-length"
"#;

/// What is answered to a head whose body is announced and never sent; `ends` says so.
async fn answer_to_the_head(address: SocketAddr, path: &str, header: &str, ends: bool) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /webhooks/{path} HTTP/1.1\r\nHost: relay\r\nContent-Length: 16000000\r\n{header}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if ends {
        stream.shutdown().await.unwrap();
    }
    let mut answer = [0; 12];
    let answered = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    match answered {
        Ok(Ok(_)) => String::from_utf8_lossy(&answer).into_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it waits for the body".to_owned(),
    }
}

#[actix_web::test]
async fn a_stranger_is_refused_before_its_body_is_read() {
    let home = Home::new();
    let config = std::fs::read_to_string(home.file("tickrelay.toml")).unwrap();
    std::fs::write(home.file("tickrelay.toml"), config + SOURCES).unwrap();
    let service = home.start();
    let basic = base64::engine::general_purpose::STANDARD.encode("infobip:a-password-of-length");
    let (basic, signature) = (
        format!("Authorization: Basic {basic}\r\n"),
        format!("X-Hub-Signature-256: sha256={}\r\n", "0".repeat(64)),
    );
    let cases = [
        ("cloud", ""),
        ("cloud", "X-Hub-Signature-256: none\r\n"),
        ("keyed", ""),
        ("keyed", "X-Key: another\r\n"),
        ("basic", ""),
        ("basic", "Authorization: Basic bm9ib2R5OmVsc2U=\r\n"),
        ("url", ""),
        ("url/another-token", ""),
    ];
    for (path, header) in cases {
        let answer = answer_to_the_head(service.address, path, header, false).await;
        assert_eq!(answer, "HTTP/1.1 401", "{path} {header}");
    }
    // The control: the body of who may be believed is waited for.
    let controls = [
        ("cloud", signature.as_str()),
        ("keyed", "X-Key: a-key-of-the-right-length\r\n"),
        ("basic", &basic),
        ("url/a-token-of-the-right-length", ""),
    ];
    for (path, header) in controls {
        let answer = answer_to_the_head(service.address, path, header, true).await;
        assert_ne!(answer, "HTTP/1.1 401", "{path} {header}");
    }
    service.stop();
}

/// Bytes that are no request of ours, each with what is wrong with them.
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let started = |head: &str| {
        let webhook = request(7);
        let (_, rest) = webhook.split_once("\r\n").unwrap();
        format!("{head}\r\n{rest}").into_bytes()
    };
    let with = |header: &str| {
        format!("POST /webhooks/cloud HTTP/1.1\r\nHost: relay\r\n{header}\r\n\r\n").into_bytes()
    };
    vec![
        ("no HTTP", b"\x00\xff\xfe\x80garbage\r\n\r\n".to_vec()),
        (
            "a TLS greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(40),
        ),
        (
            "HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04".to_vec(),
        ),
        (
            "a version of its own",
            started("POST /webhooks/cloud HTTP/9.9"),
        ),
        ("no version", started("POST /webhooks/cloud")),
        (
            "a blank in the method",
            started("PO ST /webhooks/cloud HTTP/1.1"),
        ),
        (
            "two lengths",
            with("Content-Length: 3\r\nContent-Length: 4"),
        ),
        (
            "length and chunks",
            with("Content-Length: 3\r\nTransfer-Encoding: chunked"),
        ),
        ("a negative length", with("Content-Length: -1")),
        (
            "a length of twenty digits",
            with("Content-Length: 99999999999999999999"),
        ),
        ("an unknown coding", with("Transfer-Encoding: nonsense")),
        (
            "a chunk without a size",
            with("Transfer-Encoding: chunked\r\n\r\nxyz"),
        ),
        (
            "a chunk of 2^64",
            with("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n"),
        ),
        ("NUL in a header", with("X-A: a\0b")),
        ("a header without a colon", with("nonsense")),
        ("a folded header", with("X-A: a\r\n b")),
        (
            "a head of a megabyte",
            with(&format!("X-A: {}", "a".repeat(MIB))),
        ),
        ("ten thousand headers", with(&"X-A: a\r\n".repeat(10_000))),
        (
            "a path of a megabyte",
            started(&format!("POST /{} HTTP/1.1", "a".repeat(MIB))),
        ),
        ("a body that never comes", with("Content-Length: 10")),
    ]
}

#[actix_web::test]
async fn what_is_no_http_is_never_answered_200_and_never_stored() {
    let home = Home::new();
    let service = home.start();
    for (what, bytes) in malformed() {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        // It may be refused before its end.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(PATIENCE, read).await;
        assert!(read.is_ok(), "{what}: the connection stays");
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{what}: {answer}");
    }
    let stored = || service.all("/webhooks").len();
    assert_eq!(stored(), 0);
    // The same request in its right form is taken: the table is about the form alone.
    check_taken(service.address, 7).await;
    until("it is stored", || stored() == 1).await;
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    service.stop();
}

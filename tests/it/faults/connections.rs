//! Thousands of clients at once, each of which makes the service hold as much as it can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::clients::{MIB, check_taken};
use super::{MEMORY, is_long};
use crate::support::PATIENCE;
use crate::support::service::Home;
use crate::support::traffic::request;

/// How long a client goes on; the service waits as long for a head.
pub(super) const SENDING: Duration = Duration::from_secs(5);
/// Files that the service may open where its connections are to be too many soon: 224 of them are for clients.
const FEW_FILES: u32 = 512;
/// How much of a head or a body each client sends.
pub(super) const PART: usize = 120 * 1024;

/// Lets this process, and those it starts, hold as many connections as the system allows.
pub(super) fn allow_many_connections() {
    let allowed = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: allowed.maximum,
        ..allowed
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Connects and sends, again and again if it is `endless`; never reads, and stays for as long. It
/// may be refused.
async fn send_and_hold(
    address: SocketAddr,
    bytes: &'static [u8],
    (endless, sending): (bool, Duration),
) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little of an answer that is not read fits in here.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let send = async {
        while stream.write_all(bytes).await.is_ok() && endless {}
        // A client that hung up at once would have nothing held for it.
        std::future::pending::<()>().await;
    };
    let _ = tokio::time::timeout(sending, send).await;
    stream
}

/// What thousands of clients do at once.
pub(super) struct Attack {
    clients: usize,
    bytes: Vec<u8>,
    endless: bool,
    pub(super) sending: Duration,
}

impl Attack {
    /// Each sends this once.
    fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            clients: if is_long() { 10_000 } else { 3_000 },
            bytes: bytes.into(),
            endless: false,
            sending: SENDING,
        }
    }

    pub(super) fn unfinished_heads() -> Self {
        Self::of(head("POST /webhooks/cloud", 1, PART))
    }

    pub(super) fn many_headers() -> Self {
        // As many as the HTTP library alone needs to hold more than it may.
        Self {
            clients: 10_000,
            ..Self::of(webhook(90, PART))
        }
    }

    /// Of webhooks that seem to be signed, most of the body.
    pub(super) fn unfinished_bodies() -> Self {
        Self::of(webhook(1, PART + 1) + &" ".repeat(PART))
    }

    pub(super) fn refused_bodies() -> Self {
        Self::of(webhook(1, PART) + &" ".repeat(PART))
    }

    pub(super) fn unread_answers() -> Self {
        Self {
            clients: 4_000,
            endless: true,
            ..Self::of(head("GET /nothing", 90, 1) + "\r\n\r\n")
        }
    }

    /// Returns when all have sent what they could, and time is over.
    pub(super) async fn run(self, address: SocketAddr) {
        let bytes: &'static [u8] = self.bytes.leak();
        let sending: JoinSet<_> = (0..self.clients)
            .map(|_| send_and_hold(address, bytes, (self.endless, self.sending)))
            .collect();
        drop(sending.join_all().await);
    }
}

/// Posts webhooks one after the other until it is stopped, from a thread that the clients do not
/// share; returns how many were taken.
fn post_meanwhile(address: SocketAddr, stop: &AtomicBool) -> usize {
    let mut taken = 0;
    while !stop.load(Ordering::SeqCst) {
        actix_web::rt::System::new().block_on(check_taken(address, taken));
        taken += 1;
    }
    taken
}

/// Fails unless the service stays within its bound under that, and takes webhooks meanwhile.
#[allow(clippy::print_stdout, reason = "what was measured, for --nocapture")]
async fn check(attack: Attack) {
    allow_many_connections();
    let home = Home::new();
    let service = home.start();
    let (address, stop) = (service.address, Arc::new(AtomicBool::new(false)));
    let stopping = Arc::clone(&stop);
    let posting = std::thread::spawn(move || post_meanwhile(address, &stopping));
    attack.run(address).await;
    stop.store(true, Ordering::SeqCst);
    let taken = posting.join().unwrap();
    let peak = service.peak_memory();
    println!("{taken} webhooks, peak {} MiB", peak / MIB);
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    assert!(taken > 0);
    check_taken(service.address, 100_000).await;
    service.stop();
}

/// The start of a head with so many headers and so long a last one, without its end.
pub(super) fn head(request: &str, headers: usize, length: usize) -> String {
    let headers: Vec<String> = (0..headers).map(|n| format!("X-{n}: 1\r\n")).collect();
    let headers = headers.concat();
    format!(
        "{request} HTTP/1.1\r\nHost: relay\r\n{headers}X-Last: {}",
        "a".repeat(length)
    )
}

/// A webhook that seems to be signed, with a body of that length, as far as its body.
pub(super) fn webhook(headers: usize, length: usize) -> String {
    let head = head("POST /webhooks/cloud", headers, 1);
    let signature = "0".repeat(64);
    format!("{head}\r\nContent-Length: {length}\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n")
}

#[actix_web::test]
async fn unfinished_heads_of_thousands_take_a_bounded_part_of_the_memory() {
    check(Attack::unfinished_heads()).await;
}

#[actix_web::test]
async fn heads_of_many_headers_whose_bodies_never_come_are_bounded() {
    check(Attack::many_headers()).await;
}

#[actix_web::test]
async fn unfinished_bodies_of_thousands_are_bounded() {
    check(Attack::unfinished_bodies()).await;
}

#[actix_web::test]
async fn bodies_that_arrive_whole_and_are_refused_leave_nothing_behind() {
    check(Attack::refused_bodies()).await;
}

#[actix_web::test]
async fn answers_that_nobody_reads_are_bounded_and_so_is_what_is_sent_all_the_same() {
    check(Attack::unread_answers()).await;
}

/// Reads one answer, without a body or with one that stands in the same packet; nothing when
/// the connection has ended.
pub(super) async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
    answer.truncate(read.unwrap().unwrap_or(0));
    String::from_utf8(answer).unwrap()
}

/// Posts webhook `number` on an open connection; its answer.
pub(super) async fn post(stream: &mut TcpStream, number: usize) -> String {
    // Whether it was cut is said by the answer.
    let _ = stream.write_all(request(number).as_bytes()).await;
    answer(stream).await
}

/// A webhook with so many more headers.
fn with_headers(number: usize, headers: usize) -> String {
    let headers: Vec<String> = (0..headers)
        .map(|n| format!("\r\nX-Forwarded-{n}: value-{n}"))
        .collect();
    let host = "HTTP/1.1";
    request(number).replacen(host, &(host.to_owned() + &headers.concat()), 1)
}

/// A webhook whose body is sent in chunks of so many bytes.
fn in_chunks(number: usize, size: usize) -> Vec<u8> {
    let webhook = request(number);
    let (head, body) = webhook.split_once("\r\n\r\n").unwrap();
    let head: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.to_lowercase().starts_with("content-length"))
        .collect();
    let mut bytes = head.join("\r\n").into_bytes();
    bytes.extend(b"\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in body.as_bytes().chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Fails unless that was taken, and more may follow.
pub(super) fn check_kept(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.to_lowercase().contains("close"), "{answer}");
}

#[actix_web::test]
async fn a_second_head_that_never_ends_is_cut() {
    let home = Home::new();
    let service = home.start();
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    check_kept(&post(&mut stream, 1).await);
    let head = head("POST /webhooks/cloud", 1, PART);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, "", "it is cut without an answer");
    check_taken(service.address, 2).await;
    service.stop();
}

#[actix_web::test]
async fn chunks_of_one_byte_leave_the_share_to_others() {
    let home = Home::new();
    let service = home.start();
    let mut stranger = TcpStream::connect(service.address).await.unwrap();
    let head = webhook(0, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    stranger.write_all(head.as_bytes()).await.unwrap();
    // 30 MiB on the wire, more than the share, of which 5 are body.
    let chunks = b"1\r\nx\r\n".repeat(64 * 1024);
    for _ in 0..80 {
        stranger.write_all(&chunks).await.unwrap();
    }
    let mut other = TcpStream::connect(service.address).await.unwrap();
    let webhook = with_headers(1, 80);
    other.write_all(webhook.as_bytes()).await.unwrap();
    check_kept(&answer(&mut other).await);
    service.stop();
}

#[actix_web::test]
async fn many_headers_and_chunked_bodies_keep_the_connection() {
    let home = Home::new();
    let service = home.start();
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    for number in 0..20 {
        let webhook = with_headers(number, 30);
        stream.write_all(webhook.as_bytes()).await.unwrap();
        check_kept(&answer(&mut stream).await);
    }
    for number in 20..60 {
        stream.write_all(&in_chunks(number, 1)).await.unwrap();
        check_kept(&answer(&mut stream).await);
    }
    service.stop();
}

#[actix_web::test]
async fn of_too_many_connections_the_longest_idle_is_cut_and_its_body_answered_503() {
    allow_many_connections();
    // The HTTP library closes a connection after 5 s without a request, and a busy machine makes few within that.
    let home = Home::new().at_most_open_files(FEW_FILES);
    let service = home.start();
    let mut unfinished = TcpStream::connect(service.address).await.unwrap();
    let part = webhook(1, 1_000) + &" ".repeat(500);
    unfinished.write_all(part.as_bytes()).await.unwrap();
    let mut busy = TcpStream::connect(service.address).await.unwrap();
    check_kept(&post(&mut busy, 0).await);
    let cut = tokio::spawn(async move { answer(&mut unfinished).await });
    let mut idle = Vec::new();
    // Twice as many as there may be: whoever is cut in the order of connecting is cut by then.
    while idle.len() < 500 || !cut.is_finished() {
        idle.push(TcpStream::connect(service.address).await.unwrap());
        if idle.len().is_multiple_of(10) {
            check_kept(&post(&mut busy, idle.len()).await);
        }
        assert!(idle.len() < 5_000, "nobody was cut");
    }
    let cut = cut.await.unwrap();
    assert!(cut.starts_with("HTTP/1.1 503"), "{cut}");
    assert!(cut.to_lowercase().contains("retry-after: "), "{cut}");
    drop(idle);
    service.stop();
}

#[actix_web::test]
async fn after_the_last_answer_of_a_connection_nothing_is_handled() {
    let home = Home::new();
    let service = home.start();
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let first = request(0).replacen("HTTP/1.1", "HTTP/1.1\r\nConnection: close", 1);
    let rest: String = (1..40).map(request).collect();
    stream.write_all((first + &rest).as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    let end = stream.read_to_end(&mut answers);
    // It may end with a reset: what was sent is not read.
    let _ = tokio::time::timeout(PATIENCE, end).await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    check_taken(service.address, 100).await;
    assert_eq!(service.all("/webhooks").len(), 2);
    service.stop();
}

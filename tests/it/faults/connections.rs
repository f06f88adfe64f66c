//! Thousands of clients at once, each of which makes the service hold as much as it can.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::clients::{MIB, check_taken};
use super::{MEMORY, is_long};
use crate::support::service::{Home, peak_memory};
use crate::support::{PATIENCE, until};

/// How long a client goes on; the service waits as long for a head.
const SENDING: Duration = Duration::from_secs(5);
/// How much of a head or a body each client sends.
const PART: usize = 120 * 1024;

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
        // Whoever hung up at once would have nothing held for it.
        std::future::pending::<()>().await;
    };
    let _ = tokio::time::timeout(sending, send).await;
    stream
}

/// What thousands of clients do at once.
struct Attack {
    clients: usize,
    bytes: Vec<u8>,
    endless: bool,
    sending: Duration,
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

    /// Returns when all have sent what they could, and time is over.
    async fn run(self, address: SocketAddr) {
        let bytes: &'static [u8] = self.bytes.leak();
        let sending: JoinSet<_> = (0..self.clients)
            .map(|_| send_and_hold(address, bytes, (self.endless, self.sending)))
            .collect();
        drop(sending.join_all().await);
    }
}

/// Posts webhooks one after the other until told to stop, from a thread that the clients do not
/// share; returns how many were taken, and how long the slowest of them waited.
fn post_meanwhile(address: SocketAddr, stop: &AtomicBool) -> (usize, Duration) {
    let (mut taken, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let started = Instant::now();
        actix_web::rt::System::new().block_on(check_taken(address, taken));
        slowest = slowest.max(started.elapsed());
        taken += 1;
    }
    (taken, slowest)
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
    let (taken, slowest) = posting.join().unwrap();
    let peak = service.peak_memory();
    println!(
        "{taken} webhooks, the slowest took {slowest:?}, peak {} MiB",
        peak / MIB
    );
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    assert!(taken > 0);
    check_taken(service.address, 100_000).await;
    service.stop();
}

/// The start of a head with so many headers and so long a last one, without its end.
fn head(request: &str, headers: usize, length: usize) -> String {
    let headers: Vec<String> = (0..headers).map(|n| format!("X-{n}: 1\r\n")).collect();
    let headers = headers.concat();
    format!(
        "{request} HTTP/1.1\r\nHost: relay\r\n{headers}X-Last: {}",
        "a".repeat(length)
    )
}

/// A webhook that seems to be signed, with a body of that length, as far as its body.
fn webhook(headers: usize, length: usize) -> String {
    let head = head("POST /webhooks/cloud", headers, 1);
    let signature = "0".repeat(64);
    format!("{head}\r\nContent-Length: {length}\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n")
}

/// A webhook that seems to be signed, and most of its body.
fn unfinished_body() -> String {
    webhook(1, PART + 1) + &" ".repeat(PART)
}

#[actix_web::test]
async fn unfinished_heads_of_thousands_take_a_bounded_part_of_the_memory() {
    check(Attack::of(head("POST /webhooks/cloud", 1, PART))).await;
}

#[actix_web::test]
async fn heads_of_many_headers_whose_bodies_never_come_are_bounded() {
    check(Attack::of(webhook(90, PART))).await;
}

#[actix_web::test]
async fn unfinished_bodies_of_thousands_are_bounded() {
    check(Attack::of(unfinished_body())).await;
}

#[actix_web::test]
async fn bodies_that_arrive_whole_and_are_refused_leave_nothing_behind() {
    check(Attack::of(webhook(1, PART) + &" ".repeat(PART))).await;
}

#[actix_web::test]
async fn answers_that_nobody_reads_are_bounded_and_so_is_what_is_sent_all_the_same() {
    let request = head("GET /nothing", 90, 1) + "\r\n\r\n";
    check(Attack {
        clients: if is_long() { 2_000 } else { 500 },
        bytes: request.into(),
        endless: true,
        sending: SENDING,
    })
    .await;
}

/// The HTTP library alone, as the benchmark's floor has it.
struct Plain(Child);

impl Plain {
    fn start() -> (Self, SocketAddr) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tickrelay-bench"))
            .arg("role-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let order = child.stdin.as_mut().unwrap();
        writeln!(order, r#"{{"storing":null}}"#).unwrap();
        let mut answer = String::new();
        let mut said = BufReader::new(child.stdout.as_mut().unwrap());
        said.read_line(&mut answer).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let port = u16::try_from(answer["port"].as_u64().unwrap()).unwrap();
        (Self(child), SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // Both fail when it is gone already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn a_server_without_the_bound_is_caught_by_as_many_bodies() {
    allow_many_connections();
    let (plain, address) = Plain::start();
    let attack = Attack {
        // It cuts nobody, and the machine may be busy.
        sending: 3 * PATIENCE,
        ..Attack::of(unfinished_body())
    };
    let attack = tokio::spawn(attack.run(address));
    let process = Pid::from_child(&plain.0);
    until("it holds more than it may", || {
        peak_memory(process) > MEMORY
    })
    .await;
    attack.abort();
}

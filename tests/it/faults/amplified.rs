//! Bodies that take many times their bytes once they are read, from who may send them: tiny ones
//! that are compressed, and JSON of nothing but brackets.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::task::JoinSet;

use super::MEMORY;
use super::bodies::{call, infobip_head, with_all_credentials};
use super::clients::{MIB, answer_to, check_taken, large_request};
use super::disk::ask;
use crate::support::answer::send_until_taken;
use crate::support::service::{Home, Service};
use crate::support::traffic::signed;
use crate::support::{PATIENCE, Tables};

/// The largest body, decompressed or not.
const LARGEST: usize = 16_000_000;

/// As many of these as fit into the largest body, between its start and end.
fn full(start: &str, one: &str, end: &str) -> String {
    let count = (LARGEST - start.len() - end.len()) / one.len();
    [start, &one.repeat(count), end].concat()
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A webhook of Infobip's with that body, compressed.
fn infobip(body: &str) -> Vec<u8> {
    let body = compressed(body.as_bytes());
    let head = infobip_head(body.len(), "Content-Encoding: gzip\r\n");
    [head.into_bytes(), body].concat()
}

/// A signed webhook of Meta's with that body, compressed.
fn meta(body: &str) -> Vec<u8> {
    signed(&compressed(body.as_bytes()), "Content-Encoding: gzip\r\n")
}

/// Checks whether the process is alive until it is stopped, from a thread of its own; returns how
/// often it checked. How fast it answers is for the benchmark.
fn ask_meanwhile(address: SocketAddr, stop: &AtomicBool) -> usize {
    let mut asked = 0;
    let request = b"GET /livez HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";
    while !stop.load(Ordering::SeqCst) {
        let answer = actix_web::rt::System::new().block_on(answer_to(address, request));
        assert_eq!(answer, "HTTP/1.1 200");
        asked += 1;
    }
    asked
}

/// Whether it was answered to come later, or cut off while it went on sending: what a sender that
/// waits too long for its turn may meet, and nothing else.
fn is_turned_away(answer: &str) -> bool {
    let turned_away = ["HTTP/1.1 503", "Broken pipe", "Connection reset"];
    turned_away.iter().any(|start| answer.starts_with(start))
}

/// Sends those of each group at once, and asks meanwhile whether the process is alive.
#[allow(clippy::print_stdout, reason = "what was measured, for --nocapture")]
async fn send_all(service: &Service, groups: Vec<(&'static str, Vec<Vec<u8>>)>) {
    let (address, stop) = (service.address, Arc::new(AtomicBool::new(false)));
    let stopping = Arc::clone(&stop);
    let asking = std::thread::spawn(move || ask_meanwhile(address, &stopping));
    for (number, (what, requests)) in groups.into_iter().enumerate() {
        let bytes = requests[0].len();
        let senders: JoinSet<String> = requests
            .into_iter()
            .map(|request| async move { answer_to(address, &request).await })
            .collect();
        for answer in senders.join_all().await {
            let is_expected = answer == "HTTP/1.1 200" || is_turned_away(&answer);
            assert!(is_expected, "{what}: {answer}");
        }
        // Its turn comes when theirs is over.
        let large = large_request(number, 300_000);
        let send = async || {
            (
                ask(address, &large).await.unwrap_or_default(),
                String::new(),
            )
        };
        send_until_taken("", send).await;
        let peak = service.peak_memory();
        println!("{what}, {bytes} bytes: peak {} MiB", peak / MIB);
        assert!(peak < MEMORY, "{what}: {} MiB", peak / MIB);
    }
    stop.store(true, Ordering::SeqCst);
    let asked = asking.join().unwrap();
    println!("{asked} times asked whether it is alive");
    assert!(asked > 0);
}

/// A group of four that are the same.
fn four(what: &'static str, request: Vec<u8>) -> (&'static str, Vec<Vec<u8>>) {
    (what, vec![request; 4])
}

#[actix_web::test]
async fn tiny_compressed_bodies_of_millions_of_elements_are_kept_and_cost_little() {
    let home = with_all_credentials(Home::new());
    let service = home.start();
    let empty = |start, end| full(start, "{},", end);
    let requests = vec![
        four(
            "objects in results",
            infobip(&empty(r#"{"results":["#, "{}]}")),
        ),
        four("a bare list", infobip(&empty("[", "{}]"))),
        four("statuses", meta(&empty(r#"{"statuses":["#, "{}]}"))),
    ];
    assert!(requests.iter().all(|(_, group)| group[0].len() < 200_000));
    send_all(&service, requests).await;
    let mut kept = service.all("/webhooks");
    kept.retain(|it| it["outcome"] == "unparsed");
    assert!(kept.len() >= 3, "{kept:?}");
    let details = kept.iter().map(|it| it["outcome_detail"].as_str());
    let last = details.max().flatten().unwrap();
    assert!(last.contains("more than 32768 entries"), "{kept:?}");
    service.stop();
}

#[actix_web::test]
async fn what_takes_many_times_its_text_is_bounded_whatever_it_is() {
    let home = with_all_credentials(Home::new());
    let service = home.start();
    let nested = r#"{"value":"#.repeat(100) + "{}" + &"}".repeat(100) + ",";
    let members = format!("{{{}\"z\":0}},", r#""a":{},"#.repeat(30_000));
    let zeros = full(r#"{"results":[["#, "0,", "0]]}");
    let nameless = full("{", r#""":0,"#, r#""":0}"#);
    let objects = full(r#"{"entry":["#, &nested, "{}]}");
    let broad = full(r#"{"results":["#, &members, "{}]}");
    let word = full(r#"{"results":[{"messageId":""#, "x", r#""}]}"#);
    let mut odd = infobip_head(LARGEST, "").into_bytes();
    odd.resize(odd.len() + LARGEST, 0xFF);
    let requests = vec![
        four("zeros in one element", infobip(&zeros)),
        four("members without names", infobip(&nameless)),
        four("objects in objects", meta(&objects)),
        four("broad objects", infobip(&broad)),
        four("one long word", infobip(&word)),
        four("bytes that are no text", odd),
    ];
    send_all(&service, requests).await;
    service.stop();
}

/// Bodies of the largest size, as they come and compressed, that become text in different ways.
fn largest_bodies() -> Vec<Vec<u8>> {
    let plain = |body: &[u8]| [infobip_head(body.len(), "").as_bytes(), body].concat();
    let word = full(r#"{"results":[{"messageId":""#, "x", r#""}]}"#);
    let mut wide = vec![0xFF, 0xFE];
    wide.extend(b"<\0".repeat(LARGEST / 2 - 1));
    let odd = "\u{FFFD}".repeat(LARGEST / 3);
    vec![
        plain(word.as_bytes()),
        plain(&vec![0xFF; LARGEST]),
        plain(&wide),
        infobip(&odd),
        infobip(&word),
    ]
}

/// Sends each of these by two at once, one after the other, until it was done so often or more is
/// held than may be; returns the most that was held, in bytes.
async fn send_again_and_again(service: &Service, rounds: usize) -> usize {
    for _ in 0..rounds {
        for request in largest_bodies() {
            let request = Arc::new(request);
            let senders: JoinSet<String> = (0..2)
                .map(|_| {
                    let (request, address) = (Arc::clone(&request), service.address);
                    async move { answer_to(address, &request).await }
                })
                .collect();
            drop(senders.join_all().await);
            if service.peak_memory() >= MEMORY {
                return service.peak_memory();
            }
        }
    }
    service.peak_memory()
}

/// A service of many threads, which take connections in turn. An allocator that keeps what is
/// freed keeps it for each of them, so that what it keeps does not hang on chance.
fn of_many_threads() -> Home {
    with_all_credentials(Home::new()).set("server.workers=32")
}

#[actix_web::test]
async fn what_was_freed_is_given_back_however_often_it_comes() {
    let home = of_many_threads();
    let service = home.start();
    let peak = send_again_and_again(&service, 4).await;
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    check_taken(service.address, 1).await;
    service.stop();
}

/// What the operator chose for the allocator holds: here, what glibc comes to by itself.
#[actix_web::test]
async fn an_allocator_that_keeps_what_is_freed_is_caught_by_the_same_bodies() {
    let home = of_many_threads()
        .environment("MALLOC_MMAP_THRESHOLD_", "33554432")
        .environment("MALLOC_TRIM_THRESHOLD_", "67108864")
        .environment("MALLOC_ARENA_MAX", "64");
    let service = home.start();
    let peak = send_again_and_again(&service, 20).await;
    assert!(peak >= MEMORY, "{} MiB", peak / MIB);
    service.stop();
}

#[actix_web::test]
async fn large_bodies_that_are_read_again_are_read_a_few_at_a_time() {
    let home = Home::new();
    let service = home.start();
    check_taken(service.address, 1).await;
    service.stop();
    // More than all memory that there may be, as if each had come in its time. Written while no
    // service is there: it takes a log that another program begins again for one that was cut.
    Tables::at(&home.store()).add_unparsed(20, LARGEST);
    let service = home.start();
    let read = service.ask("POST", "/webhooks/reprocess", &());
    assert_eq!(read["examined"], 20);
    assert_eq!(read["webhooks"].as_array().unwrap().len(), 20);
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    service.stop();
}

#[actix_web::test]
async fn as_many_reports_as_one_webhook_may_have_are_stored_within_the_bound() {
    let home = with_all_credentials(Home::new());
    let service = home.start();
    let count = 32_000;
    let batch = |batch| {
        let report = |n| format!(r#"{{"messageId":"{batch}-{n}","status":{{"groupId":3}}}}"#);
        let reports: Vec<String> = (0..count).map(report).collect();
        infobip(&format!(r#"{{"results":[{}]}}"#, reports.join(",")))
    };
    send_all(&service, vec![("reports", vec![batch(1), batch(2)])]).await;
    let stored = || -> u64 {
        let stats = service.get("/stats");
        let messages = stats["messages"].as_array().unwrap().iter();
        // Another source got a webhook too, to see whether it was taken.
        let of_source = messages.filter(|it| it["source"] == "basic");
        of_source.map(|it| it["messages"].as_u64().unwrap()).sum()
    };
    // On a busy machine it takes longer than its sender waits, whatever it is answered then.
    let deadline = Instant::now() + 4 * PATIENCE;
    while stored() < 2 * count {
        assert!(Instant::now() < deadline, "they are never stored");
        for number in [1, 2] {
            answer_to(service.address, &batch(number)).await;
        }
    }
    assert_eq!(stored(), 2 * count);
    let peak = service.peak_memory();
    assert!(peak < MEMORY, "{} MiB", peak / MIB);
    service.stop();
}

#[actix_web::test]
async fn the_api_is_bounded_by_what_is_in_a_body_too() {
    let home = Home::new();
    let service = home.start();
    let lists = r#"{"source":"cloud","msId":"a","metadata":{"a":[0]}},"#;
    let cases = [
        ("/messages", full("[", "{},", "{}]"), "HTTP/1.1 422"),
        (
            "/messages",
            full("[{\"metadata\":{\"a\":[", "0,", "0]}}]"),
            "HTTP/1.1 200",
        ),
        (
            "/messages",
            format!("[{}{{}}]", lists.repeat(16_383)),
            "HTTP/1.1 200",
        ),
        (
            "/messages",
            format!("[{}{{}}]", lists.repeat(16_384)),
            "HTTP/1.1 422",
        ),
        (
            "/sources/cloud/sent",
            full(r#"{"response":{},"request":["#, r#"{"a":0},"#, "{}]}"),
            "HTTP/1.1 422",
        ),
    ];
    let token = service.token();
    for (path, body, expected) in cases {
        let request = Arc::new(call(&token, path, body.len()) + &body);
        let callers: JoinSet<String> = (0..3)
            .map(|_| {
                let (request, address) = (Arc::clone(&request), service.address);
                async move { answer_to(address, request.as_bytes()).await }
            })
            .collect();
        for answer in callers.join_all().await {
            let is_expected = answer == expected || is_turned_away(&answer);
            assert!(is_expected, "{answer} {path}");
        }
        let peak = service.peak_memory();
        assert!(peak < MEMORY, "{path}: {} MiB", peak / MIB);
    }
    check_taken(service.address, 1).await;
    service.stop();
}

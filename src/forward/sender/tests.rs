//! Attempts against a real subscriber on loopback that follows a script.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::answer::retry_at;
use super::scripted::{Script, ScriptedSubscriber, answer};
use super::{AttemptRequest, Sender, SenderConfig, SenderError, shortage};
use crate::model::{ErrorCode, Headers, Outcome};

const NOW_MS: i64 = 1_800_000_000_000;
const BODY: &[u8] = br#"{"MessageStatus":"read"}"#;

fn config() -> SenderConfig {
    SenderConfig {
        allow_http: true,
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        timeout: Duration::from_secs(5),
        ..SenderConfig::default()
    }
}

async fn send(config: &SenderConfig, url: &str) -> Outcome {
    let sender = Sender::new(config).unwrap();
    send_with(&sender, url).await
}

async fn send_with(sender: &Sender, url: &str) -> Outcome {
    let target = sender.guard().target(url);
    let request = AttemptRequest {
        target: target.as_ref(),
        headers: &[("webhook-id", "0199-a")],
        own_headers: &Headers::new(),
        former_headers: &[],
        is_url_secret: false,
        body: &Bytes::from_static(BODY),
        now_ms: NOW_MS,
        timeout: None,
    };
    sender.send(&request).await.unwrap()
}

/// Sends to a subscriber that follows the script, and compares what is stable of the outcome.
async fn check(script: Script, http_status: Option<u16>, error: Option<ErrorCode>) -> Outcome {
    let subscriber = ScriptedSubscriber::start(script.clone()).await;
    let outcome = send(&config(), &subscriber.url()).await;
    assert_eq!(outcome.http_status, http_status, "{script:?}: {outcome:?}");
    assert_eq!(outcome.error, error, "{script:?}: {outcome:?}");
    assert_eq!(outcome.detail.is_empty(), error.is_none(), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn the_status_of_an_answer_decides() {
    let cases = [
        ("101 Switching Protocols", 101, Some(ErrorCode::Http1xx)),
        ("200 OK", 200, None),
        ("204 No Content", 204, None),
        ("299 Odd", 299, None),
        ("304 Not Modified", 304, Some(ErrorCode::Redirect)),
        ("400 Bad Request", 400, Some(ErrorCode::Http4xx)),
        ("410 Gone", 410, Some(ErrorCode::Http4xx)),
        ("500 Internal Server Error", 500, Some(ErrorCode::Http5xx)),
        ("999 What", 999, Some(ErrorCode::Http5xx)),
    ];
    for (line, status, error) in cases {
        let outcome = check(answer(line, "", ""), Some(status), error).await;
        assert_eq!(outcome.is_gone(), status == 410);
    }
}

#[tokio::test]
async fn the_payload_arrives_unchanged_with_its_headers() {
    let subscriber = ScriptedSubscriber::start(answer("200 OK", "", "")).await;
    send(&config(), &subscriber.url()).await;
    let request = subscriber.requests.lock().unwrap().pop().unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(std::str::from_utf8(BODY).unwrap()));
    for line in [
        "webhook-id: 0199-a",
        "content-type: application/json; charset=utf-8",
        concat!("user-agent: tickrelay/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(
            request.contains(&format!("{line}\r\n")),
            "{line}: {request}"
        );
    }
}

#[tokio::test]
async fn the_first_2_kib_of_a_failed_answer_are_kept_as_text() {
    let long = format!("{}ü and more", "x".repeat(2047));
    let cases = [
        (
            "500 Oops",
            "it broke: größer",
            "it broke: größer".to_owned(),
        ),
        ("500 Oops", "a\0b", "a\u{fffd}b".to_owned()),
        ("404 Not Found", long.as_str(), "x".repeat(2047)),
        ("200 OK", "thanks", String::new()),
    ];
    for (status, body, excerpt) in cases {
        let subscriber = ScriptedSubscriber::start(answer(status, "", body)).await;
        let outcome = send(&config(), &subscriber.url()).await;
        assert_eq!(outcome.excerpt, excerpt, "{body}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    for (location, to) in [
        (
            "https://elsewhere.example:8443/in?key=k1",
            "https://elsewhere.example:8443:",
        ),
        ("/login?key=k1", "a path of the same server:"),
        ("//[", "a path of the same server:"),
    ] {
        let headers = format!("Location: {location}\r\n");
        let body = format!("Moved to <a href=\"{location}\">here</a>");
        let script = answer("301 Moved Permanently", &headers, &body);
        let outcome = check(script, Some(301), Some(ErrorCode::Redirect)).await;
        assert!(outcome.detail.contains(&format!("to {to}")), "{outcome:?}");
        for shown in [&outcome.detail, &outcome.excerpt] {
            assert!(!shown.contains("k1"), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_read_from_429_and_503_alone() {
    let date = "Fri, 15 Jan 2027 09:00:00 GMT";
    let cases = [
        ("429 Too Many Requests", "30", Some(30_000)),
        ("503 Service Unavailable", date, Some(3_600_000)),
        ("500 Oops", "30", None),
        ("404 Not Found", "30", None),
    ];
    for (status, value, wait_ms) in cases {
        let script = answer(status, &format!("Retry-After: {value}\r\n"), "");
        let subscriber = ScriptedSubscriber::start(script).await;
        let outcome = send(&config(), &subscriber.url()).await;
        // Seconds count from the answer, which comes a little after the start.
        let late_ms = outcome
            .retry_at_ms
            .zip(wait_ms)
            .map(|(at_ms, wait_ms)| at_ms - NOW_MS - wait_ms);
        assert_eq!(outcome.retry_at_ms.is_some(), wait_ms.is_some(), "{status}");
        let duration_ms = i64::from(outcome.duration_ms);
        assert!(
            (0..=duration_ms).contains(&late_ms.unwrap_or(0)),
            "{outcome:?}"
        );
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_in_the_next_24_h() {
    let cases = [
        ("0", None),
        ("1", Some(1_000)),
        (" 120 ", Some(120_000)),
        ("86401", Some(86_400_000)),
        ("99999999999999999999999", Some(86_400_000)),
        ("Fri, 15 Jan 2027 08:00:01 GMT", Some(1_000)),
        ("Fri, 15 Jan 2027 07:59:59 GMT", None),
        ("Fri, 15 Jan 2038 08:00:00 GMT", Some(86_400_000)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ];
    for (value, wait_ms) in cases {
        let expected = wait_ms.map(|wait_ms: i64| NOW_MS + wait_ms);
        assert_eq!(retry_at(value, NOW_MS), expected, "{value:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_connect_failure() {
    check(Script::Close, None, Some(ErrorCode::Connect)).await;
    check(Script::Reset, None, Some(ErrorCode::Connect)).await;
    let garbage = Script::Answer("SSH-2.0-OpenSSH_9.9\r\n".to_owned());
    check(garbage, None, Some(ErrorCode::Connect)).await;
    // No server listens here, and while it is bound none can.
    let unused = tokio::net::TcpSocket::new_v4().unwrap();
    unused.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let free = unused.local_addr().unwrap();
    let outcome = send(&config(), &format!("http://{free}/")).await;
    assert_eq!(outcome.error, Some(ErrorCode::Connect));
    // The system's number says nothing to its reader.
    assert_eq!(outcome.detail, "Connection refused", "{outcome:?}");
}

#[tokio::test]
async fn a_request_without_an_answer_is_not_repeated() {
    for script in [Script::Close, Script::Reset] {
        let subscriber = ScriptedSubscriber::start(script.clone()).await;
        send(&config(), &subscriber.url()).await;
        let requests = subscriber.requests.lock().unwrap().len();
        assert_eq!(requests, 1, "{script:?}");
    }
}

#[tokio::test]
async fn a_subscriber_that_does_not_answer_in_time_is_a_timeout() {
    let quick = SenderConfig {
        timeout: Duration::from_millis(300),
        ..config()
    };
    let head = "HTTP/1.1 200 OK\r\nX-Slow: ".to_owned();
    for script in [Script::Hang, Script::Drip(head)] {
        let subscriber = ScriptedSubscriber::start(script.clone()).await;
        let outcome = send(&quick, &subscriber.url()).await;
        assert_eq!(outcome.error, Some(ErrorCode::Timeout), "{script:?}");
        assert_eq!(outcome.http_status, None);
        // It would not end by itself.
        assert!(outcome.duration_ms >= 300, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_body_that_drips_for_ever_costs_no_more_than_the_timeout() {
    let quick = SenderConfig {
        timeout: Duration::from_millis(300),
        ..config()
    };
    let head = |status| format!("HTTP/1.1 {status}\r\nContent-Length: 1000000\r\n\r\n");
    let cases = [
        (head("200 OK"), 200, None, ""),
        (head("500 Oops"), 500, Some(ErrorCode::Http5xx), "x"),
        (
            "HTTP/1.1 500 Oops\r\n\r\n".to_owned(),
            500,
            Some(ErrorCode::Http5xx),
            "x",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_owned(),
            200,
            None,
            "",
        ),
    ];
    for (head, status, error, excerpt) in cases {
        let subscriber = ScriptedSubscriber::start(Script::Drip(head)).await;
        let outcome = send(&quick, &subscriber.url()).await;
        assert_eq!((outcome.http_status, outcome.error), (Some(status), error));
        assert!(outcome.excerpt.starts_with(excerpt), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_huge_body_is_not_read() {
    // All of it would never come.
    check(Script::Flood(1 << 50), Some(200), None).await;
}

#[tokio::test]
async fn a_connection_serves_many_attempts_unless_its_body_is_long() {
    let kib = |count: usize| "x".repeat(count * 1024);
    let cases = [
        (answer("200 OK", "", &kib(1)), 1),
        (answer("500 Oops", "", &kib(64)), 1),
        (answer("200 OK", "", &kib(65)), 5),
        (answer("500 Oops", "", &kib(65)), 5),
    ];
    for (script, connections) in cases {
        let subscriber = ScriptedSubscriber::start(script).await;
        let sender = Sender::new(&config()).unwrap();
        for _ in 0..5 {
            let outcome = send_with(&sender, &subscriber.url()).await;
            assert!(outcome.http_status.is_some(), "{outcome:?}");
        }
        assert_eq!(subscriber.accepted.load(Ordering::SeqCst), connections);
    }
}

#[tokio::test]
async fn a_target_that_may_not_be_sent_to_is_never_connected_to() {
    let subscriber = ScriptedSubscriber::start(answer("200 OK", "", "")).await;
    let port = subscriber.address.port();
    let strict = SenderConfig {
        allow_networks: vec![],
        ..config()
    };
    // One by its address, one by the address its name resolves to.
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "localhost"] {
        let outcome = send(&strict, &format!("http://{host}:{port}/")).await;
        assert_eq!(
            outcome.error,
            Some(ErrorCode::Blocked),
            "{host}: {outcome:?}"
        );
        assert!(outcome.detail.contains("loopback"), "{outcome:?}");
    }
    let https_only = SenderConfig {
        allow_http: false,
        ..config()
    };
    let outcome = send(&https_only, &subscriber.url()).await;
    assert_eq!(outcome.error, Some(ErrorCode::Blocked));
    assert_eq!(subscriber.accepted.load(Ordering::SeqCst), 0);
    // The control: allowed, the name reaches it.
    let outcome = send(&config(), &format!("http://localhost:{port}/")).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_dns_failure() {
    let outcome = send(&config(), "https://nonexistent.invalid/hook").await;
    assert_eq!(outcome.error, Some(ErrorCode::Dns), "{outcome:?}");
}

#[tokio::test]
async fn a_configured_proxy_is_used_and_the_target_not_looked_up() {
    let proxy = ScriptedSubscriber::start(answer("200 OK", "", "")).await;
    let proxied = SenderConfig {
        proxy: Some(format!("http://{}", proxy.address)),
        allow_networks: vec![],
        ..config()
    };
    let outcome = send(&proxied, "http://nonexistent.invalid/hook").await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    let request = proxy.requests.lock().unwrap().pop().unwrap();
    assert!(
        request.starts_with("POST http://nonexistent.invalid/hook "),
        "{request}"
    );
    let outcome = send(&proxied, "http://127.0.0.1:1/hook").await;
    assert_eq!(outcome.error, Some(ErrorCode::Blocked), "{outcome:?}");
}

#[tokio::test]
async fn a_proxy_that_repeats_its_credentials_is_kept_without_them() {
    let echoed = "407: gate:a-password, Basic Z2F0ZTphLXBhc3N3b3Jk";
    let proxy = ScriptedSubscriber::start(answer("502 Bad Gateway", "", echoed)).await;
    let proxied = SenderConfig {
        proxy: Some(format!("http://gate:a-password@{}", proxy.address)),
        allow_networks: vec![],
        ..config()
    };
    let outcome = send(&proxied, "http://nonexistent.invalid/hook").await;
    assert_eq!(outcome.excerpt, "407: [redacted], Basic [redacted]");
    let request = proxy.requests.lock().unwrap().pop().unwrap();
    assert!(request.contains("Z2F0ZTphLXBhc3N3b3Jk"), "{request}");
}

#[tokio::test]
async fn a_secret_that_the_cut_would_halve_is_not_half_kept() {
    let key = "k".repeat(40);
    for before in [2_020, 2_040, 8_160, 8_180] {
        let body = format!("{}{key}{}", "x".repeat(before), "y".repeat(9_000));
        let subscriber = ScriptedSubscriber::start(answer("500 Oops", "", &body)).await;
        let sender = Sender::new(&config()).unwrap();
        let target = sender.guard().target(&subscriber.url());
        let own_headers = Headers::from([("x-key".to_owned(), key.clone().into())]);
        let request = AttemptRequest {
            target: target.as_ref(),
            headers: &[],
            own_headers: &own_headers,
            former_headers: &[],
            is_url_secret: false,
            body: &Bytes::from_static(BODY),
            now_ms: NOW_MS,
            timeout: None,
        };
        let outcome = sender.send(&request).await.unwrap();
        assert!(
            !outcome.excerpt.contains("kkk"),
            "{before}: {}",
            outcome.excerpt
        );
        assert!(outcome.excerpt.len() <= 2_048);
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_fails_the_attempt_and_nothing_else() {
    let sender = Sender::new(&config()).unwrap();
    let target = sender.guard().target("http://127.0.0.1:1/");
    let request = AttemptRequest {
        target: target.as_ref(),
        headers: &[("webhook-id", "a\nb")],
        own_headers: &Headers::new(),
        former_headers: &[],
        is_url_secret: false,
        body: &Bytes::from_static(BODY),
        now_ms: NOW_MS,
        timeout: None,
    };
    assert!(!sender.send(&request).await.unwrap().is_delivered());
}

fn testdata(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "src/forward/sender/testdata",
        name,
    ]
    .iter()
    .collect()
}

/// Answers 200 over TLS to each connection; the thread ends with the process.
///
/// Its certificate is for `localhost` and 127.0.0.1, by a private authority whose key was
/// thrown away: both were made with `openssl req -x509` and `openssl x509 -req` for a hundred
/// years, and are good for nothing else.
fn start_tls() -> u16 {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let chain = vec![CertificateDer::from_pem_file(testdata("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(testdata("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            // Fails when the client refuses the certificate, which is what some tests want.
            if stream.read(&mut [0; 4096]).is_ok() {
                let text = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                stream.write_all(text).unwrap();
            }
        }
    });
    port
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_configured_and_not_otherwise() {
    let port = start_tls();
    let trusting = SenderConfig {
        ca_file: Some(testdata("ca.pem")),
        ..config()
    };
    let cases = [
        (&trusting, "localhost", None),
        (&trusting, "127.0.0.1", None),
        (&trusting, "127.0.0.2", Some(ErrorCode::Tls)),
        (&config(), "localhost", Some(ErrorCode::Tls)),
    ];
    for (config, host, error) in cases {
        let outcome = send(config, &format!("https://{host}:{port}/")).await;
        assert_eq!(outcome.error, error, "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn tls_to_a_port_that_speaks_none_is_a_tls_failure() {
    let text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_owned();
    let subscriber = ScriptedSubscriber::start(Script::Blurt(text)).await;
    let outcome = send(&config(), &format!("https://{}/", subscriber.address)).await;
    assert_eq!(outcome.error, Some(ErrorCode::Tls), "{outcome:?}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_at_start() {
    let with_ca = |path: PathBuf| SenderConfig {
        ca_file: Some(path),
        ..config()
    };
    let missing = Sender::new(&with_ca(testdata("missing.pem")));
    assert!(matches!(missing, Err(SenderError::CaFile { .. })));
    let none = Sender::new(&with_ca(testdata("server.key")));
    assert!(matches!(none, Err(SenderError::NoCertificate(_))));
    let proxy = Sender::new(&SenderConfig {
        proxy: Some("not a url".to_owned()),
        ..config()
    });
    assert!(matches!(proxy, Err(SenderError::Proxy(_))));
}

#[test]
fn what_this_machine_lacks_is_no_failure_of_the_subscriber() {
    use std::io::Error;
    for (code, is_ours) in [
        (24, true),
        (23, true),
        (99, true),
        (111, false),
        (104, false),
    ] {
        let error = Error::from_raw_os_error(code);
        assert_eq!(shortage(&error).is_some(), is_ours, "{error}");
        let wrapped = Error::other(Error::from_raw_os_error(code));
        assert_eq!(shortage(&wrapped).is_some(), is_ours, "{wrapped}");
    }
}

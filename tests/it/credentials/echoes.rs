//! A subscriber that answers with what it was sent: nothing that is kept or shown of it reveals a
//! credential, a signature or the path of a chat.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tickrelay::access::Role;

use super::{BASIC, KEY, PASSWORD, T0};
use crate::support::service::Home;
use crate::support::{TestApp, authenticated, client, cloud, until, until_async};

/// How a text is written by one who sends it back.
pub(super) type Form = fn(&str) -> String;

const FORMS: [(&str, Form); 11] = [
    ("plain", str::to_owned),
    ("json", |text| serde_json::to_string(text).unwrap()),
    ("html", |text| {
        let text = text.replace('&', "&amp;").replace('=', "&#61;");
        text.replace('-', "&#x2D;")
    }),
    ("percent", |text| {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            byte => format!("%{byte:02x}"),
        };
        text.bytes().map(byte).collect()
    }),
    ("unicode", |text| {
        text.bytes()
            .fold(String::new(), |all, byte| format!("{all}\\u{byte:04x}"))
    }),
    ("base64", |text| STANDARD.encode(text)),
    ("wrapped", |text| {
        let encoded: Vec<char> = STANDARD.encode(text).chars().collect();
        let lines = encoded.chunks(76).map(String::from_iter);
        lines.collect::<Vec<_>>().join("\r\n")
    }),
    ("capitals", str::to_uppercase),
    ("apart", |text| {
        text.chars()
            .fold(String::new(), |all, letter| format!("{all}{letter} "))
    }),
    ("colons", |text| {
        text.bytes()
            .fold(String::new(), |all, byte| format!("{all}{byte:02x}:"))
    }),
    ("named", |text| {
        let text = text.replace(':', "&colon;").replace('=', "&equals;");
        text.replace('/', "&sol;").replace('+', "&plus;")
    }),
];

/// A server that answers 500 with the head of each request in that form.
pub(super) struct Echo {
    pub(super) url: String,
    /// The head of the last request.
    head: Arc<Mutex<String>>,
}

impl Echo {
    pub(super) fn start(form: impl Fn(&str) -> String + Copy + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let head = Arc::<Mutex<String>>::default();
        let seen = Arc::clone(&head);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // One that is gone was not waiting for the answer.
                let _ = answer(stream.unwrap(), form, &seen);
            }
        });
        Self { url, head }
    }

    /// The signature of the last request, without its version.
    fn signature(&self) -> String {
        let head = self.head.lock().unwrap().to_lowercase();
        let at = head.find("webhook-signature: v1,").unwrap() + "webhook-signature: v1,".len();
        let head = self.head.lock().unwrap();
        head[at..].lines().next().unwrap().to_owned()
    }
}

fn answer(
    mut stream: TcpStream,
    form: impl Fn(&str) -> String,
    seen: &Mutex<String>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part)?;
        if length == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..length]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let head = request
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_owned();
    let body = form(&head);
    *seen.lock().unwrap() = head;
    write!(
        stream,
        "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Whether a text holds that secret, plainly or as it is in that form by itself.
fn holds(text: &str, secret: &str, form: Form) -> bool {
    text.contains(secret) || text.contains(form(secret).trim_matches('"'))
}

/// Whether a text reveals that secret in that form.
fn reveals(text: &str, secret: &str, form: Form) -> bool {
    if holds(text, secret, form) {
        return true;
    }
    // In base64 it depends on what stands before it.
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/".contains(letter);
    let text = text.replace("\r\n", "").replace("\\r\\n", "");
    text.split(|letter| !is_base64(letter)).any(|run| {
        (0..4).any(|from| {
            let run = run.get(from..).unwrap_or_default();
            let decoded = STANDARD.decode(&run[..run.len() / 4 * 4]);
            decoded.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(secret))
        })
    })
}

fn new(name: &str, url: &str) -> Value {
    json!({
        "name": name, "url": url, "headers": {"X-Api-Key": KEY},
        "auth": {"type": "basic", "username": "crm", "password": PASSWORD},
    })
}

/// What the subscriber's requests are proved with.
fn secrets(echo: &Echo) -> Vec<String> {
    let basic = BASIC.split_once(' ').unwrap().1;
    let mut secrets = vec![KEY.to_owned(), PASSWORD.to_owned(), basic.to_owned()];
    secrets.push(echo.signature());
    secrets
}

/// What is kept of the answers to the attempts at a subscriber, once there is one.
pub(super) async fn excerpts_at(app: &TestApp, subscriber: &str) -> Vec<String> {
    let attempts = async || app.attempts_at(subscriber).await;
    until_async("an attempt is written down", async || {
        !attempts().await.is_empty()
    })
    .await;
    let attempts = attempts().await.into_iter();
    attempts.map(|it| it.attempt.excerpt.unwrap()).collect()
}

#[actix_web::test]
async fn an_answer_that_repeats_them_is_kept_and_shown_without_them() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    for (name, form) in FORMS {
        let echo = Echo::start(form);
        admin
            .post("/subscribers", &new(name, &echo.url))
            .await
            .with(201);
        app.report(&[cloud::status(&format!("wamid.{name}"), "sent", T0)])
            .await;
        let excerpt = excerpts_at(&app, name).await.join("\n");
        let kept = [app.path(), app.path().with_file_name("tickrelay.db-wal")];
        let kept = kept.map(|file| std::fs::read(file).unwrap());
        let kept = kept.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let shown = admin.get("/attempts").await.text;
        for secret in secrets(&echo) {
            assert!(
                !reveals(&excerpt, &secret, form),
                "{name}: {secret} in {excerpt}"
            );
            assert!(!holds(&shown, &secret, form), "{name}: {secret} in {shown}");
            assert!(
                kept.iter().all(|text| !holds(text, &secret, form)),
                "{name}: {secret}"
            );
        }
        // The rest of what was sent back is there.
        assert!(excerpt.contains("[redacted]"), "{name}: {excerpt}");
        assert!(
            reveals(&excerpt, "webhook-timestamp", form),
            "{name}: {excerpt}"
        );
        let tested = admin
            .post(
                &format!("/subscribers/{name}/test"),
                &json!({"status": "sent"}),
            )
            .await;
        let shown = tested.with(200)["samples"][0]["response"].to_string();
        for secret in secrets(&echo) {
            assert!(
                !reveals(&shown, &secret, form),
                "{name}: {secret} in {shown}"
            );
        }
        admin.delete(&format!("/subscribers/{name}")).await;
    }
    app.stop().await;
}

/// A server that answers whatever it is sent with credentials that it knows, the first time when it is
/// told to; the heads of its requests.
fn remembering(go: Receiver<()>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&heads);
    let mut go = Some(go);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen, go) = (stream.unwrap(), Arc::clone(&seen), go.take());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).unwrap_or_default() == 0 {
                        return;
                    }
                    head.extend(byte);
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                if let Some(go) = go {
                    go.recv().unwrap();
                }
                let body = format!("you sent {KEY} and {PASSWORD}");
                let length = body.len();
                // One that is gone was not waiting for the answer.
                let _ = write!(
                    stream,
                    "HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            });
        }
    });
    (url, heads)
}

#[actix_web::test]
async fn a_credential_that_was_replaced_is_hidden_in_answers_under_way_and_in_later_ones() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let (go, orders_sender) = channel();
    let (url, heads) = remembering(orders_sender);
    let subscriber = new("crm", &url);
    admin.post("/subscribers", &subscriber).await.with(201);
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    until("one is under way", || heads.lock().unwrap().len() == 1).await;
    let change = json!({
        "headers": {"X-Api-Key": "another-key-of-theirs"},
        "auth": {"type": "bearer", "token": "another-token-of-theirs"},
    });
    admin.patch("/subscribers/crm", &change).await.with(200);
    app.report(&[cloud::status("wamid.2", "sent", T0)]).await;
    until("another is sent with the new ones", || {
        let heads = heads.lock().unwrap();
        heads
            .iter()
            .any(|head| head.contains("another-key-of-theirs"))
    })
    .await;
    go.send(()).unwrap();
    until_async("both are answered", async || {
        app.attempts().await.len() >= 2
    })
    .await;
    for attempt in app.attempts().await {
        let excerpt = attempt.attempt.excerpt.unwrap();
        assert!(excerpt.contains("[redacted] and [redacted]"), "{excerpt}");
    }
    let test = json!({"status": "sent"});
    let tested = admin.post("/subscribers/crm/test", &test).await.with(200);
    let body = &tested["samples"][0]["response"]["body"];
    assert_eq!(body, "you sent [redacted] and [redacted]");
    // Control: it is the memory of what was replaced that hides it, and a restart takes that away.
    let app = app.restart().await;
    let admin = app.caller(Role::Admin).await;
    let tested = admin.post("/subscribers/crm/test", &test).await.with(200);
    let body = &tested["samples"][0]["response"]["body"];
    assert_eq!(body, &format!("you sent {KEY} and {PASSWORD}"));
    app.stop().await;
}

#[actix_web::test]
async fn an_answer_that_is_not_looked_through_reveals_them() {
    for (name, form) in FORMS {
        let echo = Echo::start(form);
        let request = client().post(&echo.url).header("x-api-key", KEY);
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(reveals(&answer, KEY, form), "{name}: {answer}");
    }
}

#[actix_web::test]
async fn the_path_of_a_chat_is_not_repeated() {
    const PATH: &str = "/services/T0123456/a-path-that-opens-the-chat";
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    for (name, form) in FORMS {
        let echo = Echo::start(form);
        let url = echo.url.replace("/hook", PATH);
        let chat = json!({"name": name, "url": url, "kind": "chat"});
        admin.post("/subscribers", &chat).await.with(201);
        app.report(&[cloud::failed(&format!("wamid.{name}"), T0)])
            .await;
        let mut excerpt = excerpts_at(&app, name).await.join("\n");
        for attempt in app.attempts_at(name).await {
            excerpt += &attempt.attempt.detail.unwrap();
        }
        for secret in [PATH, "a-path-that-opens-the-chat"] {
            assert!(!reveals(&excerpt, secret, form), "{name}: {excerpt}");
        }
        assert!(
            reveals(&excerpt, "webhook-timestamp", form),
            "{name}: {excerpt}"
        );
        admin.delete(&format!("/subscribers/{name}")).await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn no_log_repeats_what_an_answer_repeats() {
    let echo = Echo::start(str::to_owned);
    let home = Home::new().set("log.filter=trace");
    let mut service = home.start();
    let new = json!({
        "name": "crm", "url": echo.url, "filter": {}, "options": {}, "concurrency": 8,
        "headers": {"x-api-key": KEY},
        "auth": {"type": "basic", "username": "crm", "password": PASSWORD},
    });
    service.ask("POST", "/subscribers", &new);
    let body = cloud::webhook(&[cloud::status("wamid.1", "sent", T0)]);
    let request = client().post(format!("http://{}/webhooks/cloud", service.address));
    let provider = tickrelay::providers::Provider::MetaCloud;
    let request = authenticated(request, provider, body.as_bytes()).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    until("it had an attempt", || {
        !echo.head.lock().unwrap().is_empty()
    })
    .await;
    kill_process(service.process(), Signal::TERM).unwrap();
    let (_, log) = service.end();
    assert!(log.contains("forward.attempted"), "{log}");
    for secret in secrets(&echo) {
        assert!(!reveals(&log, &secret, str::to_owned), "{secret} in {log}");
    }
}

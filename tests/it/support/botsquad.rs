//! A Botsquad-like API on loopback: what it answers for each broadcast, and its requests.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use secrecy::SecretString;
use serde_json::{Value, json};
use tickrelay::config::{PollHeader, PullSettings, Source};
use tickrelay::providers::Provider;

/// What the API wants in `Authorization`.
pub(crate) const KEY: &str = "Bearer test-botsquad-key";

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    is_held: bool,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: b"scripted".to_vec(),
            is_held: false,
        }
    }

    pub(crate) fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::status(200)
        }
    }

    /// Takes the question and says nothing until the API is dropped.
    pub(crate) fn held() -> Self {
        Self {
            is_held: true,
            ..Self::status(200)
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self::bytes(body.to_string()).header("Content-Type", "application/json")
    }
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    /// The path and the `Authorization` of each question.
    asked: Mutex<Vec<(String, String)>>,
    is_over: Mutex<bool>,
    over: Condvar,
}

/// The running API; it ends with the test.
pub(crate) struct Api {
    /// The URL of a broadcast.
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/broadcast/{{id}}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *serving.is_over.lock().unwrap() {
                    return;
                }
                let shared = Arc::clone(&serving);
                // The client may be gone.
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { url, shared }
    }

    /// What a broadcast is answered from here on; one without an answer is 404.
    pub(crate) fn answer(&self, broadcast: &str, answer: impl Into<Answer>) {
        let path = format!("/broadcast/{broadcast}");
        self.shared
            .answers
            .lock()
            .unwrap()
            .insert(path, answer.into());
    }

    /// How often a broadcast was requested.
    pub(crate) fn asked(&self, broadcast: &str) -> usize {
        let path = format!("/broadcast/{broadcast}");
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| *asked == path).count()
    }

    /// The `Authorization` of every question.
    pub(crate) fn credentials(&self) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked
            .iter()
            .map(|(_, credentials)| credentials.clone())
            .collect()
    }

    /// A source that asks it.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.source_with(name, |_| {})
    }

    /// As `source`, with how it asks changed.
    pub(crate) fn source_with(&self, name: &str, change: impl FnOnce(&mut PullSettings)) -> Source {
        let mut pulled = PullSettings {
            url: self.url.clone(),
            authorization: Some(PollHeader {
                name: "Authorization".to_owned(),
                value: SecretString::from(KEY.to_owned()),
            }),
            ..PullSettings::default()
        };
        change(&mut pulled);
        Source {
            authentication: tickrelay::providers::authentication::Authentication {
                methods: Vec::new(),
            },
            pulled: Some(pulled),
            ..super::source(name, Provider::Botsquad)
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        *self.shared.is_over.lock().unwrap() = true;
        self.shared.over.notify_all();
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut credentials = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("authorization: ") {
            value.clone_into(&mut credentials);
        }
    }
    shared
        .asked
        .lock()
        .unwrap()
        .push((path.clone(), credentials));
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    let answer = answer.unwrap_or_else(|| Answer::status(404));
    if answer.is_held {
        let is_over = shared.is_over.lock().unwrap();
        drop(
            shared
                .over
                .wait_while(is_over, |is_over| !*is_over)
                .unwrap(),
        );
        return Ok(());
    }
    let mut head = format!(
        "HTTP/1.1 {} Scripted\r\nConnection: close\r\n",
        answer.status
    );
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(head, "Content-Length: {}\r\n\r\n", answer.body.len()).unwrap();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body)
}

/// An answer with these entries: number and status.
pub(crate) fn statuses(entries: &[(&str, &str)]) -> Value {
    let entry = |(to, status): &(&str, &str)| match *status {
        "failure" => {
            json!({"to": to, "status": status, "reason": "not_on_whatsapp", "details": "131026"})
        }
        _ => json!({"to": to, "status": status}),
    };
    let all: Vec<Value> = entries.iter().map(entry).collect();
    let failures: Vec<&Value> = all
        .iter()
        .filter(|entry| entry["status"] == "failure")
        .collect();
    let count = |word: &str| all.iter().filter(|entry| entry["status"] == word).count();
    json!({"id": "bc-1", "statuses": all, "failures": failures, "statistics": {
        "total": all.len(), "success": count("success"), "failure": count("failure"),
        "pending": count("pending"), "cancelled": 0}})
}

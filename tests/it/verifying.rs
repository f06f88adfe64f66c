//! A subscriber with our secret can distinguish our requests from others: with the programs of
//! `examples/verify`, and with the packages that are made for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tickrelay::admin::{RotateSecret, UpdateSubscriber};
use tickrelay::model::{ForwardState, SubscriberChange};

use crate::support::program::{root, runs, target};
use crate::support::receiver::{Received, Receiver};
use crate::support::{TestApp, cloud, mac, until};

const T0: i64 = 1_760_000_000;
/// What the packages are installed with.
const INSTALL: &str = "run .ci/verifiers";

/// A request as a verifier sees it.
#[derive(Debug, Clone)]
struct Signed {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl From<&Received> for Signed {
    fn from(received: &Received) -> Self {
        let header = |name: &str| received.header(name).to_owned();
        Self {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            body: String::from_utf8(received.body.clone()).unwrap(),
        }
    }
}

impl Signed {
    /// The same, sent so many seconds later and signed so.
    fn later(&self, secret: &str, seconds: i64) -> Self {
        let timestamp = (self.timestamp.parse::<i64>().unwrap() + seconds).to_string();
        let signed = format!("{}.{timestamp}.{}", self.id, self.body);
        Self {
            signature: format!("v1,{}", mac(secret, &signed)),
            timestamp,
            ..self.clone()
        }
    }

    fn headers(&self) -> [(&'static str, &str); 3] {
        [
            ("webhook-id", &self.id),
            ("webhook-timestamp", &self.timestamp),
            ("webhook-signature", &self.signature),
        ]
    }

    /// What must not be taken for it, with what is wrong with each.
    fn forgeries(&self, secret: &str, other: &str) -> Vec<(&'static str, Self)> {
        let change = |change: fn(&mut Self)| {
            let mut forged = self.clone();
            change(&mut forged);
            forged
        };
        let of_another = self.later(other, 0);
        let untimely = |timestamp: &str| {
            let signed = format!("{}.{timestamp}.{}", self.id, self.body);
            Self {
                signature: format!("v1,{}", mac(secret, &signed)),
                timestamp: timestamp.to_owned(),
                ..self.clone()
            }
        };
        let forgeries = vec![
            (
                "a changed body",
                change(|it| it.body = it.body.replace("sent", "read")),
            ),
            ("a longer body", change(|it| it.body.push(' '))),
            ("another id", change(|it| it.id.push('0'))),
            ("another id and none", change(|it| it.id.clear())),
            (
                "another time",
                change(|it| it.timestamp.replace_range(..1, "9")),
            ),
            ("six minutes ago", self.later(secret, -360)),
            ("in six minutes", self.later(secret, 360)),
            ("no time", untimely("")),
            ("a word for a time", untimely("now")),
            ("no signature", change(|it| it.signature.clear())),
            ("half a signature", change(|it| it.signature.truncate(24))),
            (
                "no base64",
                change(|it| it.signature.replace_range(3.., "%%%")),
            ),
            (
                "another version",
                change(|it| it.signature = it.signature.replace("v1", "v2")),
            ),
            ("another secret", of_another),
        ];
        for (what, forged) in &forgeries {
            let parts = [
                &forged.id,
                &forged.timestamp,
                &forged.signature,
                &forged.body,
            ];
            let own = [&self.id, &self.timestamp, &self.signature, &self.body];
            assert_ne!(parts, own, "{what}");
        }
        forgeries
    }
}

/// What a service sent, and the secrets it sent it with.
struct Scene {
    app: TestApp,
    receiver: Receiver,
    /// The secret before and after it was rotated.
    secrets: [String; 2],
    /// Sent before and during the rotation.
    sent: [Signed; 2],
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::boot().await;
        let receiver = Receiver::start();
        let old = app.subscribe("crm", &receiver.url).await;
        let report = async |id: &str| {
            let text = json!({"biz_opaque_callback_data": r#"{"message": "Grüße 🙂 \\ \"x\""}"#});
            app.report(&[cloud::with(cloud::status(id, "sent", T0), &text)])
                .await;
            app.settled().await;
        };
        report("wamid.before").await;
        let name = "crm".to_owned();
        let new = app.order(RotateSecret { name, now: false }).await.secret;
        report("wamid.during").await;
        let [before, during] = &receiver.received()[..] else {
            panic!("not two");
        };
        let sent = [before, during].map(Signed::from);
        assert_eq!(sent[0].signature.split(' ').count(), 1);
        assert_eq!(sent[1].signature.split(' ').count(), 2);
        assert!(sent[1].body.contains("Grüße"), "{}", sent[1].body);
        Self {
            app,
            receiver,
            secrets: [old, new],
            sent,
        }
    }

    /// Every request that a verifier is tried with: its secret, whether it must be taken.
    fn requests(&self) -> Vec<(&'static str, &str, Signed, bool)> {
        let ([old, new], [before, during]) = (&self.secrets, &self.sent);
        let mut requests = vec![
            ("before the rotation", old.as_str(), before.clone(), true),
            ("the old secret during it", old, during.clone(), true),
            ("the new secret during it", new, during.clone(), true),
            ("the new secret before it", new, before.clone(), false),
            ("four minutes ago", new, during.later(new, -240), true),
        ];
        let forgeries = during.forgeries(new, old).into_iter();
        requests.extend(forgeries.map(|(what, forged)| (what, new.as_str(), forged, false)));
        requests
    }
}

/// A program of `examples/verify`, receiving; killed when dropped.
struct Program {
    child: Child,
    url: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    fn start(command: &[&str], secret: &str) -> Self {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .arg("0")
            .env("WEBHOOK_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = output.next().expect("it says where it listens").unwrap();
        let url = first.strip_prefix("listening on ").unwrap().to_owned();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self { child, url, lines }
    }

    async fn post(&self, http: &reqwest::Client, signed: &Signed) -> u16 {
        let mut request = http.post(&self.url).body(signed.body.clone());
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// The ids of the messages it has printed.
    fn messages(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let payloads = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        payloads
            .map(|payload| payload["msId"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail when it is gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries a program of `examples/verify` with every request, then as a subscriber.
async fn try_out(command: &[&str]) {
    let scene = Scene::new().await;
    let app = &scene.app;
    let [old, new] = scene
        .secrets
        .each_ref()
        .map(|secret| Program::start(command, secret));
    for (what, secret, signed, is_taken) in scene.requests() {
        let program = if *secret == scene.secrets[0] {
            &old
        } else {
            &new
        };
        let expected = if is_taken { 204 } else { 401 };
        assert_eq!(program.post(&app.http, &signed).await, expected, "{what}");
    }
    // What came again was taken, and sent once.
    until("both are sent", || old.messages().len() == 2).await;
    assert_eq!(old.messages(), ["wamid.before", "wamid.during"]);
    let change = SubscriberChange {
        url: Some(new.url.clone()),
        ..SubscriberChange::default()
    };
    let name = "crm".to_owned();
    app.order(UpdateSubscriber { name, change }).await;
    app.report(&[cloud::status("wamid.after", "read", T0)])
        .await;
    app.settled().await;
    let newest = app.forwards().await.remove(0);
    assert_eq!(newest.state, ForwardState::Delivered);
    until("the last is sent", || new.messages().len() == 2).await;
    assert_eq!(new.messages(), ["wamid.during", "wamid.after"]);
    assert_eq!(scene.receiver.count(), 2);
    drop((old, new));
    scene.app.stop().await;
}

#[actix_web::test]
async fn the_program_for_node_takes_ours_and_refuses_all_else() {
    if runs("node", &["--version"], "install Node") {
        let program = root("examples/verify/verify.mjs");
        try_out(&["node", program.to_str().unwrap()]).await;
    }
}

#[actix_web::test]
async fn the_program_for_python_takes_ours_and_refuses_all_else() {
    if runs("python3", &["--version"], "install Python") {
        let program = root("examples/verify/verify.py");
        try_out(&["python3", program.to_str().unwrap()]).await;
    }
}

#[actix_web::test]
async fn the_program_in_rust_takes_ours_and_refuses_all_else() {
    // `cargo test` builds it; `cargo test --test it` does not.
    let binary = Path::new(env!("CARGO_BIN_EXE_tickrelay"));
    let program = binary.with_file_name("examples").join("verify");
    let program = program.to_str().unwrap();
    if runs("test", &["-x", program], "cargo build --example verify") {
        try_out(&[program]).await;
    }
}

/// What a package says of every request, by a program that asks it for each.
async fn try_out_package(command: &[&str]) {
    let scene = Scene::new().await;
    let requests = scene.requests();
    let asked: Vec<Value> = requests
        .iter()
        .map(|(_, secret, signed, _)| {
            let headers: std::collections::BTreeMap<_, _> = signed.headers().into_iter().collect();
            json!({"secret": secret, "headers": headers, "body": signed.body})
        })
        .collect();
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(json!(asked).to_string().as_bytes())
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let answers: Vec<bool> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), requests.len());
    for ((what, _, _, is_taken), answer) in requests.iter().zip(answers) {
        assert_eq!(answer, *is_taken, "{what}");
    }
    scene.app.stop().await;
}

#[actix_web::test]
async fn the_package_of_pypi_takes_ours_and_refuses_all_else() {
    let python = target("verify/python/bin/python");
    if runs(&python, &["-c", "import standardwebhooks"], INSTALL) {
        let driver = root("tests/verify/standard.py");
        try_out_package(&[python.to_str().unwrap(), driver.to_str().unwrap()]).await;
    }
}

#[actix_web::test]
async fn the_package_of_npm_takes_ours_and_refuses_all_else() {
    let folder = target("verify/node");
    let folder = folder.to_str().unwrap();
    let import = format!(
        "require({:?})",
        format!("{folder}/node_modules/standardwebhooks")
    );
    if runs("node", &["-e", &import], INSTALL) {
        let driver = root("tests/verify/standard.mjs");
        try_out_package(&["node", driver.to_str().unwrap(), folder]).await;
    }
}

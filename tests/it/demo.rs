//! What a newcomer sees first: the demo ends well, leaves nothing behind, and what it says
//! to try next works when it is pasted.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::client;

/// The demo with a folder for temporary files of its own.
fn demo(temporary: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickrelay"));
    command
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary.path());
    command
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn the_demo_shows_every_provider_verifies_every_payload_and_leaves_nothing() {
    let temporary = TempDir::new().unwrap();
    let output = demo(&temporary, &["--once"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{talk}");
    assert_eq!(talk, "");
    for provider in ["meta-cloud", "meta-on-premises", "360dialog", "infobip"] {
        assert!(
            text.contains(&format!("POST /webhooks/{provider},")),
            "{text}"
        );
    }
    let number = |heading: &str| -> usize {
        let mut lines = text.lines().map(str::trim_start);
        let line = lines.find_map(|line| line.strip_prefix(heading));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect(heading)
    };
    assert!(number("payloads") > 200, "{text}");
    assert_eq!(number("payloads"), number("signatures"));
    assert!(!text.contains("WRONG SIGNATURE"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours belong on a terminal");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "too long: {line}");
    }
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_kept_store_is_there_afterwards_and_is_not_overwritten() {
    let temporary = TempDir::new().unwrap();
    let keep = TempDir::new().unwrap();
    let folder = keep.path().join("new one");
    let arguments = [
        "--once",
        "--provider",
        "360dialog",
        "--keep",
        folder.to_str().unwrap(),
    ];
    let output = demo(&temporary, &arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("360dialog") && !text.contains("Infobip"),
        "{text}"
    );

    let configuration = folder.join("tickrelay.toml");
    let listed = Command::new(env!("CARGO_BIN_EXE_tickrelay"))
        .args(["message", "list", "--json", "--config"])
        .arg(&configuration)
        .current_dir(&folder)
        .output();
    let listed: Value = serde_json::from_slice(&listed.unwrap().stdout).unwrap();
    assert!(listed["data"].as_array().unwrap().len() > 3, "{listed}");
    let check = Command::new(env!("CARGO_BIN_EXE_tickrelay"))
        .args(["config", "check", "--config"])
        .arg(&configuration)
        .output();
    assert!(check.unwrap().status.success());

    let again = demo(&temporary, &arguments).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_demo_with_history_begins_with_weeks_of_life_and_ends_as_well() {
    let temporary = TempDir::new().unwrap();
    let keep = TempDir::new().unwrap();
    let arguments = ["--with-history", "--messages", "1000", "--once"];
    let kept = ["--provider", "360dialog", "--keep"];
    let folder = keep.path().to_str().unwrap();
    let mut command = demo(&temporary, &[&arguments[..], &kept[..], &[folder]].concat());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("history     1000 messages, "), "{text}");
    assert!(!text.contains("WRONG SIGNATURE"), "{text}");
    let store = rusqlite::Connection::open(keep.path().join("tickrelay.db")).unwrap();
    let count = |sql| store.query_row(sql, [], |row| row.get::<_, i64>(0));
    let days = count("SELECT count(DISTINCT received_at_ms / 86400000) FROM webhook");
    assert!(days.unwrap() >= 30);
    // The ports that they were called at may be another program's by now.
    let active = count("SELECT count(*) FROM subscriber WHERE state = 'active'");
    assert_eq!(active.unwrap(), 0);
}

/// A demo that stays up; it is killed when a test fails before it ended.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Every line up to the one that holds `what`; the demo fails before it can hang.
    fn until(&mut self, what: &str) -> String {
        let mut text = String::new();
        loop {
            let line = self.lines.next();
            let line = line
                .unwrap_or_else(|| panic!("no {what:?} in {text}"))
                .unwrap();
            text.push_str(&line);
            text.push('\n');
            if line.contains(what) {
                return text;
            }
        }
    }

    fn interrupt(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
    }
}

/// What stands between two texts, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).expect(before);
    rest.split_once(after).expect(after).0
}

/// What the command that was printed with this verb writes, run by a shell.
fn pasted(text: &str, verb: &str) -> String {
    let program = env!("CARGO_BIN_EXE_tickrelay");
    let command = text.replace("\\\n", " ");
    let mut lines = command.lines().map(str::trim_start);
    let command = lines.find(|line| line.starts_with(&format!("{program} {verb} ")));
    let command = command.unwrap_or_else(|| panic!("no {verb} in {text}"));
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[actix_web::test]
async fn what_a_running_demo_says_to_try_works() {
    let temporary = TempDir::new().unwrap();
    let mut running = Running::start(demo(&temporary, &["--provider", "meta-cloud"]));
    let text = running.until("Ctrl-C ends it.");

    let curl = between(&text, "  curl -i ", "\n\n");
    let url = curl.split(' ').next().unwrap();
    let (header, proof) = between(curl, "-H 'X-Hub", "'").split_once(": ").unwrap();
    let body = std::fs::read(between(&format!("{curl}\n"), "--data-binary @", "\n")).unwrap();
    let post = async |body: Vec<u8>| {
        let request = client().post(url).header(format!("X-Hub{header}"), proof);
        let request = request.header("Content-Type", "application/json");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(body.clone()).await, 200);
    let shown = running.until("131026 Message undeliverable");
    assert!(shown.contains("out  failed    +34600000042"), "{shown}");
    assert!(shown.contains("signature ok"), "{shown}");
    assert_eq!(post([&body[..], b" "].concat()).await, 401);

    let (base, _) = url.split_once("/webhooks/").unwrap();
    let token = between(&text, "-H 'Authorization: Bearer ", "'");
    for (path, token, expected) in [
        ("readyz", "", 200),
        ("metrics", "", 200),
        ("api/v1/docs", "", 200),
        ("api/v1/subscribers", "", 401),
        ("api/v1/subscribers", token, 200),
    ] {
        assert!(text.contains(&format!("{base}/{path}")), "{path}: {text}");
        let request = client().get(format!("{base}/{path}")).bearer_auth(token);
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, expected, "{path}");
    }

    let message = pasted(&text, "message show");
    assert!(
        message.contains("The message cannot reach this person"),
        "{message}"
    );
    assert!(pasted(&text, "explain").contains("131026"));
    assert!(pasted(&text, "subscriber add").contains("whsec_"));

    assert!(running.interrupt().success());
    assert!(is_empty(temporary.path()));
}

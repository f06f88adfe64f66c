//! The true binary in a folder of its own: what it is notified of, what it answers, how it exits.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::{PATIENCE, hub_signature};

/// The app secret of the folder's source `cloud`.
const APP_SECRET: &str = "an-app-secret-of-the-folder";

/// A folder with a configuration and a store to be.
pub(crate) struct Folder {
    place: TempDir,
    http: reqwest::Client,
    /// What the environment of each command has more.
    variables: Vec<(&'static str, &'static str)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: i32,
    pub(crate) data: String,
    pub(crate) talk: String,
}

impl Answer {
    /// What it wrote to stdout, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `tickrelay serve`; killed when dropped.
pub(crate) struct Service {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Folder {
    /// One source `cloud`, targets on loopback allowed, two attempts in quick succession.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\
             [store]\nurl = \"sqlite://tickrelay.db\"\n\
             [forward]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n\
             schedule = [\"50ms\"]\n\
             [[source]]\nname = \"cloud\"\nprovider = \"meta-cloud\"\n\
             app_secrets = [\"{APP_SECRET}\"]\nverify_token = \"a-verify-token-of-the-folder\"\n"
        );
        std::fs::write(folder.path().join("tickrelay.toml"), config).unwrap();
        Self {
            place: folder,
            http: super::client(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable for each command.
    pub(crate) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Makes the store without a service, as the first token does.
    pub(crate) async fn make_store(&self) {
        self.done(&["token", "create", "--role", "admin"]).await;
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Runs a command to its end; subscribers of this test answer meanwhile.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Answer {
        self.run_into(arguments, Stdio::piped()).await
    }

    /// As `run`, with its stdout led there.
    pub(crate) async fn run_into(&self, arguments: &[&str], stdout: Stdio) -> Answer {
        let mut command = self.command(arguments);
        command.stdout(stdout);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        Answer {
            exit: output.status.code().unwrap(),
            data: String::from_utf8(output.stdout).unwrap(),
            talk: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Begins a command without waiting for its end.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs a command that must succeed; returns what it wrote to stdout.
    pub(crate) async fn done(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments).await;
        assert_eq!(answer.exit, 0, "{arguments:?}: {answer:?}");
        answer.data
    }

    /// Runs a command again and again until it writes this to stdout.
    pub(crate) async fn answers(&self, arguments: &[&str], text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.run(arguments).await;
            if answer.data.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{text:?} is not in {answer:?}");
        }
    }

    /// Starts the service and waits until it listens.
    pub(crate) fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    /// As `serve`, with these arguments more.
    pub(crate) fn serve_with(&self, arguments: &[&str]) -> Service {
        let mut child = self
            .command(&[&["serve"], arguments].concat())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = log
            .find(|line| line.as_ref().unwrap().contains("serving address="))
            .expect("it says where it serves")
            .unwrap();
        let address = line.split("address=").nth(1).unwrap();
        let address = address.split(' ').next().unwrap();
        let url = format!("http://{address}/webhooks/cloud");
        // Read on, or its log would have nowhere to go.
        std::thread::spawn(move || log.for_each(drop));
        Service {
            child,
            url,
            http: self.http.clone(),
        }
    }

    /// What a service logs until it listens; it is ended then.
    pub(crate) fn log_of_start(&self, arguments: &[&str]) -> String {
        let mut child = self
            .command(&[&["serve"], arguments].concat())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let lines = log.map(Result::unwrap);
        let log: Vec<_> = lines
            .take_while(|line| !line.contains("serving address="))
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        log.join("\n")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickrelay"));
        command
            .current_dir(self.place.path())
            .args(arguments)
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TICKRELAY_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().copied());
        command
    }
}

impl Service {
    /// Where it listens, as a URL without a path.
    pub(crate) fn base(&self) -> &str {
        self.url.trim_end_matches("/webhooks/cloud")
    }

    /// Posts a webhook to `cloud` as Meta would.
    pub(crate) async fn post(&self, body: impl Into<Vec<u8>>) {
        let body = body.into();
        let response = self
            .http
            .post(&self.url)
            .header("X-Hub-Signature-256", hub_signature(APP_SECRET, &body))
            .header("Content-Type", "application/json")
            .body(body)
            .send();
        assert_eq!(response.await.unwrap().status(), 200);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whether it ended by itself before is for the test to judge.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The true binary as a process of its own: started, called, killed, stopped, refused.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tickrelay::clock::Clock;
use tickrelay::model::{NewSubscriber, Whole};
use tickrelay::store::{Durability, EngineOptions, Error, Options, SqliteOptions, Store};

use super::{APP_SECRET, PATIENCE, socket};

/// A folder with a configuration and, once the service was started, a store.
pub(crate) struct Home {
    folder: TempDir,
    /// `KEY=VALUE` each, over what the file says.
    settings: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    /// How many files it may open: unless it asks for more (`-Sn`), or in any case (`-n`).
    open_files: Option<(&'static str, u32)>,
    umask: &'static str,
    /// A file of the folder that is mounted on the store's path, where only the service sees it.
    mounted: Option<&'static str>,
}

impl Home {
    /// One Cloud API source named `cloud`, targets on loopback allowed.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "sqlite://{}"
disk_reserve = 0
[forward]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[log]
format = "json"
filter = "warn,tickrelay::server=info"
[[source]]
name = "cloud"
provider = "meta-cloud"
app_secrets = ["{APP_SECRET}"]
verify_token = "test-verify-token"
"#,
            folder.path().join("tickrelay.db").display(),
        );
        std::fs::write(folder.path().join("tickrelay.toml"), config).unwrap();
        Self {
            folder,
            settings: Vec::new(),
            environment: Vec::new(),
            open_files: None,
            umask: "022",
            mounted: None,
        }
    }

    /// Changes one setting, as in `forward.timeout=1s`.
    pub(crate) fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Sets a variable of the service's environment.
    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<PathBuf>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Sets how many files the service may open unless it asks for more.
    pub(crate) fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(("-Sn", limit));
        self
    }

    /// Sets how many files the service may open at all.
    pub(crate) fn at_most_open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(("-n", limit));
        self
    }

    /// Sets which bits of a mode the service's new files do not have by themselves.
    pub(crate) fn umask(mut self, umask: &'static str) -> Self {
        self.umask = umask;
        self
    }

    /// Mounts a file of the folder on the store's path, for the service alone. Needs root.
    pub(crate) fn mounted(mut self, file: &'static str) -> Self {
        for path in [self.file(file), self.store()] {
            std::fs::write(path, "").unwrap();
        }
        self.mounted = Some(file);
        self
    }

    /// The folder that holds all of it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The SQLite file.
    pub(crate) fn store(&self) -> PathBuf {
        self.file("tickrelay.db")
    }

    /// Starts `tickrelay serve` without waiting for it.
    pub(crate) fn spawn(&self) -> Child {
        let limit = self
            .open_files
            .map(|(kind, limit)| format!("ulimit {kind} {limit} && "));
        let mount = self.mounted.map(|file| {
            let (from, to) = (self.file(file), self.store());
            format!("mount --bind '{}' '{}' && ", from.display(), to.display())
        });
        let script = format!(
            "umask {} && {}{}exec \"$0\" \"$@\"",
            self.umask,
            limit.unwrap_or_default(),
            mount.unwrap_or_default()
        );
        let mut command = if self.mounted.is_some() {
            let mut apart = Command::new("unshare");
            apart.args(["--mount", "sh"]);
            apart
        } else {
            Command::new("sh")
        };
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_tickrelay")])
            .arg("serve")
            .arg("--config")
            .arg(self.file("tickrelay.toml"))
            .args(self.settings.iter().flat_map(|setting| ["--set", setting]))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts `tickrelay serve`; returns when it serves.
    pub(crate) fn start(&self) -> Service {
        self.try_start()
            .unwrap_or_else(|(status, log)| panic!("it does not serve, {status}: {log}"))
    }

    /// Starts `tickrelay serve`; returns when it serves, or how it ended and its log.
    pub(crate) fn try_start(&self) -> Result<Service, (ExitStatus, String)> {
        let mut child = self.spawn();
        let stderr = child.stderr.take().unwrap();
        let (serving, address) = channel();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = serving_address(&line) {
                    // The starter may have lost its patience.
                    let _ = serving.send(address);
                }
                log.push_str(&line);
                log.push('\n');
            }
            log
        });
        let mut service = Service {
            address: SocketAddr::from(([0; 4], 0)),
            store: self.store(),
            child,
            log: Some(log),
        };
        if let Ok(address) = address.recv_timeout(PATIENCE) {
            service.address = address;
            return Ok(service);
        }
        // It ended by itself, or is killed here.
        let _ = service.child.kill();
        Err(service.end())
    }

    /// Starts `tickrelay serve` where it must refuse; returns its exit code and what it said.
    pub(crate) fn refused(&self) -> (Option<i32>, String) {
        let mut child = self.spawn();
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        // Ends when the process does; one that serves after all says so on its log.
        let mut lines = BufReader::new(&mut stderr);
        loop {
            let mut line = String::new();
            let ended = lines.read_line(&mut line).unwrap() == 0;
            if serving_address(&line).is_some() {
                child.kill().unwrap();
            }
            said.push_str(&line);
            if ended {
                break;
            }
        }
        (child.wait().unwrap().code(), said)
    }
}

/// The address in the log's line that says it serves.
fn serving_address(line: &str) -> Option<SocketAddr> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    (event["message"] == "serving").then(|| event["address"].as_str()?.parse().ok())?
}

/// The most memory that a process ever held, in bytes.
pub(crate) fn peak_memory(process: Pid) -> usize {
    let status = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = std::fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<usize>().unwrap() * 1024
}

/// The service as a running process; one that is dropped is killed.
pub(crate) struct Service {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    store: PathBuf,
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Service {
    /// Its process, to be signalled from another thread.
    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The most memory that it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        peak_memory(self.process())
    }

    /// Asks it over its socket, as the command line does; of long work the result is returned.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &impl Serialize) -> Value {
        let body = serde_json::to_value(body).unwrap();
        socket::done(&self.store, (method, path), &body)
    }

    /// A document of its API, over its socket.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null)
    }

    /// All rows of a list of its API, page by page.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}{sign}limit=100{cursor}"));
            rows.append(page["data"].as_array_mut().unwrap());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// How many forwards are pending.
    pub(crate) fn pending(&self) -> u64 {
        self.get("/stats")["pending_forwards"].as_u64().unwrap()
    }

    /// How a subscriber fares.
    pub(crate) fn health(&self, subscriber: &str) -> Value {
        self.get(&format!("/subscribers/{subscriber}/health"))
    }

    /// A fresh token of an admin.
    pub(crate) fn token(&self) -> String {
        let new = json!({ "name": "harness", "role": "admin" });
        let token = self.ask("POST", "/tokens", &new);
        token["text"].as_str().unwrap().to_owned()
    }

    /// Adds a subscriber that wants everything.
    pub(crate) fn subscribe(&self, name: &str, url: &str) {
        let new = NewSubscriber {
            concurrency: Whole::nearest(32),
            ..NewSubscriber::new(name, url)
        };
        self.ask("POST", "/subscribers", &new);
    }

    /// Waits until the process is gone; returns how it ended and its log.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let log = self.log.take().map(|log| log.join().unwrap());
        (status, log.unwrap_or_default())
    }

    /// Stops it by SIGTERM; fails the test when it does not end well.
    pub(crate) fn stop(mut self) {
        kill_process(self.process(), Signal::TERM).unwrap();
        let (status, log) = self.end();
        assert!(status.success(), "{status}: {log}");
    }
}

impl Drop for Service {
    #[expect(clippy::print_stderr, reason = "it is what the failed test says")]
    fn drop(&mut self) {
        let by_itself = self.child.try_wait().ok().flatten();
        // Both fail when it is gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A test that failed is to be told why the service did not answer.
        if std::thread::panicking() {
            let log = self.log.take().and_then(|log| log.join().ok());
            eprintln!("the service had ended: {by_itself:?}; its log:");
            eprintln!("{}", log.unwrap_or_default());
        }
    }
}

/// What a command reads of a store that it does not own.
pub(crate) fn read_only(path: &Path) -> Result<Store, Error> {
    let options = Options {
        engine: EngineOptions::Sqlite(SqliteOptions {
            path: path.to_path_buf(),
            durability: Durability::Os,
            wal_limit_bytes: 1 << 30,
            disk_reserve_bytes: 0,
        }),
        list_budget: Duration::from_secs(5),
        keys: Vec::new(),
        owner_patience: Duration::from_millis(100),
    };
    Store::read_only(&options, Clock::system())
}

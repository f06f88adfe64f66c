//! The processes that take part: how they are started, asked, looked at and ended.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Durability;
use super::interrupt::Process;

/// How long a process may take to be ready or to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many ports are tried: one that was free may be somebody's a moment later.
const PORTS: usize = 3;
/// What the service says then.
const PORT_TAKEN: &str = "Address already in use";
/// The app secret of the benchmark's Cloud API source.
pub(super) const SECRET: &str = "benchmark-secret";

/// The binary to measure: the one given, else the one that was built beside this one.
pub(super) fn service_binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        ensure!(given.is_file(), "{} is no file", given.display());
        return Ok(given.to_owned());
    }
    let own = std::env::current_exe().context("cannot find my own binary")?;
    let service = own.with_file_name("tickrelay");
    let remedy = "build it first, with the same profile: cargo build --workspace --profile dist";
    ensure!(service.is_file(), "{}: {remedy}", service.display());
    // `cargo run --bin` builds the library again and leaves the service as it was.
    let built = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let library = built(&own.with_file_name("libtickrelay.rlib"));
    if library.is_some() && built(&service) < library {
        bail!("{} is older than the library: {remedy}", service.display());
    }
    Ok(service)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What the benchmark decides of the service's configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) durability: Durability,
    /// `wal_limit`, MiB.
    pub(super) wal_limit_mib: u64,
}

/// The running service.
pub(super) struct Service {
    process: Process,
    pub(super) port: u16,
    pub(super) store: PathBuf,
    log: PathBuf,
    /// From the start of the process to its first `200` of `/readyz`.
    pub(super) ready_after: Duration,
}

impl Service {
    /// Starts it on the store in `folder`, which is made if it is not there.
    pub(super) fn start(binary: &Path, folder: &Path, settings: Settings) -> anyhow::Result<Self> {
        let mut tries = 1;
        loop {
            let service = Self::start_at(free_port()?, binary, folder, settings);
            match service {
                Err(error) if tries < PORTS && error.to_string().contains(PORT_TAKEN) => tries += 1,
                service => return service,
            }
        }
    }

    fn start_at(
        port: u16,
        binary: &Path,
        folder: &Path,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let file = folder.join("tickrelay.toml");
        std::fs::write(&file, configuration(port, settings))?;
        let log_file = folder.join("service.log");
        let log = File::options().create(true).append(true).open(&log_file)?;
        let started = Instant::now();
        let process = Process::start(
            Command::new(binary)
                .arg("serve")
                .arg("--config")
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        )?;
        let mut service = Self {
            process,
            port,
            store: folder.join("tickrelay.db"),
            log: log_file,
            ready_after: Duration::ZERO,
        };
        while !service.is_ready() {
            if let Some(status) = service.process.try_wait()? {
                let log = service.log()?;
                bail!("the service ended with {status}: {log}");
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the service is not ready after {PATIENCE:?}; /readyz says: {}",
                service
                    .get("/readyz")
                    .unwrap_or_else(|error| error.to_string())
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        service.ready_after = started.elapsed();
        Ok(service)
    }

    fn is_ready(&self) -> bool {
        let answer = self.get("/readyz");
        answer.is_ok_and(|answer| {
            answer
                .lines()
                .next()
                .is_some_and(|line| line.contains(" 200 "))
        })
    }

    /// The whole answer, its head included.
    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// What `/metrics` says of one series, named with its labels; 0 when it has none such.
    pub(super) fn metric(&self, series: &str) -> anyhow::Result<f64> {
        let page = self.get("/metrics").context("cannot read /metrics")?;
        Ok(value_of(&page, series))
    }

    /// What it has used so far.
    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// What it and those before it on the same store have logged.
    pub(super) fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Where its write-ahead log is.
    pub(super) fn wal(&self) -> PathBuf {
        let mut name = self.store.clone().into_os_string();
        name.push("-wal");
        name.into()
    }

    /// Ends it as `kill -9` does.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill()?)
    }

    /// Ends it as an operator does; what it wrote is in the file then.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::TERM)?;
        let asked = Instant::now();
        while self.process.try_wait()?.is_none() {
            ensure!(asked.elapsed() < PATIENCE, "the service does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// The value of a series on a page of metrics.
fn value_of(page: &str, series: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(series));
    value
        .and_then(|value| value.strip_prefix(' ')?.trim().parse().ok())
        .unwrap_or_default()
}

fn configuration(port: u16, settings: Settings) -> String {
    let durability = settings.durability.as_str();
    let wal_limit_mib = settings.wal_limit_mib;
    format!(
        r#"[server]
listen = "127.0.0.1:{port}"
[store]
url = "sqlite://tickrelay.db"
durability = "{durability}"
wal_limit = "{wal_limit_mib}MiB"
[forward]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[[source]]
name = "meta"
provider = "meta-cloud"
app_secret = "{SECRET}"
verify_token = "{SECRET}"
[[source]]
name = "infobip"
provider = "infobip"
basic_auth = {{ username = "infobip", password = "{SECRET}" }}
sender = "+385910009999"
"#
    )
}

/// What a process has used, as far as the system counts (`/proc`, on Linux).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Processor time.
    pub(super) cpu: Duration,
    /// Resident memory, bytes.
    pub(super) resident: u64,
    /// The most resident memory so far, bytes.
    pub(super) peak: u64,
}

impl Usage {
    fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or_default() * 1024
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which may hold blanks, user and system time are the 12th and 13th.
        let ticks: u64 = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Self {
            // The kernel counts it in hundredths of a second whatever its own clock is.
            cpu: Duration::from_millis(ticks * 10),
            resident: kib("VmRSS:"),
            peak: kib("VmHWM:"),
        }
    }
}

/// This binary in another role: one line of JSON in, one line of JSON out.
pub(super) struct Actor {
    role: String,
    process: Process,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    pub(super) fn start(role: &str) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find my own binary")?;
        let mut process = Process::start(
            Command::new(own)
                .arg(role)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )
        .with_context(|| format!("for the {role}"))?;
        let orders = process.child.stdin.take();
        let answers = process.child.stdout.take();
        Ok(Self {
            role: role.to_owned(),
            orders,
            answers: BufReader::new(answers.context("an actor without a voice")?),
            process,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn send(&mut self, order: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let orders = self.orders.as_mut().context("the orders have ended")?;
        orders.write_all(line.as_bytes())?;
        Ok(orders.flush()?)
    }

    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        let role = &self.role;
        ensure!(
            self.answers.read_line(&mut line)? > 0,
            "the {role} ended before it was done"
        );
        serde_json::from_str(&line).with_context(|| format!("an actor said {line:?}"))
    }

    pub(super) fn ask<T: DeserializeOwned>(&mut self, order: &impl Serialize) -> anyhow::Result<T> {
        self.send(order)?;
        self.receive()
    }

    /// Ends the orders: most actors end their work then.
    pub(super) fn end_orders(&mut self) {
        self.orders = None;
    }
}

/// An actor whose parent was killed is not to stay behind.
pub(super) fn end_with_parent() -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// The next order of an actor, from stdin; `None` when they have ended.
pub(super) fn order<T: DeserializeOwned>() -> anyhow::Result<Option<T>> {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

/// An actor's answer, to stdout.
pub(super) fn answer(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(answer)?)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let page = "HTTP/1.1 200 OK\r\n\r\n# TYPE up gauge\nup{of=\"a\"} 1\nup{of=\"ab\"} 7\n";
        assert!((value_of(page, "up{of=\"ab\"}") - 7.0).abs() < f64::EPSILON);
        assert!((value_of(page, "up{of=\"a\"}") - 1.0).abs() < f64::EPSILON);
        assert!(value_of(page, "up{of=\"b\"}").abs() < f64::EPSILON);
        assert!(value_of(page, "up").abs() < f64::EPSILON);
    }
}

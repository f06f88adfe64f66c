//! `tickrelay serve`: the service, until SIGTERM or SIGINT; a second one ends it at once. SIGHUP reads
//! the configuration again.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use super::config::faults_of_start;
use super::{Exit, Settings, environment};
use crate::clock::Clock;
use crate::config::{Changes, Config, LoadError, Log, LogFormat, Origin, Reloaded};
use crate::ingest::Ingest;
use crate::model::{plain, quoted};
use crate::server;

/// Changes what is logged.
type LogFilter = reload::Handle<Targets, Registry>;

/// The service runs in the foreground; its log goes to stderr, as the talk it is.
pub(super) fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let loaded = settings.load()?;
    let faults = faults_of_start(&loaded);
    if !faults.is_empty() {
        return Err(LoadError::Invalid(faults).into());
    }
    let log = start_log(&loaded.config.log)?;
    raise_open_files();
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut hung_up = signal(SignalKind::hangup())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let running = loaded.config.clone();
        let file = file_of(loaded.origins.into_values());
        let start = Start::new()?;
        let server = server::build(loaded.config, Clock::system())?;
        drop(start);
        let ingest = server.ingest();
        server
            .run_until(async {
                // This is polled once the service serves, and not before.
                notify_systemd(environment::notify_socket().as_deref());
                let mut reload = Reload {
                    settings,
                    running,
                    file,
                    log,
                    ingest,
                };
                loop {
                    tokio::select! {
                        _ = terminated.recv() => break,
                        _ = interrupted.recv() => break,
                        _ = hung_up.recv() => reload.read_again(),
                    }
                }
                // A second signal means not to wait; what is stored is safe, as in a crash.
                #[expect(
                    clippy::exit,
                    reason = "the command's own choice: nothing is waited for"
                )]
                tokio::spawn(async move {
                    let code = tokio::select! {
                        _ = terminated.recv() => 128 + SignalKind::terminate().as_raw_value(),
                        _ = interrupted.recv() => 128 + SignalKind::interrupt().as_raw_value(),
                    };
                    tracing::warn!("stopped by a second signal");
                    std::process::exit(code);
                });
            })
            .await
    });
    if ended.is_err() {
        // Reads that are under way hold up no end.
        runtime.shutdown_background();
    }
    ended.map(|()| Exit::Done)
}

/// A start, which waits for a process that has the store: a signal ends it at once, as a crash would.
/// Nothing is begun yet. The start has a thread to itself, so this is for another one.
struct Start(JoinHandle<()>);

impl Start {
    fn new() -> std::io::Result<Self> {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        Ok(Self(tokio::spawn(async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
            tracing::info!("stopped before it was started");
            std::process::exit(0);
        })))
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends the start of a unit with `Type=notify`, so that `systemctl start` returns when webhooks are
/// answered. Without systemd there is no socket.
fn notify_systemd(socket: Option<&Path>) {
    let Some(socket) = socket else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|from| from.send_to(b"READY=1", socket));
    if let Err(error) = sent {
        tracing::warn!(%error, socket = %socket.display(), "systemd cannot be notified");
    }
}

/// The file that the settings come from.
fn file_of(mut origins: impl Iterator<Item = Origin>) -> Option<String> {
    origins.find_map(|origin| match origin {
        Origin::File { file, .. } => Some(file),
        _ => None,
    })
}

/// What SIGHUP changes.
struct Reload<'a> {
    settings: &'a Settings,
    /// What holds now.
    running: Config,
    /// The file that it was read from.
    file: Option<String>,
    log: LogFilter,
    ingest: Arc<Ingest>,
}

impl Reload<'_> {
    /// Applies one setting in the way that its row names; `false` where that failed.
    fn apply(&mut self, how: Reloaded, read: &Config) -> bool {
        match how {
            Reloaded::LogFilter => {
                let filter = &read.log.filter;
                let targets = filter.parse::<Targets>();
                let is_applied = targets.is_ok_and(|targets| self.log.reload(targets).is_ok());
                if is_applied {
                    self.running.log.filter.clone_from(filter);
                }
                is_applied
            }
        }
    }

    /// Reads the configuration again, takes over what is safe and says what needs a restart. What is
    /// wrong changes nothing.
    fn read_again(&mut self) {
        let loaded = match self.settings.load() {
            Ok(loaded) => loaded,
            Err(error) => {
                // One line of the log for each reload.
                let error = plain(&error.to_string()).replace('\n', "; ");
                tracing::error!(%error, "config.not_reloaded: all stays as it is");
                return;
            }
        };
        if let Some(error) = self.file.as_deref().and_then(gone) {
            tracing::error!(error, "config.not_reloaded: all stays as it is");
            return;
        }
        let Changes {
            reloaded,
            proofs,
            mut restart,
        } = Changes::between(&self.running, &loaded.config);
        let changed = loaded.config.sources.iter();
        let changed = changed.filter(|source| proofs.contains(&source.name));
        self.ingest.set_proofs(changed.clone());
        for source in changed {
            let mut running = self.running.sources.iter_mut();
            if let Some(known) = running.find(|known| known.name == source.name) {
                known.authentication = source.authentication.clone();
                known.verify_tokens.clone_from(&source.verify_tokens);
            }
        }
        let mut applied: Vec<String> = proofs.iter().map(|name| format!("source.{name}")).collect();
        for (key, how) in reloaded {
            let is_applied = self.apply(how, &loaded.config);
            let keys = if is_applied {
                &mut applied
            } else {
                &mut restart
            };
            keys.push(key.to_owned());
        }
        for warning in loaded.warnings() {
            tracing::warn!(key = %warning.key, "{}", warning.text);
        }
        let (applied, restart) = (applied.join(", "), restart.join(", "));
        if restart.is_empty() {
            tracing::info!(applied, "config.reloaded");
        } else {
            tracing::warn!(
                applied,
                needs_restart = restart,
                "config.reloaded: the rest holds from the next start on"
            );
        }
    }
}

/// Why a missing file decides nothing: its absence is no request to run without it.
fn gone(file: &str) -> Option<String> {
    let is_there = Path::new(file).exists();
    (!is_there).then(|| format!("{file} is gone: write it again, or stop the service"))
}

/// The runtime of lanes, readers and sockets; the HTTP server brings its own threads.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Takes as many open files as the system allows: the usual 1024 are fewer than a stranger can
/// hold open as idle connections.
fn raise_open_files() {
    let allowed = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: allowed.maximum,
        ..allowed
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// Sends the log to stderr, as text or as JSON lines.
pub(super) fn start_log(log: &Log) -> anyhow::Result<LogFilter> {
    let filter: Targets = log
        .filter
        .parse()
        .with_context(|| format!("log.filter cannot be read: {}", quoted(&log.filter)))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tickrelay.toml");
        let name = file.to_str().unwrap();
        let error = gone(name).unwrap();
        assert!(error.ends_with("tickrelay.toml is gone: write it again, or stop the service"));
        // The control: an empty file is there.
        std::fs::write(&file, "").unwrap();
        assert_eq!(gone(name), None);
    }
}

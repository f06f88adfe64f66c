//! `tickrelay serve`: the service, until SIGTERM or SIGINT; a second one ends it at once.

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Exit, Settings};
use crate::clock::Clock;
use crate::config::{Log, LogFormat};
use crate::server;

/// The service runs in the foreground; its log goes to stderr, as the talk it is.
pub(super) fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let loaded = settings.load()?;
    start_log(&loaded.config.log)?;
    raise_open_files();
    runtime()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let server = server::build(loaded.config, Clock::system())?;
        server
            .run_until(async {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                }
                // Whoever signals again will not wait; what is stored is safe, as in a crash.
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
    })?;
    Ok(Exit::Done)
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
pub(super) fn start_log(log: &Log) -> anyhow::Result<()> {
    let filter: Targets = log
        .filter
        .parse()
        .with_context(|| format!("log.filter {:?} cannot be read", log.filter))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

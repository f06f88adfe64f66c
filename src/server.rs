//! The application as a value: build it, ask its port, run it until a future resolves.

mod own_api;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server as HttpServer, ServerHandle};
use actix_web::web::Data;
use anyhow::Context as _;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::access;
use crate::admin::{LeftJobs, Operations};
use crate::clock::Clock;
use crate::config::{Config, Retention};
use crate::duties::alerts::GatheredAlerts;
use crate::duties::expiry::Expiry;
use crate::duties::keys::MissingKeys;
use crate::duties::outages::GatheredOutages;
use crate::duties::poll::{PolledSources, Polling};
use crate::duties::pruning::Pruning;
use crate::duties::replay::Replaying;
use crate::duties::supervisor::Supervisor;
use crate::duties::watch::{Watch, WatchStart, Watching};
use crate::files::Budget;
use crate::forward::lanes::Forwarding;
use crate::forward::lanes::connections::Connections;
use crate::forward::schedule::Schedule;
use crate::forward::sender::{Sender, SenderConfig};
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::model::Word as _;
use crate::store::{Loss, Options, Store};
use crate::web::api::Api;
use crate::web::api::jobs::problem_of;
use crate::web::{self, ApiSocket, AuthFailures, Bodies, Web};

pub use own_api::{OwnApi, Rights};

/// How long a commit may take before the provider has to send again; 360dialog waits 5 s.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a start waits for the end of another process that has the store: a service that stops,
/// or a command that changes something.
const OWNER_PATIENCE: Duration = Duration::from_secs(10);

/// Lanes that read at once where they send to: each takes a connection to the store, and after a
/// start all of them do.
const RESYNCS_AT_ONCE: usize = 8;

/// New connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// The built service: its port and its socket are bound, nothing runs yet but the store's writer.
pub struct Server {
    listener: TcpListener,
    workers: usize,
    grace: Duration,
    shared: Data<Web>,
    forwarding: Forwarding,
    operations: Operations,
    duties: Supervisor<Store>,
    watch_start: WatchStart,
    socket: ApiSocket,
}

/// Opens the store, and binds the socket beside it and the port.
///
/// # Errors
/// When the store cannot be opened, the socket cannot be made, the port is taken, or a TLS file
/// cannot be read.
pub fn build(config: Config, clock: Clock) -> anyhow::Result<Server> {
    build_with(config, clock, ACCEPT_TIMEOUT)
}

/// As [`build`], with `accept_timeout` for how long a commit may take before the provider has
/// to send its webhook again.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    config: Config,
    clock: Clock,
    accept_timeout: Duration,
) -> anyhow::Result<Server> {
    // Before the store is made: a path that is too long must leave nothing behind.
    let socket = web::socket_path(&config.store.engine())?;
    let metrics = Arc::new(Metrics::new());
    let store = Store::open(&store_options(&config), clock.clone(), Arc::clone(&metrics))?;
    // Under the store's lock, and before anything runs: a command finds the service from here on,
    // and a start that is refused leaves no attempt under way.
    let socket = ApiSocket::bind(&socket)
        .with_context(|| format!("cannot make the socket {}", socket.display()))?;
    let sender = Arc::new(Sender::new(&sender_config(&config))?);
    let listener = listen(config.server.listen)
        .with_context(|| format!("cannot listen on {}", config.server.listen))?;
    let watch = watch(&config, &store, &clock, &metrics);
    let watch_start = watch.start.clone();
    let operations = Operations::new(&config, store.clone(), Arc::clone(&sender), clock.clone());
    let forwarding = Forwarding {
        store: store.clone(),
        sender,
        connections: Connections::new(Budget::of(open_files()).subscribers),
        schedule: Arc::new(Schedule {
            delays: config.forward.schedule.clone(),
            max_age: config.forward.max_age,
        }),
        disable_after: config.forward.disable_after,
        timeout: config.forward.timeout,
        clock: clock.clone(),
        metrics: Arc::clone(&metrics),
        resyncs: Arc::new(Semaphore::new(RESYNCS_AT_ONCE)),
    };
    let (retention, max_age) = (config.retention.clone(), config.forward.max_age);
    warn(&config, &store, clock.now_ms());
    let (workers, grace) = (config.server.workers, config.server.shutdown_grace);
    let shared = shared(config, operations.clone(), (store, clock), metrics);
    let polled = PolledSources::new(
        (shared.store.clone(), forwarding.sender.clone()),
        Arc::clone(&shared.ingest),
        (shared.clock.clone(), Arc::clone(&shared.metrics)),
    );
    let left_jobs = LeftJobs::new(operations.clone(), problem_of);
    let duties = duties(&shared, (polled, left_jobs), watch, (retention, max_age));
    let shared = Data::new(Web {
        accept_timeout,
        ..shared
    });
    Ok(Server {
        listener,
        workers,
        grace,
        shared,
        forwarding,
        operations,
        duties,
        watch_start,
        socket,
    })
}

/// What the handlers share.
fn shared(
    config: Config,
    operations: Operations,
    (store, clock): (Store, Clock),
    metrics: Arc<Metrics>,
) -> Web {
    let api = Api::new(&config, operations);
    let ingest = Arc::new(Ingest::new(
        (config.sources, config.server.public_url.as_deref()),
        store.clone(),
        clock.clone(),
        Arc::clone(&metrics),
    ));
    Web {
        api,
        ingest,
        store,
        clock,
        metrics,
        bodies: Bodies::new(config.server.body_limit_bytes),
        failures: AuthFailures::default(),
        trusted_proxies: config.server.trusted_proxies,
        accept_timeout: ACCEPT_TIMEOUT,
    }
}

/// Says at the start what is legal and unwise.
fn warn(config: &Config, store: &Store, now_ms: i64) {
    for warning in config.warnings() {
        tracing::warn!(key = %warning.key, "{}", warning.text);
    }
    let tokens = store.tokens();
    for warning in access::token_warnings(&tokens, &config.owners(), now_ms) {
        tracing::warn!(key = "source.owners", "{warning}");
    }
    if tokens.is_empty() {
        tracing::info!(
            "there is no token yet, so every call of the management API is answered 401; \
             `tickrelay token create --role admin --name NAME` makes one"
        );
    }
}

/// Every duty of the service.
fn duties(
    shared: &Web,
    (polled, left_jobs): (PolledSources, LeftJobs),
    watch: Watch,
    (retention, max_age): (Retention, Duration),
) -> Supervisor<Store> {
    let (store, clock) = (shared.store.clone(), shared.clock.clone());
    let metrics = Arc::clone(&shared.metrics);
    Supervisor::new(store.clone(), clock.clone())
        .with(Polling::new(Arc::new(polled)))
        .with(Replaying::new(store.clone()))
        .with(Watching::new(watch))
        .with(GatheredAlerts::new(store.clone()))
        .with(GatheredOutages::new(store.clone()))
        .with(Expiry::new(store.clone(), clock.clone(), max_age))
        .with(Pruning::new(store.clone(), clock, retention))
        .with(MissingKeys::new(store, metrics))
        .with(left_jobs)
}

fn watch(config: &Config, store: &Store, clock: &Clock, metrics: &Arc<Metrics>) -> Watch {
    let sources = config.sources.iter();
    Watch {
        store: store.clone(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        events: config.events.clone(),
        sources: sources.clone().map(|source| source.name.clone()).collect(),
        pulled: sources
            .filter(|source| source.pulled.is_some())
            .map(|source| source.name.clone())
            .collect(),
        start: WatchStart::default(),
    }
}

/// Binds the port, with room for a burst of new connections.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // The library's own room is for 128; one more has its first packet dropped and comes
    // again after a second.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// How the store of this configuration is opened.
#[must_use]
pub fn store_options(config: &Config) -> Options {
    Options {
        engine: config.store.engine(),
        list_budget: config.store.list_budget,
        keys: config.store.keys.clone(),
        owner_patience: OWNER_PATIENCE,
    }
}

/// How forwards of this configuration are sent.
#[must_use]
pub fn sender_config(config: &Config) -> SenderConfig {
    let forward = &config.forward;
    SenderConfig {
        allow_http: forward.allow_http,
        allow_networks: forward.allow_networks.clone(),
        proxy: forward
            .proxy
            .as_ref()
            .map(|proxy| proxy.expose().to_owned()),
        ca_file: forward.ca_file.clone(),
        timeout: forward.timeout,
    }
}

impl Server {
    /// The port it listens on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn port(&self) -> std::io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// The store, for a caller that looks into it.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What receives webhooks.
    #[must_use]
    pub fn ingest(&self) -> Arc<Ingest> {
        Arc::clone(&self.shared.ingest)
    }

    /// What an operator may ask for.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Runs until `shutdown` resolves; then stops accepting, lets what is in flight end
    /// (for the configured grace at most), settles and closes the store. When the store can serve
    /// no longer, it ends at once and by itself.
    ///
    /// # Errors
    /// [`Loss`] when the store failed, or lacks what was acknowledged;
    /// another error when the HTTP server cannot start or ends with one.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let (store, operations) = (self.shared.store.clone(), self.operations);
        self.watch_start.mark(&store).await;
        // Whatever can fail comes before what would have to be stopped then.
        let listeners = (self.listener, self.socket);
        let limits = (self.workers, self.grace);
        let begun = answer(listeners, limits, self.shared, stopped.clone());
        let (address, http, socket) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                if let Err(loss) = store.close().await {
                    tracing::error!(%loss, "store.failed");
                }
                return Err(error);
            }
        };
        let forwarding = tokio::spawn(self.forwarding.run(stopped.clone()));
        let duties = tokio::spawn(self.duties.run(stopped));
        let handle = http.handle();
        let http = tokio::spawn(http);
        tracing::info!(%address, store = store.location(), durability = store.health().durability.as_str(), "serving");
        let grace = until_stopped(shutdown, &store).await.map(|()| self.grace);
        let ended = stop_all(handle, http, grace, async move {
            stop.send_replace(true);
            for task in [forwarding, duties, socket] {
                // A task that panicked has nothing left to drain.
                let _ = task.await;
            }
            operations.finished().await;
        })
        .await;
        store.close().await?;
        tracing::info!("stopped");
        ended
    }
}

/// The address, HTTP, which begins when it is polled, and the task that answers on the socket. After
/// an error nothing was begun.
fn answer(
    (listener, socket): (TcpListener, ApiSocket),
    (workers, grace): (usize, Duration),
    shared: Data<Web>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<(SocketAddr, HttpServer, JoinHandle<()>)> {
    let address = listener.local_addr()?;
    let http = web::serve(listener, (workers, open_files()), grace, shared.clone())?;
    let socket = socket.serve(shared, grace, stopped);
    Ok((
        address,
        http,
        socket.context("cannot answer on the socket")?,
    ))
}

/// How many files the process may have open; `None` where there is no limit.
fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Waits until the service is to stop, or its store can serve no longer.
async fn until_stopped(shutdown: impl Future<Output = ()>, store: &Store) -> Result<(), Loss> {
    tokio::select! {
        () = shutdown => {
            tracing::info!("stopping");
            Ok(())
        }
        loss = store.lost() => {
            tracing::error!(
                %loss,
                "store.failed: nothing is acknowledged any more, and the service ends, to be \
                 started again"
            );
            Err(loss)
        }
    }
}

/// First no new request, then no new attempt, each within the grace; at once after a loss.
async fn stop_all(
    handle: ServerHandle,
    http: JoinHandle<std::io::Result<()>>,
    grace: Result<Duration, Loss>,
    drain: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    handle.stop(grace.is_ok()).await;
    let grace = grace.unwrap_or_default();
    if tokio::time::timeout(grace, drain).await.is_err() {
        tracing::warn!(
            grace_s = grace.as_secs(),
            "work in flight was cut: attempts and erasures go on at the next start, other jobs do not"
        );
    }
    http.await
        .context("the HTTP server panicked")?
        .context("the HTTP server failed")
}

//! The true service on a store of its own, with a subscriber on loopback.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::case::{Case, CaseBody, Program};
use super::config;
use super::subscriber::{DemoSubscriber, Received};
use crate::access::token::NewToken;
use crate::access::{Caller, Role};
use crate::admin::{
    AddSubscriber, CreateToken, Failure, GivenSecret, Operation, Operations, PauseSubscriber,
};
use crate::clock::Clock;
use crate::config::{Config, Environment, Inputs, Source};
use crate::model::{NewSubscriber, SubscriberKey};
use crate::play::fill::{Fill, Filled};
use crate::play::history::HistoryScenario;
use crate::play::http::{ProviderClient, SourceAddress};
use crate::server;
use crate::store::overview::WebhookRecord;
use crate::store::query::{BacklogQuery, WebhookQuery, WebhookReportQuery, Window};
use crate::store::timeline::ReportRecord;
use crate::store::{Backlog, Store};

/// How long the history of a demo is.
pub(super) const HISTORY_DAYS: u32 = 30;
/// What decides a demo's history, which is the same each time.
const HISTORY_SEED: u64 = 1;
/// The name of the demo's own subscriber.
const SUBSCRIBER: &str = "demo";
/// How long a payload may take from the provider's 200 to the subscriber; then it is a bug.
const PATIENCE: Duration = Duration::from_secs(20);

/// The running service and what stands around it.
pub(super) struct Harness {
    /// Where the service listens.
    pub(super) address: SocketAddr,
    /// The subscriber's URL.
    pub(super) subscriber_url: String,
    /// The configuration's file.
    pub(super) configuration: PathBuf,
    /// The SQLite file.
    pub(super) store: PathBuf,
    /// What the store was filled with before, if it was.
    pub(super) filled: Option<Filled>,
    /// The key of the demo's own subscriber.
    subscriber_id: SubscriberKey,
    /// A token of an admin, for the management API.
    pub(super) token: String,
    /// Where providers post, by the name of the source.
    endpoints: HashMap<String, SourceAddress>,
    client: ProviderClient,
    subscriber: DemoSubscriber,
    operations: Operations,
    opened: Store,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

/// A webhook that was sent, and all that came of it.
pub(super) struct DemoStep {
    /// How long the provider waited for its 200.
    pub(super) answered_in: Duration,
    /// The webhook as it was stored.
    pub(super) webhook: WebhookRecord,
    /// The reports in it that were new.
    pub(super) reports: Vec<ReportRecord>,
    /// What arrived at the subscriber, by `webhook-id`.
    payloads: HashMap<Uuid, Received>,
}

impl DemoStep {
    /// What the demo's own subscriber got for a report; `None` when nothing was sent to it.
    pub(super) fn payload(&self, report: &ReportRecord) -> Option<&Received> {
        let ids = report.forwards.iter().map(|pending| pending.forward.uid);
        let mut received = ids.filter_map(|id| self.payloads.get(&id));
        received.find(|received| received.is_own)
    }
}

impl Harness {
    /// Starts the service in `folder` with the sources that `program` needs, after a history of so many
    /// messages.
    pub(super) async fn start(
        folder: &Path,
        program: &[Program],
        history: Option<u64>,
    ) -> anyhow::Result<Self> {
        let secret = hex::encode(rand::random::<[u8; 24]>());
        let configuration = folder.join("tickrelay.toml");
        let write = |port: u16| {
            write_private(
                &configuration,
                &config::configuration(program, &secret, port),
            )
            .with_context(|| format!("cannot write {}", configuration.display()))
        };
        write(0)?;
        let config = load(&configuration)?;
        let sources = config.sources.clone();
        let store = config.store.path.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("cannot listen for the subscriber")?;
        let subscribers = listener.local_addr()?;
        let filled = match history {
            Some(messages) => Some(fill(&config, messages, subscribers).await?),
            None => None,
        };
        let server = server::build(config, Clock::system())?;
        // Now that the port is known, other commands and a later `serve` can use it.
        write(server.port()?)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()?));
        let service = format!("http://{address}").parse()?;
        let public_url = config::public_url();
        let endpoint = |source: &Source| {
            let endpoint = SourceAddress::new(source, &service, public_url);
            (source.name.clone(), endpoint)
        };
        let subscriber_url = format!("http://{subscribers}/status");
        let operations = server.operations().clone();
        let given = subscribe(&operations, &subscriber_url).await?;
        let token = token(&operations).await?;
        let others = filled.as_ref().map(|filled| filled.subscribers.as_slice());
        let others = others.unwrap_or_default();
        let subscriber = DemoSubscriber::start(listener, &given.secret, others)?;
        let opened = server.store().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run_until(async {
            // A harness that was dropped stops the service too.
            let _ = stopped.await;
        }));
        Ok(Self {
            address,
            subscriber_url,
            configuration,
            store,
            filled,
            subscriber_id: given.subscriber.id,
            token,
            endpoints: sources.iter().map(endpoint).collect(),
            client: ProviderClient::new(address),
            subscriber,
            operations,
            opened,
            stop,
            running,
        })
    }

    /// Where that source's provider posts.
    pub(super) fn endpoint(&self, source: &str) -> anyhow::Result<&SourceAddress> {
        let endpoint = self.endpoints.get(source);
        endpoint.with_context(|| format!("there is no source {source}"))
    }

    /// Sends a body as its provider would and waits for every forward that it leads to.
    ///
    /// # Errors
    /// When it is not answered with 200, or a payload does not arrive.
    pub(super) async fn send(&mut self, case: &Case, body: &CaseBody) -> anyhow::Result<DemoStep> {
        let now_s = Clock::system().now_ms().div_euclid(1000);
        let endpoint = self.endpoint(&case.source_name())?;
        let (query, headers) = case.head();
        let request = endpoint.request(&query, &headers, body.bytes, now_s);
        let began = Instant::now();
        let status = self
            .client
            .exchange(&request)
            .await
            .with_context(|| format!("cannot send {}/{}", case.name, body.file))?;
        let answered_in = began.elapsed();
        ensure!(
            status == 200,
            "{}/{} was answered with {status}, not 200",
            case.name,
            body.file
        );
        let newest = self.newest().await?;
        let (webhook, reports) =
            newest.context("a webhook was acknowledged and is not in the store")?;
        let pending = reports.iter().flat_map(|report| &report.forwards);
        let pending: Vec<Uuid> = pending.map(|pending| pending.forward.uid).collect();
        let mut payloads = HashMap::new();
        while pending.iter().any(|id| !payloads.contains_key(id)) {
            let received = tokio::time::timeout(PATIENCE, self.receive()).await;
            let received = received.context("a payload did not arrive in time")?;
            payloads.insert(received.id, received);
        }
        Ok(DemoStep {
            answered_in,
            webhook,
            reports,
            payloads,
        })
    }

    /// The next payload that arrives.
    pub(super) async fn receive(&mut self) -> Received {
        match self.subscriber.received.recv().await {
            Some(received) => received,
            // The subscriber ends with the harness.
            None => std::future::pending().await,
        }
    }

    /// The report behind a payload, if the newest webhook brought it.
    pub(super) async fn newest_report_behind(
        &self,
        received: &Received,
    ) -> anyhow::Result<Option<ReportRecord>> {
        let reports = self.newest().await?.map(|(_, reports)| reports);
        Ok(reports.into_iter().flatten().find(|report| {
            let mut forwards = report.forwards.iter();
            forwards.any(|pending| pending.forward.uid == received.id)
        }))
    }

    /// The newest webhook, and the reports in it that were new.
    async fn newest(&self) -> anyhow::Result<Option<(WebhookRecord, Vec<ReportRecord>)>> {
        let query = WebhookQuery {
            window: Window::newest(1),
            ..WebhookQuery::default()
        };
        let newest = self.opened.read(query).await?.rows;
        let Some(webhook) = newest.into_iter().next() else {
            return Ok(None);
        };
        let reports = WebhookReportQuery {
            webhook: webhook.clone(),
        };
        let reports = self.opened.read(reports).await?;
        Ok(Some((webhook, reports)))
    }

    /// Waits until the store knows that no forward to the demo's own subscriber is pending.
    pub(super) async fn settled(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let is_own = |backlog: &Backlog| backlog.subscriber_id == self.subscriber_id;
        while self.opened.read(BacklogQuery).await?.iter().any(is_own) {
            ensure!(began.elapsed() < PATIENCE, "a forward is still pending");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Pauses the subscribers of the demo: after it, another program may listen at their port.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) async fn pause(&self) -> anyhow::Result<()> {
        let invented = self.filled.iter().flat_map(|filled| &filled.subscribers);
        let names = invented.map(|(name, _)| *name).chain([SUBSCRIBER]);
        for name in names {
            let name = name.to_owned();
            let paused = order(&self.operations, PauseSubscriber { name }).await;
            // One that was removed meanwhile needs no pause.
            if let Err(error) = paused
                && !matches!(error.downcast_ref(), Some(Failure::Missing(_)))
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stops everything as SIGTERM would.
    ///
    /// # Errors
    /// When the service failed, now or before.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.client);
        // A service that has failed does not listen any more, and says why below.
        let _ = self.stop.send(());
        self.running.await.context("the service panicked")?
    }
}

/// The configuration in that file.
fn load(file: &Path) -> anyhow::Result<Config> {
    let inputs = Inputs {
        file: Some(file),
        flags: &[],
        // The demo is to be the same on every machine.
        environment: Environment::empty(),
    };
    Ok(Config::load(inputs)?.config)
}

/// Writes a file with secrets in it, readable by its owner alone.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Invents history for the sources that every demo has; its subscribers listen at that address.
async fn fill(config: &Config, messages: u64, subscribers: SocketAddr) -> anyhow::Result<Filled> {
    let sources = config.sources.iter().filter(|source| {
        // The sources of single cases have names of their own.
        source.name == source.provider.as_str() && HistoryScenario::has_history(source)
    });
    let fill = Fill {
        config,
        scenario: HistoryScenario {
            sources: sources.cloned().collect(),
            messages,
            days: HISTORY_DAYS,
            until_ms: Clock::system().now_ms(),
            seed: HISTORY_SEED,
        },
        url: &|name| format!("http://{subscribers}/{name}"),
        stay: true,
    };
    fill.run(|_, _| ()).await
}

/// Adds the subscriber as an operator would; returns it with its secret.
async fn subscribe(operations: &Operations, url: &str) -> anyhow::Result<GivenSecret> {
    let new = NewSubscriber::new(SUBSCRIBER, url);
    order(operations, AddSubscriber(new)).await
}

/// Makes a token as `tickrelay token create --role admin --name demo` does.
async fn token(operations: &Operations) -> anyhow::Result<String> {
    let new = NewToken {
        name: "demo".to_owned(),
        role: Role::Admin,
        owner: None,
        sources: Vec::new(),
        expires_at_ms: None,
    };
    Ok(order(operations, CreateToken(new)).await?.text)
}

async fn order<O: Operation>(operations: &Operations, operation: O) -> anyhow::Result<O::Answer> {
    let (progress, _) = tokio::sync::mpsc::unbounded_channel();
    Ok(operations
        .perform(Caller::cli(), operation, progress, None)
        .await?)
}

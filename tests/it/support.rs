//! The harness: the true server on a port and a store of its own, and what stands around it.

pub(crate) mod answer;
pub(crate) mod api;
pub(crate) mod botsquad;
pub(crate) mod cli;
mod clients;
pub(crate) mod cloud;
pub(crate) mod fixtures;
pub(crate) mod hasty;
pub(crate) mod hostile;
pub(crate) mod plain;
mod planted;
pub(crate) mod program;
pub(crate) mod receiver;
pub(crate) mod service;
pub(crate) mod shim;
pub(crate) mod socket;
mod stored;
mod tables;
pub(crate) mod traffic;
mod waiting;

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use tempfile::TempDir;
use tickrelay::access::Caller;
use tickrelay::admin::{AddSubscriber, Failure, Operation};
use tickrelay::clock::Clock;
use tickrelay::config::{Config, Source};
use tickrelay::model::MessageType;
use tickrelay::model::NewSubscriber;
use tickrelay::providers::Provider;
use tickrelay::providers::authentication::{Authentication, Method, WebhookRequest};
use tickrelay::server;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;

pub(crate) use clients::{client, client_builder, client_over};
pub(crate) use stored::{counted, fields, key, only};
pub(crate) use tables::Tables;
pub(crate) use waiting::{PATIENCE, until, until_async};

/// Where the providers reach the service, for those that sign the URL.
pub(crate) const PUBLIC_URL: &str = "https://relay.example.com";

/// The app secret of the test's Cloud API source.
pub(crate) const APP_SECRET: &str = "test-app-secret";
/// What the test's other sources want in the header `x-api-key`.
pub(crate) const API_KEY: &str = "test-api-key";

/// A running service.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) store: tickrelay::store::Store,
    pub(crate) operations: tickrelay::admin::Operations,
    pub(crate) http: reqwest::Client,
    /// The text of the token that [`TestApp::admin`] sends.
    admin: OnceCell<String>,
    config: Config,
    clock: Clock,
    folder: Option<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

impl TestApp {
    /// The four sources, a fresh store, the system's clock.
    pub(crate) async fn boot() -> Self {
        Self::boot_with(Clock::system(), |_| {}).await
    }

    /// As `boot`, on that clock and with the configuration changed.
    pub(crate) async fn boot_with(clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = config(&folder.path().join("tickrelay.db"));
        change(&mut config);
        if config
            .sources
            .iter()
            .any(|it| it.authentication.signs_url())
        {
            config
                .server
                .public_url
                .get_or_insert(PUBLIC_URL.to_owned());
        }
        Self::start(config, clock, Some(folder)).await
    }

    #[expect(
        clippy::unused_async,
        reason = "it spawns, so it must be called in a runtime"
    )]
    async fn start(config: Config, clock: Clock, folder: Option<TempDir>) -> Self {
        // How long a commit takes is the machine's: no test here is about that.
        let server = server::build_with(config.clone(), clock.clone(), PATIENCE).unwrap();
        let url = format!("http://127.0.0.1:{}", server.port().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let store = server.store().clone();
        let operations = server.operations().clone();
        let running = tokio::spawn(server.run_until(async {
            let _ = stopped.await;
        }));
        Self {
            url,
            store,
            operations,
            http: client(),
            admin: OnceCell::new(),
            config,
            clock,
            folder,
            stop: Some(stop),
            running: Some(running),
        }
    }

    /// Stops the service as SIGTERM does and starts it again on the same store.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// As `restart`, with the configuration changed between the two.
    pub(crate) async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        let folder = self.folder.take();
        let (mut config, clock) = (self.config.clone(), self.clock.clone());
        let admin = self.admin.clone();
        self.stop().await;
        change(&mut config);
        let started = Self::start(config, clock, folder).await;
        Self { admin, ..started }
    }

    /// Stops the service as SIGTERM does; the folder stays until the app is dropped.
    pub(crate) async fn stop(self) {
        self.end().await.unwrap();
    }

    /// As `stop`; returns how the service ended.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap().await.unwrap()
    }

    /// The SQLite file.
    pub(crate) fn path(&self) -> PathBuf {
        self.config.store.path.clone()
    }

    /// Its clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What its clock shows, ms since 1970 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Posts a webhook of the Cloud API with these statuses; it must be taken.
    pub(crate) async fn report(&self, statuses: &[serde_json::Value]) {
        assert_eq!(self.post("cloud", cloud::webhook(statuses)).await, 200);
    }

    /// One series of `/metrics`; 0 when it is not there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let page = self.http.get(format!("{}/metrics", self.url));
        let page = page.send().await.unwrap().text().await.unwrap();
        let value = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
        page.lines().find_map(value).unwrap_or_default()
    }

    /// Posts a body as the source's provider would, correctly signed.
    pub(crate) async fn post(&self, source: &str, body: impl Into<Vec<u8>>) -> u16 {
        let body = body.into();
        let provider = match source {
            "cloud" => Provider::MetaCloud,
            _ => Provider::Infobip,
        };
        let request = self.http.post(format!("{}/webhooks/{source}", self.url));
        let request = authenticated(request, provider, &body)
            .header("Content-Type", "application/json")
            .body(body);
        request.send().await.unwrap().status().as_u16()
    }

    /// Adds a subscriber that wants everything.
    pub(crate) async fn subscribe(&self, name: &str, url: &str) -> String {
        self.subscribe_with(name, url, |_| {}).await
    }

    /// Adds a subscriber; returns its secret.
    pub(crate) async fn subscribe_with(
        &self,
        name: &str,
        url: &str,
        change: impl FnOnce(&mut NewSubscriber),
    ) -> String {
        let mut new = NewSubscriber::new(name, url);
        change(&mut new);
        self.perform(AddSubscriber(new)).await.unwrap().secret
    }

    /// As `perform`, for what must be done.
    pub(crate) async fn order<O: Operation>(&self, operation: O) -> O::Answer {
        self.perform(operation).await.unwrap()
    }

    /// Does what an operator may ask for.
    pub(crate) async fn perform<O: Operation>(&self, operation: O) -> Result<O::Answer, Failure> {
        let (progress, _reports) = tokio::sync::mpsc::unbounded_channel();
        self.operations
            .perform(Caller::cli(), operation, progress, None)
            .await
    }
}

/// Four sources as their providers are usually set up, targets on loopback allowed.
pub(crate) fn config(path: &Path) -> Config {
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.server.shutdown_grace = Duration::from_secs(2);
    config.store.path = path.to_path_buf();
    config.store.disk_reserve_bytes = 0;
    // How long a list takes is the machine's too.
    config.store.list_budget = PATIENCE;
    config.forward.allow_http = true;
    config.forward.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    config.forward.timeout = Duration::from_secs(5);
    config.sources = vec![
        source("cloud", Provider::MetaCloud),
        source("onprem", Provider::MetaOnPremises),
        source("d360", Provider::Dialog360),
        source("infobip", Provider::Infobip),
    ];
    config
}

/// A source as its provider is usually set up.
pub(crate) fn source(name: &str, provider: Provider) -> Source {
    let secret = |text: &str| SecretString::from(text.to_owned());
    let definition = provider.definition();
    let method = match &definition.credentials.signature {
        Some(own) => Method::Signature((own.of)(vec![secret(APP_SECRET)])),
        None => Method::Header {
            name: "x-api-key".to_owned(),
            value: secret(API_KEY),
        },
    };
    let handshake = definition.credentials.handshake;
    Source {
        name: name.to_owned(),
        provider,
        authentication: Authentication {
            methods: vec![method],
        },
        verify_tokens: Vec::from_iter(handshake.then(|| secret("test-verify-token"))),
        default_type: MessageType::Template,
        sender: definition.samples.sender.map(str::to_owned),
        senders: Vec::new(),
        owners: Vec::new(),
        pulled: None,
    }
}

/// Proves where a body comes from, as [`source`] wants it.
pub(crate) fn authenticated(
    request: reqwest::RequestBuilder,
    provider: Provider,
    body: &[u8],
) -> reqwest::RequestBuilder {
    let plain = request.try_clone().unwrap().build().unwrap();
    let target = &plain.url()[url::Position::BeforePath..];
    let url = format!("{PUBLIC_URL}{target}");
    let proof = source("any", provider).authentication.prove(
        WebhookRequest::post(&url, body),
        Clock::system().now_ms() / 1000,
    );
    let headers = proof.headers.into_iter();
    headers.fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// What Meta puts into `X-Hub-Signature-256`.
pub(crate) fn hub_signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// What signs this text, keyed with that secret.
pub(crate) fn mac(secret: &str, text: &str) -> String {
    let key = base64::engine::general_purpose::STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

/// The signature that a subscriber expects, made by another implementation than ours.
pub(crate) fn verify(secret: &str, request: &receiver::Received) -> bool {
    let raw = secret.strip_prefix("whsec_").unwrap();
    assert!(
        base64::engine::general_purpose::STANDARD
            .decode(raw)
            .unwrap()
            .len()
            >= 24
    );
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    webhook.verify(&request.body, &request.header_map()).is_ok()
}

/// An address at which every connection is refused while the socket lives: no process listens there, and
/// no other test can.
pub(crate) fn nobody_listens() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    (socket, url)
}

/// A Cloud API webhook with one status.
pub(crate) fn cloud_status(id: &str, status: &str, timestamp: i64) -> String {
    cloud::webhook(&[cloud::status(id, status, timestamp)])
}

//! A subscriber on loopback that records what it gets and answers as the test says.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tokio::sync::watch;

/// What every payload must look like.
static ROCKETCHAT: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| validator(include_str!("../../../schema/payload.schema.json")));
/// The same in the extended format.
static EXTENDED: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| validator(include_str!("../../../schema/payload-extended.schema.json")));
/// What every alert must look like.
static ALERT: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| validator(include_str!("../../../schema/alert.schema.json")));
/// What every event of the service must look like.
static EVENT: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| validator(include_str!("../../../schema/event.schema.json")));

fn validator(schema: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

/// The schema for a body with these keys.
fn schema(body: &serde_json::Value) -> &'static jsonschema::Validator {
    if body.get("data").is_some() {
        &EVENT
    } else if body.get("text").is_some() {
        &ALERT
    } else if body.get("eventId").is_some() {
        &EXTENDED
    } else {
        &ROCKETCHAT
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// When.
    pub(crate) at: Instant,
    /// The port it came from: the same for all that came over one connection.
    pub(crate) from_port: u16,
    /// The path it was sent to.
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The payload.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What keeps this from being a payload.
    fn fault(&self) -> Option<String> {
        let error = match serde_json::from_slice(&self.body) {
            Ok(body) => schema(&body).validate(&body).err()?.to_string(),
            Err(error) => error.to_string(),
        };
        Some(format!(
            "{error} in {}",
            String::from_utf8_lossy(&self.body)
        ))
    }

    /// An alert's or event's sentence.
    pub(crate) fn text(&self) -> String {
        self.json()["text"].as_str().unwrap().to_owned()
    }

    /// The payload's `msId`.
    pub(crate) fn message(&self) -> String {
        self.json()["msId"].as_str().unwrap().to_owned()
    }

    /// The payload's `MessageStatus`.
    pub(crate) fn status(&self) -> String {
        self.json()["MessageStatus"].as_str().unwrap().to_owned()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The headers as the verifying crate wants them.
    pub(crate) fn header_map(&self) -> HeaderMap {
        self.headers
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<http::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect()
    }
}

type HeaderMap = http::HeaderMap;

/// How it answers a request, given how many came before.
pub(crate) type Script = Arc<dyn Fn(usize, &Received) -> Reply + Send + Sync>;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) after: Duration,
}

impl Reply {
    /// The same after a while.
    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The same with that header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// At once, with that status.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            after: Duration::ZERO,
        }
    }
}

struct Shared {
    received: Mutex<Vec<Received>>,
    faults: Mutex<Vec<String>>,
    script: Mutex<Script>,
    /// Held while a request is served, where one is served at a time.
    turn: Option<tokio::sync::Mutex<()>>,
    /// Whether answers wait.
    held: watch::Sender<bool>,
}

/// The running subscriber; it ends with the test.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::scripted(|_, _| Reply::status(200))
    }

    /// One that answers as the script says.
    pub(crate) fn scripted(
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(script), None)
    }

    /// The same, but it serves one request at a time, from any client.
    pub(crate) fn one_at_a_time(
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(script), Some(tokio::sync::Mutex::default()))
    }

    fn serve(script: Script, turn: Option<tokio::sync::Mutex<()>>) -> Self {
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            faults: Mutex::default(),
            script: Mutex::new(script),
            turn,
            held: watch::Sender::new(false),
        });
        let data = Data::from(Arc::clone(&shared));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(take))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let url = format!("http://{}/status", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, shared }
    }

    /// Changes how it answers from here on.
    pub(crate) fn answer(
        &self,
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// Keeps every answer back from here on, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    /// All it got, in the order of arrival.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.look().clone()
    }

    /// How much it got.
    pub(crate) fn count(&self) -> usize {
        self.look().len()
    }

    /// A test that looks at what came fails when any of it was no payload.
    fn look(&self) -> MutexGuard<'_, Vec<Received>> {
        let faults = self.shared.faults.lock().unwrap().clone();
        assert!(faults.is_empty(), "against the schema: {faults:?}");
        self.shared.received.lock().unwrap()
    }

    /// The statuses it got of each message, in the order of arrival.
    pub(crate) fn by_message(&self) -> BTreeMap<String, Vec<String>> {
        let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in self.received() {
            let statuses = messages.entry(request.message()).or_default();
            statuses.push(request.status());
        }
        messages
    }

    /// The statuses it got, in the order of arrival.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.received().iter().map(Received::status).collect()
    }
}

async fn take(shared: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let _turn = match &shared.turn {
        Some(turn) => Some(turn.lock().await),
        None => None,
    };
    let received = Received {
        at: Instant::now(),
        from_port: request.peer_addr().unwrap().port(),
        path: request.path().to_owned(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: body.to_vec(),
    };
    let fault = received.fault();
    shared.faults.lock().unwrap().extend(fault);
    let before = {
        let mut all = shared.received.lock().unwrap();
        all.push(received.clone());
        all.len() - 1
    };
    let script = Arc::clone(&shared.script.lock().unwrap());
    let reply = script(before, &received);
    if !reply.after.is_zero() {
        tokio::time::sleep(reply.after).await;
    }
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held).await.unwrap();
    let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in reply.headers {
        response.insert_header((name, value));
    }
    response.body("scripted")
}

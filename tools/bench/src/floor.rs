//! What this machine can do at best: the floors that receiving stands on, the ceiling of sending.
//!
//! The bare server reads a body and answers; the storing one puts the raw body into SQLite
//! first, in groups with one commit each (see [`super::raw`]). The poster signs and sends and
//! stores nothing. They are the relay with everything taken out that makes it a relay.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tickrelay::clock::Clock;
use tickrelay::forward::envelope::Envelope;
use tickrelay::forward::sender::{AttemptRequest, Sender as Poster, SenderConfig};
use tickrelay::model::SigningSecret;
use tokio::sync::oneshot;

use super::player::{Part, Played};
use super::process::{self, Actor};
use super::raw::{self, Job, Storing};
use super::stage::{Bench, folder};
use super::subscriber::Listening;
use super::{Durability, talk};

/// Seconds of each.
const WINDOW_S: u64 = 10;
/// About what a subscriber is sent.
const PAYLOAD: &[u8] = br#"{"msId":"wamid.HBgLMzQ2MDAwMDAwMDEVAgARGBIyODVGRTEzMUVGM0REQTU0QzAA","message":"","mobileNo":"34600000001","connectedWhatsAppNo":"34910000000","MessageStatus":"delivered","type":"Template-Message","timestamp":"1784800000"}"#;

/// Floors and ceiling with one durability, each per second.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Floors {
    pub(super) durability: String,
    /// Webhooks that a bare HTTP server answers.
    pub(super) bare_per_s: f64,
    /// Webhooks whose raw body is committed before the answer.
    pub(super) stored_per_s: f64,
    /// Signed posts that a subscriber answers.
    pub(super) posts_per_s: f64,
}

pub(super) fn measure(bench: &Bench, durability: Durability) -> anyhow::Result<Floors> {
    let folder = folder(&bench.folder)?;
    let floors = Floors {
        durability: durability.as_str().to_owned(),
        bare_per_s: served(bench, None)?,
        stored_per_s: served(
            bench,
            Some(Storing {
                file: folder.path().join("raw.db"),
                full: durability == Durability::Full,
            }),
        )?,
        posts_per_s: posted(bench)?,
    };
    talk(&format!(
        "  bare {:.0}/s, stored {:.0}/s, posted {:.0}/s",
        floors.bare_per_s, floors.stored_per_s, floors.posts_per_s
    ))?;
    Ok(floors)
}

/// What a server of ours is to do before it answers.
#[derive(Debug, Serialize, Deserialize)]
struct Serving {
    storing: Option<Storing>,
}

fn served(bench: &Bench, storing: Option<Storing>) -> anyhow::Result<f64> {
    let mut server = Actor::start("role-server")?;
    let Listening { port } = server.ask(&Serving { storing })?;
    let part = Part::saturated(port, bench.seconds(WINDOW_S));
    let played: Played = Actor::start("role-player")?.ask(&part)?;
    #[expect(clippy::cast_precision_loss, reason = "there are not 2^52 of anything")]
    Ok(played.accepted as f64 / played.elapsed_s)
}

/// The server's role: as many threads as the relay has by default.
pub(super) fn serve() -> anyhow::Result<()> {
    let serving: Serving = process::order()?.context("no order")?;
    let storer = serving.storing.as_ref().map(raw::store).transpose()?;
    let storer = Data::new(storer);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(storer.clone())
                .app_data(web::PayloadConfig::new(16 << 20))
                .default_service(web::to(take))
        })
        .workers(2)
        .bind("127.0.0.1:0")?;
        let port = server.addrs().first().context("no address")?.port();
        process::answer(&Listening { port })?;
        Ok(server.run().await?)
    })
}

async fn take(body: Bytes, storer: Data<Option<Sender<Job>>>) -> HttpResponse {
    if let Some(storer) = storer.as_ref() {
        let (done, wait) = oneshot::channel();
        if storer.send((body, done)).is_err() || wait.await.is_err() {
            return HttpResponse::ServiceUnavailable().finish();
        }
    }
    HttpResponse::Ok().finish()
}

/// What a poster is to do.
#[derive(Debug, Serialize, Deserialize)]
struct Posting {
    url: String,
    concurrency: usize,
    seconds: f64,
}

fn posted(bench: &Bench) -> anyhow::Result<f64> {
    let mut subscriber = Actor::start("role-subscriber")?;
    let Listening { port } = subscriber.receive()?;
    Actor::start("role-poster")?.ask(&Posting {
        url: format!("http://127.0.0.1:{port}/0"),
        concurrency: usize::from(bench.concurrency),
        seconds: bench.seconds(WINDOW_S),
    })
}

/// The poster's role: signs and sends as a lane does, on the same runtime, without a store.
pub(super) fn post() -> anyhow::Result<()> {
    let posting: Posting = process::order()?.context("no order")?;
    let poster = Poster::new(&SenderConfig {
        allow_http: true,
        allow_networks: vec!["127.0.0.0/8".parse()?],
        ..SenderConfig::default()
    })?;
    let target = poster.guard().target(&posting.url);
    let secrets = [SigningSecret::generate()];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let send = async || {
        let now_ms = Clock::system().now_ms();
        let envelope = Envelope::seal(&secrets, uuid::Uuid::now_v7(), now_ms, PAYLOAD);
        let request = AttemptRequest {
            target: target.as_ref(),
            headers: &envelope.headers(),
            own_headers: &BTreeMap::new(),
            former_headers: &[],
            is_url_secret: false,
            body: &Bytes::from_static(PAYLOAD),
            now_ms,
            timeout: None,
        };
        poster
            .send(&request)
            .await
            .is_ok_and(|outcome| outcome.is_delivered())
    };
    let per_second = runtime.block_on(async {
        let started = Instant::now();
        let mut sending: FuturesUnordered<_> = (0..posting.concurrency).map(|_| send()).collect();
        let mut delivered = 0.0;
        while let Some(is_delivered) = sending.next().await {
            delivered += f64::from(u8::from(is_delivered));
            if started.elapsed() < Duration::from_secs_f64(posting.seconds) {
                sending.push(send());
            }
        }
        delivered / started.elapsed().as_secs_f64()
    });
    process::answer(&per_second)
}

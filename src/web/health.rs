//! `/livez`, `/readyz`, `/metrics`: what machines ask of a service.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde::Serialize;

use super::Web;
use super::api::time::Time;
use crate::metrics::SubscriberLabel;
use crate::model::Word as _;
use crate::store::query::{BacklogQuery, MissingKeyQuery, ReadableQuery};
use crate::store::{Backlog, HealthNote};

/// A writer busy for longer than this with one group is stalled, in ms.
const STALLED_MS: i64 = 30_000;

/// The process answers, whatever else is wrong.
pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact that a machine may ask for"
)]
struct Readiness {
    ready: bool,
    durability: &'static str,
    store_writable: bool,
    store_in_place: bool,
    writer_busy_ms: i64,
    accept_queue: usize,
    disk_reserve_free: bool,
    wal_bytes: u64,
    pending_forwards: u64,
    oldest_pending_forward_age_ms: i64,
    /// Keys without which some subscribers are sent nothing; webhooks are taken all the same.
    missing_keys: Vec<String>,
    /// While the clock is so far ahead that nothing is pruned or expired; else null.
    clock_held: Option<ClockHeld>,
    /// What an operator should know of the store, in words; empty when all is well.
    notes: Vec<HealthNote>,
}

/// A clock that jumped ahead, at this start or while the service ran.
#[derive(Serialize)]
struct ClockHeld {
    /// What it showed before.
    last_seen: Time,
    /// What it shows.
    clock: Time,
    /// When this ends, unless the clock is set back before.
    ends_in_s: u64,
}

/// Whether webhooks can be taken: the store is writable, the writer moves, the disk has room.
pub(super) async fn readyz(shared: Data<Web>) -> HttpResponse {
    let health = shared.store.health();
    let store = &shared.store;
    let (readable, backlog) = match (
        store.read(ReadableQuery).await,
        store.read(BacklogQuery).await,
    ) {
        (Ok(()), Ok(backlog)) => (true, backlog),
        _ => (false, Vec::new()),
    };
    let missing_keys = store.read(MissingKeyQuery).await.unwrap_or_default();
    let writable = health.commit_ok && health.disk_ok && health.in_place;
    let readiness = Readiness {
        ready: readable && writable && health.busy_ms < STALLED_MS,
        durability: health.durability.as_str(),
        store_writable: readable && writable,
        store_in_place: health.in_place,
        writer_busy_ms: health.busy_ms,
        accept_queue: health.queued,
        disk_reserve_free: health.disk_ok,
        wal_bytes: health.log_bytes,
        pending_forwards: backlog.iter().map(|backlog| backlog.pending).sum(),
        oldest_pending_forward_age_ms: oldest_age_ms(&backlog, shared.clock.now_ms()),
        missing_keys: missing_keys.iter().map(ToString::to_string).collect(),
        clock_held: shared.store.age_hold().map(|held| ClockHeld {
            last_seen: Time(held.before_ms),
            clock: Time(held.now_ms),
            ends_in_s: held.left.as_secs(),
        }),
        notes: health.notes,
    };
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    HttpResponse::build(status).json(readiness)
}

/// Everything counted, for Prometheus.
pub(super) async fn metrics(shared: Data<Web>) -> HttpResponse {
    // The writer counts what is pending as it changes: nothing is read here.
    if let Ok(backlog) = shared.store.read(BacklogQuery).await {
        count_backlog(&shared, &backlog);
    }
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(shared.metrics.render())
}

/// Shows what is pending at the moment of the request.
fn count_backlog(shared: &Web, backlog: &[Backlog]) {
    let metrics = &shared.metrics;
    metrics.pending_forwards.clear();
    for subscriber in shared.store.subscribers().borrow().iter() {
        let of_subscriber = backlog
            .iter()
            .find(|backlog| backlog.subscriber_id == subscriber.id);
        let label = SubscriberLabel {
            subscriber: subscriber.name.clone(),
        };
        let pending = of_subscriber.map_or(0, |backlog| backlog.pending);
        let gauge = metrics.pending_forwards.get_or_create(&label);
        gauge.set(i64::try_from(pending).unwrap_or(i64::MAX));
    }
    let age_ms = oldest_age_ms(backlog, shared.clock.now_ms());
    metrics.oldest_pending_forward.set(age_ms / 1000);
}

fn oldest_age_ms(backlog: &[Backlog], now_ms: i64) -> i64 {
    let oldest_ms = backlog
        .iter()
        .map(|backlog| backlog.oldest_pending_since_ms)
        .min();
    oldest_ms.map_or(0, |since_ms| (now_ms - since_ms).max(0))
}

//! The subscriber of the crash test: it takes everything at once and outlives every kill.

use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use uuid::Uuid;

/// One forward as it came.
#[derive(Debug, Clone)]
pub(super) struct Ingest {
    /// Its `webhook-id`.
    pub(super) forward: Uuid,
    /// The payload.
    pub(super) body: Bytes,
}

type Receptions = Arc<Mutex<Vec<Ingest>>>;

/// The running subscriber; cheap to clone.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) url: String,
    receptions: Receptions,
}

impl Subscriber {
    pub(super) fn start() -> Self {
        let receptions = Receptions::default();
        let data = Data::new(Arc::clone(&receptions));
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
        Self { url, receptions }
    }

    /// How many requests have reached it.
    pub(super) fn count(&self) -> usize {
        self.receptions.lock().unwrap().len()
    }

    /// The requests that reached it from the one with that index on.
    pub(super) fn since(&self, index: usize) -> Vec<Ingest> {
        self.receptions.lock().unwrap()[index..].to_vec()
    }
}

/// Writes it down before it answers: what is settled has been received.
async fn take(receptions: Data<Receptions>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let forward = request.headers().get("webhook-id").unwrap();
    let forward = forward.to_str().unwrap().parse().unwrap();
    receptions.lock().unwrap().push(Ingest { forward, body });
    HttpResponse::Ok().finish()
}

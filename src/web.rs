//! Every URL on one screen. Only this module and `server` know actix.

mod address;
pub mod api;
mod body;
mod connection;
mod failures;
mod health;
mod listener;
mod problem;
mod socket;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use actix_web::ResponseError as _;
use actix_web::web::{self, Data, ServiceConfig};
use ipnet::IpNet;

use crate::clock::Clock;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::store::Store;
use problem::Problem;

pub use body::Bodies;
pub use failures::AuthFailures;
pub use listener::serve;
pub use socket::{ApiSocket, SocketPathTooLong, socket_path};

/// What the handlers share.
pub struct Web {
    /// The way in for webhooks.
    pub ingest: Arc<Ingest>,
    /// For health checks.
    pub store: Store,
    /// For health checks.
    pub clock: Clock,
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// For the management API.
    pub api: api::Api,
    /// What webhooks may take of the memory.
    pub bodies: Bodies,
    /// Wrong credentials of late.
    pub failures: AuthFailures,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a commit may take before the provider has to send again.
    pub accept_timeout: Duration,
}

/// Every URL of the service.
///
/// | URL | method | for |
/// |---|---|---|
/// | `/webhooks/{source}[/{token}]` | POST | a provider's webhook |
/// | `/webhooks/{source}[/{token}]` | GET | Meta's handshake |
/// | `/livez` | GET | is the process alive |
/// | `/readyz` | GET | can it take webhooks |
/// | `/metrics` | GET | Prometheus |
/// | `/api/v1/…` | | the management API: [`api::endpoints`] has its table |
pub fn routes(shared: Data<Web>) -> impl Fn(&mut ServiceConfig) + Clone {
    move |config| {
        config
            .app_data(shared.clone())
            .service(webhooks::scope("/webhooks"))
            .service(get("/livez", web::get().to(health::livez)))
            .service(get("/readyz", web::get().to(health::readyz)))
            .service(get("/metrics", web::get().to(health::metrics)))
            .configure(api::configure)
            .default_service(web::to(async || {
                Problem::missing("such URL").error_response()
            }));
    }
}

/// What the Unix socket answers: the management API, and nothing else.
fn socket_routes(shared: Data<Web>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(shared)
            .configure(api::configure)
            .default_service(web::to(async || {
                Problem::missing("such URL").error_response()
            }));
    }
}

fn get(path: &str, route: actix_web::Route) -> actix_web::Resource {
    web::resource(path)
        .route(route)
        .default_service(web::to(async || {
            Problem::method_not_allowed("GET").error_response()
        }))
}

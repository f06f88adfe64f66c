//! `/api/v1`: the management API. One table of routes, one way in, one way to answer.
//!
//! A handler reads its input, calls [`Operations`] or reads the store, and shapes the answer; rules stand
//! in [`crate::admin`]. A new route is one line of the table below.
//!
//! A route names method, path, permission and handler. What wraps every handler finds the caller (`gate`), asks
//! the table of [`crate::access`], and answers a repeated POST as before (`once`). The OpenAPI document, the matrix
//! of `docs/api.md` and the test of every combination come from the same tables. `admin` asks `access` again, so a
//! route with the wrong permission opens nothing. Tokens are looked up in memory.

pub(crate) mod account_events;
pub(crate) mod attempts;
mod audit;
pub(crate) mod broadcasts;
mod document;
pub(crate) mod erasures;
pub(crate) mod errors;
mod faults;
pub(crate) mod forwards;
mod gate;
pub(crate) mod health;
mod input;
pub(crate) mod job_results;
pub(crate) mod job_view;
pub(crate) mod jobs;
pub(crate) mod keys;
mod list;
pub(crate) mod messages;
mod narrowed;
mod once;
pub(crate) mod page;
pub(crate) mod polls;
mod reference;
pub(crate) mod replays;
pub(crate) mod reports;
pub(crate) mod retries;
pub(crate) mod sent;
mod shape;
pub(crate) mod sources;
mod stats;
pub(crate) mod subscribers;
pub(crate) mod templates;
pub(crate) mod time;
pub(crate) mod tokens;
pub(crate) mod version;
pub(crate) mod webhooks;

use std::cell::Cell;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, Route};
use futures_util::future::{Ready, ready};

use crate::access::{Caller, Permission};
use crate::admin::{AnswerShape, Once, Operation, Operations};
use crate::config::Config;
use crate::model::{Subscriber, quoted};
use crate::store::Query;
use crate::store::idempotency::KeptAnswer;
use crate::web::Web;
use crate::web::problem::{Problem, Reply};
use once::KeyedRequest;
use shape::{Shaped, done, failed, gone, respond, shaped};

pub use document::openapi;

/// Where it is.
const BASE: &str = "/api/v1";
/// The largest body, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// The largest body of what comes in bulk, in bytes.
const BULK_LIMIT: usize = 16 << 20;
/// What may come in bulk.
const BULK: [&str; 2] = ["/messages", "/sources/{name}/sent"];

/// What the API's handlers share beside [`Web`].
pub struct Api {
    /// What may be requested.
    operations: Operations,
    /// Where providers reach the service.
    public_url: Option<String>,
    under_way: Arc<once::UnderWay>,
    jobs: Arc<jobs::Jobs>,
}

impl Api {
    /// The API of a service that starts.
    #[must_use]
    pub fn new(config: &Config, operations: Operations) -> Self {
        Self {
            operations,
            public_url: config.server.public_url.clone(),
            under_way: Arc::default(),
            jobs: Arc::default(),
        }
    }
}

/// One way to ask something.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path below `/api/v1`, with `{…}` for what names something.
    pub path: &'static str,
    /// What the caller must be allowed.
    pub permission: Permission,
    route: Route,
}

/// Makes [`endpoints`] and the list of what is documented from one table.
macro_rules! table {
    ($($method:ident $path:literal $permission:ident $module:ident::$handler:ident;)+) => {
        /// Every way to ask something.
        #[must_use]
        pub fn endpoints() -> Vec<Endpoint> {
            vec![$(Endpoint {
                method: Method::$method,
                path: $path,
                permission: Permission::$permission,
                route: guarded(
                    Permission::$permission,
                    web::method(Method::$method).to($module::$handler),
                ),
            },)+]
        }

        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($module::$handler),+))]
        struct Paths;
    };
}

table! {
    GET    "/subscribers"                      ReadSubscribers  subscribers::list;
    POST   "/subscribers"                      WriteSubscribers subscribers::create;
    GET    "/subscribers/{name}"               ReadSubscribers  subscribers::read;
    PATCH  "/subscribers/{name}"               WriteSubscribers subscribers::update;
    DELETE "/subscribers/{name}"               WriteSubscribers subscribers::remove;
    POST   "/subscribers/{name}/pause"         WriteSubscribers subscribers::pause;
    POST   "/subscribers/{name}/resume"        WriteSubscribers subscribers::resume;
    POST   "/subscribers/{name}/rotate-secret" WriteSubscribers subscribers::rotate_secret;
    POST   "/subscribers/{name}/test"          WriteSubscribers subscribers::test;
    GET    "/subscribers/{name}/health"        ReadSubscribers  health::health;
    GET    "/forwards"                         ReadForwards     forwards::list;
    POST   "/forwards/retry"                   RetryForwards    retries::retry_many;
    GET    "/forwards/{id}"                    ReadForwards     forwards::read;
    GET    "/forwards/{id}/attempts"           ReadForwards     forwards::attempts;
    POST   "/forwards/{id}/retry"              RetryForwards    forwards::retry;
    GET    "/attempts"                         ReadForwards     attempts::list;
    GET    "/replays"                          ReadForwards     replays::list;
    POST   "/replays"                          RetryForwards    replays::create;
    GET    "/replays/{id}"                     ReadForwards     replays::read;
    POST   "/replays/{id}/cancel"              RetryForwards    replays::cancel;
    GET    "/messages"                         ReadMessages     messages::list;
    POST   "/messages"                         RegisterMessages sent::register;
    GET    "/messages/{id}"                    ReadMessages     messages::read;
    GET    "/messages/{id}/timeline"           ReadMessages     messages::timeline;
    GET    "/broadcasts"                       ReadMessages     broadcasts::list;
    GET    "/broadcasts/{id}"                  ReadMessages     broadcasts::read;
    GET    "/webhooks"                         ReadWebhooks     webhooks::list;
    POST   "/webhooks/reprocess"               Reprocess        webhooks::reprocess_many;
    GET    "/webhooks/{id}"                    ReadWebhooks     webhooks::read;
    GET    "/webhooks/{id}/body"               ReadRawWebhooks  webhooks::body;
    POST   "/webhooks/{id}/reprocess"          Reprocess        webhooks::reprocess;
    GET    "/jobs"                             Reprocess        jobs::list;
    GET    "/jobs/{id}"                        Reprocess        jobs::read;
    GET    "/sources"                          ReadSources      sources::list;
    GET    "/sources/{name}"                   ReadSources      sources::read;
    GET    "/account-events"                   ReadSources      account_events::list;
    GET    "/sources/{name}/broadcasts"        ReadPolls        polls::list;
    POST   "/sources/{name}/broadcasts"        RegisterMessages polls::open;
    POST   "/sources/{name}/sent"              RegisterMessages sent::exchange;
    GET    "/templates"                        ReadTemplates    templates::list;
    GET    "/templates/{name}/{language}"      ReadTemplates    templates::read;
    PUT    "/templates/{name}/{language}"      WriteTemplates   templates::write;
    DELETE "/templates/{name}/{language}"      WriteTemplates   templates::remove;
    GET    "/errors"                           ReadErrors       errors::list;
    GET    "/errors/{key}"                     ReadErrors       errors::read;
    GET    "/unknown-errors"                   ReadUnknownErrors errors::unknown;
    GET    "/stats"                            ReadStats        stats::read;
    GET    "/audit"                            ReadAudit        audit::list;
    GET    "/tokens"                           ReadTokens       tokens::list;
    POST   "/tokens"                           ManageTokens     tokens::create;
    POST   "/tokens/{id}/revoke"               ManageTokens     tokens::revoke;
    GET    "/keys"                             ReadTokens       keys::list;
    POST   "/keys/rotate"                      ManageTokens     keys::rotate;
    POST   "/erasures"                         Erase            erasures::create;
}

/// A route that checks permission, and answers a repeated POST as before.
fn guarded(permission: Permission, route: Route) -> Route {
    route.wrap(from_fn(move |request, next| {
        admit(permission, request, next)
    }))
}

async fn admit<B: MessageBody + 'static>(
    permission: Permission,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(shared) = request.app_data::<Data<Web>>().cloned() else {
        return Err(Problem::internal(&"the API was not set up").into());
    };
    let (store, api) = (&shared.store, &shared.api);
    let caller = gate::caller(request.request(), &shared)?;
    version::check(request.request())?;
    caller.allow(permission).map_err(Problem::forbidden)?;
    request.extensions_mut().insert(caller.clone());
    if request.method() == Method::POST {
        return once::answer(
            request,
            &caller,
            (store, &api.under_way, async |kept: &KeptAnswer| {
                api.jobs.behind(store, kept).await
            }),
            next,
        )
        .await;
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Everything below `/api/v1`.
pub(super) fn configure(config: &mut ServiceConfig) {
    let mut scope = web::scope(BASE).app_data(input::Limit(BODY_LIMIT)).service(
        web::resource("/openapi.json")
            .route(web::get().to(document::show))
            .default_service(web::to(async || refuse_method(&[Method::GET]))),
    );
    scope = scope.service(web::redirect("/docs", "docs/")).service(
        web::resource("/docs/{file:.*}")
            .route(web::get().to(reference::page))
            .default_service(web::to(async || refuse_method(&[Method::GET]))),
    );
    let mut endpoints = endpoints();
    while let Some(path) = endpoints.first().map(|endpoint| endpoint.path) {
        let (here, others) = endpoints
            .into_iter()
            .partition(|endpoint| endpoint.path == path);
        endpoints = others;
        scope = scope.service(resource(path, here));
    }
    config.service(scope.default_service(web::to(async || -> Reply {
        Err(Problem::missing("such URL; see /api/v1/openapi.json"))
    })));
}

fn resource(path: &str, endpoints: Vec<Endpoint>) -> actix_web::Resource {
    let methods: Vec<Method> = endpoints
        .iter()
        .map(|endpoint| endpoint.method.clone())
        .collect();
    let mut resource = web::resource(path);
    if BULK.contains(&path) {
        resource = resource.app_data(input::Limit(BULK_LIMIT));
    }
    for endpoint in endpoints {
        resource = resource.route(endpoint.route);
    }
    resource.default_service(web::to(move || ready(refuse_method(&methods))))
}

fn refuse_method(methods: &[Method]) -> Reply {
    let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
    Err(Problem::method_not_allowed(&methods.join(", ")))
}

/// What a handler works with: the caller, and the shared state.
struct HandlerContext {
    caller: Caller,
    shared: Data<Web>,
    /// The key of the request, until something is done under it.
    keyed: Cell<Option<KeyedRequest>>,
}

impl FromRequest for HandlerContext {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shared = request.app_data::<Data<Web>>().cloned();
        let caller = request.extensions().get::<Caller>().cloned();
        let keyed = Cell::new(request.extensions_mut().remove::<KeyedRequest>());
        let context = caller.zip(shared).map(|(caller, shared)| Self {
            caller,
            shared,
            keyed,
        });
        ready(context.ok_or_else(|| Problem::internal(&"a route without a check of tokens")))
    }
}

impl HandlerContext {
    /// Does something, as the command line would, whatever becomes of the connection. How its
    /// answer looks is known before it is done, so that this can be kept with it.
    async fn perform<O: Operation>(
        &self,
        operation: O,
        shape: impl Fn(&O::Answer) -> Shaped + Send + Sync + 'static,
    ) -> Reply {
        let shape = Arc::new(shape);
        let once = self.keyed.take().map(|KeyedRequest { ticket, turn }| {
            let shape = Arc::clone(&shape);
            let shape: AnswerShape<O::Answer> = Arc::new(move |answer| shape(answer).ok());
            let turn = Arc::new(turn);
            Once {
                ticket,
                shape,
                turn,
            }
        });
        // The progress is not read: what takes long is a job, not a request.
        let (progress, _) = tokio::sync::mpsc::unbounded_channel();
        let operations = &self.shared.api.operations;
        let work = operations.perform_apart(self.caller.clone(), operation, progress, once);
        let answer = work.await.map_err(|error| Problem::internal(&error))?;
        let answer = answer.map_err(|failure| failed(&self.caller, failure))?;
        shape(&answer).map(respond)
    }

    /// What the store answers; its errors as problems.
    async fn read<Q: Query>(&self, query: Q) -> Result<Q::Answer, Problem> {
        let read = self.shared.store.read(query).await;
        read.map_err(|error| failed(&self.caller, error.into()))
    }

    /// The subscriber of that name, if the caller sees it.
    fn subscriber(&self, name: &str) -> Result<Arc<Subscriber>, Problem> {
        let found = self.shared.store.subscriber(name).ok();
        found
            .filter(|subscriber| self.caller.sees(subscriber))
            .ok_or_else(|| {
                Problem::missing(format_args!("subscriber named {name}", name = quoted(name)))
            })
    }
}

//! `/webhooks/{source}[/{token}]`: where the providers come in.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, Scope};
use tracing::field::{DisplayValue, display};

use super::body::{BodySender, RequestBody, Unread};
use super::failures::FailureCount;
use super::problem::{Problem, Reply};
use super::{Web, address};
use crate::ingest::{IngestError, SourceEndpoint, UrlOptions};
use crate::providers::authentication::{AuthError, RequestHeaders, WebhookRequest};
use crate::store::Error;

type QueryParameters = Query<Vec<(String, String)>>;

/// What follows the prefix is split by hand: a pattern would be a regular expression, run for
/// each webhook.
pub(super) fn scope(prefix: &str) -> Scope {
    web::scope(prefix).default_service(web::to(answer))
}

async fn answer(
    request: HttpRequest,
    shared: Data<Web>,
    query: QueryParameters,
    payload: Payload,
) -> Reply {
    let Some(path) = Path::of(request.match_info().unprocessed()) else {
        return Err(Problem::missing("such URL"));
    };
    match *request.method() {
        Method::POST => receive(&request, path, &shared, &query, payload).await,
        Method::GET => handshake(&request, path, &shared, &query),
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// What the URL says after the prefix: `/{source}[/{token}]`, percent-decoded, perhaps with a slash
/// behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Path<'a> {
    source: &'a str,
    token: Option<&'a str>,
}

impl<'a> Path<'a> {
    /// Neither part may be empty or hold a slash.
    fn of(rest: &'a str) -> Option<Self> {
        let rest = rest.strip_prefix('/')?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (source, token) = match rest.split_once('/') {
            Some((source, token)) => (source, Some(token)),
            None => (rest, None),
        };
        let is_part = |part: &str| !part.is_empty() && !part.contains('/');
        (is_part(source) && token.is_none_or(is_part)).then_some(Self { source, token })
    }
}

/// Verifies, stores, answers 200 with an empty body. Credentials that stand in the head are
/// checked before the body is read.
async fn receive(
    request: &HttpRequest,
    path: Path<'_>,
    shared: &Web,
    query: &[(String, String)],
    payload: Payload,
) -> Reply {
    let Path {
        source: name,
        token,
    } = path;
    let ingest = &shared.ingest;
    let endpoint = pushed_to(shared, name)?;
    let headers = headers(request);
    let refuse = |reason: &AuthError| {
        ingest.count_refused(&endpoint, "unauthorized");
        count_failure(request, shared, |address| {
            tracing::warn!(source = name, %reason, address, "webhook.refused");
            reason.into()
        })
    };
    let url = endpoint.url(target(request));
    let head = WebhookRequest {
        method: request.method().as_str(),
        url: &url,
        url_token: token,
        headers: &headers,
        body: b"",
    };
    endpoint
        .check_head(head)
        .map_err(|reason| refuse(&reason))?;
    let url_options = UrlOptions::from_query(query);
    let sender = if endpoint.proves_in_the_head() {
        BodySender::Proven
    } else {
        BodySender::Stranger
    };
    let bodies = &shared.bodies;
    let body = bodies
        .read(request, payload, (sender, bodies.limit()))
        .await;
    let RequestBody { bytes, permit } =
        body.map_err(|unread| not_read(shared, &endpoint, unread))?;
    let stored = ingest.receive(&endpoint, head, url_options, (bytes, permit));
    let stored = tokio::time::timeout(shared.accept_timeout, stored).await;
    match stored {
        Ok(Ok(_)) => Ok(HttpResponse::Ok().finish()),
        Ok(Err(IngestError::Authentication(reason))) => Err(refuse(&reason)),
        Ok(Err(IngestError::Store(error))) => Err(not_stored(shared, &endpoint, Some(&error))),
        Err(_) => Err(not_stored(shared, &endpoint, None)),
    }
}

/// The source of that name, which must be one that is sent to.
fn pushed_to(shared: &Web, name: &str) -> Result<Arc<SourceEndpoint>, Problem> {
    let Some(endpoint) = shared.ingest.endpoint(name) else {
        return Err(Problem::missing(
            "such source: its name is the part of the URL after /webhooks/",
        ));
    };
    if endpoint.is_pulled() {
        return Err(Problem::no_method(
            "",
            "this source takes no webhooks: its broadcasts are polled; register one with \
             POST /api/v1/sources/{name}/broadcasts",
        ));
    }
    Ok(endpoint)
}

fn headers(request: &HttpRequest) -> RequestHeaders<'_> {
    let headers = request.headers().iter();
    headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// Path and query as received.
fn target(request: &HttpRequest) -> &str {
    let target = request.uri().path_and_query();
    target.map_or("/", |target| target.as_str())
}

/// Counts wrong credentials of the request's address. A few are answered with their reason and logged;
/// more are answered 429 at once, which costs other clients no connection and no thread. Right ones are not
/// counted, and never come here.
fn count_failure(
    request: &HttpRequest,
    shared: &Web,
    refuse: impl FnOnce(Option<DisplayValue<IpAddr>>) -> Problem,
) -> Problem {
    let address = address::of(request, &shared.trusted_proxies);
    match shared.failures.count(address, shared.clock.now_ms()) {
        FailureCount::Few => refuse(address.map(display)),
        FailureCount::TooMany(retry_after_s) => Problem::too_many(
            "too many requests with wrong credentials from this address: right ones are taken at \
             any time",
            retry_after_s,
        ),
    }
}

/// The body was not read to its end.
fn not_read(shared: &Web, endpoint: &SourceEndpoint, unread: Unread) -> Problem {
    let count = |outcome| shared.ingest.count_refused(endpoint, outcome);
    match unread {
        Unread::TooLarge => count("too-large"),
        Unread::TooMany => {
            count("not-stored");
            tracing::error!(source = endpoint.name(), "webhook.too_many_bytes_in_flight");
        }
        Unread::TooSlow | Unread::Broken => {}
    }
    Problem::unread(unread, shared.bodies.limit())
}

/// The provider is to come again: the store failed, or (`None`) takes too long.
fn not_stored(shared: &Web, endpoint: &SourceEndpoint, error: Option<&Error>) -> Problem {
    shared.ingest.count_refused(endpoint, "not-stored");
    if let Some(reason) = error {
        tracing::error!(source = endpoint.name(), %reason, "webhook.not_stored");
    } else {
        tracing::error!(source = endpoint.name(), "webhook.commit_too_slow");
    }
    Problem::not_stored(error)
}

/// Answers Meta's handshake with the challenge and nothing else.
fn handshake(
    request: &HttpRequest,
    path: Path<'_>,
    shared: &Web,
    query: &[(String, String)],
) -> Reply {
    let Path {
        source: name,
        token,
    } = path;
    let endpoint = pushed_to(shared, name)?;
    if !endpoint.has_handshake() {
        return Err(Problem::method_not_allowed("POST"));
    }
    if let Err(reason) = endpoint.check_url_token(token) {
        return Err(count_failure(request, shared, |address| {
            tracing::warn!(source = name, %reason, address, "webhook.handshake_refused");
            (&reason).into()
        }));
    }
    match endpoint.answer_challenge(query) {
        Ok(challenge) => Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .body(challenge)),
        Err(reason) => Err(count_failure(request, shared, |address| {
            tracing::warn!(source = name, %reason, address, "webhook.handshake_refused");
            reason.into()
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn a_path_is_a_source_and_perhaps_a_token() {
        let path = |source, token| Some(Path { source, token });
        let cases = [
            ("/acme", path("acme", None)),
            ("/acme/t0ken", path("acme", Some("t0ken"))),
            ("", None),
            ("/", None),
            ("/acme/", path("acme", None)),
            ("/acme/t0ken/", path("acme", Some("t0ken"))),
            ("//", None),
            ("//acme", None),
            ("//acme/", None),
            ("/acme//", None),
            ("//t0ken", None),
            ("/acme//t0ken", None),
            ("/acme//t0ken/", None),
            ("/acme/t0ken//", None),
            ("/acme/t0ken/more", None),
        ];
        for (rest, expected) in cases {
            assert_eq!(Path::of(rest), expected, "{rest}");
        }
    }
}

//! `/webhooks/{source}[/{token}]`: where the providers come in.

use std::net::IpAddr;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, Scope};
use tracing::field::{DisplayValue, display};

use super::body::{BodySender, RequestBody, Unread};
use super::failures::FailureCount;
use super::{Web, address, error};
use crate::ingest::{IngestError, SourceEndpoint, UrlOptions};
use crate::providers::authentication::{RequestHeaders, WebhookRequest};

type Parameters = Query<Vec<(String, String)>>;

/// What follows the prefix is split by hand: a pattern would be a regular expression, run for
/// each webhook.
pub(super) fn scope(prefix: &str) -> Scope {
    web::scope(prefix).default_service(web::to(answer))
}

async fn answer(
    request: HttpRequest,
    shared: Data<Web>,
    query: Parameters,
    payload: Payload,
) -> HttpResponse {
    let Some(path) = Path::of(request.match_info().unprocessed()) else {
        return error::no_such_url();
    };
    match *request.method() {
        Method::POST => receive(&request, path, &shared, &query, payload).await,
        Method::GET => handshake(&request, path, &shared, &query),
        _ => error::method_not_allowed("GET, POST"),
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
) -> HttpResponse {
    let Path {
        source: name,
        token,
    } = path;
    let ingest = &shared.ingest;
    let Some(endpoint) = ingest.endpoint(name) else {
        return error::unknown_source();
    };
    if endpoint.is_pulled() {
        return error::is_pulled();
    }
    let headers = headers(request);
    let refuse = |refusal: &IngestError| {
        let IngestError::Authentication(reason) = refusal else {
            return error::refused(refusal);
        };
        ingest.count_refused(&endpoint, "unauthorized");
        count_failure(request, shared, |address| {
            tracing::warn!(source = name, %reason, address, "webhook.refused");
            error::refused(refusal)
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
    if let Err(reason) = endpoint.check_head(head) {
        return refuse(&IngestError::Authentication(reason));
    }
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
    let RequestBody { bytes, permit } = match body {
        Ok(body) => body,
        Err(unread) => return not_read(shared, &endpoint, unread),
    };
    let stored = ingest.receive(&endpoint, head, url_options, (bytes, permit));
    let stored = tokio::time::timeout(shared.accept_timeout, stored).await;
    match stored {
        Ok(Ok(_)) => HttpResponse::Ok().finish(),
        Ok(Err(refusal @ IngestError::Store(_))) => not_stored(shared, &endpoint, Some(&refusal)),
        Ok(Err(refusal)) => refuse(&refusal),
        Err(_) => not_stored(shared, &endpoint, None),
    }
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
/// more are answered 429 at once, which costs nobody a connection or a thread. Right ones are not
/// counted, and never come here.
fn count_failure(
    request: &HttpRequest,
    shared: &Web,
    refuse: impl FnOnce(Option<DisplayValue<IpAddr>>) -> HttpResponse,
) -> HttpResponse {
    let address = address::of(request, &shared.trusted_proxies);
    match shared.failures.count(address, shared.clock.now_ms()) {
        FailureCount::Few => refuse(address.map(display)),
        FailureCount::TooMany(retry_after_s) => error::too_many_failures(retry_after_s),
    }
}

/// The body was not read to its end.
fn not_read(shared: &Web, endpoint: &SourceEndpoint, unread: Unread) -> HttpResponse {
    let count = |outcome| shared.ingest.count_refused(endpoint, outcome);
    match unread {
        Unread::TooLarge => {
            count("too-large");
            error::too_large(shared.bodies.limit())
        }
        Unread::TooMany => {
            count("not-stored");
            tracing::error!(source = endpoint.name(), "webhook.too_many_bytes_in_flight");
            error::too_many_bytes()
        }
        Unread::TooSlow => error::body_too_slow(),
        Unread::Broken => error::problem(
            actix_web::http::StatusCode::BAD_REQUEST,
            "the body ended before its announced length",
        ),
    }
}

/// The provider is to come again: the store failed, or (`None`) takes too long.
fn not_stored(
    shared: &Web,
    endpoint: &SourceEndpoint,
    refusal: Option<&IngestError>,
) -> HttpResponse {
    shared.ingest.count_refused(endpoint, "not-stored");
    if let Some(refusal) = refusal {
        tracing::error!(source = endpoint.name(), reason = %refusal, "webhook.not_stored");
        return error::refused(refusal);
    }
    tracing::error!(source = endpoint.name(), "webhook.commit_too_slow");
    error::too_slow()
}

/// Answers Meta's handshake with the challenge and nothing else.
fn handshake(
    request: &HttpRequest,
    path: Path<'_>,
    shared: &Web,
    query: &[(String, String)],
) -> HttpResponse {
    let Path {
        source: name,
        token,
    } = path;
    let Some(endpoint) = shared.ingest.endpoint(name) else {
        return error::unknown_source();
    };
    if endpoint.is_pulled() {
        return error::is_pulled();
    }
    if !endpoint.has_handshake() {
        return error::method_not_allowed("POST");
    }
    if let Err(reason) = endpoint.check_url_token(token) {
        return count_failure(request, shared, |address| {
            tracing::warn!(source = name, %reason, address, "webhook.handshake_refused");
            error::refused(&IngestError::Authentication(reason))
        });
    }
    match endpoint.answer_challenge(query) {
        Ok(challenge) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .body(challenge),
        Err(reason) => count_failure(request, shared, |address| {
            tracing::warn!(source = name, %reason, address, "webhook.handshake_refused");
            error::challenge_refused(reason)
        }),
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

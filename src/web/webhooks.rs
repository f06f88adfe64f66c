//! `/webhooks/{source}[/{token}]`: where the providers come in.

use actix_web::web::{self, Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, Resource};

use super::body::{Body, Unread};
use super::{Web, error};
use crate::provider::authentication::Headers;
use crate::receive::{Inlet, Overrides, Refusal};

type Parameters = Query<Vec<(String, String)>>;

pub(super) fn resource(path: &str) -> Resource {
    web::resource(path)
        .route(web::post().to(receive))
        .route(web::get().to(handshake))
        .default_service(web::to(async || error::method_not_allowed("GET, POST")))
}

/// Verifies, stores, answers 200 with an empty body. Credentials that stand in the head are
/// checked before the body is read.
async fn receive(
    request: HttpRequest,
    shared: Data<Web>,
    query: Parameters,
    payload: Payload,
) -> HttpResponse {
    let (name, token) = path(&request);
    let reception = &shared.reception;
    let Some(inlet) = reception.inlet(name) else {
        return error::unknown_source();
    };
    let headers: Headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let refuse = |refusal: &Refusal| {
        if matches!(refusal, Refusal::Authentication(_)) {
            reception.count_refused(&inlet, "unauthorized");
            tracing::warn!(source = name, reason = %refusal, "webhook.refused");
        }
        error::refused(refusal)
    };
    if let Err(reason) = inlet.check_head(&headers, token) {
        return refuse(&Refusal::Authentication(reason));
    }
    let overrides = Overrides::from_query(&query);
    let Body { bytes, held } = match shared.bodies.read(&request, payload).await {
        Ok(body) => body,
        Err(unread) => return not_read(&shared, &inlet, unread),
    };
    let stored = reception.receive(&inlet, &headers, overrides, bytes);
    let stored = tokio::time::timeout(shared.accept_timeout, stored).await;
    drop(held);
    match stored {
        Ok(Ok(_)) => HttpResponse::Ok().finish(),
        Ok(Err(refusal @ Refusal::Store(_))) => not_stored(&shared, &inlet, Some(&refusal)),
        Ok(Err(refusal)) => refuse(&refusal),
        Err(_) => not_stored(&shared, &inlet, None),
    }
}

/// The body was not read to its end.
fn not_read(shared: &Web, inlet: &Inlet, unread: Unread) -> HttpResponse {
    let count = |outcome| shared.reception.count_refused(inlet, outcome);
    match unread {
        Unread::TooLarge => {
            count("too-large");
            error::too_large(shared.bodies.limit())
        }
        Unread::TooMany => {
            count("not-stored");
            tracing::error!(source = inlet.name(), "webhook.too_many_bytes_in_flight");
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
fn not_stored(shared: &Web, inlet: &Inlet, refusal: Option<&Refusal>) -> HttpResponse {
    shared.reception.count_refused(inlet, "not-stored");
    if let Some(refusal) = refusal {
        tracing::error!(source = inlet.name(), reason = %refusal, "webhook.not_stored");
        return error::refused(refusal);
    }
    tracing::error!(source = inlet.name(), "webhook.commit_too_slow");
    error::too_slow()
}

/// Answers Meta's handshake with the challenge and nothing else.
async fn handshake(request: HttpRequest, shared: Data<Web>, query: Parameters) -> HttpResponse {
    let (name, token) = path(&request);
    let Some(inlet) = shared.reception.inlet(name) else {
        return error::unknown_source();
    };
    if !inlet.has_handshake() {
        return error::method_not_allowed("POST");
    }
    if let Err(reason) = inlet.check_url_token(token) {
        tracing::warn!(source = name, %reason, "webhook.handshake_refused");
        return error::refused(&Refusal::Authentication(reason));
    }
    match inlet.answer_challenge(&query) {
        Ok(challenge) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .body(challenge),
        Err(reason) => {
            tracing::warn!(source = name, %reason, "webhook.handshake_refused");
            error::challenge_refused(reason)
        }
    }
}

fn path(request: &HttpRequest) -> (&str, Option<&str>) {
    let path = request.match_info();
    (path.get("source").unwrap_or_default(), path.get("token"))
}

//! The one place where errors become status codes: RFC 9457 problem details.
//!
//! Internal detail goes to the log; the caller gets what it can act on.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::Serialize;

use crate::ingest::IngestError;
use crate::providers::authentication::ChallengeError;
use crate::store::Error;

#[derive(Serialize)]
struct ErrorBody<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// A problem document.
pub(super) fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    let problem = ErrorBody {
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
    };
    let mut response = HttpResponse::build(status);
    match status {
        // RFC 9110 wants a challenge beside a 401; the credentials are the source's own.
        StatusCode::UNAUTHORIZED => {
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"webhooks\""));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            response.insert_header((header::RETRY_AFTER, "5"));
        }
        _ => {}
    }
    response
        .content_type("application/problem+json")
        .body(serde_json::to_vec(&problem).unwrap_or_default())
}

/// What a provider is answered when its webhook was not stored.
pub(super) fn refused(refusal: &IngestError) -> HttpResponse {
    match refusal {
        IngestError::Authentication(reason) => {
            problem(StatusCode::UNAUTHORIZED, &reason.to_string())
        }
        IngestError::Store(error) => not_stored(error),
    }
}

fn not_stored(error: &Error) -> HttpResponse {
    let detail = match error {
        Error::QueueFull => "too many webhooks wait to be stored: send it again later",
        Error::DiskFull => "the disk is full: send it again later",
        Error::Displaced | Error::Unconfirmed => {
            "a file of the store was taken away: send it again later"
        }
        _ => "it could not be stored: send it again later",
    };
    problem(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// The commit took too long; it may still succeed, and the repeat is then a duplicate.
pub(super) fn too_slow() -> HttpResponse {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "storing takes too long: send it again later",
    )
}

pub(super) fn challenge_refused(error: ChallengeError) -> HttpResponse {
    let status = match error {
        ChallengeError::WrongToken => StatusCode::FORBIDDEN,
        ChallengeError::NotAHandshake | ChallengeError::UnsafeChallenge => StatusCode::BAD_REQUEST,
    };
    problem(status, &error.to_string())
}

/// Wrong credentials came from that address again and again.
pub(super) fn too_many_failures(retry_after_s: u32) -> HttpResponse {
    let mut response = problem(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests with wrong credentials from this address: right ones are taken at any time",
    );
    let value = header::HeaderValue::from(retry_after_s);
    response.headers_mut().insert(header::RETRY_AFTER, value);
    response
}

pub(super) fn unknown_source() -> HttpResponse {
    problem(
        StatusCode::NOT_FOUND,
        "no such source: its name is the part of the URL after /webhooks/",
    )
}

pub(super) fn too_large(limit: usize) -> HttpResponse {
    problem(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("the body is larger than {limit} bytes"),
    )
}

/// All that are in flight together are more than the process may hold.
pub(super) fn too_many_bytes() -> HttpResponse {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many webhooks are being read: send it again later",
    )
}

pub(super) fn body_too_slow() -> HttpResponse {
    problem(
        StatusCode::REQUEST_TIMEOUT,
        "the body took too long to arrive: send it again",
    )
}

pub(super) fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let mut response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("this URL takes {allowed}"),
    );
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

/// Nobody sends to a source whose API is asked.
pub(super) fn is_pulled() -> HttpResponse {
    let mut response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this source takes no webhooks: it is asked for its broadcasts; register one with \
         POST /api/v1/sources/{name}/broadcasts",
    );
    let nothing = header::HeaderValue::from_static("");
    response.headers_mut().insert(header::ALLOW, nothing);
    response
}

pub(super) fn no_such_url() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "no such URL")
}

//! What handlers answer with: a document, a kept answer, or a problem.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, ResponseError as _};
use serde::Serialize;

use crate::access::{Caller, Way};
use crate::admin::Failure;
use crate::store::idempotency::KeptAnswer;
use crate::web::problem::{Problem, Reply};

/// A failure as this caller reads it: the operator reads our own failures too.
pub(super) fn failed(caller: &Caller, failure: Failure) -> Problem {
    match failure {
        Failure::Broken(detail) if caller.way == Way::Cli => {
            tracing::error!(error = detail, "api.failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
        other => other.into(),
    }
}

/// What a change answers: a function of what was done, and of nothing else.
pub(super) type Shaped = Result<KeptAnswer, Problem>;

/// A change's answer with that body.
pub(super) fn shaped(status: StatusCode, body: &impl Serialize) -> Shaped {
    let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
    Ok(KeptAnswer {
        status: status.as_u16(),
        body,
        location: None,
    })
}

/// The answer of something that is gone.
pub(super) fn gone() -> KeptAnswer {
    KeptAnswer {
        status: StatusCode::NO_CONTENT.as_u16(),
        body: String::new(),
        location: None,
    }
}

/// An answer as it goes out, for the first time or again.
pub(super) fn respond(answer: KeptAnswer) -> HttpResponse {
    let status = match StatusCode::from_u16(answer.status) {
        Ok(status) => status,
        Err(error) => return Problem::internal(&error).error_response(),
    };
    let mut response = HttpResponse::build(status);
    if let Some(url) = &answer.location {
        response.insert_header((LOCATION, url.as_str()));
    }
    if answer.body.is_empty() {
        return response.finish();
    }
    response.content_type("application/json").body(answer.body)
}

/// 200 with the representation.
#[expect(clippy::unnecessary_wraps, reason = "it is the last line of handlers")]
pub(super) fn done(body: &impl Serialize) -> Reply {
    Ok(HttpResponse::Ok().json(body))
}

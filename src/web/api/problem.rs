//! What a caller is told when it did not get what it asked: RFC 9457 problem details.
//!
//! 422 says that something in the request is not as it must be, and `errors` names each field;
//! 400 is left to requests that are no HTTP.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Failure;
use crate::model::{Echoed, Fault};
use crate::store::Error;

/// The media type of a problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not answered as asked.
#[derive(Debug)]
pub(super) struct Problem {
    code: StatusCode,
    detail: String,
    errors: Vec<Fault>,
    retry_after_s: Option<u32>,
    allow: Option<Box<str>>,
}

/// Why a request was not answered as asked (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemView<'a> {
    /// What sort of problem it is; the same for all of its sort.
    #[serde(rename = "type")]
    #[schema(example = "urn:tickrelay:problem:unprocessable-entity")]
    kind: String,
    /// The HTTP status in words.
    #[schema(example = "Unprocessable Entity")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// What happened and what to do.
    detail: &'a str,
    /// Each field that is not as it must be; empty when it is not about a field.
    errors: &'a [Fault],
}

impl Problem {
    pub(super) fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: (code == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
            allow: None,
        }
    }

    /// A field that is not as it must be.
    pub(super) fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::faults(vec![Fault::new(field, detail)])
    }

    /// Each field that is not as it must be.
    pub(super) fn faults(mut faults: Vec<Fault>) -> Self {
        for fault in &mut faults {
            // The place holds names that the caller gave.
            fault.field = Echoed(&fault.field).to_string();
        }
        let detail = Fault::sentence(&faults);
        Self {
            errors: faults,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    /// There is no such thing, or the caller may not know of it.
    pub(super) fn missing(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(super) fn too_many(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    pub(super) fn method_not_allowed(allow: &str) -> Self {
        Self {
            allow: Some(allow.into()),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("this URL takes {allow}"),
            )
        }
    }

    /// Our own failure: the log has more.
    pub(super) fn internal(error: &dyn fmt::Display) -> Self {
        tracing::error!(%error, "api.failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "it could not be done; the service's log says why",
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.code);
        if self.code == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"tickrelay\""));
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, &**allow));
        }
        let title = self.code.canonical_reason().unwrap_or("Error");
        let word = title.to_ascii_lowercase().replace(' ', "-");
        let view = ProblemView {
            kind: format!("urn:tickrelay:problem:{word}"),
            title,
            status: self.code.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        response
            .content_type(MEDIA_TYPE)
            .body(serde_json::to_vec(&view).unwrap_or_default())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(faults) => Self::faults(faults),
            Failure::Missing(detail) => Self::new(StatusCode::NOT_FOUND, detail),
            Failure::Conflict(detail) => Self::conflict(detail),
            Failure::Forbidden(detail) => Self::forbidden(detail),
            Failure::Refused(detail) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Failure::Busy(detail) => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
            Failure::Broken(detail) => Self::internal(&detail),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

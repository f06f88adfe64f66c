//! The one place where errors become status codes: RFC 9457 problem documents, for webhooks, the API,
//! health checks and bodies alike.
//!
//! 422 says that something in the request is not as it must be, and `errors` names each field;
//! 400 is left to requests that are no HTTP and to handshakes. Internal detail goes to the log; the
//! caller gets what it can act on.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Unread;
use crate::admin::Failure;
use crate::model::{Echoed, Fault};
use crate::providers::authentication::{AuthError, ChallengeError};
use crate::store::Error;

/// The media type of a problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request failed.
#[derive(Debug)]
pub(super) struct Problem {
    code: StatusCode,
    detail: String,
    errors: Vec<Fault>,
    /// The header that its status wants, if any.
    header: Option<(header::HeaderName, Box<str>)>,
}

/// What a handler answers.
pub(super) type Reply = Result<HttpResponse, Problem>;

/// When a request that could not be served now is to come again, in seconds.
const RETRY_AFTER_S: u32 = 5;

/// Why a request failed (RFC 9457).
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
            header: None,
        }
    }

    fn with(mut self, name: header::HeaderName, value: impl Into<Box<str>>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.code.as_u16()
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

    /// RFC 9110 wants a challenge beside it, which says how to prove oneself.
    pub(super) fn unauthorized(detail: impl Into<String>, challenge: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, challenge)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(super) fn too_many(detail: impl Into<String>, retry_after_s: u32) -> Self {
        let code = StatusCode::TOO_MANY_REQUESTS;
        Self::new(code, detail).with(header::RETRY_AFTER, retry_after_s.to_string())
    }

    /// It cannot be served now.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        let code = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(code, detail).with(header::RETRY_AFTER, RETRY_AFTER_S.to_string())
    }

    pub(super) fn method_not_allowed(allow: &str) -> Self {
        Self::no_method(allow, format!("this URL takes {allow}"))
    }

    /// Another method is needed than that of the request, or none helps.
    pub(super) fn no_method(allow: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(header::ALLOW, allow)
    }

    /// A body that was not read to its end; it may have `limit` bytes.
    pub(super) fn unread(unread: Unread, limit: usize) -> Self {
        match unread {
            Unread::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is too large: send at most {limit} bytes at once"),
            ),
            Unread::TooMany => Self::busy("too many bodies are being read: send it again later"),
            Unread::TooSlow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long to arrive: send it again",
            ),
            Unread::Broken => Self::field("", "the body ended before its announced length"),
        }
    }

    /// A webhook that was not stored, or (`None`) not in time.
    ///
    /// Whatever the store's error, it is a 503: a provider's machine can only send the webhook again,
    /// and one that was stored after all is then a duplicate.
    pub(super) fn not_stored(error: Option<&Error>) -> Self {
        let why = match error {
            Some(error @ (Error::QueueFull | Error::DiskFull)) => &*error.to_string(),
            Some(Error::Displaced | Error::Unconfirmed) => "a file of the store was taken away",
            Some(_) => "it could not be stored",
            None => "storing takes too long",
        };
        Self::busy(format!("{why}: send it again later"))
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
        if let Some((name, value)) = &self.header {
            response.insert_header((name, &**value));
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
            Failure::Busy(detail) => Self::busy(detail),
            Failure::Broken(detail) => Self::internal(&detail),
        }
    }
}

/// What a caller of the API reads of the store's error is what the command line reads of it.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<&AuthError> for Problem {
    fn from(error: &AuthError) -> Self {
        // The credentials are the source's own.
        Self::unauthorized(error.to_string(), "Basic realm=\"webhooks\"")
    }
}

impl From<ChallengeError> for Problem {
    fn from(error: ChallengeError) -> Self {
        let code = match error {
            ChallengeError::WrongToken => StatusCode::FORBIDDEN,
            ChallengeError::NotAHandshake | ChallengeError::UnsafeChallenge => {
                StatusCode::BAD_REQUEST
            }
        };
        Self::new(code, error.to_string())
    }
}

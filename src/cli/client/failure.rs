//! Why a request was not carried out, in words: it was refused, not answered, or answered by a
//! program that is not tickrelay.

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::model::Fault;

/// The media type of what the API refuses with.
const PROBLEM: &str = "application/problem+json";
/// What is added where it is unknown whether a request was carried out.
const MAYBE_DONE: &str = ": it may have been carried out; look before you repeat it";

/// The service as a sentence begins with it, and the method of the request.
type RequestLine<'a> = (&'a str, &'a Method);

/// The service refused: nothing is broken.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(in crate::cli) struct Refused {
    /// The HTTP status; `None` of a refusal of the command's own.
    status: Option<u16>,
    why: String,
}

impl Refused {
    /// A refusal of the command's own.
    pub(in crate::cli) fn new(why: impl Into<String>) -> Self {
        Self {
            status: None,
            why: why.into(),
        }
    }

    /// Whether an error is the service's refusal with that HTTP status.
    pub(in crate::cli) fn has_status(error: &anyhow::Error, status: u16) -> bool {
        let refused: Option<&Self> = error.downcast_ref();
        refused.is_some_and(|refused| refused.status == Some(status))
    }
}

/// The problem details of an answer, as far as they are shown.
#[derive(Deserialize)]
struct ProblemDetail {
    detail: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

impl ProblemDetail {
    /// In words; several wrong fields stand on a line each.
    fn words(self) -> String {
        let lines = self.errors.into_iter().map(|fault| fault.detail);
        let lines: Vec<String> = lines.collect();
        match lines.len() {
            0 | 1 => self.detail,
            _ => lines.join("\n"),
        }
    }
}

/// What an answer means that is no success.
pub(super) fn refused(
    request: RequestLine<'_>,
    status: StatusCode,
    (headers, bytes): (&HeaderMap, &[u8]),
) -> anyhow::Error {
    match problem(headers, bytes) {
        Some(problem) => refusal(status.as_u16(), problem.words()),
        None => foreign(request, status, headers),
    }
}

/// The problem document of an answer, if it is one.
fn problem(headers: &HeaderMap, bytes: &[u8]) -> Option<ProblemDetail> {
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    if !media_type.starts_with(PROBLEM) {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// What a problem means for the command: a refusal where the caller can do something about it.
pub(super) fn refusal(status: u16, detail: String) -> anyhow::Error {
    if (400..500).contains(&status) {
        let status = Some(status);
        Refused {
            status,
            why: detail,
        }
        .into()
    } else {
        anyhow::anyhow!(detail)
    }
}

/// What is said of an answer that is no problem document: a proxy's, or another program's.
fn foreign(
    (place, method): RequestLine<'_>,
    status: StatusCode,
    headers: &HeaderMap,
) -> anyhow::Error {
    if status.is_server_error() {
        let maybe_done = maybe_done(method);
        return anyhow::anyhow!(
            "{place} answered {status}, and not as tickrelay does; look whether it runs behind its \
             proxy{maybe_done}"
        );
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return anyhow::anyhow!(
            "{place} answered {status}, and not as tickrelay does: have its proxy take bodies of 16 MiB"
        );
    }
    let location = headers.get(LOCATION).filter(|_| status.is_redirection());
    let location = location.and_then(|location| Url::parse(location.to_str().ok()?).ok());
    // Another place is no service: a page to log in, say.
    let base = location.as_ref();
    let base = base.and_then(|location| Some(location.as_str().split_once("/api/v1")?.0));
    let remedy = match base {
        Some(base) => format!("it leads to {base}: write that after --url"),
        None => "does the proxy pass /api/v1/ on?".to_owned(),
    };
    anyhow::anyhow!("{place} answered {status} and is no tickrelay API: {remedy}")
}

/// What is said when no answer came.
pub(super) fn unanswered(
    (place, method): RequestLine<'_>,
    broken: reqwest::Error,
) -> anyhow::Error {
    let maybe_done = maybe_done(method);
    let why = if broken.is_timeout() {
        format!("{place} did not answer in time{maybe_done}")
    } else if broken.is_connect() {
        format!("cannot reach {place}")
    } else {
        format!(
            "{place} ended before it answered, or is of another version that does not answer \
             so{maybe_done}"
        )
    };
    anyhow::Error::from(broken.without_url()).context(why)
}

/// What is added about a request that may have been carried out; nothing for one that only reads.
fn maybe_done(method: &Method) -> &'static str {
    if *method == Method::GET {
        ""
    } else {
        MAYBE_DONE
    }
}

/// What is said where it cannot be seen how a job ends. It is no refusal, whatever the answer was:
/// the work was begun.
pub(super) fn unknown_end(id: &str, error: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "job {id} was begun and its end is not known ({error:#}): what was done until then stays. Once \
         the service runs again, GET /api/v1/jobs/{id} on its socket says what became of it; the \
         command may be repeated"
    )
}

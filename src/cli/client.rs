//! How a command speaks the API: over the socket of the service that runs, to the service at `--url`,
//! or, where none runs, to the same application in its own process.
//!
//! So `--json` and the API are the same documents. `server::OwnApi` serves the application on a socket in a
//! private folder: reads on a store without a writer, changes as owner of the lock. Each listener names itself
//! ([`crate::access::Peer`]), and no address makes an operator of a request.

mod connect;

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::ProgressBar;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use url::Url;

use super::Settings;
use crate::model::Fault;
use crate::server::OwnApi;
use crate::web::api::jobs::{JobProblemView, JobState, JobView};
use crate::web::api::page::Page;

/// How long one answer may take; what takes longer is a job.
const PATIENCE: Duration = Duration::from_mins(2);
/// Where the API stands behind a service's address.
const BASE: [&str; 2] = ["api", "v1"];
/// The host in the URL of a request over a socket, which leads nowhere.
const SOCKET_HOST: &str = "http://localhost";
/// The most rows that the API puts on one page.
const PAGE: usize = 100;
/// How soon it is looked again how far a job is, at first and at last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
const JSON: &str = "application/json";
/// What is said of a document that cannot be read.
const OTHER_DOCUMENT: &str =
    "the service answered with another document than this version reads: use the same version";
/// Error when it is unknown whether a request was carried out.
const MAYBE_DONE: &str = "what was asked may be done; look before you ask again";

/// What a command does with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It only reads.
    Read,
    /// It changes something in a store that is there.
    Change,
    /// It begins a replay, which goes on while the command watches it.
    Replay,
    /// It makes the first token, for which a store is made.
    FirstToken,
}

impl Purpose {
    /// That of a command that only shows what it would change, with `--dry-run`.
    pub(super) const fn unless_dry(dry_run: bool) -> Self {
        if dry_run { Self::Read } else { Self::Change }
    }
}

/// The service refused: nothing is broken.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Refused {
    /// The HTTP status; `None` of a refusal of the command's own.
    status: Option<u16>,
    why: String,
}

impl Refused {
    /// A refusal of the command's own.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            status: None,
            why: why.into(),
        }
    }

    /// Whether an error is the service's refusal with that HTTP status.
    pub(super) fn has_status(error: &anyhow::Error, status: u16) -> bool {
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

/// Speaks the API of one service.
pub(super) struct Client {
    runtime: Runtime,
    http: reqwest::Client,
    base: Url,
    own: Option<OwnApi>,
}

/// An answer that is no problem.
struct Answered {
    bytes: Vec<u8>,
}

/// A request that is to be made.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, String)],
    /// Its media type and its bytes.
    body: Option<(&'static str, Vec<u8>)>,
}

/// Connects a command to its service, and ends the one in its own process where there was none.
///
/// # Errors
/// [`Refused`] when the service refuses; others when it cannot be reached, or is broken.
pub(super) fn with<T>(
    settings: &Settings,
    purpose: Purpose,
    speak: impl FnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut client = Client::open(settings, purpose)?;
    let spoken = speak(&client);
    let own = client.own.take();
    let closed = own.map_or(Ok(()), |own| client.runtime.block_on(own.close()));
    let spoken = spoken?;
    closed?;
    Ok(spoken)
}

impl Client {
    /// Reads a document.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        let answered = self.call(Call {
            query,
            ..Call::new(Method::GET, path)
        })?;
        answered.document()
    }

    /// Changes something, and reads the document that says how it is now.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.change(Method::POST, path, body)
    }

    /// Reads a list from its beginning to its end.
    pub(super) fn all<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<Page<T>> {
        self.rows(path, &[], (usize::MAX, None))
    }

    /// Reads at most `limit` rows of a list, page by page, as one page.
    pub(super) fn rows<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        (limit, cursor): (usize, Option<&str>),
    ) -> anyhow::Result<Page<T>> {
        let mut all = Page {
            data: Vec::new(),
            next_cursor: cursor.map(str::to_owned),
            searched_back_to: None,
        };
        loop {
            let left = limit - all.data.len();
            let mut query = query.to_vec();
            query.push(("limit", left.min(PAGE).to_string()));
            query.extend(all.next_cursor.take().map(|cursor| ("cursor", cursor)));
            let page: Page<T> = self.get(path, &query)?;
            all.data.extend(page.data);
            all.next_cursor = page.next_cursor;
            all.searched_back_to = page.searched_back_to;
            let is_whole = all.next_cursor.is_none() || all.data.len() >= limit;
            if is_whole || all.searched_back_to.is_some() {
                return Ok(all);
            }
        }
    }

    /// Writes a document in the place of the one before.
    pub(super) fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.change(Method::PUT, path, body)
    }

    /// Changes some fields.
    pub(super) fn patch<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.change(Method::PATCH, path, body)
    }

    /// Removes what the path names.
    pub(super) fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        self.call(Call::new(Method::DELETE, path)).map(|_| ())
    }

    /// Reads bytes that are no document.
    pub(super) fn bytes(&self, path: &[&str]) -> anyhow::Result<Vec<u8>> {
        Ok(self.call(Call::new(Method::GET, path))?.bytes)
    }

    /// Sends a body as it is, and reads the document that says what came of it.
    pub(super) fn post_text<T: DeserializeOwned>(
        &self,
        path: &[&str],
        json: Vec<u8>,
    ) -> anyhow::Result<T> {
        let answered = self.call(Call {
            body: Some((JSON, json)),
            ..Call::new(Method::POST, path)
        })?;
        answered.document()
    }

    /// Begins long work and waits for its result; shows how far it is where stderr is a terminal.
    pub(super) fn job<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let mut job: JobView = self.post(path, body)?;
        let (bar, id) = (ProgressBar::new(job.total), job.id.to_string());
        let mut pause = SHORTEST_PAUSE;
        while job.state == JobState::Running {
            sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
            let look = self.get(&["jobs", &id], &[]);
            job = look.map_err(|error| unknown_end(&id, &error))?;
            bar.set_length(job.total);
            bar.set_position(job.done);
        }
        bar.finish_and_clear();
        if let Some(JobProblemView { status, detail }) = job.problem {
            return Err(refusal(status, detail));
        }
        serde_json::from_value(job.result.unwrap_or_default()).context(OTHER_DOCUMENT)
    }

    fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let answered = self.call(Call {
            body: Some((JSON, serde_json::to_vec(body)?)),
            ..Call::new(method, path)
        })?;
        answered.document()
    }

    fn call(&self, call: Call<'_>) -> anyhow::Result<Answered> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(BASE).extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        self.send(url, call.method, call.body)
    }

    fn send(
        &self,
        url: Url,
        method: Method,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> anyhow::Result<Answered> {
        let mut request = self.http.request(method, url);
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes);
        }
        let whole = async {
            let response = request.send().await?;
            Ok((response.status(), response.bytes().await?))
        };
        let answer: Result<_, reqwest::Error> = self.runtime.block_on(whole);
        let (status, bytes) = answer.map_err(|error| self.unanswered(error))?;
        if status.is_success() {
            return Ok(Answered {
                bytes: bytes.into(),
            });
        }
        Err(problem(status, &bytes))
    }

    /// What is said when no answer came.
    fn unanswered(&self, error: reqwest::Error) -> anyhow::Error {
        let place = match self.base.as_str().trim_end_matches('/') {
            SOCKET_HOST => "the service".to_owned(),
            url => format!("the service at {url}"),
        };
        let why = if error.is_timeout() {
            format!("{place} did not answer in time: {MAYBE_DONE}")
        } else if error.is_connect() {
            format!("cannot reach {place}")
        } else {
            format!(
                "{place} ended before it answered, or is of another version that does not answer so: \
                 {MAYBE_DONE}"
            )
        };
        anyhow::Error::from(error.without_url()).context(why)
    }
}

impl<'a> Call<'a> {
    const fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self {
            method,
            path,
            query: &[],
            body: None,
        }
    }
}

impl Answered {
    /// The document that it holds.
    fn document<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.bytes).context(OTHER_DOCUMENT)
    }
}

/// What is said where it cannot be seen how a job ends. It is no refusal, whatever the answer was:
/// the work was begun.
fn unknown_end(id: &str, error: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "job {id} was begun and its end is not known ({error:#}): what was done until then stays; \
         the command may be repeated"
    )
}

/// What a problem means for the command: a refusal where the caller can do something about it.
fn problem(status: StatusCode, bytes: &[u8]) -> anyhow::Error {
    let problem: Result<ProblemDetail, _> = serde_json::from_slice(bytes);
    let detail = problem.map_or_else(
        |_| format!("it answered {status}, and not as this version of the API does"),
        ProblemDetail::words,
    );
    refusal(status.as_u16(), detail)
}

fn refusal(status: u16, detail: String) -> anyhow::Error {
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

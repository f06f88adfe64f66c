//! How a command speaks the API: over the socket of the service that runs, to the service at `--url`,
//! or, where none runs, to the same application in its own process.
//!
//! So `--json` and the API are the same documents. `server::OwnApi` serves the application on a socket in a
//! private folder: reads on a store without a writer, changes as owner of the lock. Each listener names itself
//! ([`crate::access::Peer`]), and no address makes an operator of a request.

mod connect;
mod failure;

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::ProgressBar;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use url::Url;

use super::Settings;
use crate::server::OwnApi;
use crate::store::job::JobState;
use crate::web::api::job_view::{JobProblemView, JobView};
use crate::web::api::page::Page;
pub(super) use failure::Refused;
use failure::{refusal, refused, unanswered, unknown_end};

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
    ended(spoken, closed)
}

/// How a command ended, and the service in its own process after it: what may be lost decides the exit
/// code.
fn ended<T>(spoken: anyhow::Result<T>, closed: anyhow::Result<()>) -> anyhow::Result<T> {
    match (spoken, closed) {
        (spoken, Ok(())) => spoken,
        (Ok(_), Err(lost)) => Err(lost),
        (Err(error), Err(lost)) => Err(lost.context(format!("{error:#}"))),
    }
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
        self.send(url, &call.method, call.body)
    }

    fn send(
        &self,
        url: Url,
        method: &Method,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> anyhow::Result<Answered> {
        let mut request = self.http.request(method.clone(), url);
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes);
        }
        let whole = async {
            let mut response = request.send().await?;
            let headers = std::mem::take(response.headers_mut());
            Ok((response.status(), headers, response.bytes().await?))
        };
        let answer: Result<_, reqwest::Error> = self.runtime.block_on(whole);
        let unanswered = |error| unanswered((&self.place(), method), error);
        let (status, headers, bytes) = answer.map_err(unanswered)?;
        if status.is_success() {
            return Ok(Answered {
                bytes: bytes.into(),
            });
        }
        Err(refused((&self.place(), method), status, (&headers, &bytes)))
    }

    /// The service as a sentence begins with it.
    fn place(&self) -> String {
        match self.base.as_str().trim_end_matches('/') {
            SOCKET_HOST => "the service".to_owned(),
            url => format!("the service at {url}"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Loss;

    #[test]
    fn a_loss_is_said_first_also_after_a_refusal() {
        let refused = Err::<(), _>(Refused::new("no such thing").into());
        let lost = anyhow::Error::from(Loss::Panicked).context("what was done may be lost");
        let error = ended(refused, Err(lost)).unwrap_err();
        assert!(error.chain().any(<dyn std::error::Error>::is::<Loss>));
        assert!(!error.is::<Refused>());
        let said = format!("{error:#}");
        let expected = "no such thing: what was done may be lost: ";
        assert!(said.starts_with(expected), "{said}");
    }
}

//! One question over the network: a GET, and as much of the answer as may be read.

use std::time::Instant;

use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::timeout;

use super::answer::{BODY_TIME, hide, judge};
use super::{Sender, classify, failed, millis, with_own};
use crate::forward::guard::{Target, TargetError};
use crate::model::{ErrorCode, Headers, Outcome};

/// One question to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The URL as [`Sender::guard`] judged it; one that was refused is blocked.
    pub target: Result<&'a Target, &'a TargetError>,
    /// Headers that no log may show.
    pub own_headers: &'a Headers,
    /// The largest answer that is read, in bytes.
    pub limit_bytes: usize,
    /// When it is asked, ms since 1970 UTC; `Retry-After` is reckoned from it.
    pub now_ms: i64,
}

/// What was answered with a 2xx.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub content_encoding: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfetched {
    /// It was another status, or no answer came.
    Failed(Outcome),
    /// It is larger than may be read.
    TooLarge,
}

impl Sender {
    /// Asks once, within the configured time from the look-up of the name to the last byte; waits
    /// before that while many others are asked. May be dropped at any time.
    ///
    /// # Errors
    /// [`Unfetched`]; a body that breaks off is no answer.
    pub async fn fetch(&self, question: &Question<'_>) -> Result<Fetched, Unfetched> {
        let _turn = self.questions.acquire().await;
        let started = Instant::now();
        let asked = timeout(self.timeout, self.ask_for(question)).await;
        let late = || {
            let detail = format!("no whole answer within {:?}", self.timeout);
            Unfetched::Failed(failed(ErrorCode::Timeout, detail))
        };
        asked
            .unwrap_or_else(|_| Err(late()))
            .map_err(|error| match error {
                Unfetched::Failed(outcome) => Unfetched::Failed(Outcome {
                    duration_ms: millis(started),
                    ..outcome
                }),
                error @ Unfetched::TooLarge => error,
            })
    }

    async fn ask_for(&self, question: &Question<'_>) -> Result<Fetched, Unfetched> {
        let unfetched = |(error, detail)| Unfetched::Failed(failed(error, detail));
        let target = question
            .target
            .map_err(|error| unfetched((ErrorCode::Blocked, error.to_string())))?;
        let get = self.client.get(target.url().clone());
        let get = get.header(ACCEPT, "application/json");
        let get = with_own(get, question.own_headers).map_err(unfetched)?;
        let response = get.send().await;
        let response = response.map_err(|error| unfetched(classify(error)))?;
        if !response.status().is_success() {
            let mut outcome = judge(response, question.now_ms, BODY_TIME, false).await;
            hide(&self.own_redaction(question.own_headers), &mut outcome);
            return Err(Unfetched::Failed(outcome));
        }
        read(response, question.limit_bytes).await
    }
}

async fn read(mut response: Response, limit: usize) -> Result<Fetched, Unfetched> {
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(Unfetched::TooLarge);
    }
    let header = |name| {
        let text = response.headers().get(name)?.to_str().ok()?;
        Some(text.chars().take(256).collect::<String>())
    };
    let (content_type, content_encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(Unfetched::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                let (error, detail) = classify(error);
                return Err(Unfetched::Failed(failed(error, detail)));
            }
        }
    }
    Ok(Fetched {
        body,
        content_type,
        content_encoding,
    })
}

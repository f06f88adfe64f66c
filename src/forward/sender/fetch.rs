//! One question over the network: a GET, and as much of the answer as may be read.

use std::time::Instant;

use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::timeout;

use super::answer::{BODY_TIME, hide, judge};
use super::{Sender, classify, failed, millis, with_own};
use crate::forward::guard::{Target, TargetError};
use crate::model::{ErrorCode, Headers, Outcome};

/// One request for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The URL as [`Sender::guard`] judged it; one that was refused is blocked.
    pub target: Result<&'a Target, &'a TargetError>,
    /// Headers that no log may show.
    pub own_headers: &'a Headers,
    /// The largest answer that is read, in bytes.
    pub limit_bytes: usize,
    /// When it is sent, ms since 1970 UTC; `Retry-After` is reckoned from it.
    pub now_ms: i64,
}

/// What was answered with a 2xx.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The body, byte for byte; see [`Sender::take_out`].
    pub body: Vec<u8>,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub content_encoding: Option<String>,
}

impl Fetched {
    /// Whether its text stands otherwise in it than byte for byte: compressed, or in UTF-16.
    fn is_encoded(&self) -> bool {
        let encoding = self.content_encoding.as_deref().unwrap_or_default();
        let is_plain = ["", "identity"]
            .iter()
            .any(|plain| encoding.trim().eq_ignore_ascii_case(plain));
        !is_plain || self.body.starts_with(&[0xFF, 0xFE]) || self.body.starts_with(&[0xFE, 0xFF])
    }
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
    /// Requests once, within the configured time from the look-up of the name to the last byte; waits
    /// before that while many others run. May be dropped at any time.
    ///
    /// # Errors
    /// [`Unfetched`]; a body that breaks off is no answer.
    pub async fn fetch(&self, question: &Question<'_>) -> Result<Fetched, Unfetched> {
        let _turn = self.questions.acquire().await;
        let started = Instant::now();
        let answer = timeout(self.timeout, self.get(question)).await;
        let late = || {
            let detail = format!("no whole answer within {:?}", self.timeout);
            Unfetched::Failed(failed(ErrorCode::Timeout, detail))
        };
        answer
            .unwrap_or_else(|_| Err(late()))
            .map_err(|error| match error {
                Unfetched::Failed(outcome) => Unfetched::Failed(Outcome {
                    duration_ms: millis(started),
                    ..outcome
                }),
                error @ Unfetched::TooLarge => error,
            })
    }

    /// Takes out of an answer what the question was proved with, should the answer repeat it.
    ///
    /// What is compressed or in UTF-16 is looked through as the text that `decode` makes of it,
    /// and is that text from there on if something was found. What cannot be decoded stays as it
    /// is. A large answer takes its time.
    pub fn take_out(
        &self,
        own_headers: &Headers,
        mut fetched: Fetched,
        decode: impl FnOnce(&Fetched) -> Option<String>,
    ) -> Fetched {
        let redaction = self.own_redaction(own_headers);
        if fetched.is_encoded() {
            let text = decode(&fetched);
            let clean = text.and_then(|text| redaction.apply_to_answer(text.as_bytes()));
            if let Some(clean) = clean {
                (fetched.body, fetched.content_encoding) = (clean, None);
            }
        } else if let Some(clean) = redaction.apply_to_answer(&fetched.body) {
            fetched.body = clean;
        }
        for header in [&mut fetched.content_type, &mut fetched.content_encoding] {
            *header = header.take().map(|text| redaction.apply(&text));
        }
        fetched
    }

    async fn get(&self, question: &Question<'_>) -> Result<Fetched, Unfetched> {
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

//! Requests as a provider or a stranger makes them, and what is answered.

use std::time::Instant;

use reqwest::RequestBuilder;

use super::{PATIENCE, TestApp};

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The answer to that request.
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        Self {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.text().await.unwrap(),
        }
    }

    /// It must be a problem, the same document wherever it comes from.
    #[track_caller]
    pub(crate) fn check_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        let kind = problem["type"].as_str().unwrap();
        assert!(kind.starts_with("urn:tickrelay:problem:"), "{}", self.body);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        assert!(problem["errors"].is_array(), "{}", self.body);
        assert_eq!(problem.as_object().unwrap().len(), 5, "{}", self.body);
    }

    /// A header's value, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// A 200 has no body and everything else says what is wrong; what was not answered 200 is
/// not in the store.
pub(crate) async fn check(app: &TestApp, request: RequestBuilder, expected: u16) -> Answer {
    let stored = async || app.webhooks().await.len();
    let before = stored().await;
    let answer = Answer::to(request).await;
    assert_eq!(answer.status, expected, "{}", answer.body);
    if expected == 200 {
        assert_eq!(answer.body, "");
        assert_eq!(stored().await, before + 1);
    } else {
        answer.check_problem();
        assert_eq!(stored().await, before);
    }
    answer
}

/// A JSON body to `/webhooks/{path}`, without any proof of where it comes from.
pub(crate) fn post(app: &TestApp, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = app.http.post(format!("{}/webhooks/{path}", app.url));
    request
        .header("Content-Type", "application/json")
        .body(body)
}

/// What is said beside the 503 of a webhook that the machine was too busy to store in time.
pub(crate) const TOO_LONG: &str = "storing takes too long";

/// Sends a webhook, and again while it is answered 503 as its provider does, until it is taken; what
/// was answered is its status and what was said. Fails when a first 503 does not say `reason`.
pub(crate) async fn send_until_taken(reason: &str, send: impl AsyncFn() -> (u16, String)) {
    let deadline = Instant::now() + PATIENCE;
    let (mut status, mut said) = send().await;
    if said.contains(reason) {
        while status == 503 && Instant::now() < deadline {
            (status, said) = send().await;
        }
    }
    assert_eq!(status, 200, "{said}");
}

/// Fails unless that webhook is taken, however long a busy machine takes to store it.
pub(crate) async fn check_taken(request: impl Fn() -> RequestBuilder) {
    let send = async || {
        let answer = Answer::to(request()).await;
        (answer.status, answer.body)
    };
    send_until_taken(TOO_LONG, send).await;
}

/// A Cloud API body under that signature header.
pub(crate) fn signed(app: &TestApp, name: &str, value: &str, body: &str) -> RequestBuilder {
    post(app, "cloud", body.to_owned()).header(name, value)
}

/// Where Meta puts its signature.
pub(crate) const HUB: &str = "X-Hub-Signature-256";

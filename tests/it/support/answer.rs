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

    /// A header's value, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// A 200 has no body and everything else says what is wrong; what was not answered 200 is
/// not in the store.
pub(crate) async fn check(app: &TestApp, request: RequestBuilder, expected: u16) -> Answer {
    let stored = || app.value::<i64>("SELECT count(*) FROM webhook");
    let before = stored();
    let answer = Answer::to(request).await;
    assert_eq!(answer.status, expected, "{}", answer.body);
    if expected == 200 {
        assert_eq!(answer.body, "");
        assert_eq!(stored(), before + 1);
    } else {
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.body.contains("\"detail\":\""), "{}", answer.body);
        assert_eq!(stored(), before);
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

/// Fails unless that webhook is taken. A commit that takes too long on a busy machine is answered
/// 503, and the webhook is sent again, as its provider does, until it is taken.
pub(crate) async fn check_taken(request: impl Fn() -> RequestBuilder) {
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Answer::to(request()).await;
    if answer.body.contains("storing takes too long") {
        while answer.status == 503 && Instant::now() < deadline {
            answer = Answer::to(request()).await;
        }
    }
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A Cloud API body under that signature header.
pub(crate) fn signed(app: &TestApp, name: &str, value: &str, body: &str) -> RequestBuilder {
    post(app, "cloud", body.to_owned()).header(name, value)
}

/// Where Meta puts its signature.
pub(crate) const HUB: &str = "X-Hub-Signature-256";

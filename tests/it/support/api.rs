//! Asking the management API as a caller would: with a token or without.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tickrelay::access::Role;
use tickrelay::access::token::NewToken;
use tickrelay::admin::CreateToken;

use super::TestApp;

/// A caller.
#[derive(Clone)]
pub(crate) struct Caller {
    base: String,
    http: reqwest::Client,
    headers: Vec<(&'static str, String)>,
}

/// What it was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// It must be a problem of this status; returns the fields it names.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(
                problem[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
        }
        let fields = problem["errors"].as_array().unwrap().iter();
        fields
            .map(|error| error["field"].as_str().unwrap().to_owned())
            .collect()
    }

    /// It must have this status; returns the body.
    #[track_caller]
    pub(crate) fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

impl TestApp {
    /// A caller without a token.
    pub(crate) fn anyone(&self) -> Caller {
        Caller {
            base: format!("{}/api/v1", self.url),
            http: self.http.clone(),
            headers: Vec::new(),
        }
    }

    /// The operator: an admin with the harness's own token, made when it is first wanted.
    pub(crate) async fn admin(&self) -> Caller {
        let make = || self.token(Role::Admin, |new| "harness".clone_into(&mut new.name));
        let token = self.admin.get_or_init(make).await;
        self.anyone()
            .header("Authorization", &format!("Bearer {token}"))
    }

    /// A caller with a fresh token of that role.
    pub(crate) async fn caller(&self, role: Role) -> Caller {
        self.caller_with(role, |_| {}).await
    }

    /// As `caller`, with the token changed before it is made; an integrator's owner is `acme`.
    pub(crate) async fn caller_with(
        &self,
        role: Role,
        change: impl FnOnce(&mut NewToken),
    ) -> Caller {
        let token = self.token(role, change).await;
        self.anyone()
            .header("Authorization", &format!("Bearer {token}"))
    }

    /// A fresh token.
    pub(crate) async fn token(&self, role: Role, change: impl FnOnce(&mut NewToken)) -> String {
        let mut new = NewToken {
            name: role.to_string(),
            role,
            owner: (role == Role::Integrator).then(|| "acme".to_owned()),
            sources: Vec::new(),
            expires_at_ms: None,
        };
        change(&mut new);
        self.order(CreateToken(new)).await.text
    }
}

impl Caller {
    /// The same with one header more.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::POST, path, Some(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::PUT, path, Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::PATCH, path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answered {
        self.ask(Method::DELETE, path, None).await
    }

    /// Asks, with a body said to be JSON.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Answered {
        let body = body.map(|body| ("application/json", body));
        self.ask_as(method, path, body).await
    }

    /// Asks, with a body said to be of that media type.
    pub(crate) async fn ask_as(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Answered {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some((media_type, body)) = body {
            request = request.header("Content-Type", media_type).body(body);
        }
        let response = request.send().await.unwrap();
        Answered {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// All rows of a list, page by page, so many a page.
    pub(crate) async fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self
                .get(&format!("{path}{sign}limit={limit}{cursor}"))
                .await;
            let page = page.with(200);
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }
}

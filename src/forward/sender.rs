//! One attempt over the network: bytes and headers in, an [`Outcome`] out.
//!
//! The only place that sends anything, and the only one that knows the HTTP client; [`fetch`]
//! requests answers with it. It decides nothing about what follows: that is [`super::schedule`]'s
//! and [`super::breaker`]'s.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Proxy, RequestBuilder, Response};
use rustix::io::Errno;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::envelope::SIGNATURE;
use super::guard::{BlockedAddress, Guard, Target, TargetError};
use super::own_headers::OwnHeaders;
use crate::model::{ErrorCode, Headers, Outcome, plain, reason};
use answer::{BODY_TIME, hide, judge, location_of, recorded_headers};
use redaction::{REDACTED, Redaction};

mod answer;
pub mod fetch;
mod named;
mod pieces;
mod plain;
mod redaction;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

/// Who sends, and what.
const AGENT: &str = concat!("tickrelay/", env!("CARGO_PKG_VERSION"));
const JSON: &str = "application/json; charset=utf-8";

/// How long a connection is kept for the next attempt: less than servers keep theirs, since one
/// that closes as we send costs an attempt. Node, Apache, uvicorn and actix close after 5 s.
const IDLE: Duration = Duration::from_secs(4);
/// How long a connection may be open after its attempt: the client looks once in that time, and
/// closes those that are older by then.
pub const KEPT: Duration = Duration::from_secs(2 * IDLE.as_secs() + 1);

/// Samples that are sent at once for people to look at, and polls at once: they leave the process's
/// files to others.
const SAMPLES_AT_ONCE: usize = 8;
const QUESTIONS_AT_ONCE: usize = 16;

/// What the configuration says about sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderConfig {
    /// Whether a subscriber's URL may be plain `http`.
    pub allow_http: bool,
    /// Networks outside the public internet that may be sent to.
    pub allow_networks: Vec<IpNet>,
    /// URL of the HTTP proxy through which everything goes. The environment's proxies are
    /// never used.
    pub proxy: Option<String>,
    /// PEM file of certificate authorities that are trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// The limit for an attempt from resolving the name to reading the answer's body.
    pub timeout: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            allow_http: false,
            allow_networks: Vec::new(),
            proxy: None,
            ca_file: None,
            timeout: Duration::from_secs(15),
        }
    }
}

/// Why a sender cannot be built: the configuration or the machine is at fault.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The file of certificate authorities cannot be read.
    #[error("cannot read certificates from {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file of certificate authorities holds none that can be used.
    #[error("no usable certificate in {0}")]
    NoCertificate(PathBuf),
    /// The proxy's URL is not one.
    #[error("cannot use the configured proxy")]
    Proxy(#[source] reqwest::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// One attempt to be made.
#[derive(Debug, Clone, Copy)]
pub struct AttemptRequest<'a> {
    /// The subscriber's URL as [`Sender::guard`] judged it: since this process began, as the
    /// configuration may have changed after it was stored. One that was refused is blocked.
    pub target: Result<&'a Target, &'a TargetError>,
    /// The envelope's headers, and any others but `Content-Type` and `User-Agent`; their names are
    /// in lower case.
    pub headers: &'a [(&'static str, &'a str)],
    /// The subscriber's own, which no log may show.
    pub own_headers: &'a Headers,
    /// Those that were its own before, which an answer may still repeat.
    pub former_headers: &'a [Arc<Headers>],
    /// Whether the URL's path is a secret, as a chat's is.
    pub is_url_secret: bool,
    /// The payload's stored bytes, JSON.
    pub body: &'a Bytes,
    /// When the attempt starts, ms since 1970 UTC; `Retry-After` is reckoned from it.
    pub now_ms: i64,
    /// The limit for the attempt; the configuration's when `None`.
    pub timeout: Option<Duration>,
}

/// An attempt that was not made, since this machine has no file, port or memory left for it: that
/// says nothing of the subscriber.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Short(String);

/// Why there is no answer.
enum Unanswered {
    Short(Short),
    Failed(ErrorCode, String),
}

impl From<(ErrorCode, String)> for Unanswered {
    fn from((error, detail): (ErrorCode, String)) -> Self {
        Self::Failed(error, detail)
    }
}

/// Sends; one for the whole process, so that connections are reused.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    guard: Guard,
    timeout: Duration,
    /// Hides the proxy's credentials.
    redaction: Redaction,
    own_headers: OwnHeaders,
    samples: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

impl Sender {
    /// Builds the one HTTP client: no redirects, no proxies but the configured one, no
    /// retries of its own, and no connection to an address that the guard refuses.
    pub fn new(config: &SenderConfig) -> Result<Self, SenderError> {
        let guard = Guard::new(config.allow_http, config.allow_networks.clone());
        let resolver = Resolver {
            // All that is resolved with a proxy is the proxy's own name, which the operator
            // has chosen. The proxy resolves the subscriber's, and has to guard it.
            guard: config.proxy.is_none().then(|| guard.clone()),
        };
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls(config.ca_file.as_deref())?)
            .http1_only()
            .default_headers(HeaderMap::from_iter([
                (USER_AGENT, HeaderValue::from_static(AGENT)),
                (CONTENT_TYPE, HeaderValue::from_static(JSON)),
            ]))
            .redirect(reqwest::redirect::Policy::none())
            // `never` alone keeps a copy of each request for a retry that does not come.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .no_proxy()
            .dns_resolver(resolver)
            // Leaves time for a second address when the first swallows packets.
            .connect_timeout(config.timeout.mul_f32(0.7))
            .pool_idle_timeout(IDLE);
        let mut redaction = Redaction::default();
        if let Some(proxy) = &config.proxy {
            if let Ok(url) = url::Url::parse(proxy)
                && let Some(password) = url.password()
            {
                redaction.hide_pair(&format!("{}:{password}", url.username()));
            }
            let proxy = Proxy::all(proxy).map_err(|error| SenderError::Proxy(error.without_url()));
            client = client.proxy(proxy?);
        }
        Ok(Self {
            client: client.build().map_err(SenderError::Client)?,
            guard,
            timeout: config.timeout,
            redaction,
            own_headers: OwnHeaders::default(),
            samples: Arc::new(Semaphore::new(SAMPLES_AT_ONCE)),
            questions: Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        })
    }

    /// The guard that judges targets, for a check of a new subscriber's URL.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The headers that subscribers have, or had, of their own.
    pub(crate) const fn own_headers(&self) -> &OwnHeaders {
        &self.own_headers
    }

    /// Makes one attempt. What goes wrong beyond this machine is in the outcome.
    ///
    /// The status alone decides: a 2xx is delivered even when its body breaks off. May be
    /// dropped at any time; then it is unknown whether the subscriber has got the payload.
    ///
    /// # Errors
    /// [`Short`]; the subscriber has got nothing.
    pub async fn send(&self, request: &AttemptRequest<'_>) -> Result<Outcome, Short> {
        self.exchange(request, None).await
    }

    /// As [`Sender::send`], for people to look at: keeps the answer's beginning whatever its
    /// status, and the headers of interest, in `shown`. Waits while many others do.
    pub async fn send_and_show(
        &self,
        request: &AttemptRequest<'_>,
        shown: &mut Vec<(String, String)>,
    ) -> Outcome {
        let _turn = self.samples.acquire().await;
        let outcome = self.exchange(request, Some(shown)).await;
        outcome.unwrap_or_else(|Short(detail)| failed(ErrorCode::Connect, detail))
    }

    /// Every header of the request by its name, as it goes over the wire; what the subscriber has
    /// of its own is `[redacted]`.
    #[must_use]
    pub fn headers_sent(&self, request: &AttemptRequest<'_>) -> BTreeMap<String, String> {
        let fixed = [
            ("accept", "*/*"),
            (CONTENT_TYPE.as_str(), JSON),
            (USER_AGENT.as_str(), AGENT),
        ];
        let fixed = fixed.iter().chain(request.headers);
        let mut headers: BTreeMap<String, String> = fixed
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        headers.insert("content-length".to_owned(), request.body.len().to_string());
        if let Ok(target) = request.target {
            let url = target.url();
            let port = url
                .port()
                .map_or_else(String::new, |port| format!(":{port}"));
            let host = url.host_str().unwrap_or_default();
            headers.insert("host".to_owned(), format!("{host}{port}"));
        }
        for name in request.own_headers.keys() {
            headers.insert(name.clone(), REDACTED.to_owned());
        }
        headers
    }

    async fn exchange(
        &self,
        request: &AttemptRequest<'_>,
        mut shown: Option<&mut Vec<(String, String)>>,
    ) -> Result<Outcome, Short> {
        let started = Instant::now();
        let limit = request.timeout.unwrap_or(self.timeout);
        let answer = timeout(limit, self.send_request(request)).await;
        let mut location = None;
        let mut outcome = match answer {
            Ok(Ok(response)) => {
                let left = limit.saturating_sub(started.elapsed());
                let answered_ms = request.now_ms.saturating_add(millis(started).into());
                let is_shown = shown.is_some();
                location = location_of(&response);
                if let Some(shown) = &mut shown {
                    shown.extend(recorded_headers(response.headers()));
                }
                judge(response, answered_ms, left.min(BODY_TIME), is_shown).await
            }
            Ok(Err(Unanswered::Short(short))) => return Err(short),
            Ok(Err(Unanswered::Failed(error, detail))) => failed(error, detail),
            Err(_) => failed(ErrorCode::Timeout, format!("no answer within {limit:?}")),
        };
        outcome.duration_ms = millis(started);
        if outcome.error.is_some() || shown.is_some() {
            let redaction = self.redaction(request, location.as_deref());
            hide(&redaction, &mut outcome);
            for (_, value) in shown.into_iter().flatten() {
                *value = redaction.apply(value);
            }
        }
        Ok(outcome)
    }

    /// Hides what the request was proved with, and where a redirect led.
    fn redaction(&self, request: &AttemptRequest<'_>, location: Option<&str>) -> Redaction {
        let mut redaction = self.own_redaction(request.own_headers);
        for value in request
            .former_headers
            .iter()
            .flat_map(|former| former.values())
        {
            redaction.hide_value(value.expose());
        }
        for (name, value) in request.headers {
            if *name == SIGNATURE {
                redaction.hide_value(value);
            }
        }
        if let Ok(target) = request.target {
            if request.is_url_secret {
                redaction.hide_url(target.url());
            } else {
                redaction.hide_query(target.url());
            }
            let to = location.and_then(|location| target.url().join(location).ok());
            // The subscriber's own address is no news.
            if let Some(to) = to.filter(|to| to.path().len() > 1 && to != target.url()) {
                redaction.hide_url(&to);
            }
        }
        redaction.hide(location.unwrap_or_default());
        redaction
    }

    /// Hides headers that no log may show, and the proxy's credentials.
    fn own_redaction(&self, own_headers: &Headers) -> Redaction {
        let mut redaction = self.redaction.clone();
        for value in own_headers.values() {
            redaction.hide_value(value.expose());
        }
        redaction
    }

    async fn send_request(&self, request: &AttemptRequest<'_>) -> Result<Response, Unanswered> {
        let target = request
            .target
            .map_err(|error| (ErrorCode::Blocked, error.to_string()))?;
        let mut post = self.client.post(target.url().clone());
        for &(name, value) in request.headers {
            // A name that is parsed is copied onto the heap.
            post = post.header(HeaderName::from_static(name), value);
        }
        let post = with_own(post, request.own_headers)?;
        let answer = post.body(request.body.clone()).send().await;
        answer.map_err(|error| match shortage(&error) {
            Some(short) => Unanswered::Short(short),
            None => classify(error).into(),
        })
    }
}

/// Adds headers whose values no log may show.
fn with_own(
    mut request: RequestBuilder,
    headers: &Headers,
) -> Result<RequestBuilder, (ErrorCode, String)> {
    for (name, value) in headers {
        let value = HeaderValue::from_str(value.expose()).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        // They were checked when they were set; one that cannot be sent says so without
        // its value.
        let value = value.map_err(|_| (ErrorCode::Blocked, format!("cannot send {name}")))?;
        request = request.header(name, value);
    }
    Ok(request)
}

fn millis(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}

/// An attempt without an answer.
const fn failed(error: ErrorCode, detail: String) -> Outcome {
    Outcome {
        http_status: None,
        error: Some(error),
        detail,
        excerpt: String::new(),
        retry_at_ms: None,
        duration_ms: 0,
    }
}

/// The code of a failed exchange, by the types of its causes, and the innermost cause in words.
fn classify(error: reqwest::Error) -> (ErrorCode, String) {
    // The URL of a chat is a secret.
    let error = error.without_url();
    let mut code = None;
    let mut innermost: &(dyn Error + 'static) = &error;
    loop {
        code = code.or_else(|| code_of(innermost));
        match cause(innermost) {
            Some(inner) => innermost = inner,
            None => break,
        }
    }
    let code = code.unwrap_or(if error.is_timeout() {
        ErrorCode::Timeout
    } else {
        // Refused, unreachable, reset, closed before an answer, or an answer that is no HTTP.
        ErrorCode::Connect
    });
    (code, plain(&innermost.to_string()))
}

/// What this machine lacks, when that is why the exchange failed.
fn shortage(error: &(dyn Error + 'static)) -> Option<Short> {
    let causes = std::iter::successors(Some(error), |error| cause(*error));
    causes
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .find(|error| error.raw_os_error().is_some_and(is_ours))
        .map(|error| Short(reason(error)))
}

/// Whether an error of the system says that this machine has no file, port or memory left.
fn is_ours(code: i32) -> bool {
    let ours = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    ours.iter().any(|errno| errno.raw_os_error() == code)
}

fn code_of(error: &(dyn Error + 'static)) -> Option<ErrorCode> {
    if error.is::<BlockedAddress>() {
        return Some(ErrorCode::Blocked);
    }
    if error.is::<ResolveError>() {
        return Some(ErrorCode::Dns);
    }
    error.is::<rustls::Error>().then_some(ErrorCode::Tls)
}

/// `source()`, but an `io::Error` that wraps another error answers with that, not its source.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
        Some(Some(inner)) => Some(inner),
        _ => error.source(),
    }
}

/// Resolves names with the system's resolver, and hands on what the guard lets through: the
/// address that was judged is the address that is connected to.
struct Resolver {
    guard: Option<Guard>,
}

#[derive(Debug, thiserror::Error)]
enum ResolveError {
    #[error("cannot resolve {0}")]
    Lookup(String, #[source] io::Error),
    #[error("{0} has no address")]
    Empty(String),
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            let name = name.as_str();
            // Port 0 stands for the URL's.
            let found = tokio::net::lookup_host((name, 0))
                .await
                .map_err(|error| ResolveError::Lookup(name.to_owned(), error))?;
            let mut blocked = None;
            let mut allowed = Vec::new();
            for address in found {
                match guard.as_ref().map_or(Ok(()), |it| it.check(address.ip())) {
                    Ok(()) => allowed.push(address),
                    Err(refusal) => blocked = Some(refusal),
                }
            }
            match (allowed.is_empty(), blocked) {
                (false, _) => Ok(Box::new(allowed.into_iter()) as Addrs),
                (true, Some(refusal)) => Err(refusal.into()),
                (true, None) => Err(ResolveError::Empty(name.to_owned()).into()),
            }
        })
    }
}

/// TLS that trusts the public authorities as shipped, the system's, and the operator's own.
///
/// # Errors
/// When the operator's file holds none, or TLS cannot be set up.
pub fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, SenderError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let system = rustls_native_certs::load_native_certs();
    if !system.errors.is_empty() {
        // A container often has none; the shipped ones serve there.
        tracing::debug!(
            errors = system.errors.len(),
            "some of the system's certificates cannot be read"
        );
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let unreadable = |source| SenderError::CaFile {
            path: path.to_owned(),
            source,
        };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable)?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(SenderError::NoCertificate(path.to_owned()));
        }
    }
    Ok(tls_with(roots)?)
}

/// TLS that trusts these authorities.
///
/// # Errors
/// When TLS cannot be set up.
pub fn tls_with(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

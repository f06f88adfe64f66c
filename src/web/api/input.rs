//! What comes in: a body or a query as a type, or a problem that names the field.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use url::form_urlencoded;

use super::problem::Problem;
use crate::model::Setting;
use crate::operations::{items, json};
use crate::web::Web;
use crate::web::body::{self, Held, Sender, Unread};

const JSON: &str = "application/json";
/// JSON, one value a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// A JSON body that may be left out, or be null.
pub(super) struct MaybeBody<T>(pub(super) T);

/// A body of one JSON object, of an array of them, or of one a line: the text of each.
pub(super) struct Items {
    pub(super) texts: Vec<String>,
    /// Whether it was one object alone.
    pub(super) is_single: bool,
    /// The texts take the body's place until all of them are dealt with.
    _held: Held,
}

/// How large a body may be here, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Limit(pub(super) usize);

/// A body that was read before its handler's turn.
struct Ahead(body::Body);

/// The query, every parameter known.
pub(super) struct Query<T>(pub(super) T);

/// The one segment of the path that names something, decoded.
pub(super) struct Segment(pub(super) String);

/// The two segments of the path that name something together, decoded.
pub(super) struct Segments(pub(super) String, pub(super) String);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = whole(request, payload);
        Box::pin(async move {
            let (body, is_json) = body.await?;
            read(&body.bytes, is_json).map(Self)
        })
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for MaybeBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = whole(request, payload);
        Box::pin(async move {
            let (body, is_json) = body.await?;
            if body.bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            let body: Option<T> = read(&body.bytes, is_json)?;
            Ok(Self(body.unwrap_or_default()))
        })
    }
}

/// The whole body, and whether it is said to be JSON.
fn whole(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<(body::Body, bool), Problem>> + use<> {
    let body = take(request, payload);
    let is_json = is(request, JSON);
    async move { Ok((body.await?, is_json)) }
}

/// Reads the whole body, or takes what was [read ahead](hand_on).
pub(super) fn take(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<body::Body, Problem>> + use<> {
    let ahead = request.extensions_mut().remove::<Ahead>();
    let (request, payload) = (request.clone(), payload.take());
    async move {
        if let Some(Ahead(body)) = ahead {
            return Ok(body);
        }
        let shared = request.app_data::<Data<Web>>();
        let limit = request.app_data::<Limit>();
        let Some((shared, Limit(limit))) = shared.zip(limit) else {
            return Err(Problem::internal(&"the API was not set up"));
        };
        let body = shared
            .bodies
            .read(&request, payload, (Sender::Caller, *limit));
        body.await.map_err(|unread| not_read(unread, *limit))
    }
}

/// Leaves a body that was read for the handler.
pub(super) fn hand_on(request: &HttpRequest, body: body::Body) {
    request.extensions_mut().insert(Ahead(body));
}

fn read<T: DeserializeOwned>(bytes: &[u8], is_json: bool) -> Result<T, Problem> {
    if !is_json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON, and say so: Content-Type: application/json",
        ));
    }
    json::read(bytes).map_err(|fault| Problem::fields(vec![fault.into()]))
}

/// Tells a field that is null, which takes back what was set, from one that is left out.
pub(super) fn setting<'de, D, T>(deserializer: D) -> Result<Option<Setting<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let own = Option::deserialize(deserializer)?;
    Ok(Some(Setting::from(own)))
}

/// Whether the body is said to be of this media type.
fn is(request: &HttpRequest, media_type: &str) -> bool {
    let value = request.headers().get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

/// A body that could not be read to its end.
fn not_read(unread: Unread, limit: usize) -> Problem {
    match unread {
        Unread::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is too large: send at most {limit} bytes at once"),
        ),
        Unread::TooMany => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many bodies are being read: send it again later",
        ),
        Unread::TooSlow => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive: send it again",
        ),
        Unread::Broken => Problem::field("", "the body ended before its announced length"),
    }
}

impl FromRequest for Items {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = take(request, payload);
        let (is_json, is_lines) = (is(request, JSON), is(request, NDJSON));
        Box::pin(async move {
            let body::Body { bytes, held } = body.await?;
            let read = match (is_json, is_lines) {
                (true, _) => items::read(&bytes),
                (_, true) => items::read_lines(&bytes),
                _ => {
                    return Err(Problem::new(
                        StatusCode::UNSUPPORTED_MEDIA_TYPE,
                        format!("send JSON, and say so: Content-Type: {JSON} or {NDJSON}"),
                    ));
                }
            };
            let (texts, is_single) = read.map_err(|fault| Problem::fields(vec![fault.into()]))?;
            Ok(Self {
                texts,
                is_single,
                _held: held,
            })
        })
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let query = serde_urlencoded::Deserializer::new(pairs);
        let parsed = serde_path_to_error::deserialize(query).map_err(|error| {
            let detail = error.inner().to_string();
            let path = error.path().to_string();
            let field = json::named(&detail).map_or(path, str::to_owned);
            Problem::field(field, detail.replace(" field `", " parameter `"))
        });
        ready(parsed.map(Self))
    }
}

impl FromRequest for Segments {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let segments = actix_web::web::Path::<(String, String)>::extract(request).into_inner();
        ready(
            segments
                .map(|segments| {
                    let (first, second) = segments.into_inner();
                    Self(first, second)
                })
                .map_err(|_| Problem::missing("such thing: its name in the URL cannot be read")),
        )
    }
}

impl FromRequest for Segment {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let segment = actix_web::web::Path::<String>::extract(request).into_inner();
        ready(
            segment
                .map(|segment| Self(segment.into_inner()))
                .map_err(|_| Problem::missing("such thing: its name in the URL cannot be read")),
        )
    }
}

impl Segment {
    /// The segment as a number.
    pub(super) fn number(&self, what: &str) -> Result<i64, Problem> {
        let Self(text) = self;
        text.parse()
            .map_err(|_| Problem::missing(format_args!("{what} {text:?}: its id is a number")))
    }
}

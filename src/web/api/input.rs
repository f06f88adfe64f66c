//! What comes in: a body or a query as a type, or a problem that names the field.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use url::form_urlencoded;

use super::problem::Problem;
use crate::model::Setting;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// The query, every parameter known.
pub(super) struct Query<T>(pub(super) T);

/// The one segment of the path that names something, decoded.
pub(super) struct Segment(pub(super) String);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        let is_json = is_json(request);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| not_read(&error))?;
            if !is_json {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "send JSON, and say so: Content-Type: application/json",
                ));
            }
            parse(&bytes).map(Self)
        })
    }
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

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// A body that could not be read to its end.
pub(super) fn not_read(error: &actix_web::Error) -> Problem {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
        }
        _ => Problem::field("", "the body ended before its announced length"),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if inner.classify() != serde_json::error::Category::Data {
            return Problem::field("", format!("the body is no JSON: {inner}"));
        }
        let (pointer, detail) = (pointer(error.path()), told(inner));
        // Of a field that is unknown the path ends at the field itself.
        let name = named(&detail).filter(|_| !detail.starts_with("unknown"));
        let name = name.map_or_else(String::new, |name| format!("/{}", escape(name)));
        Problem::field(format!("{pointer}{name}"), detail)
    })?;
    let end = json.end();
    end.map_err(|error| Problem::field("", format!("the body is no JSON: {error}")))?;
    Ok(parsed)
}

/// The error without its place, which the pointer tells better.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The field that serde speaks of where its path ends at what holds the field.
fn named(detail: &str) -> Option<&str> {
    ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| detail.strip_prefix(start)?.split('`').next())
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment as Part;
    path.iter()
        .filter_map(|part| match part {
            Part::Seq { index } => Some(format!("/{index}")),
            Part::Map { key } => Some(format!("/{}", escape(key))),
            Part::Enum { .. } | Part::Unknown => None,
        })
        .collect()
}

/// As RFC 6901 has it.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
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
            let field = named(&detail).map_or(path, str::to_owned);
            Problem::field(field, detail.replace(" field `", " parameter `"))
        });
        ready(parsed.map(Self))
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

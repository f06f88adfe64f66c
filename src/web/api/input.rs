//! What comes in: a body or a query as a type, or a problem that names the field.

use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use serde::Deserializer;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use url::form_urlencoded;

use super::faults::Faults;
use crate::admin::json::Read;
use crate::admin::{Fault, items, json};
use crate::model::quoted;
use crate::web::Web;
use crate::web::body::{self, BodyPermit, BodySender, LargeCallPermit};
use crate::web::problem::Problem;

/// A body is parsed off the request's thread from this size on, in bytes.
const LARGE: usize = 64 * 1024;
/// How many things may come in one body; each takes a few KiB while it is dealt with.
const MOST: usize = 16_384;
/// The most parameters that one answer says are wrong.
const MOST_FAULTS: usize = 50;
const JSON: &str = "application/json";
/// JSON, one value a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// A JSON body.
pub(super) struct JsonBody<T>(pub(super) T);

/// A JSON body with the mistakes in its shape, so that mistakes in its meaning can be reported
/// beside them.
pub(super) struct Checked<T>(pub(super) T, pub(super) Vec<Fault>);

/// A JSON body that may be left out, or be null.
pub(super) struct MaybeBody<T>(pub(super) T);

/// A body of one JSON object, of an array of them, or of one a line: the text of each.
pub(super) struct Items {
    pub(super) texts: Vec<String>,
    /// Whether it was one object alone.
    pub(super) is_single: bool,
}

/// How large a body may be here, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Limit(pub(super) usize);

/// A body that was read before its handler's turn.
struct Ahead(Vec<u8>);

/// What a body takes, and its turn: what was made of it takes their place until it is answered.
struct BodyPermits {
    _permit: BodyPermit,
    _turn: Option<LargeCallPermit>,
}

/// The query, every parameter known, with the mistakes in it: they are reported beside mistakes in
/// its meaning.
pub(super) struct UrlQuery<T>(pub(super) T, pub(super) Faults);

/// The one segment of the path that names something, decoded.
pub(super) struct Segment(pub(super) String);

/// The two segments of the path that name something together, decoded.
pub(super) struct Segments(pub(super) String, pub(super) String);

impl<T: DeserializeOwned + Send + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = whole(request, payload);
        Box::pin(async move {
            let (bytes, is_json) = body.await?;
            read(bytes, is_json).await.map(Self)
        })
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest for Checked<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = whole(request, payload);
        Box::pin(async move {
            let (bytes, is_json) = body.await?;
            must_be_json(is_json)?;
            let as_far_as_read = |bytes: &[u8]| {
                let Read { value, faults } = json::read(bytes);
                match value {
                    Some(value) => Ok(Self(value, faults)),
                    None => Err(faults),
                }
            };
            parse(bytes, as_far_as_read).await
        })
    }
}

impl<T: DeserializeOwned + Default + Send + 'static> FromRequest for MaybeBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = whole(request, payload);
        Box::pin(async move {
            let (bytes, is_json) = body.await?;
            if bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            let body: Option<T> = read(bytes, is_json).await?;
            Ok(Self(body.unwrap_or_default()))
        })
    }
}

/// The whole body, and whether it is said to be JSON.
fn whole(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<(Vec<u8>, bool), Problem>> + use<> {
    let body = take(request, payload);
    let is_json = is(request, JSON);
    async move { Ok((body.await?, is_json)) }
}

/// Reads the whole body, or takes what was [read ahead](hand_on).
pub(super) fn take(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Vec<u8>, Problem>> + use<> {
    let ahead = request.extensions_mut().remove::<Ahead>();
    let (request, payload) = (request.clone(), payload.take());
    async move {
        if let Some(Ahead(bytes)) = ahead {
            return Ok(bytes);
        }
        let shared = request.app_data::<Data<Web>>();
        let limit = request.app_data::<Limit>();
        let Some((shared, Limit(limit))) = shared.zip(limit) else {
            return Err(Problem::internal(&"the API was not set up"));
        };
        let bodies = &shared.bodies;
        let not_read = |unread| Problem::unread(unread, *limit);
        let body = bodies
            .read(&request, payload, (BodySender::Caller, *limit))
            .await;
        let body::RequestBody { bytes, permit } = body.map_err(not_read)?;
        let turn = bodies.turn(&bytes).await.map_err(not_read)?;
        let permits = BodyPermits {
            _permit: permit,
            _turn: turn,
        };
        request.extensions_mut().insert(permits);
        Ok(bytes)
    }
}

/// Leaves a body that was read for the handler.
pub(super) fn hand_on(request: &HttpRequest, bytes: Vec<u8>) {
    request.extensions_mut().insert(Ahead(bytes));
}

async fn read<T>(bytes: Vec<u8>, is_json: bool) -> Result<T, Problem>
where
    T: DeserializeOwned + Send + 'static,
{
    must_be_json(is_json)?;
    parse(bytes, |bytes| json::read(bytes).whole()).await
}

fn must_be_json(is_json: bool) -> Result<(), Problem> {
    if is_json {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send JSON, and say so: Content-Type: application/json",
    ))
}

/// Reads a body, a large one off the thread that serves others.
async fn parse<T: Send + 'static>(
    bytes: Vec<u8>,
    read: fn(&[u8]) -> Result<T, Vec<Fault>>,
) -> Result<T, Problem> {
    let read = if bytes.len() < LARGE {
        read(&bytes)
    } else {
        let read = web::block(move || read(&bytes)).await;
        read.map_err(|error| Problem::internal(&error))?
    };
    read.map_err(Problem::faults)
}

/// Whether the body is said to be of this media type.
fn is(request: &HttpRequest, media_type: &str) -> bool {
    let value = request.headers().get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

impl FromRequest for Items {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = take(request, payload);
        let (is_json, is_lines) = (is(request, JSON), is(request, NDJSON));
        Box::pin(async move {
            let bytes = body.await?;
            let read = match (is_json, is_lines) {
                (true, _) => |bytes: &[u8]| items::read(bytes, MOST).map_err(|fault| vec![fault]),
                (_, true) => {
                    |bytes: &[u8]| items::read_lines(bytes, MOST).map_err(|fault| vec![fault])
                }
                _ => {
                    return Err(Problem::new(
                        StatusCode::UNSUPPORTED_MEDIA_TYPE,
                        format!("send JSON, and say so: Content-Type: {JSON} or {NDJSON}"),
                    ));
                }
            };
            let (texts, is_single) = parse(bytes, read).await?;
            Ok(Self { texts, is_single })
        })
    }
}

impl<T: DeserializeOwned> FromRequest for UrlQuery<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = query(request.query_string());
        ready(read.map(|(query, faults)| Self(query, Faults::new(faults))))
    }
}

/// Reads the parameters; each wrong one is reported, by reading again without it.
fn query<T: DeserializeOwned>(text: &str) -> Result<(T, Vec<Fault>), Problem> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    let mut pairs: Vec<(String, String)> = pairs.into_owned().collect();
    let mut faults: Vec<Fault> = Vec::new();
    loop {
        let borrowed = pairs.iter().map(|(name, value)| (&**name, &**value));
        let parameters = MapDeserializer::<_, serde::de::value::Error>::new(
            borrowed.map(|(name, value)| (name, Parameter(value))),
        );
        let error = match serde_path_to_error::deserialize(parameters) {
            Ok(query) => return Ok((query, faults)),
            Err(error) => error,
        };
        let text = error.inner().to_string();
        let path = error.path().to_string();
        let field = json::named(&text).map_or(path, str::to_owned);
        let mut detail = json::explained(&text, &field, false);
        if !detail.contains(&field) {
            detail = format!("{field}: {detail}");
        }
        let before = pairs.len();
        pairs.retain(|(name, _)| *name != field);
        faults.push(Fault::new(field, detail));
        if pairs.len() == before || faults.len() >= MOST_FAULTS {
            return Err(Problem::faults(faults));
        }
    }
}

/// The text of a parameter, read as what is wanted.
struct Parameter<'a>(&'a str);

impl<'de> IntoDeserializer<'de, serde::de::value::Error> for Parameter<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Parameter<'de> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => visitor.visit_borrowed_str(self.0),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_borrowed_str(self.0),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
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
    /// The segment as the key of a row.
    pub(super) fn key<K: FromStr>(&self, what: &str) -> Result<K, Problem> {
        let Self(text) = self;
        text.parse().map_err(|_| {
            Problem::missing(format_args!(
                "{what} {text}: its id is a number",
                text = quoted(text)
            ))
        })
    }
}

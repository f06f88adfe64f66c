//! An answer: what it means, and what of it may be shown.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{
    CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER, SERVER, VIA, WWW_AUTHENTICATE,
};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use super::redaction::Redaction;
use crate::model::{ErrorCode, Outcome};

/// How much of a failed attempt's answer is kept, in bytes.
const EXCERPT: usize = 2 * 1024;

/// How much of it is looked through for our credentials before it is cut to that.
const LOOKED_THROUGH: usize = 4 * EXCERPT;

/// How much of an answer's body is read so that its connection can serve the next attempt; a
/// longer one costs the connection.
const DRAIN: usize = 64 * 1024;

/// The longest `Retry-After` that is honoured.
const MAX_RETRY_AFTER_MS: i64 = 24 * 3_600_000;

/// The headers of an answer that people are shown: what was answered, by which server, and what to do.
const SHOWN: [HeaderName; 7] = [
    CONTENT_TYPE,
    DATE,
    LOCATION,
    RETRY_AFTER,
    SERVER,
    VIA,
    WWW_AUTHENTICATE,
];

/// How long that reading may take within the attempt's time. The status has decided by then,
/// and a body that never ends must not hold the subscriber's next forward for long.
pub(super) const BODY_TIME: Duration = Duration::from_secs(2);

/// The headers of an answer that are of interest; of where a redirect leads, the server.
pub(super) fn recorded_headers(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    SHOWN.into_iter().filter_map(|name| {
        let value = headers.get(&name)?.as_bytes();
        let value = String::from_utf8_lossy(value).into_owned();
        let value = if name == LOCATION {
            server_of(&value)
        } else {
            value
        };
        Some((name.as_str().to_owned(), value))
    })
}

/// Where a redirect leads, as it came.
pub(super) fn location_of(response: &Response) -> Option<String> {
    let value = response.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The server that a `Location` names: the rest of one may be a secret.
fn server_of(location: &str) -> String {
    match url::Url::parse(location) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => "a path of the same server".to_owned(),
    }
}

/// Hides in an outcome what must not be shown, then cuts its excerpt to its length.
pub(super) fn hide(redaction: &Redaction, outcome: &mut Outcome) {
    outcome.detail = redaction.apply(&outcome.detail);
    let mut excerpt = redaction.apply(&outcome.excerpt);
    if excerpt.len() > EXCERPT {
        excerpt.truncate(excerpt.floor_char_boundary(EXCERPT));
    }
    outcome.excerpt = excerpt;
}

/// The outcome of an answer that came at `now_ms`, whose body is read for at most `time`; of a
/// yes it is kept only to be shown. What it says is not yet fit to be shown: see [`hide`].
pub(super) async fn judge(
    response: Response,
    now_ms: i64,
    time: Duration,
    is_shown: bool,
) -> Outcome {
    let status = response.status();
    let error = match status.as_u16() {
        100..=199 => Some(ErrorCode::Http1xx),
        200..=299 => None,
        300..=399 => Some(ErrorCode::Redirect),
        400..=499 => Some(ErrorCode::Http4xx),
        _ => Some(ErrorCode::Http5xx),
    };
    let header = |name| response.headers().get(name)?.to_str().ok();
    let retry_at_ms = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            header(RETRY_AFTER).and_then(|value| retry_at(value, now_ms))
        }
        _ => None,
    };
    let detail = match error {
        None => String::new(),
        Some(ErrorCode::Redirect) => {
            let to =
                location_of(&response).map_or_else(|| "nowhere".to_owned(), |it| server_of(&it));
            format!("{status} to {to}: redirects are not followed")
        }
        Some(_) => status.to_string(),
    };
    let keep = if error.is_some() || is_shown {
        LOOKED_THROUGH
    } else {
        0
    };
    Outcome {
        http_status: Some(status.as_u16()),
        error,
        detail,
        excerpt: read_excerpt(response, keep, time).await,
        retry_at_ms,
        duration_ms: 0,
    }
}

/// The first `keep` bytes of the body as text, NUL and what is no text replaced; reads on for
/// the connection's sake where that is cheap.
async fn read_excerpt(mut response: Response, keep: usize, time: Duration) -> String {
    let long = response
        .content_length()
        .is_some_and(|length| length > DRAIN as u64);
    let limit = if long { keep } else { DRAIN };
    let mut kept = Vec::new();
    let reading = async {
        let mut read = 0;
        while read <= limit {
            // A body that breaks off is a short body: the status has come.
            let Ok(Some(chunk)) = response.chunk().await else {
                break;
            };
            read += chunk.len();
            kept.extend(chunk.iter().take(keep - kept.len()));
        }
    };
    // What was read in time is what there is.
    timeout(time, reading).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&kept).replace('\0', "\u{fffd}");
    if kept.len() == keep {
        // The cut may have gone through a character.
        return text.trim_end_matches('\u{fffd}').to_owned();
    }
    text
}

/// When a `Retry-After` (seconds or an HTTP date) says to come back, ms since 1970 UTC; `None`
/// when it cannot be read or is past, at most 24 h from now.
pub(super) fn retry_at(value: &str, now_ms: i64) -> Option<i64> {
    let value = value.trim();
    let requested_ms = if let Ok(date) = httpdate::parse_http_date(value) {
        i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?
    } else if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: i64 = value.parse().unwrap_or(i64::MAX);
        now_ms.saturating_add(seconds.saturating_mul(1000))
    } else {
        return None;
    };
    (requested_ms > now_ms).then(|| requested_ms.min(now_ms.saturating_add(MAX_RETRY_AFTER_MS)))
}

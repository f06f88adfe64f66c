//! A forward: one report queued for one subscriber, and how an attempt at it can end.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Choice, UnknownWord};

/// Where a forward stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum ForwardState {
    /// Queued: due now or later.
    Pending,
    /// The subscriber answered 2xx.
    Delivered,
    /// It will not be tried again by itself.
    GaveUp,
}

impl Choice for ForwardState {
    const WHAT: &'static str = "state of a forward";
}

/// Why a forward was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum GaveUp {
    /// Every attempt of the schedule failed.
    AttemptsExhausted,
    /// It waited longer than a forward may (an outage, a pause).
    Expired,
    /// Its subscriber was removed.
    SubscriberRemoved,
}

impl GaveUp {
    /// One clause for the timeline: why it is not tried any more.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "every attempt failed",
            Self::Expired => "it waited for too long",
            Self::SubscriberRemoved => "the subscriber was removed",
        }
    }
}

/// The stable code of a failed attempt, for people to branch on and analysts to group by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum ErrorCode {
    /// The host's name could not be resolved.
    Dns,
    /// No connection: refused, unreachable, reset before an answer.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The whole exchange took too long.
    Timeout,
    /// The target is an address that may not be sent to.
    Blocked,
    /// A 1xx answer that nothing follows, as 101: the other end speaks another protocol.
    #[serde(rename = "http_1xx")]
    #[strum(serialize = "http_1xx")]
    Http1xx,
    /// A 4xx answer.
    #[serde(rename = "http_4xx")]
    #[strum(serialize = "http_4xx")]
    Http4xx,
    /// A 5xx answer, or one that is no HTTP status of today.
    #[serde(rename = "http_5xx")]
    #[strum(serialize = "http_5xx")]
    Http5xx,
    /// A 3xx answer: redirects are not followed.
    Redirect,
}

impl Choice for ErrorCode {
    const WHAT: &'static str = "error of an attempt";
}

/// How one attempt ended: a value, never an error of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The HTTP status, when there was an answer.
    pub http_status: Option<u16>,
    /// Why it counts as failed; `None` for a 2xx.
    pub error: Option<ErrorCode>,
    /// What went wrong in words, for people (`connection refused`); empty for a 2xx.
    pub detail: String,
    /// The first 2 KiB of the answer's body, text as far as it is text; empty for a 2xx
    /// whose body is not kept.
    pub excerpt: String,
    /// The time of `Retry-After` (on 429 and 503), ms since 1970 UTC.
    pub retry_at_ms: Option<i64>,
    /// How long the exchange took, in ms.
    pub duration_ms: u32,
}

impl Outcome {
    /// Whether the subscriber took it.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        self.error.is_none()
    }

    /// Whether the subscriber is gone for good (410).
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self.http_status, Some(410))
    }

    /// Whether this says something of the subscriber as a whole rather than of one forward:
    /// no connection, no answer in time, 5xx, 429. These open its breaker.
    #[must_use]
    pub const fn counts_against_subscriber(&self) -> bool {
        match self.error {
            Some(
                ErrorCode::Dns
                | ErrorCode::Connect
                | ErrorCode::Tls
                | ErrorCode::Timeout
                | ErrorCode::Http5xx,
            ) => true,
            Some(ErrorCode::Http4xx) => matches!(self.http_status, Some(429)),
            _ => false,
        }
    }
}

/// Where a forward stands in its lane: of those that are due together the first one goes first. No two
/// forwards have one place, and a forward keeps its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanePlace(i64);

impl LanePlace {
    /// Behind every other.
    pub(crate) const LAST: Self = Self(i64::MAX);

    /// As an engine counts; the lower one is the earlier.
    #[must_use]
    pub const fn of(number: i64) -> Self {
        Self(number)
    }
}

/// What an attempt did to its forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Delivered: nothing is pending any more.
    Delivered,
    /// To be tried again at this time, ms since 1970 UTC.
    RetryAt(i64),
    /// The same, and the attempt used up none: the subscriber may be down as a whole.
    PutOff(i64),
    /// Given up.
    GaveUp(GaveUp),
    /// Left as it is: a breaker's probe, and a turn ahead of a later status, use up no attempt.
    Untouched,
}

impl fmt::Display for Settled {
    /// As the log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |ms: i64| DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
        let at = |ms| at(ms).to_rfc3339_opts(SecondsFormat::Millis, true);
        match self {
            Self::Delivered => f.write_str("delivered"),
            Self::RetryAt(ms) => write!(f, "retry at {}", at(*ms)),
            Self::PutOff(ms) => write!(f, "retry at {}, not counted", at(*ms)),
            Self::GaveUp(reason) => write!(f, "gave up: {}", reason.explain()),
            Self::Untouched => f.write_str("retry in its turn, not counted"),
        }
    }
}

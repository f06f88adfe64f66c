//! Times as the API has them, RFC 3339 in UTC with milliseconds, and spans of time as the
//! configuration has them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::config::{duration, spell_duration};

/// A time, ms since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-02-11T08:15:32.904Z")]
pub(crate) struct Time(pub(crate) i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ms) = *self;
        let time = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text);
        time.map(|time| Self(time.timestamp_millis())).map_err(|_| {
            D::Error::custom(format!(
                "{text:?} is no time: write it as in 2026-02-11T08:15:32Z"
            ))
        })
    }
}

/// A span of time: a whole number and its unit, `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{1,9}(ms|s|m|h|d)$", example = "15s")]
pub(crate) struct Span(pub(super) u64);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&spell_duration(Duration::from_millis(self.0)))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = duration(&text).map_err(D::Error::custom)?;
        Ok(Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

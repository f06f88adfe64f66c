//! Times as the API has them, RFC 3339 in UTC with milliseconds.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::model::Since;

/// A time, ms since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-02-11T08:15:32.904Z")]
pub(crate) struct Time(pub(crate) i64);

impl From<Time> for i64 {
    fn from(Time(ms): Time) -> Self {
        ms
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text);
        let time = time.map_err(|_| D::Error::custom("is no RFC 3339 time"))?;
        Ok(Self(time.timestamp_millis()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ms) = *self;
        let time = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time as a person writes it: a time, a date, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "2h")]
pub(crate) struct TimeOrAge(pub(crate) Since);

impl TimeOrAge {
    /// As ms since 1970 UTC.
    pub(super) const fn ms(self, now_ms: i64) -> i64 {
        self.0.ms(now_ms)
    }
}

impl fmt::Display for TimeOrAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Since::At(ms) => Time(ms).fmt(f),
            Since::Ago(ms) => write!(f, "{}s", ms / 1000),
        }
    }
}

impl Serialize for TimeOrAge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOrAge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

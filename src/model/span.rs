//! Spans of time as people write them: a whole number and its unit, such as `15s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::quoted;

/// Units of time with their milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A span of time in ms: a whole number and its unit, `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{1,9}(ms|s|m|h|d)$", example = "15s")]
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&spell_duration(Duration::from_millis(self.0)))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = duration(text)?;
        Ok(Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<u32> for Span {
    fn from(ms: u32) -> Self {
        Self(ms.into())
    }
}

/// In ms; the largest there is for a span that is longer.
impl From<Span> for u32 {
    fn from(Span(ms): Span) -> Self {
        Self::try_from(ms).unwrap_or(Self::MAX)
    }
}

/// Reads a span of time such as `15s`, zero included.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    measure(text, &TIMES)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!("{text} is not a duration: write a whole number and its unit, e.g. \"500ms\", \"15s\", \"5m\", \"2h\" or \"7d\"", text = quoted(text))
        })
}

/// Writes a span of time so that [`duration`] reads it back; below a millisecond is cut off.
pub(crate) fn spell_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    spell(milliseconds, &TIMES)
}

/// Reads `<whole number><unit>`; `None` when it is anything else or overflows.
pub(crate) fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

/// Writes an amount with the largest unit that it is a multiple of.
pub(crate) fn spell(amount: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, scale)| amount != 0 && amount.is_multiple_of(*scale))
        .map_or_else(
            || amount.to_string(),
            |(unit, scale)| format!("{}{unit}", amount / scale),
        )
}

//! A subscriber's settings, one row each.
//!
//! A row is all that the API, the command line, the store, the audit and `--json`
//! need to know of a setting: each applies a template of its own to these rows. What a row's type
//! must be able to do stands at the macro `settings!`. CONTRIBUTING.md has the walk for a new one.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::model::{Choice, Fault, Span, UnknownWord, Whole};

pub use super::Setting;

/// Hands the rows to a template.
///
/// `payload` says how payloads look, `values` always hold something, `own` may be left to what holds
/// for every subscriber. Of each row, in its order: what the API's document says of it; its name there
/// and, with hyphens, as a flag; its type, of this module; where `kept as` stands, the field of
/// `--json` with its type, and the store's column; its check; the flag's value and help; how
/// `subscriber show` has it.
///
/// A type reads and writes JSON (`serde`) and its schema (`ToSchema`), reads a flag (`FromStr`), shows
/// itself (`Display`), turns into what is kept and back (`From`); one of `values` has a `Default`. What
/// is kept is a whole number, true or false, a text, or else JSON in a column of text.
macro_rules! settings {
    ($template:ident) => {
        $template! {
            payload {
                /// Which keys it has.
                format: PayloadFormat,
                flag "WORD" "Which keys a payload has: rocketchat (the eight; default) or extended",
                shown as "{}";

                /// How `ErrorDetails` is written.
                error_format: ErrorFormat,
                flag "WORD" "How errors are written: whatsapp_array (default), whatsapp_object or string",
                shown as "errors {}";

                /// How numbers are written.
                phone_format: NumberFormat,
                flag "WORD" "How numbers are written: plus (default), digits or as_received",
                shown as "numbers {}";

                /// How `timestamp` is written.
                timestamp_format: TimestampFormat,
                flag "WORD" "How times are written: rfc3339 (default), epoch_seconds or epoch_millis",
                shown as "times {}";
            }
            values {
                /// Whether it gets late and contradicting reports too; `changes` by default.
                reports: Reports, kept as reports: settings::Reports, column "reports",
                flag "WORD" "Which new reports: changes (of a message's status; default) or all (late and contradicting ones too)",
                shown as "Reports": "{}";

                /// What a later status of a message waits for; `relaxed` by default.
                ordering: Ordering, kept as ordering: settings::Ordering, column "ordering",
                flag "WORD" "What a later status of a message waits for: relaxed (an attempt of the earlier; default) or strict (until the earlier is delivered or given up)",
                shown as "Ordering": "{}";

                /// How many forwards may be in flight to it at once; 8 by default.
                concurrency: Concurrency, kept as concurrency: u16, column "concurrency",
                flag "NUMBER" "How many requests it may get at once, 1 to 256; default: 8",
                shown as "At once": "{}";
            }
            own {
                /// How long an attempt may take, 100ms to 60s; null: as the service's configuration says.
                timeout: Timeout, kept as timeout_ms: u32, column "timeout_ms",
                checked by check_timeout,
                flag "TIME" "How long a request may take, 100ms to 60s; default: as the configuration says",
                shown as "Timeout": "{}";

                /// How many attempts may begin within a second; null: any number.
                rate_limit: RateLimit, kept as rate_limit: u32, column "rate_limit",
                flag "NUMBER" "How many requests a second it may get; default: any number",
                shown as "At most": "{} a second";

                /// The waits between attempts, one fewer than attempts; null: as the configuration says.
                schedule: RetryWaits, kept as schedule_ms: Vec<u64>, column "schedule",
                checked by check_schedule,
                flag "TIMES" "The waits between attempts, as in 5s,5m,2h; none: a single attempt; default: as the configuration says",
                shown as "Tried again": "{}";
            }
        }
    };
}
pub(crate) use settings;

/// Which new reports a subscriber is notified of, its filter aside. The same status again is
/// sent to no subscriber.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum Reports {
    /// Those that change a message's status.
    #[default]
    Changes,
    /// Those too that came late or contradict what is known.
    All,
}

impl Choice for Reports {
    const WHAT: &'static str = "choice of reports";
}

/// What a later status of a message waits for. At most one of a message is in flight.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum Ordering {
    /// For an attempt of each earlier one that is pending too, not for its success.
    #[default]
    Relaxed,
    /// Until the earlier is delivered or given up.
    Strict,
}

impl Choice for Ordering {
    const WHAT: &'static str = "ordering";
}

/// Which keys a payload has.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum PayloadFormat {
    /// Rocket.Chat's eight.
    #[default]
    Rocketchat,
    /// The same eight, and what else is known of the report.
    Extended,
}

impl Choice for PayloadFormat {
    const WHAT: &'static str = "format";
}

/// How the payload's `ErrorDetails` is written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum ErrorFormat {
    /// An array of WhatsApp error objects, as WhatsApp sends it.
    #[default]
    WhatsappArray,
    /// The primary error alone, as one object.
    WhatsappObject,
    /// One line of text, several errors joined by ` / `.
    String,
}

impl Choice for ErrorFormat {
    const WHAT: &'static str = "error format";
}

/// How the payload's numbers are written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum NumberFormat {
    /// E.164 with a leading `+`.
    #[default]
    Plus,
    /// Digits alone.
    Digits,
    /// As the provider wrote it.
    AsReceived,
}

impl Choice for NumberFormat {
    const WHAT: &'static str = "phone format";
}

/// How the payload's `timestamp` is written; always a JSON string.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum TimestampFormat {
    /// RFC 3339 in UTC with milliseconds.
    #[default]
    Rfc3339,
    /// Seconds since 1970 UTC.
    EpochSeconds,
    /// Milliseconds since 1970 UTC.
    EpochMillis,
}

impl Choice for TimestampFormat {
    const WHAT: &'static str = "timestamp format";
}

/// How many forwards may be in flight to a subscriber at once.
pub type Concurrency = Whole<1, 256, 8>;
/// How many attempts may begin within a second.
pub type RateLimit = Whole<1, 10_000>;
/// How long an attempt may take.
pub type Timeout = Span;

/// A probe of the breaker counts as lost a minute after the configuration's timeout.
const TIMEOUTS: RangeInclusive<u64> = 100..=60_000;
/// How many waits between attempts there may be, and how long each.
const WAITS: usize = 100;
const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "a check borrows")]
pub(super) fn check_timeout(Span(ms): &Timeout, faults: &mut Vec<Fault>) {
    if !TIMEOUTS.contains(ms) {
        let detail = "timeout must be at least 100ms and at most 60s";
        faults.push(Fault::new("/timeout", detail));
    }
}

/// The waits between attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryWaits(pub Vec<Span>);

pub(super) fn check_schedule(RetryWaits(waits): &RetryWaits, faults: &mut Vec<Fault>) {
    if waits.len() > WAITS {
        let detail = format!("schedule has more than {WAITS} waits: leave some out");
        faults.push(Fault::new("/schedule", detail));
    }
    for (index, Span(ms)) in waits.iter().enumerate() {
        if *ms == 0 || Duration::from_millis(*ms) > LONGEST_WAIT {
            let detail = "each wait of the schedule must be longer than nothing and at most 7d";
            faults.push(Fault::new(format!("/schedule/{index}"), detail));
        }
    }
}

/// The word for a schedule without waits, which is a single attempt.
const NO_WAITS: &str = "none";

impl FromStr for RetryWaits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == NO_WAITS {
            return Ok(Self(Vec::new()));
        }
        let waits = text.split(',').map(|wait| wait.trim().parse());
        waits.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for RetryWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(waits) = self;
        let waits: Vec<String> = waits.iter().map(Span::to_string).collect();
        f.write_str(if waits.is_empty() { "never" } else { "after " })?;
        f.write_str(&waits.join(", "))
    }
}

impl From<Vec<u64>> for RetryWaits {
    fn from(ms: Vec<u64>) -> Self {
        Self(ms.into_iter().map(Span).collect())
    }
}

impl From<RetryWaits> for Vec<u64> {
    fn from(RetryWaits(waits): RetryWaits) -> Self {
        waits.into_iter().map(|Span(ms)| ms).collect()
    }
}

impl PartialSchema for RetryWaits {
    fn schema() -> RefOr<Schema> {
        let waits = ArrayBuilder::new().items(Ref::from_schema_name("Span"));
        waits.max_items(Some(WAITS)).into()
    }
}

impl ToSchema for RetryWaits {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Span::name().into(), Span::schema()));
    }
}

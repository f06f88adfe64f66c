//! Records of watching the service: counts of what came in, conditions, and which of them were
//! reported.

use serde_json::{Map, Value};

use crate::model::ConditionKey;

/// What is counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Counted {
    /// Webhooks of a source.
    Webhooks,
    /// Those of them that could not be read, or not all of it.
    Unreadable,
    /// New reports.
    Reports,
    /// Those of them that failed, by their error.
    Failures,
}

/// How many of something came in one step of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// When the step begins, ms since 1970 UTC.
    pub begins_at_ms: i64,
    /// What was counted.
    pub what: Counted,
    /// Its subject: a source's name, an error's key, or none.
    pub subject: String,
    /// How many.
    pub count: u64,
}

/// Up to where what came in was counted: the keys of the last webhook and report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Of the last webhook.
    pub(in crate::store) webhook: i64,
    /// Of the last report.
    pub(in crate::store) report: i64,
}

/// What came in after a position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrived {
    /// Up to where it was counted.
    pub position: Position,
    /// How many of what, of which source.
    pub counts: Vec<(Counted, String, u64)>,
    /// Whether more came in than was counted in one go.
    pub more: bool,
}

/// What was sent last of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifiedCondition {
    /// Its key.
    pub condition_id: ConditionKey,
    /// Which condition.
    pub what: String,
    /// Of what.
    pub subject: String,
    /// Whether an event reported that it holds.
    pub holds: bool,
    /// When an event last reported that it began, ms since 1970 UTC.
    pub began_at_ms: i64,
    /// When anything was last reported or noted of it, ms since 1970 UTC.
    pub notified_at_ms: i64,
}

/// A change of a condition, to be noted and reported.
#[derive(Debug, Clone, PartialEq)]
pub struct EventTransition {
    /// Which condition.
    pub what: &'static str,
    /// Of what.
    pub subject: String,
    /// Whether it holds now.
    pub holds: bool,
    /// The event's name; `None` when it is noted and not notified.
    pub event: Option<&'static str>,
    /// One sentence for people.
    pub text: String,
    /// The figures behind it.
    pub data: Map<String, Value>,
    /// When it was looked, ms since 1970 UTC.
    pub at_ms: i64,
}

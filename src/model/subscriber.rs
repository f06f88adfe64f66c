//! A subscriber: what it is notified of, and how its payloads look.

mod setting;
pub mod settings;
mod shapes;

use serde::{Deserialize, Serialize};

use super::{Choice, UnknownWord};

pub use setting::Setting;
pub use shapes::{
    NewSubscriber, PayloadOptions, PayloadOptionsChange, Subscriber, SubscriberChange,
};

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

/// What a subscriber has in `Authorization`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum AuthKind {
    /// A user and its password.
    #[default]
    Basic,
    /// A token.
    Bearer,
}

impl Choice for AuthKind {
    const WHAT: &'static str = "kind of credentials";
}

/// Whether a subscriber is sent to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum SubscriberState {
    /// It is.
    #[default]
    Active,
    /// An operator said to wait: what is pending is kept until it is resumed or expires.
    Paused,
    /// It answered 410, or failed without pause for days: kept likewise, until resumed.
    Disabled,
}

impl Choice for SubscriberState {
    const WHAT: &'static str = "subscriber state";
}

/// The kind of a subscriber, which decides what it receives.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum SubscriberKind {
    /// Each report it wants, in a payload of its own.
    #[default]
    Callback,
    /// The failures it wants, as messages to people in a chat, those of one error together.
    Chat,
    /// What befalls the service itself; no report.
    Events,
}

impl Choice for SubscriberKind {
    const WHAT: &'static str = "subscriber kind";
}

/// How a subscriber of the kind `chat` is addressed; means nothing to the others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertOptions {
    /// The text, with placeholders in braces; our own words when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{count} not delivered: {reason} {link}")]
    pub wording: Option<String>,
    /// What `{link}` stands for: a URL with placeholders in braces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://dashboard.example/messages?error={code}")]
    pub link: Option<String>,
    /// Whether the chat is notified of account events too: a template that was paused, a number that
    /// lost quality. They have words of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub account_events: bool,
}

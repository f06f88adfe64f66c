//! A subscriber: what it is notified of, and how its payloads look.

mod setting;
pub mod settings;
mod shapes;

use serde::{Deserialize, Serialize};

use super::{Choice, UnknownWord};

pub use setting::Setting;
pub use settings::{ErrorFormat, NumberFormat, Ordering, PayloadFormat, Reports, TimestampFormat};
pub use shapes::{
    NewSubscriber, PayloadOptions, PayloadOptionsChange, Subscriber, SubscriberChange,
};

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
    /// What happened to the service itself; no report.
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

//! The nouns of the house: what a report, a message, a subscriber and a forward are.
//!
//! Pure: no I/O, no clock, no SQL, no HTTP types. Everything else is built on these words;
//! the next stage is [`crate::providers`], which turns a webhook's bytes into [`Report`]s.

mod account_event;
mod channel;
mod error;
mod fault;
mod filter;
mod forward;
mod given;
mod json_reason;
mod key;
mod message;
mod nul;
mod number;
mod object;
mod person;
mod registered;
mod registration;
mod report;
mod secret;
mod send;
mod signing_secret;
mod since;
mod skip_reason;
mod span;
mod status;
mod status_history;
mod subscriber;
mod template;
mod time;
mod whole;
mod word;
mod wording;

pub use account_event::{About, AccountEvent, EventGroup, EventLine, EventWords};
pub(crate) use account_event::{Words, has_digit, is_a_name};
pub use channel::{
    Fallback, Leg, OtherChannels, UNKNOWN_CHANNEL, is_channel_name, is_wanted_channel,
};
pub use error::ReportError;
pub use fault::Fault;
pub use filter::{Filter, FilterError, Offer, Rule};
pub use forward::{ErrorCode, ForwardState, GaveUp, LanePlace, Outcome, Settled};
pub use given::{
    ECHOED, Echoed, Quoted, bounded, clean, nearest, nearest_few, plain, quoted, reason, visible,
};
pub use json_reason::{json_reason, json_reason_of_part};
pub use key::{
    AccountEventKey, AttemptKey, AuditKey, ConditionKey, ForwardKey, MessageKey, NameLinkKey,
    PollKey, ReplayKey, ReportKey, SubscriberKey, TemplateKey, TokenKey, WebhookKey,
};
pub use message::{Message, TypeRule};
pub use nul::{NUL_CHARACTER, json_has_nul, json_without_nul, replace_nul};
pub use number::{decimal, digits, is_phone_number, whole_number};
pub(crate) use object::{maybe_object, object};
pub use person::{person_names, usual_name};
pub use registered::RegisteredFields;
pub use registration::{FilledTemplate, Parameters, Registration};
pub use report::{Echo, Field, Identity, Kind, Pricing, ProviderTime, Report};
pub use secret::{
    AUTHORIZATION, Credentials, Headers, SecretText, check_header_name, check_header_value,
    is_reserved_header,
};
pub use send::SendResult;
pub use signing_secret::{SecretError, SigningSecret};
pub use since::Since;
pub use skip_reason::SkipReason;
pub use span::Span;
pub(crate) use span::{duration, measure, spell, spell_duration};
pub use status::{MessageType, Status};
pub use status_history::{ReportEffect, StatusHistory};
pub use subscriber::{
    AlertOptions, AuthKind, ErrorFormat, NewSubscriber, NumberFormat, Ordering, PayloadFormat,
    PayloadOptions, PayloadOptionsChange, Reports, Setting, Subscriber, SubscriberChange,
    SubscriberKind, SubscriberState, TimestampFormat, settings,
};
pub use template::{TemplateFault, check_template_body, is_language};
pub use time::{read_time, read_ttl};
pub use whole::Whole;
pub(crate) use whole::number;
pub use word::{Choice, UnknownWord, Word};
pub use wording::{Wording, WordingError};

/// The name of the channel that everything here is about.
pub const WHATSAPP: &str = "whatsapp";

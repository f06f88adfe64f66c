//! A subscriber: what it is notified of, and how its payloads look.

mod setting;
pub mod settings;
mod shapes;

use serde::{Deserialize, Serialize};

use super::UnknownWord;

pub use setting::Setting;
pub use shapes::{
    NewSubscriber, PayloadOptions, PayloadOptionsChange, Subscriber, SubscriberChange,
};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident ($what:literal) { $($(#[$doc:meta])* $variant:ident = $word:tt,)+ }) => {
        // `tt`, not `literal`: the derive of the schema looks into its attribute.
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in the table, the CLI and the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        what: $what,
                        word: word.to_owned(),
                        expected: concat!($($word, " ",)+).trim_ascii_end(),
                    }),
                }
            }
        }
    };
}

words! {
    /// Which new reports a subscriber is notified of, its filter aside. The same status again is
    /// sent to no subscriber.
    Reports ("choice of reports") {
        /// Those that change a message's status.
        #[default]
        Changes = "changes",
        /// Those too that came late or contradict what is known.
        All = "all",
    }
}

words! {
    /// What a later status of a message waits for. At most one of a message is in flight.
    Ordering ("ordering") {
        /// For an attempt of each earlier one that is pending too, not for its success.
        #[default]
        Relaxed = "relaxed",
        /// Until the earlier is delivered or given up.
        Strict = "strict",
    }
}

words! {
    /// Which keys a payload has.
    PayloadFormat ("format") {
        /// Rocket.Chat's eight.
        #[default]
        Rocketchat = "rocketchat",
        /// The same eight, and what else is known of the report.
        Extended = "extended",
    }
}

words! {
    /// How the payload's `ErrorDetails` is written.
    ErrorFormat ("error format") {
        /// An array of WhatsApp error objects, as WhatsApp sends it.
        #[default]
        WhatsappArray = "whatsapp_array",
        /// The primary error alone, as one object.
        WhatsappObject = "whatsapp_object",
        /// One line of text, several errors joined by ` / `.
        String = "string",
    }
}

words! {
    /// How the payload's numbers are written.
    NumberFormat ("phone format") {
        /// E.164 with a leading `+`.
        #[default]
        Plus = "plus",
        /// Digits alone.
        Digits = "digits",
        /// As the provider wrote it.
        AsReceived = "as_received",
    }
}

words! {
    /// How the payload's `timestamp` is written; always a JSON string.
    TimestampFormat ("timestamp format") {
        /// RFC 3339 in UTC with milliseconds.
        #[default]
        Rfc3339 = "rfc3339",
        /// Seconds since 1970 UTC.
        EpochSeconds = "epoch_seconds",
        /// Milliseconds since 1970 UTC.
        EpochMillis = "epoch_millis",
    }
}

words! {
    /// What a subscriber has in `Authorization`.
    AuthKind ("kind of credentials") {
        /// A user and its password.
        #[default]
        Basic = "basic",
        /// A token.
        Bearer = "bearer",
    }
}

words! {
    /// Whether a subscriber is sent to.
    SubscriberState ("subscriber state") {
        /// It is.
        #[default]
        Active = "active",
        /// An operator said to wait: what is pending is kept until it is resumed or expires.
        Paused = "paused",
        /// It answered 410, or failed without pause for days: kept likewise, until resumed.
        Disabled = "disabled",
    }
}

words! {
    /// What a subscriber is told.
    SubscriberKind ("subscriber kind") {
        /// Each report it wants, in a payload of its own.
        #[default]
        Callback = "callback",
        /// The failures it wants, as messages to people in a chat, those of one error together.
        Chat = "chat",
        /// What befalls the service itself; no report.
        Events = "events",
    }
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

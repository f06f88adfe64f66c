//! The keys of rows, as they cross the store's contract: one type for each kind of row.
//!
//! A key is shown, read from what was shown, and compared for equality. It has no order and nothing is
//! counted with it: only an engine knows how it gives keys out. In JSON, SQL and URLs a key is the
//! number that it is.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The key that an engine gave out as this number.
            pub(crate) const fn of(number: i64) -> Self {
                Self(number)
            }

            /// The number, for the engine that gave it out.
            pub(crate) const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.number(), f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self::of)
            }
        }
    )* };
}

keys! {
    /// The key of a subscriber.
    SubscriberKey;
    /// The key of a forward; a forward that is sent with a new id keeps it.
    ForwardKey;
    /// The key of a message. In a lane it also stands for what the events of one subject are about.
    MessageKey;
    /// The key of a webhook.
    WebhookKey;
    /// The key of a report.
    ReportKey;
    /// The key of an account event.
    AccountEventKey;
    /// The key of a condition of the service that was reported.
    ConditionKey;
    /// The key of a replay.
    ReplayKey;
    /// The key of a token.
    TokenKey;
    /// The key of an attempt.
    AttemptKey;
    /// The key of a line of the audit.
    AuditKey;
    /// The key of a pair of names that are one person's.
    NameLinkKey;
    /// The key of a broadcast that is or was polled.
    PollKey;
    /// The key of a template.
    TemplateKey;
}

//! What a provider was asked to send and what it answered, read as what it tells of messages.
//!
//! The shapes are the providers' own; which messages these are, the answer says.

use serde_json::Value;

use super::json::text;
use super::{Hints, Provider, botsquad, infobip, meta};
use crate::model::Registration;

/// A message and what is told of it.
pub type Sent = (String, Registration);

/// What is missing in a request or its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFault {
    /// Where, as a JSON pointer into `{"request": …, "response": …}`.
    pub field: String,
    /// What belongs there.
    pub detail: String,
}

impl SentFault {
    pub(super) fn new(field: &str, detail: &str) -> Self {
        Self {
            field: field.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

impl Provider {
    /// Reads a request to send and its answer: every message that the provider gave an id.
    ///
    /// Infobip's template and other WhatsApp sends with one or many messages; Meta's On-Premises
    /// `/v1/messages` and Cloud API `/messages` of any type, `template` and `hsm` with what they
    /// were made from; Botsquad's broadcast, with a message for each of its users.
    ///
    /// # Errors
    /// When it is not the send of a message, or no id was given.
    pub fn read_sent(
        self,
        request: &Value,
        response: &Value,
        hints: &Hints,
    ) -> Result<Vec<Sent>, SentFault> {
        match self {
            Self::Botsquad => botsquad::sent::read(request, response, &hints.dialect),
            Self::Infobip => infobip::sent::read(request, response),
            Self::MetaCloud | Self::MetaOnPremises | Self::Dialog360 => {
                meta::sent::read(request, response)
            }
        }
    }
}

/// What the sender had the provider return tells what the request does not.
pub(super) fn with_echo(told: Registration, request: &Value, name: &str) -> Registration {
    let echo = text(request, name);
    let echo = echo.and_then(|echo| Registration::from_echo(&echo));
    told.or(echo.unwrap_or_default()).with_type()
}

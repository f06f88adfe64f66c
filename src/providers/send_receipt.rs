//! Requests to a provider and its answers, read as registrations of messages.
//!
//! The shapes are the providers' own; which messages these are, the answer says, and of a send
//! that was refused the request. What cannot be matched is refused, never guessed: nothing that is
//! reported later would correct it.

use serde_json::Value;

use super::json::{is_absent, text};
use super::{Hints, Provider};
use crate::model::{Registration, ReportError, SendResult};

/// The longest text of an answer that is kept as the reason of a refusal, in characters.
const LONGEST_REASON: usize = 500;

/// A request to send and the provider's answer to it.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The body that was sent to the provider.
    pub request: &'a Value,
    /// The body that the provider answered with; any text where it was no JSON, null where none.
    pub response: &'a Value,
    /// The HTTP status of the answer, where it is known.
    pub http_status: Option<u16>,
}

/// A message and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The provider's id of it, else the sender's own; `None` only when the send was refused.
    pub id: Option<String>,
    /// What is reported of it.
    pub registration: Registration,
    /// How the provider answered.
    pub result: SendResult,
}

/// The messages of an exchange, each for itself.
pub type SentAll = Vec<Result<Sent, SentFault>>;

/// What is missing in a request or its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFault {
    /// Where, as a JSON pointer into `{"request": …, "response": …}`.
    pub field: String,
    /// What belongs there.
    pub detail: String,
}

impl SentFault {
    pub(super) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

impl Provider {
    /// Reads a request to send and its answer: every message in it.
    ///
    /// Infobip's template and other WhatsApp sends with one or many messages, and its Messages
    /// API; Meta's On-Premises `/v1/messages` and Cloud API `/messages` of any type, `template`
    /// and `hsm` with what they were made from; Botsquad's broadcast, with a message for each of
    /// its users. Of a send that was refused, one message for each recipient.
    ///
    /// # Errors
    /// When none of it is the send of a message that was given an id or refused.
    pub fn read_sent(self, exchange: Exchange, hints: &Hints) -> Result<SentAll, SentFault> {
        let sent = (self.definition().send_receipt)(exchange, hints)?;
        match sent.iter().find_map(|sent| sent.as_ref().err()) {
            Some(fault) if sent.iter().all(Result::is_err) => Err(fault.clone()),
            _ => Ok(sent),
        }
    }
}

impl Exchange<'_> {
    /// Whether the whole send was refused: by its HTTP status, or by an error in place of an id.
    pub(super) fn is_refused(&self, has_id: bool) -> bool {
        let names = ["error", "requestError", "errors", "errorCode"];
        let says = |it: &Value| !is_absent(it) && *it != false && *it != 0;
        let has_error = |name: &&str| self.response.get(*name).is_some_and(says);
        self.http_status.is_some_and(|status| status >= 400)
            || (!has_id && names.iter().any(has_error))
    }

    /// The refusal with these reasons; one that gives none has at least its HTTP status.
    ///
    /// `catalogue` is the provider whose codes the catalogue knows.
    pub(super) fn refused(&self, catalogue: &str, mut errors: Vec<ReportError>) -> SendResult {
        if errors.is_empty() {
            let status = self.http_status.map(|status| format!("HTTP {status}"));
            let said = match self.response {
                Value::Null => None,
                Value::String(said) => Some(said.clone()),
                said => Some(said.to_string()),
            };
            errors.push(ReportError {
                key: String::new(),
                code: None,
                title: Some(status.unwrap_or_else(|| "Refused".to_owned())),
                details: said.filter(|said| !said.trim().is_empty()),
                href: None,
                permanent: None,
            });
        }
        for error in &mut errors {
            if error.code.is_none() {
                error.key = format!("{catalogue}:send_refused");
            }
            for text in [&mut error.title, &mut error.details].into_iter().flatten() {
                *text = text.trim().chars().take(LONGEST_REASON).collect();
            }
        }
        SendResult::Refused(errors)
    }
}

/// Adds what the echo says to a registration; the request's own values are preferred.
pub(super) fn with_echo(registration: Registration, request: &Value, name: &str) -> Registration {
    let echo = text(request, name);
    let echo = echo.and_then(|echo| Registration::from_echo(&echo));
    registration.or(echo.unwrap_or_default()).with_type()
}

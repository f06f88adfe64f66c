//! The payload a subscriber receives, rendered once: Rocket.Chat's eight keys, and in the
//! extended format what else is known of the report.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use uuid::Uuid;

use super::Context;
use crate::catalogue::{self, CatalogueEntry, Fix, Resend};
use crate::model::{
    ErrorFormat, Message, MessageType, NumberFormat, Offer, PayloadFormat, PayloadOptions, Report,
    ReportEffect, ReportError, Status, TimestampFormat, WHATSAPP, digits, is_phone_number,
};

/// The eight keys in the order of Rocket.Chat's documentation; a key that is not known is
/// left out, never null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ms_id: Option<&'a str>,
    message: &'a str,
    mobile_no: String,
    #[serde(rename = "connectedWhatsAppNo")]
    connected_whatsapp_no: String,
    #[serde(rename = "MessageStatus")]
    message_status: Status,
    #[serde(rename = "ErrorDetails", skip_serializing_if = "Option::is_none")]
    error_details: Option<ErrorDetails<'a>>,
    #[serde(rename = "type")]
    message_type: MessageType,
    timestamp: String,
}

/// The eight keys, and what else is known; a key that is not known is left out here too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extended<'a> {
    #[serde(flatten)]
    payload: Payload<'a>,
    event_id: Uuid,
    change: ReportEffect,
    source: &'a str,
    channel: &'a str,
    provider_status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<ErrorExplanation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast_id: Option<&'a str>,
}

/// The catalogue's words for the primary error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorExplanation<'a> {
    error_key: &'a str,
    meaning: &'a str,
    fixed_by: Fix,
    remedy: &'a str,
    resend: Resend,
}

impl<'a> From<&'a CatalogueEntry> for ErrorExplanation<'a> {
    fn from(entry: &'a CatalogueEntry) -> Self {
        Self {
            error_key: &entry.key,
            meaning: &entry.meaning,
            fixed_by: entry.fix,
            remedy: &entry.remedy,
            resend: entry.resend,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorDetails<'a> {
    Array(Vec<ErrorObject<'a>>),
    Object(ErrorObject<'a>),
    Text(String),
}

/// WhatsApp's error object, as its On-Premises API sends it.
#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i64>,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<&'a str>,
}

impl<'a> ErrorObject<'a> {
    fn new(error: &'a ReportError) -> Self {
        Self {
            code: error.code,
            title: title(error),
            details: error.details.as_deref(),
            href: error.href.as_deref(),
        }
    }
}

/// The provider's title, else the catalogue's name for it, else the number itself; an error of
/// which nothing is said is unknown, and has no number.
fn title(error: &ReportError) -> String {
    if let Some(title) = &error.title {
        return title.clone();
    }
    let entry = catalogue::find(&error.key);
    match (entry, error.code) {
        (Some(entry), _) => entry.name.clone(),
        (None, Some(code)) => format!("Error {code}"),
        (None, None) => "Unknown error".to_owned(),
    }
}

/// One line of text: `title (code): details`.
fn sentence(error: &ReportError) -> String {
    let mut text = title(error);
    if let Some(code) = error.code {
        text = format!("{text} ({code})");
    }
    match &error.details {
        Some(details) if error.title.as_ref() != Some(details) => format!("{text}: {details}"),
        _ => text,
    }
}

/// Everything a payload is made of, before anybody's formats are applied.
pub(super) struct PayloadFacts<'a> {
    report: &'a Report,
    source: &'a str,
    status: Status,
    change: ReportEffect,
    message_type: MessageType,
    text: &'a str,
    recipient: &'a str,
    sender: Option<&'a str>,
    broadcast: Option<&'a str>,
    at_ms: i64,
}

impl<'a> PayloadFacts<'a> {
    /// Gathers them: from the report, else what is known of the message, else the source.
    pub(super) fn new(
        message: &'a Message,
        report: &'a Report,
        (status, change): (Status, ReportEffect),
        context: Context<'a>,
    ) -> Self {
        let (recipient, sender) = match &report.channel {
            None => (
                recipient(message, report),
                report
                    .sender
                    .as_deref()
                    .or(message.sender.as_deref())
                    .or(context.default_sender)
                    .or(report.sender_id.as_deref()),
            ),
            // The numbers of WhatsApp are none of another channel's.
            Some(_) => (
                own(report.recipient.as_ref(), message.others.recipient()).unwrap_or_default(),
                own(report.sender.as_ref(), message.others.sender()),
            ),
        };
        Self {
            report,
            source: context.source,
            status,
            change,
            message_type: message
                .message_type
                .map_or(context.default_type, |(_, message_type)| message_type),
            text: message.text.as_deref().unwrap_or_default(),
            recipient,
            sender,
            broadcast: message.broadcast.as_deref(),
            at_ms: report.time.ms.unwrap_or(context.received_ms),
        }
    }

    /// The report as filters see it; `errors` are the keys of [`PayloadFacts::errors`].
    pub(super) const fn offer<'o>(&'o self, errors: &'o [&'o str]) -> Offer<'o> {
        Offer {
            channel: match &self.report.channel {
                Some(channel) => channel.as_str(),
                None => WHATSAPP,
            },
            source: self.source,
            sender: self.sender,
            message_type: self.message_type,
            status: self.status,
            errors,
        }
    }

    /// The payload's bytes.
    pub(super) fn render(&self, options: PayloadOptions) -> Vec<u8> {
        let payload = Payload {
            ms_id: self.report.message.as_deref(),
            message: self.text,
            mobile_no: number(self.recipient, options.phone_format),
            connected_whatsapp_no: number(self.sender.unwrap_or_default(), options.phone_format),
            message_status: self.status,
            error_details: self.error_details(options.error_format),
            message_type: self.message_type,
            timestamp: timestamp(self.at_ms, options.timestamp_format),
        };
        let bytes = match options.format {
            PayloadFormat::Rocketchat => serde_json::to_vec(&payload),
            PayloadFormat::Extended => serde_json::to_vec(&self.extended(payload)),
        };
        // Strings and integers alone: serialising cannot fail, and an empty payload would
        // be seen by every test that validates one.
        bytes.unwrap_or_default()
    }

    fn extended(&self, payload: Payload<'a>) -> Extended<'a> {
        let entry = self
            .errors()
            .next()
            .and_then(|error| catalogue::find(&error.key));
        Extended {
            payload,
            change: self.change,
            event_id: self.report.event_id(self.source),
            source: self.source,
            channel: self.report.channel_name(),
            provider_status: &self.report.provider_status,
            provider_time: self.report.time.text.as_deref(),
            explanation: entry.map(ErrorExplanation::from),
            broadcast_id: self.broadcast,
        }
    }

    /// Only a `failed` has its errors in the payload; on any other status they would mislead.
    pub(super) fn errors(&self) -> impl Iterator<Item = &'a ReportError> + use<'a> {
        let failed = (self.status == Status::Failed).then_some(self.report);
        let errors = failed.map_or(&[][..], |report| report.errors.as_slice());
        errors.iter()
    }

    fn error_details(&self, format: ErrorFormat) -> Option<ErrorDetails<'a>> {
        let first = self.errors().next()?;
        Some(match format {
            ErrorFormat::WhatsappArray => {
                ErrorDetails::Array(self.errors().map(ErrorObject::new).collect())
            }
            ErrorFormat::WhatsappObject => ErrorDetails::Object(ErrorObject::new(first)),
            ErrorFormat::String => {
                let sentences: Vec<String> = self.errors().map(sentence).collect();
                ErrorDetails::Text(sentences.join(" / "))
            }
        })
    }
}

/// Whom the report is about: its own word, unless that is a business-scoped user id and the
/// phone number is known from elsewhere. Of a group, only the member counts, by its number where
/// the report has one.
fn recipient<'a>(message: &'a Message, report: &'a Report) -> &'a str {
    let known = message.shown_recipient();
    let registered = report
        .recipient
        .as_deref()
        .or(report.participant.as_deref());
    let number = known.filter(|known| report.group.is_none() && is_phone_number(&digits(known)));
    match (registered, number) {
        (Some(registered), Some(number)) if !is_phone_number(&digits(registered)) => number,
        _ => registered
            .or(known)
            .or(report.recipient_user_id.as_deref())
            .unwrap_or_default(),
    }
}

/// What the report says, else what an earlier one did.
fn own<'a>(registered: Option<&'a String>, known: Option<&'a str>) -> Option<&'a str> {
    registered.map(String::as_str).or(known)
}

/// What is no phone number (a business-scoped user id, a group) goes out as it came in.
fn number(text: &str, format: NumberFormat) -> String {
    let digits = digits(text);
    match format {
        NumberFormat::Plus if is_phone_number(&digits) => format!("+{digits}"),
        NumberFormat::Digits if is_phone_number(&digits) => digits,
        _ => text.to_owned(),
    }
}

fn timestamp(at_ms: i64, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::Rfc3339 => DateTime::from_timestamp_millis(at_ms)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true),
        TimestampFormat::EpochSeconds => at_ms.div_euclid(1000).to_string(),
        TimestampFormat::EpochMillis => at_ms.to_string(),
    }
}

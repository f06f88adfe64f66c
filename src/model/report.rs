//! A report: one statement by a provider about one message.
//!
//! An event's id is made, not given: `eventId` of an extended payload is a hash of source, message id and the
//! report's identity. So it is known before the report has a key, and is the same when stored bytes are parsed again.
//! A report without a message id makes a message of its own, identified by the element's hash, so that every report
//! has a message, a timeline and a lane.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::{
    MessageType, NUL_CHARACTER, Registration, ReportError, SendResult, Status, WHATSAPP, Word as _,
    json_has_nul,
};

/// What sort of statement a report is; the word stands in the table and on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    /// A status webhook of Meta (Cloud API and On-Premises), or an entry of Botsquad's answer.
    Status,
    /// A delivery report of Infobip, on whatever channel.
    Delivery,
    /// A seen report of Infobip.
    Seen,
    /// A deleted report of Infobip.
    Deleted,
    /// A click on a tracked link; a report of the message, never a status.
    Click,
    /// Meta's copy of a message that another responder of the same account sent; never a status.
    Echo,
    /// Ours, not the provider's: the sender registered the message.
    Registration,
    /// Ours, not the provider's: another channel delivered the message, so WhatsApp did not.
    Fallback,
}

/// The field of Meta's webhooks that a report came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Field {
    /// Reports of messages that the account's own app sent.
    Messages,
    /// Copies for an app that watches: another responder owns the conversation.
    Standby,
}

/// When the provider says it happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderTime {
    /// The provider's own text, as received; part of the report's identity.
    pub text: Option<String>,
    /// Milliseconds since 1970 UTC; `None` when the text is missing or unusable.
    pub ms: Option<i64>,
}

/// What a report says of price and conversation; kept as columns for analysts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pricing {
    /// Meta `pricing.category`, lower case, `_` turned to `-` (`authentication-international`).
    pub category: Option<String>,
    /// Meta `pricing.pricing_model`: `PMP`, `CBP`, `NBP`.
    pub model: Option<String>,
    /// Meta `pricing.type`: `regular`, `free_customer_service`, `free_entry_point`.
    pub kind: Option<String>,
    /// Meta `pricing.billable`.
    pub billable: Option<bool>,
    /// Meta `conversation.id`.
    pub conversation_id: Option<String>,
    /// Meta `conversation.origin.type`, normalised like [`Pricing::category`].
    pub conversation_origin: Option<String>,
    /// Meta `conversation.expiration_timestamp`, in milliseconds since 1970 UTC.
    pub conversation_expires_ms: Option<i64>,
    /// Infobip `price.pricePerMessage`, in [`Pricing::currency`].
    pub price: Option<f64>,
    /// Infobip `price.currency`.
    pub currency: Option<String>,
    /// The members of Meta's `pricing` that have no column yet: a JSON object.
    pub other: Option<String>,
}

/// What the sender put into the request and the provider returned with the report
/// (Infobip `callbackData`, Meta `biz_opaque_callback_data`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// The text as received; `None` when the provider returned the request itself.
    pub text: Option<String>,
    /// What it says of the message: our JSON in the text, or the request.
    pub registration: Option<Registration>,
}

impl Echo {
    /// Reads the echoed text; any text is an echo, our JSON or not.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self {
            registration: Registration::from_echo(&text),
            text: Some(text),
        }
    }
}

/// One statement by a provider about one message, in the words of this house.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The provider's message id, opaque and case-sensitive.
    ///
    /// `None` when the provider gave none; such a report is identified by [`Report::element_hash`].
    pub message: Option<String>,
    /// What sort of statement this is.
    pub kind: Kind,
    /// The provider's own status word, as received (Infobip: `status.name`, else the group's name).
    pub provider_status: String,
    /// What it means; `None` when it is none of our statuses: stored and shown, never forwarded.
    pub status: Option<Status>,
    /// When the provider says it happened.
    pub time: ProviderTime,
    /// Who should receive the message: a phone number as received, else a business-scoped user id.
    pub recipient: Option<String>,
    /// Meta `recipient_user_id`, Infobip `contact.userId`: the business-scoped user id.
    pub recipient_user_id: Option<String>,
    /// Meta `recipient_parent_user_id` under each of its names, Infobip `contact.parentUserId`.
    pub recipient_parent_user_id: Option<String>,
    /// The group the message went to, when it went to one.
    pub group: Option<String>,
    /// Which member of the group this is about; part of the report's identity.
    pub participant: Option<String>,
    /// The business side's number as received (Meta `display_phone_number`, Infobip `sender`).
    pub sender: Option<String>,
    /// Meta `metadata.phone_number_id`.
    pub sender_id: Option<String>,
    /// The channel the report is of, in the provider's word and lower case (`sms`, `viber_bm`),
    /// when it is not WhatsApp.
    pub channel: Option<String>,
    /// What this says of a message of WhatsApp under the same id: another channel delivered it.
    pub fallback: Option<ReportError>,
    /// The errors, the primary one first.
    pub errors: Vec<ReportError>,
    /// The type that the report's own facts prove (pricing category, conversation origin, shape).
    pub evidence: Option<MessageType>,
    /// What the sender had the provider return.
    pub echo: Option<Echo>,
    /// Price and conversation.
    pub pricing: Pricing,
    /// The broadcast: Infobip `bulkId`, or the id that was polled.
    pub broadcast: Option<String>,
    /// Infobip `entityId`.
    pub entity_id: Option<String>,
    /// Infobip `applicationId`.
    pub application_id: Option<String>,
    /// Infobip click report `url`.
    pub url: Option<String>,
    /// Meta account id (`entry[].id`), the WABA.
    pub account_id: Option<String>,
    /// Meta's webhook field that brought it; `None` for a body without fields.
    pub field: Option<Field>,
    /// Meta `template_id`: the template that a Direct Send became.
    pub template_id: Option<String>,
    /// What was odd about the element, as stable words (`time-unusable`, `status-conflict`).
    pub oddities: Vec<&'static str>,
    /// SHA-256 over the element's bytes as received; zeros where a provider gave the message's id.
    pub element_hash: [u8; 32],
}

impl Report {
    /// The report that a registration is; `element` identifies a message that has no id.
    #[must_use]
    pub fn registered(
        id: Option<&str>,
        element: &str,
        registration: &Registration,
        result: &SendResult,
    ) -> Self {
        // Accepted is as usual; any other word says more than that it was registered.
        let word = result.word().filter(|word| *word != SendResult::ACCEPTED);
        let word = word.unwrap_or("registered");
        // With its hash: a refusal is kept apart from the message whose id it names.
        let mut report = Self::new(Kind::Registration, word, None, element.as_bytes());
        report.message = id.map(str::to_owned);
        report.status = result.status();
        report.errors = result.errors().to_vec();
        report.time.ms = registration.sent_ms;
        report.recipient.clone_from(&registration.recipient);
        report.recipient_user_id.clone_from(&registration.user_id);
        report.sender.clone_from(&registration.sender);
        report
    }

    /// A report with nothing but its kind, its word, its message's id and its bytes, which are
    /// hashed only where there is no id.
    #[must_use]
    pub fn new(
        kind: Kind,
        provider_status: impl Into<String>,
        message: Option<String>,
        element: &[u8],
    ) -> Self {
        let element_hash: [u8; 32] = match message {
            Some(_) => [0; 32],
            None => Sha256::digest(element).into(),
        };
        Self {
            message,
            kind,
            provider_status: provider_status.into(),
            status: None,
            time: ProviderTime::default(),
            recipient: None,
            recipient_user_id: None,
            recipient_parent_user_id: None,
            group: None,
            participant: None,
            sender: None,
            sender_id: None,
            channel: None,
            fallback: None,
            errors: Vec::new(),
            evidence: None,
            echo: None,
            pricing: Pricing::default(),
            broadcast: None,
            entity_id: None,
            application_id: None,
            url: None,
            account_id: None,
            field: None,
            template_id: None,
            oddities: Vec::from_iter(json_has_nul(element).then_some(NUL_CHARACTER)),
            element_hash,
        }
    }

    /// The channel's name, WhatsApp's too.
    #[must_use]
    pub fn channel_name(&self) -> &str {
        self.channel.as_deref().unwrap_or(WHATSAPP)
    }

    /// What makes two reports the same: see [`Identity`].
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::of(self)
    }

    /// The report's id outside the house, the same for every subscriber and on every reading of
    /// the same bytes: made of what makes the report one, not of chance.
    #[must_use]
    pub fn event_id(&self, source: &str) -> Uuid {
        let mut hash = Sha256::new();
        // Length-prefixed, so that no name and id run into another name and id.
        for part in [source, self.message.as_deref().unwrap_or_default()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(self.identity().0.to_le_bytes());
        let digest = hash.finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Builder::from_custom_bytes(first).into_uuid()
    }

    /// Whether this is a copy of what was sent, which describes the message and reports nothing.
    #[must_use]
    pub const fn is_echo(&self) -> bool {
        matches!(self.kind, Kind::Echo)
    }

    /// The primary error.
    #[must_use]
    pub fn error(&self) -> Option<&ReportError> {
        self.errors.first()
    }
}

/// The identity of a report within its message, as 64 bits that fit an integer column.
///
/// Two reports are the same when kind, the provider's own status word, participant, channel,
/// the provider's time as received (or none) and the error code are the same. A report
/// without a message id is identified by its element's hash instead. 64 bits are enough because
/// only the reports of one message are ever compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub i64);

impl Identity {
    fn of(report: &Report) -> Self {
        let mut hash = Sha256::new();
        if report.message.is_none() {
            hash.update(report.element_hash);
        } else {
            let code = report.error().map(|error| error.key.as_str());
            let parts = [
                Some(report.kind.as_str()),
                Some(report.provider_status.as_str()),
                report.participant.as_deref(),
                report.channel.as_deref(),
                report.time.text.as_deref(),
                code,
                // Two clicks differ by nothing else but the link.
                report.url.as_deref(),
            ];
            for part in parts {
                // Length-prefixed, so that no two lists of parts run into one text.
                let length = part.map_or(u64::MAX, |part| part.len() as u64);
                hash.update(length.to_le_bytes());
                hash.update(part.unwrap_or_default().as_bytes());
            }
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(i64::from_le_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered() -> Report {
        let mut report = Report::new(Kind::Status, "delivered", None, b"{}");
        report.message = Some("wamid.1".to_owned());
        report.time.text = Some("1760000000".to_owned());
        report
    }

    #[test]
    fn what_is_not_part_of_the_identity_does_not_change_it() {
        let mut other = delivered();
        other.recipient = Some("34600000001".to_owned());
        other.pricing.category = Some("utility".to_owned());
        other.element_hash = [7; 32];
        assert_eq!(delivered().identity(), other.identity());
    }

    #[test]
    fn each_part_of_the_identity_changes_it() {
        let changes: [fn(&mut Report); 6] = [
            |report| report.kind = Kind::Seen,
            |report| report.provider_status = "read".to_owned(),
            |report| report.participant = Some("34600000005".to_owned()),
            |report| report.channel = Some("sms".to_owned()),
            |report| report.time.text = None,
            |report| {
                report.errors.push(ReportError {
                    key: "meta:1".to_owned(),
                    code: Some(1),
                    title: None,
                    details: None,
                    href: None,
                    permanent: None,
                });
            },
        ];
        for change in changes {
            let mut other = delivered();
            change(&mut other);
            assert_ne!(delivered().identity(), other.identity());
        }
    }

    #[test]
    fn an_event_id_is_of_one_report_of_one_message_of_one_source() {
        let id = delivered().event_id("acme");
        assert_eq!(delivered().event_id("acme"), id);
        assert_eq!(id.get_version_num(), 8);
        assert_ne!(delivered().event_id("other"), id);
        let mut other = delivered();
        other.message = Some("wamid.2".to_owned());
        assert_ne!(other.event_id("acme"), id);
        let mut other = delivered();
        other.provider_status = "read".to_owned();
        assert_ne!(other.event_id("acme"), id);
    }

    #[test]
    fn a_report_without_a_message_id_is_identified_by_its_element() {
        let mut one = delivered();
        one.message = None;
        let mut two = one.clone();
        assert_eq!(one.identity(), two.identity());
        two.element_hash = [7; 32];
        assert_ne!(one.identity(), two.identity());
    }

    #[test]
    fn an_element_is_hashed_only_where_its_message_has_no_id() {
        let report = |id: Option<&str>, element: &[u8]| {
            Report::new(Kind::Status, "sent", id.map(str::to_owned), element)
        };
        assert_eq!(report(Some("a"), b"{}"), report(Some("a"), b"[]"));
        let hash: [u8; 32] = Sha256::digest(b"{}").into();
        assert_eq!(report(None, b"{}").element_hash, hash);
    }
}

//! What is known of one message, as a join over its reports: any order, any repeats, one answer.

use serde::{Deserialize, Serialize};

use super::{
    Field, MessageType, RegisteredFields, Registration, Report, ReportError, Status, digits,
};

/// Where a message's type came from; the later in this list, the more it is believed.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TypeRule {
    /// The source's default: a guess, shown as one.
    Default,
    /// It came by `standby` and nothing proves a template: a guess too, for agents send none.
    Standby,
    /// An error code that only this type of message can have.
    ErrorCode,
    /// The provider's own evidence: pricing category, conversation origin, the report's shape.
    Evidence,
    /// The echo of what the sender put into the request.
    Echo,
    /// What the sender registered.
    Registered,
}

impl TypeRule {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Standby => "standby",
            Self::ErrorCode => "error-code",
            Self::Evidence => "evidence",
            Self::Echo => "echo",
            Self::Registered => "registered",
        }
    }

    /// Reads the table's word; `None` for any other.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Default,
            Self::Standby,
            Self::ErrorCode,
            Self::Evidence,
            Self::Echo,
            Self::Registered,
        ]
        .into_iter()
        .find(|rule| rule.as_str() == word)
    }
}

/// The join over the reports of one message (of one group member, for a group message).
///
/// Absorbing reports is commutative, associative and idempotent, so the state is a pure
/// function of the set of reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Provider time of the first report of each status, in ms since 1970 UTC, by
    /// [`Status::order`]; arrival time where the provider gave none that can be used.
    first_ms: [Option<i64>; 6],
}

impl Standing {
    /// The standing of a message that nothing was reported of.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_ms: [None; 6],
        }
    }

    /// Takes in that `status` was reported for `ms`.
    pub fn absorb(&mut self, status: Status, ms: i64) {
        let first = &mut self.first_ms[usize::from(status.order())];
        *first = Some(first.map_or(ms, |known| known.min(ms)));
    }

    /// When `status` was first reported for, in ms since 1970 UTC.
    #[must_use]
    pub fn first_ms(&self, status: Status) -> Option<i64> {
        self.first_ms[usize::from(status.order())]
    }

    /// The highest step reached on the way queued, sent, delivered, read.
    fn reached(&self) -> Option<Status> {
        [
            Status::Read,
            Status::Delivered,
            Status::Sent,
            Status::Queued,
        ]
        .into_iter()
        .find(|status| self.first_ms(*status).is_some())
    }

    /// The current status: `failed` beats queued and sent, delivered and read beat `failed`.
    ///
    /// `deleted` is kept beside it ([`Standing::is_deleted`]) and is the answer only when
    /// nothing else is known.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let reached = self.reached();
        match reached {
            Some(Status::Delivered | Status::Read) => reached,
            _ if self.first_ms(Status::Failed).is_some() => Some(Status::Failed),
            Some(_) => reached,
            None => self.is_deleted().then_some(Status::Deleted),
        }
    }

    /// Whether a delivered or read contradicts a failed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.first_ms(Status::Failed).is_some()
            && matches!(self.reached(), Some(Status::Delivered | Status::Read))
    }

    /// Whether the message was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.first_ms(Status::Deleted).is_some()
    }

    /// What a report of `status` would change here.
    #[must_use]
    pub fn change(&self, status: Status) -> Change {
        if self.first_ms(status).is_some() {
            return Change::Repeated;
        }
        if status == Status::Deleted {
            return Change::New;
        }
        let current = self.status().filter(|current| *current != Status::Deleted);
        match (status, current) {
            (Status::Failed, Some(Status::Delivered | Status::Read)) => Change::Contradicts,
            (_, None) | (Status::Failed, Some(_)) => Change::New,
            (_, Some(Status::Failed)) => match status {
                Status::Delivered | Status::Read => Change::New,
                _ => Change::Superseded,
            },
            (_, Some(current)) if status.rank() > current.rank() => Change::New,
            _ => Change::Superseded,
        }
    }
}

/// What a report changes in what is known of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The message's status changes: subscribers are told.
    New,
    /// A later status was known already: stored, shown, not forwarded by default.
    Superseded,
    /// A `failed` that an earlier delivered or read contradicts: shown as a conflict.
    Contradicts,
    /// The same status again, with another time or error: stored, not forwarded by default.
    Repeated,
    /// Not one of our statuses: stored, shown, counted.
    NotAStatus,
}

impl Change {
    /// The word in the table and on the timeline.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Superseded => "superseded",
            Self::Contradicts => "contradicts",
            Self::Repeated => "repeated",
            Self::NotAStatus => "not-a-status",
        }
    }
}

/// What is known of one message: the join over its reports.
///
/// Where two reports disagree on a field that cannot have two values (a recipient, a price),
/// the greater value wins: a rule without sense but without order too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Statuses reported, whoever the participant was.
    pub standing: Standing,
    /// Whether a delivered or read contradicts a failed of the same person, or of the group as a
    /// whole; members of a group do not contradict each other.
    pub conflict: bool,
    /// Template or regular, and the rule that said so.
    pub message_type: Option<(TypeRule, MessageType)>,
    /// The recipient as received; a phone number beats a business-scoped user id.
    pub recipient: Option<String>,
    /// The business's number as received.
    pub sender: Option<String>,
    /// The text of the message, when somebody told us.
    pub text: Option<String>,
    /// Infobip `bulkId`.
    pub bulk_id: Option<String>,
    /// The primary error of the latest `failed`, by the time it was reported for.
    pub failure: Option<(i64, ReportError)>,
    /// Price and conversation: Meta `pricing.category`.
    pub category: Option<String>,
    /// What of this the sender registered by a call, and reports do not change any more;
    /// `None` when it registered nothing.
    pub registered: Option<RegisteredFields>,
}

impl Message {
    /// Takes in a report that arrived at `received_ms`; `default_type` is the source's.
    ///
    /// `by_error` is the type that the report's error code implies, from the catalogue.
    pub fn absorb(
        &mut self,
        report: &Report,
        received_ms: i64,
        by_error: Option<MessageType>,
        default_type: MessageType,
    ) {
        let at_ms = report.time.ms.unwrap_or(received_ms);
        if let Some(status) = report.status {
            self.standing.absorb(status, at_ms);
            if status == Status::Failed
                && let Some(error) = report.error()
            {
                // By all of it: two members of a group can fail in the same second, with the
                // same code and other words.
                let newer = self
                    .failure
                    .as_ref()
                    .is_none_or(|(known_ms, known)| (at_ms, error) > (*known_ms, known));
                if newer {
                    self.failure = Some((at_ms, error.clone()));
                }
            }
        }
        let registered = self.registered.map(|fields| (fields, self.clone()));
        let echo = report
            .echo
            .as_ref()
            .and_then(|echo| echo.registration.as_ref());
        self.absorb_guess(report, default_type);
        let claims = [
            (TypeRule::ErrorCode, by_error),
            (TypeRule::Evidence, report.evidence),
            (TypeRule::Echo, echo.and_then(|echo| echo.message_type)),
        ];
        for (rule, claim) in claims {
            self.message_type = self.message_type.max(claim.map(|claim| (rule, claim)));
        }
        if report.group.is_none() {
            self.learn_recipient(report.recipient.as_deref());
        } else {
            self.learn_recipient(report.group.as_deref());
        }
        learn(&mut self.sender, report.sender.as_deref());
        learn(&mut self.bulk_id, report.bulk_id.as_deref());
        learn(&mut self.category, report.pricing.category.as_deref());
        if let Some(registration) = echo {
            learn(&mut self.text, registration.text.as_deref());
            learn(&mut self.sender, registration.sender.as_deref());
            learn(&mut self.bulk_id, registration.bulk_id.as_deref());
            self.learn_recipient(registration.recipient.as_deref());
        }
        if let Some((fields, mut before)) = registered {
            for field in RegisteredFields::ALL
                .into_iter()
                .filter(|it| fields.has(*it))
            {
                *field.of(self) = field.of(&mut before).take();
            }
        }
    }

    /// Takes in what the way of a report makes likely of the type. A copy of a known report is a
    /// repeat, and yet may have come another way: absorbing its guess too keeps the order out of it.
    pub fn absorb_guess(&mut self, report: &Report, default_type: MessageType) {
        let guess = match report.field {
            Some(Field::Standby) => (TypeRule::Standby, MessageType::Regular),
            _ => (TypeRule::Default, default_type),
        };
        self.message_type = self.message_type.max(Some(guess));
    }

    /// Takes in what the sender registered by a call: it is believed before all else, and of
    /// two calls the later one where both tell something.
    pub fn register(&mut self, registration: &Registration) {
        let mut fields = self.registered.unwrap_or_default();
        for (field, told) in [
            (RegisteredFields::TEXT, &registration.text),
            (RegisteredFields::RECIPIENT, &registration.recipient),
            (RegisteredFields::SENDER, &registration.sender),
            (RegisteredFields::BULK_ID, &registration.bulk_id),
        ] {
            if told.is_some() {
                field.of(self).clone_from(told);
                fields = fields.and(field);
            }
        }
        if let Some(message_type) = registration.message_type {
            self.message_type = Some((TypeRule::Registered, message_type));
        }
        self.registered = Some(fields);
    }

    /// A phone number is preferred over an id, since it is what people search by.
    fn learn_recipient(&mut self, recipient: Option<&str>) {
        let quality = |text: &str| super::is_phone_number(&digits(text));
        if let Some(new) = recipient.filter(|text| !text.is_empty()) {
            let better = self
                .recipient
                .as_deref()
                .is_none_or(|known| (quality(new), new) > (quality(known), known));
            if better {
                self.recipient = Some(new.to_owned());
            }
        }
    }
}

fn learn(known: &mut Option<String>, new: Option<&str>) {
    if let Some(new) = new.filter(|text| !text.is_empty())
        && known.as_deref().is_none_or(|known| new > known)
    {
        *known = Some(new.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Echo, Kind};

    #[test]
    fn what_was_registered_stays_whatever_is_reported() {
        let mut message = Message::default();
        message.register(&Registration {
            text: Some("Hi".to_owned()),
            message_type: Some(MessageType::Regular),
            ..Registration::default()
        });
        let mut report = Report::new(Kind::Status, "sent", b"{}");
        report.evidence = Some(MessageType::Template);
        report.echo = Some(Echo::new(
            r#"{"message":"zz","mobileNo":"385990001122"}"#.to_owned(),
        ));
        message.absorb(&report, 0, None, MessageType::Template);
        assert_eq!(message.text.as_deref(), Some("Hi"));
        assert_eq!(message.recipient.as_deref(), Some("385990001122"));
        assert_eq!(
            message.message_type,
            Some((TypeRule::Registered, MessageType::Regular))
        );
        let fields = message.registered.unwrap();
        assert_eq!(RegisteredFields::from_words(&fields.words()), fields);
        assert_eq!(fields.words(), "text");
    }
}

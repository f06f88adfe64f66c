//! What is known of one message, as a join over its reports: any order, any repeats, one answer.

use serde::{Deserialize, Serialize};

use super::channel::{later_failure, learn, learn_recipient};
use super::{
    Field, Kind, Leg, MessageType, OtherChannels, RegisteredFields, Registration, Report,
    ReportError, Status, StatusHistory, UNKNOWN_CHANNEL, WHATSAPP,
};

/// Where a message's type came from; the later in this list, the more it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
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
    /// A Direct Send, by the send itself or by the template that the provider made of it: that it
    /// is a template is the provider's rule, and no word of the sender's changes it.
    DirectSend,
}

/// What is known of one message: the join over its reports.
///
/// Where two reports disagree on a field that cannot have two values (a recipient, a price),
/// the greater value wins: a rule without sense but without order too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Statuses reported of it on WhatsApp, of every participant, and the failure that a
    /// fallback means.
    pub history: StatusHistory,
    /// Whether it was reported, or registered, as a message of WhatsApp.
    pub is_whatsapp: bool,
    /// What other channels reported.
    pub others: OtherChannels,
    /// Whether a delivered or read contradicts a failed of the same person, or of the group as a
    /// whole; members of a group do not contradict each other.
    pub conflict: bool,
    /// Template or regular, and the rule that said so.
    pub message_type: Option<(TypeRule, MessageType)>,
    /// The recipient as received; a phone number beats a business-scoped user id.
    pub recipient: Option<String>,
    /// The business's number as received.
    pub sender: Option<String>,
    /// The text of the message, when it is known.
    pub text: Option<String>,
    /// The broadcast that it belongs to.
    pub broadcast: Option<String>,
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
        match &report.channel {
            Some(channel) => self.others.absorb(channel, report, at_ms),
            None => self.absorb_status(report, at_ms),
        }
        let registered = self.registered.map(|fields| (fields, self.clone()));
        let echo = report
            .echo
            .as_ref()
            .and_then(|echo| echo.registration.as_ref());
        self.absorb_guess(report, default_type);
        let of_whatsapp = report.channel.is_none();
        let is_direct = (of_whatsapp && report.template_id.is_some())
            || echo.is_some_and(|echo| echo.is_direct_send);
        let claims = [
            (TypeRule::ErrorCode, by_error.filter(|_| of_whatsapp)),
            (TypeRule::Evidence, report.evidence.filter(|_| of_whatsapp)),
            (TypeRule::Echo, echo.and_then(|echo| echo.message_type)),
            (TypeRule::DirectSend, direct_send(is_direct)),
        ];
        for (rule, claim) in claims {
            self.message_type = self.message_type.max(claim.map(|claim| (rule, claim)));
        }
        if of_whatsapp {
            let whole = report.group.as_deref().or(report.recipient.as_deref());
            learn_recipient(&mut self.recipient, whole);
            learn(&mut self.sender, report.sender.as_deref());
        }
        learn(&mut self.broadcast, report.broadcast.as_deref());
        learn(&mut self.category, report.pricing.category.as_deref());
        if let Some(registration) = echo {
            learn(&mut self.text, registration.text.as_deref());
            learn(&mut self.sender, registration.sender.as_deref());
            learn(&mut self.broadcast, registration.broadcast.as_deref());
            learn_recipient(&mut self.recipient, registration.recipient.as_deref());
        }
        if let Some((mut fields, mut before)) = registered {
            // The provider's own broadcast stays, whichever comes first.
            if fields.has(RegisteredFields::BROADCAST) && report.broadcast.is_some() {
                let echoed = echo.and_then(|echo| echo.broadcast.clone());
                self.broadcast = report.broadcast.clone().max(echoed);
                fields = fields.without(RegisteredFields::BROADCAST);
                self.registered = Some(fields);
            }
            for field in RegisteredFields::ALL
                .into_iter()
                .filter(|it| fields.has(*it))
            {
                *self.registered_field(field) = before.registered_field(field).take();
            }
        }
        self.count_fallback();
    }

    /// Takes in what a report of WhatsApp says of the status. A click comes without a channel
    /// from any: it does not prove that the message is one of WhatsApp's.
    fn absorb_status(&mut self, report: &Report, at_ms: i64) {
        self.is_whatsapp |= report.kind != Kind::Click;
        let Some(status) = report.status else { return };
        self.history.absorb(status, at_ms);
        if status == Status::Failed {
            later_failure(&mut self.failure, at_ms, report.error());
        }
    }

    /// Counts what other channels reported, where the message is one of WhatsApp's: what another
    /// channel delivered, WhatsApp did not.
    pub fn count_fallback(&mut self) {
        if !self.is_whatsapp {
            return;
        }
        if self.others.is_of_template() {
            let proof = Some((TypeRule::Evidence, MessageType::Template));
            self.message_type = self.message_type.max(proof);
        }
        let Some(fallback) = self.others.fallback() else {
            return;
        };
        self.history.absorb(Status::Failed, fallback.at_ms);
        if let Some((at_ms, error)) = self.others.failure() {
            later_failure(&mut self.failure, *at_ms, Some(error));
        }
        // A group has no other channel to fall back to.
        self.conflict |= self.history.is_conflict();
    }

    /// The channel whose status the message has: WhatsApp where it is known there, else the one
    /// that got furthest.
    #[must_use]
    pub fn channel(&self) -> &str {
        match self.others.leading() {
            _ if self.is_whatsapp => WHATSAPP,
            Some((name, _)) => name,
            None => UNKNOWN_CHANNEL,
        }
    }

    /// What is shown of the message: what its channel reported, and whether that contradicts
    /// itself.
    #[must_use]
    pub fn shown(&self) -> (Leg, bool) {
        if self.is_whatsapp {
            let leg = Leg {
                history: self.history.clone(),
                failure: self.failure.clone(),
            };
            return (leg, self.conflict);
        }
        let leading = self.others.leading();
        let leg = leading.map(|(_, leg)| leg.clone()).unwrap_or_default();
        let is_conflict = leg.history.is_conflict();
        (leg, is_conflict)
    }

    /// Its type, and what shows it. Every absorbed report brings the source's default at least.
    #[must_use]
    pub fn shown_type(&self) -> (TypeRule, MessageType) {
        self.message_type
            .unwrap_or((TypeRule::Default, MessageType::Template))
    }

    /// Whom it is for: on WhatsApp, else on the other channel.
    #[must_use]
    pub fn shown_recipient(&self) -> Option<&str> {
        let known = self.recipient.as_deref();
        known.or_else(|| self.others.recipient())
    }

    /// Whom it is from: the business's number of WhatsApp, else what another channel calls it
    /// where the message is none of WhatsApp's.
    #[must_use]
    pub fn shown_sender(&self) -> Option<&str> {
        let other = self.others.sender().filter(|_| !self.is_whatsapp);
        self.sender.as_deref().or(other)
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

    /// Takes in what the sender registered by a call: it is believed before all else, and a later
    /// call's value replaces an earlier one.
    pub fn register(&mut self, registration: &Registration) {
        let mut fields = self.registered.unwrap_or_default();
        for (field, given) in [
            (RegisteredFields::TEXT, &registration.text),
            (RegisteredFields::RECIPIENT, &registration.recipient),
            (RegisteredFields::SENDER, &registration.sender),
            (RegisteredFields::BROADCAST, &registration.broadcast),
        ] {
            if given.is_some() {
                self.registered_field(field).clone_from(given);
                fields = fields.and(field);
            }
        }
        let claims = [
            registration
                .message_type
                .map(|it| (TypeRule::Registered, it)),
            direct_send(registration.is_direct_send).map(|it| (TypeRule::DirectSend, it)),
        ];
        for claim in claims.into_iter().flatten() {
            // Of two calls the later one holds.
            if self.message_type.is_none_or(|(rule, _)| rule <= claim.0) {
                self.message_type = Some(claim);
            }
        }
        self.registered = Some(fields);
    }

    /// The one field that `field` is.
    const fn registered_field(&mut self, field: RegisteredFields) -> &mut Option<String> {
        match field {
            RegisteredFields::TEXT => &mut self.text,
            RegisteredFields::RECIPIENT => &mut self.recipient,
            RegisteredFields::SENDER => &mut self.sender,
            _ => &mut self.broadcast,
        }
    }
}

/// What it proves that a message is a Direct Send.
fn direct_send(is_direct: bool) -> Option<MessageType> {
    is_direct.then_some(MessageType::Template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Echo, Kind};

    #[test]
    fn a_direct_send_is_a_template_whatever_was_registered_before_or_after() {
        let regular = Registration {
            message_type: Some(MessageType::Regular),
            ..Registration::default()
        };
        let direct = Registration {
            is_direct_send: true,
            ..regular.clone()
        };
        let mut report = Report::new(Kind::Status, "sent", None, b"{}");
        report.template_id = Some("77".to_owned());
        let expected = Some((TypeRule::DirectSend, MessageType::Template));
        let mut calls = [Message::default(), Message::default()];
        calls[0].register(&direct);
        calls[0].register(&regular);
        calls[1].register(&regular);
        calls[1].register(&direct);
        let mut reports = [Message::default(), Message::default()];
        reports[0].absorb(&report, 0, None, MessageType::Regular);
        reports[0].register(&regular);
        reports[1].register(&regular);
        // The control: until the report names a template, the sender is believed.
        let registered = Some((TypeRule::Registered, MessageType::Regular));
        assert_eq!(reports[1].message_type, registered);
        reports[1].absorb(&report, 0, None, MessageType::Regular);
        for message in calls.iter().chain(&reports) {
            assert_eq!(message.message_type, expected);
        }
    }

    #[test]
    fn what_was_registered_stays_whatever_is_reported() {
        let mut message = Message::default();
        message.register(&Registration {
            text: Some("Hi".to_owned()),
            message_type: Some(MessageType::Regular),
            ..Registration::default()
        });
        let mut report = Report::new(Kind::Status, "sent", None, b"{}");
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

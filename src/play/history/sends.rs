//! What is registered of a message: its template and what fills it, or its text, and what it is about.

use super::course::PlannedMessage;
use super::dice::Dice;
use super::world::{COUNTRIES, FIRST_NAMES, TEMPLATES};
use super::{History, PastSend};
use crate::model::{FilledTemplate, Parameters, Registration};
use crate::play::bodies::SENDER;

/// One single message of so many is registered, and each of a broadcast.
const SINGLE: u64 = 4;

/// Whether its sender registers a message.
pub(super) const fn is_registered(message: &PlannedMessage) -> bool {
    message.group.is_none()
        && (message.broadcast.is_some() || message.number.is_multiple_of(SINGLE))
}

impl History {
    /// What is registered of a message.
    pub(super) fn send(&self, message: &PlannedMessage) -> PastSend {
        let mut dice = Dice::of(self.course.seed, 9, message.number);
        let name = FIRST_NAMES[dice.place(FIRST_NAMES.len())];
        let order = format!("A-{:06}", message.number % 1_000_000);
        let sender = self.sources[message.source].sender.as_deref();
        let sender = sender.unwrap_or(SENDER).trim_start_matches('+');
        let country = &COUNTRIES[self.course.people.country(message.recipient)];
        let broadcast = message
            .broadcast
            .and_then(|it| self.calendar.broadcasts.get(it));
        let template = message.template.and_then(|place| TEMPLATES.get(place));
        let text = format!("{name}: {order}");
        let registration = Registration {
            text: template.is_none().then_some(text),
            recipient: Some(format!("+{}", self.course.people.number(message.recipient))),
            sender: Some(format!("+{sender}")),
            template: template.map(|template| FilledTemplate {
                name: template.name.to_owned(),
                language: Some(template.language.to_owned()),
                parameters: Parameters::Positional(vec![name.to_owned(), order.clone()]),
            }),
            broadcast: broadcast.map(|it| it.id.clone()),
            sent_ms: Some(message.at_ms),
            metadata: Some(format!(
                r#"{{"order":"{order}","shop":"{}"}}"#,
                country.language
            )),
            ..Registration::default()
        };
        PastSend {
            source: message.source,
            id: self.id(message),
            at_ms: message.at_ms,
            registration: registration.with_type(),
        }
    }
}

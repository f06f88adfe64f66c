//! Infobip's notices about the account: a template's new state, quality or category, and a person
//! who wants no marketing any more, or wants it again.

use serde_json::Value;

use super::super::json::{object, present, text, word};
use super::definition::EVENTS;
use super::shape::OPT_OUT;
use super::template_change::TemplateChange;
use super::time;
use crate::model::{About, AccountEvent, EventGroup, is_a_name};

/// Reads a notice; `None` when it does not say what happened, or to which template or person.
pub(super) fn read(element: &Value) -> Option<AccountEvent> {
    let content = object(element, "content");
    let wish = content.and_then(|content| word(content, OPT_OUT));
    let event = match (content, wish) {
        (Some(content), Some(wish)) => Some(preference(element, content, wish)),
        _ => template(element),
    };
    event.filter(AccountEvent::names_its_subject)
}

fn preference(element: &Value, content: &Value, wish: String) -> AccountEvent {
    let words = EVENTS.of(EventGroup::Contact, wish);
    let event = AccountEvent::new("marketing-preference", About::Contact, None, &words);
    // The envelope's `from` is the same person's.
    let number = text(content, "from").or_else(|| text(element, "from"));
    let sender = text(content, "sender");
    let event = event
        .of_person(number, text(content, "userId"))
        .of_sender(sender.clone(), None);
    let sender = sender.map(|sender| format!("to {sender}"));
    let mut event = event.with_detail([sender, text(content, "description")]);
    event.time = time::read(element, &["createdAt"]).time;
    event
}

fn template(element: &Value) -> Option<AccountEvent> {
    let change = TemplateChange::read(present(element, "change")?)?;
    let (words, details) = change.words();
    let template_id = text(element, "messageTemplateId");
    let name = text(element, "messageTemplateName");
    let subject = name.filter(|name| is_a_name(name));
    let subject = subject.or_else(|| template_id.clone());
    let event = AccountEvent::new("template-update", About::Template, subject, &words);
    Some(AccountEvent {
        template_id,
        language: text(element, "messageTemplateLanguage"),
        time: time::read(element, &["timestamp"]).time,
        ..event.with_detail(details)
    })
}

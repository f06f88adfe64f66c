//! How subscribers are notified of an account event: as an event of the service, or as a line in a chat.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::alert::{harmless, masked, without_numbers};
use super::event::Event;
use crate::catalogue;
use crate::model::{
    About, AccountEvent, Subscriber, SubscriberKey, SubscriberKind, is_phone_number,
};
use crate::providers::{Provider, event_words};

/// The event with what the catalogue knows of its error.
pub(crate) fn explained(event: &AccountEvent) -> Cow<'_, AccountEvent> {
    let entry = event.error_key.as_deref().and_then(catalogue::find);
    let Some(entry) = entry else {
        return Cow::Borrowed(event);
    };
    let title = event.vocabulary.title;
    let reported = stated(title, event.error_key.as_deref(), &event.event);
    let text = match event.subject.as_str() {
        "" => reported,
        number => format!("{reported} for number {number}"),
    };
    Cow::Owned(AccountEvent {
        text: format!("{text}. {}", entry.meaning),
        remedy: entry.remedy.clone(),
        ..event.clone()
    })
}

/// That the provider with that name reported an error of this code, or of none.
pub(crate) fn reported(provider: &str, code: &str) -> String {
    let known = provider.parse::<Provider>().ok();
    let key = known.map(|it| format!("{}:{code}", it.errors()));
    stated(event_words(provider).title, key.as_deref(), code)
}

/// That a provider reported an error of this code, or of none, with its name where the catalogue has one.
fn stated(title: &str, key: Option<&str>, code: &str) -> String {
    if code.is_empty() || !code.bytes().all(|it| it.is_ascii_digit()) {
        return format!("{title} reported an error");
    }
    match key.and_then(catalogue::find) {
        Some(entry) => format!("{title} reported error {code} ({})", entry.name),
        None => format!("{title} reported error {code}"),
    }
}

/// An account event that is reported for the first time.
pub(crate) struct Notice<'a> {
    /// It.
    pub(crate) event: &'a AccountEvent,
    /// Its source's name.
    pub(crate) source: &'a str,
    /// When it happened, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// Of an error of the channel: how many came since the last notice.
    pub(crate) gathered: Option<u64>,
}

impl Notice<'_> {
    /// The payload for subscribers of this kind; `None` for a kind that is not notified.
    fn render(&self, kind: SubscriberKind) -> Option<Vec<u8>> {
        match kind {
            SubscriberKind::Events => Some(self.for_systems()),
            SubscriberKind::Chat => Some(self.for_people()),
            SubscriberKind::Callback => None,
        }
    }

    /// The payloads of those who want to be notified, each with their ids.
    pub(crate) fn payloads(
        &self,
        subscribers: &[Arc<Subscriber>],
    ) -> Vec<(Vec<u8>, Vec<SubscriberKey>)> {
        let kinds = [SubscriberKind::Events, SubscriberKind::Chat].into_iter();
        let of_kind = |kind| {
            let wanted = subscribers.iter();
            let wanted = wanted.filter(|it| it.kind == kind && self.is_for(it));
            let ids: Vec<SubscriberKey> = wanted.map(|subscriber| subscriber.id).collect();
            let body = self.render(kind).filter(|_| !ids.is_empty())?;
            Some((body, ids))
        };
        kinds.filter_map(of_kind).collect()
    }

    /// Whether the subscriber wants to be notified.
    fn is_for(&self, subscriber: &Subscriber) -> bool {
        let wants = match subscriber.kind {
            SubscriberKind::Events => true,
            SubscriberKind::Chat => subscriber.alert.account_events,
            SubscriberKind::Callback => false,
        };
        let sources = &subscriber.filter.sources;
        wants && (sources.is_empty() || sources.iter().any(|source| source == self.source))
    }

    fn for_systems(&self) -> Vec<u8> {
        let event = self.event;
        let data = json!({
            "source": self.source,
            "field": event.field,
            "about": event.about,
            "event": event.event,
            "remedy": event.remedy,
            "detail": event.detail,
            "template_id": event.template_id,
            "language": event.language,
            "account_id": event.account_id,
            "person": event.person,
            "person_user_id": event.person_user_id,
            "sender": event.sender,
            "sender_id": event.sender_id,
            "count": self.gathered,
            "ends_at": event.ends_at_ms.and_then(written),
            "provider_time": event.time.text,
        });
        let mut data: Map<String, Value> = match data {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        data.retain(|_, value| !value.is_null());
        let mut text = event.text.clone();
        for part in [self.count(), Some(event.remedy.clone())] {
            text.extend(part.map(|part| format!(" {part}")));
        }
        let event = Event {
            name: &event.name,
            subject: &event.subject,
            text: &text,
            data: &data,
        };
        event.render(self.at_ms)
    }

    fn for_people(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct NoticeBody<'a> {
            text: &'a str,
        }
        let event = self.event;
        let mut parts = vec![harmless(&event.text)];
        parts.extend(self.count());
        if let Some(detail) = &event.detail {
            let detail = without_numbers(&harmless(detail));
            parts.push(format!("{} says: {detail}.", event.vocabulary.title));
        }
        parts.push(event.remedy.clone());
        let person = match event.about {
            About::Contact => format!(", {}", contact(&event.subject)),
            _ => String::new(),
        };
        parts.push(format!(
            "({}, source {}{person})",
            harmless(&event.name),
            harmless(self.source)
        ));
        // A string alone: serialising cannot fail.
        serde_json::to_vec(&NoticeBody {
            text: &parts.join(" "),
        })
        .unwrap_or_default()
    }

    /// How many stand for this one.
    fn count(&self) -> Option<String> {
        match self.gathered? {
            1 => Some("It came once since the last notice.".to_owned()),
            many => Some(format!("It came {many} times since the last notice.")),
        }
    }
}

/// The person, in a chat: the last digits of a number or letters of a user id that is long enough
/// to be recognised by them.
fn contact(subject: &str) -> String {
    const LAST: usize = 3;
    /// The shortest user id of which these are few.
    const SHORTEST: usize = 8;
    if is_phone_number(subject) {
        return format!("contact {}", masked(subject));
    }
    let letters = subject.chars().filter(char::is_ascii_alphanumeric);
    let letters: Vec<char> = letters.collect();
    match letters.len().checked_sub(LAST) {
        Some(start) if letters.len() >= SHORTEST => {
            let last: String = letters[start..].iter().collect();
            format!("contact …{last}")
        }
        _ => "a contact".to_owned(),
    }
}

/// A time as payloads have it.
fn written(ms: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(ms)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventGroup;

    fn stop() -> AccountEvent {
        let words = Provider::USUAL.definition().events;
        let words = words.of(EventGroup::Contact, "stop".to_owned());
        let event = AccountEvent::new("user_preferences", About::Contact, None, &words);
        let event = event.of_person(Some("+34 600 000 901".to_owned()), None);
        event.with_detail([Some("<@all> 34600000901 asked".to_owned())])
    }

    fn render(event: &AccountEvent, kind: SubscriberKind) -> Value {
        let notice = Notice {
            event,
            source: "cloud",
            at_ms: 1_790_000_000_000,
            gathered: None,
        };
        serde_json::from_slice(&notice.render(kind).unwrap()).unwrap()
    }

    #[test]
    fn a_system_is_notified_who_and_a_chat_only_the_last_digits() {
        let payload = render(&stop(), SubscriberKind::Events);
        assert_eq!(payload["type"], "contact.opted_out");
        assert_eq!(payload["timestamp"], "2026-09-21T14:13:20.000Z");
        assert_eq!(payload["data"]["person"], "34600000901");
        assert_eq!(payload["data"]["subject"], "34600000901");
        assert!(payload["data"].get("language").is_none());
        let text = payload["text"].as_str().unwrap();
        assert!(text.starts_with("A contact wants no marketing messages any more. Send"));
        let payload = render(&stop(), SubscriberKind::Chat);
        let text = payload["text"].as_str().unwrap();
        assert!(text.contains("Meta says: ‹＠all› …901 asked."), "{text}");
        assert!(
            text.ends_with("(contact.opted_out, source cloud, contact …901)"),
            "{text}"
        );
        assert!(!text.contains("600000901"), "{text}");
    }

    #[test]
    fn a_contact_without_a_number_is_identified_by_the_end_of_its_user_id() {
        for (user_id, expected) in [
            ("ES.1349000017", "contact …017"),
            ("ES.75", "a contact"),
            ("34600000901", "contact …901"),
        ] {
            let event = stop().of_person(None, Some(user_id.to_owned()));
            let payload = render(&event, SubscriberKind::Chat);
            let text = payload["text"].as_str().unwrap();
            let end = format!("(contact.opted_out, source cloud, {expected})");
            assert!(text.ends_with(&end), "{text}");
        }
    }
}

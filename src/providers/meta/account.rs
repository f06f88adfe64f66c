//! Notices about the account: which of Meta's fields are read, and what stands in each.
//!
//! They come beside the statuses, most of them without `metadata`. When it happened says the entry,
//! whose `time` some bodies write as text. What a notice lacks costs that part alone; one that does
//! not say what happened, or to which template, number or person, is no event.

use serde_json::Value;

use super::super::json::{Node, is_absent, object, present, scalar, text, word};
use super::contacts::Contacts;
use super::events::EVENTS;
use super::members::Members;
use super::notice::{
    LIMITS, Limited, grouped, inner_text, limit_change, listed, moment, time_of, value_of,
};
use super::status::id;
use super::surroundings::Around;
use crate::model::{About, AccountEvent, EventGroup, ProviderTime, Words, has_digit, is_a_name};

/// The fields that are read, in the order of [`AccountChange::events`].
const FIELDS: [&str; 9] = [
    "account_alerts",
    "account_settings_update",
    "account_update",
    "business_capability_update",
    "message_template_quality_update",
    "message_template_status_update",
    "messaging_handovers",
    "phone_number_quality_update",
    "user_preferences",
];

/// The value of a change that may be a notice.
struct AccountChange<'a> {
    field: &'static str,
    value: &'a Value,
    account_id: Option<String>,
    contacts: Contacts,
}

/// The events in a change of this field, or in what a relay made of it; none when it is no notice
/// that is read.
pub(super) fn read(field: &str, node: &Node, around: Around) -> Vec<AccountEvent> {
    let field = FIELDS.into_iter().find(|it| it.eq_ignore_ascii_case(field));
    // A relay may leave the value out; one that is there and holds nothing says nothing.
    let value = node.get("value");
    let node = value.as_ref().unwrap_or(node);
    let Some(field) = field else {
        return Vec::new();
    };
    match node.elements() {
        Some(all) => all
            .iter()
            .flat_map(|one| of_value(field, one, around))
            .collect(),
        None => of_value(field, node, around),
    }
}

/// The events in a value of this field, of which some relays make a text.
fn of_value(field: &'static str, node: &Node, around: Around) -> Vec<AccountEvent> {
    let inner = inner_text(node);
    let inner = inner.as_deref().and_then(|text| Node::body(text).ok());
    let node = inner.as_ref().unwrap_or(node);
    match value_of(node) {
        Some(value) => notice(field, &value, node, around),
        None => Vec::new(),
    }
}

/// Whether a notice of which nothing was read may stand in a text: one that was cut, or was made a
/// text twice.
pub(super) fn is_unread_text(field: &str, node: &Node) -> bool {
    let is_read = FIELDS.iter().any(|it| it.eq_ignore_ascii_case(field));
    let text = node.get("value").and_then(|value| value.string());
    let may_be_notice = |text: String| match text.trim_start().chars().next() {
        Some('{') => Node::body(&text).is_err(),
        Some('"' | '[') => text.contains('{'),
        _ => false,
    };
    is_read && text.is_some_and(may_be_notice)
}

/// The events in a value of which a relay dropped the field, as far as its members show which.
pub(super) fn read_without_field(node: &Node, around: Around) -> Vec<AccountEvent> {
    let Some(value) = value_of(node) else {
        return Vec::new();
    };
    let has = |name| present(&value, name).is_some();
    let field = if has("message_template_id") && (has("event") || has("new_quality_score")) {
        "message_template_status_update"
    } else if has("user_preferences") {
        "user_preferences"
    } else if has("display_phone_number")
        && has("current_limit")
        && (has("event") || has("old_limit"))
    {
        "phone_number_quality_update"
    } else {
        return Vec::new();
    };
    notice(field, &value, node, around)
}

fn notice(field: &'static str, value: &Value, node: &Node, around: Around) -> Vec<AccountEvent> {
    let members = Members::of(node);
    let contacts = members.as_ref().and_then(|members| members.get("contacts"));
    let of_account = object(value, "waba_info").and_then(|info| id(info, &["waba_id"]));
    let of_account = of_account.filter(|id| has_digit(id));
    let notice = AccountChange {
        field,
        value,
        account_id: of_account.or_else(|| {
            around
                .account_id
                .map(str::to_owned)
                .filter(|id| has_digit(id))
        }),
        contacts: contacts.map(Contacts::read).unwrap_or_default(),
    };
    // What is empty is absent, and a notice without anything says nothing.
    if value
        .as_object()
        .is_none_or(|members| members.values().all(is_absent))
    {
        return Vec::new();
    }
    let own_time = text(value, "timestamp");
    let time = time_of(own_time.as_deref().or(around.time));
    let mut events = notice.events();
    events.retain(AccountEvent::names_its_subject);
    for event in &mut events {
        event.account_id.clone_from(&notice.account_id);
        if event.time == ProviderTime::default() {
            event.time = time.clone();
        }
    }
    events
}

impl AccountChange<'_> {
    fn events(&self) -> Vec<AccountEvent> {
        let single = match self.field {
            "account_alerts" => self.alert(),
            "account_settings_update" => self.settings(),
            "account_update" => self.account(),
            "business_capability_update" => self.limits(),
            "messaging_handovers" => self.handover(),
            "phone_number_quality_update" => self.number(),
            "user_preferences" => return self.preferences(),
            // Meta's own pages show either under the name of the other.
            _ => self.template_state().or_else(|| self.template_quality()),
        };
        single.into_iter().collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        text(self.value, name)
    }

    /// The first of these members that can name a number.
    fn number_in(places: &[&Value], names: &[&str]) -> Option<String> {
        let all = names
            .iter()
            .flat_map(|name| places.iter().map(move |place| (place, name)));
        let mut all = all.filter_map(|(place, name)| id(place, &[name]));
        all.find(|name| has_digit(name))
    }

    fn about(&self, about: About, subject: Option<String>, words: &Words) -> AccountEvent {
        let (number, number_id) = self.sender();
        AccountEvent::new(self.field, about, subject, words).of_sender(number, number_id)
    }

    /// The business's number and its id: in the value itself, else where a status has them, else
    /// where a handover has them.
    fn sender(&self) -> (Option<String>, Option<String>) {
        let inner = ["metadata", "recipient"].map(|name| object(self.value, name));
        let places = std::iter::once(Some(self.value)).chain(inner).flatten();
        let places: Vec<&Value> = places.collect();
        let find = |name| Self::number_in(&places, &[name]);
        (find("display_phone_number"), find("phone_number_id"))
    }

    fn template_state(&self) -> Option<AccountEvent> {
        let words = EVENTS.of(EventGroup::Template, word(self.value, "event")?);
        let reason = self.text("reason");
        let reason = reason.filter(|reason| !reason.eq_ignore_ascii_case("none"));
        let other = object(self.value, "other_info");
        let other = |name| other.and_then(|other| text(other, name));
        let rejection = object(self.value, "rejection_info");
        let rejection = |name| rejection.and_then(|info| text(info, name));
        let disabled = object(self.value, "disable_info");
        let disabled = disabled.and_then(|info| moment(info, "disable_date"));
        Some(self.template(&words).with_detail([
            reason,
            other("title"),
            other("description"),
            rejection("reason"),
            rejection("recommendation"),
            disabled.map(|date| format!("on {}", date.text)),
        ]))
    }

    fn template_quality(&self) -> Option<AccountEvent> {
        let words = EVENTS.of(
            EventGroup::TemplateQuality,
            word(self.value, "new_quality_score")?,
        );
        let before = self.text("previous_quality_score");
        let before = before.map(|score| format!("{score} before"));
        Some(self.template(&words).with_detail([before]))
    }

    fn template(&self, words: &Words) -> AccountEvent {
        let template_id = id(self.value, &["message_template_id"]);
        let name = self.text("message_template_name");
        let subject = name.filter(|name| is_a_name(name));
        let subject = subject.or_else(|| template_id.clone());
        let event = self.about(About::Template, subject, words);
        AccountEvent {
            template_id,
            language: self.text("message_template_language"),
            ..event
        }
    }

    fn number(&self) -> Option<AccountEvent> {
        // Some relays report the colour, as Meta does of templates.
        let said = word(self.value, "event");
        let said = said.or_else(|| word(self.value, "new_quality_score"));
        let names = ["display_phone_number", "phone_number_id"];
        let subject = Self::number_in(&[self.value], &names);
        let limit = self.text("current_limit");
        let limit = limit.or_else(|| self.text("max_daily_conversations_per_business"));
        let before = self.text("old_limit");
        let words = match said {
            Some(said) => EVENTS.of(EventGroup::Number, said),
            None => limit_change(limit.as_deref()?, before.as_deref())?,
        };
        let before = before.or_else(|| self.text("previous_quality_score"));
        let event = self.about(About::Number, subject, &words);
        Some(event.with_detail([
            limit.map(|limit| format!("limit {}", grouped(&limit))),
            before.map(|before| format!("{before} before")),
        ]))
    }

    fn account(&self) -> Option<AccountEvent> {
        let event = word(self.value, "event")?;
        let part = |part: &str, name: &str| text(object(self.value, part)?, name);
        // Without it, it is unknown whether the account was disabled or reinstated.
        let state = object(self.value, "ban_info").and_then(|info| info.get("waba_ban_state"));
        let state = state.and_then(|state| listed(Some(state)).next().and_then(scalar));
        let ban = object(self.value, "ban_info").and_then(|info| moment(info, "waba_ban_date"));
        let limited = |name, kind| {
            let found = listed(self.value.get(name)).filter_map(|one| Limited::read(one, kind));
            found.collect::<Vec<_>>()
        };
        let violations = limited("violation_info", "violation_type");
        let restrictions = limited("restriction_info", "restriction_type");
        let stopping = restrictions.iter().any(|one| one.stops_sends);
        let is_harmless = !restrictions.is_empty() && !stopping;
        let words = match state {
            Some(state) => EVENTS.said_as(EventGroup::Account, &state, event),
            None if is_harmless && event.trim().eq_ignore_ascii_case("account_restriction") => {
                EVENTS.said_as(EventGroup::Account, "feature_restriction", event)
            }
            None => EVENTS.of(EventGroup::Account, event),
        };
        let certified = "partner_client_certification_info";
        let details = [
            ban.map(|date| date.text),
            part("disconnection_info", "reason"),
            part("disconnection_info", "initiated_by").map(|by| format!("by {by}")),
            part("volume_tier_info", "tier"),
            part(certified, "status"),
            part(certified, "rejection_reason"),
            self.text("country"),
        ];
        let event = self.about(About::Account, self.account_id.clone(), &words);
        let limited = violations.iter().chain(&restrictions);
        let said = limited.map(|one| Some(one.text.clone()));
        let event = event.with_detail(said.chain(details));
        // A restriction may be shorter than what it is for.
        let lasting = match &restrictions[..] {
            [] => &violations,
            _ => &restrictions,
        };
        Some(AccountEvent {
            ends_at_ms: Limited::end(lasting),
            ..event
        })
    }

    fn alert(&self) -> Option<AccountEvent> {
        // Older bodies have the alert's members beside the entity's.
        let alert = object(self.value, "alert_info").unwrap_or(self.value);
        let words = EVENTS.of(EventGroup::Alert, word(alert, "alert_type")?);
        let entity = id(self.value, &["entity_id"]).filter(|id| has_digit(id));
        let subject = entity.clone().or_else(|| self.account_id.clone());
        let kind = self.text("entity_type");
        let is_number = kind.is_some_and(|kind| kind.to_ascii_uppercase().contains("PHONE"));
        let about = if is_number {
            About::Number
        } else {
            About::Account
        };
        let number_id = entity.filter(|_| is_number);
        let mut event = self.about(about, subject, &words);
        event.sender_id = number_id.or(event.sender_id);
        let part = |name| text(alert, name);
        Some(event.with_detail([
            part("alert_severity"),
            part("alert_status"),
            part("alert_description"),
        ]))
    }

    fn limits(&self) -> Option<AccountEvent> {
        let limits = LIMITS.iter().filter_map(|name| {
            let limit = self.text(name)?;
            Some(format!("{name} {}", grouped(&limit)))
        });
        let limits: Vec<Option<String>> = limits.map(Some).collect();
        let words = EVENTS.of(EventGroup::Account, "LIMITS_CHANGED".to_owned());
        let event = self.about(About::Account, self.account_id.clone(), &words);
        (!limits.is_empty()).then(|| event.with_detail(limits))
    }

    fn settings(&self) -> Option<AccountEvent> {
        let kind = word(self.value, "type")?;
        let settings = object(self.value, kind.trim())?;
        let others = settings.as_object().into_iter().flatten();
        let others = others.filter(|(name, value)| *name != "phone_number_id" && !is_absent(value));
        let others = others.map(|(name, value)| {
            let value = scalar(value).unwrap_or_else(|| value.to_string());
            Some(format!("{name} {value}"))
        });
        let others: Vec<Option<String>> = others.collect();
        if others.is_empty() {
            return None;
        }
        let number_id = Self::number_in(&[settings], &["phone_number_id"]);
        let (about, group) = match number_id {
            Some(_) => (About::Number, EventGroup::Number),
            None => (About::Account, EventGroup::Account),
        };
        let words = EVENTS.said_as(group, "settings_changed", kind);
        let subject = number_id.clone().or_else(|| self.account_id.clone());
        let mut event = self.about(about, subject, &words);
        event.sender_id = number_id.or(event.sender_id);
        Some(event.with_detail(others))
    }

    fn handover(&self) -> Option<AccountEvent> {
        let kind = word(self.value, "type")?;
        let change = object(self.value, kind.trim());
        let part = |name| change.and_then(|change| text(change, name));
        let person = object(self.value, "sender");
        let person = |names: &[&str]| person.and_then(|person| id(person, names));
        let number = person(&["phone_number", "wa_id"]);
        let words = EVENTS.of(EventGroup::Conversation, kind);
        let event = self.about(About::Contact, None, &words);
        let event = event.of_person(number, person(&["user_id"]));
        Some(event.with_detail([
            part("new_owner_role").map(|role| format!("owned by {role}")),
            part("previous_owner_role").map(|role| format!("{role} before")),
        ]))
    }

    fn preferences(&self) -> Vec<AccountEvent> {
        let all = listed(self.value.get("user_preferences"));
        all.filter_map(|preference| self.preference(preference))
            .collect()
    }

    fn preference(&self, preference: &Value) -> Option<AccountEvent> {
        let words = EVENTS.of(EventGroup::Contact, word(preference, "value")?);
        let (number, user_id) = (id(preference, &["wa_id"]), id(preference, &["user_id"]));
        let contact = self.contacts.of(user_id.as_deref(), number.as_deref());
        let number = number.or_else(|| contact.and_then(|contact| contact.phone.clone()));
        let user_id = user_id.or_else(|| contact.and_then(|contact| contact.user_id.clone()));
        let event = self
            .about(About::Contact, None, &words)
            .of_person(number, user_id);
        let part = |name| text(preference, name);
        let mut event = event.with_detail([part("category"), part("detail")]);
        event.time = time_of(part("timestamp").as_deref());
        Some(event)
    }
}

#[cfg(test)]
mod tests;

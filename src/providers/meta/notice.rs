//! The parts of a notice about the account: its value, what an account may not do and until when, and
//! the numbers and times in it as people read them.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::json::{Node, text};
use super::super::moment::Moment;
use super::events::EVENTS;
use super::time::milliseconds;
use crate::model::{EventGroup, ProviderTime, Words};

/// What of a business's capabilities may be limited.
pub(super) const LIMITS: [&str; 6] = [
    "max_daily_conversation_per_phone",
    "max_daily_conversations_per_business",
    "max_phone_numbers_per_business",
    "max_phone_numbers_per_waba",
    "max_phone_number_per_business",
    "max_phone_number_per_waba",
];

/// What became of a number's limit, which is all that the notice says; `None` when it says none.
pub(super) fn limit_change(limit: &str, before: Option<&str>) -> Option<Words> {
    let now = tier(limit)?;
    let said = match before.and_then(tier).map(|before| now.cmp(&before)) {
        Some(Ordering::Less) => "downgrade",
        Some(Ordering::Greater) => "upgrade",
        Some(Ordering::Equal) | None => "limit_changed",
    };
    Some(EVENTS.said_as(EventGroup::Number, said, limit.to_owned()))
}

/// How many people a tier lets one write to a day: `TIER_250`, `TIER_1K`, `TIER_UNLIMITED`, or the
/// count itself, of which one below zero is no limit.
fn tier(limit: &str) -> Option<u64> {
    let limit = limit.trim().to_ascii_uppercase();
    let limit = limit.strip_prefix("TIER_").unwrap_or(&limit);
    if limit == "UNLIMITED" {
        return Some(u64::MAX);
    }
    let (count, unit) = match limit.strip_suffix('K') {
        Some(count) => (count, 1_000),
        None => (
            limit.strip_suffix('M').unwrap_or(limit),
            if limit.ends_with('M') { 1_000_000 } else { 1 },
        ),
    };
    let count: i64 = count.parse().ok()?;
    let Ok(count) = u64::try_from(count) else {
        return Some(u64::MAX);
    };
    Some(count.saturating_mul(unit))
}

/// What an account may not do, or did, and until when.
pub(super) struct Limited {
    /// Both, as people read it.
    pub(super) text: String,
    /// Whether messages may not be sent; what is not known may.
    pub(super) stops_sends: bool,
    ends_at_ms: Option<i64>,
}

impl Limited {
    pub(super) fn read(value: &Value, kind: &str) -> Option<Self> {
        let kind = text(value, kind)?;
        let until = moment(value, "expiration");
        let ends_at_ms = until.as_ref().and_then(|until| until.ms);
        let text = until.map_or(kind.clone(), |until| format!("{kind} until {}", until.text));
        Some(Self {
            text,
            stops_sends: stops_sends(&kind),
            ends_at_ms,
        })
    }

    /// When all of them are over that stop sends, else all, ms since 1970 UTC; one without an end lasts
    /// until something else is said.
    pub(super) fn end(all: &[Self]) -> Option<i64> {
        let any_stops = all.iter().any(|one| one.stops_sends);
        let all = all.iter().filter(|one| one.stops_sends == any_stops);
        let ends: Option<Vec<i64>> = all.map(|one| one.ends_at_ms).collect();
        ends?.into_iter().max()
    }
}

/// Whether an account with this restriction cannot send; of a word that is not known, it may be so.
fn stops_sends(restriction: &str) -> bool {
    /// What they forbid: adding numbers, and calls.
    const OTHERS: [&str; 2] = ["ADD_PHONE_NUMBER", "CALL"];
    let restriction = restriction.to_ascii_uppercase();
    !OTHERS.iter().any(|other| restriction.contains(other))
}

/// What is in a text that is itself a JSON object, or was to be one.
pub(super) fn inner_text(node: &Node) -> Option<String> {
    let text = node.string()?;
    let is_object = text.trim_start().starts_with('{');
    is_object.then_some(text)
}

/// The elements of a list; one thing in its place is its only one.
pub(super) fn listed(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, single) = match value {
        Some(Value::Array(all)) => (&all[..], None),
        single => (&[][..], single),
    };
    list.iter().chain(single)
}

/// The time in that member; one of 0 or less is none.
pub(super) fn moment(value: &Value, name: &str) -> Option<Moment> {
    let given = text(value, name)?;
    let is_none = given.trim().parse::<f64>().is_ok_and(|count| count <= 0.0);
    (!is_none).then(|| Moment::read(&given))
}

/// A whole number with its thousands apart, which distinguishes it from a phone number.
pub(super) fn grouped(number: &str) -> String {
    let number = number.trim();
    if number.len() < 7 || !number.bytes().all(|it| it.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut grouped = String::new();
    for (index, digit) in number.char_indices() {
        if index > 0 && (number.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn time_of(given: Option<&str>) -> ProviderTime {
    let given = given.map(str::trim).filter(|given| !given.is_empty());
    ProviderTime {
        text: given.map(str::to_owned),
        ms: given.and_then(|given| milliseconds(given.parse().ok()?)),
    }
}

/// What was opened on the way is no longer one text.
pub(super) fn value_of(node: &Node) -> Option<Value> {
    match node {
        Node::Slice(_) => node.value().ok().filter(Value::is_object),
        Node::Object(members) => {
            let members = members.iter();
            let members =
                members.filter_map(|(name, node)| Some((name.to_string(), any_of(node)?)));
            Some(Value::Object(members.collect()))
        }
        Node::Array(_) => None,
    }
}

fn any_of(node: &Node) -> Option<Value> {
    match node {
        Node::Slice(_) => node.value().ok(),
        Node::Object(_) => value_of(node),
        Node::Array(elements) => Some(elements.iter().filter_map(any_of).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_number_has_its_thousands_apart() {
        for (given, expected) in [
            ("250", "250"),
            ("100000", "100000"),
            ("1000000", "1,000,000"),
            (" 25000000 ", "25,000,000"),
            ("TIER_100K", "TIER_100K"),
            ("-1", "-1"),
        ] {
            assert_eq!(grouped(given), expected);
        }
    }

    #[test]
    fn tiers_show_whether_a_limit_was_lowered() {
        for (limit, before, expected) in [
            ("TIER_250", Some("TIER_1K"), Some("number.quality_dropped")),
            (
                "TIER_1K",
                Some("TIER_UNLIMITED"),
                Some("number.quality_dropped"),
            ),
            ("tier_100k", Some("TIER_10K"), Some("number.limit_raised")),
            ("TIER_1M", Some("100000"), Some("number.limit_raised")),
            ("-1", Some("250"), Some("number.limit_raised")),
            ("TIER_1K", Some("1000"), Some("number.limit_changed")),
            (
                "TIER_1K",
                Some("TIER_NOT_SET"),
                Some("number.limit_changed"),
            ),
            ("TIER_1K", None, Some("number.limit_changed")),
            ("TIER_NOT_SET", Some("TIER_1K"), None),
            ("TIER_", None, None),
        ] {
            let found = limit_change(limit, before).map(|words| words.name.into_owned());
            assert_eq!(found.as_deref(), expected, "{limit} {before:?}");
        }
    }

    #[test]
    fn a_restriction_of_numbers_or_calls_stops_no_sends() {
        for (restriction, expected) in [
            ("RESTRICTED_ADD_PHONE_NUMBER_ACTION", false),
            ("restricted_business_initiated_calling", false),
            ("RESTRICTED_BIZ_INITIATED_MESSAGING", true),
            ("RESTRICTED_CUSTOMER_INITIATED_MESSAGING", true),
            ("SOMETHING_NEW", true),
        ] {
            assert_eq!(stops_sends(restriction), expected, "{restriction}");
        }
        let end = |all: &[Value]| {
            let read = all.iter().filter_map(|one| Limited::read(one, "kind"));
            Limited::end(&read.collect::<Vec<_>>())
        };
        let harmless = json!({"kind": "RESTRICTED_ADD_PHONE_NUMBER_ACTION"});
        let stopping = json!({"kind": "MESSAGING", "expiration": 1_785_404_800});
        assert_eq!(end(&[harmless, stopping]), Some(1_785_404_800_000));
    }

    #[test]
    fn what_lasts_for_good_has_no_end() {
        let end = |all: &[Value]| {
            let read = all.iter().filter_map(|one| Limited::read(one, "kind"));
            Limited::end(&read.collect::<Vec<_>>())
        };
        let (short, long) = (
            json!({"kind": "a", "expiration": 1_785_404_800}),
            json!({"kind": "b", "expiration": "2026-07-31T00:00:00Z"}),
        );
        assert_eq!(end(&[short.clone(), long.clone()]), Some(1_785_456_000_000));
        assert_eq!(
            end(&[short, json!({"kind": "c", "expiration": 0}), long]),
            None
        );
        assert_eq!(end(&[json!({"expiration": 1_785_404_800})]), None);
        assert_eq!(end(&[]), None);
    }
}

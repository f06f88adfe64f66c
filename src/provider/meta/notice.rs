//! The parts of a notice about the account: its value, what an account may not do and until when, and
//! the numbers and times in it as people read them.

use serde_json::Value;

use super::super::json::{Node, text};
use super::super::moment::Moment;
use super::status::milliseconds;
use crate::model::ProviderTime;

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
    let told = text(value, name)?;
    let is_none = told.trim().parse::<f64>().is_ok_and(|count| count <= 0.0);
    (!is_none).then(|| Moment::read(&told))
}

/// A whole number with its thousands apart, which tells it from a phone number.
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

pub(super) fn time_of(told: Option<&str>) -> ProviderTime {
    let told = told.map(str::trim).filter(|told| !told.is_empty());
    ProviderTime {
        text: told.map(str::to_owned),
        ms: told.and_then(|told| milliseconds(told.parse().ok()?)),
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

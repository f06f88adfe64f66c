//! Whether new limits of an account are a raise or a cut.
//!
//! Pure. Limits stand in the detail of their event, each with the provider's name of it:
//! `max_daily_conversation_per_phone 1000; max_phone_numbers_per_waba 20`.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::model::{AccountEvent, EventGroup};

/// The name of an event whose limits are compared with the account's earlier ones.
pub(crate) const CHANGED: &str = "account.limits_changed";

/// The event with what the earlier limits of the account make of it. It stays unchanged where the
/// limits are the same, or one is higher and another lower.
pub(crate) fn compared<'a>(
    event: &'a AccountEvent,
    earlier: Option<&str>,
) -> Cow<'a, AccountEvent> {
    let said = match event.detail.as_deref().zip(earlier).map(direction) {
        Some(Ordering::Less) => "limits_lowered",
        Some(Ordering::Greater) => "limits_raised",
        Some(Ordering::Equal) | None => return Cow::Borrowed(event),
    };
    let words = event.vocabulary;
    let words = words.said_as(EventGroup::Account, said, event.event.clone());
    let new = AccountEvent::new(
        &event.field,
        event.about,
        Some(event.subject.clone()),
        &words,
    );
    Cow::Owned(AccountEvent {
        name: new.name,
        text: new.text,
        remedy: new.remedy,
        ..event.clone()
    })
}

/// Whether the limits went down, up, or neither for certain.
fn direction((now, before): (&str, &str)) -> Ordering {
    let before: Vec<(&str, i64)> = limits(before).collect();
    let same = |(name, limit): (&str, i64)| {
        let earlier = before.iter().find(|(other, _)| *other == name)?;
        Some(limit.cmp(&earlier.1))
    };
    let changes: Vec<Ordering> = limits(now).filter_map(same).collect();
    match (
        changes.contains(&Ordering::Less),
        changes.contains(&Ordering::Greater),
    ) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// Each limit by its name; one below zero is none, so it is above all.
fn limits(detail: &str) -> impl Iterator<Item = (&str, i64)> {
    detail.split("; ").filter_map(|part| {
        let (name, limit) = part.split_once(' ')?;
        let limit: i64 = limit.replace(',', "").parse().ok()?;
        Some((name, if limit < 0 { i64::MAX } else { limit }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::About;
    use crate::providers::Provider;

    #[test]
    fn new_limits_are_a_raise_or_a_cut_where_the_earlier_ones_are_known() {
        for (earlier, now, expected) in [
            (Some("a 1000"), "a 250", "account.limits_lowered"),
            (Some("a 250"), "a 1000", "account.limits_raised"),
            (Some("a 250"), "a -1", "account.limits_raised"),
            (Some("a 1,000,000"), "a 100000", "account.limits_lowered"),
            (Some("a 1000; b 2"), "b 20; a 1000", "account.limits_raised"),
            (Some("a 1000; b 2"), "a 250; b 20", CHANGED),
            (Some("a 1000"), "a 1000", CHANGED),
            (Some("b 1000"), "a 250", CHANGED),
            (Some("a TIER_1K"), "a TIER_250", CHANGED),
            (None, "a 250", CHANGED),
        ] {
            let words = Provider::USUAL.definition().events;
            let words = words.of(EventGroup::Account, "LIMITS_CHANGED".to_owned());
            let subject = Some("1".to_owned());
            let event = AccountEvent::new("f", About::Account, subject, &words);
            let event = event.with_detail([Some(now.to_owned())]);
            let found = compared(&event, earlier);
            assert_eq!(found.name, expected, "{earlier:?} {now}");
            assert_eq!(found.event, "LIMITS_CHANGED");
        }
    }
}

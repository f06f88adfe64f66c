//! What a template's `change` says: a new state, quality or category, or only that there is a change.
//!
//! Infobip documents one set of names and sends another, so a word that is known counts under any
//! name, save those of what was before.

use serde_json::Value;

use super::super::json::{scalar, text, word, word_of};
use super::definition::EVENTS;
use crate::model::{EventGroup, Words};

/// The categories that a template may have.
const CATEGORIES: [&str; 3] = ["MARKETING", "UTILITY", "AUTHENTICATION"];

/// How the names begin of what was before the change.
const BEFORE: [&str; 4] = ["from", "prev", "old", "before"];

/// What may change, with the names that say what it is now.
const PARTS: [(EventGroup, &[&str]); 3] = [
    (EventGroup::Template, &["newStatus", "status"]),
    (
        EventGroup::TemplateQuality,
        &["newQualityScore", "qualityScore", "newQuality", "quality"],
    ),
    (EventGroup::TemplateCategory, &["newCategory", "category"]),
];

/// A `change` that says something.
pub(super) struct TemplateChange<'a> {
    change: &'a Value,
    /// Each word and number in it, with the name that is nearest to it.
    members: Vec<(&'a str, String)>,
}

impl<'a> TemplateChange<'a> {
    /// Reads it; `None` when it is empty all through.
    pub(super) fn read(change: &'a Value) -> Option<Self> {
        let mut members = Vec::new();
        collect("", change, &mut members);
        (!members.is_empty()).then_some(Self { change, members })
    }

    /// What happened, and what the change adds to it.
    pub(super) fn words(&self) -> (Words, Vec<Option<String>>) {
        let kind = self.kind();
        let named = kind.as_deref().unwrap_or_default().to_ascii_uppercase();
        let mut parts = PARTS;
        // What the type names goes before what else is in the change.
        parts.sort_by_key(|(group, _)| match group {
            EventGroup::TemplateQuality => !named.contains("QUALITY"),
            EventGroup::TemplateCategory => !named.contains("CATEGORY"),
            _ => named.contains("QUALITY") || named.contains("CATEGORY"),
        });
        let state = parts.iter().find_map(|(group, names)| {
            let word = self.documented(*group, names);
            // A category says nothing of the state, and may stand beside it.
            let may_be_any = *group != EventGroup::TemplateCategory || named.contains("CATEGORY");
            let known = || self.known(*group, false).filter(|_| may_be_any);
            Some((*group, word.or_else(known)?))
        });
        let state = state.or_else(|| {
            let kind = kind.clone()?;
            EVENTS
                .has(EventGroup::Template, &kind)
                .then_some((EventGroup::Template, kind))
        });
        if let Some((group, state)) = state {
            let reason = word(self.change, "reason");
            let before = self.before(group);
            let before = before.map(|before| format!("{before} before"));
            return (EVENTS.of(group, state), vec![reason, before]);
        }
        let said = self.members.iter().filter(|(name, _)| *name != "type");
        let said = said.map(|(name, word)| Some(format!("{name} {word}")));
        let event = kind.unwrap_or_else(|| "CHANGED".to_owned());
        (EVENTS.of(EventGroup::TemplateChange, event), said.collect())
    }

    fn kind(&self) -> Option<String> {
        word(self.change, "type")
    }

    /// The word under a name that says what this part is now, whether we know it or not.
    fn documented(&self, group: EventGroup, names: &[&str]) -> Option<String> {
        let word = names.iter().find_map(|name| word(self.change, name))?;
        let is_of_another = |other: &(EventGroup, _)| other.0 != group && is_of(other.0, &word);
        let is_misplaced = !is_of(group, &word) && PARTS.iter().any(is_of_another);
        (!is_misplaced).then_some(word)
    }

    fn before(&self, group: EventGroup) -> Option<String> {
        let name = match group {
            EventGroup::TemplateQuality => "previousQualityScore",
            EventGroup::TemplateCategory => "previousCategory",
            _ => "previousStatus",
        };
        text(self.change, name).or_else(|| self.known(group, true))
    }

    /// A word that is known of this part, now or before.
    fn known(&self, group: EventGroup, before: bool) -> Option<String> {
        let is_it = |(name, word): &&(&str, String)| {
            *name != "type" && is_before(name) == before && is_of(group, word)
        };
        self.members
            .iter()
            .find(is_it)
            .map(|(_, word)| word.clone())
    }
}

/// The words and numbers in a value; what is inside of what was before, was before too.
fn collect<'a>(name: &'a str, value: &'a Value, members: &mut Vec<(&'a str, String)>) {
    match value {
        Value::Object(inner) => {
            for (inner, value) in inner {
                let name = if is_before(name) { name } else { inner };
                collect(name, value, members);
            }
        }
        Value::Array(inner) => inner.iter().for_each(|value| collect(name, value, members)),
        Value::Bool(_) | Value::Null => {}
        _ => members.extend(said(value).map(|word| (name, word))),
    }
}

/// A word or a number; what stands for none is none.
fn said(value: &Value) -> Option<String> {
    if value.is_string() {
        word_of(value)
    } else {
        scalar(value)
    }
}

fn is_of(group: EventGroup, word: &str) -> bool {
    match group {
        EventGroup::TemplateCategory => CATEGORIES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word)),
        // A state may be unknown as well.
        _ => !word.eq_ignore_ascii_case("unknown") && EVENTS.has(group, word),
    }
}

fn is_before(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    BEFORE.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words_of(change: &Value) -> Option<(String, String, Vec<String>)> {
        let (words, details) = TemplateChange::read(change)?.words();
        let details = details.into_iter().flatten().collect();
        Some((words.name.into_owned(), words.event, details))
    }

    /// The change, our name, the provider's word, and what was before.
    type Named = (
        &'static str,
        &'static str,
        &'static str,
        &'static [&'static str],
    );

    #[rustfmt::skip]
    const NAMED: [Named; 13] = [
        (r#"{"type": "QUALITY_UPDATE", "previousQuality": "GREEN", "newQuality": "RED"}"#, "template.quality_dropped", "RED", &["GREEN before"]),
        (r#"{"type": "QUALITY_UPDATE", "from_": "x", "to": "RED"}"#, "template.quality_dropped", "RED", &[]),
        (r#"{"type": "QUALITY", "previous": "GREEN", "current": "RED"}"#, "template.quality_dropped", "RED", &["GREEN before"]),
        (r#"{"type": "QUALITY", "quality": {"old": "RED", "now": "green"}}"#, "template.quality_changed", "green", &["RED before"]),
        (r#"{"type": "QUALITY_UPDATE", "old": {"score": "RED"}, "status": "APPROVED", "to": "YELLOW"}"#, "template.quality_dropped", "YELLOW", &["RED before"]),
        (r#"{"type": "TEMPLATE_STATUS", "event": "PAUSED"}"#, "template.paused", "PAUSED", &[]),
        (r#"{"type": "STATUS", "status": "RED"}"#, "template.quality_dropped", "RED", &[]),
        (r#"{"newStatus": "UNKNOWN"}"#, "template.unknown", "UNKNOWN", &[]),
        (r#"{"newStatus": "NEW_WORD", "reason": "NONE"}"#, "template.new_word", "NEW_WORD", &[]),
        (r#"{"type": "CATEGORY", "from": "UTILITY", "to": "MARKETING"}"#, "template.category_changed", "MARKETING", &["UTILITY before"]),
        (r#"{"type": "DELETED"}"#, "template.deleted", "DELETED", &[]),
        (r#""PAUSED""#, "template.paused", "PAUSED", &[]),
        (r#"[{"event": "PAUSED"}]"#, "template.paused", "PAUSED", &[]),
    ];

    #[test]
    fn a_known_word_counts_under_any_name_but_one_of_before() {
        for (change, name, event, details) in NAMED {
            let (found, word, added) = words_of(&serde_json::from_str(change).unwrap()).unwrap();
            assert_eq!((&*found, &*word), (name, event), "{change}");
            assert_eq!(added, details, "{change}");
        }
    }

    #[test]
    fn without_a_known_word_there_is_a_change_all_the_same() {
        for (change, event, details) in [
            (
                json!({"type": "STATUS_UPDATE", "x": "y"}),
                "STATUS_UPDATE",
                &["x y"][..],
            ),
            (json!({"type": "STATUS_UPDATE"}), "STATUS_UPDATE", &[]),
            (
                json!({"type": "QUALITY_UPDATE", "previousQuality": "RED"}),
                "QUALITY_UPDATE",
                &["previousQuality RED"],
            ),
            (
                json!({"type": "x", "note": "MARKETING"}),
                "x",
                &["note MARKETING"],
            ),
            (json!({"x": 7}), "CHANGED", &["x 7"]),
        ] {
            let expected = (
                "template.changed".to_owned(),
                event.to_owned(),
                details.iter().map(|it| (*it).to_owned()).collect(),
            );
            assert_eq!(words_of(&change), Some(expected), "{change}");
        }
    }

    #[test]
    fn an_empty_change_is_none() {
        for empty in [
            json!({}),
            json!([]),
            json!({"type": ""}),
            json!({"type": "NONE", "newStatus": false, "x": [{"y": null}]}),
            json!(false),
            json!(" "),
        ] {
            assert_eq!(words_of(&empty), None, "{empty}");
        }
    }
}

//! The history of one person in a group.
//!
//! A message's row joins the reports of all members. Whether subscribers are notified of a report, and
//! whether it contradicts another, depends on the reports of the same person: under one name, and under
//! those that any statement gave along with it, before the reports or after them.

use super::fold::Fold;
use super::known::{MessageFacts, Touch};
use super::places::GivenNames;
use crate::model::{Message, Report, StatusHistory};

impl Fold<'_, '_> {
    /// Takes in that these names are one person's. When that is news, a report of the person under one
    /// name may contradict a report under another.
    pub(super) fn link(&mut self, source: usize, given: &GivenNames, at_ms: i64) {
        if given.links.is_empty() || !self.known.people.link(&self.keys, given, at_ms) {
            return;
        }
        let first = given.names.first().map(String::as_str);
        let person = self.known.people.person(source, first.into_iter());
        let places = person
            .iter()
            .filter_map(|name| self.places_of_members.get(name));
        for place in places.flatten() {
            let Some(state) = &mut self.known.messages[*place] else {
                continue;
            };
            let Some(facts) = &state.facts else { continue };
            let is_open = state.source == source && !state.message.conflict;
            if is_open && facts.of_member(&person).is_conflict() {
                state.message.conflict = true;
                state.touch = Touch::All;
            }
        }
    }

    /// What was reported before of the one that a report is about; `None` when that is the message.
    pub(super) fn history(
        &self,
        (place, source): (usize, usize),
        report: &Report,
        given: &GivenNames,
    ) -> Option<StatusHistory> {
        let state = self.known.messages[place].as_ref()?;
        let facts = state.facts.as_deref();
        if let Some(participant) = report.participant.as_deref() {
            let names = given.names.iter().map(String::as_str);
            let person = self.known.people.person(source, names.chain([participant]));
            let facts = facts?;
            return Some(facts.of_member(&person));
        }
        let facts = facts?;
        let is_of_group = report.group.is_some() || mixes_people(&state.message, facts, report);
        is_of_group.then(|| facts.unnamed.clone())
    }
}

/// Whether the message's row would show a contradiction that may be between two people.
fn mixes_people(message: &Message, facts: &MessageFacts, report: &Report) -> bool {
    if message.conflict || !facts.has_members {
        return false;
    }
    let mut joined = message.history.clone();
    if let Some(status) = report.status {
        joined.absorb(status, 0);
    }
    joined.is_conflict()
}

//! The names that one person is known by: phone numbers and business-scoped user ids.
//!
//! One statement often gives several, and the next only one of them. Which statements name the
//! same person is decided in the store, where the earlier ones are; which names count, here.

use std::collections::BTreeSet;

use super::{AccountEvent, Registration, Report, digits, is_phone_number};

/// The longest id of a person, in bytes; Meta's have 130 at most.
const LONGEST_NAME: usize = 256;
/// The fewest digits of a number with its country code.
const SHORTEST_NUMBER: usize = 7;
/// The fewest bytes of an id that does not begin with a country, as `ES.1` does.
const SHORTEST_ID: usize = 6;

/// Those of `names` that identify one person, each once; numbers in digits alone.
///
/// What a relay writes in place of a name (`unknown`, `0`) would make one person of many.
#[must_use]
pub fn person_names<'n>(names: impl IntoIterator<Item = Option<&'n str>>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names.into_iter().flatten() {
        let name = digits(name);
        if is_of_one_person(&name) && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// What a person of these names is called, the same under each of them: by a number where one is known.
#[must_use]
pub fn usual_name(names: &BTreeSet<String>) -> Option<&str> {
    let number = names.iter().find(|name| is_phone_number(name));
    number.or(names.first()).map(String::as_str)
}

/// A number with its country code, or an id: letters and digits without blanks.
fn is_of_one_person(name: &str) -> bool {
    if !name.contains(char::is_alphabetic) {
        return name.len() >= SHORTEST_NUMBER && is_phone_number(name);
    }
    let is_of_country = match name.as_bytes() {
        [first, second, b'.', _, ..] => first.is_ascii_alphabetic() && second.is_ascii_alphabetic(),
        _ => false,
    };
    (is_of_country || name.len() >= SHORTEST_ID)
        && name.len() <= LONGEST_NAME
        && name.contains(|letter: char| letter.is_ascii_digit())
        && !name.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

impl Report {
    /// The names that this report gives the person it is about; none when it is about a group as
    /// a whole.
    #[must_use]
    pub fn person_names(&self) -> Vec<String> {
        if self.group.is_some() && self.participant.is_none() {
            return Vec::new();
        }
        person_names([
            self.participant.as_deref(),
            self.recipient.as_deref(),
            self.recipient_user_id.as_deref(),
            self.recipient_parent_user_id.as_deref(),
        ])
    }
}

impl AccountEvent {
    /// The names that the provider gives the person whom this is about.
    #[must_use]
    pub fn person_names(&self) -> Vec<String> {
        person_names([self.person.as_deref(), self.person_user_id.as_deref()])
    }
}

impl Registration {
    /// The names that the send, or its answer, gives the recipient.
    #[must_use]
    pub fn person_names(&self) -> Vec<String> {
        person_names([self.recipient.as_deref(), self.user_id.as_deref()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn only_what_identifies_one_person_is_a_name() {
        for (name, expected) in [
            ("+34 600 000 001", Some("34600000001")),
            ("0034600000001", Some("34600000001")),
            (" ES.1349abc ", Some("ES.1349abc")),
            ("ES.ENT.1349", Some("ES.ENT.1349")),
            ("ES.1", Some("ES.1")),
            ("123456", None),
            ("0", None),
            ("unknown", None),
            ("undefined", None),
            ("id.4", Some("id.4")),
            ("e.1", None),
            ("ES 1349001", None),
            ("", None),
        ] {
            let found = person_names([Some(name), None, Some(name)]);
            assert_eq!(found, Vec::from_iter(expected.map(str::to_owned)), "{name}");
        }
        assert_eq!(person_names([Some("x1".repeat(200).as_str())]).len(), 0);
    }

    #[test]
    fn a_person_is_called_by_a_number_where_one_is_known() {
        for (names, expected) in [
            (&["34600000001", "ES.1349001"][..], Some("34600000001")),
            (&["1a.of-us", "34600000001"], Some("34600000001")),
            (&["ES.1349001", "ES.ENT.7"], Some("ES.1349001")),
            (&[], None),
        ] {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(usual_name(&names), expected);
        }
    }

    #[test]
    fn a_report_names_its_member_in_all_ways_and_a_group_names_no_person() {
        let mut report = Report::new(Kind::Status, "sent", None, b"{}");
        report.group = Some("Y2FwaV9ncm91cDox".to_owned());
        report.recipient_user_id = Some("ES.1349001".to_owned());
        assert_eq!(report.person_names(), Vec::<String>::new());
        report.participant = Some("ES.1349001".to_owned());
        report.recipient = Some("+34600000001".to_owned());
        report.recipient_parent_user_id = Some("ES.ENT.7".to_owned());
        let all = ["ES.1349001", "34600000001", "ES.ENT.7"];
        assert_eq!(report.person_names(), all);
    }
}

//! The messages of a request, until the answer about each is found: an answer may come in any order,
//! and of thousands each is found at once.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use serde_json::Value;

use super::super::json::text;
use super::super::send_receipt::SentFault;
use crate::model::digits;

/// A message to one recipient, as it was requested.
pub(super) struct RequestedMessage<'a> {
    pub(super) message: &'a Value,
    /// Where it stands in the request.
    pub(super) pointer: String,
    pub(super) to: Option<String>,
    /// The id that the sender gave it.
    pub(super) own_id: Option<String>,
    pub(super) broadcast: Option<String>,
}

/// A message of the request, or why it cannot be registered.
type ReadSend<'a> = Result<RequestedMessage<'a>, SentFault>;
/// Places in the request, in their order.
type Places = VecDeque<usize>;

/// The messages of a request that are not answered yet.
pub(super) struct OpenSends<'a> {
    open: Vec<Option<ReadSend<'a>>>,
    /// Places by the id that the sender gave.
    by_id: HashMap<String, Places>,
    /// Places by number, of those that the sender gave no id.
    without_id: HashMap<Option<String>, Places>,
    /// Places by number, of all.
    by_number: HashMap<Option<String>, Places>,
}

impl<'a> OpenSends<'a> {
    pub(super) fn new(requested: Vec<ReadSend<'a>>) -> Self {
        let mut sends = Self {
            open: Vec::new(),
            by_id: HashMap::new(),
            without_id: HashMap::new(),
            by_number: HashMap::new(),
        };
        for (place, requested) in requested.iter().enumerate() {
            let Ok(requested) = requested else { continue };
            let number = requested.to.as_deref().map(digits);
            match &requested.own_id {
                Some(id) => add(&mut sends.by_id, id.clone(), place),
                None => add(&mut sends.without_id, number.clone(), place),
            }
            add(&mut sends.by_number, number, place);
        }
        sends.open = requested.into_iter().map(Some).collect();
        sends
    }

    /// Takes the message that an answer is about: that of the sender's own id, else that of the
    /// number, in the answer's place if it can be. An answer that names no number is about the
    /// message in its place, where there are as many `answers` as messages.
    pub(super) fn take(
        &mut self,
        (place, answers): (usize, usize),
        answer: &Value,
    ) -> Option<ReadSend<'a>> {
        let id = text(answer, "messageId");
        let number = text(answer, "to").or_else(|| text(answer, "destination"));
        let number = number.map(|number| digits(&number));
        let is_own = |requested: &RequestedMessage| match (&requested.own_id, &id) {
            (Some(own), Some(id)) => Some(own == id),
            _ => None,
        };
        let is_in_place = match self.open.get(place) {
            Some(Some(Ok(requested))) => {
                is_own(requested).unwrap_or_else(|| requested.to.as_deref().map(digits) == number)
            }
            _ => false,
        };
        let found = match &id {
            _ if is_in_place => Some(place),
            // A message with an id of its own matches that id alone, where the answer has one.
            Some(id) => {
                let by_id = first(&mut self.by_id, id, &self.open);
                let by_number = first(&mut self.without_id, &number, &self.open);
                by_id.into_iter().chain(by_number).min()
            }
            None => first(&mut self.by_number, &number, &self.open),
        };
        let found = found.or_else(|| {
            let is_its_own = match self.open.get(place) {
                // What was not read cannot be compared: the answer in its place is its own.
                Some(Some(Err(_))) => true,
                Some(Some(Ok(requested))) => {
                    number.is_none()
                        && self.open.len() == answers
                        && is_own(requested) != Some(false)
                }
                _ => false,
            };
            is_its_own.then_some(place)
        });
        self.open.get_mut(found?)?.take()
    }

    /// What no answer was about, in the order of the request.
    pub(super) fn into_rest(self) -> Vec<ReadSend<'a>> {
        self.open.into_iter().flatten().collect()
    }
}

fn add<K: Eq + Hash>(places: &mut HashMap<K, Places>, key: K, place: usize) {
    places.entry(key).or_default().push_back(place);
}

/// The first place of that key that is open still; those before it are forgotten.
fn first<K: Eq + Hash>(
    places: &mut HashMap<K, Places>,
    key: &K,
    open: &[Option<ReadSend<'_>>],
) -> Option<usize> {
    let places = places.get_mut(key)?;
    while let Some(place) = places.front() {
        if open.get(*place).is_some_and(Option::is_some) {
            return Some(*place);
        }
        places.pop_front();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn requested(message: &Value) -> ReadSend<'_> {
        if message.is_null() {
            return Err(SentFault::new("/request", "unread"));
        }
        Ok(RequestedMessage {
            message,
            pointer: String::new(),
            to: text(message, "to"),
            own_id: text(message, "messageId"),
            broadcast: None,
        })
    }

    /// The rule in its plainest form, message by message.
    fn scan(
        open: &[Option<&Value>],
        (place, answers): (usize, usize),
        answer: &Value,
    ) -> Option<usize> {
        let (id, number) = (text(answer, "messageId"), text(answer, "to"));
        let own = |at: usize| {
            let message = open[at].filter(|it| !it.is_null())?;
            Some(text(message, "messageId")? == *id.as_ref()?)
        };
        let fits = |at: &usize| {
            open[*at]
                .filter(|it| !it.is_null())
                .is_some_and(|message| own(*at).unwrap_or_else(|| text(message, "to") == number))
        };
        let in_place = || match open[place]? {
            Value::Null => Some(place),
            _ => (number.is_none() && open.len() == answers && own(place) != Some(false))
                .then_some(place),
        };
        Some(place)
            .filter(fits)
            .or_else(|| (0..open.len()).find(fits))
            .or_else(in_place)
    }

    #[test]
    fn each_answer_finds_what_a_scan_of_all_messages_finds() {
        let kinds = [
            json!(null),
            json!({"to": "11"}),
            json!({"to": "22"}),
            json!({"to": "11", "messageId": "a"}),
            json!({"to": "22", "messageId": "b"}),
            json!({"messageId": "a"}),
            json!({}),
        ];
        let count = kinds.len();
        let three = |number: usize| [0, 1, 2].map(|at| &kinds[number / count.pow(at) % count]);
        let all = count.pow(3);
        for request in 0..all {
            let request = three(request);
            for answers in 0..all {
                let answers = three(answers);
                let mut sends = OpenSends::new(request.into_iter().map(requested).collect());
                let mut open = request.map(Some);
                for (place, answer) in answers.into_iter().enumerate() {
                    let at = (place, answers.len());
                    let expected = scan(&open, at, answer).and_then(|found| open[found].take());
                    let found = sends
                        .take(at, answer)
                        .map(|it| it.ok().map(|it| it.message));
                    let found = found.map(|message| message.unwrap_or(&Value::Null));
                    assert_eq!(found, expected, "{request:?} {answers:?} {place}");
                }
                assert_eq!(sends.into_rest().len(), open.iter().flatten().count());
            }
        }
    }

    #[test]
    fn thousands_of_answers_in_the_other_order_find_their_messages() {
        let requests: Vec<Value> = (0..20_000).map(|number| json!({"to": number})).collect();
        let mut sends = OpenSends::new(requests.iter().map(requested).collect());
        for (place, request) in requests.iter().rev().enumerate() {
            let found = sends.take((place, requests.len()), request);
            assert_eq!(found.unwrap().unwrap().message, request);
        }
        assert!(sends.into_rest().is_empty());
    }
}

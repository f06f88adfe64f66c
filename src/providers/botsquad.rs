//! Botsquad's broadcasts: the answer of the GET that lists the status of each targeted user.
//!
//! Nothing public shows the answer, so every name in it is a list of aliases and every word a
//! line of a table, both in the source's configuration ([`Dialect`]). An answer is a state and
//! not an event: it gives the present status of all users at once, and no ids of messages. So a
//! message is identified by its broadcast, its number and its place among that number's messages.
//! When it is polled is [`crate::duties::poll`]'s business.

mod definition;
mod dialect;
mod send_receipt;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::json::{Node, integer_in, integer_of, is_absent, scalar};
use super::pull::{BroadcastAnswer, Statistics};
use super::{Hints, Item, ParseError, Parsed};
use crate::model::{Kind, MessageType, Report, ReportError, Status, digits, json_reason_of_part};
pub(super) use definition::DEFINITION;
use dialect::{Aliases, AnswerField, Dialect};

/// The longest text of a reason or of details that is kept, in characters.
const LONGEST_TEXT: usize = 1024;
/// The longest reason that makes a key of its own; a longer one is a sentence.
const LONGEST_WORD: usize = 64;

/// The codes of WhatsApp's Cloud API that no other system uses.
const OF_WHATSAPP: RangeInclusive<i64> = 130_000..=139_999;

/// An answer, not yet looked into entry by entry.
struct ListedAnswer<'a> {
    /// Its counters, as the server has them.
    statistics: Statistics,
    /// The broadcast's id, where the answer gives it.
    id: Option<String>,
    entries: Vec<Node<'a>>,
    /// An old server: it lists failed recipients alone; all others are as yet unknown.
    only_failures: bool,
}

/// The counters of an answer.
fn statistics(node: Option<&Node<'_>>, aliases: &Aliases) -> Statistics {
    let value = node.and_then(|node| node.value().ok()).unwrap_or_default();
    let count = |field| {
        let found = aliases.first(field, &value, integer_of);
        found.and_then(|count| u64::try_from(count).ok())
    };
    let (total, success, failure) = (
        count(AnswerField::Total),
        count(AnswerField::Success),
        count(AnswerField::Failure),
    );
    let rest = || total?.checked_sub(success?.checked_add(failure?)?);
    Statistics {
        total,
        success,
        failure,
        pending: count(AnswerField::Pending).or_else(rest),
        cancelled: count(AnswerField::Cancelled),
    }
}

impl<'a> ListedAnswer<'a> {
    /// Finds the parts of an answer. Where there are `statuses` the `failures` are copies of some
    /// of them and are left alone, or they would count twice.
    ///
    /// # Errors
    /// When it is no JSON, nothing in it is known, or users are counted that nothing lists.
    fn open(text: &'a str, dialect: &Dialect) -> Result<Self, ParseError> {
        let body = Node::body(text).map_err(|error| match error {
            ParseError::Xml => ParseError::NotJson("it is HTML or XML".to_owned()),
            error => error,
        })?;
        let aliases = &dialect.fields;
        let list = |field| {
            let Some(node) = aliases.find(field, &body) else {
                return Ok(None);
            };
            let elements = node.elements().map(Cow::into_owned);
            elements.map(Some).ok_or(ParseError::Shape(
                "statuses or failures is no list: name the list in the source's fields",
            ))
        };
        let statuses: Option<Vec<Node<'a>>> = list(AnswerField::Statuses)?;
        let only_failures = statuses.is_none();
        let entries = match statuses {
            None => list(AnswerField::Failures)?,
            statuses => statuses,
        };
        let statistics = aliases.find(AnswerField::Statistics, &body);
        let statistics = statistics.filter(Node::is_object);
        if entries.is_none() && statistics.is_none() {
            return Err(ParseError::Shape(
                "neither statuses, failures nor statistics: name them in the source's fields",
            ));
        }
        let statistics = self::statistics(statistics.as_ref(), aliases);
        if entries.is_none() && statistics.total.is_some_and(|total| total > 0) {
            return Err(ParseError::Shape(
                "it counts users and lists none: name statuses or failures in the source's fields",
            ));
        }
        let id = aliases
            .find(AnswerField::Id, &body)
            .and_then(|node| node.value().ok());
        Ok(Self {
            statistics,
            id: id.as_ref().and_then(scalar),
            entries: entries.unwrap_or_default(),
            only_failures,
        })
    }

    /// What it says of each user, read one at a time: a hundred thousand reports at once are a
    /// hundred megabytes.
    fn items(self, broadcast: &str, dialect: &Dialect) -> impl Iterator<Item = Item> + use<'a> {
        let places = self.places(dialect);
        let (broadcast, dialect) = (broadcast.to_owned(), dialect.clone());
        let only_failures = self.only_failures;
        self.entries
            .into_iter()
            .enumerate()
            .map(move |(index, node)| {
                let entry = match node.value() {
                    Ok(entry) if entry.is_object() => entry,
                    Ok(_) => return Item::Unreadable("an entry that is no object".to_owned()),
                    Err(error) => {
                        let reason = json_reason_of_part(&error);
                        return Item::Unreadable(format!("an entry cannot be read: {reason}"));
                    }
                };
                let Some(to) = dialect.fields.text(AnswerField::To, &entry) else {
                    return Item::Unreadable(
                        "an entry without a number: name it in fields.to".to_owned(),
                    );
                };
                let place = places.get(&index).copied().unwrap_or(1);
                let id = message_id(&broadcast, &to, place);
                let Some(word) = word(&entry, &dialect, only_failures) else {
                    return Item::Unreadable(
                        "an entry without a status: name it in fields.status".to_owned(),
                    );
                };
                let element = node.text().as_bytes();
                let mut report = Report::new(Kind::Status, word, Some(id), element);
                report.recipient = Some(to);
                report.broadcast = Some(broadcast.clone());
                // A broadcast is the sending of a template.
                report.evidence = Some(MessageType::Template);
                report.status = dialect.summary(&report.provider_status);
                if report.status.is_none() {
                    report.oddities.push("unknown-status");
                }
                // A word that is explained later must stay the same report, so an unexplained
                // one has its reason too.
                if matches!(report.status, None | Some(Status::Failed)) {
                    report.errors.extend(error(&entry, &dialect));
                }
                Item::Report(Box::new(report))
            })
    }

    /// Which of its number's messages an entry is, by its index in the list, where the number is
    /// listed more than once.
    ///
    /// A number's entries are ordered by progress, not by their order in the list: succeeded ones
    /// fill the places from the front, failed ones from the back, and pending ones are between
    /// them. So a message keeps its reported status while the others go on.
    fn places(&self, dialect: &Dialect) -> HashMap<usize, u32> {
        let mut listed: HashMap<String, (usize, Vec<usize>)> = HashMap::new();
        for (index, node) in self.entries.iter().enumerate() {
            let entry = node.value().unwrap_or_default();
            if let Some(to) = dialect.fields.text(AnswerField::To, &entry) {
                let first = listed.entry(recipient_key(&to));
                first
                    .and_modify(|(_, others)| others.push(index))
                    .or_insert((index, Vec::new()));
            }
        }
        let mut places = HashMap::new();
        for (first, mut same) in listed.into_values().filter(|(_, same)| !same.is_empty()) {
            same.push(first);
            same.sort_by_cached_key(|index| self.rank(*index, dialect));
            places.extend(same.into_iter().zip(1..));
        }
        places
    }

    /// By what the entries of one number are put in order.
    fn rank(&self, index: usize, dialect: &Dialect) -> (u8, Option<ReportError>, String, &'a str) {
        let node = &self.entries[index];
        let entry = node.value().unwrap_or_default();
        let word = word(&entry, dialect, self.only_failures).unwrap_or_default();
        let rank = match dialect.summary(&word) {
            Some(Status::Deleted) => 0,
            Some(Status::Read) => 1,
            Some(Status::Delivered) => 2,
            Some(Status::Sent) => 3,
            Some(Status::Queued) | None => 4,
            Some(Status::Failed) => 5,
        };
        let error = (rank == 5).then(|| error(&entry, dialect)).flatten();
        (rank, error, word, node.text())
    }
}

/// An entry's word for its status; in a list of those that failed it need not be said.
fn word(entry: &Value, dialect: &Dialect, only_failures: bool) -> Option<String> {
    let word = dialect.fields.text(AnswerField::Status, entry);
    word.or_else(|| only_failures.then(|| "failure".to_owned()))
}

/// Finds the parts of an answer about that broadcast.
///
/// # Errors
/// As [`ListedAnswer::open`].
fn open<'a>(
    text: &'a str,
    broadcast: &str,
    hints: &Hints,
) -> Result<BroadcastAnswer<'a>, ParseError> {
    let dialect = Dialect::of(&hints.options);
    let answer = ListedAnswer::open(text, &dialect)?;
    Ok(BroadcastAnswer {
        statistics: answer.statistics,
        is_whole: !answer.only_failures,
        items: Box::new(answer.items(broadcast, &dialect)),
    })
}

/// Reads an answer as a whole, as stored bytes are read again.
///
/// # Errors
/// As [`ListedAnswer::open`], and when nothing says which broadcast it is of.
fn parse(text: &str, hints: &Hints) -> Result<Parsed, ParseError> {
    let dialect = &Dialect::of(&hints.options);
    let answer = ListedAnswer::open(text, dialect)?;
    let broadcast = hints.broadcast.clone().or_else(|| answer.id.clone());
    let broadcast = broadcast.ok_or(ParseError::Shape(
        "no id of the broadcast: name it in the source's fields",
    ))?;
    let items = answer.items(&broadcast, dialect).collect();
    Ok(Parsed { items })
}

/// The id of a message that its provider gives none: the broadcast, the number in digits, and
/// which of its messages it is where the same number was written to more than once.
///
/// Not its place in the list, since a server may list its users in another order next time: of
/// one number's entries those that got furthest come first and those that failed last.
fn message_id(broadcast: &str, to: &str, times: u32) -> String {
    let number = recipient_key(to);
    match times {
        0 | 1 => format!("{broadcast}:{number}"),
        _ => format!("{broadcast}:{number}.{times}"),
    }
}

/// The key of a recipient, however the number is written.
fn recipient_key(to: &str) -> String {
    digits(to)
}

/// Why an entry failed. Six digits that begin with 13 are WhatsApp's; a shorter number may be
/// anybody's, and counts as Botsquad's own.
fn error(entry: &Value, dialect: &Dialect) -> Option<ReportError> {
    let reason = dialect.fields.text(AnswerField::Reason, entry);
    let details = dialect
        .fields
        .first(AnswerField::Details, entry, |value| match value {
            Value::Object(_) | Value::Array(_) => (!is_absent(value)).then(|| value.to_string()),
            value => scalar(value),
        });
    if reason.is_none() && details.is_none() {
        return None;
    }
    let number = |text: &Option<String>| integer_in(text.as_deref()?);
    let code = number(&details).or_else(|| number(&reason));
    let of_whatsapp = code.filter(|code| OF_WHATSAPP.contains(code));
    let of_whatsapp = of_whatsapp.map(|code| format!("meta:{code}"));
    let is_word = |text: &&String| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        text.len() <= LONGEST_WORD && text.bytes().all(legal)
    };
    let own = || match (code, reason.as_ref().filter(is_word)) {
        (Some(code), _) => format!("botsquad:{code}"),
        (None, Some(word)) => format!("botsquad:{}", word.to_ascii_lowercase()),
        (None, None) => "botsquad:failure".to_owned(),
    };
    // A number alone explains nothing to anybody; the catalogue does.
    let words = |text: Option<String>| {
        let text = text.filter(|text| integer_in(text).is_none());
        text.map(|text| text.chars().take(LONGEST_TEXT).collect::<String>())
    };
    Some(ReportError {
        key: of_whatsapp.unwrap_or_else(own),
        code,
        title: words(reason),
        details: words(details),
        href: None,
        permanent: None,
    })
}

//! What an answer says, whatever its bytes: it shows whether the answer brings news.

use sha2::{Digest as _, Sha256};

use super::{Hints, Pull, Statistics};
use crate::model::{Status, Word as _};
use crate::providers::{Item, ParseError, decode};

/// What an answer says as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnswerFacts {
    /// Its counters.
    pub(crate) statistics: Statistics,
    /// Users it lists.
    pub(crate) entries: u64,
    /// Those of them that are to come, have an unexplained state, or cannot be read.
    pub(crate) pending: u64,
    /// Those of them that cannot be read.
    pub(crate) unreadable: u64,
    /// Whether it lists all users, not only those that failed.
    pub(crate) is_whole: bool,
}

/// What an answer says, and what is the same of two that say the same.
pub(crate) struct Summary {
    /// SHA-256 of the counters and the reports in no order; of the text where it cannot be read.
    pub(crate) hash: Vec<u8>,
    /// What it says as a whole, or why it cannot be read.
    pub(crate) facts: Result<AnswerFacts, ParseError>,
}

impl Summary {
    /// Summary of an unreadable answer: its hash alone.
    pub(crate) fn of_bytes(body: &[u8], error: ParseError) -> Self {
        Self {
            hash: Sha256::digest(body).to_vec(),
            facts: Err(error),
        }
    }

    /// Summary of an answer as it came. Time in a header of gzip, or entries in another order, do not
    /// change it.
    pub(crate) fn of(
        pull: &Pull,
        (body, content_encoding): (&[u8], Option<&str>),
        broadcast: &str,
        hints: &Hints,
    ) -> Self {
        let text = match decode(body, content_encoding) {
            Ok(text) => text,
            Err(error) => return Self::of_bytes(body, error),
        };
        match summarise(pull, &text, broadcast, hints) {
            Ok((hash, facts)) => Self {
                hash,
                facts: Ok(facts),
            },
            Err(error) => Self::of_bytes(text.as_bytes(), error),
        }
    }
}

fn summarise(
    pull: &Pull,
    text: &str,
    broadcast: &str,
    hints: &Hints,
) -> Result<(Vec<u8>, AnswerFacts), ParseError> {
    let answer = (pull.open)(text, broadcast, hints)?;
    let mut facts = AnswerFacts {
        statistics: answer.statistics,
        is_whole: answer.is_whole,
        ..AnswerFacts::default()
    };
    let mut reports: Vec<[u8; 32]> = Vec::new();
    let mut why = None;
    for item in answer.items {
        facts.entries += 1;
        let said = match item {
            Item::Report(report) => {
                if matches!(report.status, None | Some(Status::Queued)) {
                    facts.pending += 1;
                }
                let status = report.status.map_or("", Status::as_str);
                let id = report.message.as_deref().unwrap_or_default();
                format!("{} {status} {id}", report.identity().0)
            }
            Item::Ignored(what) => what.into_owned(),
            Item::SamePerson(names) => names.join(" "),
            Item::Account(event) => event.name.clone(),
            Item::Unreadable(what) => {
                facts.pending += 1;
                facts.unreadable += 1;
                why.get_or_insert(what).clone()
            }
        };
        reports.push(Sha256::digest(said.as_bytes()).into());
    }
    if let Some(why) = why
        && facts.unreadable == facts.entries
    {
        return Err(ParseError::Entries(why));
    }
    reports.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {}", facts.statistics, facts.is_whole));
    for report in reports {
        hash.update(report);
    }
    Ok((hash.finalize().to_vec(), facts))
}

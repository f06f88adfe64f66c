//! `tickrelay message`: what became of a message, for a support agent on the phone.
//!
//! One sentence first, which can be read out; then the timeline that proves it.

mod answer;
mod events;
mod register;

use std::ops::RangeInclusive;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::forward::number;
use super::list::List;
use super::page::PageArgs;
use super::table::prose;
use super::time::{Since, stamp};
use super::usage::limit;
use super::{Exit, Settings, Terminal, list, page};
use crate::admin::narrowing::Narrowing;
use crate::clock::Clock;
use crate::model::{Status, WHATSAPP, Word as _, quoted};
use crate::store::Reader;
use crate::store::query::MessageQuery;
use crate::store::timeline::{MessageRecord, Timeline};

/// The name of the list in its cursors.
const LIST: &str = "messages";

/// The verbs of `message`.
#[derive(Debug, Subcommand)]
pub(super) enum MessageCommand {
    /// Show what became of a message: one sentence, then its timeline
    Show(MessageShowArgs),
    /// List messages, the newest first; ! marks a delivery that a failure contradicts
    List(MessageListArgs),
    /// Register sent messages: text, type, numbers, template, broadcast
    Register(register::Register),
}

#[derive(Debug, Args)]
pub(super) struct MessageShowArgs {
    /// The provider's message id, or the recipient's phone number or user id, or key:17 where
    /// the provider gave no id; several are answered one after the other
    #[arg(required = true, value_name = "ID OR NUMBER")]
    term: Vec<String>,
    /// Of each number, list at most this many messages
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = limit)]
    limit: usize,
    /// Of a number, go on from where a search ended, with the word that it named
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with a JSON object, or an array of them for several terms
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct MessageListArgs {
    /// Only those in this status
    #[arg(long)]
    status: Option<Status>,
    /// Only those to this phone number, in any spelling, or user id, and to the same person's others
    #[arg(long, value_name = "NUMBER OR ID")]
    recipient: Option<String>,
    /// Only those of this channel: whatsapp, sms, viber (all of Viber), unknown; any lists all
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// Only those that failed so: a key (meta:131026) or a code
    #[arg(long, value_name = "ERROR")]
    error: Option<String>,
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those of this broadcast or bulk id
    #[arg(long, value_name = "ID")]
    broadcast: Option<String>,
    /// Only those first reported since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those first reported before; written as --since is
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    /// Only those whose time to live has passed without a final report
    #[arg(long)]
    silent: bool,
    /// Only those whose send itself the provider refused
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// The answer of `message show --json`: the newest message found, and all that were found.
#[derive(Serialize)]
struct MessageAnswer<'a> {
    answer: String,
    #[serde(flatten)]
    timeline: &'a Timeline,
    found: &'a [MessageRecord],
    /// Whether `--limit` cut the list.
    more: bool,
}

impl MessageCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Show(show) => show.run(settings, terminal),
            Self::List(list) => list.run(settings, terminal),
            Self::Register(register) => register.run(settings, terminal),
        }
    }
}

impl MessageShowArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let reader = settings.reader()?;
        let terms = terms(&self.term);
        let mut exit = Exit::Done;
        let mut shown = Vec::new();
        for (at, term) in terms.iter().enumerate() {
            let window = (self.limit, self.cursor.as_deref());
            let (found, rest) = FoundMessages::look(&reader, term, window)?;
            let Some(found) = found else {
                let term = quoted(term);
                exit = terminal.refuse(match rest {
                    Some(rest) => format!("nothing was reported of {term} so far. {rest}"),
                    None => format!(
                        "nothing was reported of {term}: check the id, or the number with its \
                         country code"
                    ),
                })?;
                continue;
            };
            list::say(rest, terminal)?;
            if self.json {
                shown.push(serde_json::to_value(found.shown())?);
                continue;
            }
            if at > 0 {
                writeln!(terminal.data)?;
            }
            found.write(term, terminal)?;
        }
        // One question has one answer, many have a list of them.
        match shown.as_slice() {
            [one] if terms.len() == 1 => terminal.json(one),
            [] => Ok(exit),
            many => {
                terminal.json(&many)?;
                Ok(exit)
            }
        }
    }
}

/// The messages that a term finds.
struct FoundMessages {
    messages: Vec<MessageRecord>,
    /// Whether there are more than the limit.
    more: bool,
    /// The newest at length.
    timeline: Timeline,
}

impl FoundMessages {
    /// What a term finds, and what to say of the rest of a search that was cut.
    fn look(
        reader: &Reader,
        term: &str,
        (limit, cursor): (usize, Option<&str>),
    ) -> anyhow::Result<(Option<Self>, Option<String>)> {
        let found = reader.find_messages(term, page::window(LIST, limit, cursor)?)?;
        let rest = page::cut_short(LIST, &found);
        let mut messages = found.rows;
        let more = messages.len() > limit || rest.is_some();
        messages.truncate(limit);
        let newest = match messages.first() {
            Some(newest) => reader.timeline(newest.message_id)?,
            None => None,
        };
        let found = newest.map(|timeline| Self {
            messages,
            more,
            timeline,
        });
        Ok((found, rest))
    }

    fn shown(&self) -> MessageAnswer<'_> {
        MessageAnswer {
            answer: answer::answer(&self.timeline),
            timeline: &self.timeline,
            found: &self.messages,
            more: self.more,
        }
    }

    fn write(&self, term: &str, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        let count = self.messages.len();
        if count > 1 || self.more {
            let whose = number(term);
            let which = if self.more {
                format!("The newest {count} of more messages of {whose}; --limit shows more")
            } else {
                format!("{count} messages of {whose}, the newest first")
            };
            let text = MESSAGES.table(&self.messages, terminal.width);
            writeln!(terminal.data, "{which}:\n\n{text}\nThe newest:\n")?;
        }
        let now_ms = Clock::system().now_ms();
        write!(
            terminal.data,
            "{}\n{}",
            prose(&answer::answer(&self.timeline), 0),
            events::timeline(&self.timeline, now_ms)
        )?;
        Ok(())
    }
}

/// The digits that a number with its country code has, at least and at most; 00 may stand before it.
const DIGITS: RangeInclusive<usize> = 9..=17;
/// A country code in front of a number has no more digits than this, with 00.
const CODE: usize = 5;

/// The terms: one for each word, and one for a number that was typed with blanks and without quotes.
fn terms(words: &[String]) -> Vec<String> {
    let is_part = |word: &str| {
        let digits = |letter: char| letter.is_ascii_digit() || "+-()./".contains(letter);
        word.chars().all(digits) && word.chars().any(|letter| letter.is_ascii_digit())
    };
    let length = |word: &str| word.chars().filter(char::is_ascii_digit).count();
    let mut terms: Vec<String> = Vec::new();
    let mut open = false;
    for word in words {
        let fits = |last: &String| length(last) + length(word) <= *DIGITS.end();
        let goes_on = is_part(word) && !word.starts_with('+') && length(word) < *DIGITS.start();
        match terms.last_mut() {
            Some(last) if open && goes_on && fits(last) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => {
                // A number in one word is whole; one that begins with its country code goes on.
                let begins = word.starts_with(['+', '(']) || length(word) <= CODE;
                open = is_part(word) && begins && length(word) < *DIGITS.start();
                terms.push(word.clone());
            }
        }
    }
    terms
}

impl MessageListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        let reader = settings.reader()?;
        let narrowing = Narrowing {
            source: self.source.clone(),
            error: self.error.clone(),
            recipient: self.recipient.clone(),
            channel: self.channel.clone(),
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
            event: None,
        };
        let (window, error) = (self.page).begin(LIST, &narrowing, settings, &reader)?;
        let query = MessageQuery {
            status: self.status,
            recipient: narrowing.recipient,
            channel: narrowing.channel.map(|it| it.to_ascii_lowercase()),
            error,
            source: narrowing.source,
            bulk_id: self.broadcast.clone(),
            since_ms: narrowing.since_ms,
            until_ms: narrowing.until_ms,
            silent_at_ms: self.silent.then_some(now_ms),
            refused: self.refused,
            window,
            ..MessageQuery::default()
        };
        let mut messages = reader.search(&query)?;
        let rest = self
            .page
            .cut(LIST, &mut messages, |message| message.message_id);
        MESSAGES.show((&messages.rows, rest), self.page.json, terminal)
    }
}

/// A list of messages.
const MESSAGES: List<'_, MessageRecord> = List {
    columns: &[
        ("FIRST REPORT (UTC)", &|message| {
            stamp(message.first_report_at_ms)
        }),
        ("LAST REPORT (UTC)", &|message| {
            stamp(message.last_report_at_ms)
        }),
        ("STATUS", &status),
        ("RECIPIENT", &|message| {
            message.recipient.as_deref().map(number).unwrap_or_default()
        }),
        ("ERROR", &|message| {
            let error = message.error.as_ref();
            error.map_or_else(String::new, |error| match error.code {
                Some(code) => code.to_string(),
                None => error.error_key.clone(),
            })
        }),
        ("SOURCE", &|message| message.source.clone()),
        ("MESSAGE", &message_id),
    ],
    nothing: "no message is like that",
};

fn status(message: &MessageRecord) -> String {
    let conflict = if message.conflict { "!" } else { "" };
    let status = message.status.map_or("-", Status::as_str);
    let channel = match message.channel.as_str() {
        WHATSAPP => String::new(),
        channel => format!(" ({channel})"),
    };
    format!("{status}{conflict}{channel}")
}

/// What `message show` finds it by.
fn message_id(message: &MessageRecord) -> String {
    let id = message.provider_message_id.clone();
    id.unwrap_or_else(|| format!("key:{}", message.message_id))
}

#[cfg(test)]
mod tests {
    use super::terms;

    #[test]
    fn several_terms_are_distinguished_from_a_number_with_blanks() {
        let check = |words: &[&str], expected: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(terms(&words), expected, "{words:?}");
        };
        check(&["wamid.1"], &["wamid.1"]);
        check(&["wamid.1", "wa-2"], &["wamid.1", "wa-2"]);
        check(&["+385", "99", "000", "1122"], &["+385 99 000 1122"]);
        check(
            &["385990001122", "+34600000001"],
            &["385990001122", "+34600000001"],
        );
        check(
            &["+385", "99000", "1122", "+34", "600", "000", "001"],
            &["+385 99000 1122", "+34 600 000 001"],
        );
        check(
            &["+34600000001", "wamid.1", "key:17"],
            &["+34600000001", "wamid.1", "key:17"],
        );
    }
}

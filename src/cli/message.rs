//! `tickrelay message`: what became of a message, for a support agent on the phone.
//!
//! One sentence first, which can be read out; then the timeline that proves it.

mod answer;
mod events;
mod register;

use std::ops::RangeInclusive;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::client::{self, Client, Purpose, Refused};
use super::forward::number;
use super::list::{self, List};
use super::page::PageArgs;
use super::table::prose;
use super::time::{Since, stamp};
use super::usage::limit;
use super::{Exit, Settings, Terminal};
use crate::clock::Clock;
use crate::model::{Status, WHATSAPP, Word as _, digits, is_phone_number, quoted};
use crate::web::api::messages::{MessageView, TimelineView};
use crate::web::api::page::Page;
use crate::web::api::time::TimeOrAge;

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
    /// List at most this many messages of each number
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = limit)]
    limit: usize,
    /// Continue the search for a number from this cursor of the previous page
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with the API's JSON document of its timeline, or an array of them when several are asked for
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
    /// Only those that failed with this error: a key (meta:131026) or a code
    #[arg(long, value_name = "ERROR")]
    error: Option<String>,
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those of this broadcast
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

/// The answer of `message show --json`: the newest message found, with all that were found.
#[derive(Serialize)]
struct MessageAnswer<'a> {
    answer: String,
    #[serde(flatten)]
    timeline: &'a TimelineView,
    found: &'a [MessageView],
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
        client::with(settings, Purpose::Read, |client| {
            self.show(client, terminal)
        })
    }

    fn show(&self, client: &Client, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let terms = terms(&self.term);
        let mut exit = Exit::Done;
        let mut shown = Vec::new();
        for (at, term) in terms.iter().enumerate() {
            let window = (self.limit, self.cursor.as_deref());
            let (found, rest) = FoundMessages::look(client, term, window)?;
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
    messages: Vec<MessageView>,
    /// Whether there are more than asked for.
    more: bool,
    /// The newest at length.
    timeline: TimelineView,
}

impl FoundMessages {
    /// What a term finds, and what to say of the rest of a search that was cut.
    fn look(
        client: &Client,
        term: &str,
        window: (usize, Option<&str>),
    ) -> anyhow::Result<(Option<Self>, Option<String>)> {
        let page = find(client, term.trim(), window)?;
        let more = page.next_cursor.is_some();
        let rest = page.searched_back_to.and_then(|_| page.rest());
        let Some(newest) = page.data.first() else {
            return Ok((None, rest));
        };
        let key = newest.id.to_string();
        let found = Self {
            timeline: client.get(&["messages", &key, "timeline"], &[])?,
            messages: page.data,
            more,
        };
        Ok((Some(found), rest))
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

/// The messages that a person means by a term, the newest first: those with exactly this id of the
/// provider's; else those to this phone number or user id; or the one with this key, as in `key:17`.
fn find(
    client: &Client,
    term: &str,
    window: (usize, Option<&str>),
) -> anyhow::Result<Page<MessageView>> {
    let list = |by: &'static str| client.rows(&["messages"], &[(by, term.to_owned())], window);
    if let Some(key) = term.strip_prefix("key:") {
        let found: anyhow::Result<MessageView> = client.get(&["messages", key], &[]);
        return match found {
            Ok(found) => Ok(Page::from(vec![found])),
            Err(error) if Refused::has_status(&error, 404) => Ok(Page::from(Vec::new())),
            Err(error) => Err(error),
        };
    }
    // A cursor is that of a search for a number.
    let by_id = match window {
        (_, None) => list("provider_message_id")?,
        _ => Page::from(Vec::new()),
    };
    let digits = digits(term);
    let is_name = is_phone_number(&digits) || digits.contains(char::is_alphabetic);
    if by_id.data.is_empty() && is_name {
        return match list("recipient") {
            // It is nothing that a person can be called; with a cursor that may be what is wrong.
            Err(error) if window.1.is_none() && Refused::has_status(&error, 422) => {
                Ok(Page::from(Vec::new()))
            }
            found => found,
        };
    }
    Ok(by_id)
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
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let only = |is_set: bool| is_set.then(|| "true".to_owned());
        let query = [
            ("status", self.status.map(|status| status.to_string())),
            ("recipient", self.recipient),
            ("channel", self.channel),
            ("error", self.error),
            ("source", self.source),
            ("broadcast", self.broadcast),
            ("since", self.since.map(|it| TimeOrAge(it).to_string())),
            ("until", self.until.map(|it| TimeOrAge(it).to_string())),
            ("silent", only(self.silent)),
            ("refused", only(self.refused)),
        ];
        let messages = client::with(settings, Purpose::Read, |client| {
            self.page.rows(client, &["messages"], &query)
        })?;
        MESSAGES.show_page(&messages, self.page.json, terminal)
    }
}

/// A list of messages.
const MESSAGES: List<'_, MessageView> = List {
    columns: &[
        ("FIRST REPORT (UTC)", &|message| {
            stamp(message.first_report_at)
        }),
        ("LAST REPORT (UTC)", &|message| {
            stamp(message.last_report_at)
        }),
        ("STATUS", &status),
        ("RECIPIENT", &|message| {
            message.recipient.as_deref().map(number).unwrap_or_default()
        }),
        ("ERROR", &|message| {
            let error = message.error.as_ref();
            error.map_or_else(String::new, |error| match error.code {
                Some(code) => code.to_string(),
                None => error.key.clone(),
            })
        }),
        ("SOURCE", &|message| message.source.clone()),
        ("MESSAGE", &message_id),
    ],
    nothing: "no message is like that",
};

fn status(message: &MessageView) -> String {
    let conflict = if message.conflict { "!" } else { "" };
    let status = message.status.map_or("-", Status::as_str);
    let channel = match message.channel.as_str() {
        WHATSAPP => String::new(),
        channel => format!(" ({channel})"),
    };
    format!("{status}{conflict}{channel}")
}

/// What `message show` finds it by.
fn message_id(message: &MessageView) -> String {
    let id = message.provider_message_id.clone();
    id.unwrap_or_else(|| format!("key:{}", message.id))
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

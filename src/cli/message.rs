//! `tickrelay message`: what became of a message, for whoever is asked on the phone.
//!
//! One sentence first, which can be read out; then the timeline that proves it.

mod answer;
mod events;
mod register;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::forward::number;
use super::page::Page;
use super::table::{prose, shorten, table};
use super::time::{Since, stamp};
use super::{Exit, Settings, Terminal, page};
use crate::clock::Clock;
use crate::model::{Status, WHATSAPP};
use crate::store::query::MessageQuery;
use crate::store::timeline::{MessageRecord, Timeline};

/// The name of the list in its cursors.
const LIST: &str = "messages";

/// The verbs of `message`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Say in one sentence what became of a message, then show its timeline
    Show(Show),
    /// List messages, the newest first; ! marks a delivery that a failure contradicts
    List(List),
    /// Tell of messages that were sent: their text, type, numbers, template, broadcast
    Register(register::Register),
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The provider's message id, or the recipient's phone number or user id, or key:17 where
    /// the provider gave no id
    #[arg(required = true, value_name = "ID OR NUMBER")]
    term: Vec<String>,
    /// Of a number, list at most this many messages
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Of a number, go on from where a search ended, with the word that it named
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those in this status
    #[arg(long)]
    status: Option<Status>,
    /// Only those of this channel: whatsapp, sms, viber (all of Viber), unknown
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
    page: Page,
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

/// The answer of `message show --json`: the newest message found, and all that were found.
#[derive(Serialize)]
struct Shown<'a> {
    answer: String,
    #[serde(flatten)]
    timeline: &'a Timeline,
    found: &'a [MessageRecord],
    /// Whether `--limit` cut the list.
    more: bool,
}

impl Verb {
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

impl Show {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        // A number may be typed with blanks and without quotes.
        let term = self.term.join(" ");
        let reader = settings.reader()?;
        let limit = self.limit.max(1);
        let window = page::window(LIST, limit, self.cursor.as_deref())?;
        let found = reader.find_messages(&term, window)?;
        let rest = page::cut_short(LIST, &found);
        let mut found = found.rows;
        let more = found.len() > limit || rest.is_some();
        found.truncate(limit);
        let newest = match found.first() {
            Some(newest) => reader.timeline(newest.message_id)?,
            None => None,
        };
        let Some(timeline) = newest else {
            return terminal.refuse(match rest {
                Some(rest) => format!("nothing was reported of {term:?} so far. {rest}"),
                None => format!(
                    "nothing was reported of {term:?}: check the id, or the number with its \
                     country code"
                ),
            });
        };
        page::say(rest, terminal)?;
        let answer = answer::answer(&timeline);
        if self.json {
            return terminal.json(&Shown {
                answer,
                timeline: &timeline,
                found: &found,
                more,
            });
        }
        if found.len() > 1 || more {
            let (whose, count) = (number(&term), found.len());
            let which = if more {
                format!("The newest {count} of more messages of {whose}; --limit shows more")
            } else {
                format!("{count} messages of {whose}, the newest first")
            };
            writeln!(terminal.data, "{which}:\n\n{}\nThe newest:\n", list(&found))?;
        }
        let now_ms = Clock::system().now_ms();
        write!(
            terminal.data,
            "{}\n{}",
            prose(&answer, 0),
            events::timeline(&timeline, now_ms)
        )?;
        Ok(Exit::Done)
    }
}

impl List {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        let query = MessageQuery {
            status: self.status,
            channel: self.channel.as_ref().map(|it| it.to_ascii_lowercase()),
            error: self.error.clone(),
            source: self.source.clone(),
            bulk_id: self.broadcast.clone(),
            since_ms: self.since.as_ref().map(|since| since.ms(now_ms)),
            until_ms: self.until.as_ref().map(|until| until.ms(now_ms)),
            silent_at_ms: self.silent.then_some(now_ms),
            refused: self.refused,
            window: self.page.window(LIST)?,
            ..MessageQuery::default()
        };
        let mut messages = settings.reader()?.search(&query)?;
        let rest = self
            .page
            .cut(LIST, &mut messages, |message| message.message_id);
        let messages = messages.rows;
        if self.json {
            page::say(rest, terminal)?;
            return terminal.json(&messages);
        }
        if messages.is_empty() {
            return terminal.refuse(rest.unwrap_or_else(|| "no message is like that".to_owned()));
        }
        write!(terminal.data, "{}", list(&messages))?;
        page::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

fn list(messages: &[MessageRecord]) -> String {
    let rows = messages.iter().map(|message| {
        let code = message.error.as_ref().map(|error| {
            let known = error.code.map(|code| code.to_string());
            known.unwrap_or_else(|| error.error_key.clone())
        });
        let conflict = if message.conflict { "!" } else { "" };
        let status = message.status.map_or("-", Status::as_str);
        let channel = match message.channel.as_str() {
            WHATSAPP => String::new(),
            channel => format!(" ({channel})"),
        };
        vec![
            stamp(message.last_report_at_ms),
            format!("{status}{conflict}{channel}"),
            message.recipient.as_deref().map(number).unwrap_or_default(),
            code.unwrap_or_default(),
            shorten(&message.source, 20),
            message_id(message),
        ]
    });
    let headings = [
        "LAST REPORT (UTC)",
        "STATUS",
        "RECIPIENT",
        "ERROR",
        "SOURCE",
        "MESSAGE",
    ];
    table(&headings, rows)
}

/// What `message show` finds it by.
fn message_id(message: &MessageRecord) -> String {
    let id = message.provider_message_id.clone();
    id.unwrap_or_else(|| format!("key:{}", message.message_id))
}

//! `tickrelay webhook`: the providers' requests as they came.

use clap::{Args, Subcommand};
use serde_json::json;

use super::list::List;
use super::page::PageArgs;
use super::table::{facts, visible};
use super::time::{Since, day_and_time, stamp};
use super::usage::key;
use super::{Exit, Settings, Terminal};
use crate::admin::narrowing::Narrowing;
use crate::clock::Clock;
use crate::model::Word as _;
use crate::store::WebhookOutcome;
use crate::store::overview::{WebhookDetail, WebhookRecord};
use crate::store::query::{Scope, WebhookQuery};

/// The name of the list in its cursors.
const LIST: &str = "webhooks";

/// The verbs of `webhook`.
#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Show a webhook and its body
    Show(WebhookShowArgs),
    /// List webhooks, the newest first
    List(WebhookListArgs),
}

#[derive(Debug, Args)]
pub(super) struct WebhookShowArgs {
    /// Its id, as `webhook list` and `message show` have it
    #[arg(value_parser = key)]
    id: i64,
    /// Write the bytes of the body and nothing else
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Answer with a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct WebhookListArgs {
    /// Only those that ended so: processed, duplicate, ignored or unparsed; unparsed has all
    /// with any element that could not be read
    #[arg(long, value_name = "WORD")]
    outcome: Option<WebhookOutcome>,
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those that arrived since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those that arrived before; written as --since is
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    #[command(flatten)]
    page: PageArgs,
}

impl WebhookCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Show(show) => show.run(settings, terminal),
            Self::List(list) => list.run(settings, terminal),
        }
    }
}

impl WebhookShowArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let id = self.id;
        let Some(WebhookDetail { webhook, body }) =
            settings.reader()?.webhook(id, &Scope::default())?
        else {
            return terminal.refuse(format!("there is no webhook {id}; it may have been pruned"));
        };
        if self.json {
            return show_json(&webhook, body.as_deref(), terminal);
        }
        if self.raw {
            let Some(body) = body else {
                return terminal.refuse(not_kept(&webhook));
            };
            terminal.data.write_all(&body)?;
            return Ok(Exit::Done);
        }
        write!(terminal.data, "{}", head(&webhook))?;
        match body.as_deref().map(str::from_utf8) {
            None => writeln!(terminal.talk, "\n{}", not_kept(&webhook))?,
            Some(Ok(text)) => writeln!(terminal.data, "\n{}", visible(text))?,
            Some(Err(_)) => writeln!(
                terminal.talk,
                "\nthe body is not plain text; `tickrelay webhook show {id} --raw` writes its bytes"
            )?,
        }
        Ok(Exit::Done)
    }
}

fn head(webhook: &WebhookRecord) -> String {
    let outcome = match &webhook.outcome_detail {
        Some(detail) => format!("{}: {detail}", webhook.outcome.as_str()),
        None => webhook.outcome.as_str().to_owned(),
    };
    let reports = format!("{}, {} of them new", webhook.reports, webhook.new_reports);
    let unreadable = (webhook.unreadable > 0).then(|| webhook.unreadable.to_string());
    facts([
        ("Webhook", Some(webhook.webhook_id.to_string())),
        (
            "Source",
            Some(format!("{} ({})", webhook.source, webhook.provider)),
        ),
        ("Arrived", Some(day_and_time(webhook.received_at_ms))),
        ("Outcome", Some(outcome)),
        ("Reports", Some(reports)),
        ("Unreadable", unreadable),
        ("Content-Type", webhook.content_type.clone()),
        ("Content-Encoding", webhook.content_encoding.clone()),
        ("User-Agent", webhook.user_agent.clone()),
        (
            "Type by default",
            webhook.default_type.map(|word| word.to_string()),
        ),
        ("Sender by default", webhook.default_sender.clone()),
        (
            "Body",
            webhook.body_bytes.map(|bytes| format!("{bytes} bytes")),
        ),
    ])
}

fn not_kept(webhook: &WebhookRecord) -> String {
    let id = webhook.webhook_id;
    if webhook.outcome == WebhookOutcome::Duplicate {
        return format!("the body of webhook {id} is not kept: every report in it was known");
    }
    format!("the body of webhook {id} is no longer kept")
}

/// The body as text where it is text, else in base64.
fn show_json(
    webhook: &WebhookRecord,
    body: Option<&[u8]>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    use base64::Engine as _;
    let mut object = serde_json::to_value(webhook)?;
    let text = body.and_then(|body| str::from_utf8(body).ok());
    object["body"] = json!(text);
    if let (Some(bytes), None) = (body, text) {
        object["body_base64"] = json!(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    terminal.json(&object)
}

impl WebhookListArgs {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let (reader, now_ms) = (settings.reader()?, Clock::system().now_ms());
        let narrowing = Narrowing {
            source: self.source,
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
            ..Narrowing::default()
        };
        let (window, _) = (self.page).begin(LIST, &narrowing, settings, &reader)?;
        let mut webhooks = reader.webhooks(&WebhookQuery {
            outcome: self.outcome,
            source: narrowing.source,
            since_ms: narrowing.since_ms,
            until_ms: narrowing.until_ms,
            window,
            ..WebhookQuery::default()
        })?;
        let rest = (self.page).cut(LIST, &mut webhooks, |webhook| webhook.webhook_id);
        let list = List {
            columns: &[
                ("ID", &|webhook: &WebhookRecord| {
                    webhook.webhook_id.to_string()
                }),
                ("ARRIVED (UTC)", &|webhook| stamp(webhook.received_at_ms)),
                ("SOURCE", &|webhook| webhook.source.clone()),
                ("OUTCOME", &|webhook| webhook.outcome.as_str().to_owned()),
                ("REPORTS", &|webhook| webhook.reports.to_string()),
                ("NEW", &|webhook| webhook.new_reports.to_string()),
                ("UNREADABLE", &|webhook| webhook.unreadable.to_string()),
                ("DETAIL", &|webhook| {
                    webhook.outcome_detail.clone().unwrap_or_default()
                }),
            ],
            nothing: "no webhook is like that",
        };
        list.show((&webhooks.rows, rest), self.page.json, terminal)
    }
}

//! `tickrelay webhook`: the providers' requests as they came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::client::{self, Purpose, Refused};
use super::list::List;
use super::page::PageArgs;
use super::table::{facts, visible};
use super::time::{Since, day_and_time, stamp};
use super::usage::key;
use super::{Exit, Settings, Terminal};
use crate::model::{WebhookKey, Word as _};
use crate::store::WebhookOutcome;
use crate::web::api::time::TimeOrAge;
use crate::web::api::webhooks::WebhookView;

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
    #[arg(value_parser = key::<WebhookKey>)]
    id: WebhookKey,
    /// Write the bytes of the body and nothing else
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Answer with the API's JSON document, the body in it
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
        let id = self.id.to_string();
        let (webhook, body) = client::with(settings, Purpose::Read, |client| {
            let webhook: WebhookView = client.get(&["webhooks", &id], &[])?;
            let is_kept = webhook.body_bytes.is_some();
            let body = is_kept.then(|| client.bytes(&["webhooks", &id, "body"]));
            Ok((webhook, body.transpose()))
        })?;
        let (body, hidden) = match body {
            // A role that may not read bodies sees all else of a webhook.
            Err(error) if !self.raw && Refused::has_status(&error, 403) => (None, Some(error)),
            body => (body?, None),
        };
        if let Some(why) = &hidden {
            writeln!(terminal.talk, "the body is not shown: {why}")?;
        }
        if self.json {
            return terminal.json(&WebhookAnswer::new(webhook, body.as_deref()));
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
            None if hidden.is_some() => {}
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

fn head(webhook: &WebhookView) -> String {
    let outcome = match &webhook.outcome_detail {
        Some(detail) => format!("{}: {detail}", webhook.outcome.as_str()),
        None => webhook.outcome.as_str().to_owned(),
    };
    let reports = format!("{}, {} of them new", webhook.reports, webhook.new_reports);
    let unreadable = (webhook.unreadable > 0).then(|| webhook.unreadable.to_string());
    facts([
        ("Webhook", Some(webhook.id.to_string())),
        (
            "Source",
            Some(format!("{} ({})", webhook.source, webhook.provider)),
        ),
        ("Arrived", Some(day_and_time(webhook.received_at))),
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

fn not_kept(webhook: &WebhookView) -> String {
    let id = webhook.id;
    if webhook.outcome == WebhookOutcome::Duplicate {
        return format!("the body of webhook {id} is not kept: every report in it was known");
    }
    format!("the body of webhook {id} is no longer kept")
}

/// The API's document of a webhook, with its body beside it: as text where it is text, else in base64.
#[derive(Serialize)]
struct WebhookAnswer {
    #[serde(flatten)]
    webhook: WebhookView,
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl WebhookAnswer {
    fn new(webhook: WebhookView, body: Option<&[u8]>) -> Self {
        let text = body.and_then(|body| str::from_utf8(body).ok());
        let bytes = body.filter(|_| text.is_none());
        Self {
            webhook,
            body: text.map(str::to_owned),
            body_base64: bytes.map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

impl WebhookListArgs {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let query = [
            ("outcome", self.outcome.map(|it| it.as_str().to_owned())),
            ("source", self.source),
            ("since", self.since.map(|it| TimeOrAge(it).to_string())),
            ("until", self.until.map(|it| TimeOrAge(it).to_string())),
        ];
        let webhooks = client::with(settings, Purpose::Read, |client| {
            self.page.rows(client, &["webhooks"], &query)
        })?;
        let list = List {
            columns: &[
                ("ID", &|webhook: &WebhookView| webhook.id.to_string()),
                ("ARRIVED (UTC)", &|webhook| stamp(webhook.received_at)),
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
        list.show_page(&webhooks, self.page.json, terminal)
    }
}

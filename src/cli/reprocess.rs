//! `tickrelay reprocess`: parse stored requests again, after an upgrade that understands more.

use clap::Args;

use super::client::{self, Client, Purpose};
use super::table::{item, table};
use super::time::Since;
use super::usage::key;
use super::{Exit, Settings, Terminal};
use crate::model::{Status, WebhookKey, Word as _};
use crate::store::Reread;
use crate::web::api::job_results::ManyReprocessedView;
use crate::web::api::time::TimeOrAge;
use crate::web::api::webhooks::ReprocessOrderView;

/// Parses stored requests again; what is new in them is stored and forwarded.
#[derive(Debug, Args)]
pub(super) struct Reprocess {
    /// Ids of webhooks to parse again [default: all that could not be parsed in full]
    #[arg(value_name = "WEBHOOK", value_parser = key::<WebhookKey>)]
    ids: Vec<WebhookKey>,
    /// Only those that arrived since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Include webhooks that were parsed before: an upgrade may know more words
    #[arg(long)]
    all: bool,
    /// Show what would be found and change nothing. A report in two webhooks is listed twice
    #[arg(long)]
    dry_run: bool,
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl Reprocess {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let order = ReprocessOrderView {
            ids: self.ids,
            since: self.since.map(TimeOrAge),
            source: self.source,
            all: self.all,
            dry_run: self.dry_run,
        };
        let read = |client: &Client| client.job(&["webhooks", "reprocess"], &order);
        let purpose = Purpose::unless_dry(self.dry_run);
        let read: ManyReprocessedView = client::with(settings, purpose, read)?;
        let ManyReprocessedView {
            examined, webhooks, ..
        } = &read;
        if !self.dry_run {
            terminal.done = Some(format!("the stored webhooks were read again: {examined}"));
        }
        if self.json {
            return terminal.json(&read);
        }
        if !webhooks.is_empty() {
            let rows = webhooks.iter().flat_map(rows);
            let headings = ["WEBHOOK", "SOURCE", "OUTCOME", "UNREADABLE", "FOUND"];
            let text = table(&headings, rows, terminal.width);
            write!(terminal.data, "{text}")?;
        }
        let summary = summary(*examined, webhooks, self.dry_run);
        write!(terminal.talk, "{}", item(&summary, 0))?;
        Ok(Exit::Done)
    }
}

/// A line for the request, then one for each further report in it.
fn rows(reread: &Reread) -> Vec<Vec<String>> {
    let mut found: Vec<String> = reread
        .found
        .iter()
        .map(|report| {
            let meaning = report.status.map_or("no status of ours", Status::as_str);
            let id = report.provider_message_id.as_deref().unwrap_or("no id");
            format!("{id}: {} → {meaning}", report.provider_status)
        })
        .collect();
    if found.is_empty() {
        found.push(reread.detail.clone().unwrap_or_default());
    }
    let change = |before: &str, after: &str| {
        if before == after {
            before.to_owned()
        } else {
            format!("{before} → {after}")
        }
    };
    let mut head = vec![
        reread.webhook_id.to_string(),
        reread.source.clone(),
        change(reread.before.as_str(), reread.after.as_str()),
        change(
            &reread.unreadable_before.to_string(),
            &reread.unreadable.to_string(),
        ),
    ];
    found
        .into_iter()
        .map(|report| {
            let mut row = std::mem::replace(&mut head, vec![String::new(); 4]);
            row.push(report);
            row
        })
        .collect()
}

fn summary(examined: u64, webhooks: &[Reread], dry_run: bool) -> String {
    let reports: usize = webhooks.iter().map(|reread| reread.found.len()).sum();
    let forwards: u64 = webhooks.iter().map(|reread| reread.forwards).sum();
    let unreadable = webhooks
        .iter()
        .filter(|reread| reread.unreadable > 0)
        .count();
    let (found, queued) = if dry_run {
        ("would be found", "would be queued")
    } else {
        ("were found", "are queued")
    };
    format!(
        "Requests read again: {examined}. New reports that {found}: {reports}. \
         Forwards that {queued}: {forwards}. Still not readable in full: {unreadable}."
    )
}

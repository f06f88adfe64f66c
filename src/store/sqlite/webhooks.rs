//! Reading webhooks as they came.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::ranges::{self, Timed};
use super::reader::Reader;
use super::search;
use crate::store::overview::{WebhookDetail, WebhookRecord};
use crate::store::query::{Listing, Scope, WebhookQuery};
use crate::store::{Error, WebhookOutcome};

const SELECT_WEBHOOK: &str = "SELECT webhook_id, name AS source, provider, received_at_ms, outcome, \
     outcome_detail, reports, new_reports, unreadable, default_type, default_sender, content_type, \
     content_encoding, user_agent, length(body) AS body_bytes \
     FROM webhook JOIN source USING (source_id)";

pub(super) const WEBHOOKS: ListedTable =
    ListedTable::newest("webhook", "webhook_id", "received_at_ms");

impl Reader {
    /// The webhooks that match, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn webhooks(&self, query: &WebhookQuery) -> Result<Listing<WebhookRecord>, Error> {
        let select = |connection: &Connection| select(connection, query);
        self.list("list webhooks", query.window, select, read_webhook)
    }

    /// The webhook with this key, with its body where that is kept; `None` when there is
    /// none to be seen.
    ///
    /// # Errors
    /// As every read.
    pub fn webhook(&self, webhook_id: i64, scope: &Scope) -> Result<Option<WebhookDetail>, Error> {
        self.read("read the webhook", |connection| {
            let mut clause = Clause::default();
            clause.and_if("webhook_id = ?", Some(webhook_id));
            search::of_sources(&mut clause, &scope.sources, "webhook");
            let Some(webhook) = connection
                .query_row(
                    &format!("{SELECT_WEBHOOK} WHERE {}", clause.text()),
                    params_from_iter(clause.values()),
                    read_webhook,
                )
                .optional()?
            else {
                return Ok(None);
            };
            let body = connection.query_row(
                "SELECT body FROM webhook WHERE webhook_id = ?1",
                [webhook_id],
                |row| row.get(0),
            )?;
            Ok(Some(WebhookDetail { webhook, body }))
        })
    }
}

/// The statement of a list of webhooks.
pub(super) fn select(connection: &Connection, query: &WebhookQuery) -> rusqlite::Result<Select> {
    let mut clause = Clause::default();
    match query.outcome {
        None => {}
        // An unparsed body counts as one unreadable element; the index knows them all.
        Some(WebhookOutcome::Unparsed) => clause.and("webhook.unreadable > 0"),
        Some(outcome) => clause.and_if("webhook.outcome = ?", Some(outcome)),
    }
    search::of_source(&mut clause, query.source.as_deref(), "webhook");
    clause.and_if("webhook.received_at_ms >= ?", query.since_ms);
    clause.and_if("webhook.received_at_ms < ?", query.until_ms);
    search::of_sources(&mut clause, &query.scope.sources, "webhook");
    let keys = ranges::within(connection, Timed::Webhook, query.since_ms, query.until_ms)?;
    Ok(clause.select(SELECT_WEBHOOK, WEBHOOKS, keys))
}

fn read_webhook(row: &Row<'_>) -> rusqlite::Result<WebhookRecord> {
    Ok(WebhookRecord {
        webhook_id: row.get("webhook_id")?,
        source: row.get("source")?,
        provider: row.get("provider")?,
        received_at_ms: row.get("received_at_ms")?,
        outcome: row.get("outcome")?,
        outcome_detail: row.get("outcome_detail")?,
        reports: row.get("reports")?,
        new_reports: row.get("new_reports")?,
        unreadable: row.get("unreadable")?,
        default_type: row.get("default_type")?,
        default_sender: row.get("default_sender")?,
        content_type: row.get("content_type")?,
        content_encoding: row.get("content_encoding")?,
        user_agent: row.get("user_agent")?,
        body_bytes: row.get("body_bytes")?,
    })
}

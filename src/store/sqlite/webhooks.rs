//! Reading webhooks as they came.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::ranges::{self, Timed};
use super::reader::{Reader, SqliteQuery};
use super::search;
use crate::model::WebhookKey;
use crate::store::overview::{WebhookDetail, WebhookRecord};
use crate::store::query::{Listing, Scope, UnseenWebhookQuery, WebhookDetailQuery, WebhookQuery};
use crate::store::{Error, WebhookOutcome};

const SELECT_WEBHOOK: &str = "SELECT webhook_id, name AS source, provider, received_at_ms, outcome, \
     outcome_detail, reports, new_reports, unreadable, default_type, default_sender, content_type, \
     content_encoding, user_agent, length(body) AS body_bytes \
     FROM webhook JOIN source USING (source_id)";

pub(super) const WEBHOOKS: ListedTable =
    ListedTable::newest("webhook", "webhook_id", "received_at_ms");

impl SqliteQuery for WebhookQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<WebhookRecord>, Error> {
        let select = |connection: &Connection| select(connection, &self);
        reader.list("list webhooks", self.window, select, read_webhook)
    }
}

impl SqliteQuery for WebhookDetailQuery {
    fn answer(self, reader: &Reader) -> Result<Option<WebhookDetail>, Error> {
        reader.read("read the webhook", |connection| {
            let Some(webhook) = one(connection, self.webhook_id, &self.scope)? else {
                return Ok(None);
            };
            let body = connection.query_row(
                "SELECT body FROM webhook WHERE webhook_id = ?1",
                [self.webhook_id],
                |row| row.get(0),
            )?;
            Ok(Some(WebhookDetail { webhook, body }))
        })
    }
}

impl SqliteQuery for UnseenWebhookQuery {
    fn answer(self, reader: &Reader) -> Result<Option<WebhookKey>, Error> {
        reader.read("look for the webhooks", |connection| {
            for webhook_id in self.webhook_ids {
                if one(connection, webhook_id, &self.scope)?.is_none() {
                    return Ok(Some(webhook_id));
                }
            }
            Ok(None)
        })
    }
}

/// The webhook with this key, if it is in this scope.
fn one(
    connection: &Connection,
    webhook_id: WebhookKey,
    scope: &Scope,
) -> rusqlite::Result<Option<WebhookRecord>> {
    let mut clause = Clause::default();
    clause.and_if("webhook_id = ?", Some(webhook_id));
    search::of_sources(&mut clause, &scope.sources, "webhook");
    connection
        .prepare_cached(&format!("{SELECT_WEBHOOK} WHERE {}", clause.text()))?
        .query_row(params_from_iter(clause.values()), read_webhook)
        .optional()
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

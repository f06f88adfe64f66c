//! Reading webhooks as they came.

use rusqlite::{OptionalExtension, Row, params};

use super::histories::json_list;
use super::reader::{Reader, maybe_word, word};
use crate::store::overview::{WebhookDetail, WebhookRecord};
use crate::store::query::{Scope, WebhookQuery};
use crate::store::{Error, WebhookOutcome};

const SELECT_WEBHOOK: &str = "SELECT webhook_id, name AS source, provider, received_at_ms, outcome, \
     outcome_detail, reports, new_reports, unreadable, default_type, default_sender, content_type, \
     content_encoding, user_agent, length(body) AS body_bytes \
     FROM webhook JOIN source USING (source_id)";

impl Reader {
    /// The webhooks that match, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn webhooks(&self, query: &WebhookQuery) -> Result<Vec<WebhookRecord>, Error> {
        let outcome = match query.outcome {
            None => "1".to_owned(),
            // An unparsed body counts as one unreadable element; the index knows them all.
            Some(WebhookOutcome::Unparsed) => "unreadable > 0".to_owned(),
            Some(outcome) => format!("outcome = '{}'", outcome.as_str()),
        };
        self.read("list webhooks", |connection| {
            connection
                .prepare(&format!(
                    "{SELECT_WEBHOOK} WHERE {outcome} AND (?1 IS NULL OR name = ?1) \
                     AND (?2 IS NULL OR received_at_ms >= ?2) \
                     AND (?3 IS NULL OR received_at_ms < ?3) \
                     AND (?4 IS NULL OR name IN (SELECT value FROM json_each(?4))) \
                     AND webhook_id < ?5 ORDER BY webhook_id DESC LIMIT ?6"
                ))?
                .query_map(
                    params![
                        query.source,
                        query.since_ms,
                        query.until_ms,
                        json_list(&query.scope.sources),
                        query.window.before.unwrap_or(i64::MAX),
                        query.window.limit,
                    ],
                    read_webhook,
                )?
                .collect()
        })
    }

    /// The webhook with this key, with its body where that is kept; `None` when there is
    /// none to be seen.
    ///
    /// # Errors
    /// As every read.
    pub fn webhook(&self, webhook_id: i64, scope: &Scope) -> Result<Option<WebhookDetail>, Error> {
        self.read("read the webhook", |connection| {
            let Some(webhook) = connection
                .query_row(
                    &format!(
                        "{SELECT_WEBHOOK} WHERE webhook_id = ?1 \
                         AND (?2 IS NULL OR name IN (SELECT value FROM json_each(?2)))"
                    ),
                    params![webhook_id, json_list(&scope.sources)],
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

fn read_webhook(row: &Row<'_>) -> rusqlite::Result<WebhookRecord> {
    Ok(WebhookRecord {
        webhook_id: row.get("webhook_id")?,
        source: row.get("source")?,
        provider: row.get("provider")?,
        received_at_ms: row.get("received_at_ms")?,
        outcome: word(row, "outcome")?,
        outcome_detail: row.get("outcome_detail")?,
        reports: row.get("reports")?,
        new_reports: row.get("new_reports")?,
        unreadable: row.get("unreadable")?,
        default_type: maybe_word(row, "default_type")?,
        default_sender: row.get("default_sender")?,
        content_type: row.get("content_type")?,
        content_encoding: row.get("content_encoding")?,
        user_agent: row.get("user_agent")?,
        body_bytes: row.get("body_bytes")?,
    })
}

//! Reading stored webhooks again: which, and what came of it.

use std::sync::Arc;

use rusqlite::{Row, params_from_iter};

use super::accept::decide;
use super::clause::Clause;
use super::reader::{Reader, SqliteQuery};
use super::{search, sources};
use crate::model::WebhookKey;
use crate::plan::group::PublicIds;
use crate::store::commit::reread;
use crate::store::query::{ReparsePreviewQuery, ReprocessableQuery, StoredWebhookQuery};
use crate::store::{Error, Reread, StoredWebhook};

impl SqliteQuery for ReprocessableQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<WebhookKey>, Error> {
        let Self {
            selection,
            not_before_ms,
        } = self;
        reader.read("look for webhooks to read again", |connection| {
            let everything = selection.all || !selection.webhook_ids.is_empty();
            let since_ms = selection.since_ms.unwrap_or(i64::MIN).max(not_before_ms);
            let mut clause = Clause::default();
            clause.and("body IS NOT NULL");
            if !everything {
                clause.and("unreadable > 0");
            }
            clause.and_if("received_at_ms >= ?", Some(since_ms));
            search::of_source(&mut clause, selection.source.as_deref(), "webhook");
            let sql = format!(
                "SELECT webhook_id FROM webhook WHERE {} ORDER BY webhook_id",
                clause.text()
            );
            let ids = &selection.webhook_ids;
            let mut select = connection.prepare(&sql)?;
            let values = params_from_iter(clause.values());
            let found = select.query_map(values, |row| row.get(0))?;
            found
                .filter(|id| ids.is_empty() || id.as_ref().is_ok_and(|id| ids.contains(id)))
                .collect()
        })
    }
}

impl SqliteQuery for StoredWebhookQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<StoredWebhook>, Error> {
        reader.read("read the stored webhooks", |connection| {
            let marks = vec!["?"; self.webhook_ids.len()].join(", ");
            let mut left = self.room;
            let mut webhooks = Vec::new();
            let mut select = connection.prepare(&format!(
                "SELECT webhook_id, source.name, provider, received_at_ms, default_type, \
                     default_sender, content_encoding, broadcast, body \
                     FROM webhook JOIN source USING (source_id) \
                     WHERE webhook_id IN ({marks}) AND body IS NOT NULL ORDER BY webhook_id"
            ))?;
            let mut rows = select.query(params_from_iter(self.webhook_ids))?;
            while let Some(row) = rows.next()? {
                let length = row.get_ref(8)?.as_blob().map_or(0, <[u8]>::len);
                if !webhooks.is_empty() && length > left {
                    break;
                }
                left = left.saturating_sub(length);
                webhooks.push(read_stored(row)?);
            }
            Ok(webhooks)
        })
    }
}

fn read_stored(row: &Row<'_>) -> rusqlite::Result<StoredWebhook> {
    let default_type: Option<String> = row.get(4)?;
    Ok(StoredWebhook {
        webhook_id: row.get(0)?,
        source: row.get(1)?,
        provider: row.get(2)?,
        received_ms: row.get(3)?,
        default_type: default_type.and_then(|word| word.parse().ok()),
        default_sender: row.get(5)?,
        content_encoding: row.get(6)?,
        broadcast: row.get(7)?,
        body: row.get(8)?,
    })
}

impl SqliteQuery for ReparsePreviewQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<Reread>, Error> {
        let works: Vec<_> = self.reparsed.works().collect();
        reader.read("read webhooks again", |connection| {
            let id = |name: &Arc<str>, _| sources::find(connection, name);
            // Nothing of it is written, so any ids do.
            let mut ids = PublicIds::new((0, 0));
            let moment = (self.now_ms, &mut ids);
            let (writes, _) = decide(connection, id, &works, &self.subscribers, moment)?;
            let answers = writes.outcomes.into_iter();
            Ok(answers
                .filter_map(|outcome| reread(outcome.answer(&[])))
                .collect())
        })
    }
}

//! The audit: written with each change, read by admins.

use rusqlite::{Connection, Row, params};

use super::backend;
use super::reader::{Reader, word};
use crate::store::Error;
use crate::store::audit::{AuditRecord, Change};
use crate::store::query::Window;

/// Writes a change down, in its transaction.
pub(super) fn write(connection: &Connection, change: &Change, now_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at_ms, caller, role, action, kind, id, detail) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                now_ms,
                change.caller,
                change.role.as_str(),
                change.action,
                change.kind,
                change.id,
                change.detail.to_string(),
            ])
        })
        .map(drop)
        .map_err(|error| backend("cannot write the audit".to_owned(), error))
}

impl Reader {
    /// What was changed, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn audit(&self, window: Window) -> Result<Vec<AuditRecord>, Error> {
        self.read("read the audit", |connection| {
            connection
                .prepare("SELECT * FROM audit WHERE audit_id < ?1 ORDER BY audit_id DESC LIMIT ?2")?
                .query_map(
                    params![window.before.unwrap_or(i64::MAX), window.limit],
                    read_audit,
                )?
                .collect()
        })
    }
}

fn read_audit(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    let detail: String = row.get("detail")?;
    Ok(AuditRecord {
        audit_id: row.get("audit_id")?,
        at_ms: row.get("at_ms")?,
        change: Change {
            caller: row.get("caller")?,
            role: word(row, "role")?,
            action: row.get("action")?,
            kind: row.get("kind")?,
            id: row.get("id")?,
            detail: serde_json::from_str(&detail).map_err(super::subscribers::unreadable)?,
        },
    })
}

//! The audit: written with each change, read by admins.

use rusqlite::{Connection, Row, params};

use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::{backend, ranges};
use crate::store::Error;
use crate::store::audit::{AuditEntry, AuditRecord};
use crate::store::query::{AuditQuery, Listing};

/// Writes a change down, in its transaction.
pub(super) fn write(
    connection: &Connection,
    change: &AuditEntry,
    now_ms: i64,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at_ms, caller, role, action, kind, id, detail) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                now_ms,
                change.caller,
                change.role,
                change.action,
                change.kind,
                change.id,
                change.detail.to_string(),
            ])
        })
        .map(drop)
        .map_err(|error| backend("cannot write the audit".to_owned(), error))
}

const AUDIT: ListedTable = ListedTable::newest("audit", "audit_id", "at_ms");

impl SqliteQuery for AuditQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<AuditRecord>, Error> {
        reader.list("read the audit", self.window, |_| Ok(select()), read_audit)
    }
}

/// The statement of the list of changes.
pub(super) fn select() -> Select {
    Clause::default().select("SELECT * FROM audit", AUDIT, ranges::all())
}

fn read_audit(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    let detail: String = row.get("detail")?;
    Ok(AuditRecord {
        audit_id: row.get("audit_id")?,
        at_ms: row.get("at_ms")?,
        change: AuditEntry {
            caller: row.get("caller")?,
            role: row.get("role")?,
            action: row.get("action")?,
            kind: row.get("kind")?,
            id: row.get("id")?,
            detail: serde_json::from_str(&detail).map_err(super::cell::unreadable)?,
        },
    })
}

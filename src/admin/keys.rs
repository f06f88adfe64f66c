//! The keys that seal secrets.

use std::sync::Arc;

use serde_json::json;

use super::audit::Note;
use super::jobs::LongWork;
use super::operation::{By, ResultShape};
use super::{Failure, Operation, Operations};
use crate::access::Permission;
use crate::store::Resealed;
use crate::store::job::JobKind;

/// Seal all secrets again, with a new key where we keep the file.
#[derive(Debug, Clone, Copy)]
pub struct RotateKey;

impl Operation for RotateKey {
    type Answer = Resealed;
    const NEEDS: Permission = Permission::ManageTokens;

    fn note(&self) -> Option<Note> {
        Some(Note::new("key", "rotated"))
    }

    fn noted(note: Note, resealed: &Resealed) -> Option<Note> {
        let note = note.with_id(&resealed.key);
        Some(note.and("values", json!(resealed.values)))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Resealed, Failure> {
        Ok(operations.store.rotate_key(by.entry()).await?)
    }
}

impl LongWork for RotateKey {
    const KIND: JobKind = JobKind::RotateKey;

    fn result(&self) -> ResultShape<Resealed> {
        // A file whose path is no text cannot be shown.
        Arc::new(|resealed| serde_json::to_value(resealed).unwrap_or_default())
    }
}

//! Erasing a person, with lines in the log and the audit that do not name them.

use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use super::audit::Note;
use super::operation::By;
use super::{Failure, Operation, Operations, Progress};
use crate::access::Permission;
use crate::model::quoted;
use crate::store::step::RewriteStore;
use crate::store::{Erased, Person};

/// Remove a person from every table.
#[derive(Debug, Clone)]
pub struct ErasePerson {
    /// A phone number in any spelling, or a business-scoped user id.
    pub person: String,
    /// How.
    pub options: EraseOptions,
}

impl Operation for ErasePerson {
    type Answer = Erased;
    const NEEDS: Permission = Permission::Erase;

    fn note(&self) -> Option<Note> {
        // The audit must not name the person.
        (!self.options.dry_run).then(|| Note::new("person", "erased").of_work("erasure"))
    }

    fn noted(note: Note, erased: &Erased) -> Option<Note> {
        let note = note.and("removed", json!(erased));
        Some(if erased.is_nothing() {
            note.ended("not-found")
        } else {
            note
        })
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Erased, Failure> {
        let Self { person, options } = self;
        let person = Person::new(&person).map_err(|why| {
            Failure::Refused(format!(
                "{person} does not identify one person: {why}. Give a phone number with its country \
                 code, as in +385990001122, or a business-scoped user id",
                person = quoted(&person)
            ))
        })?;
        let EraseOptions { dry_run, vacuum } = options;
        let work = operations.erase_all(&person, dry_run, &by.progress);
        if dry_run {
            return work.await;
        }
        let erased = operations.begin(by, work).await?;
        // Whether the file can be rewritten changes nothing about what the audit has said.
        if vacuum {
            operations.store.step(RewriteStore).await.map_err(|error| {
                Failure::from(error).after("the person is erased; the file was not rewritten")
            })?;
        }
        Ok(erased)
    }
}

impl Operations {
    async fn erase_all(
        &self,
        person: &Person,
        dry_run: bool,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Erased, Failure> {
        let on_progress = |done, total| {
            // No client may be listening.
            let _ = progress.send(Progress { done, total });
        };
        let erased = self.store.erase(person, dry_run, on_progress).await;
        // It goes in steps.
        let erased = erased.map_err(|error| {
            Failure::from(error).after("what was erased until then stays so; erasing again goes on")
        })?;
        tracing::info!(
            messages = erased.messages,
            reports = erased.reports,
            forwards = erased.forwards,
            pending = erased.pending,
            bodies = erased.bodies,
            answers = erased.answers,
            dry_run,
            "person.erased"
        );
        Ok(erased)
    }
}

/// How to erase.
#[derive(Debug, Clone, Copy, Default)]
pub struct EraseOptions {
    /// Only count.
    pub dry_run: bool,
    /// Rewrite the whole file afterwards; webhooks wait meanwhile.
    pub vacuum: bool,
}

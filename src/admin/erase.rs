//! Erasing a person, with lines in the log and the audit that do not name them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use super::audit::Note;
use super::jobs::LongWork;
use super::operation::{By, ResultShape};
use super::{Failure, Operation, Operations, Progress};
use crate::access::Permission;
use crate::model::{SecretText, quoted};
use crate::store::job::JobKind;
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
        operations.erase(&self, by).await
    }
}

impl LongWork for ErasePerson {
    const KIND: JobKind = JobKind::Erase;

    fn is_dry_run(&self) -> bool {
        self.options.dry_run
    }

    fn order(&self) -> Option<SecretText> {
        let order = ErasureOrder {
            person: self.person.clone(),
            vacuum: self.options.vacuum,
        };
        serde_json::to_string(&order).ok().map(SecretText::from)
    }

    fn result(&self) -> ResultShape<Erased> {
        let dry_run = self.options.dry_run;
        Arc::new(move |removed| {
            json!({
                "dry_run": dry_run,
                "removed": removed,
                "searched": Erased::SEARCHED,
                "out_of_reach": Erased::OUT_OF_REACH,
            })
        })
    }
}

/// What is kept of an erasure, so that it can be carried on.
#[derive(Serialize, Deserialize)]
struct ErasureOrder {
    person: String,
    vacuum: bool,
}

/// An erasure that a restart cut off. It begins from the start, finds what is left, and its numbers are of
/// that.
pub(super) struct CarriedErasure(ErasePerson);

impl CarriedErasure {
    /// The one that was ordered so.
    pub(super) fn of(order: &SecretText) -> Option<Self> {
        let ErasureOrder { person, vacuum } = serde_json::from_str(order.expose()).ok()?;
        let options = EraseOptions {
            dry_run: false,
            vacuum,
        };
        Some(Self(ErasePerson { person, options }))
    }
}

impl Operation for CarriedErasure {
    type Answer = Erased;
    const NEEDS: Permission = Permission::Erase;

    fn note(&self) -> Option<Note> {
        let note = self.0.note();
        note.map(|note| note.and("carried_on", json!(true)))
    }

    fn noted(note: Note, erased: &Erased) -> Option<Note> {
        // Where nothing was left the person was found before.
        Some(note.and("removed", json!(erased)))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Erased, Failure> {
        let Self(ErasePerson { person, options }) = self;
        let erasing = ErasePerson {
            person,
            options: EraseOptions {
                vacuum: false,
                ..options
            },
        };
        let erased = operations.erase(&erasing, by).await?;
        // The job has ended: a file that cannot be rewritten is no reason to erase again.
        if options.vacuum
            && let Err(error) = operations.store.step(RewriteStore).await
        {
            tracing::error!(%error, "person.file_not_rewritten");
        }
        Ok(erased)
    }
}

impl LongWork for CarriedErasure {
    const KIND: JobKind = ErasePerson::KIND;

    fn is_tried_again(&self) -> bool {
        true
    }

    fn result(&self) -> ResultShape<Erased> {
        self.0.result()
    }
}

impl ErasePerson {
    /// Whom it is to erase.
    ///
    /// # Errors
    /// [`Failure::Refused`].
    pub(crate) fn check_person(&self) -> Result<Person, Failure> {
        Person::new(&self.person).map_err(|why| {
            Failure::Refused(format!(
                "{person} does not identify one person: {why}. Give a phone number with its country \
                 code, as in +385990001122, or a business-scoped user id",
                person = quoted(&self.person)
            ))
        })
    }
}

impl Operations {
    async fn erase<O: Operation<Answer = Erased>>(
        &self,
        order: &ErasePerson,
        by: &By<O>,
    ) -> Result<Erased, Failure> {
        let person = order.check_person()?;
        let EraseOptions { dry_run, vacuum } = order.options;
        let work = self.erase_all(&person, dry_run, &by.progress);
        if dry_run {
            return work.await;
        }
        if !vacuum {
            return self.begin(by, work).await;
        }
        let erased = self.begin_first(by, work).await?;
        // Whether the file can be rewritten changes nothing about what the audit has said.
        self.store.step(RewriteStore).await.map_err(|error| {
            Failure::from(error).after("the person is erased; the file was not rewritten")
        })?;
        Ok(erased)
    }

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

//! What an operator may have done: a type for each operation, with the type of its answer. Each
//! stands with its checks in the file of its noun.

use std::any::Any;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::audit::Note;
use super::{Failure, Fault, Operations, Progress};
use crate::access::{Caller, Permission};
use crate::store::ChangeRecord;
use crate::store::audit::AuditEntry;
use crate::store::idempotency::{IdempotencyRecord, KeptAnswer, Ticket};
use crate::store::job::{JobEnd, JobOutcome};

/// Something that an operator may have done.
pub trait Operation: Send + Sync + Sized + 'static {
    /// What came of it.
    type Answer: Send + Sync + 'static;

    /// What a caller must be allowed.
    const NEEDS: Permission;

    /// What the audit says of it; `None` of one that changes nothing.
    fn note(&self) -> Option<Note>;

    /// The same once its answer is known; `None` when nothing was changed.
    fn noted(note: Note, _answer: &Self::Answer) -> Option<Note> {
        Some(note)
    }

    /// What cannot be as it is, as far as that can be said without carrying it out.
    fn faults(&self, _operations: &Operations, _caller: &Caller) -> Vec<Fault> {
        Vec::new()
    }

    /// Carries it out.
    ///
    /// # Errors
    /// [`Failure::Broken`] and [`Failure::Busy`] are ours, every other is the caller's.
    fn run(
        self,
        operations: &Operations,
        by: &By<Self>,
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// What is kept of an answer for a repeat of its request; `None` of one that is a refusal.
pub type AnswerShape<A> = Arc<dyn Fn(&A) -> Option<KeptAnswer> + Send + Sync>;

/// A request that is to be done once, however often it is sent.
pub struct Once<A> {
    /// What identifies the request.
    pub ticket: Ticket,
    /// What is kept of its answer.
    pub shape: AnswerShape<A>,
    /// Held while it is being answered.
    pub turn: Arc<dyn Any + Send + Sync>,
}

impl<A> Clone for Once<A> {
    fn clone(&self) -> Self {
        Self {
            ticket: self.ticket.clone(),
            shape: Arc::clone(&self.shape),
            turn: Arc::clone(&self.turn),
        }
    }
}

impl<A> Once<A> {
    pub(super) fn kept(self, answer: &A) -> Option<IdempotencyRecord> {
        let answer = (self.shape)(answer)?;
        Some(IdempotencyRecord {
            ticket: self.ticket,
            answer: Some(answer),
        })
    }
}

/// What long work is to show as its result, of its answer.
pub(crate) type ResultShape<A> = Arc<dyn Fn(&A) -> Value + Send + Sync>;

/// The job that an operation is the work of.
pub(super) struct JobSlip<A> {
    /// Its id.
    pub(super) uid: Uuid,
    /// What it shows of the answer.
    pub(super) result: ResultShape<A>,
}

impl<A> Clone for JobSlip<A> {
    fn clone(&self) -> Self {
        Self {
            uid: self.uid,
            result: Arc::clone(&self.result),
        }
    }
}

impl<A> JobSlip<A> {
    /// Its end, with that answer.
    fn done(&self, answer: &A) -> JobEnd {
        JobEnd {
            uid: self.uid,
            outcome: JobOutcome::Done((self.result)(answer)),
        }
    }
}

/// The client of an operation, what is written down of it, and where its progress goes.
pub struct By<O: Operation> {
    pub(super) caller: Caller,
    pub(super) progress: UnboundedSender<Progress>,
    pub(super) note: Option<Note>,
    pub(super) once: Option<Once<O::Answer>>,
    pub(super) job: Option<JobSlip<O::Answer>>,
}

impl<O: Operation> By<O> {
    /// What is written with a change once its answer is known.
    pub(super) fn entry(&self) -> impl FnOnce(&O::Answer) -> ChangeRecord + Send + 'static {
        let (caller, note, once) = (self.caller.clone(), self.note.clone(), self.once.clone());
        let job = self.job.clone();
        move |answer| ChangeRecord {
            // Where nothing changed there is nothing to audit.
            audit: note
                .and_then(|note| O::noted(note, answer))
                .map(|note| note.entry(&caller)),
            kept: once.and_then(|once| once.kept(answer)),
            job: job.map(|job| job.done(answer)),
        }
    }

    /// What is written before something that is more than one transaction.
    pub(super) fn begun(&self) -> ChangeRecord {
        let note = self.note.clone();
        ChangeRecord {
            audit: note.map(|note| note.begun(&self.caller)),
            kept: self.once.as_ref().map(|once| IdempotencyRecord {
                ticket: once.ticket.clone(),
                answer: None,
            }),
            job: None,
        }
    }

    /// What is written after it: how it ended, and the answer of one that succeeded, with the end of
    /// the job of which it is the last part.
    pub(super) fn ended(
        &self,
        outcome: Result<&O::Answer, &Failure>,
        job: Option<&JobSlip<O::Answer>>,
    ) -> WorkEnd {
        let note = self.note.clone();
        match outcome {
            Ok(answer) => {
                let note = note.and_then(|note| O::noted(note, answer));
                let once = self.once.clone();
                WorkEnd {
                    audit: note.map(|note| note.entry(&self.caller)),
                    kept: once.and_then(|once| once.kept(answer)),
                    job: job.map(|job| job.done(answer)),
                }
            }
            // The words of a failure stay in the log: they may name what the audit must not.
            Err(_) => WorkEnd {
                audit: note.map(|note| note.failed(&self.caller)),
                kept: None,
                job: None,
            },
        }
    }
}

/// How work ended that is more than one transaction; it is written again where that failed.
#[derive(Clone, Default)]
pub(super) struct WorkEnd {
    /// The line of the audit.
    pub(super) audit: Option<AuditEntry>,
    /// What a repeat of the request is to find under its key.
    pub(super) kept: Option<IdempotencyRecord>,
    /// The end of its job.
    pub(super) job: Option<JobEnd>,
}

impl WorkEnd {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.audit.is_none() && self.kept.is_none() && self.job.is_none()
    }
}

impl From<WorkEnd> for ChangeRecord {
    fn from(WorkEnd { audit, kept, job }: WorkEnd) -> Self {
        Self { audit, kept, job }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::admin::{EraseOptions, ErasePerson};

    #[test]
    fn work_that_fails_leaves_a_line_that_says_so_and_no_answer() {
        let erase = ErasePerson {
            person: "34600000001".to_owned(),
            options: EraseOptions {
                dry_run: false,
                vacuum: false,
            },
        };
        let by = By::<ErasePerson> {
            caller: Caller::cli(),
            progress: unbounded_channel().0,
            note: erase.note(),
            once: None,
            job: None,
        };
        let action = |entry: Option<AuditEntry>| entry.unwrap().action;
        assert_eq!(action(by.begun().audit), "person.erasure-begun");
        let failure = Failure::Conflict("it failed at 34600000001".to_owned());
        let ended = by.ended(Err(&failure), None);
        assert!(ended.kept.is_none());
        let line = ended.audit.unwrap();
        assert_eq!(line.action, "person.erasure-failed");
        assert!(!line.detail.to_string().contains("34600000001"));
    }
}

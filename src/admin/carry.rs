//! How a request is carried out: to its end, even if the client goes away, and written down with
//! the change itself.
//!
//! What is one transaction takes its line of the audit and the answer to be kept with it. What is
//! not (sending samples, reading stored webhooks again) is begun in one and ended in another.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::audit::Note;
use super::{Failure, Operation, Operations, Progress};
use crate::access::Caller;
use crate::store::idempotency::{IdempotencyRecord, KeptAnswer, Ticket};
use crate::store::step::ForgetTicket;
use crate::store::{Change, ChangeRecord};

/// How soon an answer that could not be kept is tried to be kept again.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

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
    fn kept(self, answer: &A) -> Option<IdempotencyRecord> {
        let answer = (self.shape)(answer)?;
        Some(IdempotencyRecord {
            ticket: self.ticket,
            answer: Some(answer),
        })
    }
}

/// The client of an operation, what is written down of it, and where its progress goes.
pub struct By<O: Operation> {
    pub(super) caller: Caller,
    pub(super) progress: UnboundedSender<Progress>,
    note: Option<Note>,
    once: Option<Once<O::Answer>>,
}

impl<O: Operation> By<O> {
    /// What is written with a change once its answer is known.
    pub(super) fn entry(&self) -> impl FnOnce(&O::Answer) -> ChangeRecord + Send + 'static {
        let (caller, note, once) = (self.caller.clone(), self.note.clone(), self.once.clone());
        move |answer| ChangeRecord {
            // Where nothing changed there is nothing to audit.
            audit: note
                .and_then(|note| O::noted(note, answer))
                .map(|note| note.entry(&caller)),
            kept: once.and_then(|once| once.kept(answer)),
        }
    }

    /// What is written before something that is more than one transaction.
    fn begun(&self) -> ChangeRecord {
        let note = self.note.clone();
        ChangeRecord {
            audit: note.map(|note| note.entry(&self.caller)),
            kept: self.once.as_ref().map(|once| IdempotencyRecord {
                ticket: once.ticket.clone(),
                answer: None,
            }),
        }
    }
}

impl Operations {
    /// Carries an operation out, if the caller may, and writes the change into the audit; long work
    /// reports its progress. One with a key leaves its answer under that key.
    ///
    /// # Errors
    /// As [`Operation::run`], and [`Failure::Forbidden`].
    pub async fn perform<O: Operation>(
        &self,
        caller: Caller,
        operation: O,
        progress: UnboundedSender<Progress>,
        once: Option<Once<O::Answer>>,
    ) -> Result<O::Answer, Failure> {
        caller.allow(O::NEEDS).map_err(Failure::Forbidden)?;
        let by = By {
            caller,
            progress,
            note: operation.note(),
            once,
        };
        operation.run(self, &by).await
    }

    /// The same in a task of its own. The task runs to its end even if the client goes away, and a stop
    /// of the service waits for it.
    #[must_use = "a handle to what was begun, to wait for it"]
    pub fn perform_apart<O: Operation>(
        &self,
        caller: Caller,
        operation: O,
        progress: UnboundedSender<Progress>,
        once: Option<Once<O::Answer>>,
    ) -> JoinHandle<Result<O::Answer, Failure>> {
        let operations = self.clone();
        self.apart(async move { operations.perform(caller, operation, progress, once).await })
    }

    /// Lets a task run to its end, also when no caller waits for it any more; a stop of the service waits
    /// for it.
    pub(crate) fn apart<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match &self.runtime {
            // Not the runtime of the calling thread: a thread of the HTTP server ends before us.
            Some(runtime) => self.tasks.spawn_on(task, runtime),
            None => self.tasks.spawn(task),
        }
    }

    /// Waits until all that was begun apart is done.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Makes a change of the store, and its answer the answer to the operation.
    pub(super) async fn change<O: Operation, C: Change>(
        &self,
        by: &By<O>,
        change: C,
        answer: impl FnOnce(C::Answer) -> O::Answer + Send + 'static,
    ) -> Result<O::Answer, Failure> {
        let entry = by.entry();
        let finish = move |changed| {
            let answer = answer(changed);
            let entry = entry(&answer);
            (answer, entry)
        };
        Ok(self.store.change(change, finish).await?)
    }

    /// Does what is more than one transaction: nothing of it before it is written down that it
    /// is begun.
    pub(super) async fn begin<O: Operation>(
        &self,
        by: &By<O>,
        work: impl Future<Output = Result<O::Answer, Failure>> + Send,
    ) -> Result<O::Answer, Failure> {
        self.store.note(by.begun()).await?;
        let outcome = work.await;
        let Some(once) = by.once.clone() else {
            return outcome;
        };
        let kept = outcome
            .as_ref()
            .ok()
            .and_then(|answer| once.clone().kept(answer));
        if let Some(kept) = kept {
            self.keep(kept, once.turn).await;
            return outcome;
        }
        let forget = ForgetTicket {
            ticket: once.ticket,
        };
        if let Err(error) = self.store.step(forget).await {
            tracing::error!(%error, "api.key_not_forgotten");
        }
        outcome
    }

    /// Keeps the answer to a request that was carried out. The client gets its answer now; a repeat
    /// waits until the answer is kept.
    async fn keep(&self, kept: IdempotencyRecord, turn: Arc<dyn Any + Send + Sync>) {
        let entry = move || ChangeRecord {
            audit: None,
            kept: Some(kept.clone()),
        };
        let Err(error) = self.store.note(entry()).await else {
            return;
        };
        tracing::error!(%error, "api.answer_not_kept");
        let store = self.store.clone();
        tokio::spawn(async move {
            let _turn = turn;
            while let Err(error) = store.note(entry()).await {
                if matches!(error, crate::store::Error::Closed) {
                    return;
                }
                tokio::time::sleep(KEEP_AGAIN).await;
            }
        });
    }
}

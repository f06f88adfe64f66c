//! How a request is carried out: to its end, even if the client goes away, and written down with
//! the change itself.
//!
//! What is one transaction takes its line of the audit and the answer to be kept with it. What is
//! not (sending samples, reading stored webhooks again) is begun in one and ended in another. The
//! answer to long work is the URL of its job, and is kept before the work; `jobs` has how that ends.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::operation::{By, JobSlip, WorkEnd};
use super::{Failure, Once, Operation, Operations, Progress};
use crate::access::Caller;
use crate::store::idempotency::Ticket;
use crate::store::step::ForgetTicket;
use crate::store::{Change, Error};

/// How soon the end of work is written again where that failed.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

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
        let by = By {
            caller,
            progress,
            note: operation.note(),
            once,
            job: None,
        };
        self.perform_by(&by, operation).await
    }

    /// As [`Self::perform`], for that client.
    pub(super) async fn perform_by<O: Operation>(
        &self,
        by: &By<O>,
        operation: O,
    ) -> Result<O::Answer, Failure> {
        by.caller.allow(O::NEEDS).map_err(Failure::Forbidden)?;
        operation.run(self, by).await
    }

    /// The same in a task of its own. The task runs to its end even if the client goes away, and a stop
    /// of the service waits for it.
    #[must_use = "where the answer comes; nothing comes after a panic"]
    pub fn perform_apart<O: Operation>(
        &self,
        caller: Caller,
        operation: O,
        progress: UnboundedSender<Progress>,
        once: Option<Once<O::Answer>>,
    ) -> oneshot::Receiver<Result<O::Answer, Failure>> {
        let (reply, answer) = oneshot::channel();
        let operations = self.clone();
        self.apart(Box::pin(async move {
            let answer = operations.perform(caller, operation, progress, once).await;
            // The client may be gone.
            let _ = reply.send(answer);
        }));
        answer
    }

    /// Lets a task run to its end, also when no caller waits for it any more; a stop of the service waits
    /// for it. It is boxed, so that the compiler makes the runtime's part of it once and not for each
    /// operation.
    pub(crate) fn apart(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        match &self.runtime {
            // Not the runtime of the calling thread: a thread of the HTTP server ends before us.
            Some(runtime) => self.tasks.spawn_on(task, runtime),
            None => self.tasks.spawn(task),
        };
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
    /// is begun. How it ended is a second line: one without it was cut off.
    pub(super) async fn begin<O: Operation>(
        &self,
        by: &By<O>,
        work: impl Future<Output = Result<O::Answer, Failure>> + Send,
    ) -> Result<O::Answer, Failure> {
        self.work(by, work, by.job.as_ref()).await
    }

    /// As [`Self::begin`], where more follows: the job goes on.
    pub(super) async fn begin_first<O: Operation>(
        &self,
        by: &By<O>,
        work: impl Future<Output = Result<O::Answer, Failure>> + Send,
    ) -> Result<O::Answer, Failure> {
        self.work(by, work, None).await
    }

    async fn work<O: Operation>(
        &self,
        by: &By<O>,
        work: impl Future<Output = Result<O::Answer, Failure>> + Send,
        job: Option<&JobSlip<O::Answer>>,
    ) -> Result<O::Answer, Failure> {
        self.store.note(by.begun()).await?;
        let outcome = work.await;
        let end = by.ended(outcome.as_ref(), job);
        let turn = by.once.as_ref().map(|once| Arc::clone(&once.turn));
        let failed = by.once.as_ref().filter(|_| end.kept.is_none());
        let failed = failed.map(|once| once.ticket.clone());
        if !end.is_empty() {
            self.write_down(end, turn.clone()).await;
        }
        if let Some(ticket) = failed {
            self.forget(ticket, turn).await;
        }
        outcome
    }

    /// Forgets the key of a request that failed: it may be sent again under it. What failed the work may
    /// fail this too, a disk that is full; it is tried again for as long as the turn is held.
    pub(crate) async fn forget(&self, ticket: Ticket, turn: Option<Arc<dyn Any + Send + Sync>>) {
        let again = ForgetTicket { ticket };
        let Err(error) = self.store.step(again.clone()).await else {
            return;
        };
        tracing::error!(%error, "api.key_not_forgotten");
        // Without its turn a repeat may have begun, and what that keeps is not to be forgotten.
        let Some(turn) = turn else {
            return;
        };
        let store = self.store.clone();
        tokio::spawn(async move {
            let _turn = turn;
            while let Err(error) = store.step(again.clone()).await {
                if matches!(error, Error::Closed) {
                    return;
                }
                tokio::time::sleep(WRITE_AGAIN).await;
            }
        });
    }

    /// Writes down how work ended. The client gets its answer now; a repeat waits until it is written.
    pub(super) async fn write_down(
        &self,
        mut end: WorkEnd,
        turn: Option<Arc<dyn Any + Send + Sync>>,
    ) {
        let Err(error) = self.store.note(end.clone().into()).await else {
            return;
        };
        tracing::error!(%error, "api.end_not_written");
        if matches!(error, Error::Unconfirmed) {
            // The line is in the store, or comes back with its log: a second would say it twice.
            end.audit = None;
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            let _turn = turn;
            while let Err(error) = store.note(end.clone().into()).await {
                match error {
                    Error::Closed => return,
                    Error::Unconfirmed => end.audit = None,
                    _ => {}
                }
                tokio::time::sleep(WRITE_AGAIN).await;
            }
        });
    }
}

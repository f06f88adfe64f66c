//! Erasing a person, with a line in the log that does not name them.

use tokio::sync::mpsc::UnboundedSender;

use super::{Answer, By, Failure, Operations, Progress};
use crate::model::quoted;
use crate::store::Person;

impl Operations {
    /// Removes a person from every table.
    pub(super) async fn erase(
        &self,
        by: &By,
        person: &str,
        options: EraseOptions,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Answer, Failure> {
        let person = Person::new(person).map_err(|why| {
            Failure::Refused(format!(
                "{person} does not identify one person: {why}. Give a phone number with its country \
                 code, as in +385990001122, or a business-scoped user id",
                person = quoted(person)
            ))
        })?;
        let work = self.erase_all(&person, options, progress);
        if options.dry_run {
            return work.await;
        }
        self.begin(by, work).await
    }

    async fn erase_all(
        &self,
        person: &Person,
        options: EraseOptions,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Answer, Failure> {
        let EraseOptions { dry_run, vacuum } = options;
        let on_progress = |done, total| {
            // No client may be listening.
            let _ = progress.send(Progress { done, total });
        };
        let erased = self.store.erase(person, dry_run, on_progress).await;
        // It goes in steps.
        let erased = erased.map_err(|error| {
            Failure::from(error).after("what was erased until then stays so; erasing again goes on")
        })?;
        if vacuum && !dry_run {
            self.store.vacuum().await.map_err(|error| {
                Failure::from(error).after("the person is erased; the file was not rewritten")
            })?;
        }
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
        Ok(Answer::Erased(erased))
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

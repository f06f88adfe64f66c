//! What an operator may have done: a type for each operation, with the type of its answer. Each
//! stands with its checks in the file of its noun.

use super::audit::Note;
use super::carry::By;
use super::{Failure, Fault, Operations};
use crate::access::{Caller, Permission};

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

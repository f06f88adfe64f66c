//! All that is wrong in a query, gathered on the way: in the shape of its parameters, in its page and in
//! what it is narrowed to.

use crate::admin::Fault;
use crate::web::problem::Problem;

/// What is wrong in a query so far.
#[must_use = "every mistake must be reported"]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) const fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    /// Notes one more.
    pub(super) fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Fault::new(field, detail));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reports all of them, if there are any.
    pub(super) fn end(self) -> Result<(), Problem> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Problem::faults(self.0))
    }
}

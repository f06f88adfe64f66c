//! All that is wrong in a query, gathered on the way: in the shape of its parameters, in its page and in
//! what it is narrowed to.

use crate::admin::Fault;
use crate::web::problem::Problem;

/// What is wrong in a query so far.
#[must_use = "what is wrong must be told"]
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

    /// Tells all of it, if there is any.
    pub(super) fn end(self) -> Result<(), Problem> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Problem::faults(self.0))
    }
}

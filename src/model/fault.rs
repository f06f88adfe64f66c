//! What is wrong with one field of a request: the field, and what to write instead.

use serde::{Deserialize, Serialize};

/// One field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FieldError)]
pub struct Fault {
    /// A JSON pointer into the body, or the name of a query parameter, path segment or header.
    #[schema(example = "/filter/sources/0")]
    pub field: String,
    /// What is wrong with it and what to write instead.
    #[schema(example = "no source is named \"acme\"; the configuration has: meta, infobip")]
    pub detail: String,
}

impl Fault {
    /// The field, and what to write instead.
    #[must_use]
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }

    /// All that is wrong, in one sentence.
    #[must_use]
    pub fn sentence(faults: &[Self]) -> String {
        let details: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
        details.join("; ")
    }
}

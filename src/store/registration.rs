//! What is said of registering messages: what is handed in, and what came of it; templates.

use serde::{Deserialize, Serialize};

use crate::model::TemplateKey;

/// A template's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRecord {
    /// Its key in the store.
    pub template_id: TemplateKey,
    /// Its name.
    pub name: String,
    /// The code of its language.
    pub language: String,
    /// The text, with placeholders as in `{{1}}` or `{{name}}`.
    pub body: String,
    /// When it was written last, ms since 1970 UTC.
    pub updated_at_ms: i64,
}

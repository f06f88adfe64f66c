//! An error as a provider stated it.

use serde::{Deserialize, Serialize};

/// One error as the provider stated it, with the key that the catalogue knows it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportError {
    /// Joins the catalogue: `meta:131026`, `meta:structure_unavailable`, `infobip:7008`
    /// (an Infobip `error.id`), `infobip-status:8` (an Infobip `status.id`).
    pub key: String,
    /// The provider's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// The provider's short name of it: Meta `title`, Infobip `error.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The provider's longer text: Meta `error_data.details`, Infobip `error.description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Meta `href`; only on its way to the subscribers.
    #[serde(skip)]
    pub href: Option<String>,
    /// Infobip `error.permanent`: sending the same again fails again; only while it is read.
    #[serde(skip)]
    pub permanent: Option<bool>,
}

impl ReportError {
    /// An error of a key and a name.
    #[must_use]
    pub fn named(key: &str, title: &str) -> Self {
        Self {
            key: key.to_owned(),
            code: None,
            title: Some(title.to_owned()),
            details: None,
            href: None,
            permanent: None,
        }
    }
}

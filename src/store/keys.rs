//! What is said of the keys that seal secrets: never a key, its id alone.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The keys of a store by their ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeysRecord {
    /// Those that can be read, that which seals first.
    pub at_hand: Vec<String>,
    /// Those that something is sealed with.
    pub used: Vec<String>,
    /// Those that are used and cannot be read.
    pub missing: Vec<String>,
}

/// Where a sealed value stands that does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SealedPlace {
    /// The table.
    pub table: String,
    /// The columns that identify its row, with their values.
    pub row: String,
    /// The column.
    pub column: String,
    /// The subscriber that it belongs to, by name; none of a kept answer.
    pub subscriber: Option<String>,
}

impl fmt::Display for SealedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "table {}, row {}, column {}",
            self.table, self.row, self.column
        )?;
        match &self.subscriber {
            Some(name) => write!(f, " (subscriber {name})"),
            None => Ok(()),
        }
    }
}

/// What became of everything that is sealed.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resealed {
    /// The id of the key that all of it is sealed with now.
    pub key: String,
    /// How many values were sealed with another before.
    pub values: u64,
    /// The file that holds the key, where we keep it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub file: Option<PathBuf>,
    /// Values that are damaged: they stay as they are, and so does the key that sealed them.
    #[serde(default)]
    pub damaged: Vec<SealedPlace>,
}

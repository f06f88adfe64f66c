//! What is told of the keys that seal secrets: never a key, its id alone.

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

/// What became of everything that is sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resealed {
    /// The id of the key that all of it is sealed with now.
    pub key: String,
    /// How many values were sealed with another before.
    pub values: u64,
    /// The file that holds the key, where we keep it.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

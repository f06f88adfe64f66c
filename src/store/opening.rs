//! How a store is opened: which one, of which engine; where its keys are.

#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(test)]
use super::Durability;
use super::sqlite::options::SqliteOptions;
use crate::model::SecretText;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which store it is, with what its engine alone has to know.
    pub engine: EngineOptions,
    /// How long a list is searched; then it says how far that came.
    pub list_budget: Duration,
    /// Where the keys are that seal secrets, the first seals; the store has one of its own when empty.
    pub keys: Vec<KeySource>,
    /// How long the end of another process is waited for that has the store.
    pub owner_patience: Duration,
}

/// What one engine has to know of a store: what stands behind `store.url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineOptions {
    /// A file.
    Sqlite(SqliteOptions),
}

/// What is found where a store is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFound {
    /// Nothing, or what a store is made of: opening makes it.
    Nothing,
    /// A store, or what cannot be looked at: opening it says why.
    Store,
    /// Something else, in words.
    Other(&'static str),
}

#[cfg(test)]
impl Options {
    /// Those of a unit test, for a new store in that folder.
    pub(crate) fn of_test(folder: &Path) -> Self {
        Self::of_sqlite_test(folder, Durability::Full)
    }

    /// The same with that durability.
    pub(crate) fn of_sqlite_test(folder: &Path, durability: Durability) -> Self {
        Self {
            engine: EngineOptions::Sqlite(SqliteOptions {
                path: folder.join("t.db"),
                durability,
                wal_limit_bytes: 1 << 28,
                disk_reserve_bytes: 0,
            }),
            list_budget: Duration::from_secs(5),
            keys: Vec::new(),
            owner_patience: Duration::from_millis(100),
        }
    }
}

/// Where keys are read, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// They were given as they are.
    Text(SecretText),
    /// They stand in this file, which is read again while a key is missing.
    File(PathBuf),
}

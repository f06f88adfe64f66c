//! What can be said of a store before it is opened: where it is, what is there, what is odd about it.
//! The words are the engine's.

use std::path::PathBuf;

use super::opening::{EngineOptions, StoreFound};
use super::sqlite::{found, options, warnings};

impl EngineOptions {
    /// Where the store is, for people.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Sqlite(own) => options::absolute(&own.path).display().to_string(),
        }
    }

    /// What is there.
    #[must_use]
    pub fn found(&self) -> StoreFound {
        match self {
            Self::Sqlite(own) => found::at(&own.path),
        }
    }

    /// Why no store can be there, and what to do.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        match self {
            Self::Sqlite(own) => found::hindrance(&own.path),
        }
    }

    /// What an operator should know of it at every start; nothing where there is no store yet.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Sqlite(own) => warnings::of(&own.path),
        }
    }

    /// Where its service is reached on this machine.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        match self {
            Self::Sqlite(own) => {
                let mut path = options::resolve(&own.path).into_os_string();
                path.push(".sock");
                path.into()
            }
        }
    }
}

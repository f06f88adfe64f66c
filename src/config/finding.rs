//! What is wrong or odd in a configuration, and which file, variable or flag decided it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::Echoed;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// A line of the file.
    File {
        /// The file as it was named.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// This variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{}:{line}", Echoed(file)),
            Self::Environment(name) => write!(f, "{}", Echoed(name)),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Something to mend or to know, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it was read.
    pub origin: Origin,
    /// The full key; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong and what to do about it; never a secret.
    pub text: String,
}

impl fmt::Display for Finding {
    /// As compilers write it: `tickrelay.toml:3: server.listen: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", Echoed(&self.key))?;
        }
        f.write_str(&self.text)
    }
}

/// Something that works and that the operator should know at every start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The full key, sources as `source.{name}`.
    pub key: String,
    /// What it means and what to do about it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}", Echoed(&path.to_string_lossy()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it, in the environment or in the flags is wrong; every fault is listed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Finding>),
    /// The configuration names no store, and the only one is where 0.1 had it by default.
    #[error(
        "{file} names no store, so it is {new}, beside the file; there is none, but there is \
         {old}, in the current folder, where earlier versions had it: write \
         url = \"sqlite://{old}\" under [store] to go on with that one, or move it, its -wal file \
         and its key {key} beside the configuration, all at once, so that it is {new}; \
         url = \"sqlite://{new}\" begins another",
        file = file.display(),
        key = Path::new(old).with_extension("key").display()
    )]
    StoreElsewhere {
        /// The configuration file.
        file: PathBuf,
        /// Where the store is looked for.
        new: String,
        /// Where there is one.
        old: String,
    },
}

//! How a store is opened: where it is, as a path; what a commit waits for; where its keys are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Choice, SecretText, UnknownWord};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file; key and WAL stand beside it.
    pub path: PathBuf,
    /// Whether a commit waits for the disk (`full`) or for the operating system only.
    pub durability: Durability,
    /// Above this many bytes of WAL an alarm is raised and a checkpoint is forced.
    pub wal_limit_bytes: u64,
    /// Nothing is accepted while less than this many bytes of the disk are free.
    pub disk_reserve_bytes: u64,
    /// How long a list is searched; then it says how far that came.
    pub list_budget: Duration,
    /// Where the keys are that seal secrets, the first seals; a file beside the store when empty.
    pub keys: Vec<KeySource>,
    /// How long the end of another process is waited for that has the store.
    pub lock_patience: Duration,
}

#[cfg(test)]
impl Options {
    /// Those of a unit test, for a new store in that folder.
    pub(crate) fn of_test(folder: &Path) -> Self {
        Self {
            path: folder.join("t.db"),
            durability: Durability::Full,
            wal_limit_bytes: 1 << 28,
            disk_reserve_bytes: 0,
            list_budget: Duration::from_secs(5),
            keys: Vec::new(),
            lock_patience: Duration::from_millis(100),
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

/// What a commit waits for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::EnumString,
)]
#[strum(serialize_all = "kebab-case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum Durability {
    /// The disk: a power cut loses nothing that was acknowledged.
    #[default]
    Full,
    /// The operating system: a crash of the process loses nothing, a power cut may.
    Os,
}

impl Choice for Durability {
    const WHAT: &'static str = "durability";
}

/// The path with its links followed; as it is where there is nothing yet.
#[must_use]
pub fn resolve(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        match (folder, path.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path.to_path_buf(),
        }
    })
}

/// A path as it stands from the root, without `..`; as it is where the current folder is gone.
#[must_use]
pub fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    }
}

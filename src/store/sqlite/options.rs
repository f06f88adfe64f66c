//! How a SQLite store is opened: where its file is, and what bounds it; and what a path to it means.

use std::path::{Path, PathBuf};

use crate::store::Durability;

/// How a SQLite store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The file; key and WAL stand beside it.
    pub path: PathBuf,
    /// Whether a commit waits for the disk (`full`) or for the operating system only.
    pub durability: Durability,
    /// Above this many bytes of WAL an alarm is raised and a checkpoint is forced.
    pub wal_limit_bytes: u64,
    /// Nothing is accepted while less than this many bytes of the disk are free.
    pub disk_reserve_bytes: u64,
}

/// The path with its links followed; as it is where there is nothing yet.
pub(in crate::store) fn resolve(path: &Path) -> PathBuf {
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
pub(in crate::store) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    }
}

//! What the operating system says of the store's files: room, who else has them open, and
//! whether a write failed for its sake.

use std::path::Path;

use rusqlite::ErrorCode;

use super::loss::UNSYNCED;
use crate::store::loss::LossSignal;

/// Bytes that are free for us where that file is; `None` when unknown.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    let disk = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Others that have the WAL's index open, by process id and name: one of them pins the WAL.
pub(super) fn foreign_readers(wal_path: &Path) -> Vec<String> {
    let shm = wal_path.to_string_lossy().replace("-wal", "-shm");
    let own = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pid = |entry: std::io::Result<std::fs::DirEntry>| -> Option<u32> {
        entry.ok()?.file_name().to_str()?.parse().ok()
    };
    let holds = |pid: &u32| {
        std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| {
            files.flatten().any(|file| {
                std::fs::read_link(file.path())
                    .is_ok_and(|target| target.to_string_lossy().ends_with(&*shm))
            })
        })
    };
    processes
        .filter_map(pid)
        .filter(|pid| *pid != own)
        .filter(holds)
        .map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{pid} ({})", name.trim_end())
        })
        .collect()
}

/// Whether any write would fail now: what is to be written is not at fault.
pub(super) fn is_of_the_surroundings(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
        )
    )
}

/// Reports a failed sync as a loss; returns whether it was one.
pub(super) fn report_unsynced(loss: &LossSignal, error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return false;
    };
    let is_unsynced = matches!(
        failure.extended_code,
        rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
    );
    if is_unsynced && loss.report(UNSYNCED) {
        tracing::error!(%error, "store.fsync_failed");
    }
    is_unsynced
}

//! Waiting for a lock that another process has: a service that stops, or a command that changes
//! something, gives it up soon.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How soon a lock is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// A command that only looks has a lock for a moment, which is not worth a line of the log.
const MOMENT: Duration = Duration::from_millis(200);

/// Locks a file of that store; returns whether it could before `patience` was over.
///
/// # Errors
/// When the file cannot be locked at all.
pub(super) fn lock_within(patience: Duration, file: &File, store: &Path) -> io::Result<bool> {
    let began = Instant::now();
    let mut is_logged = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let waited = began.elapsed();
        if waited >= patience {
            return Ok(false);
        }
        if waited >= MOMENT && !is_logged {
            is_logged = true;
            tracing::warn!(
                store = %store.display(),
                process = holder(file),
                patience_s = patience.as_secs(),
                "store.locked: another process has the store, and the start waits for its end"
            );
        }
        std::thread::sleep(PAUSE);
    }
}

/// The process that has the lock, where the system says so.
fn holder(file: &File) -> Option<u32> {
    let found = file.metadata().ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    holder_of(&locks, (found.dev(), found.ino()))
}

/// The process in the line of that device and inode, as in
/// `1: FLOCK  ADVISORY  WRITE 4711 fd:01:123 0 EOF`.
/// <https://man7.org/linux/man-pages/man5/proc_locks.5.html>.
fn holder_of(locks: &str, (device, inode): (u64, u64)) -> Option<u32> {
    // As Linux packs the two parts of a device's number.
    let major = ((device >> 32) & 0xFFFF_F000) | ((device >> 8) & 0xFFF);
    let minor = ((device >> 12) & 0xFFFF_FF00) | (device & 0xFF);
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    let process_in = |line: &str| -> Option<u32> {
        let mut words = line.split_whitespace().skip(1);
        let is_of_file = words.next()? == "FLOCK";
        let process = words.nth(2)?;
        if is_of_file && words.next()? == wanted {
            process.parse().ok()
        } else {
            None
        }
    };
    locks.lines().find_map(process_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_the_process_in_the_line_of_the_file() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:01:123 0 EOF\n\
             2: FLOCK  ADVISORY  WRITE 12 fd:01:124 0 EOF\n\
             3: FLOCK  ADVISORY  WRITE 13 fd:01:123 0 EOF\n\
             4:";
        assert_eq!(holder_of(locks, (0xFD01, 123)), Some(13));
        assert_eq!(holder_of(locks, (0xFD01, 124)), Some(12));
        for other in [(0xFD02, 123), (0xFD01, 12)] {
            assert_eq!(holder_of(locks, other), None);
        }
    }

    #[test]
    fn a_lock_is_waited_for_no_longer_than_that() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [first, second] = [(); 2].map(|()| File::open(file.path()).unwrap());
        let lock = |file| lock_within(Duration::from_millis(50), file, Path::new("t.db")).unwrap();
        assert!(lock(&first));
        assert!(!lock(&second));
        first.unlock().unwrap();
        assert!(lock(&second));
    }
}

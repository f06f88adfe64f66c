//! What an operator is warned of before anything happens: the store's modes, names and mounts.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};

use super::files::suffixed;
use super::options::resolve;

/// What an operator should know of the files of the store at `path`: who else may read them,
/// and whether they may be torn apart. Empty where there is no store yet.
pub(in crate::store) fn of(path: &Path) -> Vec<String> {
    let path = &resolve(path);
    let shown = path.display();
    let mut warnings = Vec::new();
    let files = ["", "-wal", "-shm"].map(|end| suffixed(path, end));
    let is_open = |file: &&PathBuf| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o007 != 0)
    };
    let open: Vec<_> = files.iter().filter(is_open).collect();
    if !open.is_empty() {
        let names: Vec<_> = open.iter().map(|file| file.display().to_string()).collect();
        let names = names.join(" ");
        warnings.push(format!(
            "every user of this machine may read phone numbers in {names}: \
             `chmod o-rwx {names}` prevents it"
        ));
    }
    let names = std::fs::metadata(path).map_or(1, |found| found.nlink());
    if names > 1 {
        warnings.push(format!(
            "{shown} has {names} names (hard links), but its log lies beside one alone: \
             always use the same name, or the newest webhooks are missing"
        ));
    }
    if is_mount(path) {
        warnings.push(format!(
            "{shown} is mounted as a single file and its log is not: mount its folder instead, \
             or a crash loses the newest webhooks"
        ));
    }
    warnings
}

/// Whether something is mounted on the file itself.
fn is_mount(path: &Path) -> bool {
    let flags = (AtFlags::empty(), StatxFlags::BASIC_STATS);
    let found = rustix::fs::statx(rustix::fs::CWD, path, flags.0, flags.1);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

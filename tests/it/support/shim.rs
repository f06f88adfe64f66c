//! The library of `tests/shim/record.c`, compiled once for all tests.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::service::Home;

/// What the service's calls to its disk do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Disk {
    Works = 0,
    /// Nothing can be made longer.
    Full = b'F',
    /// Nothing can be written.
    ReadOnly = b'R',
    /// A sync fails once everything before it was written.
    FailsToSync = b'S',
    /// A sync does nothing and says that it did.
    OmitsSyncs = b'O',
    /// What became of the names of store and log is not seen.
    Blind = b'B',
    /// The store's own file cannot be written, its log can.
    FailsToCheckpoint = b'C',
}

/// The library, ready to be loaded.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(compile)
}

/// Who has no C compiler could not have built SQLite: nothing is skipped for want of one.
fn compile() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/record.c");
    // Another run of the tests may be loading it: each makes its own.
    let name = format!("record-{}.so", std::process::id());
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let compiled = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status();
    let status = compiled.unwrap_or_else(|error| panic!("no C compiler (cc): {error}"));
    assert!(status.success(), "tests/shim/record.c does not compile");
    library
}

/// A home whose service has a switch beneath it.
pub(crate) fn with_switch() -> (Home, Switch) {
    let library = library();
    let home = Home::new();
    let switch = Switch::new(home.file("switch"));
    let folder = home.folder().to_path_buf();
    let home = home
        .environment("LD_PRELOAD", library)
        .environment("SHIM_FOLDER", folder)
        .environment("SHIM_SWITCH", switch.path());
    (home, switch)
}

/// The switch of one service, in a file that its library has mapped; it acts at once.
pub(crate) struct Switch(PathBuf);

impl Switch {
    /// A disk that works, names that resolve, a clock that is right.
    fn new(path: PathBuf) -> Self {
        std::fs::write(&path, [0; 3]).unwrap();
        Self(path)
    }

    /// The file to be named in `SHIM_SWITCH`.
    fn path(&self) -> &Path {
        &self.0
    }

    /// Changes what the disk does.
    pub(crate) fn set(&self, disk: Disk) {
        self.write(disk as u8, 0);
    }

    /// Names resolve (those in `.test` to this machine) or do not.
    pub(crate) fn resolve_names(&self, resolve: bool) {
        self.write(u8::from(!resolve), 1);
    }

    /// The time of day is off by so many days.
    pub(crate) fn move_clock(&self, days: i8) {
        self.write(days.to_ne_bytes()[0], 2);
    }

    fn write(&self, byte: u8, place: u64) {
        // Not `fs::write`: a file that is cut to nothing is no longer mapped.
        let file = std::fs::File::options().write(true).open(&self.0).unwrap();
        file.write_all_at(&[byte], place).unwrap();
    }
}

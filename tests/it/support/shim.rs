//! The library of `tests/shim/record.c`, compiled once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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
}

/// The library, ready to be loaded; `None`, and said so, where there is no C compiler.
pub(crate) fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY.get_or_init(compile).as_deref()
}

#[allow(clippy::print_stderr, reason = "a test that skips itself says so")]
fn compile() -> Option<PathBuf> {
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
    match compiled {
        Ok(status) => {
            assert!(status.success(), "tests/shim/record.c does not compile");
            Some(library)
        }
        Err(error) => {
            eprintln!("SKIPPED: no C compiler (cc) for tests/shim/record.c: {error}");
            None
        }
    }
}

/// The switch of one service, in a file that its library has mapped.
pub(crate) struct Switch(PathBuf);

impl Switch {
    /// A disk that works.
    pub(crate) fn new(path: PathBuf) -> Self {
        let switch = Self(path);
        switch.set(Disk::Works);
        switch
    }

    /// The file to be named in `SHIM_SWITCH`.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Changes what the disk does, at once.
    pub(crate) fn set(&self, disk: Disk) {
        use std::io::Write;
        // Not `fs::write`: a file that is cut to nothing is no longer mapped.
        let mut file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.0)
            .unwrap();
        file.write_all(&[disk as u8]).unwrap();
    }
}

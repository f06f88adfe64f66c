//! Programs that are not ours and may be missing: a test without its program skips itself and says
//! so, unless CI requires it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What CI sets, which has every program.
const REQUIRED: &str = "TICKRELAY_CI_REQUIRE";

/// Whether this can be run (`arguments` have it end at once); says so where it cannot.
///
/// # Panics
/// Where CI requires it.
#[allow(clippy::print_stderr, reason = "a test that skips itself says so")]
pub(crate) fn runs(program: impl AsRef<OsStr>, arguments: &[&str], remedy: &str) -> bool {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output();
    let problem = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let program = program.display();
    assert!(
        std::env::var_os(REQUIRED).is_none(),
        "{REQUIRED} is set and {program} cannot be run: {problem}"
    );
    eprintln!("SKIPPED: {program} cannot be run ({problem}): {remedy}");
    false
}

/// A path from the root of the repository.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A path in the folder where cargo builds.
pub(crate) fn target(path: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    own.parent().unwrap().join(path)
}

//! The process's environment: the one place that reads it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::VARIABLES;

/// The process's environment, for [`crate::config::Inputs`].
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads it"
)]
pub(super) fn value(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The names of the variables that are ours.
#[allow(
    clippy::disallowed_methods,
    reason = "a misspelt setting is found by its name alone"
)]
pub(super) fn names() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(VARIABLES)).collect();
    names.sort();
    names
}

/// The service that `TICKRELAY_URL` names.
pub(super) fn url() -> Option<String> {
    value("TICKRELAY_URL").filter(|url| !url.is_empty())
}

/// The token in `TICKRELAY_TOKEN`.
pub(super) fn token() -> Option<String> {
    value("TICKRELAY_TOKEN").filter(|token| !token.is_empty())
}

/// The file that `TICKRELAY_CONFIG` names.
pub(super) fn file() -> Option<PathBuf> {
    path_of(bytes_of("TICKRELAY_CONFIG"))
}

/// The socket on which systemd waits for the end of a start.
pub(super) fn notify_socket() -> Option<PathBuf> {
    path_of(bytes_of("NOTIFY_SOCKET"))
}

/// What a variable says, in whatever bytes a path may have.
#[allow(clippy::disallowed_methods, reason = "a path need not be text")]
fn bytes_of(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// An empty variable says nothing, as with every other setting.
fn path_of(variable: Option<OsString>) -> Option<PathBuf> {
    variable
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_names_no_file() {
        let check = |variable: Option<&str>, expected: Option<&str>| {
            let file = path_of(variable.map(OsString::from));
            assert_eq!(file, expected.map(PathBuf::from), "{variable:?}");
        };
        check(None, None);
        check(Some(""), None);
        check(Some("a.toml"), Some("a.toml"));
    }
}

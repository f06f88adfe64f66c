//! The version of a client: the command line names its own, and another one is refused in words.

use actix_web::HttpRequest;

use crate::model::quoted;
use crate::web::problem::Problem;

/// The header in which the command line names its version.
pub(crate) const VERSION_HEADER: &str = "tickrelay-version";
/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Refuses a command line whose documents may be others than ours.
///
/// # Errors
/// 409 when its major or minor version differs. A client that names none is answered: the paths of
/// the API say which documents it reads.
pub(super) fn check(request: &HttpRequest) -> Result<(), Problem> {
    let given = request.headers().get(VERSION_HEADER);
    let given = given.map(|value| String::from_utf8_lossy(value.as_bytes()));
    match given {
        Some(given) if release(&given) != release(VERSION) => Err(Problem::conflict(format!(
            "the service has version {VERSION} and this command line {given}: use the same version, \
             or restart the service after an upgrade",
            given = quoted(&given)
        ))),
        _ => Ok(()),
    }
}

/// The major and the minor version.
fn release(version: &str) -> Option<(&str, &str)> {
    let mut parts = version.split('.');
    parts.next().zip(parts.next())
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn a_patch_makes_no_other_version() {
        assert_eq!(release("0.1.0"), release("0.1.7"));
        assert_ne!(release("0.1.0"), release("0.2.0"));
        assert_ne!(release("0.1.0"), release("1.1.0"));
        assert_ne!(release("0.1.0"), release("old"));
    }
}

//! The variables of the environment: which settings they decide, and which of them are unknown.
//!
//! Their names are made of the settings that were read, so there is no list of them to keep.

use std::collections::{BTreeMap, BTreeSet};

use super::file::Document;
use super::value::nearest;
use super::{Environment, Origin};

/// What every variable of ours begins with.
pub(crate) const PREFIX: &str = "TICKRELAY_";
/// Names the configuration file.
const FILE: &str = "TICKRELAY_CONFIG";
/// Name another service's API and the token for it.
const CLIENT: [&str; 2] = ["TICKRELAY_URL", "TICKRELAY_TOKEN"];
/// Variables of the scripts beside the program: two names, and how the others begin.
const SCRIPTS: [&str; 2] = ["TICKRELAY_BIN", "TICKRELAY_BINARY"];
const CI: &str = "TICKRELAY_CI_";

/// The variable of a setting: its full key.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

/// The variables of a setting; those of `[server]` may leave their section out.
pub(crate) fn variables(path: &str) -> impl Iterator<Item = String> {
    let short = path.strip_prefix("server.").map(variable);
    [Some(variable(path)), short].into_iter().flatten()
}

/// What the environment says of a setting. An empty variable says nothing.
pub(super) fn value(
    document: &Document<'_>,
    environment: Environment<'_>,
    path: &str,
) -> Option<(Origin, String)> {
    let mut set = variables(path).filter_map(|name| {
        let value = (environment.value)(&name).filter(|value| !value.is_empty())?;
        Some((name, value))
    });
    let (name, value) = set.next()?;
    if let Some((other, different)) = set.next()
        && different != value
    {
        let text = format!("says otherwise than {other}: remove one of them");
        document.fault(Origin::Environment(name.clone()), path, text);
    }
    Some((Origin::Environment(name), value))
}

/// Refuses each variable with our prefix that decides nothing. `named` are those that the file
/// names as the place of a secret.
pub(super) fn refuse_unknown(
    document: &Document<'_>,
    environment: Environment<'_>,
    origins: &BTreeMap<String, Origin>,
    named: &BTreeSet<String>,
) {
    let settings = origins.keys().filter(|path| !path.starts_with("source"));
    let known: Vec<String> = settings
        .flat_map(|path| variables(path))
        .chain([FILE.to_owned()])
        .collect();
    let in_kubernetes = (environment.value)("KUBERNETES_SERVICE_HOST").is_some();
    for name in environment.names {
        let fault = |text: &str| document.fault(Origin::Environment(name.clone()), "", text);
        if known.contains(name) {
            if name != FILE && (environment.value)(name).is_none() {
                fault("its value is not UTF-8 text");
            }
            continue;
        }
        let is_others = SCRIPTS.contains(&name.as_str())
            || CLIENT.contains(&name.as_str())
            || name.starts_with(CI);
        if is_others || named.contains(name) || (in_kubernetes && is_service_link(name)) {
            continue;
        }
        fault(&remedy(name, &known));
    }
}

fn remedy(name: &str, known: &[String]) -> String {
    let word = name.strip_prefix(PREFIX).unwrap_or(name);
    if word.starts_with("SOURCE_") || word.starts_with("SOURCES_") {
        return "unknown variable: sources stand in the file alone, where { env = \"…\" } names the \
                variable of a secret"
            .to_owned();
    }
    let words = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
    match nearest(word, words) {
        Some(meant) => format!("unknown variable: did you mean {PREFIX}{meant}?"),
        None => format!(
            "unknown variable: a setting is {PREFIX} with its section and its key, as in \
             TICKRELAY_FORWARD_TIMEOUT; `tickrelay config show` lists them all"
        ),
    }
}

/// What Kubernetes sets in every pod for a service whose name begins with ours.
fn is_service_link(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |rest: &str| {
        let mut parts = rest.split('_');
        let (number, protocol) = (parts.next(), parts.next());
        number.is_some_and(is_number)
            && protocol.is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || name
            .match_indices("_PORT_")
            .any(|(at, found)| is_port(&name[at + found.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_decided_by_its_section_and_key() {
        let names = |path| variables(path).collect::<Vec<_>>();
        assert_eq!(
            names("server.listen"),
            ["TICKRELAY_SERVER_LISTEN", "TICKRELAY_LISTEN"]
        );
        assert_eq!(
            names("store.retention.webhooks_days"),
            ["TICKRELAY_STORE_RETENTION_WEBHOOKS_DAYS"]
        );
    }

    #[test]
    fn a_link_of_kubernetes_is_distinguished_from_a_typo() {
        for name in [
            "TICKRELAY_SERVICE_HOST",
            "TICKRELAY_SERVICE_PORT",
            "TICKRELAY_SERVICE_PORT_HTTP",
            "TICKRELAY_PORT",
            "TICKRELAY_PORT_8080_TCP",
            "TICKRELAY_WEB_PORT_8080_TCP_ADDR",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["TICKRELAY_PORTS", "TICKRELAY_PORT_HTTP", "TICKRELAY_LISEN"] {
            assert!(!is_service_link(name), "{name}");
        }
    }
}

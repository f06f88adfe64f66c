//! `tickrelay config`: what the configuration means, and what is wrong with it.

use clap::Subcommand;

use super::setting_flags::ShownSettings;
use super::{Exit, Settings, Terminal};
use crate::access;
use crate::clock::Clock;
use crate::config::{Config, Finding, LoadError, Loaded, Origin, example};
use crate::server;
use crate::store::{Store, StoreFound};
use crate::web::socket_path;

/// The verbs of `config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Verb {
    /// Check the configuration; exit 1 when it cannot be used
    Check(ShownSettings),
    /// Print the effective configuration, secrets masked, with the origin of each setting
    Show(ShownSettings),
    /// Print a file with every setting, its default and its meaning
    Example,
}

impl Verb {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Check(_) => check(settings, terminal),
            Self::Show(_) => show(settings, terminal),
            Self::Example => {
                terminal.data.write_all(example().as_bytes())?;
                Ok(Exit::Done)
            }
        }
    }
}

/// The findings are the command's data; whether they are errors goes to stderr.
fn check(settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    let name = settings.file().map(|file| file.display().to_string());
    let name = name.unwrap_or_else(|| "the configuration (no file)".to_owned());
    let loaded = match settings.load() {
        Ok(loaded) => loaded,
        Err(LoadError::Invalid(faults)) => return unusable(&name, &faults, terminal),
        Err(other) => return Err(other.into()),
    };
    let faults = faults_of_start(&loaded);
    if !faults.is_empty() {
        return unusable(&name, &faults, terminal);
    }
    for warning in loaded.warnings() {
        writeln!(terminal.data, "warning: {warning}")?;
    }
    for warning in token_warnings(&loaded.config) {
        writeln!(terminal.data, "warning: source.owners: {warning}")?;
    }
    let sources = loaded.config.sources.iter();
    let sources: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
    let sources = match sources.as_slice() {
        [] => "no source yet".to_owned(),
        names => format!("sources: {}", names.join(", ")),
    };
    writeln!(terminal.talk, "{name} is fine; {sources}")?;
    Ok(Exit::Done)
}

fn unusable(name: &str, faults: &[Finding], terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    for fault in faults {
        writeln!(terminal.data, "error: {fault}")?;
    }
    let count = faults.len();
    let plural = if count == 1 { "" } else { "s" };
    writeln!(
        terminal.talk,
        "{name} cannot be used: {count} error{plural}"
    )?;
    Ok(Exit::Refused)
}

/// What would end a start and is seen on the disk alone: a place where no store can be.
pub(super) fn faults_of_start(loaded: &Loaded) -> Vec<Finding> {
    let key = "store.url".to_owned();
    let origin = loaded.origins.get(&key).cloned();
    let store = loaded.config.store.engine();
    let of_socket = || socket_path(&store).err().map(|error| error.to_string());
    let found = store.hindrance().or_else(of_socket).into_iter();
    found
        .map(|text| Finding {
            origin: origin.clone().unwrap_or(Origin::Default),
            key: key.clone(),
            text,
        })
        .collect()
}

/// What this configuration takes from the tokens of its store; a start warns of it too. A store
/// that is not there or cannot be read has none to warn of: other commands say what is wrong with it.
fn token_warnings(config: &Config) -> Vec<String> {
    if config.store.engine().found() != StoreFound::Store {
        return Vec::new();
    }
    let clock = Clock::system();
    let store = Store::read_only(&server::store_options(config), clock.clone());
    let tokens = store.map(|store| store.tokens()).unwrap_or_default();
    access::token_warnings(&tokens, &config.owners(), clock.now_ms())
}

fn show(settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    let loaded = settings.load()?;
    let text = loaded.config.show(&loaded.origins);
    terminal.data.write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn check_lists_every_fault_by_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, "[server]\nlisen = 1\nworkers = 0\n").unwrap();
        let name = file.to_str().unwrap();
        let (exit, data, talk) = run(&["config", "check", "--config", name]);
        assert_eq!(exit, Exit::Refused);
        let expected = format!(
            "error: {name}:2: server.lisen: unknown key: did you mean listen?\n\
             error: {name}:3: server.workers: \"0\" is not a whole number from 1 to 256\n"
        );
        assert_eq!(data, expected);
        assert_eq!(talk, format!("{name} cannot be used: 2 errors\n"));
    }

    #[test]
    fn check_finds_a_place_where_no_store_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.toml");
        let name = file.to_str().unwrap();
        std::fs::write(folder.path().join("text"), "no store").unwrap();
        let long = "x".repeat(107);
        for (path, expected) in [
            (
                "none/tickrelay.db",
                "/none is not there: make it (`mkdir -p ",
            ),
            ("text/tickrelay.db", "text is no folder"),
            ("text", "text is no SQLite file: name another path"),
            (long.as_str(), "the socket beside the store"),
        ] {
            std::fs::write(&file, format!("[store]\nurl = 'sqlite://{path}'\n")).unwrap();
            let (exit, data, talk) = run(&["config", "check", "--config", name]);
            assert_eq!(exit, Exit::Refused, "{path}: {data}");
            let place = format!("error: {name}:2: store.url: ");
            assert!(
                data.starts_with(&place) && data.contains(expected),
                "{data}"
            );
            assert_eq!(talk, format!("{name} cannot be used: 1 error\n"));
        }
        // The control: with a folder that is there it is fine, and nothing was made.
        std::fs::write(&file, "[store]\nurl = 'sqlite://tickrelay.db'\n").unwrap();
        assert_eq!(run(&["config", "check", "--config", name]).0, Exit::Done);
        assert!(!folder.path().join("tickrelay.db").exists());
    }

    #[test]
    fn the_example_can_be_printed() {
        assert_eq!(run(&["config", "example"]).1, example());
    }
}

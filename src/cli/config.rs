//! `tickrelay config`: what the configuration means, and what is wrong with it.

use clap::Subcommand;

use super::{Exit, Settings, Terminal};
use crate::access;
use crate::clock::Clock;
use crate::config::{Config, EXAMPLE, LoadError};
use crate::store::{Found, Reader};

/// The verbs of `config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Verb {
    /// Say what is wrong or odd in the configuration; exit 1 when it cannot be used
    Check,
    /// Print the configuration as it is understood, secrets masked, with who decided what
    Show,
    /// Print a file with every setting, its default and what it means
    Example,
}

impl Verb {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Check => check(settings, terminal),
            Self::Show => show(settings, terminal),
            Self::Example => {
                terminal.data.write_all(EXAMPLE.as_bytes())?;
                Ok(Exit::Done)
            }
        }
    }
}

/// What was asked for are the findings, so they are data; the verdict is talk.
fn check(settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    let name = settings.file().map(|file| file.display().to_string());
    let name = name.unwrap_or_else(|| "the configuration (no file)".to_owned());
    let loaded = match settings.load() {
        Ok(loaded) => loaded,
        Err(LoadError::Invalid(faults)) => {
            for fault in &faults {
                writeln!(terminal.data, "error: {fault}")?;
            }
            let count = faults.len();
            let plural = if count == 1 { "" } else { "s" };
            writeln!(
                terminal.talk,
                "{name} cannot be used: {count} error{plural}"
            )?;
            return Ok(Exit::Refused);
        }
        Err(other) => return Err(other.into()),
    };
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

/// What this configuration takes from the tokens of its store; a start warns of it too. A store
/// that is not there or cannot be read has none to warn of: other commands say what is wrong with it.
fn token_warnings(config: &Config) -> Vec<String> {
    if Found::at(&config.store.path) != Found::Store {
        return Vec::new();
    }
    let tokens = Reader::new(&config.store.path).tokens();
    access::token_warnings(
        &tokens.unwrap_or_default(),
        &config.owners(),
        Clock::system().now_ms(),
    )
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
    fn the_example_can_be_printed() {
        assert_eq!(run(&["config", "example"]).1, EXAMPLE);
    }
}

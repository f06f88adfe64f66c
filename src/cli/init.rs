//! `tickrelay init`: a file to start with, and what to do next.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{DEFAULT_FILE, Exit, Settings, Terminal};
use crate::config::{starter, starters};

/// Writes a starter configuration.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file to write [default: that of --config, else tickrelay.toml]
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// Replace the file if it is there; its secrets are lost
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let file = self.path.or_else(|| settings.named_file());
        let file = file.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let path = file.display();
        let text = starter().context("cannot generate secrets")?;
        if !write(&file, &text, self.force).with_context(|| format!("cannot write {path}"))? {
            writeln!(
                terminal.talk,
                "{path} is there already: name another --path, or replace it with --force"
            )?;
            return Ok(Exit::Refused);
        }
        terminal.done = Some(format!("{path} was written"));
        writeln!(terminal.data, "{path}")?;
        writeln!(terminal.talk, "{}", next_steps(&path.to_string()))?;
        Ok(Exit::Done)
    }
}

/// Writes the whole file or nothing, readable by its owner alone; `false` when another is in
/// the way.
pub(super) fn write(path: &Path, text: &str, replace: bool) -> std::io::Result<bool> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // A temporary file is made with mode 0600, which a starter with secrets needs.
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let written = if replace {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match written {
        Ok(_) => Ok(true),
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(refused.error),
    }
}

fn next_steps(path: &str) -> String {
    let registered: Vec<_> = starters().filter_map(|starter| starter.register).collect();
    let widest = |column: usize| registered.iter().map(|row| row[column].len()).max();
    let (names, sources) = (widest(0).unwrap_or(0), widest(1).unwrap_or(0));
    let urls: Vec<String> = (registered.iter())
        .map(|[name, source, with]| {
            format!("     {name:names$}  https://YOUR-HOST/webhooks/{source:sources$}  {with}")
        })
        .collect();
    let urls = urls.join("\n");
    format!(
        "\nWritten with generated secrets, readable by you alone. Next:\n\
         \n\
         1. Edit {path}: fill in what is marked FILL IN, remove the sources you do not use.\n\
         2. Put a server with TLS in front of 127.0.0.1:8080 and give the providers these URLs:\n\
         {urls}\n\
         3. tickrelay config check --config {path}\n\
         4. tickrelay serve --config {path}\n\
         5. tickrelay subscriber add --config {path} --name crm --url https://…\n\
         6. tickrelay token create --config {path} --role admin --name NAME\n\
         \x20  makes the first token of the management API, which answers no request without one."
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn the_starter_passes_the_check_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.toml");
        let name = file.to_str().unwrap();
        let (exit, data, talk) = run(&["init", "--path", name]);
        assert_eq!((exit, data), (Exit::Done, format!("{name}\n")));
        assert!(talk.contains("https://YOUR-HOST/webhooks/meta"), "{talk}");
        let token = format!("tickrelay token create --config {name} --role admin --name NAME");
        assert!(talk.contains(&token), "{talk}");

        let (exit, data, talk) = run(&["config", "check", "--config", name]);
        assert_eq!(exit, Exit::Done, "{data}");
        assert_eq!(data.lines().count(), 1, "{data}");
        assert!(data.contains("placeholder of `tickrelay init`"), "{data}");
        assert_eq!(talk, format!("{name} is fine; sources: meta, infobip\n"));
    }

    #[test]
    fn the_file_that_config_names_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let [config, path] = ["a.toml", "b.toml"].map(|name| folder.path().join(name));
        let [config_flag, path_flag] = [&config, &path].map(|file| file.to_str().unwrap());
        assert_eq!(run(&["init", "--config", config_flag]).0, Exit::Done);
        assert!(config.exists());
        run(&["init", "--config", config_flag, "--path", path_flag]);
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.toml");
        let name = file.to_str().unwrap();
        std::fs::write(&file, "mine").unwrap();

        assert_eq!(run(&["init", "--path", name]).0, Exit::Refused);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

        assert_eq!(run(&["init", "--path", name, "--force"]).0, Exit::Done);
        assert_ne!(std::fs::read_to_string(&file).unwrap(), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_the_starter() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.toml");
        run(&["init", "--path", file.to_str().unwrap()]);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

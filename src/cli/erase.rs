//! `tickrelay erase`: remove a person from the store, for good.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::table::{facts, item};
use super::{Exit, Settings, Terminal, ask, store};
use crate::operations::{Answer, EraseOptions, Request};
use crate::store::{Erased, Person};

/// Removes a person from the store: messages, reports, what is owed about them, raw requests.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Erase {
    /// A phone number with its country code, in any spelling, or a business-scoped user id
    person: String,
    /// Count what would be removed and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Write the whole file anew afterwards, so that no unused part of it keeps a trace;
    /// webhooks wait meanwhile, and the disk needs the room for a second copy
    #[arg(long)]
    vacuum: bool,
    /// Answer with a JSON object
    #[arg(long)]
    json: bool,
}

impl Erase {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let store = settings.with_store()?.store.path;
        if !self.dry_run && !self.yes {
            if !io::stdin().is_terminal() {
                return terminal.refuse("nobody is here to be asked: add --yes or --dry-run");
            }
            let Some(found) = self.erase(settings, terminal, true)? else {
                return Ok(Exit::Refused);
            };
            if found.is_nothing() {
                return terminal.refuse(nobody(&self.person, &store));
            }
            write!(terminal.talk, "{}", counts(&found))?;
            if !confirmed(terminal)? {
                return terminal.refuse("Nothing was removed.");
            }
        }
        let Some(erased) = self.erase(settings, terminal, self.dry_run)? else {
            return Ok(Exit::Refused);
        };
        let traces = if self.dry_run {
            None
        } else {
            Some(traces(&store, &self.person)?)
        };
        let exit = if erased.is_nothing() {
            Exit::Refused
        } else {
            Exit::Done
        };
        if self.json {
            terminal.json(&json!({
                "dry_run": self.dry_run,
                "removed": erased,
                "traces": traces,
            }))?;
            return Ok(exit);
        }
        if exit == Exit::Refused {
            writeln!(terminal.talk, "{}", nobody(&self.person, &store))?;
            if traces.is_none_or(|found| found == 0) {
                return Ok(exit);
            }
        }
        write!(terminal.data, "{}", counts(&erased))?;
        if let Some(traces) = traces {
            write!(terminal.talk, "{}", item(&verdict(traces), 0))?;
        }
        Ok(exit)
    }

    fn erase(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        dry_run: bool,
    ) -> anyhow::Result<Option<Erased>> {
        let request = Request::Erase {
            person: self.person.clone(),
            options: EraseOptions {
                dry_run,
                vacuum: self.vacuum,
            },
        };
        match ask::perform_with_bar(settings, request, terminal)? {
            None => Ok(None),
            Some(Answer::Erased(erased)) => Ok(Some(erased)),
            Some(answer) => Err(ask::unexpected(&answer)),
        }
    }
}

fn confirmed(terminal: &mut Terminal<'_>) -> anyhow::Result<bool> {
    write!(
        terminal.talk,
        "Remove this for good? It cannot be undone. [y/N] "
    )?;
    terminal.talk.flush()?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn nobody(person: &str, store: &Path) -> String {
    format!(
        "nobody was found: no row of {} is about {person}, and nothing was removed",
        store::absolute(store).display()
    )
}

fn counts(erased: &Erased) -> String {
    let forwards = format!(
        "{} ({} of them not sent yet)",
        erased.forwards, erased.pending
    );
    facts([
        ("Messages", Some(erased.messages.to_string())),
        ("Reports", Some(erased.reports.to_string())),
        ("Forwards", Some(forwards)),
        ("Raw bodies", Some(erased.bodies.to_string())),
        ("Other answers", Some(erased.answers.to_string())),
        (
            "Kept answers",
            (erased.kept > 0).then(|| erased.kept.to_string()),
        ),
        (
            "Kept, sealed",
            (erased.kept_unopened > 0)
                .then(|| format!("{}, which no key at hand opens", erased.kept_unopened)),
        ),
    ])
}

fn verdict(traces: usize) -> String {
    if traces == 0 {
        return "Removed. The store's files hold the number nowhere any more; backups and copies \
                that were made of them are not touched."
            .to_owned();
    }
    format!(
        "Removed. The store's files still hold the number {traces} times: in the text of other \
         people's messages, or in unused parts of a page, which --vacuum clears."
    )
}

/// How often the store's files hold the number, looked up in their bytes.
///
/// Here and not in the service: a process that closes a file loses all its locks on it, and
/// SQLite's are among them.
fn traces(store: &Path, person: &str) -> anyhow::Result<usize> {
    let Some(person) = Person::new(person) else {
        return Ok(0);
    };
    let mut wal = store.to_owned().into_os_string();
    wal.push("-wal");
    let mut found = 0;
    for path in [store.to_owned(), PathBuf::from(wal)] {
        found += occurrences(&path, person.name().as_bytes())
            .with_context(|| format!("cannot search {}", path.display()))?;
    }
    Ok(found)
}

/// How often a file holds these bytes; a file that is not there holds nothing.
fn occurrences(path: &Path, bytes: &[u8]) -> io::Result<usize> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(0);
    };
    let mut window = Vec::new();
    let mut found = 0;
    loop {
        let taken = Read::take(&mut file, 1 << 20).read_to_end(&mut window)?;
        let starts = window.iter().enumerate().filter(|(_, byte)| *byte == first);
        found += starts
            .filter(|(at, _)| window[at + 1..].starts_with(rest))
            .count();
        if taken == 0 {
            return Ok(found);
        }
        // What a boundary may have cut in two is looked at again, and counted once.
        window.drain(..window.len().saturating_sub(rest.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bytes_are_found_across_the_seams_of_reading() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let number = b"385990001122";
        for gap in [0, 5, (1 << 20) - 40, 3 << 20] {
            file.write_all(&vec![b'3'; gap]).unwrap();
            file.write_all(number).unwrap();
        }
        assert_eq!(occurrences(file.path(), number).unwrap(), 4);
        assert_eq!(occurrences(Path::new("no such file"), number).unwrap(), 0);
    }
}

//! `tickrelay erase`: remove a person from the store, for good.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::{
    BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD,
};
use clap::Args;
use serde_json::json;

use super::client::{self, Client, Purpose};
use super::table::{facts, item};
use super::{Exit, Settings, Terminal};
use crate::model::Echoed;
use crate::store::{Erased, Person};
use crate::web::api::erasures::NewErasureView;
use crate::web::api::job_results::ErasureView;

/// Removes a person from the store: messages, reports, what is pending about them, raw requests.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Erase {
    /// A phone number with its country code, in any spelling or as a wa.me link, or a
    /// business-scoped user id
    person: String,
    /// Count what would be removed and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Rewrite the whole file afterwards, so that no unused part of it keeps a trace;
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
        let store = settings.with_store()?.store;
        let location = store.engine().location();
        if !self.dry_run && !self.yes {
            if !io::stdin().is_terminal() {
                return terminal.refuse("no terminal to confirm on: add --yes or --dry-run");
            }
            let found = self.erase(settings, terminal, true)?;
            if found.is_nothing() {
                return terminal.refuse(self.absent(&found, &location, &[]));
            }
            write!(terminal.talk, "{}", self.counts(&found))?;
            if !confirmed(terminal)? {
                return terminal.refuse("Nothing was removed.");
            }
        }
        let erased = self.erase(settings, terminal, self.dry_run)?;
        let traces = if self.dry_run {
            None
        } else {
            Some(traces(&store.path, &self.person)?)
        };
        let exit = if erased.is_nothing() {
            Exit::Refused
        } else {
            Exit::Done
        };
        if self.json {
            terminal.json(&self.as_json(erased, traces.as_deref()))?;
            return Ok(exit);
        }
        if exit == Exit::Refused {
            let traces = traces.unwrap_or_default();
            writeln!(
                terminal.talk,
                "{}",
                self.absent(&erased, &location, &traces)
            )?;
            return Ok(exit);
        }
        write!(terminal.data, "{}", self.counts(&erased))?;
        if let Some(traces) = traces {
            write!(terminal.talk, "{}", item(&settled(&traces), 0))?;
        }
        Ok(exit)
    }

    /// What is said where the person was not found: one sentence, true of the files too.
    fn absent(&self, erased: &Erased, location: &str, traces: &[Trace]) -> String {
        let (kept, unread) = (erased.kept_unopened, erased.unread);
        let is_unchanged = self.dry_run || kept == 0;
        let mut said = vec![format!(
            "the person was not found: nothing in {location} is about {}{}{}",
            Echoed(&self.person),
            match self.name() {
                name if name == self.person => String::new(),
                name => format!(", read as {}", Echoed(&name)),
            },
            if is_unchanged {
                ", and nothing was removed"
            } else {
                ""
            }
        )];
        if kept > 0 {
            let were = if self.dry_run { "would be" } else { "were" };
            said.push(format!(
                "{kept} kept answers that no key at hand opens {were} removed"
            ));
        }
        if unread > 0 {
            said.push(format!(
                "{unread} raw bodies, whose compression is unknown or broken, were searched as bytes"
            ));
        }
        if !traces.is_empty() {
            said.push(format!(
                "{}, as a part of longer numbers, of what is out of reach, or of unused parts of a \
                 page, which --vacuum clears",
                still_hold(traces)
            ));
        }
        said.join("; ")
    }

    fn as_json(&self, erased: Erased, traces: Option<&[Trace]>) -> serde_json::Value {
        let by_file = |traces: &[Trace]| -> serde_json::Map<_, _> {
            let of_file = |trace: &Trace| (trace.path.display().to_string(), trace.times.into());
            traces.iter().map(of_file).collect()
        };
        json!({
            "dry_run": self.dry_run,
            "person": self.name(),
            "removed": erased,
            "traces": traces.map(|traces| traces.iter().map(|trace| trace.times).sum::<usize>()),
            "traces_by_file": traces.map(by_file),
            "searched": Erased::SEARCHED,
            "out_of_reach": Erased::OUT_OF_REACH,
        })
    }

    fn erase(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        dry_run: bool,
    ) -> anyhow::Result<Erased> {
        let erasure = NewErasureView {
            person: self.person.clone(),
            dry_run,
            vacuum: self.vacuum,
        };
        let erase = |client: &Client| client.job(&["erasures"], &erasure);
        let erased: ErasureView = client::with(settings, Purpose::unless_dry(dry_run), erase)?;
        let removed = erased.removed;
        if !dry_run && !removed.is_nothing() {
            let messages = removed.messages;
            terminal.done = Some(format!(
                "the person was erased, messages removed: {messages}"
            ));
        }
        Ok(removed)
    }

    /// The person as it was read: digits alone, or the id.
    fn name(&self) -> String {
        let person = Person::new(&self.person);
        person.map_or_else(|_| self.person.clone(), |person| person.name().to_owned())
    }

    fn counts(&self, erased: &Erased) -> String {
        let any = |count: u64, rest: &str| (count > 0).then(|| format!("{count}{rest}"));
        let pending = erased.pending;
        let forwards = format!("{} ({pending} of them not sent yet)", erased.forwards);
        let sealed = any(erased.kept_unopened, ", which no key at hand opens");
        let unread = ", searched as bytes: their compression is unknown or broken";
        facts([
            ("Person", Some(Echoed(&self.name()).to_string())),
            ("Messages", Some(erased.messages.to_string())),
            ("Reports", Some(erased.reports.to_string())),
            ("Account events", any(erased.account_events, "")),
            ("Forwards", Some(forwards)),
            ("Raw bodies", Some(erased.bodies.to_string())),
            ("Other answers", Some(erased.answers.to_string())),
            ("Kept answers", any(erased.kept, "")),
            ("Kept, sealed", sealed),
            ("Other payloads", Some(erased.payloads.to_string())),
            ("Other texts", Some(erased.texts.to_string())),
            ("Unread bodies", any(erased.unread, unread)),
        ])
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

fn settled(traces: &[Trace]) -> String {
    let reach = format!(
        "Searched: {}. Out of reach: {}.",
        Erased::SEARCHED.join("; "),
        Erased::OUT_OF_REACH.join("; ")
    );
    if traces.is_empty() {
        return format!(
            "Removed. A search of the store's files finds the number nowhere, as digits or in base64. \
             {reach}"
        );
    }
    format!(
        "Removed, but {}. In the store they are a part of longer numbers, of what is out of reach, or \
         of unused parts of a page, which --vacuum clears; a copy made before a migration is yours to \
         remove. {reach}",
        still_hold(traces)
    )
}

fn still_hold(traces: &[Trace]) -> String {
    let files: Vec<String> = traces
        .iter()
        .map(|trace| format!("{} times in {}", trace.times, trace.path.display()))
        .collect();
    format!("files hold these digits: {}", files.join(", "))
}

/// What a file still holds.
struct Trace {
    path: PathBuf,
    times: usize,
}

/// How often the store's files hold the number, as digits or within base64, looked up in their
/// bytes.
///
/// Here and not in the service: a process that closes a file loses all its locks on it, and
/// SQLite's are among them.
fn traces(store: &Path, person: &str) -> anyhow::Result<Vec<Trace>> {
    let Ok(person) = Person::new(person) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for path in
        files(store).with_context(|| format!("cannot list what is beside {}", store.display()))?
    {
        let mut times = 0;
        for bytes in spellings(person.name()) {
            times += occurrences(&path, &bytes)
                .with_context(|| format!("cannot search {}", path.display()))?;
        }
        if times > 0 {
            found.push(Trace { path, times });
        }
    }
    Ok(found)
}

/// The store, its log, and the copies of it that stand beside it: what is named after it, but for
/// what holds no row.
fn files(store: &Path) -> io::Result<Vec<PathBuf>> {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let stem = store
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let (Some(whole), Some(stem)) = (name(store), stem) else {
        return Ok(Vec::new());
    };
    let folder = store
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let path = entry?.path();
        let is_of_store = name(&path).is_some_and(|name| {
            let is_named_after = name.starts_with(&whole) || name.starts_with(&format!("{stem}."));
            is_named_after && !name.ends_with("-shm")
        });
        if is_of_store && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The bytes that a name may be written in: as it is, what base64 makes of a number wherever it
/// begins, and what it makes of its digits in half bytes, as an On-Premises id has them.
fn spellings(name: &str) -> Vec<Vec<u8>> {
    let mut spellings = vec![name.as_bytes().to_vec()];
    if !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return spellings;
    }
    for before in 0..3 {
        let bytes = [&vec![0; before], name.as_bytes()].concat();
        let coded = STANDARD_NO_PAD.encode(&bytes);
        // Letters that other bytes are a part of may be any.
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        spellings.push(coded.as_bytes()[first..last].to_vec());
    }
    let halves = if name.len().is_multiple_of(2) {
        name.to_owned()
    } else {
        format!("{name}f")
    };
    let halves = hex::decode(halves).unwrap_or_default();
    for coded in [
        STANDARD_NO_PAD.encode(&halves),
        URL_SAFE_NO_PAD.encode(&halves),
    ] {
        let coded = coded.as_bytes()[..halves.len() * 8 / 6].to_vec();
        if !spellings.contains(&coded) {
            spellings.push(coded);
        }
    }
    spellings
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

    #[test]
    fn a_number_is_found_within_base64_wherever_it_begins() {
        let number = "385990001122";
        for before in 0..7 {
            let bytes = [&vec![7; before], number.as_bytes(), b"\x15\x02"].concat();
            let coded = STANDARD_NO_PAD.encode(bytes);
            let is_in = |spelling: &Vec<u8>| coded.contains(std::str::from_utf8(spelling).unwrap());
            assert_eq!(spellings(number).iter().filter(|it| is_in(it)).count(), 1);
        }
        let coded = "gBEGkYiEB1VXAglK1ZEqA1YKPrU";
        let is_in = |spelling: &Vec<u8>| coded.contains(std::str::from_utf8(spelling).unwrap());
        assert!(spellings("918884075557").iter().any(is_in));
        assert!(!spellings("918884075558").iter().any(is_in));
    }
}

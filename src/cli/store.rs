//! Finding the store: only `serve`, `demo` and `token create` make one; every other command refuses
//! where there is none, and leaves nothing behind.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;

use super::client::Refused;
use super::{Settings, Terminal};
use crate::access::SOCKET_ALONE;
use crate::config::{self, Config};
use crate::store::{Error, StoreFound};

impl Settings {
    /// The configuration, with a store that is there.
    ///
    /// # Errors
    /// [`Refused`] where another service is named; [`Error::NotFound`] with the absolute path where no
    /// store is; when the configuration cannot be used.
    pub(super) fn with_store(&self) -> anyhow::Result<Config> {
        if self.url()?.is_some() {
            return Err(Refused::new(SOCKET_ALONE).into());
        }
        self.with_store_here()
    }

    /// As [`Self::with_store`], even if another service is named.
    ///
    /// # Errors
    /// As [`Self::with_store`].
    pub(super) fn with_store_here(&self) -> anyhow::Result<Config> {
        let config = self.load()?.config;
        let store = config.store.engine();
        let remedy = match store.found() {
            StoreFound::Store => return Ok(config),
            StoreFound::Nothing => {
                "`tickrelay serve` makes it, and `tickrelay token create` does".to_owned()
            }
            StoreFound::Other(what) => format!("{what} is there; name another path in store.url"),
        };
        Err(Error::NotFound(format!("store at {}: {remedy}", store.location())).into())
    }
}

/// A command that may make the store.
pub(super) struct Making(Option<config::Store>);

impl Making {
    /// Looks whether the store is to be made.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn begin(settings: &Settings) -> anyhow::Result<Self> {
        if settings.url()?.is_some() {
            return Ok(Self(None));
        }
        let store = settings.load()?.config.store;
        let is_there = store.engine().found() == StoreFound::Store;
        Ok(Self((!is_there).then_some(store)))
    }

    /// Says that it was made, where it was.
    pub(super) fn say(self, terminal: &mut Terminal<'_>) -> std::io::Result<()> {
        match self.0 {
            Some(store) if store.engine().found() == StoreFound::Store => {
                writeln!(terminal.talk, "{}", made(&store))
            }
            _ => Ok(()),
        }
    }
}

/// What to say of a store that was just made: where, as which user, and what is wrong with that.
fn made(store: &config::Store) -> String {
    let (location, user) = (store.engine().location(), geteuid().as_raw());
    let text = format!(
        "the store is made: {location}, of the user {}",
        called(user)
    );
    let folder = Path::new(&location).parent();
    let folder = folder.and_then(|folder| folder.metadata().ok());
    if let Some(owner) = folder.map(|folder| folder.uid())
        && user == 0
        && owner != 0
    {
        return format!(
            "{text}\nwarning: its folder is of the user {0}. A service that runs as {0} cannot open \
             what root made: remove the store, and make it as that user",
            called(owner)
        );
    }
    text
}

/// A user's name, where this machine's list has it, else the number.
fn called(user: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(user)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| user.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{Arg, Command, CommandFactory as _};

    use super::super::tests::run;
    use super::super::{Cli, Exit};
    use super::called;

    /// Commands that do something where there is no store, each with the reason.
    const WITHOUT: [(&str, &str); 8] = [
        ("serve", "makes it"),
        ("demo", "makes one of its own"),
        (
            "token create",
            "makes it, so that the first token can be had",
        ),
        ("init", "is what comes before"),
        ("config check", "looks at the configuration alone"),
        ("config show", "looks at the configuration alone"),
        ("config example", "prints a text"),
        ("simulate", "sends to a service, of which it knows the URL"),
    ];

    /// Every command that does something, with its words.
    fn leaves(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
        let mut verbs = command.get_subcommands().peekable();
        if verbs.peek().is_none() {
            found.push((words.trim().to_owned(), command.clone()));
        }
        for verb in verbs.filter(|verb| verb.get_name() != "help") {
            leaves(verb, &format!("{words} {}", verb.get_name()), found);
        }
    }

    /// What an argument takes; most take anything.
    fn value(argument: &Arg) -> &'static str {
        match argument.get_id().as_str() {
            "url" => "https://crm.example/hook",
            "person" => "385990001122",
            "role" => "admin",
            "id" if argument.is_positional() => "1",
            _ => "some",
        }
    }

    /// A call of the command that only lacks the store.
    fn call(words: &str, command: &Command) -> Vec<String> {
        let mut call: Vec<String> = words.split(' ').map(str::to_owned).collect();
        for argument in command.get_arguments().filter(|it| it.is_required_set()) {
            if let Some(long) = argument.get_long() {
                call.push(format!("--{long}"));
            }
            call.push(value(argument).to_owned());
        }
        let more: &[&str] = match words {
            "erase" => &["--yes"],
            "explain" => &["--unknown"],
            "forward retry" => &["--subscriber", "some", "--missed"],
            "replay show" | "replay cancel" => {
                call.pop();
                &["01890a5d-ac96-774b-bcce-b302099a8057"]
            }
            "subscriber update" => &["--concurrency", "3"],
            "message register" => &["Cargo.toml"],
            _ => &[],
        };
        call.extend(more.iter().map(|&word| word.to_owned()));
        call
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn every_command_that_finds_no_store_refuses_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.toml");
        std::fs::write(&file, "").unwrap();
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        for (words, _) in WITHOUT {
            assert!(found.iter().any(|(known, _)| known == words), "{words}");
        }
        let mut refused = 0;
        for (words, command) in &found {
            if WITHOUT.iter().any(|(known, _)| known == words) {
                continue;
            }
            let call = call(words, command);
            let mut call: Vec<&str> = call.iter().map(String::as_str).collect();
            call.extend(["--config", file.to_str().unwrap()]);
            let (exit, data, talk) = run(&call);
            let store = folder.path().join("tickrelay.db");
            assert_eq!(
                (exit, data.as_str()),
                (Exit::Refused, ""),
                "{words}: {talk}"
            );
            let expected = format!("no store at {}: ", store.display());
            assert!(talk.starts_with(&expected), "{words}: {talk}");
            assert_eq!(files(folder.path()), ["t.toml"], "{words}");
            refused += 1;
        }
        assert!(refused > 30, "{refused} commands");
        // The control: the one that makes it says where and as whom, and then they find it.
        let config = ["--config", file.to_str().unwrap()];
        let create = ["token", "create", "--role", "admin", config[0], config[1]];
        let (exit, _, talk) = run(&create);
        let store = folder.path().join("tickrelay.db");
        let made = format!("the store is made: {}, of the user ", store.display());
        assert!(exit == Exit::Done && talk.contains(&made), "{talk}");
        assert!(store.exists());
        let (exit, _, talk) = run(&create);
        assert!(
            exit == Exit::Done && !talk.contains("the store is made"),
            "{talk}"
        );
        let (_, _, talk) = run(&["message", "list", config[0], config[1]]);
        assert!(!talk.contains("no store"), "{talk}");
    }

    #[test]
    fn a_user_is_called_by_name_where_one_is_known() {
        assert_eq!(called(0), "root");
        assert_eq!(called(u32::MAX - 7), (u32::MAX - 7).to_string());
    }
}

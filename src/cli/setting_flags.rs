//! The flags that say which service a command is for, and those of settings, made of the rows in
//! [`crate::config`].
//!
//! Every command understands all of them: one that finds no service does the work itself, by the
//! same settings. Help shows `--config` and `--store` everywhere, and the settings under `serve`,
//! `config check` and `config show` alone.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};

use crate::config::{Config, Flag, SettingRow, variables};

/// The setting that every command's help shows.
const OF_ALL: &str = "store";
/// Over the flags that every command's help shows.
pub(super) const SERVICE_HEADING: &str = "Service";
/// Over those that few do.
const SETTINGS_HEADING: &str = "Settings";

/// What was given.
#[derive(Debug, Default)]
pub(super) struct SettingFlags {
    /// `--config`.
    pub(super) config: Option<PathBuf>,
    /// Each setting with its value. A flag of its own is more deliberate than `--set`, and the
    /// last one wins.
    pub(super) given: Vec<Flag>,
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        arguments().fold(command, |command, argument| {
            let is_shown = ["config", OF_ALL].contains(&argument.get_id().as_str());
            command.arg(
                argument
                    .global(true)
                    .hide(!is_shown)
                    .help_heading(SERVICE_HEADING),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let set = matches.get_many::<(String, String)>("set");
        let set = set.into_iter().flatten().map(|(key, value)| Flag {
            flag: "--set".to_owned(),
            key: key.clone(),
            value: value.clone(),
        });
        let own = Config::flags().filter_map(|row| {
            let (name, _) = row.flag?;
            Some(Flag {
                flag: format!("--{name}"),
                key: row.path.to_owned(),
                value: matches.get_one::<String>(name)?.clone(),
            })
        });
        Ok(Self {
            config: matches.get_one("config").cloned(),
            given: set.chain(own).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Shows in a command's help what is hidden elsewhere; what is given is in [`SettingFlags`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ShownSettings;

impl Args for ShownSettings {
    fn augment_args(command: Command) -> Command {
        command.args(arguments().map(|argument| argument.help_heading(SETTINGS_HEADING)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ShownSettings {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

/// `--config`, the settings with a flag of their own, and `--set` for the others.
fn arguments() -> impl Iterator<Item = Arg> {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(
            "The configuration file [env: TICKRELAY_CONFIG] [default: tickrelay.toml, if there is \
             one]",
        );
    let set = Arg::new("set")
        .long("set")
        .value_name("KEY=VALUE")
        .value_parser(key_and_value)
        .action(ArgAction::Append)
        .help("Any setting by its key, as in forward.timeout=20s; may be repeated");
    let own = Config::flags().filter_map(|row| argument(&row));
    [config].into_iter().chain(own).chain([set])
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or("write KEY=VALUE, e.g. forward.timeout=20s")
}

fn argument(row: &SettingRow) -> Option<Arg> {
    let (name, value_name) = row.flag?;
    let variable = variables(row.path).last().unwrap_or_default();
    let argument = Arg::new(name)
        .long(name)
        .value_name(value_name)
        .help(format!("{} [env: {variable}]", row.summary()));
    if !row.is_switch() {
        return Some(argument);
    }
    let switch = argument.num_args(0..=1).require_equals(true);
    Some(switch.default_missing_value("true"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::super::tests::run;

    fn help(words: &[&str]) -> String {
        let mut command = Cli::command();
        command.build();
        let found = words.iter().fold(&mut command, |command, word| {
            command.find_subcommand_mut(word).unwrap()
        });
        found.render_help().to_string()
    }

    #[test]
    fn settings_are_listed_where_they_are_used_alone() {
        let of_settings = [&["serve"][..], &["config", "check"], &["config", "show"]];
        let others = [&[][..], &["subscriber"], &["message", "list"], &["demo"]];
        let (of_settings, others) = (of_settings.map(help), others.map(help));
        for flag in [
            "--listen <ADDRESS>",
            "--durability <WORD>",
            "--allow-http",
            "--allow-networks <NETWORKS>",
            "--log-format <WORD>",
            "--log-filter <FILTER>",
            "--set <KEY=VALUE>",
        ] {
            for help in &of_settings {
                assert_eq!(help.matches(flag).count(), 1, "{flag}: {help}");
            }
            for help in &others {
                assert!(!help.contains(flag), "{help}");
            }
        }
        for (help, heading) in of_settings
            .iter()
            .map(|help| (help, "Settings:"))
            .chain(others.iter().map(|help| (help, "Service:")))
        {
            let (_, listed) = help.split_once(heading).unwrap();
            for flag in ["--config <FILE>", "--store <URL>"] {
                assert_eq!(help.matches(flag).count(), 1, "{flag}: {help}");
                assert!(listed.contains(flag), "{heading} {flag}: {help}");
            }
        }
        let serve = &of_settings[0];
        assert!(serve.contains("[env: TICKRELAY_LISTEN]"), "{serve}");
    }

    #[test]
    fn a_setting_is_understood_before_and_after_every_command() {
        let flags = ["--listen", "[::1]:1", "--allow-http", "--log-filter=warn"];
        for arguments in [
            [&flags[..], &["config", "show"]].concat(),
            [&["config"], &flags[..], &["show"]].concat(),
            [&["config", "show"], &flags[..]].concat(),
        ] {
            let (_, data, _) = run(&[&arguments[..], &["--config=config.example.toml"]].concat());
            for line in [
                "listen = \"[::1]:1\"",
                "allow_http = true",
                "filter = \"warn\"",
            ] {
                assert!(data.contains(line), "{arguments:?}: {data}");
            }
        }
        // The same before and after the one command that lists them.
        for arguments in [
            [&flags[..], &["serve"]].concat(),
            [&["serve"], &flags[..]].concat(),
        ] {
            use clap::Parser as _;
            let cli = Cli::try_parse_from([&["tickrelay"], &arguments[..]].concat()).unwrap();
            assert_eq!(cli.settings.flags.given.len(), 3, "{arguments:?}");
        }
    }
}

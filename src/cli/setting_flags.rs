//! The flags of settings that have one of their own, made of the rows in [`crate::config`].
//!
//! Every command understands all of them. Help shows `--store` everywhere and the others under
//! `serve` alone.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::config::{Config, Flag, SettingRow, variables};

/// The one that every command's help shows.
const OF_ALL: &str = "store";

/// What was given.
#[derive(Debug, Default)]
pub(super) struct SettingFlags {
    pub(super) given: Vec<Flag>,
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Config::flags().filter_map(|row| {
            let argument = argument(&row)?;
            let is_hidden = argument.get_id() != OF_ALL;
            Some(argument.global(true).hide(is_hidden))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = Config::flags().filter_map(|row| {
            let (name, _) = row.flag?;
            Some(Flag {
                flag: format!("--{name}"),
                key: row.path.to_owned(),
                value: matches.get_one::<String>(name)?.clone(),
            })
        });
        Ok(Self {
            given: given.collect(),
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
        let hidden = Config::flags().filter_map(|row| argument(&row));
        command.args(hidden.filter(|argument| argument.get_id() != OF_ALL))
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

fn argument(row: &SettingRow) -> Option<Arg> {
    let (name, value_name) = row.flag?;
    let variable = variables(row.path).last().unwrap_or_default();
    let argument = Arg::new(name)
        .long(name)
        .value_name(value_name)
        .help(format!("{} [env: {variable}]", row.summary()))
        .help_heading("Settings");
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
    fn only_the_service_lists_its_settings() {
        let (serve, others) = (
            help(&["serve"]),
            [&[][..], &["subscriber"], &["message", "list"]],
        );
        for flag in [
            "--listen <ADDRESS>",
            "--durability <WORD>",
            "--allow-http",
            "--allow-networks <NETWORKS>",
            "--log-format <WORD>",
            "--log-filter <FILTER>",
        ] {
            assert!(serve.contains(flag), "{serve}");
            for help in others.map(help) {
                assert!(!help.contains(flag), "{help}");
            }
        }
        for help in others.map(help).iter().chain([&serve]) {
            for flag in ["--config <FILE>", "--store <URL>", "--set <KEY=VALUE>"] {
                assert_eq!(help.matches(flag).count(), 1, "{flag}: {help}");
            }
        }
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

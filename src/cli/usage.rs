//! A command line that cannot be as it is: every wrong value at once, in words that name the remedy.
//!
//! The library stops at the first wrong value and uses the words of its parsers. Here each is
//! taken out and the rest is read again.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use uuid::Uuid;

use super::Cli;
use crate::config::number;
use crate::model::{ECHOED, Echoed, quoted};

/// The most wrong values that are named at once.
const MOST: usize = 20;
/// Flags whose values no error repeats.
const SECRET: [&str; 4] = ["--header", "--basic", "--bearer", "--token"];

/// Why there is no command.
#[derive(Debug)]
pub(super) enum Usage {
    /// The user requested the help or the version.
    Printed(clap::Error),
    /// It cannot be as it is.
    Wrong(String),
}

impl Usage {
    /// Says it, and how the process ends.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::Printed(shown) => {
                // A reader that closed the pipe has seen enough, as `head` does.
                let _ = shown.print();
                ExitCode::SUCCESS
            }
            Self::Wrong(text) => {
                // When even this cannot be said, the exit code still says it.
                let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
                ExitCode::from(2)
            }
        }
    }
}

/// Reads a command line, the program's name first.
pub(super) fn parse(mut arguments: Vec<OsString>) -> Result<Cli, Usage> {
    if let Some(text) = sets_on_both_sides(&arguments) {
        return Err(Usage::Wrong(text));
    }
    let mut wrong: Vec<String> = Vec::new();
    let mut usage = None;
    loop {
        let error = match Cli::try_parse_from(&arguments) {
            Ok(cli) if wrong.is_empty() => return Ok(cli),
            Ok(_) => break,
            Err(error) => error,
        };
        let is_value = matches!(
            error.kind(),
            ErrorKind::ValueValidation | ErrorKind::InvalidValue
        );
        if !is_value {
            if !wrong.is_empty() {
                break;
            }
            return Err(if error.use_stderr() {
                Usage::Wrong(shortened(&error) + misplaced(&error))
            } else {
                Usage::Printed(error)
            });
        }
        wrong.push(value(&error));
        usage = usage.or_else(|| hint(&error));
        if wrong.len() >= MOST || !take_out(&mut arguments, &error) {
            break;
        }
    }
    let all: Vec<String> = wrong
        .into_iter()
        .map(|text| format!("error: {text}"))
        .collect();
    let usage = usage.map_or_else(String::new, |usage| format!("\n\n{usage}"));
    Err(Usage::Wrong(format!("{}{usage}\n", all.join("\n"))))
}

/// What to say of `--set` before the command and behind it: the library would forget the former.
fn sets_on_both_sides(arguments: &[OsString]) -> Option<String> {
    let typed = arguments.iter().filter_map(|argument| argument.to_str());
    let typed = typed.take_while(|argument| *argument != "--");
    let typed = typed.filter(|argument| *argument == "--set" || argument.starts_with("--set="));
    let typed = typed.count();
    if typed < 2 {
        return None;
    }
    let kept = Cli::try_parse_from(arguments).ok()?.settings.sets();
    (kept < typed).then(|| {
        "error: --set stands before the command and behind it: put each --set on the same side\n"
            .to_owned()
    })
}

/// What to say of a flag of the whole program that stands behind a command.
fn misplaced(error: &clap::Error) -> &'static str {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if flag == "--url" || flag == "--token" => {
            "\nPut --url and --token before the command: tickrelay --url URL --token TOKEN …\n"
        }
        _ => "",
    }
}

/// A text of the error's context; empty where there is none.
fn context(error: &clap::Error, kind: ContextKind) -> &str {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text,
        _ => "",
    }
}

/// The flag without what its value is called, or the name of a value without a flag.
fn name(error: &clap::Error) -> &str {
    let argument = context(error, ContextKind::InvalidArg);
    argument.split([' ', '=', '[']).next().unwrap_or(argument)
}

/// One wrong value: which, and what to write.
fn value(error: &clap::Error) -> String {
    let (name, given) = (name(error), context(error, ContextKind::InvalidValue));
    let remedy = std::error::Error::source(error).map(ToString::to_string);
    let known = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => {
            Some(format!("write one of {}", known.join(", ")))
        }
        _ => None,
    };
    let remedy = remedy
        .or(known)
        .unwrap_or_else(|| "give it a value".to_owned());
    let is_repeated = remedy.contains(&quoted(given).to_string());
    if SECRET.contains(&name) || is_repeated {
        return format!("{name}: {remedy}");
    }
    if given.is_empty() {
        return format!("{name} is empty: {remedy}");
    }
    format!("{name} {}: {remedy}", quoted(given))
}

/// Takes the wrong value out, with its flag.
fn take_out(arguments: &mut Vec<OsString>, error: &clap::Error) -> bool {
    let (name, given) = (name(error), context(error, ContextKind::InvalidValue));
    let texts: Vec<String> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let holds = |text: &str| text == given || text.split(',').any(|part| part == given);
    for (at, text) in texts.iter().enumerate().skip(1) {
        let joined = text.split_once('=').filter(|(flag, _)| *flag == name);
        if joined.is_some_and(|(_, value)| holds(value)) {
            arguments.remove(at);
            return true;
        }
        if text == name && texts.get(at + 1).is_some_and(|value| holds(value)) {
            arguments.drain(at..=at + 1);
            return true;
        }
        // A value without a flag goes by its place, which the others must keep.
        if name.starts_with('<') && text == given {
            return false;
        }
    }
    false
}

/// Which help has more.
fn hint(error: &clap::Error) -> Option<String> {
    let text = error.to_string();
    let hint = text.lines().find(|line| line.starts_with("For more"))?;
    Some(hint.to_owned())
}

/// The library's own words about flags and commands, with no more of what was typed than is needed.
fn shortened(error: &clap::Error) -> String {
    let mut text = error.to_string();
    for (_, value) in error.context() {
        let typed = match value {
            ContextValue::String(typed) => std::slice::from_ref(typed),
            ContextValue::Strings(typed) => typed.as_slice(),
            _ => continue,
        };
        for typed in typed.iter().filter(|typed| typed.chars().count() > ECHOED) {
            text = text.replace(typed.as_str(), &Echoed(typed).to_string());
        }
    }
    text
}

/// How many rows a list shows at most.
pub(super) fn limit(text: &str) -> Result<usize, String> {
    number(1..=1_000_000)(text)
}

/// A number within bounds, for a flag.
pub(super) fn within<T>(
    bounds: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| number(bounds.clone())(text)
}

/// The key of a row.
pub(super) fn key<K: FromStr>(text: &str) -> Result<K, String> {
    let key = number(1..=i64::MAX)(text).ok();
    key.and_then(|key| key.to_string().parse().ok())
        .ok_or_else(|| format!("{} is no id: an id is a whole number", quoted(text)))
}

/// An id that was given out as a UUID.
pub(super) fn uuid(text: &str) -> Result<Uuid, String> {
    text.trim().parse().map_err(|_| {
        format!(
            "{} is no id: write it as the list has it, e.g. 01890a5d-ac96-774b-bcce-b302099a8057",
            quoted(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command, CommandFactory as _};

    use super::*;

    fn wrong(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"tickrelay").chain(arguments);
        match parse(arguments.map(OsString::from).collect()) {
            Err(Usage::Wrong(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_wrong_value_is_named_at_once_with_what_to_write() {
        let text = wrong(&[
            "forward",
            "list",
            "--limit",
            "0",
            "--state=lost",
            "--since",
            "soon",
            "--error",
            "x",
        ]);
        for expected in [
            "error: --limit: \"0\" is not a whole number from 1 to 1000000",
            "error: --state: unknown state of a forward \"lost\": expected one of pending,",
            "error: --since: \"soon\" is no time: write how long ago",
            "error: --error: unknown error of an attempt \"x\"",
            "For more information, try '--help'.",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let text = wrong(&["subscriber", "update", "a", "--concurrency", "257"]);
        assert!(
            text.starts_with("error: --concurrency: \"257\" is not a whole number from 1 to 256")
        );
        let text = wrong(&["webhook", "show", "abc"]);
        assert!(
            text.starts_with("error: <ID>: \"abc\" is no id: an id is a whole number"),
            "{text}"
        );
    }

    #[test]
    fn no_set_is_forgotten() {
        let sets = ["--set=log.filter=warn", "--set=forward.timeout=7s"];
        let text = wrong(&[sets[0], "config", "show", sets[1]]);
        assert!(text.contains("the same side"), "{text}");
        // The control: on one side both are kept.
        for arguments in [
            ["tickrelay", sets[0], sets[1], "config", "show"],
            ["tickrelay", "config", "show", sets[0], sets[1]],
        ] {
            let arguments = arguments.map(OsString::from).to_vec();
            assert_eq!(parse(arguments).unwrap().settings.sets(), 2);
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_not_repeated() {
        let text = wrong(&[
            "subscriber",
            "update",
            "a",
            "--basic",
            "hunter2",
            "--header",
            "hunter2",
        ]);
        assert!(text.contains("--basic: write USER:PASSWORD"), "{text}");
        assert!(
            text.contains("--header: write 'NAME: VALUE'") && !text.contains("hunter2"),
            "{text}"
        );
    }

    /// Words of the language that the program is written in, which say nothing to its users.
    const RUST: [&str; 14] = [
        "invalid digit",
        "is not in 1..",
        "..=",
        "Some(",
        "None",
        "Err(",
        "Ok(",
        "ParseIntError",
        "unwrap",
        "panicked",
        "invalid value '",
        "empty string",
        "UUID",
        "::",
    ];

    fn leaves<'a>(
        command: &'a Command,
        words: &[&'a str],
        found: &mut Vec<(Vec<String>, Vec<Arg>)>,
    ) {
        let mut verbs = command.get_subcommands().peekable();
        if verbs.peek().is_none() {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            found.push((words, command.get_arguments().cloned().collect()));
        }
        for verb in verbs {
            leaves(verb, &[words, &[verb.get_name()]].concat(), found);
        }
    }

    #[test]
    fn no_bad_value_of_any_flag_is_answered_in_words_of_rust() {
        let mut found = Vec::new();
        let mut command = Cli::command();
        command.build();
        leaves(&command, &[], &mut found);
        let long = "x".repeat(5000);
        let bad = [
            "",
            "-1",
            "0",
            "1.5",
            "99999999999999999999999",
            "☃",
            " ",
            "a,b",
            &long,
        ];
        let mut tried = 0;
        for (words, arguments) in found {
            for argument in arguments.iter().filter(|it| it.get_action().takes_values()) {
                for value in bad {
                    let given = argument
                        .get_long()
                        .map_or_else(|| value.to_owned(), |long| format!("--{long}={value}"));
                    let line = words.iter().cloned().chain([given]);
                    let line = std::iter::once("tickrelay".to_owned()).chain(line);
                    let Err(Usage::Wrong(text)) = parse(line.map(OsString::from).collect()) else {
                        continue;
                    };
                    tried += 1;
                    for word in RUST {
                        assert!(!text.contains(word), "{words:?} {value}: {text}");
                    }
                    assert!(text.chars().count() < 2_000, "{words:?}: {text}");
                }
            }
        }
        assert!(tried > 300, "{tried}");
    }
}

//! `log.filter`: levels, and levels by module.
//!
//! The library takes any word for a module that is to be logged whole, so that a typo silences all
//! else. Here a word is a level or is refused, and so is a module that nothing logs by.

use tracing_subscriber::filter::Targets;

use super::value::nearest;
use crate::model::quoted;

/// The levels, the most silent first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// What our own modules begin with.
const OURS: &str = "tickrelay";
/// The file that names them.
const MODULES: &str = include_str!("../lib.rs");

/// Directives for the log, e.g. `info,tickrelay=debug`, without blanks around them.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let mut reaches_us = false;
    for directive in &directives {
        let (module, level) = match directive.split_once('=') {
            Some((module, level)) => (Some(module.trim()), level.trim()),
            None => (None, *directive),
        };
        check_level(level, module.is_some())?;
        if let Some(module) = module {
            check_module(module)?;
        }
        reaches_us |= module.is_none_or(|module| module.split("::").next() == Some(OURS));
    }
    if !reaches_us {
        return Err(format!(
            "{} logs nothing of tickrelay itself: begin with a level, as in \"info,{}\", or with \"off\"",
            quoted(text),
            directives.join(",")
        ));
    }
    let filter = directives.join(",").replace(' ', "");
    match filter.parse::<Targets>() {
        Ok(_) => Ok(filter),
        Err(_) => Err(format!(
            "{} is not a filter: write \"info\", or \"info,tickrelay=debug\"",
            quoted(text)
        )),
    }
}

fn check_level(level: &str, is_of_module: bool) -> Result<(), String> {
    if level.is_empty() {
        return Err(
            "has an empty part: remove the comma or the = too many, as in \"info,tickrelay=debug\""
                .to_owned(),
        );
    }
    // The library takes numbers too, and few users know which is which.
    if LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
        return Ok(());
    }
    let remedy = match nearest(level, LEVELS) {
        Some(meant) => format!("did you mean {meant}?"),
        None if !is_of_module && level.split("::").next() == Some(OURS) => {
            format!("write e.g. {level}=debug")
        }
        None => format!("write one of {}", LEVELS.join(", ")),
    };
    Err(format!("{} is no level: {remedy}", quoted(level)))
}

fn check_module(module: &str) -> Result<(), String> {
    let mut segments = module.split("::");
    let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if !segments
        .clone()
        .all(|segment| !segment.is_empty() && segment.chars().all(legal))
    {
        return Err(format!(
            "{} is no module: write e.g. tickrelay=debug or tickrelay::forward=debug",
            quoted(module)
        ));
    }
    let first = segments.next().unwrap_or_default();
    let second = segments.next();
    let meant = match (first == OURS, second) {
        (true, None) => None,
        (true, Some(second)) if modules().any(|module| module == second) => None,
        (true, Some(second)) => Some(match nearest(second, modules()) {
            Some(meant) => format!("did you mean {OURS}::{meant}?"),
            None => format!("write one of {}", modules().collect::<Vec<_>>().join(", ")),
        }),
        (false, _) if modules().any(|module| module == first) => {
            Some(format!("did you mean {OURS}::{first}?"))
        }
        // Other libraries log too, and there is no list of them all.
        (false, _) => nearest(first, [OURS]).map(|meant| format!("did you mean {meant}?")),
    };
    match meant {
        Some(remedy) => Err(format!("{} logs nothing: {remedy}", quoted(module))),
        None => Ok(()),
    }
}

/// Our modules, as the library's first file names them.
fn modules() -> impl Iterator<Item = &'static str> {
    MODULES
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_logs_is_taken() {
        for (text, filter) in [
            ("info", "info"),
            (" INFO ", "INFO"),
            ("off", "off"),
            ("info, tickrelay=debug", "info,tickrelay=debug"),
            ("warn,hyper=off", "warn,hyper=off"),
            (
                "tickrelay::forward::lanes=trace",
                "tickrelay::forward::lanes=trace",
            ),
        ] {
            assert_eq!(log_filter(text).as_deref(), Ok(filter), "{text:?}");
        }
    }

    #[test]
    fn a_filter_that_would_silence_the_log_is_refused() {
        for (text, remedy) in [
            ("infoo", "did you mean info?"),
            ("warn,", "remove the comma"),
            ("", "remove the comma"),
            (",", "remove the comma"),
            ("loud", "write one of off, error"),
            ("3", "write one of off, error"),
            ("true", "did you mean trace?"),
            ("tickrelay=5", "write one of off, error"),
            ("tickrelay", "write e.g. tickrelay=debug"),
            ("info,tickrelay=debgu", "did you mean debug?"),
            ("tickrelay=", "remove the comma"),
            ("tickrely=info", "did you mean tickrelay?"),
            ("info,forward=debug", "did you mean tickrelay::forward?"),
            (
                "info,tickrelay::forwad=debug",
                "did you mean tickrelay::forward?",
            ),
            ("hyper=debug", "logs nothing of tickrelay itself"),
            ("info;tickrelay=debug", "is no module"),
            ("[span]=info", "is no module"),
        ] {
            let refused = log_filter(text).expect_err(text);
            assert!(refused.contains(remedy), "{text:?}: {refused}");
        }
    }

    /// The control: the library alone takes these words, and nothing of ours would be logged.
    #[test]
    fn the_library_alone_takes_a_typo_for_a_module() {
        for text in ["infoo", "tickrely=info"] {
            let filter: Targets = text.parse().unwrap();
            assert!(!filter.would_enable(OURS, &tracing::Level::ERROR), "{text}");
        }
    }
}

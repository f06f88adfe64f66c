//! What a list is narrowed to: a source and an error that there are. One that nobody knows is refused
//! with the nearest, for an empty list would say that nothing was ever sent, or that nothing failed.

use crate::access::Caller;
use crate::catalogue;
use crate::model::{nearest, nearest_few, quoted};

/// The longest number that a code may be, in digits.
const DIGITS: usize = 18;
/// How many neighbours of a mistyped error are named.
const NEAREST: usize = 3;

/// The error that is meant, as the store has it. `is_stored` says whether some message failed so.
///
/// # Errors
/// When neither the catalogue nor the store knows it, or the catalogue knows several.
pub(crate) fn known_error(
    wanted: &str,
    is_stored: impl FnOnce(&str) -> bool,
) -> Result<String, String> {
    let text = wanted.trim();
    let (provider, code) = text.split_once(':').unwrap_or(("", text));
    let mut keys = catalogue::all()
        .iter()
        .filter_map(|entry| entry.key.split_once(':'));
    let is_code = is_number(code)
        && keys.any(|(of, known)| known == code && (provider.is_empty() || of == provider));
    if is_code || catalogue::find(text).is_some() {
        return Ok(text.to_owned());
    }
    // Signs do not count where words are compared, and -1 is no name of 1.
    let is_word = text.contains(|letter: char| letter.is_alphabetic());
    let called = if is_word {
        catalogue::called(text)
    } else {
        Vec::new()
    };
    match called.as_slice() {
        [entry] => return Ok(entry.key.clone()),
        [] => {}
        several => {
            let keys: Vec<&str> = several.iter().map(|entry| entry.key.as_str()).collect();
            return Err(format!(
                "error {} may be any of {}: write one of them",
                quoted(text),
                keys.join(", ")
            ));
        }
    }
    // What is no code can stand in no column of codes.
    let is_askable = !text.is_empty() && (is_word || is_number(code));
    if is_askable && is_stored(text) {
        return Ok(text.to_owned());
    }
    Err(no_such_error(text))
}

fn is_number(text: &str) -> bool {
    (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Nobody knows the error, with the nearest that the catalogue has.
pub(crate) fn no_such_error(wanted: &str) -> String {
    let names = catalogue::all().iter().flat_map(|entry| {
        let code = entry.key.rsplit(':').next().unwrap_or_default();
        [entry.key.as_str(), entry.name.as_str(), code]
    });
    let meant = nearest_few(wanted.trim(), names, NEAREST);
    let meant = match meant.split_last() {
        None => String::new(),
        Some((last, [])) => format!("did you mean {last}? "),
        Some((last, others)) => format!("did you mean {} or {last}? ", others.join(", ")),
    };
    format!(
        "no error is called {}, in the catalogue or in the store: {meant}write a code (131026), a key \
         (meta:131026) or a name that `tickrelay explain` and /api/v1/errors find",
        quoted(wanted),
    )
}

/// There is no such source, with the nearest one or all that the caller sees.
pub(crate) fn no_such_source(wanted: &str, seen: &[&str], caller: &Caller) -> String {
    let shown = quoted(wanted);
    if let Some(meant) = nearest(wanted, seen.iter().copied()) {
        return format!("no source is named {shown}: did you mean {meant}?");
    }
    let whose = if caller.sources.is_empty() {
        "the configuration has"
    } else {
        "this token sees"
    };
    let seen = if seen.is_empty() {
        "none".to_owned()
    } else {
        seen.join(", ")
    };
    format!("no source is named {shown}; {whose}: {seen}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_that_the_catalogue_or_the_store_knows() {
        let stored = |text: &str| ["infobip:NEW_WORD", "777777", "meta:777777"].contains(&text);
        for (wanted, key) in [
            ("131026", "131026"),
            (" 131026 ", "131026"),
            ("meta:131026", "meta:131026"),
            ("777777", "777777"),
            ("meta:777777", "meta:777777"),
            ("infobip:NEW_WORD", "infobip:NEW_WORD"),
            ("EC_INVALID_TEMPLATE_ARGS", "infobip:7008"),
        ] {
            assert_eq!(known_error(wanted, stored).as_deref(), Ok(key), "{wanted}");
        }
        for (wanted, remedy) in [
            (
                "EC_INVALID_TEMPLATE_ARG",
                "did you mean EC_INVALID_TEMPLATE_ARGS",
            ),
            ("999999999", "write a code"),
            ("13102", "131026"),
            ("1310260", "131026"),
            ("meta:13102", "meta:131026"),
            ("infobip:131026", "write a code"),
            ("131026.5", "write a code"),
            ("-1", "write a code"),
            ("", "write a code"),
            ("meta:", "write a code"),
            ("nobody:131026", "write a code"),
            ("9999999999999999999", "write a code"),
        ] {
            let refused = known_error(wanted, stored).expect_err(wanted);
            assert!(refused.contains(remedy), "{wanted}: {refused}");
        }
        let few = known_error("131099", stored).expect_err("131099");
        assert!(
            few.contains("did you mean 131009, 131049 or 131059?"),
            "{few}"
        );
    }
}

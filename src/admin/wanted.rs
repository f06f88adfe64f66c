//! Checks of a list's filters: the source and the error must exist. An unknown one is refused
//! with the nearest, for an empty list would say that nothing was ever sent, or that nothing failed.

use crate::access::Caller;
use crate::catalogue;
use crate::model::{
    ECHOED, digits, is_channel_name, is_phone_number, nearest, nearest_few, quoted,
};
use crate::providers::event_names;
use crate::store::Person;

/// The longest number that a code may be, in digits.
const DIGITS: usize = 18;
/// How many neighbours of a mistyped error are named.
const NEAREST: usize = 3;

/// The error that is meant, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeantError {
    /// The catalogue knows it.
    Known(String),
    /// It does not; a message may have failed with it all the same.
    Unlisted(String),
}

/// The error that is meant.
///
/// # Errors
/// When it can be none, or the catalogue knows several.
pub(crate) fn meant_error(wanted: &str) -> Result<MeantError, String> {
    let text = wanted.trim();
    let (provider, code) = text.split_once(':').unwrap_or(("", text));
    let mut keys = catalogue::all()
        .iter()
        .filter_map(|entry| entry.key.split_once(':'));
    let is_code = is_number(code)
        && keys.any(|(of, known)| known == code && (provider.is_empty() || of == provider));
    if is_code || catalogue::find(text).is_some() {
        return Ok(MeantError::Known(text.to_owned()));
    }
    // Signs do not count where words are compared, and -1 is no name of 1.
    let is_word = text.contains(|letter: char| letter.is_alphabetic());
    let called = if is_word {
        catalogue::called(text)
    } else {
        Vec::new()
    };
    match called.as_slice() {
        [entry] => return Ok(MeantError::Known(entry.key.clone())),
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
    if is_askable {
        Ok(MeantError::Unlisted(text.to_owned()))
    } else {
        Err(no_such_error(text))
    }
}

fn is_number(text: &str) -> bool {
    (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The refusal of an unknown error, with the nearest that the catalogue has.
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

/// Channels as the providers call them, and what lists take besides.
const CHANNELS: [&str; 17] = [
    "whatsapp",
    "sms",
    "mms",
    "viber",
    "viber_bm",
    "viber_bot",
    "rcs",
    "email",
    "voice",
    "push",
    "telegram",
    "messenger",
    "instagram",
    "line",
    "kakao",
    "unknown",
    "any",
];

/// Whether providers call a channel so, or a list takes it.
pub(crate) fn is_usual_channel(wanted: &str) -> bool {
    let mut channels = CHANNELS.iter();
    channels.any(|channel| channel.eq_ignore_ascii_case(wanted))
}

/// The refusal of an unknown channel, with the nearest.
pub(crate) fn no_such_channel(wanted: &str) -> String {
    let shown = quoted(wanted);
    match nearest(wanted, CHANNELS).filter(|_| is_channel_name(wanted)) {
        Some(meant) => format!("no message is of a channel {shown}: did you mean {meant}?"),
        None => format!(
            "no message is of a channel {shown}: write the provider's word, e.g. whatsapp, sms, \
             viber, rcs or email"
        ),
    }
}

/// Whether an account event is called so, by us or by a provider.
pub(crate) fn is_usual_event(wanted: &str) -> bool {
    event_names().any(|known| known.eq_ignore_ascii_case(wanted.trim()))
}

/// The refusal of an unknown account event, with the nearest.
pub(crate) fn no_such_event(wanted: &str) -> String {
    let shown = quoted(wanted);
    match nearest(wanted.trim(), event_names()) {
        Some(meant) if !wanted.trim().is_empty() => {
            format!("no account event is called {shown}: did you mean {meant}?")
        }
        _ => format!(
            "no account event is called {shown}: write our name, e.g. template.paused, or the \
             provider's word, e.g. PAUSED"
        ),
    }
}

/// Why no recipient can have that name; of a number only the form is checked.
///
/// What providers report is wider than what `erase` takes: e-mail addresses, ids of groups, numbers
/// without a country code.
pub(crate) fn no_recipient(wanted: &str) -> Option<String> {
    let text = wanted.trim();
    if text.contains(char::is_alphabetic) {
        let is_word = |letter: char| !letter.is_whitespace() && !letter.is_control();
        let is_id = text.contains(|letter: char| letter.is_ascii_digit() || letter == '@')
            && text.chars().all(is_word)
            && text.chars().count() <= ECHOED;
        return (!is_id).then(|| {
            format!(
                "{} is no number and no id of a person: write a phone number with its country code, as \
                 in +385990001122, or a user id, as in ES.1349001",
                quoted(wanted)
            )
        });
    }
    let why = Person::new(text).err()?;
    let is_sign = |letter: char| letter.is_ascii_digit() || " +-().".contains(letter);
    let is_number = text.chars().all(is_sign) && is_phone_number(&digits(text));
    (!is_number).then(|| {
        format!(
            "{} is no number: {why}; write one with its country code, as in +385990001122",
            quoted(wanted)
        )
    })
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
    fn of_a_recipient_only_the_form_is_checked() {
        for (wanted, is_form) in [
            ("+34 600-155-824", true),
            ("0034600155824", true),
            ("https://wa.me/34600155824", true),
            ("34600155824@c.us", true),
            ("+385 (0) 99 000 1122", true),
            ("0600155824", true),
            ("123456", true),
            ("ES.1", true),
            ("ES.1349001", true),
            ("120363000000000001@g.us", true),
            ("ana@example.com", true),
            ("", false),
            ("  ", false),
            ("+", false),
            ("12", false),
            ("12345", false),
            ("123456789012345678901", false),
            ("34600155824,34600019126", false),
            ("34600155824#12", false),
            ("abc", false),
            ("all of them", false),
            ("Ana 34600155824", false),
        ] {
            let refused = no_recipient(wanted);
            assert_eq!(refused.is_none(), is_form, "{wanted}: {refused:?}");
            assert!(refused.is_none_or(|it| it.contains("as in +385990001122")));
        }
        let long = no_recipient(&"x1".repeat(500)).expect("it is no id");
        assert!(long.chars().count() < 400, "{long}");
    }

    #[test]
    fn a_channel_or_an_event_that_is_mistyped_finds_its_neighbour() {
        for usual in ["whatsapp", "Viber_BM", "any", "unknown"] {
            assert!(is_usual_channel(usual), "{usual}");
        }
        for (wanted, remedy) in [
            ("whatsap", "did you mean whatsapp?"),
            ("vibr", "did you mean viber?"),
            ("carrier-pigeon", "e.g. whatsapp"),
            ("", "e.g. whatsapp"),
            ("a b", "e.g. whatsapp"),
        ] {
            assert!(!is_usual_channel(wanted), "{wanted}");
            let refused = no_such_channel(wanted);
            assert!(refused.contains(remedy), "{wanted}: {refused}");
        }
        for usual in [
            "template.paused",
            "PAUSED",
            "contact.opted_out",
            "channel.error",
        ] {
            assert!(is_usual_event(usual), "{usual}");
        }
        for (wanted, remedy) in [
            ("template.pausd", "did you mean template.paused?"),
            ("PAUSD", "did you mean paused?"),
            ("something else", "e.g. template.paused"),
            ("", "e.g. template.paused"),
        ] {
            assert!(!is_usual_event(wanted), "{wanted}");
            let refused = no_such_event(wanted);
            assert!(refused.contains(remedy), "{wanted}: {refused}");
        }
    }

    #[test]
    fn an_error_is_one_that_the_catalogue_knows_or_the_store_may() {
        for (wanted, key) in [
            ("131026", "131026"),
            (" 131026 ", "131026"),
            ("meta:131026", "meta:131026"),
            ("EC_INVALID_TEMPLATE_ARGS", "infobip:7008"),
        ] {
            let known = MeantError::Known(key.to_owned());
            assert_eq!(meant_error(wanted), Ok(known), "{wanted}");
        }
        for wanted in ["777777", "meta:777777", "infobip:NEW_WORD"] {
            let unlisted = MeantError::Unlisted(wanted.to_owned());
            assert_eq!(meant_error(wanted), Ok(unlisted), "{wanted}");
        }
        // As it is refused where the store does not know it either.
        let refused = |wanted: &str| match meant_error(wanted) {
            Ok(MeantError::Known(key)) => panic!("{wanted} is {key}"),
            Ok(MeantError::Unlisted(error)) => no_such_error(&error),
            Err(detail) => detail,
        };
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
            ("none:131026", "write a code"),
            ("9999999999999999999", "write a code"),
        ] {
            let refused = refused(wanted);
            assert!(refused.contains(remedy), "{wanted}: {refused}");
        }
        let few = refused("131099");
        assert!(
            few.contains("did you mean 131009, 131049 or 131059?"),
            "{few}"
        );
    }
}

//! A wrong value that a user gave: how an error repeats it, and what was probably meant.
//!
//! An error is read by people, so it repeats no more of a text than they need to find it, and
//! nothing that a terminal acts on.

use std::fmt;
use std::io;

/// The most characters of a text that an error repeats.
pub const ECHOED: usize = 200;

/// A given text as an error repeats it: in quotes, at most [`ECHOED`] characters, control
/// characters replaced.
#[must_use]
pub fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// See [`quoted`].
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Echoed(self.0))
    }
}

/// A given text as [`quoted`] has it, without the quotes.
#[derive(Debug, Clone, Copy)]
pub struct Echoed<'a>(pub &'a str);

impl fmt::Display for Echoed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        let is_long = letters.clone().nth(ECHOED).is_some();
        let shown = if is_long { ECHOED - 1 } else { ECHOED };
        for letter in letters.by_ref().take(shown) {
            let letter = if letter.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                letter
            };
            write!(f, "{letter}")?;
        }
        if is_long { f.write_str("…") } else { Ok(()) }
    }
}

/// A message with every word in it cut that is longer than an error may repeat: a path, a name or an
/// id from a user.
#[must_use]
pub fn bounded(message: &str) -> String {
    let cut = |word: &str| {
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        if core.chars().count() <= ECHOED {
            return word.to_owned();
        }
        word.replacen(core, &Echoed(core).to_string(), 1)
    };
    let words = message.split_inclusive(char::is_whitespace);
    words.map(cut).collect()
}

/// Why the operating system refused, without the number that programmers look up.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    plain(&error.to_string())
}

/// One line without characters that a terminal acts on.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' | '\r' => ' ',
            letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
            letter => letter,
        })
        .collect()
}

/// A text of several lines as it is, but for characters that a terminal acts on.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
            letter => letter,
        })
        .collect()
}

/// A text without the numbers of the operating system's errors in it, and without the names of
/// temporary files, which no user gave.
#[must_use]
pub fn plain(text: &str) -> String {
    const TEMPORARY: &str = " at path \"";
    if let Some((before, behind)) = text.split_once(TEMPORARY)
        && let Some((_, behind)) = behind.split_once('"')
    {
        return plain(&format!("{before}{behind}"));
    }
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some((before, behind)) = rest.split_once(" (os error ") {
        let number = behind.find(|letter: char| !letter.is_ascii_digit() && letter != '-');
        plain.push_str(before);
        match number {
            Some(end) if behind[end..].starts_with(')') => rest = &behind[end + 1..],
            _ => {
                plain.push_str(" (os error ");
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The candidate that a mistyped word was most likely meant to be.
#[must_use]
pub fn nearest<'k>(word: &str, candidates: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    nearest_few(word, candidates, 1).pop()
}

/// The candidates that a mistyped word was most likely meant to be, `most` of them, the likeliest
/// first.
#[must_use]
pub fn nearest_few<'k>(
    word: &str,
    candidates: impl IntoIterator<Item = &'k str>,
    most: usize,
) -> Vec<&'k str> {
    let cut: String = word.chars().take(ECHOED).collect();
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(&cut, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(2))
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    let mut few: Vec<&str> = Vec::new();
    for (_, candidate) in near {
        if few.len() < most && !few.contains(&candidate) {
            few.push(candidate);
        }
    }
    few
}

/// How many characters must be added, removed or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in other.chars().enumerate() {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(&b));
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_two_hundred_characters_at_most() {
        for (text, shown) in [
            ("", "\"\"".to_owned()),
            ("a", "\"a\"".to_owned()),
            ("a\u{1b}[2J\n", "\"a\u{FFFD}[2J\u{FFFD}\"".to_owned()),
            (&"ä".repeat(200), format!("\"{}\"", "ä".repeat(200))),
            (&"ä".repeat(201), format!("\"{}…\"", "ä".repeat(199))),
        ] {
            assert_eq!(quoted(text).to_string(), shown);
        }
    }

    #[test]
    fn a_message_holds_no_word_that_is_longer_than_an_error_repeats() {
        let long = "ä".repeat(500);
        for (message, shown) in [
            ("cannot read a: b".to_owned(), "cannot read a: b".to_owned()),
            (
                format!("cannot read \"{long}\": it\nis long"),
                format!("cannot read \"{}…\": it\nis long", "ä".repeat(199)),
            ),
            // What was cut before stays as it is.
            (
                format!("{}: no", quoted(&long)),
                format!("\"{}…\": no", "ä".repeat(199)),
            ),
        ] {
            assert_eq!(bounded(&message), shown);
        }
    }

    #[test]
    fn an_error_of_the_system_is_reported_without_its_number() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "No such file or directory");
        let text = "cannot read a: b (os error 13): c (os error x)";
        assert_eq!(plain(text), "cannot read a: b: c (os error x)");
        let text = "cannot write a: denied (os error 13) at path \"/x/.tmpAb1\"";
        assert_eq!(plain(text), "cannot write a: denied");
    }

    #[test]
    fn a_mistyped_word_finds_its_neighbour() {
        let words = ["listen", "workers", "body_limit", "shutdown_grace"];
        for (typed, meant) in [
            ("lisen", Some("listen")),
            ("Workers", Some("workers")),
            ("body-limit", Some("body_limit")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
    }
}

//! How the demo is written: 100 columns, colours on a terminal alone.

use std::io::{self, Write};

use crate::model::clean;

/// The width of a line.
const COLUMNS: usize = 100;

/// How a text stands out, where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        }
    }
}

/// Where the demo writes.
pub(crate) struct Transcript<'a> {
    out: &'a mut dyn Write,
    colours: bool,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, colours: bool) -> Self {
        Self { out, colours }
    }

    /// One line, each part in its ink; nothing is wrapped.
    pub(super) fn line(&mut self, parts: &[(Ink, &str)]) -> io::Result<()> {
        for (ink, text) in parts {
            // What a provider wrote must not command the terminal.
            let text = clean(text);
            if self.colours && *ink != Ink::Plain {
                write!(self.out, "\u{1b}[{}m{text}\u{1b}[0m", ink.code())?;
            } else {
                self.out.write_all(text.as_bytes())?;
            }
        }
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// One line as it stands.
    pub(super) fn plain(&mut self, text: &str) -> io::Result<()> {
        self.line(&[(Ink::Plain, text)])
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        self.plain("")
    }

    /// A text over as many lines as it takes, each after `indent` blanks.
    pub(super) fn text(&mut self, ink: Ink, indent: usize, text: &str) -> io::Result<()> {
        let blanks = " ".repeat(indent);
        for line in wrap(text, COLUMNS - indent) {
            self.line(&[(Ink::Plain, &blanks), (ink, &line)])?;
        }
        Ok(())
    }

    /// A sentence and what came of it: on one line where that has room, else below it.
    pub(super) fn pair(&mut self, sentence: &str, what: &str) -> io::Result<()> {
        let what = format!("→ {what}");
        if 2 + width(sentence) + 1 + width(&what) <= COLUMNS {
            let sentence = format!("  {sentence} ");
            return self.line(&[(Ink::Plain, &sentence), (Ink::Dim, &what)]);
        }
        self.text(Ink::Plain, 2, sentence)?;
        self.text(Ink::Dim, 6, &what)
    }
}

/// `text`, cut to `columns` and marked when it is longer.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    text.chars()
        .take(columns.saturating_sub(1))
        .chain(['…'])
        .collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks at blanks and after commas; a word that is longer than a line has one of its own.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive([' ', ',']) {
        if !line.is_empty() && width(&line) + width(word.trim_end()) > columns {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_blanks_and_commas() {
        let cases: [(&str, usize, &[&str]); 5] = [
            ("one two three", 7, &["one two", "three"]),
            (r#"{"a":1,"b":2}"#, 8, &[r#"{"a":1,"#, r#""b":2}"#]),
            ("unbreakable", 4, &["unbreakable"]),
            ("äöü äöü", 7, &["äöü äöü"]),
            ("", 5, &[""]),
        ];
        for (text, columns, expected) in cases {
            assert_eq!(wrap(text, columns), expected, "{text}");
        }
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        for (colours, expected) in [(false, "a b\n"), (true, "a \u{1b}[31mb\u{1b}[0m\n")] {
            let mut out = Vec::new();
            Transcript::new(&mut out, colours)
                .line(&[(Ink::Plain, "a "), (Ink::Red, "b")])
                .unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}

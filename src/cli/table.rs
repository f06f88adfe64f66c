//! Text for a terminal of a hundred columns: tables, labelled facts, wrapped prose.
//!
//! What providers and subscribers wrote goes through [`clean`] first, since a terminal acts on
//! control characters.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

pub(super) use crate::model::{clean, visible};

/// Prose is wrapped here; rows of tables are not, so that ids can be copied and lines grepped.
const WIDTH: usize = 100;

/// Columns whose cells are copied or looked for: they are whole everywhere.
const WHOLE: [&str; 9] = [
    "ID",
    "MESSAGE",
    "FORWARD",
    "BROADCAST",
    "NAME",
    "KEY",
    "RECIPIENT",
    "CALLBACK URL",
    "WEBHOOK",
];
/// A cell is cut to no fewer letters.
const LEAST: usize = 10;

/// A table: a line of headings, then the rows. Where a terminal has `width` columns, the longest
/// cells are cut until the rows fit; where there is none, nothing is.
pub(super) fn table(
    headings: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<usize>,
) -> String {
    let mut rows: Vec<Vec<String>> = rows.into_iter().collect();
    if let Some(width) = width {
        fit(headings, &mut rows, width);
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings.iter().copied());
    for row in &rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Cuts the widest column that may be cut, letter by letter, until all fit.
fn fit(headings: &[&str], rows: &mut [Vec<String>], width: usize) {
    let letters = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = headings.iter().map(|heading| letters(heading)).collect();
    let least: Vec<usize> = widths.iter().map(|width| (*width).max(LEAST)).collect();
    for row in rows.iter() {
        for (column, cell) in row.iter().enumerate() {
            if let Some(widest) = widths.get_mut(column) {
                *widest = (*widest).max(letters(cell));
            }
        }
    }
    let gaps = 2 * headings.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let widest = widths
            .iter_mut()
            .zip(headings)
            .zip(&least)
            .filter(|((width, heading), least)| **width > **least && !WHOLE.contains(heading))
            .max_by_key(|((width, _), _)| **width);
        let Some(((widest, _), _)) = widest else {
            break;
        };
        *widest -= 1;
    }
    for row in rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            *cell = shorten(cell, *width);
        }
    }
}

/// Facts, one a line, their labels in a column; those without a value are left out.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let facts: Vec<(&str, String)> = facts
        .into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
        .collect();
    let width = facts.iter().map(|(label, _)| label.chars().count()).max();
    let width = width.unwrap_or(0) + 2;
    let mut text = String::new();
    for (label, value) in facts {
        let lines = wrap(&clean(&value), WIDTH - width);
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", format!("{label:<width$}{line}").trim_end());
        }
    }
    text
}

/// Prose in paragraphs, indented by so many blanks.
pub(super) fn prose(text: &str, indent: usize) -> String {
    let mut prose = String::new();
    for paragraph in text.split("\n\n") {
        if !prose.is_empty() {
            prose.push('\n');
        }
        for line in wrap(&clean(paragraph), WIDTH - indent) {
            let _ = writeln!(prose, "{:indent$}{line}", "");
        }
    }
    prose
}

/// A line of a list, indented by so many blanks; what does not fit hangs two blanks deeper.
pub(super) fn item(text: &str, indent: usize) -> String {
    let mut item = String::new();
    for (number, line) in wrap(&clean(text), WIDTH - indent - 2).iter().enumerate() {
        let indent = indent + if number == 0 { 0 } else { 2 };
        let _ = writeln!(item, "{:indent$}{line}", "");
    }
    item
}

/// The text cut to a number of letters.
pub(super) fn shorten(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Breaks at blanks; a word longer than a line stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += letters;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_ends_its_lines_where_they_end() {
        let rows = vec![
            vec!["1".to_owned(), "a".to_owned()],
            vec!["22".to_owned(), "\u{1b}[2Jb".to_owned()],
        ];
        assert_eq!(
            table(&["ID", "NAME"], rows, None),
            "ID  NAME\n1   a\n22  \u{FFFD}[2Jb\n"
        );
    }

    #[test]
    fn a_terminal_gets_what_fits_and_a_pipe_gets_all() {
        let rows = || {
            vec![
                vec!["wamid.1".to_owned(), "s".repeat(40), "t".repeat(60)],
                vec!["wamid.2".to_owned(), "a".to_owned(), "b".to_owned()],
            ]
        };
        let headings = ["ID", "SOURCE", "DETAIL"];
        let whole = table(&headings, rows(), None);
        assert!(whole.contains(&"t".repeat(60)) && whole.contains(&"s".repeat(40)));
        for width in [60, 80, 100] {
            let cut = table(&headings, rows(), Some(width));
            assert!(
                cut.lines().all(|line| line.chars().count() <= width),
                "{cut}"
            );
            assert!(cut.contains("wamid.1") && cut.contains('…'), "{cut}");
        }
        assert_eq!(table(&headings, rows(), Some(200)), whole);
        // An id is of no use when it is cut.
        let id = vec![vec!["i".repeat(90), "a".to_owned(), "b".to_owned()]];
        assert!(table(&headings, id, Some(40)).contains(&"i".repeat(90)));
    }

    #[test]
    fn facts_stand_under_each_other() {
        let long = "word ".repeat(30);
        let text = facts([
            ("To", Some("me".to_owned())),
            ("Gone", None),
            ("Text", Some(long)),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "To    me");
        assert!(lines[1].starts_with("Text  word word"), "{text}");
        assert!(lines[2].starts_with("      word"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
    }
}

//! The example file: every setting with its meaning, its default and what may be written.

use std::fmt::Write as _;

use super::Config;

const HEAD: &str = r#"# Every setting of tickrelay with its default. Nothing has to be written: an empty file means the
# same. A setting without a default, and the sources, stand behind a # without a blank.
#
# The environment is stronger than this file, and a flag is stronger than both. A variable is
# TICKRELAY_, the section and the key: TICKRELAY_STORE_URL, TICKRELAY_FORWARD_TIMEOUT; SERVER_ may be
# left out, and lists have commas. A variable of that prefix that no setting has is refused. A setting
# without a flag of its own is given as --set forward.timeout=20s.
# `tickrelay config show` prints the value of each setting and where it is set.
#
# Times are "500ms", "15s", "5m", "2h" or "7d". Sizes are bytes or "64KiB", "16MiB", "1GiB". Paths in
# this file are relative to its folder (of a link, the folder where the link is); those of the
# environment and of flags are relative to the current folder.
"#;

/// The sources, one for each way to authenticate.
pub(super) const SOURCES: &str = include_str!("sources.toml");

/// Every key with its default and a comment: `config.example.toml`.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    for section in Config::default().sections() {
        text.push('\n');
        comment(&mut text, section.meaning);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "[{}]", section.path);
        for row in section.rows {
            comment(&mut text, row.meaning);
            let (key, about) = (row.key(), &row.about);
            let _ = match (&row.value, row.example) {
                (Some(value), _) => writeln!(text, "{key} = {value}  # {about}"),
                (None, example) => {
                    let example = example.unwrap_or_default();
                    writeln!(text, "#{key} = {example}  # {about}")
                }
            };
        }
    }
    format!("{text}\n{SOURCES}")
}

fn comment(text: &mut String, meaning: &str) {
    for line in meaning.lines() {
        let _ = writeln!(text, "#{line}");
    }
}

//! The documents that are written from the rows: the example and the reference.
//!
//! `UPDATE_DOCS=1 cargo test --lib config::` writes them.

use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use super::super::example::SOURCES;
use super::super::setting::SettingRow;
use super::super::{Config, PullSettings, example, variables};

const HEAD: &str = "\
# Configuration

Every setting, with its default. An empty file means the same as no file. `tickrelay config check` finds
mistakes, `tickrelay config show` prints the value of each setting and where it is set, and
`tickrelay config example` prints [config.example.toml](../config.example.toml).

- A flag is stronger than a variable, a variable is stronger than the file. A setting without a flag of
  its own is given as `--set forward.timeout=20s`. Lists have commas in flags and variables.
- Times are `500ms`, `15s`, `5m`, `2h` or `7d`. Sizes are bytes or `64KiB`, `16MiB`, `1GiB`.
- Paths in the file are relative to its folder, those of variables and flags to the current folder.
- A key, a variable `TICKRELAY_…` and a flag that no setting has are refused, with the nearest name.
- SIGHUP reads the file again. It applies what is marked here, and the secrets that prove webhooks; the
  log names what needs a restart, such as the `authorization` of a polled source.

This page is written from `src/config/settings.rs`: `UPDATE_DOCS=1 cargo test --lib config::`.
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for section in Config::default().sections() {
        let _ = writeln!(text, "\n## `[{}]`\n", section.path);
        paragraph(&mut text, section.meaning);
        for row in section.rows {
            let variables = variables(row.path).map(|name| format!("`{name}`"));
            let variables = variables.collect::<Vec<_>>().join(" or ");
            setting(
                &mut text,
                row.path,
                &row,
                Some(format!("Variable: {variables}")),
            );
        }
    }
    text += "\n## Sources\n\nOnly the file has sources.\n\n```toml\n";
    text += SOURCES;
    text += "```\n\n## Pulled sources\n\n";
    text += "A source that sends nothing is polled. Its `[[source]]` has these keys besides.\n";
    for row in PullSettings::all_rows() {
        setting(&mut text, row.key(), &row, None);
    }
    text
}

fn paragraph(text: &mut String, meaning: &str) {
    for line in meaning.lines() {
        let _ = writeln!(text, "{}", line.trim());
    }
}

/// A heading, the meaning and the facts of one setting.
fn setting(text: &mut String, name: &str, row: &SettingRow, variable: Option<String>) {
    let _ = writeln!(text, "\n### `{name}`\n");
    paragraph(text, row.meaning);
    let default = match &row.value {
        None => "none".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "none; it must be given".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    let example = row.example.map(|example| format!("Example: `{example}`"));
    let flag = row.flag;
    let flag = flag.map(|(name, value)| format!("Flag: `--{name} {value}`"));
    let _ = writeln!(text, "\n- Default: {default}\n- Value: {}", row.about);
    for fact in [example, variable, flag].into_iter().flatten() {
        let _ = writeln!(text, "- {fact}");
    }
    if row.reloaded.is_some() {
        let _ = writeln!(text, "- Applied by SIGHUP");
    }
}

#[test]
fn the_example_and_the_reference_are_the_rows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in [
        ("config.example.toml", example()),
        ("docs/configuration.md", reference()),
    ] {
        let path = root.join(name);
        if update() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "{name} is not what the rows say: UPDATE_DOCS=1 cargo test --lib config::"
        );
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a switch to write, not a decision"
)]
fn update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

//! The documents that are written from the rows: the example and the reference.
//!
//! `UPDATE_DOCS=1 cargo test --lib config::` writes them.

use std::fmt::Write as _;
use std::path::Path;

use super::super::example::SOURCES;
use super::super::setting::SettingRow;
use super::super::{Config, example, variables};

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
- SIGHUP reads the file again. It applies what is marked here, and the secrets of sources; the log
  names what needs a restart.

This page is written from `src/config/settings.rs`: `UPDATE_DOCS=1 cargo test --lib config::`.
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for section in Config::default().sections() {
        let _ = writeln!(text, "\n## `[{}]`\n", section.path);
        paragraph(&mut text, section.meaning);
        for row in section.rows {
            let _ = writeln!(text, "\n### `{}`\n", row.path);
            paragraph(&mut text, row.meaning);
            let _ = writeln!(text, "\n{}", facts(&row));
        }
    }
    let _ = write!(
        text,
        "\n## Sources\n\nOnly the file has sources.\n\n```toml\n{SOURCES}```\n"
    );
    text
}

fn paragraph(text: &mut String, meaning: &str) {
    for line in meaning.lines() {
        let _ = writeln!(text, "{}", line.trim());
    }
}

fn facts(row: &SettingRow) -> String {
    let default = row.value.as_ref().map(|value| format!("`{value}`"));
    let variables = variables(row.path).map(|name| format!("`{name}`"));
    let mut facts = vec![
        format!("Default: {}", default.unwrap_or_else(|| "none".to_owned())),
        format!("Value: {}", row.about),
        format!("Variable: {}", variables.collect::<Vec<_>>().join(" or ")),
    ];
    if let Some(example) = row.example {
        facts.insert(2, format!("Example: `{example}`"));
    }
    if let Some((name, value)) = row.flag {
        facts.push(format!("Flag: `--{name} {value}`"));
    }
    if row.is_reloaded {
        facts.push("Applied by SIGHUP".to_owned());
    }
    let facts: Vec<String> = facts.iter().map(|fact| format!("- {fact}")).collect();
    facts.join("\n")
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

#[allow(clippy::disallowed_methods, reason = "asks to write, not to decide")]
fn update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

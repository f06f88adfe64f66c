//! The documents that are written from the rows: the example and the reference.
//!
//! `UPDATE_DOCS=1 cargo test --lib config::` writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use super::super::example::SOURCES;
use super::super::setting::SettingRow;
use super::super::{Config, PullSettings, example, variables};
use crate::providers::Provider;

const HEAD: &str = "\
# Configuration

Every setting, with its default. An empty file means the same as no file. `tickrelay config check` finds
mistakes, `tickrelay config show` prints the value of each setting and where it is set, and
`tickrelay config example` prints `config.example.toml`.

- A flag is stronger than a variable, a variable is stronger than the file. A setting without a flag of
  its own is given as `--set forward.timeout=20s`. Lists have commas in flags and variables.
- Times are `500ms`, `15s`, `5m`, `2h` or `7d`. Sizes are bytes or `64KiB`, `16MiB`, `1GiB`.
- Paths in the file are relative to its folder, those of variables and flags to the current folder.
- A key, a variable `TICKRELAY_…` and a flag that no setting has are refused, with the nearest name.
- SIGHUP reads the file again. It applies what is marked here, and the secrets that prove webhooks; the
  log names what needs a restart, such as the `authorization` of a polled source.

This page is written from `src/config/settings.rs`: `UPDATE_DOCS=1 cargo test --lib config::`.
";

/// The keys of a `[[source]]` that have no row: what is written, and what holds without it.
#[rustfmt::skip]
const SOURCE_KEYS: [(&str, &str, &str); 12] = [
    ("name", "1 to 64 of `a-z`, `0-9` and `-`; it makes the URL `/webhooks/{name}`", "it must be given"),
    ("provider", PROVIDERS, "it must be given"),
    ("header", "`{ name, value }`: a header that each webhook has", "not checked"),
    ("basic_auth", "`{ username, password }` that each webhook has", "not checked"),
    ("hmac", "`{ header, algorithm, encoding, secret }`: a signature over the body; `secrets`, `prefix` and `timestamp_header` besides", "not checked"),
    ("url_token", "a secret last segment of the URL", "not checked"),
    ("verify_token", "what a provider presents that checks the URL by a GET; `verify_tokens` for several", "the GET is refused"),
    ("unauthenticated", "`true`: any client with the URL is believed", "a proof must be given"),
    ("default_type", "`Template-Message` or `Regular-Message`: the type of a message when no report shows it", "`Template-Message`"),
    ("sender", "the business's phone number when no report names it", "none"),
    ("senders", "a list of more phone numbers of the business", "none"),
    ("owners", "a list of owners whose tokens register its messages and poll its broadcasts", "only tokens without an owner"),
];

/// Stands for the words of all providers.
const PROVIDERS: &str = "PROVIDERS";

/// The providers that sign by a scheme of their own, with the settings of their secrets.
fn own_signatures() -> impl Iterator<Item = (Provider, [&'static str; 2])> {
    Provider::ALL.into_iter().filter_map(|provider| {
        let own = provider.definition().credentials.signature.as_ref()?;
        Some((provider, own.settings))
    })
}

/// The table of [`SOURCE_KEYS`] and of the providers' own.
fn source_keys(text: &mut String) {
    let providers = Provider::ALL.map(|provider| format!("`{provider}`"));
    let providers = providers.join(", ");
    text.push_str("| key | value | without it |\n|---|---|---|\n");
    for (key, value, without) in SOURCE_KEYS {
        let value = value.replace(PROVIDERS, &providers);
        let _ = writeln!(text, "| `{key}` | {value} | {without} |");
    }
    for (provider, [one, several]) in own_signatures() {
        let _ = writeln!(
            text,
            "| `{several}` | secrets that `{provider}` signs with; `{one}` for one | not checked |"
        );
    }
}

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
    text += "\n## Sources\n\nOnly the file has sources. ";
    text += "A webhook must meet every proof that is given.\n\n";
    source_keys(&mut text);
    text += "\n```toml\n";
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

#[test]
fn the_reference_has_the_keys_of_the_sources_in_the_example() {
    let mut shown = BTreeSet::new();
    let mut is_inner = false;
    // A sentence has a blank in what looks like its key.
    for line in SOURCES.lines().filter_map(|line| line.strip_prefix('#')) {
        if let Some(inner) = line.strip_prefix("[source.") {
            shown.insert(inner.trim_end_matches(']'));
            is_inner = true;
        } else if line == "[[source]]" {
            is_inner = false;
        } else if let Some((key, _)) = line.split_once(" = ")
            && !is_inner
            && !key.contains(' ')
        {
            shown.insert(key);
        }
    }
    let listed = SOURCE_KEYS.into_iter().map(|(key, _, _)| key);
    let own = own_signatures().map(|(_, [_, several])| several);
    let pulled = PullSettings::all_rows().map(|row| row.key());
    let known: BTreeSet<&str> = listed.chain(own).chain(pulled).collect();
    assert_eq!(shown, known);
}

#[allow(
    clippy::disallowed_methods,
    reason = "a switch to write, not a decision"
)]
fn update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

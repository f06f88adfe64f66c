//! `docs/reliability.md`: each promise of `docs/promises.md`, the fault that attacks it, the test, its
//! control, the last long run. Rendered from `docs/reliability.toml`, which is checked against
//! that page and the tests; `UPDATE_DOCS=1` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The chapters, or parts of one, whose every test must be named in the data.
const CHAPTERS: [&str; 8] = [
    "api::once",
    "crash",
    "faults",
    "isolation",
    "outage",
    "power",
    "spilled",
    "strict",
];

/// Begins the name of a test, in a chapter or not, that kills the service: it is one of a fault's.
const KILLS: &str = "a_kill_";

const INTRODUCTION: &str = "\
# Promises and the faults that attack them

Each [promise](promises.md), the faults that attack it, the tests that make the faults happen, and for each a control: a test,
or a condition in it, that fails when the fault did not happen or when harm goes unseen.

`cargo test` runs every test in its short form: on the true binary where it is killed, or its disk,
its memory or its connections are attacked; else on the true server in the test's process, by a
clock that the test moves or by the system's, and the order of reports on the store alone. A long
form is a command of its own; what its last run brought, and on what build, stands with it. This file is rendered from [reliability.toml](reliability.toml), and
`cargo test --test it reliability::` fails when it, the promises or a test's name has moved on.
`UPDATE_DOCS=1` before that command writes it again.

In every case is expected: no webhook is answered 200 that is not stored, the process ends only
where that is said here, it holds at most 256 MiB, and what can recover does so without hands.

## What the power-loss harness proves, and what it does not

A library beneath the true binary writes down each write, each sync and each answer in one order.
From that record the files are built as they may be found after the power went at any point: what
a sync covered is there; of the rest, writes are lost, kept out of order, or torn at sectors of
512 bytes. Each time the store must open, be intact, and hold every webhook that was answered.

It proves that the service asks for every sync that its answers rely on, of the right file and
before the answer, and that it recovers from whatever the lack of a sync allows.

It does not prove that the disk does what a sync asks: one that lies about its cache loses what it
likes, as a control shows. Nor that a sector is written whole or not at all, that what a disk holds
stays readable, or that the file system keeps its own promises: names change in the order in which
they were changed, as on ext4, XFS and Btrfs. No plug was pulled.

`kill -9` proves less about the disk and more about the process: the order of commit, answer, send
and settlement. What was written survives a kill in the system's cache.
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    results: BTreeMap<String, LongRun>,
    promise: Vec<Promise>,
    fault: Vec<Fault>,
}

/// A promise in the words of `docs/promises.md`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    id: String,
    quote: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    id: String,
    what: String,
    attacks: Vec<String>,
    tests: Vec<String>,
    controls: Vec<String>,
    /// A control that is no test of its own, in words.
    control: Option<String>,
    /// Those words are about a condition in the fault's own tests, which is control enough: it
    /// fails when the fault did not happen or harm goes unseen.
    #[serde(default)]
    in_test: bool,
    short: String,
    long: Option<String>,
    command: Option<String>,
}

/// What the last long run brought.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongRun {
    date: String,
    did: String,
    outcome: String,
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn data() -> Data {
    toml::from_str(&file("docs/reliability.toml")).unwrap()
}

/// Every test under `tests/it`, as `chapter::part::name`.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let (mut folders, mut tests) = (vec![root.clone()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.strip_prefix(&root).unwrap().with_extension("");
                let module = module.to_str().unwrap().replace('/', "::");
                let names = names(&fs::read_to_string(&path).unwrap());
                tests.extend(names.iter().map(|name| format!("{module}::{name}")));
            }
        }
    }
    tests
}

/// The functions of a file that have an attribute of a test before them.
fn names(text: &str) -> Vec<String> {
    let mut is_test = false;
    let name = move |line: &str| {
        let line = line.trim_start();
        if line.starts_with("#[test]") || line.starts_with("#[") && line.contains("::test") {
            is_test = true;
        }
        let (_, rest) = line.split_once("fn ").filter(|_| is_test)?;
        is_test = false;
        let (name, _) = rest.split_once('(')?;
        Some(name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// Whether a test or a part of a chapter is that one or stands in it.
fn is_within(name: &str, outer: &str) -> bool {
    let rest = name.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// On one line, as a reader sees it.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The rows of the table of promises: the promise, and where its proof is.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let rows = page.lines().filter_map(|line| {
        let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
        row.split_once(" | ")
    });
    // The first one is the head.
    rows.skip(1).collect()
}

/// Fails with everything at once.
#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_promise_stands_on_its_page_and_is_attacked() {
    let (data, page) = (data(), file("docs/promises.md"));
    let mut faults = Vec::new();
    for Promise { id, quote } in &data.promise {
        if !flowing(&page).contains(quote.as_str()) {
            faults.push(format!("{id}: docs/promises.md does not say {quote:?}"));
        }
        if !data.fault.iter().any(|fault| fault.attacks.contains(id)) {
            faults.push(format!("{id}: nothing attacks it"));
        }
    }
    let rows = rows(&page);
    assert!(rows.len() >= 12, "{} promises on the page", rows.len());
    for (promise, _) in rows {
        if !data.promise.iter().any(|known| known.quote == promise) {
            faults.push(format!("docs/reliability.toml lacks {promise:?}"));
        }
    }
    none(&faults);
}

#[test]
fn each_proof_that_the_page_names_is_of_a_fault_that_attacks_the_promise() {
    let (page, data) = (file("docs/promises.md"), data());
    let mut faults = Vec::new();
    for (quote, proof) in rows(&page) {
        let Some(promise) = data.promise.iter().find(|promise| promise.quote == quote) else {
            continue;
        };
        let attackers = data
            .fault
            .iter()
            .filter(|fault| fault.attacks.contains(&promise.id));
        let tests: Vec<&String> = attackers.flat_map(|fault| &fault.tests).collect();
        // What stands in backquotes is a test, or a chapter.
        for name in proof.split('`').skip(1).step_by(2) {
            if !tests.iter().any(|test| is_within(test, name)) {
                faults.push(format!("{quote:?}: no fault has {name}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn each_fault_has_tests_a_control_and_a_command_that_exist() {
    let (data, tests) = (data(), tests());
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for fault in &data.fault {
        let id = &fault.id;
        let mut wrong = |what: String| faults.push(format!("{id}: {what}"));
        if !ids.insert(id) {
            wrong("is there twice".to_owned());
        }
        for name in fault.tests.iter().chain(&fault.controls) {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            if !tests.contains(name) && !target.is_file() {
                wrong(format!("there is no {name}"));
            }
        }
        for attacked in &fault.attacks {
            if !data.promise.iter().any(|promise| promise.id == *attacked) {
                wrong(format!("there is no promise {attacked}"));
            }
        }
        if fault.tests.is_empty() {
            wrong("lacks a test".to_owned());
        }
        if fault.long.is_some() != fault.command.is_some() {
            wrong("a long form is a command".to_owned());
        }
        let chapter = |command: &str| {
            command
                .split(' ')
                .find(|word| word.contains("::"))
                .map(str::to_owned)
        };
        if let Some(chapter) = fault.command.as_deref().and_then(chapter)
            && !fault.tests.iter().any(|test| test.starts_with(&chapter))
        {
            wrong(format!(
                "its command runs {chapter}, which is none of its tests"
            ));
        }
    }
    none(&faults);
}

#[test]
fn each_fault_has_a_control_that_is_none_of_its_own_tests() {
    let (data, tests) = (data(), tests());
    let mut faults = Vec::new();
    for fault in &data.fault {
        let id = &fault.id;
        for own in &fault.controls {
            if fault.tests.contains(own) {
                faults.push(format!("{id}: {own} is its test and its control"));
            }
        }
        let is_a_test = fault.controls.iter().any(|control| tests.contains(control));
        let is_in_test = fault.in_test && fault.control.is_some();
        if !is_a_test && !is_in_test {
            faults.push(format!("{id}: no control is a test, or stands in its own"));
        }
    }
    none(&faults);
}

#[test]
fn each_result_is_of_a_long_form() {
    let data = data();
    let mut faults = Vec::new();
    for id in data.results.keys() {
        let long = data.fault.iter().find(|fault| fault.id == *id);
        if long.is_none_or(|fault| fault.long.is_none()) {
            faults.push(format!("there is no long form of {id}"));
        }
    }
    none(&faults);
}

#[test]
fn each_test_of_a_fault_is_named() {
    let data = data();
    let named: BTreeSet<&String> = data
        .fault
        .iter()
        .flat_map(|fault| fault.tests.iter().chain(&fault.controls))
        .collect();
    let of_faults = |test: &String| {
        let (chapter, name) = test.rsplit_once("::").unwrap();
        name.starts_with(KILLS) || CHAPTERS.iter().any(|known| is_within(chapter, known))
    };
    let orphans: Vec<String> = tests()
        .into_iter()
        .filter(|test| of_faults(test) && !named.contains(test))
        .collect();
    none(&orphans);
}

#[test]
fn the_document_says_what_the_data_says() {
    let rendered = render(&data());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    #[allow(
        clippy::disallowed_methods,
        reason = "asks for a document to be written, as for fixtures"
    )]
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(&path, &rendered).unwrap();
    }
    assert!(
        file("docs/reliability.md") == rendered,
        "docs/reliability.md is not what docs/reliability.toml says: \
         UPDATE_DOCS=1 cargo test --test it reliability:: writes it"
    );
}

fn render(data: &Data) -> String {
    let mut text = format!(
        "<!-- Rendered from reliability.toml; UPDATE_DOCS=1 cargo test --test it reliability:: -->\n\n\
         {INTRODUCTION}\n## Promises\n\n| promise | in words | attacked by |\n|---|---|---|\n"
    );
    for Promise { id, quote } in &data.promise {
        let attackers: Vec<String> = data
            .fault
            .iter()
            .filter(|fault| fault.attacks.contains(id))
            .map(|fault| format!("[{0}](#{0})", fault.id))
            .collect();
        writeln!(text, "| `{id}` | {quote} | {} |", attackers.join(", ")).unwrap();
    }
    text.push_str("\n## Faults\n\nTests are named as `cargo test --test it NAME` takes them.\n");
    for fault in &data.fault {
        render_fault(&mut text, fault, data.results.get(&fault.id));
    }
    text
}

fn render_fault(text: &mut String, fault: &Fault, run: Option<&LongRun>) {
    let quoted = |names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("`{name}`")).collect()
    };
    let mut controls = quoted(&fault.controls);
    controls.extend(fault.control.clone());
    let mut lines = vec![
        format!("attacks: {}", quoted(&fault.attacks).join(", ")),
        format!("tests: {}", quoted(&fault.tests).join(", ")),
        format!("control: {}", controls.join("; ")),
        format!("short form: {}", fault.short),
    ];
    if let (Some(long), Some(command)) = (&fault.long, &fault.command) {
        lines.push(format!("long form: {long}: `{command}`"));
        lines.push(match run {
            Some(run) => format!("last long run: {}, {}: {}", run.date, run.did, run.outcome),
            None => "last long run: none is written down".to_owned(),
        });
    }
    writeln!(text, "\n### {}\n\n{}.\n", fault.id, fault.what).unwrap();
    for line in lines {
        writeln!(text, "- {line}").unwrap();
    }
}

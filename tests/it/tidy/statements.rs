//! SQL stands in few tests: those about the file and its tables. Any other reads what the contract
//! answers, so that it holds on a second engine too.

use std::collections::BTreeMap;

use super::{none, sources};

/// What SQL or its driver is known by.
const WORDS: [&str; 11] = [
    "SELECT ",
    "INSERT INTO",
    "UPDATE ",
    "DELETE FROM",
    "PRAGMA ",
    "BEGIN",
    "ROLLBACK",
    "CREATE T",
    "VACUUM",
    "rusqlite",
    ".sqlite()",
];

/// The files and folders that may hold SQL, each with why.
const AT_HOME: &[(&str, &str)] = &[
    ("src/store/sqlite", "the engine"),
    (
        "src/play/demo/hints.rs",
        "shows an analyst's first statements",
    ),
    (
        "tests/it/support/tables.rs",
        "the one place for what no answer shows",
    ),
    (
        "tests/it/support/planted.rs",
        "the one place for rows that no operation leaves",
    ),
    (
        "tests/it/queries",
        "the views and ready queries of analysts",
    ),
    (
        "tests/it/normalise.rs",
        "what came of a case as whole rows, so that a new column stands in every case",
    ),
    (
        "tests/it/erase/places.rs",
        "writes a person into each column of each table",
    ),
    (
        "tests/it/sealing/import.rs",
        "writes a store as an earlier version left it",
    ),
    (
        "tests/it/wal.rs",
        "the log of the file, which a foreign reader holds",
    ),
    ("tests/it/files", "the file, its names, locks and copies"),
    ("tests/it/start.rs", "a file that is no store of ours"),
    ("tests/it/placing.rs", "a file that is no store of ours"),
    (
        "tests/it/faults/cut.rs",
        "a log that another program cuts or moves into the file",
    ),
    (
        "tests/it/faults/displaced.rs",
        "a file that is moved while another program reads it",
    ),
    (
        "tests/it/faults/stops.rs",
        "a stop while a foreign reader holds the log",
    ),
    (
        "tests/it/faults/disk.rs",
        "whether the file is intact after its disk failed",
    ),
    (
        "tests/it/faults/pages.rs",
        "damages pages of the file by what stands on them",
    ),
    (
        "tests/it/crash",
        "the file that a killed service left, before another one opens it",
    ),
    (
        "tests/it/power/checker.rs",
        "the file that a power cut left",
    ),
    (
        "tests/it/api/jobs.rs",
        "rows of long work as a kill leaves them",
    ),
    (
        "tests/it/erase/restart.rs",
        "a foreign reader holds the log, so that an erasure has no end",
    ),
    (
        "tests/it/demo.rs",
        "counts invented history as an analyst would",
    ),
    (
        "tests/it/simulate.rs",
        "counts invented history as an analyst would",
    ),
    ("tests/it/tidy", "names what it looks for"),
];

/// Whether it is that file, the module of it, or in its folder.
fn is_at(file: &str, home: &str) -> bool {
    let rest = file.strip_prefix(home);
    rest.is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

/// The lines with SQL, as `file:line: word`.
fn statements(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files {
        for (index, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            let word = WORDS.iter().find(|word| line.contains(**word));
            if let Some(word) = word.filter(|_| !is_comment) {
                found.push(format!("{file}:{}: {word}", index + 1));
            }
        }
    }
    found
}

#[test]
fn sql_stands_where_a_reason_is_given_for_it() {
    let mut faults = statements(&sources(&["src", "tests"]));
    for (home, reason) in AT_HOME {
        let count = faults.len();
        faults.retain(|fault| !is_at(fault.split(':').next().unwrap_or_default(), home));
        if faults.len() == count || reason.is_empty() {
            faults.push(format!("{home}: needs no reason any more"));
        }
    }
    none(&faults);
}

/// The control.
#[test]
fn a_statement_in_another_file_is_found() {
    for sql in [
        r#"app.value::<i64>("SELECT count(*) FROM forward")"#,
        r#"store.execute("UPDATE forward SET attempts = 1", [])"#,
        "DELETE FROM attempt",
        "let store = rusqlite::Connection::open(path);",
        "let outsider = app.sqlite();",
    ] {
        let text = format!("//! A test.\n\nfn f() {{\n    {sql}\n}}\n");
        let files = [("tests/it/forwarding.rs".to_owned(), text)];
        let found = statements(&files.into());
        assert_eq!(found.len(), 1, "{sql}: {found:?}");
        assert!(
            found[0].starts_with("tests/it/forwarding.rs:4: "),
            "{found:?}"
        );
    }
    let harmless = "// SELECT is for analysts.\nfn f() { app.forwards(); }\n";
    let files = [("tests/it/forwarding.rs".to_owned(), harmless.to_owned())];
    assert_eq!(statements(&files.into()), [""; 0]);
    let homes = ["tests/it/files.rs", "tests/it/files/names.rs"];
    assert!(homes.iter().all(|file| is_at(file, "tests/it/files")));
    assert!(!is_at("tests/it/files_of.rs", "tests/it/files"));
}

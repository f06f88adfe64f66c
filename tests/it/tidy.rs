//! What a machine can hold of how the source looks: which way it depends, how long a file is,
//! what it may not hold.
//!
//! Which module may name which stands in `tidy/arrows`, what would hide a name from it in `tidy/hidden`, that
//! no other asks which provider it is in `tidy/rooms`, that a key is a type in `tidy/keys`, which tests hold SQL in
//! `tidy/statements`, which words no name has in `tidy/vocabulary`, and that every engine of the store is tried by all of its contract in
//! `tidy/claims`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

mod arrows;
mod asked;
mod circles;
mod claims;
mod hidden;
mod keys;
mod map;
mod rooms;
mod statements;
mod tokens;
mod vocabulary;

/// Files over 400 lines, each with why it is not two.
const LONG_FILES: &[(&str, &str)] = &[
    (
        "src/config/tests/refusals.rs",
        "one case for each way a setting can be wrong, as one table",
    ),
    (
        "src/forward/guard.rs",
        "half of it is the table of networks and its tests",
    ),
    (
        "src/forward/lane/tests.rs",
        "one table of events for each rule of the order, and a lane that is played against a table",
    ),
    (
        "src/forward/lanes/task.rs",
        "one state machine: who holds which forward, and when it is handed over",
    ),
    (
        "src/forward/sender.rs",
        "one exchange from resolving the name to reading the answer",
    ),
    (
        "src/forward/sender/tests.rs",
        "one loopback server, one case for each way an exchange can end",
    ),
    (
        "src/providers/meta/status.rs",
        "half of it is tables of cases",
    ),
    (
        "src/store/sqlite/files.rs",
        "the three files of a store, who owns them and which they are, with their tests",
    ),
    (
        "src/store/sqlite/texts.rs",
        "one row for each table and column in which a person may be named",
    ),
    (
        "src/store/sqlite.rs",
        "how a store is opened, in the order in which it must be, and the contract's calls",
    ),
    (
        "src/store/sqlite/clock_rollback.rs",
        "one mechanism from noticing to the last part moved; a third of it is its tests",
    ),
    (
        "src/store/sqlite/erase.rs",
        "every place where a person may be, found, counted and removed in one order",
    ),
    (
        "tests/it/normalise.rs",
        "what came of a case, table by table, and its three ways of being posted",
    ),
    (
        "src/store/sqlite/writer.rs",
        "the one thread: its queue, its groups, its checkpoints",
    ),
];

/// Which crate or type may be named where; everything else goes through these files.
const CONFINED: &[(&str, &[&str])] = &[
    (
        "actix_web",
        &["src/web.rs", "src/web/", "src/server.rs", "src/server/"],
    ),
    // What the server is made of, for the budget of each connection.
    ("actix_http", &["src/web/"]),
    ("actix_server", &["src/web/"]),
    ("actix_service", &["src/web/"]),
    ("rusqlite", &["src/store/sqlite.rs", "src/store/sqlite/"]),
    (
        "reqwest",
        &[
            "src/forward/sender.rs",
            "src/forward/sender/",
            "src/cli/client.rs",
            "src/cli/client/",
        ],
    ),
    ("SystemTime", &["src/clock.rs"]),
];

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "manager", "misc",
];

/// The text of every Rust file, by its path from the root.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// The lines of every file in src/, with their numbers, without tests and comments.
fn code() -> Vec<(String, usize, String)> {
    let sources = sources(&["src"]);
    let mut code = Vec::new();
    for (path, text) in &sources {
        if is_test(path, &sources) {
            continue;
        }
        // Tests beside the code are the last item of a file.
        let end = text
            .find("\n#[cfg(test)]\nmod tests {")
            .unwrap_or(text.len());
        for (index, line) in text[..end].lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                code.push((path.clone(), index + 1, line.to_owned()));
            }
        }
    }
    code
}

/// Whether a file is, or is in, a module that its parent declares for tests alone.
fn is_test(path: &str, sources: &BTreeMap<String, String>) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else {
        return false;
    };
    let parent = format!("{folder}.rs");
    let Some(text) = sources.get(&parent) else {
        return false;
    };
    let module = file.trim_end_matches(".rs");
    ["", "pub(crate) "]
        .map(|visible| format!("#[cfg(test)]\n{visible}mod {module};"))
        .iter()
        .any(|declared| text.contains(declared))
        || is_test(&parent, sources)
}

/// Fails with every place at once.
#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_foreign_crate_has_one_home() {
    let mut faults = Vec::new();
    for (path, line, text) in code() {
        for (word, homes) in CONFINED {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            if text.contains(word) && !at_home {
                faults.push(format!("{path}:{line}: {word} belongs in {homes:?}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn nothing_is_left_to_do_and_nothing_panics_on_purpose() {
    let banned = ["todo!", "unimplemented!", "dbg!", ".unwrap()", ".expect("];
    let mut faults = Vec::new();
    let mut reasoned = false;
    for (path, line, text) in code() {
        // An allow with its reason covers the one place that follows it.
        reasoned |= text.contains("clippy::unwrap_used") || text.contains("clippy::expect_used");
        for word in banned {
            if text.contains(word) && !std::mem::take(&mut reasoned) {
                faults.push(format!("{path}:{line}: {word}"));
            }
        }
    }
    none(&faults);
}

/// What queues forwards reports them to what counts the pending ones: no trigger sees a new row.
#[test]
fn one_statement_inserts_forwards() {
    let inserts = |line: &(String, usize, String)| line.2.contains("INTO forward ");
    let places = code().into_iter().filter(inserts);
    let places: Vec<String> = places.map(|(path, ..)| path).collect();
    assert_eq!(places, ["src/store/sqlite/enqueue.rs"]);
}

/// The contract's own words are its own: another engine would have to name this one for them.
#[test]
fn the_contract_names_of_its_engine_what_its_comment_does() {
    let names = |(path, _, text): (String, usize, String)| {
        let is_contract = path == "src/store.rs";
        let (_, name) = text.split_once("sqlite::").filter(|_| is_contract)?;
        let end = name.find(|it: char| !it.is_alphanumeric() && !"_:".contains(it));
        Some(name[..end.unwrap_or(name.len())].to_owned())
    };
    let found: Vec<String> = code().into_iter().filter_map(names).collect();
    let expected = [
        "SqliteStore",
        "options::SqliteOptions",
        "changes::SqliteChange",
        "SqliteStep",
        "reader::SqliteQuery",
    ];
    assert_eq!(found, expected);
}

/// So the store refuses the step of a duty or a lane that lost its lease, and an engine can fence it.
#[test]
fn a_duty_and_a_lane_take_each_step_under_their_lease() {
    let mut faults = Vec::new();
    for (path, line, text) in code() {
        let is_leased = path.starts_with("src/duties/") || path.starts_with("src/forward/");
        if is_leased && text.contains("store.step(") {
            faults.push(format!("{path}:{line}: a step without its lease"));
        }
    }
    none(&faults);
}

/// The supervisor has them: so a duty ends with its lease, and its steps can be tested.
#[test]
fn a_duty_has_no_task_and_no_sleep_of_its_own() {
    let mut faults = Vec::new();
    for (path, line, text) in code() {
        let is_duty = path.starts_with("src/duties/") && path != "src/duties/supervisor.rs";
        for word in ["tokio::spawn", "thread::", "sleep", "Receiver<bool>"] {
            if is_duty && text.contains(word) {
                faults.push(format!("{path}:{line}: {word}"));
            }
        }
    }
    none(&faults);
}

/// JSON, the tables, the command line and the configuration spell a word alike.
#[test]
fn serde_and_strum_spell_the_words_of_an_enum_alike() {
    let value = |attributes: &str, name: &str| {
        let (_, rest) = attributes.split_once(&format!("{name} = \""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    let mut faults = Vec::new();
    for (path, text) in sources(&["src"]) {
        for declared in text
            .split("\n}\n")
            .filter(|it| it.contains("strum::IntoStaticStr"))
        {
            let Some((head, variants)) = declared.rsplit_once("enum ") else {
                continue;
            };
            let head = head.rsplit_once("\n\n").map_or(head, |(_, head)| head);
            if !head.contains("Serialize") {
                continue;
            }
            let styles = ["rename_all", "serialize_all"].map(|name| value(head, name));
            if styles[0] != styles[1] {
                faults.push(format!("{path}: {styles:?} in {head}"));
            }
            for (first, variant) in variants.split(",\n").enumerate() {
                let strum = value(variant, "to_string").or_else(|| value(variant, "serialize"));
                if value(variant, "rename") != strum {
                    faults.push(format!("{path}: variant {first} in {variant}"));
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn a_long_file_has_a_reason_and_none_is_too_long() {
    let sources = sources(&["src", "tests", "tools"]);
    let mut faults = Vec::new();
    for (path, text) in &sources {
        let lines = text.lines().count();
        let listed = LONG_FILES.iter().any(|(known, _)| known == path);
        match lines {
            601.. => faults.push(format!("{path}: {lines} lines, split it")),
            401.. if !listed => faults.push(format!("{path}: {lines} lines, and no reason listed")),
            _ => {}
        }
    }
    for (path, reason) in LONG_FILES {
        let lines = sources.get(*path).map_or(0, |text| text.lines().count());
        if lines <= 400 || reason.is_empty() {
            faults.push(format!("{path}: {lines} lines, needs no reason any more"));
        }
    }
    none(&faults);
}

#[test]
fn every_file_says_what_it_holds() {
    let mut faults = Vec::new();
    for (path, text) in sources(&["src", "tests", "tools"]) {
        if !text.starts_with("//! ") {
            faults.push(format!("{path}: begins without //!"));
        }
        // src/a.rs, src/a/b.rs and src/a/b/c.rs, and no deeper.
        if path.matches('/').count() > 3 && !path.ends_with("/tests.rs") {
            faults.push(format!("{path}: modules are three deep at most"));
        }
        let mut names = path.trim_end_matches(".rs").split('/');
        if let Some(name) = names.find(|name| EMPTY_NAMES.contains(name)) {
            faults.push(format!("{path}: {name} says nothing"));
        }
    }
    none(&faults);
}

#[test]
fn every_chapter_is_in_the_table_of_contents() {
    let sources = sources(&["tests/it"]);
    let contents = &sources["tests/it/main.rs"];
    for path in sources.keys() {
        let name = path.trim_start_matches("tests/it/").trim_end_matches(".rs");
        if !name.contains('/') && !["main", "support"].contains(&name) {
            assert!(
                contents.contains(&format!("//! - `{name}`: ")),
                "{name} has no sentence"
            );
        }
    }
}

#[test]
fn the_changelog_has_an_unreleased_section() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md");
    assert!(
        fs::read_to_string(path)
            .unwrap()
            .contains("\n## Unreleased\n")
    );
}

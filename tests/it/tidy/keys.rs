//! A key is a type of its own: outside the engine no field and no parameter has a bare number for one.

use super::{code, none};

/// Where keys are numbers: in the engine, in their own types, and in the place of a list. The ids of providers
/// are no keys.
const HOMES: &[&str] = &[
    "src/model/key.rs",
    "src/providers/",
    "src/store/query/place.rs",
    "src/store/sqlite.rs",
    "src/store/sqlite/",
];

/// The names in a line that are those of keys, and have a number for a type.
fn bare(line: &str) -> Vec<&str> {
    let is_part = |it: char| it.is_alphanumeric() || it == '_';
    let named = |(at, colon): (usize, &str)| {
        let name = line[..at].rsplit(|it: char| !is_part(it)).next()?;
        let kind = line[at + colon.len()..]
            .split([',', ')', ';', '='])
            .next()?;
        let is_number = kind.split(|it: char| !is_part(it)).any(|it| it == "i64");
        let is_key = ["id", "key"].contains(&name)
            || ["_id", "_ids", "_key"]
                .iter()
                .any(|end| name.ends_with(end));
        (is_key && is_number).then_some(name)
    };
    line.match_indices(": ").filter_map(named).collect()
}

#[test]
fn no_key_is_a_bare_number_outside_the_engine() {
    let mut faults = Vec::new();
    for (path, line, text) in code() {
        if !HOMES.iter().any(|home| path.starts_with(home)) {
            let found = bare(&text).into_iter();
            faults.extend(found.map(|name| format!("{path}:{line}: {name} is a bare number")));
        }
    }
    none(&faults);
}

#[test]
fn a_bare_key_is_found_and_nothing_else_is() {
    let cases: [(&str, &[&str]); 5] = [
        ("    pub webhook_id: Option<i64>,", &["webhook_id"]),
        ("    pub forward_ids: Vec<i64>,", &["forward_ids"]),
        (
            "fn of(id: i64, ids: &[i64], message_key: &i64) {",
            &["id", "message_key"],
        ),
        ("    pub webhook_id: Option<WebhookKey>,", &[]),
        ("    pub received_ms: i64, paid: i64,", &[]),
    ];
    for (line, expected) in cases {
        assert_eq!(bare(line), expected, "{line}");
    }
}

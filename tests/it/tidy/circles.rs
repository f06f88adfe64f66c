//! No files name each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::arrows::{HOUSE, invented};
use super::map::{Arrow, Map};
use super::none;

/// Files that name each other in a circle all the same, each circle with why. No file joins one.
const CIRCLES: &[(&[&str], &str)] = &[
    (
        &[
            "src/store/sqlite/account_events.rs",
            "src/store/sqlite/explanations.rs",
            "src/store/sqlite/forward_reads.rs",
            "src/store/sqlite/messages.rs",
            "src/store/sqlite/same_person.rs",
            "src/store/sqlite/search.rs",
        ],
        "a timeline joins what these read: a message, its forwards, its events, a person's names",
    ),
    (
        &[
            "src/store/sqlite/audit.rs",
            "src/store/sqlite/changes.rs",
            "src/store/sqlite/clause.rs",
            "src/store/sqlite/clock_rollback.rs",
            "src/store/sqlite/displaced.rs",
            "src/store/sqlite/files.rs",
            "src/store/sqlite/forwards.rs",
            "src/store/sqlite/group.rs",
            "src/store/sqlite/handle.rs",
            "src/store/sqlite/idempotency.rs",
            "src/store/sqlite/import.rs",
            "src/store/sqlite/keys.rs",
            "src/store/sqlite/listing.rs",
            "src/store/sqlite/log_copy.rs",
            "src/store/sqlite/log_lock.rs",
            "src/store/sqlite/opened.rs",
            "src/store/sqlite/reader.rs",
            "src/store/sqlite/reseal.rs",
            "src/store/sqlite/schema.rs",
            "src/store/sqlite/secrets.rs",
            "src/store/sqlite/subscribers.rs",
            "src/store/sqlite/tokens.rs",
            "src/store/sqlite/wal_maintenance.rs",
            "src/store/sqlite/writer.rs",
        ],
        "statements that are methods of one `Core`, and the parts that a `Core` consists of",
    ),
];

/// Files that lead back to themselves, each circle whole and sorted.
fn circles(arrows: &BTreeSet<Arrow>) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|file| {
            let mut reached = BTreeSet::new();
            let mut open = vec![*file];
            while let Some(file) = open.pop() {
                let news = next.get(file).into_iter().flatten();
                open.extend(news.filter(|file| reached.insert(**file)));
            }
            (*file, reached)
        })
        .collect();
    let circle = |file: &str| -> Vec<String> {
        let there = reached[file].iter();
        let back =
            there.filter(|other| reached.get(*other).is_some_and(|them| them.contains(file)));
        back.map(|file| (*file).to_owned()).collect()
    };
    let circles: BTreeSet<_> = reached.keys().map(|file| circle(file)).collect();
    circles
        .into_iter()
        .filter(|circle| !circle.is_empty())
        .collect()
}

/// The circles of which not every file is listed, each with the arrows that make it, and the listed
/// files that are in none any more.
fn turning(map: &Map, listed: &[(&[&str], &str)]) -> Vec<String> {
    let arrows = map.arrows();
    let mut faults = Vec::new();
    let files = listed.iter().flat_map(|(files, _)| files.iter().copied());
    let mut left: BTreeSet<&str> = files.collect();
    for circle in circles(&arrows) {
        let is_listed = listed.iter().any(|(files, reason)| {
            !reason.is_empty() && circle.iter().all(|file| files.contains(&file.as_str()))
        });
        if is_listed {
            left.retain(|file| !circle.iter().any(|it| it == file));
            continue;
        }
        faults.push(format!("a circle of {} files:", circle.len()));
        let inside = arrows
            .iter()
            .filter(|arrow| circle.contains(&arrow.from) && circle.contains(&arrow.to));
        faults.extend(inside.map(|arrow| {
            format!(
                "  {}:{}: {} of {}",
                arrow.from, arrow.line, arrow.name, arrow.to
            )
        }));
    }
    faults.extend(
        left.iter()
            .map(|file| format!("{file} is in no circle any more")),
    );
    faults
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    none(&turning(&HOUSE, CIRCLES));
}

#[test]
fn a_circle_is_found_through_what_is_handed_on() {
    none(&turning(&invented(&[]), &[]));
    let back = [("src/store/read.rs", "use super::write::write;")];
    let map = invented(&back);
    let found = [
        "a circle of 2 files:",
        "  src/store/read.rs:7: super::write::write of src/store/write.rs",
        "  src/store/write.rs:1: super::Line of src/store/read.rs",
    ];
    assert_eq!(turning(&map, &[]), found);
    let both: &[&str] = &["src/store/read.rs", "src/store/write.rs"];
    let left = [
        "src/store/read.rs is in no circle any more",
        "src/store/write.rs is in no circle any more",
    ];
    assert_eq!(
        turning(&map, &[(both, "")]),
        [&found[..], &left[..]].concat()
    );
    none(&turning(&map, &[(both, "a reason")]));
    // A file that joins what is listed.
    assert_eq!(
        turning(&map, &[(&both[..1], "a reason")]),
        [&found[..], &left[..1]].concat()
    );
    assert_eq!(turning(&invented(&[]), &[(both, "a reason")]), left);

    // A parent that uses what its child defines, and a child that uses what another one defines.
    let map = invented(&[
        ("src/web.rs", "mod page;\nfn f() { page::draw() }"),
        (
            "src/web/page.rs",
            "pub fn draw() { super::serve(crate::model::Noun) }",
        ),
    ]);
    none(&turning(&map, &[]));
}

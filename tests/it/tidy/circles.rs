//! No files name each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::arrows::{HOUSE, invented};
use super::map::{Arrow, Map};
use super::none;

/// Folders whose files may still name each other in circles, each with why.
const CIRCLES: &[(&str, &str)] = &[(
    "src/store/sqlite/",
    "the statements are methods of one `Core`, which holds the connection that all of them need",
)];

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

/// The circles that are in no folder of the list, each with the arrows that make it, and the
/// folders that have none any more.
fn turning(map: &Map, listed: &[(&str, &str)]) -> Vec<String> {
    let arrows = map.arrows();
    let mut faults = Vec::new();
    let mut open: BTreeSet<&str> = listed.iter().map(|(folder, _)| *folder).collect();
    for circle in circles(&arrows) {
        let home = listed.iter().find(|(folder, reason)| {
            !reason.is_empty() && circle.iter().all(|file| file.starts_with(folder))
        });
        if let Some((folder, _)) = home {
            open.remove(folder);
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
        open.iter()
            .map(|folder| format!("{folder} has no circle any more")),
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
    assert_eq!(
        turning(&map, &[("src/store/", "")]),
        [&found[..], &["src/store/ has no circle any more"]].concat()
    );
    none(&turning(&map, &[("src/store/", "a reason")]));
    assert_eq!(
        turning(&invented(&[]), &[("src/store/", "a reason")]),
        ["src/store/ has no circle any more"]
    );

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

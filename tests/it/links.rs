//! Every relative link of the documents leads to a file, and to a heading of it where one is named.
//! A page of `docs/` links to no file outside, since the book of `mdbook` has none of them. It names
//! the path in backquotes, and that file exists.
//!
//! Links to the web are left alone: a test must not fail because another site is down.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::support::program::root;

/// Documents in the root of the repository; the others are found by their folders.
const IN_ROOT: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
];
const FOLDERS: &[&str] = &[
    "docs",
    "examples",
    "fixtures",
    "fuzz",
    "packaging",
    "schema",
];

/// The one file of the root that pages name and that is no document.
const EXAMPLE: &str = "config.example.toml";

/// Folders whose documents are parts of others.
const OF_OTHERS: &[&str] = &["docs/benchmarks", "examples/toy-provider"];

/// A document's path from the root of the repository, and its text.
type Documents = BTreeMap<PathBuf, String>;

fn documents() -> Documents {
    let mut documents: Documents = IN_ROOT
        .iter()
        .map(|name| (PathBuf::from(name), fs::read_to_string(root(name)).unwrap()))
        .collect();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root("").join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.insert(path, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    // The page of an example provider belongs where the walk copies it; the notes are a part of
    // docs/benchmarks.md.
    documents.retain(|path, _| !OF_OTHERS.iter().any(|folder| path.starts_with(folder)));
    documents
}

/// The lines of a document outside its code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// A line without what stands in backquotes, where a bracket is no link.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The paths of the repository that a line has in backquotes.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    let named = line.split('`').skip(1).step_by(2);
    named.filter(|name| {
        let folder = name.split_once('/').map_or("", |(folder, _)| folder);
        let is_path = FOLDERS.contains(&folder) || IN_ROOT.contains(name) || *name == EXAMPLE;
        is_path && !name.contains([' ', '*', '<', '…'])
    })
}

/// The anchor that GitHub and `mdbook` make of a heading.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let text: String = heading.to_lowercase().chars().filter(kept).collect();
    text.trim().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            let first = anchor(heading);
            let mut unique = first.clone();
            let mut count = 0;
            while !anchors.insert(unique.clone()) {
                count += 1;
                unique = format!("{first}-{count}");
            }
        }
    }
    anchors
}

/// The targets of the links in a line.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let inline = line.split("](").skip(1);
    let inline = inline.filter_map(|rest| rest.split_once(')'));
    let inline = inline.map(|(target, _)| target.to_owned());
    // `[name]: target`, as a line of its own.
    let reference = line.strip_prefix('[').and_then(|it| it.split_once("]: "));
    let reference = reference.map(|(_, target)| target.trim().to_owned());
    inline.chain(reference).collect()
}

/// `docs/providers/../api.md` as `docs/api.md`; nothing where it leaves the repository.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.into_iter().collect())
}

/// What is wrong with a link, or nothing.
fn fault(from: &Path, target: &str, documents: &Documents) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match path {
        "" => Some(from.to_owned()),
        path => resolved(&from.parent().unwrap_or(Path::new("")).join(path)),
    };
    let Some(path) = path else {
        return Some("leads out of the repository".to_owned());
    };
    if from.starts_with("docs") && !path.starts_with("docs") {
        return Some("is outside the book: name the path in backquotes".to_owned());
    }
    if !documents.contains_key(&path) && !root("").join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    match documents.get(&path) {
        Some(text) if anchors(text).contains(anchor) => None,
        Some(_) => Some(format!("{} has no heading #{anchor}", path.display())),
        None => Some(format!("{} is no document with headings", path.display())),
    }
}

fn faults(documents: &Documents) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in documents {
        for (number, line) in prose(text) {
            for target in targets(line) {
                if let Some(fault) = fault(path, &target, documents) {
                    faults.push(format!("{}:{number}: {target}: {fault}", path.display()));
                }
            }
            if path.starts_with("docs") {
                let gone = named_paths(line).filter(|name| !root(name).exists());
                faults.extend(
                    gone.map(|name| format!("{}:{number}: there is no {name}", path.display())),
                );
            }
        }
    }
    faults
}

#[test]
fn each_link_of_the_documents_leads_somewhere() {
    let documents = documents();
    let links = documents.values().flat_map(|text| prose(text));
    let links = links.flat_map(|(_, line)| targets(line)).count();
    assert!(links > 100, "only {links} links were found");
    let faults = faults(&documents);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_page_is_in_the_table_of_contents() {
    let documents = documents();
    let summary = &documents[Path::new("docs/SUMMARY.md")];
    let listed: BTreeSet<PathBuf> = prose(summary)
        .flat_map(|(_, line)| targets(line))
        .map(|target| Path::new("docs").join(target))
        .collect();
    let pages = documents.keys().filter(|path| path.starts_with("docs"));
    let unlisted: Vec<&PathBuf> = pages
        .filter(|path| !path.ends_with("SUMMARY.md") && !listed.contains(*path))
        .collect();
    assert!(unlisted.is_empty(), "docs/SUMMARY.md lacks {unlisted:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_caught() {
    let mut documents = documents();
    for (link, expected) in [
        ("[a](gone.md)", Some("there is no docs/gone.md")),
        ("[a](api.md#gone)", Some("docs/api.md has no heading #gone")),
        ("[a](#gone)", Some("docs/new.md has no heading #gone")),
        ("[a](../../../etc)", Some("leads out of the repository")),
        ("[a](../LICENSE)", Some("is outside the book")),
        (
            "[a](reliability.toml#a)",
            Some("reliability.toml is no document"),
        ),
        (
            "`packaging/gone.conf`",
            Some("there is no packaging/gone.conf"),
        ),
        ("[a]: gone.md", Some("there is no docs/gone.md")),
        ("[a](#two-of-us-1)", None),
        ("`packaging/nginx.conf`, `[a](gone.md)`", None),
    ] {
        let text = format!("{link}\n\n```\n[a](gone.md)\n# Gone\n```\n# Two of us\n# Two of us!\n");
        documents.insert(PathBuf::from("docs/new.md"), text);
        let found = faults(&documents);
        match expected {
            Some(expected) => {
                let is_caught = found.len() == 1 && found[0].contains(expected);
                assert!(is_caught, "{link}: {found:?}");
            }
            None => assert_eq!(found, Vec::<String>::new(), "{link}"),
        }
    }
}

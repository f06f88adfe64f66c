//! `fixtures/manifest/`: every numbered edge case of a provider has a proof that exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tickrelay::providers::Provider;

use crate::support::fixtures::{self, Case};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The number of the last line, so that none at the end is lost unseen.
    last: u32,
    /// Numbers that have no line.
    #[serde(default)]
    left_out: Vec<u32>,
    line: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u32,
    says: String,
    proof: Vec<String>,
}

/// The manifest of that name, and the cases of the providers it is about.
fn read(name: &str) -> (Manifest, Vec<Case>) {
    let path = fixtures::root()
        .join("manifest")
        .join(name)
        .with_extension("toml");
    let manifest = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let cases = fixtures::all()
        .into_iter()
        .filter(|case| manifest_of(case.provider) == Some(name))
        .collect();
    (manifest, cases)
}

/// The manifest that lists a provider's cases, where it has one: its own, or that of the provider whose
/// formats and errors it passes on.
fn manifest_of(provider: Provider) -> Option<&'static str> {
    let exists = |name: &&str| {
        let file = fixtures::root().join("manifest").join(name);
        file.with_extension("toml").exists()
    };
    [provider.as_str(), provider.errors()]
        .into_iter()
        .find(exists)
}

/// Every manifest.
fn names() -> BTreeSet<&'static str> {
    Provider::ALL.into_iter().filter_map(manifest_of).collect()
}

#[test]
fn every_manifest_is_of_a_provider_and_no_other_case_claims_a_line() {
    let files = fs::read_dir(fixtures::root().join("manifest")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files: BTreeSet<String> = files
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, names().into_iter().map(str::to_owned).collect());
    for case in fixtures::all() {
        let is_listed = manifest_of(case.provider).is_some();
        assert!(is_listed || case.claim.lines.is_empty(), "{}", case.path());
    }
}

#[test]
fn every_edge_case_has_a_line() {
    for name in names() {
        let (manifest, _) = read(name);
        let listed: Vec<u32> = manifest.line.iter().map(|line| line.number).collect();
        let last = listed.last().copied().unwrap_or_default();
        let expected: Vec<u32> = (1..=last)
            .filter(|number| !manifest.left_out.contains(number))
            .collect();
        assert_eq!(listed, expected, "{name}");
        assert_eq!(last, manifest.last, "{name}");
        for line in &manifest.line {
            assert!(
                !line.says.is_empty() && !line.proof.is_empty(),
                "{name} {}",
                line.number
            );
        }
    }
}

#[test]
fn every_proof_exists() {
    for name in names() {
        let (manifest, cases) = read(name);
        let folders: BTreeSet<String> = cases.iter().map(Case::path).collect();
        let proofs = manifest.line.iter().flat_map(|line| {
            line.proof
                .iter()
                .map(move |proof| (line.number, proof.as_str()))
        });
        for (number, proof) in proofs {
            let exists = match proof.split_once(' ') {
                Some(("fixture", path)) => folders.contains(path),
                Some(("test", path)) => is_test(path),
                _ => false,
            };
            assert!(exists, "{name} {number}: {proof}");
        }
    }
}

#[test]
fn a_case_and_the_manifest_agree_on_the_lines_it_proves() {
    for name in names() {
        let (manifest, cases) = read(name);
        for case in &cases {
            let proof = format!("fixture {}", case.path());
            let proved = manifest
                .line
                .iter()
                .filter(|line| line.proof.contains(&proof));
            let proved: Vec<u32> = proved.map(|line| line.number).collect();
            assert_eq!(case.claim.lines, proved, "{}", case.path());
        }
    }
}

/// Whether `chapter::name` is a test of tests/it.
fn is_test(path: &str) -> bool {
    let Some((chapter, name)) = path.rsplit_once("::") else {
        return false;
    };
    let chapter: PathBuf = chapter.split("::").collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it")
        .join(chapter);
    fs::read_to_string(file.with_extension("rs"))
        .is_ok_and(|text| text.contains(&format!("fn {name}()")))
}

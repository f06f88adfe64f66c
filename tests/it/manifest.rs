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
    let manifest_of = |case: &Case| match case.provider {
        Provider::Infobip => "infobip",
        Provider::Botsquad => "botsquad",
        _ => "meta",
    };
    let cases = fixtures::all()
        .into_iter()
        .filter(|case| manifest_of(case) == name)
        .collect();
    (manifest, cases)
}

#[test]
fn every_edge_case_has_a_line() {
    let check = |name, last: u32, left_out: &[u32]| {
        let (manifest, _) = read(name);
        let listed: Vec<u32> = manifest.line.iter().map(|line| line.number).collect();
        let expected: Vec<u32> = (1..=last)
            .filter(|number| !left_out.contains(number))
            .collect();
        assert_eq!(listed, expected, "{name}");
        for line in &manifest.line {
            assert!(
                !line.says.is_empty() && !line.proof.is_empty(),
                "{name} {}",
                line.number
            );
        }
    };
    check("meta", 61, &[47]);
    check("infobip", 43, &[]);
    check("botsquad", 8, &[]);
}

#[test]
fn every_proof_exists() {
    for name in ["meta", "infobip", "botsquad"] {
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
    for name in ["meta", "infobip", "botsquad"] {
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

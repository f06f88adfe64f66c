//! The page of figures: what stands in docs/benchmarks.md is what the committed answers say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The committed answers, in the order in which a shell lists them.
fn answers() -> Vec<PathBuf> {
    let files = fs::read_dir(docs().join("benchmarks")).unwrap();
    let mut answers: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    answers.sort();
    answers
}

fn page(answers: &[PathBuf]) -> String {
    let written = Command::new(env!("CARGO_BIN_EXE_tickrelay-bench"))
        .arg("report")
        .args(answers)
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&written.stderr);
    assert!(written.status.success(), "{talk}");
    String::from_utf8(written.stdout).unwrap()
}

#[test]
fn the_page_of_figures_is_what_the_committed_answers_say() {
    let committed = fs::read_to_string(docs().join("benchmarks.md")).unwrap();
    let page = page(&answers());
    let differs = page.lines().zip(committed.lines()).find(|(a, b)| a != b);
    assert!(
        page == committed,
        "tickrelay-bench report docs/benchmarks/*.json > docs/benchmarks.md\nfirst at {differs:?}"
    );
}

#[test]
fn a_figure_that_misses_its_target_is_called_missed() {
    let mut answer: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&answers()[0]).unwrap()).unwrap();
    let row = |reports_per_s: f64, lost: f64| {
        serde_json::json!({
            "scenario": "closed-256",
            "durability": "full",
            "figures": {"reports_per_s": reports_per_s, "lost": lost},
        })
    };
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("answer.json");
    let mut verdict = |rows: Vec<serde_json::Value>| {
        answer["rows"] = rows.into();
        fs::write(&file, answer.to_string()).unwrap();
        let page = page(std::slice::from_ref(&file));
        let line = page.lines().find(|line| line.starts_with("| P1 |"));
        line.unwrap().to_owned()
    };
    let reached = verdict(vec![
        row(9_000.0, 0.0),
        row(15_000.0, 0.0),
        row(12_600.0, 0.0),
    ]);
    assert!(
        reached.contains("| >= 12000 | 12600 (9000–15000)"),
        "{reached}"
    );
    assert!(
        reached.contains("| reached | 105 % of what is asked |"),
        "{reached}"
    );
    let missed = verdict(vec![row(11_400.0, 0.0)]);
    assert!(
        missed.contains("| **missed** | 95 % of what is asked |"),
        "{missed}"
    );
    assert!(verdict(vec![]).contains("| not measured |"));
}

#[test]
fn answers_of_earlier_instruments_are_marked_and_those_of_today_are_not() {
    let mut answer: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&answers()[0]).unwrap()).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("answer.json");
    let mut is_marked = |instruments: u64| {
        answer["instruments"] = instruments.into();
        fs::write(&file, answer.to_string()).unwrap();
        page(std::slice::from_ref(&file)).contains(", earlier instruments:")
    };
    assert!(is_marked(1));
    assert!(!is_marked(2));
}

#[test]
fn the_tests_that_the_page_names_are_there() {
    let page = fs::read_to_string(docs().join("benchmarks.md")).unwrap();
    let named: Vec<&str> = page
        .split('`')
        .filter(|word| word.starts_with("faults::"))
        .collect();
    assert!(!named.is_empty());
    for name in named {
        let (chapter, claim) = name.rsplit_once("::").unwrap();
        let file = format!("tests/it/{}.rs", chapter.replace("::", "/"));
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(&format!("fn {claim}(")), "{name}");
    }
}

/// The service that answers 200 and stores no report: it takes the Cloud API's webhooks for
/// those of Infobip, and finds nothing in them.
fn forgetful_service(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let script = folder.join("forgetful");
    let service = env!("CARGO_BIN_EXE_tickrelay");
    let text = format!(
        "#!/bin/sh\n\
         sed -i 's/\"meta-cloud\"/\"infobip\"/; s/^app_secret.*/unauthenticated = true/; /^verify_token/d' \"$3\"\n\
         exec '{service}' \"$@\"\n"
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn what_is_acknowledged_and_not_in_the_store_is_lost_without_a_subscriber_too() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = forgetful_service(folder.path());
    let figures = |service: &Path| {
        let answer = Command::new(env!("CARGO_BIN_EXE_tickrelay-bench"))
            .args([
                "batch-100",
                "batch-1000",
                "--window",
                "1",
                "--durability",
                "os",
            ])
            .args(["--no-floors", "--json", "--folder"])
            .arg(folder.path())
            .arg("--service")
            .arg(service)
            .output()
            .unwrap();
        let talk = String::from_utf8_lossy(&answer.stderr).into_owned();
        let answer: serde_json::Value =
            serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{talk}"));
        assert_eq!(answer["failed"], serde_json::json!([]), "{talk}");
        // Those of Infobip itself are understood.
        assert_eq!(answer["rows"][0]["figures"]["lost"], 0.0, "{talk}");
        answer["rows"][1]["figures"].clone()
    };
    let kept = figures(Path::new(env!("CARGO_BIN_EXE_tickrelay")));
    assert_eq!(
        (&kept["lost"], &kept["refused"]),
        (&0.0.into(), &0.0.into())
    );
    assert!(kept["reports_per_s"].as_f64().unwrap() > 0.0, "{kept}");
    let forgotten = figures(&service);
    assert_eq!(forgotten["lost"], forgotten["reports"], "{forgotten}");
    assert!(forgotten["reports"].as_f64().unwrap() > 0.0, "{forgotten}");
    assert_eq!(forgotten["reports_per_s"], 0.0, "{forgotten}");
}

//! The page of figures: what stands in docs/benchmarks.md is what the committed answers say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set its scene has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// The repository's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn docs() -> PathBuf {
    root().join("docs")
}

/// The service's binary, beside the benchmark's: `cargo test --workspace` builds both.
fn service() -> PathBuf {
    let service = Path::new(env!("CARGO_BIN_EXE_tickrelay-bench")).with_file_name("tickrelay");
    let remedy = "run the tests with `cargo test --workspace`";
    assert!(service.is_file(), "{}: {remedy}", service.display());
    service
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

fn report(answers: &[PathBuf]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tickrelay-bench"))
        .arg("report")
        .args(answers)
        .output()
        .unwrap()
}

fn page(answers: &[PathBuf]) -> String {
    let written = report(answers);
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

/// Figures of a scenario that reach every target.
type Figures = &'static [(&'static str, f64)];

const SOUND: Figures = &[
    ("refused", 0.0),
    ("lost", 0.0),
    ("unstored", 0.0),
    ("repeated", 0.0),
    ("reordered", 0.0),
];

/// Scenarios with nothing wrong in them, what they are asked beside [`SOUND`].
const REACHED: &[(&str, Figures)] = &[
    (
        "closed-256",
        &[
            ("reports_per_s", 12_600.0),
            ("idle_mib", 11.0),
            ("peak_mib", 80.0),
        ],
    ),
    ("ingest-256", &[("floor_percent", 40.0)]),
    ("batch-1000", &[("reports_per_s", 50_000.0)]),
    (
        "open-3000",
        &[("ack_p50_ms", 1.0), ("ack_p99_ms", 5.0), ("window_s", 60.0)],
    ),
    (
        "stored-3000",
        &[
            ("ack_p50_ms", 1.0),
            ("ack_p99_ms", 5.0),
            ("window_s", 60.0),
            ("stored", 5_000_100.0),
        ],
    ),
    (
        "open-200",
        &[("transit_p50_ms", 1.0), ("transit_p99_ms", 4.0)],
    ),
    (
        "stored-256",
        &[("reports_per_s", 9_000.0), ("stored", 5_000_100.0)],
    ),
    (
        "hanging",
        &[("others_ratio", 1.0), ("pairs", 10.0), ("timeouts", 12.0)],
    ),
    (
        "outage",
        &[
            ("backlog_mib", 20.0),
            ("backlog", 1_000_000.0),
            ("forwards_per_s", 9_000.0),
            ("ack_p99_ms", 5.0),
        ],
    ),
    (
        "ready",
        &[
            ("ready_clean_ms", 20.0),
            ("ready_killed_ms", 20.0),
            ("store_mb", 5_100.0),
        ],
    ),
    (
        "pinned",
        &[("wal_held", 1.0), ("ack_p99_ms", 50.0), ("window_s", 600.0)],
    ),
    ("queries", &[("stored", 5_000_100.0)]),
];

fn row(scenario: &str, figures: impl IntoIterator<Item = (&'static str, f64)>) -> Value {
    let figures: serde_json::Map<String, Value> = figures
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    json!({"scenario": scenario, "durability": "full", "figures": figures})
}

/// One run of each scenario that is asked for anything.
fn reached() -> Vec<Value> {
    let row = |(scenario, figures): &(&str, Figures)| {
        let mut row = row(scenario, SOUND.iter().chain(*figures).copied());
        if *scenario == "queries" {
            row["queries_ms"] = json!({"redelivered_reports": 700.0});
        }
        row
    };
    REACHED.iter().map(row).collect()
}

/// Answers of today's instruments or others', and the page that they make.
struct Written {
    template: Value,
    folder: tempfile::TempDir,
}

impl Written {
    fn new() -> Self {
        let template = fs::read_to_string(&answers()[0]).unwrap();
        Self {
            template: serde_json::from_str(&template).unwrap(),
            folder: tempfile::TempDir::new().unwrap(),
        }
    }

    fn answer(&self, instruments: u64, rows: &[Value]) -> PathBuf {
        let mut answer = self.template.clone();
        answer["instruments"] = instruments.into();
        answer["rows"] = rows.into();
        let file = self.folder.path().join("answer.json");
        fs::write(&file, answer.to_string()).unwrap();
        file
    }

    /// The verdicts of these runs: their lines of the page.
    fn verdicts(&self, rows: &[Value]) -> Vec<String> {
        let page = page(&[self.answer(TODAY, rows)]);
        let lines = page.lines().filter(|line| line.starts_with("| P"));
        lines.map(str::to_owned).collect()
    }
}

/// The instruments of today.
const TODAY: u64 = 3;

/// Those that end in that word.
fn judged<'a>(verdicts: &'a [String], word: &str) -> Vec<&'a str> {
    let word = format!("| {word} |");
    let lines = verdicts.iter().map(String::as_str);
    lines.filter(|line| line.contains(&word)).collect()
}

#[test]
fn the_median_decides_and_is_shown_with_the_spread() {
    let written = Written::new();
    let settled = |rates: &[f64]| {
        let rows = rates
            .iter()
            .map(|rate| row("closed-256", [("reports_per_s", *rate)]));
        written.verdicts(&rows.collect::<Vec<_>>())[0].clone()
    };
    let reached = settled(&[9_000.0, 15_000.0, 12_600.0]);
    let wanted = "| >= 12000 | 12600 (9000–15000) (`closed-256`) | reached |";
    assert!(reached.contains(wanted), "{reached}");
    let missed = settled(&[11_400.0]);
    assert!(missed.contains("| **missed** |"), "{missed}");
    assert!(settled(&[]).contains("| not measured |"));
}

#[test]
fn every_fault_and_every_window_too_short_is_called_missed() {
    let written = Written::new();
    let all = written.verdicts(&reached());
    assert_eq!(judged(&all, "**missed**"), [""; 0], "{all:#?}");
    assert_eq!(judged(&all, "not measured"), [""; 0], "{all:#?}");
    for (target, scenario, figure, value) in [
        ("P1", "closed-256", "lost", 140_000.0),
        ("P1", "closed-256", "refused", 5_000.0),
        ("P1", "closed-256", "unstored", 1.0),
        ("P2", "ingest-256", "refused", 1.0),
        ("P2", "ingest-256", "lost", 1.0),
        ("P3", "batch-1000", "lost", 1.0),
        ("P4", "open-3000", "window_s", 1.0),
        ("P4", "open-3000", "reordered", 1.0),
        ("P4", "stored-3000", "window_s", 59.0),
        ("P4", "stored-3000", "repeated", 1.0),
        ("P4", "stored-3000", "stored", 4_999_999.0),
        ("P5", "open-200", "lost", 1_999.0),
        ("P6", "stored-256", "lost", 80_000.0),
        ("P6", "stored-256", "stored", 200_000.0),
        ("P8", "hanging", "pairs", 1.0),
        ("P8", "hanging", "timeouts", 0.0),
        ("P8", "hanging", "lost", 1.0),
        ("P9", "outage", "lost", 900_000.0),
        ("P9", "outage", "reordered", 1.0),
        ("P10", "ready", "lost", 1.0),
        ("P11", "pinned", "wal_held", 0.0),
        ("P11", "pinned", "refused", 1.0),
        ("P12", "queries", "repeated", 1.0),
    ] {
        // Beside two runs in which all is well: the median hides nothing.
        let mut rows = [reached(), reached(), reached()].concat();
        let wrong = rows.iter_mut().find(|row| row["scenario"] == scenario);
        wrong.unwrap()["figures"][figure] = value.into();
        let verdicts = written.verdicts(&rows);
        let missed = judged(&verdicts, "**missed**");
        assert_eq!(missed.len(), 1, "{scenario} {figure}: {missed:#?}");
        assert!(
            missed[0].starts_with(&format!("| {target} |")),
            "{scenario} {figure}: {missed:#?}"
        );
    }
}

#[test]
fn what_may_come_again_is_shown_and_not_judged() {
    let written = Written::new();
    let mut rows = reached();
    for row in &mut rows {
        if row["scenario"] == "outage" || row["scenario"] == "ready" {
            row["figures"]["repeated"] = 32.0.into();
        }
    }
    let verdicts = written.verdicts(&rows);
    assert_eq!(judged(&verdicts, "**missed**"), [""; 0]);
}

#[test]
fn a_run_that_did_not_look_for_losses_has_not_shown_that_there_are_none() {
    let written = Written::new();
    let mut rows = reached();
    let figures = rows[0]["figures"].as_object_mut().unwrap();
    figures.remove("lost");
    let verdicts = written.verdicts(&rows);
    let [unknown] = judged(&verdicts, "not measured")[..] else {
        panic!("{verdicts:#?}");
    };
    assert!(unknown.starts_with("| P1 |"), "{unknown}");
    assert!(unknown.contains("no figure for lost"), "{unknown}");
}

#[test]
fn answers_of_earlier_instruments_are_refused() {
    let written = Written::new();
    let file = written.answer(TODAY - 1, &reached());
    let output = report(&[file]);
    assert!(!output.status.success());
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.contains("measure again"), "{talk}");
}

/// The service that answers 200 and stores no report: it takes the Cloud API's webhooks for
/// those of Infobip, and finds nothing in them.
fn forgetful_service(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let script = folder.join("forgetful");
    let service = service();
    let service = service.display();
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
    let forgetful = forgetful_service(folder.path());
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
        let answer: Value =
            serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{talk}"));
        assert_eq!(answer["failed"], json!([]), "{talk}");
        // Those of Infobip itself are understood.
        assert_eq!(answer["rows"][0]["figures"]["lost"], 0.0, "{talk}");
        answer["rows"][1]["figures"].clone()
    };
    let kept = figures(&service());
    // A busy machine may refuse some: these are sent again, and none is lost.
    assert_eq!(kept["lost"], 0.0, "{kept}");
    assert!(kept["reports_per_s"].as_f64().unwrap() > 0.0, "{kept}");
    let forgotten = figures(&forgetful);
    assert_eq!(forgotten["lost"], forgotten["reports"], "{forgotten}");
    assert!(forgotten["reports"].as_f64().unwrap() > 0.0, "{forgotten}");
    assert_eq!(forgotten["reports_per_s"], 0.0, "{forgotten}");
}

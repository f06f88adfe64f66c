//! The page `docs/benchmarks.md`, from the answers of runs and nothing else: verdicts, the
//! machine and the commands, tables, what is said by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::answer::{Answer, Row};
use super::figure::{self, Figure};
use super::floor::Floors;
use super::readers::is_for_a_copy;
use super::table;
use super::targets::{Sample, Settled, TARGETS};

/// Writing into a string cannot fail; what `write!` returns is dropped everywhere here.
macro_rules! say {
    ($out:expr, $($words:tt)*) => { let _ = writeln!($out, $($words)*); };
}

const SPEED: &[Figure] = &[
    figure::WEBHOOKS_PER_S,
    figure::REPORTS_PER_S,
    figure::ACK_P50_MS,
    figure::ACK_P99_MS,
    figure::ACK_P999_MS,
    figure::ACK_WORST_MS,
    figure::TRANSIT_P50_MS,
    figure::TRANSIT_P99_MS,
    figure::FORWARDS_PER_S,
    figure::FLOOR_PERCENT,
    figure::CEILING_PERCENT,
];
const COST: &[Figure] = &[
    figure::WINDOW_S,
    figure::WEBHOOKS,
    figure::REPORTS,
    figure::REFUSED,
    figure::LOST,
    figure::UNSTORED,
    figure::REPEATED,
    figure::REORDERED,
    figure::IDLE_MIB,
    figure::PEAK_MIB,
    figure::CPU_S_PER_1000,
    figure::DISK_PER_REPORT,
];

/// The whole page.
pub(super) fn write(answers: &[Answer], notes: &str) -> String {
    let mut page = String::new();
    say!(
        page,
        "# Benchmarks\n\n\
         Written by `tickrelay-bench report docs/benchmarks/*.json > docs/benchmarks.md` from the answers in\n\
         [benchmarks/](benchmarks/) and [benchmarks/notes.md](benchmarks/notes.md); a test fails when it is not.\n"
    );
    if answers.iter().any(|answer| answer.quick) {
        say!(
            page,
            "**Some of these runs were cut short (`--quick` or `--window`): a look, not a measurement.**\n"
        );
    }
    if answers.iter().any(|answer| !answer.machine.optimised) {
        say!(page, "**Some of these runs were not built for speed.**\n");
    }
    verdicts(&mut page, &rows_of(answers, "full"));
    runs(&mut page, answers);
    columns(&mut page);
    for (durability, waits) in [
        (
            "full",
            "each commit waits for the disk (`synchronous=FULL`)",
        ),
        (
            "os",
            "commits wait for the operating system (`synchronous=NORMAL`): a power cut may lose the last moments",
        ),
    ] {
        let rows = rows_of(answers, durability);
        if rows.is_empty() {
            continue;
        }
        say!(page, "## Durability `{durability}`: {waits}\n");
        let floors = answers.iter().flat_map(|answer| &answer.floors);
        let floors = floors.filter(|of| of.durability == durability);
        say_floors(&mut page, &floors.collect::<Vec<_>>());
        say!(page, "### Speed\n");
        runs_of(&mut page, &rows, SPEED);
        say!(page, "### Losses and costs\n");
        runs_of(&mut page, &rows, COST);
        further(&mut page, &rows);
        queries(&mut page, &rows);
    }
    let notes = notes.trim();
    if !notes.is_empty() {
        say!(page, "{notes}");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn rows_of<'a>(answers: &'a [Answer], durability: &str) -> Vec<&'a Row> {
    let rows = answers.iter().flat_map(|answer| &answer.rows);
    rows.filter(|row| row.durability == durability).collect()
}

/// The scenarios, in the order in which they were first run.
fn scenarios<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.scenario.as_str()) {
            names.push(&row.scenario);
        }
    }
    names
}

fn verdicts(page: &mut String, rows: &[&Row]) {
    say!(
        page,
        "## What was to be reached\n\n\
         On two cores, generator and subscribers on the same two, `durability = \"full\"`. The median of the runs\n\
         decides; what must never happen may not happen in any, and counts as not measured when a run did not look for it.\n\
         The part of the memory that hostile clients may take (256 MiB) is held by `faults::clients` and\n\
         `faults::connections`, tests with controls.\n\n\
         | # | measure | wanted | measured | verdict |\n\
         | --- | --- | --- | --- | --- |"
    );
    for target in TARGETS {
        let (measured, settled) = match target.judge(rows) {
            Settled::Reached(sample) => (spread(sample, target.digits()), "reached"),
            Settled::Missed(sample) => (spread(sample, target.digits()), "**missed**"),
            Settled::NotMeasured(figure) => (format!("no figure for {figure}"), "not measured"),
        };
        let (id, measure, scenario) = (target.id, target.measure, target.scenario);
        let wanted = target.bound.describe();
        say!(
            page,
            "| {id} | {measure} | {wanted} | {measured} (`{scenario}`) | {settled} |"
        );
    }
    say!(page, "");
}

fn runs(page: &mut String, answers: &[Answer]) {
    say!(
        page,
        "## Machine and commands\n\n\
         Service, load generator, subscribers and readers are processes of their own on one machine, over\n\
         loopback. Stores are made again for each scenario; the large one of `stored` is filled once and copied for\n\
         further rounds, so `stored/s` is that of one filling. The times that a scenario takes are in `tickrelay-bench list`.\n"
    );
    for answer in answers {
        say!(
            page,
            "- `{}`, {}, tickrelay {}: {}",
            answer.command,
            answer.day,
            answer.version,
            table::machine(&answer.machine)
        );
        for failed in &answer.failed {
            say!(page, "  - failed: {failed}");
        }
    }
    say!(page, "");
}

fn columns(page: &mut String) {
    say!(
        page,
        "## What the columns mean\n\n\
         Several runs of one scenario show as their median, with the lowest and the highest behind it.\n\n\
         | column | key in the JSON | is |\n| --- | --- | --- |"
    );
    for figure in figure::ALL {
        let Figure {
            key,
            title,
            meaning,
            ..
        } = figure;
        say!(page, "| {title} | `{key}` | {meaning} |");
    }
    say!(page, "");
}

/// What is said of the floors: its name, and where it stands.
type Floor = (&'static str, fn(&Floors) -> f64);
const FLOORS: [Floor; 4] = [
    ("a bare HTTP server answers, webhooks/s", |floors| {
        floors.bare_per_s
    }),
    (
        "the same with a group commit of the raw body first (the floor), webhooks/s",
        |floors| floors.stored_per_s,
    ),
    ("the floor as a share of the bare server, %", |floors| {
        100.0 * floors.stored_per_s / floors.bare_per_s
    }),
    (
        "signed posts without a store (the ceiling), forwards/s",
        |floors| floors.posts_per_s,
    ),
];

fn say_floors(page: &mut String, floors: &[&Floors]) {
    if floors.is_empty() {
        return;
    }
    say!(page, "| what the machine does at best | |\n| --- | ---: |");
    for (name, value) in FLOORS {
        if let Some(sample) = Sample::of(floors.iter().copied().map(value)) {
            say!(page, "| {name} | {} |", spread(sample, 0));
        }
    }
    say!(
        page,
        "\n\
         The floor commits as the relay does: groups of 256 at most, the same pragmas, page size and cache, its\n\
         WAL moved into the file by a second thread once it has 2048 pages, the rest by the committing one.\n"
    );
}

/// A table: one line for each scenario, its runs together.
fn runs_of(page: &mut String, rows: &[&Row], figures: &[Figure]) {
    let titles = figures.iter().map(|figure| figure.title);
    say!(
        page,
        "| scenario | runs | {} |",
        titles.collect::<Vec<_>>().join(" | ")
    );
    say!(page, "| --- | ---: |{}", " ---: |".repeat(figures.len()));
    for scenario in scenarios(rows) {
        let of_it = || rows.iter().filter(|row| row.scenario == scenario);
        let cells = figures.iter().map(|figure| {
            let sample = Sample::of(of_it().filter_map(|row| row.get(*figure)));
            sample.map_or_else(String::new, |sample| spread(sample, figure.digits))
        });
        say!(
            page,
            "| {scenario} | {} | {} |",
            of_it().count(),
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    say!(page, "");
}

/// What only some scenarios have.
fn further(page: &mut String, rows: &[&Row]) {
    let is_common = |figure: &&Figure| {
        let mut common = SPEED.iter().chain(COST);
        common.any(|common| common.key == figure.key)
    };
    let mut lines = String::new();
    for scenario in scenarios(rows) {
        for figure in figure::ALL.iter().filter(|figure| !is_common(figure)) {
            let of_it = rows.iter().filter(|row| row.scenario == scenario);
            if let Some(sample) = Sample::of(of_it.filter_map(|row| row.get(*figure))) {
                let (title, value) = (figure.title, spread(sample, figure.digits));
                say!(lines, "| {scenario} | {title} | {value} |");
            }
        }
    }
    if !lines.is_empty() {
        say!(
            page,
            "### Further figures\n\n| scenario | figure | value |\n| --- | --- | ---: |\n{lines}"
        );
    }
    let mut notes: Vec<String> = rows
        .iter()
        .filter(|row| !row.note.is_empty())
        .map(|row| format!("- {}: {}", row.scenario, row.note))
        .collect();
    notes.dedup();
    if !notes.is_empty() {
        say!(page, "{}\n", notes.join("\n"));
    }
}

fn queries(page: &mut String, rows: &[&Row]) {
    let mut taken: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, ms) in rows.iter().flat_map(|row| &row.queries_ms) {
        taken.entry(name).or_default().push(*ms);
    }
    if taken.is_empty() {
        return;
    }
    say!(
        page,
        "### The ready queries\n\n\
         Each asked twice, one after the other, by another process beside 3000 webhooks a second on the filled\n\
         store; the slower answer counts. Those for a copy read all there is of messages or reports:\n\
         `schema/README.md` says how to make one, and `schema/queries/` has the queries.\n\n\
         | query | ms | on a large store |\n| --- | ---: | --- |"
    );
    for (name, ms) in taken {
        if let Some(sample) = Sample::of(ms.into_iter()) {
            say!(
                page,
                "| `{name}` | {} | {} |",
                spread(sample, 0),
                if is_for_a_copy(name) {
                    "for a copy"
                } else {
                    ""
                }
            );
        }
    }
    say!(page, "");
}

/// The median, and where the runs lay when they differ.
fn spread(sample: Sample, digits: usize) -> String {
    let show = |value: f64| format!("{value:.digits$}");
    let (median, low, high) = (show(sample.median), show(sample.low), show(sample.high));
    if low == high {
        median
    } else {
        format!("{median} ({low}–{high})")
    }
}

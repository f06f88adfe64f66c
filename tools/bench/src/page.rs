//! The page `docs/benchmarks.md`, from the answers of runs and nothing else: verdicts, the
//! machine and the commands, tables, what is said by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::answer::{Answer, Row};
use super::figure::{self, Figure};
use super::floor::Floors;
use super::readers::is_for_a_copy;
use super::shown::{Shown, is_old, mark};
use super::table;
use super::targets::{Bound, Faults, Sample, ShownBy, TARGETS, Target};

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

/// What is to be known of answers from before the instruments had the number 3.
const OLD_INSTRUMENTS: &str = "\
**Runs that are marked \"earlier instruments\" were made before the columns meant what stands below, and are to be\n\
taken anew.** In them reports/s are those that were acknowledged, whether they arrived or were stored or not, and\n\
nothing that comes after the last forward that was waited for is seen. In the first of them transit counts from the\n\
actual sending; the floor moves its WAL within its committing thread; the windows of `hanging` end before the timeout;\n\
the outage is a pause, and its memory is compared with that of a process that already held the start of the backlog.\n\
A scenario that was measured with later instruments too is shown and judged by those alone, and so are the floors.";

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
    if answers.iter().any(is_old) {
        say!(page, "{OLD_INSTRUMENTS}\n");
    }
    verdicts(&mut page, &Shown::of(answers, "full"));
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
        let shown = Shown::of(answers, durability);
        if shown.rows.is_empty() {
            continue;
        }
        say!(page, "## Durability `{durability}`: {waits}\n");
        floors(&mut page, &shown);
        say!(page, "### Speed\n");
        runs_of(&mut page, &shown, SPEED);
        say!(page, "### Losses and costs\n");
        runs_of(&mut page, &shown, COST);
        further(&mut page, &shown);
        queries(&mut page, &shown.rows);
    }
    let notes = notes.trim();
    if !notes.is_empty() {
        say!(page, "{notes}");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn verdicts(page: &mut String, shown: &Shown<'_>) {
    say!(
        page,
        "## What was to be reached\n\n\
         On two cores, generator and subscribers on the same two, `durability = \"full\"`. The median of the runs\n\
         decides; what must never happen may not happen in any, and counts as not measured when a run did not look for it.\n\n\
         | # | measure | wanted | measured | verdict | how close |\n\
         | --- | --- | --- | --- | --- | --- |"
    );
    for target in TARGETS {
        let (wanted, measured, verdict, close) = verdict(target, shown);
        let (id, measure) = (target.id, target.measure);
        say!(
            page,
            "| {id} | {measure} | {wanted} | {measured} | {verdict} | {close} |"
        );
    }
    say!(page, "");
}

fn verdict(target: &Target, shown: &Shown<'_>) -> (String, String, &'static str, String) {
    match target.shown_by {
        ShownBy::Tests { names, measure } => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let measured = format!("by tests alone: {measure}: {}", names.join(", "));
            (String::new(), measured, "tested", String::new())
        }
        ShownBy::Queries(bound) => {
            let sample = Sample::of_queries(shown.rows());
            judged(&whose(shown, "queries"), bound, sample, 0)
        }
        ShownBy::Row(scenario, figure, bound) => {
            let sample = Sample::in_rows(shown.rows(), scenario, figure);
            judged(&whose(shown, scenario), bound, sample, figure.digits)
        }
        ShownBy::Nothing(scenario, kinds) => {
            let faults = Faults::in_rows(shown.rows(), scenario, kinds);
            without(&whose(shown, scenario), faults)
        }
    }
}

/// Where a figure stands.
fn whose(shown: &Shown<'_>, scenario: &str) -> String {
    format!("(`{scenario}`{})", shown.mark(scenario))
}

/// Whether there was nothing that must not happen.
fn without(whose: &str, faults: Option<Faults>) -> (String, String, &'static str, String) {
    let (what, verdict) = match faults {
        None => (String::new(), "not measured"),
        Some(Faults { found, .. }) if !found.is_empty() => {
            let found = found.iter().map(|(what, worst)| format!("{what} {worst}"));
            (found.collect::<Vec<_>>().join(", "), "**missed**")
        }
        Some(Faults { unknown, .. }) if !unknown.is_empty() => (
            format!("no figure for {}", unknown.join(", ")),
            "not measured",
        ),
        Some(_) => ("0".to_owned(), "reached"),
    };
    let measured = format!("{what} {whose}");
    let wanted = "0 in every run".to_owned();
    (
        wanted,
        measured.trim_start().to_owned(),
        verdict,
        String::new(),
    )
}

fn judged(
    whose: &str,
    bound: Bound,
    sample: Option<Sample>,
    digits: usize,
) -> (String, String, &'static str, String) {
    let wanted = bound.describe();
    let Some(sample) = sample else {
        let measured = whose.to_owned();
        return (wanted, measured, "not measured", String::new());
    };
    let measured = format!("{} {whose}", spread(sample, digits));
    let verdict = if bound.is_met(sample) {
        "reached"
    } else {
        "**missed**"
    };
    (wanted, measured, verdict, bound.closeness(sample))
}

fn runs(page: &mut String, answers: &[Answer]) {
    say!(
        page,
        "## Machine and commands\n\n\
         Service, load generator, subscribers and readers are processes of their own on one machine, over\n\
         loopback. Stores are made anew for each scenario; the large one of `stored` is filled once and copied for\n\
         further rounds, so `stored/s` is that of one filling. The times that a scenario takes are in `tickrelay-bench list`.\n"
    );
    for answer in answers {
        say!(
            page,
            "- `{}`, {}, tickrelay {}{}: {}",
            answer.command,
            answer.day,
            answer.version,
            mark(is_old(answer)),
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

/// What is told of the floors: its name, and where it stands.
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

fn floors(page: &mut String, shown: &Shown<'_>) {
    let floors = || shown.floors.iter().copied();
    if floors().next().is_none() {
        return;
    }
    let mark = mark(shown.are_floors_old);
    say!(
        page,
        "| what the machine does at best{mark} | |\n| --- | ---: |"
    );
    for (name, value) in FLOORS {
        if let Some(sample) = Sample::of(floors().map(value)) {
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
fn runs_of(page: &mut String, shown: &Shown<'_>, figures: &[Figure]) {
    let titles = figures.iter().map(|figure| figure.title);
    say!(
        page,
        "| scenario | runs | {} |",
        titles.collect::<Vec<_>>().join(" | ")
    );
    say!(page, "| --- | ---: |{}", " ---: |".repeat(figures.len()));
    for scenario in shown.scenarios() {
        let of_it = || shown.rows().filter(|row| row.scenario == scenario);
        let cells = figures.iter().map(|figure| {
            let sample = Sample::in_rows(of_it(), scenario, *figure);
            sample.map_or_else(String::new, |sample| spread(sample, figure.digits))
        });
        say!(
            page,
            "| {scenario}{} | {} | {} |",
            shown.mark(scenario),
            of_it().count(),
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    say!(page, "");
}

/// What only some scenarios have.
fn further(page: &mut String, shown: &Shown<'_>) {
    let is_shown = |figure: &&Figure| {
        let mut shown = SPEED.iter().chain(COST);
        !shown.any(|shown| shown.key == figure.key)
    };
    let mut lines = String::new();
    for scenario in shown.scenarios() {
        let mark = shown.mark(scenario);
        for figure in figure::ALL.iter().filter(is_shown) {
            if let Some(sample) = Sample::in_rows(shown.rows(), scenario, *figure) {
                let (title, value) = (figure.title, spread(sample, figure.digits));
                say!(lines, "| {scenario}{mark} | {title} | {value} |");
            }
        }
    }
    if !lines.is_empty() {
        say!(
            page,
            "### Further figures\n\n| scenario | figure | value |\n| --- | --- | ---: |\n{lines}"
        );
    }
    let mut notes: Vec<String> = shown
        .rows()
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
         store; the slower answer counts. Those for a copy read all there is of messages or reports: the\n\
         [queries' README](../schema/README.md#ready-queries) says how to make one.\n\n\
         | query | ms | on a large store |\n| --- | ---: | --- |"
    );
    for (name, ms) in taken {
        if let Some(sample) = Sample::of(ms.into_iter()) {
            say!(
                page,
                "| [{name}](../schema/queries/{name}.sql) | {} | {} |",
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

//! The answer for people at a terminal.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::answer::{Answer, Row};
use super::figure::{self, Figure};
use super::machine::Machine;

/// The columns beside the scenario: what every window has.
const COLUMNS: [Figure; 19] = [
    figure::WEBHOOKS_PER_S,
    figure::REPORTS_PER_S,
    figure::ACK_P50_MS,
    figure::ACK_P99_MS,
    figure::ACK_P999_MS,
    figure::TRANSIT_P50_MS,
    figure::TRANSIT_P99_MS,
    figure::FORWARDS_PER_S,
    figure::FLOOR_PERCENT,
    figure::CEILING_PERCENT,
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

/// The machine in one line.
pub(super) fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} cores, {} GiB; {}; {}, 4 KiB written and synced in {} µs; load before {}{}",
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.system,
        machine.filesystem,
        machine.sync_us,
        machine.load_average,
        if machine.optimised {
            ""
        } else {
            "; NOT OPTIMISED: use --release"
        },
    )
}

/// A row in one line, while others are still to come.
pub(super) fn line(row: &Row) -> String {
    let known = figure::ALL.iter();
    let said = known.filter_map(|figure| Some(format!("{} {}", figure.key, show(row, *figure)?)));
    format!("{}: {}", row.scenario, said.collect::<Vec<_>>().join(", "))
}

pub(super) fn print(answer: &Answer, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "tickrelay {}; {}; generator and subscribers on the same cores{}",
        answer.version,
        machine(&answer.machine),
        if answer.quick {
            "; windows cut short: a look, not a measurement"
        } else {
            ""
        },
    )?;
    let mut durabilities: Vec<&str> = Vec::new();
    for row in &answer.rows {
        if !durabilities.contains(&row.durability.as_str()) {
            durabilities.push(&row.durability);
        }
    }
    for durability in durabilities {
        writeln!(out, "\ndurability {durability}; latencies in ms")?;
        for floors in answer
            .floors
            .iter()
            .filter(|of| of.durability == durability)
        {
            writeln!(
                out,
                "a bare server answers {:.0}/s, with the raw body committed {:.0}/s (the floor); \
                 signed posts without a store {:.0}/s (the ceiling)",
                floors.bare_per_s, floors.stored_per_s, floors.posts_per_s
            )?;
        }
        let rows = || {
            answer
                .rows
                .iter()
                .filter(|row| row.durability == durability)
        };
        writeln!(out, "{}", table(rows()))?;
        rows().try_for_each(|row| details(row, out))?;
    }
    Ok(())
}

fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let titles = COLUMNS.iter().map(|column| column.title);
    table.set_header(std::iter::once("scenario").chain(titles));
    for row in rows {
        let shown = COLUMNS.iter().map(|column| show(row, *column));
        let cells = shown.map(|shown| Cell::new(shown.unwrap_or_default()));
        table.add_row(std::iter::once(Cell::new(&row.scenario)).chain(cells));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_padding((0, 0));
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What a row says beside the columns.
fn details(row: &Row, out: &mut impl Write) -> anyhow::Result<()> {
    let is_column = |figure: &Figure| COLUMNS.iter().any(|column| column.key == figure.key);
    let common = [
        figure::WINDOW_S,
        figure::WEBHOOKS,
        figure::REPORTS,
        figure::ACK_WORST_MS,
    ];
    let is_common = |figure: &Figure| common.iter().any(|common| common.key == figure.key);
    let others = figure::ALL
        .iter()
        .filter(|figure| !is_column(figure) && !is_common(figure));
    let mut said: Vec<String> = others
        .filter_map(|figure| Some(format!("{} {}", figure.title, show(row, *figure)?)))
        .collect();
    said.extend(
        row.queries_ms
            .iter()
            .map(|(name, took)| format!("{name} {took:.0} ms")),
    );
    if !row.note.is_empty() {
        said.push(row.note.clone());
    }
    if !said.is_empty() {
        writeln!(out, "{}: {}", row.scenario, said.join(", "))?;
    }
    Ok(())
}

fn show(row: &Row, figure: Figure) -> Option<String> {
    let value = row.get(figure)?;
    Some(format!("{value:.0$}", figure.digits))
}

//! The answer: one table for people, the same as JSON for programs.

use std::io::Write;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use super::floor::Floors;
use super::machine::Machine;
use super::measure::Outcome;
use super::player::Played;
use super::process::Usage;
use super::scenario::spent;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    version: &'static str,
    machine: Machine,
    window_s: f64,
    pub(super) floors: Vec<Floors>,
    pub(super) rows: Vec<Row>,
}

/// One scenario; what does not apply to it is `None`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) durability: &'static str,
    pub(super) webhooks: u64,
    pub(super) reports: u64,
    /// Webhooks accepted in a second.
    pub(super) webhooks_per_s: Option<f64>,
    /// Reports in a second, until the last of their forwards had arrived.
    pub(super) reports_per_s: Option<f64>,
    pub(super) ack_p50_ms: Option<f64>,
    pub(super) ack_p99_ms: Option<f64>,
    pub(super) ack_p999_ms: Option<f64>,
    /// From the webhook's leaving to the forward's arrival.
    pub(super) transit_p50_ms: Option<f64>,
    pub(super) transit_p99_ms: Option<f64>,
    pub(super) forwards_per_s: Option<f64>,
    pub(super) refused: u64,
    pub(super) lost: Option<u64>,
    pub(super) repeated: Option<u64>,
    pub(super) reordered: Option<u64>,
    pub(super) idle_mib: Option<f64>,
    pub(super) peak_mib: Option<f64>,
    /// Seconds of the service's processor time for 1000 reports.
    pub(super) cpu_s_per_1000: Option<f64>,
    pub(super) disk_per_report: Option<u64>,
    pub(super) note: String,
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 µs")]
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^52 of anything")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}

impl Row {
    pub(super) fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn acks(&mut self, played: &Played) {
        self.webhooks = played.accepted;
        self.reports = played.reports;
        self.webhooks_per_s = Some(per(played.accepted, played.elapsed_s));
        self.reports_per_s = Some(per(played.reports, played.elapsed_s));
        self.ack_p50_ms = Some(ms(played.ack_p50));
        self.ack_p99_ms = Some(ms(played.ack_p99));
        self.ack_p999_ms = Some(ms(played.ack_p999));
        self.refused = played.refused.values().chain(played.broken.values()).sum();
    }

    pub(super) fn forwards(&mut self, outcome: &Outcome, any_subscriber: bool) {
        if !any_subscriber {
            return;
        }
        let seconds = ms(outcome.span_us) / 1000.0;
        self.forwards_per_s = Some(per(outcome.forwards, seconds));
        self.reports_per_s = Some(per(self.reports, seconds));
        self.transit_p50_ms = Some(ms(outcome.transit_p50));
        self.transit_p99_ms = Some(ms(outcome.transit_p99));
        self.lost = Some(outcome.lost);
        self.repeated = Some(outcome.repeated);
        self.reordered = Some(outcome.reordered);
    }

    pub(super) fn usage(&mut self, idle: Usage, before: Usage, after: Usage) {
        let mib = |bytes: u64| ms(bytes >> 10) * 1000.0 / 1024.0;
        self.idle_mib = Some(mib(idle.resident));
        self.peak_mib = Some(mib(after.peak));
        let spent: Duration = spent(before, after);
        if self.reports > 0 {
            self.cpu_s_per_1000 = Some(1000.0 / per(self.reports, spent.as_secs_f64()));
        }
    }

    pub(super) fn disk(&mut self, bytes: u64) {
        self.disk_per_report = bytes.checked_div(self.reports);
    }
}

/// The columns of the table: what they are called and what they show.
type Column = (&'static str, fn(&Row) -> String);
const COLUMNS: [Column; 18] = [
    ("scenario", |row| row.scenario.clone()),
    ("durability", |row| row.durability.to_owned()),
    ("webhooks/s", |row| number(row.webhooks_per_s, 0)),
    ("reports/s", |row| number(row.reports_per_s, 0)),
    ("ack p50 ms", |row| number(row.ack_p50_ms, 2)),
    ("p99", |row| number(row.ack_p99_ms, 2)),
    ("p99.9", |row| number(row.ack_p999_ms, 2)),
    ("transit p50 ms", |row| number(row.transit_p50_ms, 2)),
    ("p99", |row| number(row.transit_p99_ms, 2)),
    ("forwards/s", |row| number(row.forwards_per_s, 0)),
    ("refused", |row| row.refused.to_string()),
    ("lost", |row| count(row.lost)),
    ("repeated", |row| count(row.repeated)),
    ("reordered", |row| count(row.reordered)),
    ("idle MiB", |row| number(row.idle_mib, 0)),
    ("peak MiB", |row| number(row.peak_mib, 0)),
    ("CPU s/1000", |row| number(row.cpu_s_per_1000, 3)),
    ("B/report", |row| count(row.disk_per_report)),
];

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.digits$}"))
}

fn count(value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

impl Answer {
    pub(super) fn new(machine: Machine, window: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine,
            window_s: window.as_secs_f64(),
            floors: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(super) fn print(&self, out: &mut impl Write, json: bool) -> anyhow::Result<()> {
        if json {
            return Ok(writeln!(out, "{}", serde_json::to_string_pretty(self)?)?);
        }
        let machine = &self.machine;
        writeln!(
            out,
            "tickrelay {}; {}, {} cores, {} GiB; {}; {}, 4 KiB written and synced in {} µs; \
             load before {}; windows of {} s, generator and subscribers on the same cores{}",
            self.version,
            machine.processor,
            machine.cores,
            machine.memory_gib,
            machine.system,
            machine.filesystem,
            machine.sync_us,
            machine.load_average,
            self.window_s,
            if machine.optimised {
                ""
            } else {
                "; NOT OPTIMISED: use --release"
            },
        )?;
        for floors in &self.floors {
            writeln!(
                out,
                "durability {}: a bare server answers {:.0}/s, with the raw body committed {:.0}/s; \
                 signed posts without a store {:.0}/s",
                floors.durability, floors.bare_per_s, floors.stored_per_s, floors.posts_per_s
            )?;
        }
        writeln!(out, "{}", self.table())?;
        for row in self.rows.iter().filter(|row| !row.note.is_empty()) {
            writeln!(out, "{} ({}): {}", row.scenario, row.durability, row.note)?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let names = COLUMNS.iter().map(|(name, _)| *name);
        table.set_header(names.chain(["of the floor", "of the ceiling"]));
        for row in &self.rows {
            let mut cells: Vec<Cell> = COLUMNS
                .iter()
                .map(|(_, show)| Cell::new(show(row)))
                .collect();
            let floors = self
                .floors
                .iter()
                .find(|floors| floors.durability == row.durability);
            let share = |of: Option<f64>, whole: fn(&Floors) -> f64| {
                let percent = of
                    .zip(floors)
                    .map(|(of, floors)| 100.0 * of / whole(floors));
                percent.map_or_else(String::new, |percent| format!("{percent:.0} %"))
            };
            cells.push(Cell::new(share(row.webhooks_per_s, |f| f.stored_per_s)));
            cells.push(Cell::new(share(row.forwards_per_s, |f| f.posts_per_s)));
            table.add_row(cells);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

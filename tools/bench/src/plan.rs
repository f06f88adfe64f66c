//! How long scenarios take and how much disk, before they run: a measurement wants a machine that
//! nobody else uses meanwhile.
//!
//! Rough figures, of the machine on which the page was measured; a slower disk takes longer.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::scenario::SCENARIOS;
use super::stage::Bench;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// How long a scenario sends, when that was said.
    pub(super) window: Option<u64>,
    pub(super) quick: bool,
    /// Reports that the filled store holds.
    pub(super) stored: u64,
    /// Forwards that wait in an outage.
    pub(super) backlog: u64,
}

impl Scale {
    /// What is measured unless something else is said.
    pub(super) const FULL: Self = Self {
        window: None,
        quick: false,
        stored: 5_000_000,
        backlog: 1_000_000,
    };

    /// A look: small stores and short windows.
    pub(super) const fn quick(self) -> Self {
        Self {
            quick: true,
            stored: if self.stored < 200_000 {
                self.stored
            } else {
                200_000
            },
            backlog: if self.backlog < 50_000 {
                self.backlog
            } else {
                50_000
            },
            ..self
        }
    }

    /// The length of a window that is this long in the full form.
    pub(super) const fn window_s(&self, full: u64) -> u64 {
        match self.window {
            Some(window) => window,
            None if self.quick => 2,
            None => full,
        }
    }
}

/// Reports that a store is filled with in a second, and that a backlog loses.
const FILLED_PER_S: u64 = 40_000;
const DRAINED_PER_S: u64 = 20_000;
/// Starting, draining and stopping, seconds.
const AROUND_S: u64 = 3;
/// Bytes of a report in the file, with its forward; much more than most scenarios need.
const REPORT_BYTES: u64 = 1_600;
/// Reports a second at most.
const MOST_PER_S: u64 = 80_000;
/// What any run leaves free: the service's own reserve, with as much for logs and the WAL.
const RESERVE: u64 = 512 << 20;

/// What a scenario takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) seconds: u64,
    pub(super) bytes: u64,
}

impl Needs {
    /// A window that is this long in the full form, with at most so many reports a second.
    pub(super) const fn of_window(scale: &Scale, full_s: u64, per_s: u64) -> Self {
        let seconds = scale.window_s(full_s);
        Self {
            seconds: seconds + AROUND_S,
            bytes: seconds * per_s * REPORT_BYTES,
        }
    }

    /// The three windows before a round.
    pub(super) const fn of_floors(scale: &Scale) -> Self {
        let window = Self::of_window(scale, 10, MOST_PER_S);
        Self {
            seconds: 3 * window.seconds,
            ..window
        }
    }

    pub(super) const fn of_filling(reports: u64) -> Self {
        Self {
            seconds: reports / FILLED_PER_S,
            bytes: reports * REPORT_BYTES,
        }
    }

    /// Subscribers that take what waits for them.
    pub(super) const fn of_draining(forwards: u64) -> Self {
        Self {
            seconds: forwards / DRAINED_PER_S,
            bytes: 0,
        }
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(super) const fn times(self, times: u64) -> Self {
        Self {
            seconds: self.seconds * times,
            bytes: self.bytes * times,
        }
    }

    /// Nothing but time.
    pub(super) const fn wait(seconds: u64) -> Self {
        Self { seconds, bytes: 0 }
    }
}

/// Fails when the folder has no room for what is to be run, rather than an hour later.
pub(super) fn check_room(bench: &Bench, most: u64) -> anyhow::Result<()> {
    let folder = bench.folder.display();
    let disk = rustix::fs::statvfs(&bench.folder)
        .with_context(|| format!("cannot ask for the free disk of {folder}"))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = most + RESERVE;
    ensure!(
        free >= needed,
        "{folder} has {} MB free, and {} MB may be needed: name a folder on a larger disk with \
         --folder, or less with --stored, --backlog, --window",
        free / 1_000_000,
        needed / 1_000_000
    );
    Ok(())
}

/// A time to plan with.
pub(super) fn about(seconds: u64) -> String {
    let time = Duration::from_secs(seconds);
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..6_000 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The scenarios, and how long each takes.
pub(super) fn list(out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:<12} {:>7} {:>7}  WHAT",
        "SCENARIO", "TAKES", "QUICK"
    )?;
    for scenario in SCENARIOS {
        let takes = |scale: &Scale| about(scenario.needs(scale).seconds);
        let (full, quick) = (takes(&Scale::FULL), takes(&Scale::FULL.quick()));
        let extra = match (scenario.on_request, scenario.once) {
            (true, true) => " (by name or --all; once for all rounds)",
            (true, false) => " (by name or --all)",
            (false, _) => "",
        };
        let (name, what) = (scenario.name, scenario.about);
        writeln!(out, "{name:<12} {full:>7} {quick:>7}  {what}{extra}")?;
    }
    let floors = |scale: &Scale| about(Needs::of_floors(scale).seconds);
    let (full, quick) = (floors(&Scale::FULL), floors(&Scale::FULL.quick()));
    writeln!(
        out,
        "{:<12} {full:>7} {quick:>7}  before each round, unless --no-floors",
        "(floors)"
    )?;
    Ok(writeln!(
        out,
        "\nEach for one round and one durability, about, in a release build. Both durabilities are measured\n\
         unless --durability names one; --window changes the length of every window."
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_was_said_holds_for_all_and_a_look_is_short() {
        let said = Scale {
            window: Some(120),
            ..Scale::FULL
        };
        let seconds = |scale: &Scale| Needs::of_window(scale, 600, 1_000).seconds;
        assert_eq!(seconds(&Scale::FULL), 600 + AROUND_S);
        assert_eq!(seconds(&said), 120 + AROUND_S);
        assert_eq!(seconds(&Scale::FULL.quick()), 2 + AROUND_S);
        assert_eq!(Scale::FULL.quick().backlog, 50_000);
    }

    #[test]
    fn times_are_reported_in_what_one_plans_with() {
        for (seconds, expected) in [
            (0, "0 s"),
            (99, "99 s"),
            (121, "3 min"),
            (7_300, "2 h 01 min"),
        ] {
            assert_eq!(about(seconds), expected);
        }
    }
}

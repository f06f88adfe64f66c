//! Which runs the page shows: earlier instruments measured something else, so theirs are not
//! joined with later ones.

use super::answer::{Answer, INSTRUMENTS, Row};
use super::floor::Floors;

/// What stands behind what earlier instruments gave.
pub(super) const fn mark(is_old: bool) -> &'static str {
    if is_old { ", earlier instruments" } else { "" }
}

/// Whether it was measured when figures meant something else.
pub(super) const fn is_old(answer: &Answer) -> bool {
    answer.instruments < INSTRUMENTS
}

/// What was measured with one durability: of each scenario, and of the floors, what the latest
/// instruments gave.
pub(super) struct Shown<'a> {
    pub(super) rows: Vec<&'a Row>,
    pub(super) floors: Vec<&'a Floors>,
    /// Scenarios that nothing but earlier instruments measured.
    old: Vec<&'a str>,
    pub(super) are_floors_old: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn of(answers: &'a [Answer], durability: &str) -> Self {
        let rows = answers.iter().flat_map(|answer| {
            let rows = answer.rows.iter().map(|row| (answer.instruments, row));
            rows.filter(|(_, row)| row.durability == durability)
        });
        let rows: Vec<(u32, &Row)> = rows.collect();
        let floors = answers.iter().flat_map(|answer| {
            let floors = answer.floors.iter();
            let floors = floors.map(|floors| (answer.instruments, floors));
            floors.filter(|(_, floors)| floors.durability == durability)
        });
        let floors: Vec<(u32, &Floors)> = floors.collect();
        let is_latest = |(instruments, row): &(u32, &Row)| {
            let mut of_it = rows
                .iter()
                .filter(|(_, other)| other.scenario == row.scenario);
            of_it.all(|(other, _)| other <= instruments)
        };
        let latest = || rows.iter().copied().filter(is_latest);
        let latest_floors = floors.iter().map(|(instruments, _)| *instruments).max();
        let is_latest_floor =
            |(instruments, _): &(u32, &Floors)| Some(*instruments) == latest_floors;
        Self {
            rows: latest().map(|(_, row)| row).collect(),
            old: latest()
                .filter(|(instruments, _)| *instruments < INSTRUMENTS)
                .map(|(_, row)| row.scenario.as_str())
                .collect(),
            floors: floors
                .iter()
                .copied()
                .filter(is_latest_floor)
                .map(|(_, floors)| floors)
                .collect(),
            are_floors_old: latest_floors.is_some_and(|instruments| instruments < INSTRUMENTS),
        }
    }

    /// What stands behind the name of a scenario.
    pub(super) fn mark(&self, scenario: &str) -> &'static str {
        mark(self.old.contains(&scenario))
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().copied()
    }

    /// The scenarios that were run, in the order in which they were.
    pub(super) fn scenarios(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for row in self.rows() {
            if !names.contains(&row.scenario.as_str()) {
                names.push(&row.scenario);
            }
        }
        names
    }
}

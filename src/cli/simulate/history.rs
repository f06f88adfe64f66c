//! `tickrelay simulate --history`: fills a new store with weeks of invented traffic, without a service.
//!
//! A service stamps what arrives with the time of now, so the past cannot be sent to one.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{bail, ensure};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{Simulate, names_of, styled};
use crate::cli::{Exit, Terminal, serve};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::play::fill::{Fill, Filled};
use crate::play::history::HistoryScenario;

/// How many messages a history has, unless it was said.
pub(in crate::cli) const MESSAGES: u64 = 100_000;
/// How many it may have.
pub(in crate::cli) const MESSAGES_RANGE: RangeInclusive<u64> = 1_000..=10_000_000;
/// The seed of a history, unless it was said: the same history each time.
const SEED: u64 = 1;
/// How many days it may last.
const DAYS: RangeInclusive<u64> = 7..=90;

/// Whole days, as in `30d`.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let duration = crate::config::duration(text)?;
    let days = duration.as_secs() / 86_400;
    let is_whole = duration.as_millis() == u128::from(days) * 86_400_000;
    let days = u32::try_from(days).ok();
    days.filter(|days| is_whole && DAYS.contains(&u64::from(*days)))
        .ok_or_else(|| "write whole days, from 7d to 90d".to_owned())
}

/// What to do with a part of a history. Its subscribers are not paused yet, and a log without its store
/// keeps a new store away.
fn unfinished(store: &Path) -> String {
    let store = store.display();
    format!("the history is unfinished: remove {store}, {store}-wal and {store}-shm")
}

impl Simulate {
    /// Fills the store of the configuration with the history of these sources.
    pub(super) fn fill(
        &self,
        config: &Config,
        sources: Vec<Source>,
        days: u32,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let (sources, without): (Vec<_>, Vec<_>) =
            sources.into_iter().partition(HistoryScenario::has_history);
        ensure!(
            !sources.is_empty() && (without.is_empty() || self.source.is_empty()),
            "no history can be invented for {}: name other sources with --source",
            names_of(&without)
        );
        let seed = self.seed.unwrap_or(SEED);
        writeln!(
            terminal.talk,
            "inventing {days} days of {} for {}, seed {seed}",
            names_of(&sources),
            config.store.path.display()
        )?;
        let fill = Fill {
            config,
            scenario: HistoryScenario {
                sources,
                messages: self.messages,
                days,
                until_ms: Clock::system().now_ms(),
                seed,
            },
            url: &|name| format!("https://{name}.example/whatsapp"),
            stay: false,
        };
        let path = &config.store.path;
        let was_there = path.exists();
        let bar = styled(None, "{bar:40} {percent} %, {eta} left");
        let filled = serve::runtime()?.block_on(async {
            let mut interrupted = signal(SignalKind::interrupt())?;
            let mut terminated = signal(SignalKind::terminate())?;
            let filling = fill.run(|done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            });
            tokio::select! {
                filled = filling => filled,
                _ = interrupted.recv() => bail!("interrupted"),
                _ = terminated.recv() => bail!("terminated"),
            }
        });
        bar.finish_and_clear();
        let filled = filled.map_err(|error| {
            if was_there || !path.exists() {
                return error;
            }
            error.context(unfinished(path))
        })?;
        self.print_filled(&filled, seed, terminal)?;
        Ok(Exit::Done)
    }

    fn print_filled(
        &self,
        filled: &Filled,
        seed: u64,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let out = &mut *terminal.data;
        let names: Vec<&str> = filled.subscribers.iter().map(|(name, _)| *name).collect();
        let seconds = filled.took.as_secs_f64();
        if self.json {
            let document = json!({
                "seed": seed,
                "messages": filled.messages,
                "registered": filled.registered,
                "webhooks": filled.webhooks,
                "reports": filled.reports,
                "attempts": filled.attempts,
                "subscribers": names,
                "seconds": seconds,
            });
            writeln!(out, "{document:#}")?;
            return Ok(());
        }
        writeln!(
            out,
            "messages  {}, {} of them registered\n\
             webhooks  {} with {} reports\n\
             attempts  {} at {}, which are paused now\n\
             filled    in {seconds:.1} s",
            filled.messages,
            filled.registered,
            filled.webhooks,
            filled.reports,
            filled.attempts,
            names.join(", "),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_history_is_removed_with_its_log() {
        let text = unfinished(Path::new("/tmp/history.db"));
        for file in ["history.db,", "history.db-wal ", "history.db-shm"] {
            assert!(text.contains(&format!("/tmp/{file}")), "{text}");
        }
    }

    #[test]
    fn a_history_lasts_whole_days_some_weeks_long() {
        for (text, expected) in [
            ("30d", Some(30)),
            ("7d", Some(7)),
            ("168h", Some(7)),
            ("6d", None),
            ("91d", None),
            ("30", None),
            ("200h", None),
            ("weeks", None),
        ] {
            assert_eq!(days(text).ok(), expected, "{text}");
        }
    }
}

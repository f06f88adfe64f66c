//! The main job on a throw-away store, for people who see it first.
//!
//! Everything is true but the people: the service is the one of `serve`, the webhooks are
//! the shipped fixtures with right signatures over HTTP, and a subscriber checks what it gets.

mod case;
mod config;
mod harness;
mod hints;
mod page;
mod steps;
mod subscriber;

use std::path::Path;

use anyhow::ensure;
use tokio::signal::unix::{SignalKind, signal};

use self::case::Program;
use self::harness::{HISTORY_DAYS, Harness};
use self::page::Ink;
use crate::providers::Provider;

pub(crate) use self::page::Transcript;

/// What is shown, and on which store.
pub(crate) struct DemoOptions<'a> {
    /// Where the store and its configuration stand; both are new.
    pub(crate) folder: &'a Path,
    /// Whether they stay there.
    pub(crate) is_kept: bool,
    /// Show this provider alone.
    pub(crate) only: Option<Provider>,
    /// Begin with a history of so many messages.
    pub(crate) history: Option<u64>,
    /// End after the last fixture instead of running on.
    pub(crate) once: bool,
}

impl DemoOptions<'_> {
    /// Starts the service, sends the fixtures and shows each step; SIGINT and SIGTERM end it.
    ///
    /// # Errors
    /// When the service fails, a webhook is not answered 200, or a payload is missing or badly signed.
    pub(crate) async fn run(&self, page: &mut Transcript<'_>) -> anyhow::Result<()> {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        // A pull source needs an API that answers, which no newcomer has.
        let program: Vec<Program> = Provider::push()
            .filter(|provider| self.only.is_none_or(|only| only == *provider))
            .map(Program::of)
            .collect::<anyhow::Result<_>>()?;
        if let Some(messages) = self.history {
            page.plain(&format!(
                "Inventing {HISTORY_DAYS} days of history: {messages} messages, their webhooks and forwards."
            ))?;
            page.gap()?;
        }
        let started = tokio::select! {
            started = Harness::start(self.folder, &program, self.history) => Some(started),
            _ = interrupted.recv() => None,
            _ = terminated.recv() => None,
        };
        let mut harness = match started {
            Some(Ok(harness)) => harness,
            Some(Err(error)) if self.is_kept => return Err(error.context(self.unfinished())),
            Some(Err(error)) => return Err(error),
            None => {
                if self.is_kept {
                    page.text(Ink::Plain, 0, &self.unfinished())?;
                }
                return Ok(());
            }
        };
        let shown = tokio::select! {
            shown = self.show(&mut harness, &program, page) => shown,
            // To interrupt what would not have ended by itself is no failure.
            _ = interrupted.recv() => Ok(()),
            _ = terminated.recv() => Ok(()),
        };
        let paused = if self.is_kept {
            harness.pause().await
        } else {
            Ok(())
        };
        // A service that failed explains better than the step that missed it.
        harness.stop().await?;
        shown.and(paused)
    }

    /// What to do with a kept folder when the service did not start.
    fn unfinished(&self) -> String {
        let folder = self.folder.display();
        format!("the demo is unfinished: remove the files tickrelay.* in {folder}")
    }

    async fn show(
        &self,
        harness: &mut Harness,
        program: &[Program],
        page: &mut Transcript<'_>,
    ) -> anyhow::Result<()> {
        introduce(harness, page)?;
        let tally = steps::play(harness, program, page).await?;
        ensure!(tally.is_sound(), "the subscriber got a wrong signature");
        match (self.once, self.is_kept) {
            (true, true) => hints::with_the_store(harness, &tally, page),
            (true, false) => hints::afterwards(page),
            (false, _) => {
                hints::while_it_runs(harness, page)?;
                steps::go_on(harness, page).await
            }
        }
    }
}

fn introduce(harness: &Harness, page: &mut Transcript<'_>) -> anyhow::Result<()> {
    page.line(&[(
        Ink::Bold,
        "tickrelay relays the ticks of WhatsApp messages: providers report, subscribers are notified.",
    )])?;
    page.gap()?;
    page.plain(&format!("  service     http://{}", harness.address))?;
    page.plain(&format!(
        "  subscriber  {}, checks every signature",
        harness.subscriber_url
    ))?;
    page.plain(&format!("  store       {}", harness.store.display()))?;
    if let Some(filled) = &harness.filled {
        let names: Vec<&str> = filled.subscribers.iter().map(|(name, _)| *name).collect();
        page.plain(&format!(
            "  history     {} messages, {} reports in {} webhooks, taken in within {:.1} s",
            filled.messages,
            filled.reports,
            filled.webhooks,
            filled.took.as_secs_f64()
        ))?;
        page.plain(&format!(
            "              {} attempts at {}",
            filled.attempts,
            names.join(", ")
        ))?;
    }
    page.gap()?;
    page.text(
        Ink::Plain,
        0,
        "Below, `in` is a webhook as the provider sends it, and when it was answered; `out` is the \
 payload that the subscriber got for it; `--` is what is not sent, and why.",
    )?;
    Ok(())
}

//! `tickrelay demo`: the main job on a throw-away store, for people who see it first.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::simulate::{MESSAGES, MESSAGES_RANGE};
use super::usage::within;
use super::{Exit, Terminal, environment, serve};
use crate::config::Log;
use crate::play::demo::{DemoOptions, Transcript};
use crate::providers::Provider;

/// Shows the main job on a throw-away store.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End by itself instead of running on until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Keep the store and its configuration in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Begin with 30 days of invented history: messages, broadcasts, failures, forwards
    #[arg(long)]
    with_history: bool,
    /// Messages of the history
    #[arg(long, value_name = "N", default_value_t = MESSAGES, requires = "with_history")]
    #[arg(value_parser = within(MESSAGES_RANGE))]
    messages: u64,
    /// Show only what this provider sends, such as meta-cloud or infobip
    #[arg(long, value_name = "NAME")]
    provider: Option<Provider>,
}

impl Demo {
    pub(super) fn run(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        ensure!(
            !self.provider.is_some_and(Provider::is_pulled),
            "such a provider sends nothing, its API is polled: show one of {}",
            Provider::push()
                .map(Provider::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        );
        // Removed when it is dropped.
        let temporary;
        let folder: &Path = if let Some(folder) = &self.keep {
            if ["tickrelay.toml", "tickrelay.db"]
                .iter()
                .any(|file| folder.join(file).exists())
            {
                return terminal.refuse(
                    "there is a tickrelay already in the folder of --keep: name another one",
                );
            }
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
            folder
        } else {
            let made = tempfile::Builder::new().prefix("tickrelay-demo-").tempdir();
            temporary = made.context("cannot make a temporary folder")?;
            temporary.path()
        };
        // Failures inside the service are logged; the rest is for the steps to show.
        serve::start_log(&Log {
            filter: "error".to_owned(),
            ..Log::default()
        })?;
        let no_colours = environment::value("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = std::io::stdout().is_terminal() && !no_colours;
        let show = DemoOptions {
            folder,
            is_kept: self.keep.is_some(),
            only: self.provider,
            history: self.with_history.then_some(self.messages),
            once: self.once,
        };
        let mut page = Transcript::new(terminal.data, colours);
        serve::runtime()?.block_on(show.run(&mut page))?;
        Ok(Exit::Done)
    }
}

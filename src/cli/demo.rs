//! `tickrelay demo`: the main job on a throw-away store, for people who see it first.
//!
//! Everything is true but the people: the service is the one of `serve`, the webhooks are
//! the shipped fixtures with right signatures over HTTP, and a subscriber checks what it gets.

mod advice;
mod case;
mod page;
mod scene;
mod show;
mod stage;
mod subscriber;
mod wire;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use self::case::Program;
use self::page::{Ink, Page};
use self::stage::Stage;
use super::{Exit, Terminal, environment, serve};
use crate::config::Log;
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
    /// Show only what this provider sends: meta-cloud, meta-on-premises, 360dialog or infobip
    #[arg(long, value_name = "NAME")]
    provider: Option<Provider>,
}

/// Where the store stands.
enum Folder {
    Kept(PathBuf),
    /// Removed when dropped.
    Temporary(TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Demo {
    pub(super) fn run(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let Some(folder) = self.folder()? else {
            writeln!(
                terminal.talk,
                "there is a tickrelay already in the folder of --keep: name another one"
            )?;
            return Ok(Exit::Refused);
        };
        // What goes wrong inside is told; what goes right is told better by the show.
        serve::start_log(&Log {
            filter: "error".to_owned(),
            ..Log::default()
        })?;
        let no_colours = environment::value("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = std::io::stdout().is_terminal() && !no_colours;
        let mut page = Page::new(terminal.data, colours);
        serve::runtime()?.block_on(self.perform(&folder, &mut page))
    }

    /// The folder for this run; `None` when another store is in the way.
    fn folder(&self) -> anyhow::Result<Option<Folder>> {
        let Some(path) = &self.keep else {
            let folder = tempfile::Builder::new()
                .prefix("tickrelay-demo-")
                .tempdir()
                .context("cannot make a temporary folder")?;
            return Ok(Some(Folder::Temporary(folder)));
        };
        if ["tickrelay.toml", "tickrelay.db"]
            .iter()
            .any(|file| path.join(file).exists())
        {
            return Ok(None);
        }
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Some(Folder::Kept(path.clone())))
    }

    async fn perform(&self, folder: &Folder, page: &mut Page<'_>) -> anyhow::Result<Exit> {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        ensure!(
            self.provider
                .is_none_or(|only| Provider::SENDING.contains(&only)),
            "nothing is sent by such a provider, its API is asked: show meta-cloud, meta-on-premises, 360dialog or infobip"
        );
        // What is asked for needs somebody to answer, whom no newcomer has.
        let program: Vec<Program> = Provider::SENDING
            .into_iter()
            .filter(|provider| self.provider.is_none_or(|only| only == *provider))
            .map(case::program)
            .collect::<anyhow::Result<_>>()?;
        let mut stage = Stage::set(folder.path(), &program).await?;
        let shown = tokio::select! {
            shown = self.show(&mut stage, &program, folder, page) => shown,
            // Whoever interrupts what would not have ended by itself got what was asked for.
            _ = interrupted.recv() => Ok(Exit::Done),
            _ = terminated.recv() => Ok(Exit::Done),
        };
        // A service that failed explains better than the show that missed it.
        stage.strike().await?;
        shown
    }

    async fn show(
        &self,
        stage: &mut Stage,
        program: &[Program],
        folder: &Folder,
        page: &mut Page<'_>,
    ) -> anyhow::Result<Exit> {
        introduce(stage, page)?;
        let tally = show::play(stage, program, page).await?;
        ensure!(tally.is_sound(), "the subscriber got a wrong signature");
        if self.once {
            match folder {
                Folder::Kept(_) => advice::with_the_store(stage, &tally, page)?,
                Folder::Temporary(_) => advice::afterwards(page)?,
            }
            return Ok(Exit::Done);
        }
        advice::while_it_runs(stage, page)?;
        show::go_on(stage, page).await?;
        Ok(Exit::Done)
    }
}

fn introduce(stage: &Stage, page: &mut Page<'_>) -> anyhow::Result<()> {
    page.line(&[(
        Ink::Bold,
        "tickrelay relays the ticks of WhatsApp messages: providers report, subscribers are notified.",
    )])?;
    page.gap()?;
    page.plain(&format!("  service     http://{}", stage.address))?;
    page.plain(&format!(
        "  subscriber  {}, checks every signature",
        stage.subscriber_url
    ))?;
    page.plain(&format!("  store       {}", stage.store.display()))?;
    page.gap()?;
    page.text(
        Ink::Plain,
        0,
        "Below, `in` is a webhook as the provider sends it, and when it was answered; `out` is the \
         payload that the subscriber got for it; `--` is what goes to nobody, and why.",
    )?;
    Ok(())
}

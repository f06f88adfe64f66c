//! `tickrelay replay`: forwards that are queued again in the background, as `forward retry` requests.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use uuid::Uuid;

use super::client::{self, Client, Purpose, Refused};
use super::list::List;
use super::page::PageArgs;
use super::table::facts;
use super::time::{Since, day_and_time, stamp};
use super::usage::uuid;
use super::{Exit, Settings, Terminal};
use crate::model::{ErrorCode, ForwardState, Status, Word as _};
use crate::store::replay::ReplayState;
use crate::web::api::replays::{NewReplayView, ReplayView};
use crate::web::api::time::TimeOrAge;

/// How often it is looked how far a replay is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A replay that stands still for so long goes on without being watched.
const PATIENCE: Duration = Duration::from_secs(5);

/// What sending again means; a support agent may take it for the WhatsApp message.
pub(super) const STATUS_ALONE: &str =
    ": the status goes to your system again, the WhatsApp message is not sent again";

/// The verbs of `replay`.
#[derive(Debug, Subcommand)]
pub(super) enum ReplayCommand {
    /// List replays, the newest first
    List(ReplayListArgs),
    /// Show a replay and its progress
    Show(ReplayShowArgs),
    /// Cancel a replay; forwards that are pending already stay pending
    Cancel(ReplayCancelArgs),
}

#[derive(Debug, Args)]
pub(super) struct ReplayListArgs {
    /// Only those for this subscriber
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReplayShowArgs {
    /// Its id, as `replay list` has it
    #[arg(value_parser = uuid)]
    id: Uuid,
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplayCancelArgs {
    /// Its id, as `replay list` has it
    #[arg(value_parser = uuid)]
    id: Uuid,
}

/// Which forwards of a subscriber are to be queued again.
#[derive(Debug, Args)]
pub(super) struct ForwardSelection {
    /// All forwards that were given up, for whatever reason
    #[arg(long, alias = "gave-up", conflicts_with = "state")]
    missed: bool,
    /// Only those gave-up or delivered; may be repeated, or written with commas [default: both]
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    state: Vec<ForwardState>,
    /// Only those pending since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those queued before; written as --since is
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    /// Only those whose latest attempt failed with this error, as in `timeout` or `http_5xx`
    #[arg(long, value_name = "CODE")]
    error: Option<ErrorCode>,
    /// Only those about messages of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those with this status
    #[arg(long, value_name = "WORD")]
    status: Option<Status>,
}

impl ForwardSelection {
    /// The replay that they ask for.
    pub(super) fn replay(self, subscriber: String, new_id: bool) -> NewReplayView {
        NewReplayView {
            subscriber,
            missed: self.missed,
            states: (!self.state.is_empty()).then_some(self.state),
            since: self.since.map(TimeOrAge),
            until: self.until.map(TimeOrAge),
            error: self.error,
            source: self.source,
            status: self.status,
            new_id,
        }
    }
}

/// Begins a replay and watches it while it goes on.
pub(super) fn start(
    settings: &Settings,
    new: &NewReplayView,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let replay = client::with(settings, Purpose::Replay, |client| {
        let replay: ReplayView = client.post(&["replays"], new)?;
        let id = replay.id;
        // It goes on without its being watched.
        terminal.done = Some(format!(
            "the replay {id} was begun: `tickrelay replay show {id}` shows it"
        ));
        watch(client, replay)
    })?;
    let (id, queued) = (replay.id, usize::try_from(replay.queued)?);
    terminal.done = Some(format!(
        "the replay {id} is {}: `tickrelay replay show {id}` shows it",
        replay.state.as_str()
    ));
    match replay.state {
        ReplayState::Done if queued == 0 => {
            terminal.refuse("nothing to send again: no forward is like that")
        }
        ReplayState::Done => {
            let what = count(queued);
            writeln!(terminal.talk, "{what} again{STATUS_ALONE}")?;
            Ok(Exit::Done)
        }
        ReplayState::Cancelled => terminal.refuse(format!(
            "replay {id} was cancelled: {} again",
            count(queued)
        )),
        ReplayState::Running => {
            writeln!(
                terminal.talk,
                "{} again so far. {} has so much pending that the rest waits: replay {id} goes on by \
                 itself while the service runs",
                count(queued),
                replay.subscriber,
            )?;
            Ok(Exit::Done)
        }
    }
}

/// Waits until it has ended or stands still; shows how far it is where stderr is a terminal.
fn watch(client: &Client, mut replay: ReplayView) -> anyhow::Result<ReplayView> {
    let (bar, id) = (ProgressBar::new(replay.total), replay.id.to_string());
    let mut moved = Instant::now();
    while replay.state == ReplayState::Running && moved.elapsed() <= PATIENCE {
        sleep(LOOK_EVERY);
        let now: ReplayView = match client.get(&["replays", &id], &[]) {
            Ok(now) => now,
            // It may have been pruned: what is known of it is shown.
            Err(error) if Refused::has_status(&error, 404) => break,
            Err(error) => return Err(error),
        };
        if now.examined != replay.examined {
            moved = Instant::now();
        }
        replay = now;
        bar.set_position(replay.examined);
    }
    bar.finish_and_clear();
    Ok(replay)
}

/// So many forwards are queued.
pub(super) fn count(forwards: usize) -> String {
    let what = if forwards == 1 {
        "forward is"
    } else {
        "forwards are"
    };
    format!("{forwards} {what} queued")
}

impl ReplayCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(settings, terminal),
            Self::Show(show) => show.run(settings, terminal),
            Self::Cancel(cancel) => cancel.run(settings, terminal),
        }
    }
}

impl ReplayListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let query = [("subscriber", self.subscriber.clone())];
        let replays = client::with(settings, Purpose::Read, |client| {
            self.page.rows(client, &["replays"], &query)
        })?;
        let list = List {
            columns: &[
                ("ID", &|replay: &ReplayView| replay.id.to_string()),
                ("REQUESTED (UTC)", &|replay| stamp(replay.created_at)),
                ("SUBSCRIBER", &|replay| replay.subscriber.clone()),
                ("STATE", &|replay| replay.state.as_str().to_owned()),
                ("LOOKED AT", &|replay| {
                    format!("{} of {}", replay.examined, replay.total)
                }),
                ("QUEUED AGAIN", &|replay| replay.queued.to_string()),
            ],
            nothing: "no replay yet: tickrelay forward retry --subscriber begins one",
        };
        list.show_page(&replays, self.page.json, terminal)
    }
}

impl ReplayShowArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["replays", &self.id.to_string()];
        let show = |client: &Client| client.get(&path, &[]);
        let replay: ReplayView = client::with(settings, Purpose::Read, show)?;
        if self.json {
            return terminal.json(&replay);
        }
        let states = replay.states.iter().map(|state| state.as_str());
        let states: Vec<&str> = states.collect();
        let new_id = replay.new_id.then(|| "a new one each".to_owned());
        let facts = facts([
            ("Replay", Some(replay.id.to_string())),
            ("Subscriber", Some(replay.subscriber.clone())),
            ("State", Some(replay.state.as_str().to_owned())),
            (
                "Looked at",
                Some(format!("{} of {}", replay.examined, replay.total)),
            ),
            ("Queued again", Some(replay.queued.to_string())),
            ("States", Some(states.join(", "))),
            ("Since", replay.since.map(day_and_time)),
            ("Until", replay.until.map(day_and_time)),
            ("Error", replay.error.map(|code| code.as_str().to_owned())),
            ("Source", replay.source.clone()),
            ("Status", replay.status.map(|status| status.to_string())),
            ("webhook-id", new_id),
            ("Requested", Some(day_and_time(replay.created_at))),
            ("Ended", replay.finished_at.map(day_and_time)),
        ]);
        write!(terminal.data, "{facts}")?;
        Ok(Exit::Done)
    }
}

impl ReplayCancelArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["replays", &self.id.to_string(), "cancel"];
        let cancel = |client: &Client| client.post(&path, &());
        let replay: ReplayView = client::with(settings, Purpose::Change, cancel)?;
        let queued = usize::try_from(replay.queued)?;
        let done = format!("replay {} is {}", replay.id, replay.state.as_str());
        terminal.done = Some(done.clone());
        writeln!(terminal.talk, "{done}: {} again by it", count(queued))?;
        Ok(Exit::Done)
    }
}

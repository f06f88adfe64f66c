//! `tickrelay replay`: forwards that are queued again in the background, as `forward retry` requests.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use uuid::Uuid;

use super::done::{STATUS_ALONE, count};
use super::list::List;
use super::page::PageArgs;
use super::table::facts;
use super::time::{Since, day_and_time, stamp};
use super::usage::uuid;
use super::{Exit, Settings, Terminal, ask};
use crate::admin::{Answer, ReplayOrder, Request};
use crate::model::{ErrorCode, ForwardState, Status, Word as _};
use crate::store::replay::{ReplayRecord, ReplayState};

/// How often it is looked how far a replay is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A replay that stands still for so long goes on without being watched.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of the list in its cursors.
const LIST: &str = "replays";

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
    /// Answer with a JSON object
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
    /// All that it did not get: what was given up, for whatever reason
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
    /// Only those whose latest attempt failed so, as in `timeout` or `http_5xx`
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
    /// The order as the service takes it.
    pub(super) fn order(self, subscriber: String, new_id: bool, now_ms: i64) -> ReplayOrder {
        ReplayOrder {
            subscriber,
            missed: self.missed,
            states: (!self.state.is_empty()).then_some(self.state),
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
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
    order: ReplayOrder,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let request = Request::StartReplay(order);
    let Some(replay) = ask_for(settings, request, terminal)? else {
        return Ok(Exit::Refused);
    };
    let replay = watch(settings, replay)?;
    let (id, marked) = (replay.uid, usize::try_from(replay.marked)?);
    match replay.state {
        ReplayState::Done if marked == 0 => {
            terminal.refuse("nothing to send again: no forward is like that")
        }
        ReplayState::Done => {
            let what = count(marked);
            writeln!(terminal.talk, "{what} again{STATUS_ALONE}")?;
            Ok(Exit::Done)
        }
        ReplayState::Cancelled => terminal.refuse(format!(
            "replay {id} was cancelled: {} again",
            count(marked)
        )),
        ReplayState::Running => {
            writeln!(
                terminal.talk,
                "{} again so far. {} has so much pending that the rest waits: replay {id} goes on by \
                 itself while the service runs",
                count(marked),
                replay.subscriber,
            )?;
            Ok(Exit::Done)
        }
    }
}

/// Waits until it has ended or stands still; shows how far it is where stderr is a terminal.
fn watch(settings: &Settings, mut replay: ReplayRecord) -> anyhow::Result<ReplayRecord> {
    let reader = settings.reader()?;
    let bar = ProgressBar::new(replay.total);
    let mut moved = Instant::now();
    loop {
        // It may have been pruned: what is known of it is shown.
        let Some(now) = reader.replay(replay.uid)? else {
            break;
        };
        if now.examined != replay.examined {
            moved = Instant::now();
        }
        replay = now;
        bar.set_position(replay.examined);
        if replay.state != ReplayState::Running || moved.elapsed() > PATIENCE {
            break;
        }
        sleep(LOOK_EVERY);
    }
    bar.finish_and_clear();
    Ok(replay)
}

fn ask_for(
    settings: &Settings,
    request: Request,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Option<ReplayRecord>> {
    match ask::perform_now(settings, request, terminal)? {
        None => Ok(None),
        Some(Answer::Replay(replay) | Answer::ReplayEnded(replay)) => Ok(Some(replay)),
        Some(other) => Err(ask::unexpected(&other)),
    }
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
        let only = settings.subscriber_id(self.subscriber.as_deref())?;
        let only = only.map(|id| vec![id]);
        let window = self.page.window(LIST)?;
        let mut replays = settings.reader()?.replays(only.as_deref(), window)?;
        let rest = self.page.cut(LIST, &mut replays, |replay| replay.replay_id);
        let list = List {
            columns: &[
                ("ID", &|replay: &ReplayRecord| replay.uid.to_string()),
                ("REQUESTED (UTC)", &|replay| stamp(replay.created_at_ms)),
                ("SUBSCRIBER", &|replay| replay.subscriber.clone()),
                ("STATE", &|replay| replay.state.as_str().to_owned()),
                ("LOOKED AT", &|replay| {
                    format!("{} of {}", replay.examined, replay.total)
                }),
                ("QUEUED AGAIN", &|replay| replay.marked.to_string()),
            ],
            nothing: "no replay yet: tickrelay forward retry --subscriber begins one",
        };
        list.show((&replays.rows, rest), self.page.json, terminal)
    }
}

impl ReplayShowArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let Some(replay) = settings.reader()?.replay(self.id)? else {
            return terminal.refuse(format!("no replay has the id {}", self.id));
        };
        if self.json {
            return terminal.json(&replay);
        }
        let selection = &replay.selection;
        let states = selection.states.iter().map(|state| state.as_str());
        let states: Vec<&str> = states.collect();
        let new_id = selection.new_id.then(|| "a new one each".to_owned());
        let facts = facts([
            ("Replay", Some(replay.uid.to_string())),
            ("Subscriber", Some(replay.subscriber.clone())),
            ("State", Some(replay.state.as_str().to_owned())),
            (
                "Looked at",
                Some(format!("{} of {}", replay.examined, replay.total)),
            ),
            ("Queued again", Some(replay.marked.to_string())),
            ("States", Some(states.join(", "))),
            ("Since", selection.since_ms.map(day_and_time)),
            ("Until", selection.until_ms.map(day_and_time)),
            (
                "Error",
                selection.error.map(|code| code.as_str().to_owned()),
            ),
            ("Source", selection.source.clone()),
            ("Status", selection.status.map(|status| status.to_string())),
            ("webhook-id", new_id),
            ("Requested", Some(day_and_time(replay.created_at_ms))),
            ("Ended", replay.finished_at_ms.map(day_and_time)),
        ]);
        write!(terminal.data, "{facts}")?;
        Ok(Exit::Done)
    }
}

impl ReplayCancelArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let request = Request::CancelReplay { id: self.id };
        let Some(replay) = ask_for(settings, request, terminal)? else {
            return Ok(Exit::Refused);
        };
        let marked = usize::try_from(replay.marked)?;
        writeln!(
            terminal.talk,
            "replay {} is {}: {} again by it",
            replay.uid,
            replay.state.as_str(),
            count(marked)
        )?;
        Ok(Exit::Done)
    }
}

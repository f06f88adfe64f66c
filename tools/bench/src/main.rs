//! `tickrelay-bench`: what the relay does on this machine, beside what the machine could do.
//!
//! Starts the true service on a fresh store, a subscriber and a load generator, each a process
//! of its own on loopback, and prints one table. Floors and ceilings are measured in the same
//! run, so that every figure is also a ratio. Not part of the service: it never ships with it.

mod answer;
mod figure;
mod floor;
mod hanging;
mod interrupt;
mod machine;
mod measure;
mod outage;
mod page;
mod plan;
mod player;
mod process;
mod raw;
mod readers;
mod scenario;
mod stage;
mod stored;
mod subscriber;
mod table;
mod targets;

use std::cell::OnceCell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use answer::Answer;
use plan::{Needs, Scale};
use scenario::{SCENARIOS, Scenario};
use stage::Bench;
use tickrelay::clock::Clock;

/// Measures tickrelay on this machine, beside what the machine could do.
#[derive(Debug, Parser)]
#[command(
    name = "tickrelay-bench",
    version,
    args_conflicts_with_subcommands = true
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Cli {
    /// The scenarios to run [default: all that need no large store]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Run every scenario; `list` says how long each takes
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// What commits wait for: full (the disk), os (the operating system)
    #[arg(long, value_delimiter = ',', default_value = "full,os")]
    durability: Vec<Durability>,
    /// Windows of 2 s and small stores: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Seconds of one window
    #[arg(long, value_name = "SECONDS", conflicts_with = "quick")]
    window: Option<u64>,
    /// Rounds: each measures floors and scenarios again, but for those of many windows
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: usize,
    /// Forwards in flight at once, for each subscriber
    #[arg(long, value_name = "N", default_value_t = 32)]
    concurrency: u16,
    /// Reports that the store of the scenario `stored` holds already; for starting it is filled
    /// on to 1000 bytes for each of them
    #[arg(long, value_name = "N", default_value_t = Scale::FULL.stored)]
    stored: u64,
    /// Forwards that wait in the scenario `outage`
    #[arg(long, value_name = "N", default_value_t = Scale::FULL.backlog)]
    backlog: u64,
    /// Where stores are made: a folder on the disk that is to be measured [default: the system's
    /// for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The service's binary [default: the one beside this]
    #[arg(long, value_name = "FILE")]
    service: Option<PathBuf>,
    /// Leave out the floors and the ceiling
    #[arg(long)]
    no_floors: bool,
    /// Leave the stores where they are, with the service's log, and say where
    #[arg(long)]
    keep: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What a commit waits for, as the configuration spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    Full,
    Os,
}

impl Durability {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Os => "os",
        }
    }
}

/// What this binary does when it is started by itself; each reads its orders from stdin.
#[derive(Debug, Clone, Subcommand)]
#[command(disable_help_subcommand = true)]
enum Role {
    /// List the scenarios
    List,
    /// Turn answers that were kept with --json into the page docs/benchmarks.md
    Report {
        /// The answers; those of several runs are joined
        #[arg(value_name = "FILE", required = true)]
        answers: Vec<PathBuf>,
        /// What is said by hand [default: notes.md beside the first answer]
        #[arg(long, value_name = "FILE")]
        notes: Option<PathBuf>,
    },
    #[command(name = "role-player", hide = true)]
    Player,
    #[command(name = "role-subscriber", hide = true)]
    Subscriber,
    #[command(name = "role-server", hide = true)]
    Server,
    #[command(name = "role-poster", hide = true)]
    Poster,
    #[command(name = "role-reader", hide = true)]
    Reader,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::is_interrupted() => {
            let _ = talk("interrupted; all that was started is ended");
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            // When even this cannot be said, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if matches!(
        cli.role,
        Some(Role::Player | Role::Subscriber | Role::Server | Role::Poster | Role::Reader)
    ) {
        process::end_with_parent()?;
    }
    match &cli.role {
        None => bench(cli),
        Some(Role::List) => plan::list(&mut std::io::stdout().lock()),
        Some(Role::Report { answers, notes }) => report(answers, notes.as_deref()),
        Some(Role::Player) => player::act(),
        Some(Role::Subscriber) => subscriber::act(),
        Some(Role::Server) => floor::serve(),
        Some(Role::Poster) => floor::post(),
        Some(Role::Reader) => readers::act(),
    }
}

fn report(files: &[PathBuf], notes: Option<&Path>) -> anyhow::Result<()> {
    let read = |file: &PathBuf| -> anyhow::Result<Answer> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let mut answer: Answer = serde_json::from_str(&text)
            .with_context(|| format!("{} is no answer of this version", file.display()))?;
        ensure!(
            answer.instruments == answer::INSTRUMENTS,
            "{} was measured when figures meant something else: measure again",
            file.display()
        );
        answer.rows.iter_mut().for_each(answer::Row::slowest_ready);
        Ok(answer)
    };
    let answers: Vec<Answer> = files.iter().map(read).collect::<Result<_, _>>()?;
    let notes = match (notes, files.first()) {
        (Some(notes), _) => std::fs::read_to_string(notes)
            .with_context(|| format!("cannot read {}", notes.display()))?,
        // They are welcome, but not needed.
        (None, Some(first)) => {
            std::fs::read_to_string(first.with_file_name("notes.md")).unwrap_or_default()
        }
        (None, None) => String::new(),
    };
    let page = page::write(&answers, &notes);
    Ok(std::io::stdout().lock().write_all(page.as_bytes())?)
}

fn bench(cli: &Cli) -> anyhow::Result<()> {
    let wanted = wanted(cli)?;
    interrupt::watch()?;
    let bench = Bench {
        service: process::service_binary(cli.service.as_deref())?,
        folder: cli.folder.clone().unwrap_or_else(std::env::temp_dir),
        scale: scale(cli),
        concurrency: cli.concurrency.max(1),
        keep: cli.keep,
        is_repeated: cli.repeat.max(1) * cli.durability.len() > 1,
        filled: OnceCell::new(),
    };
    ensure!(
        bench.folder.is_dir(),
        "{} is no folder",
        bench.folder.display()
    );
    foretell(&bench, &wanted, cli)?;
    let day = chrono::DateTime::from_timestamp_millis(Clock::system().now_ms());
    let mut answer = Answer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instruments: answer::INSTRUMENTS,
        day: day.unwrap_or_default().format("%Y-%m-%d").to_string(),
        command: command(),
        quick: cli.quick || cli.window.is_some(),
        machine: machine::describe(&bench.folder)?,
        floors: Vec::new(),
        rows: Vec::new(),
        failed: Vec::new(),
    };
    for durability in &cli.durability {
        for round in 0..cli.repeat.max(1) {
            let scenarios = wanted.iter().filter(|known| round == 0 || !known.once);
            play(&bench, scenarios, *durability, cli, &mut answer)?;
        }
    }
    print_answer(&answer, cli.json)
}

fn scale(cli: &Cli) -> Scale {
    let scale = Scale {
        window: cli.window.map(|seconds| seconds.max(1)),
        stored: cli.stored,
        backlog: cli.backlog,
        ..Scale::FULL
    };
    if cli.quick { scale.quick() } else { scale }
}

/// How long it will take, and whether there is room for it.
fn foretell(bench: &Bench, wanted: &[&Scenario], cli: &Cli) -> anyhow::Result<()> {
    let rounds = cli.repeat.max(1) as u64;
    let floors = Needs::of_floors(&bench.scale);
    let mut seconds = if cli.no_floors {
        0
    } else {
        rounds * floors.seconds
    };
    let mut most = if cli.no_floors { 0 } else { floors.bytes };
    for scenario in wanted {
        let needs = scenario.needs(&bench.scale);
        seconds += needs.seconds * if scenario.once { 1 } else { rounds };
        most = most.max(needs.bytes);
    }
    seconds *= cli.durability.len() as u64;
    talk(&format!(
        "scenarios: {}, rounds: {rounds}, durabilities: {}; about {}",
        wanted.len(),
        cli.durability.len(),
        plan::about(seconds)
    ))?;
    plan::check_room(bench, most)
}

/// Prints what was measured: it is worth an hour, so also when not all of it could be.
fn print_answer(answer: &Answer, json: bool) -> anyhow::Result<()> {
    let is_cut = interrupt::is_interrupted();
    if is_cut && answer.rows.is_empty() {
        bail!("interrupted");
    }
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(answer)?)?;
    } else {
        table::print(answer, &mut out)?;
    }
    ensure!(!is_cut, "interrupted");
    ensure!(answer.failed.is_empty(), "{}", answer.failed.join("; "));
    Ok(())
}

/// One round: floors, then the scenarios.
fn play<'a>(
    bench: &Bench,
    scenarios: impl Iterator<Item = &'a &'static Scenario>,
    durability: Durability,
    cli: &Cli,
    answer: &mut Answer,
) -> anyhow::Result<()> {
    let word = durability.as_str();
    let mut floors = None;
    if !cli.no_floors && !interrupt::is_interrupted() {
        talk(&format!("floors and ceiling, durability {word}"))?;
        match floor::measure(bench, durability) {
            Ok(measured) => floors = Some(measured),
            Err(error) => fail(answer, "floors", word, &error)?,
        }
    }
    for scenario in scenarios {
        if interrupt::is_interrupted() {
            break;
        }
        let (name, about) = (scenario.name, scenario.about);
        let takes = plan::about(scenario.needs(&bench.scale).seconds);
        talk(&format!(
            "{name}, durability {word}, about {takes}: {about}"
        ))?;
        let rows = match scenario::run(bench, scenario, durability) {
            Ok(rows) => rows,
            Err(error) => {
                fail(answer, name, word, &error)?;
                continue;
            }
        };
        for mut row in rows {
            if let Some(floors) = &floors {
                row.compare(floors);
            }
            talk(&format!("  {}", table::line(&row)))?;
            answer.rows.push(row);
        }
    }
    answer.floors.extend(floors);
    Ok(())
}

/// What could not be measured does not keep the rest from being.
fn fail(
    answer: &mut Answer,
    name: &str,
    durability: &str,
    error: &anyhow::Error,
) -> anyhow::Result<()> {
    let why = if interrupt::is_interrupted() {
        "interrupted".to_owned()
    } else {
        format!("{error:#}")
    };
    let failure = format!("{name}, durability {durability}: {why}");
    talk(&format!("  FAILED: {failure}"))?;
    answer.failed.push(failure);
    Ok(())
}

/// How this was called, without the way to the binary.
fn command() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| format!(" {}", word.to_string_lossy()));
    format!("tickrelay-bench{}", words.collect::<String>())
}

fn wanted(cli: &Cli) -> anyhow::Result<Vec<&'static Scenario>> {
    if cli.scenarios.is_empty() {
        let by_itself = |known: &&Scenario| cli.all || !known.on_request;
        return Ok(SCENARIOS.iter().filter(by_itself).collect());
    }
    let find = |name: &String| {
        SCENARIOS
            .iter()
            .find(|known| known.name == name)
            .with_context(|| format!("no scenario {name:?}: `tickrelay-bench list` has them all"))
    };
    cli.scenarios.iter().map(find).collect()
}

/// Says what is going on, on stderr.
fn talk(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}

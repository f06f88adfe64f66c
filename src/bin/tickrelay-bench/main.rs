//! `tickrelay-bench`: what the relay does on this machine, beside what the machine could do.
//!
//! Starts the true service on a fresh store, a subscriber and a load generator, each a process
//! of its own on loopback, and prints one table. Floors and ceilings are measured in the same
//! run, so that every figure is also a ratio. Not part of the service: it never ships with it.

mod floor;
mod machine;
mod measure;
mod player;
mod process;
mod scenario;
mod special;
mod stage;
mod subscriber;
mod table;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use scenario::{SCENARIOS, Scenario};
use stage::Bench;

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
    /// What commits wait for: full (the disk), os (the operating system)
    #[arg(long, value_delimiter = ',', default_value = "full,os")]
    durability: Vec<Durability>,
    /// Windows of 2 s instead of 10 s: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Seconds of one window
    #[arg(long, value_name = "SECONDS", conflicts_with = "quick")]
    window: Option<u64>,
    /// Runs of each scenario; the table shows them all
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: usize,
    /// Forwards in flight at once, for each subscriber
    #[arg(long, value_name = "N", default_value_t = 32)]
    concurrency: u16,
    /// Reports that the store of the scenarios `stored-…` holds already
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    stored: u64,
    /// Forwards that wait in the scenario `outage`
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    backlog: u64,
    /// Where stores are made: a folder on the disk that is to be measured
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
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(disable_help_subcommand = true)]
enum Role {
    /// List the scenarios
    List,
    #[command(name = "role-player", hide = true)]
    Player,
    #[command(name = "role-subscriber", hide = true)]
    Subscriber,
    #[command(name = "role-server", hide = true)]
    Server,
    #[command(name = "role-poster", hide = true)]
    Poster,
    #[command(name = "role-analyst", hide = true)]
    Analyst,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When even this cannot be said, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match cli.role {
        None => bench(cli),
        Some(Role::List) => list(),
        Some(Role::Player) => player::act(),
        Some(Role::Subscriber) => subscriber::act(),
        Some(Role::Server) => floor::serve(),
        Some(Role::Poster) => floor::post(),
        Some(Role::Analyst) => special::analyse(),
    }
}

fn list() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for scenario in SCENARIOS {
        let extra = if scenario.on_request {
            " (by name only)"
        } else {
            ""
        };
        writeln!(out, "{:<14} {}{extra}", scenario.name, scenario.about)?;
    }
    Ok(())
}

fn bench(cli: &Cli) -> anyhow::Result<()> {
    let wanted = wanted(&cli.scenarios)?;
    let bench = Bench {
        service: process::service_binary(cli.service.as_deref())?,
        folder: cli.folder.clone().unwrap_or_else(std::env::temp_dir),
        window: match (cli.window, cli.quick) {
            (Some(seconds), _) => std::time::Duration::from_secs(seconds.max(1)),
            (None, true) => std::time::Duration::from_secs(2),
            (None, false) => std::time::Duration::from_secs(10),
        },
        quick: cli.quick,
        concurrency: cli.concurrency.max(1),
        stored: cli.stored,
        backlog: cli.backlog,
        keep: cli.keep,
    };
    ensure!(
        bench.folder.is_dir(),
        "{} is no folder",
        bench.folder.display()
    );
    let mut answer = table::Answer::new(machine::describe(&bench.folder)?, bench.window);
    for durability in &cli.durability {
        if !cli.no_floors {
            talk(&format!(
                "floors and ceiling, durability {}",
                durability.as_str()
            ))?;
            answer
                .floors
                .push(floor::measure(&bench, *durability).context("cannot measure the floors")?);
        }
        for scenario in &wanted {
            for _ in 0..cli.repeat.max(1) {
                talk(&format!(
                    "{}, durability {}: {}",
                    scenario.name,
                    durability.as_str(),
                    scenario.about
                ))?;
                let rows = scenario::run(&bench, scenario, *durability)
                    .with_context(|| format!("scenario {} failed", scenario.name))?;
                answer.rows.extend(rows);
            }
        }
    }
    answer.print(&mut std::io::stdout().lock(), cli.json)
}

fn wanted(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().filter(|known| !known.on_request).collect());
    }
    let find = |name: &String| {
        SCENARIOS
            .iter()
            .find(|known| known.name == name)
            .with_context(|| format!("no scenario {name:?}: `tickrelay-bench list` has them all"))
    };
    names.iter().map(find).collect()
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

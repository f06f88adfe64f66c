//! The command line: noun, then verb, each a thin call in a file of its own.
//!
//! Data goes to stdout and talk to stderr, so that a pipe gets data alone. The exit code is
//! 0 when it is done, 1 when nothing was found or something was refused, 2 when it is broken.

mod account;
mod attempt;
mod broadcast;
mod client;
mod config;
mod demo;
mod environment;
mod erase;
mod explain;
mod forward;
mod init;
mod key;
mod list;
mod message;
mod page;
mod replay;
mod reprocess;
mod serve;
mod setting_flags;
mod simulate;
mod source;
mod store;
mod subscriber;
mod table;
mod template;
mod terminal;
mod time;
mod token;
mod usage;
mod webhook;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::config::{Config, Environment, Inputs, LoadError, Loaded};
use crate::model::quoted;
use crate::store::{Error, Loss};
use setting_flags::SettingFlags;
pub use terminal::{Exit, Terminal};

/// The file that is read when none is named and it is there.
const DEFAULT_FILE: &str = "tickrelay.toml";

/// The exit code after a [`Loss`] of the store, for what supervises the service: `EX_SOFTWARE`.
const STORE_LOST: u8 = 70;

/// Relays the ticks (delivery statuses) of WhatsApp messages from the providers to your systems.
#[derive(Debug, Parser)]
#[command(name = "tickrelay", version, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM or SIGINT
    Serve(setting_flags::ShownSettings),
    /// Show the main job on a throw-away store, with the providers' fixtures
    Demo(demo::Demo),
    /// Write a starter configuration with generated secrets
    Init(init::Init),
    /// Check, show and explain the configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Manage subscribers (callback URLs)
    #[command(subcommand)]
    Subscriber(subscriber::SubscriberCommand),
    /// Find messages, show their timelines, register sends
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Show the webhooks that providers sent
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Show forwards to subscribers and send them again
    #[command(subcommand)]
    Forward(forward::ForwardCommand),
    /// Show delivery attempts
    #[command(subcommand)]
    Attempt(attempt::AttemptCommand),
    /// Show sources: webhook URLs and their traffic
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Show account events: notices about accounts, templates and numbers
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Show and cancel replays that `forward retry --subscriber` started
    #[command(subcommand)]
    Replay(replay::ReplayCommand),
    /// Show broadcasts that are polled, and poll more
    #[command(subcommand)]
    Broadcast(broadcast::BroadcastCommand),
    /// Manage the message templates that texts are rendered from
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Manage API tokens and their roles
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show and rotate the keys that seal secrets
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Parse stored webhooks again after an upgrade
    Reprocess(reprocess::Reprocess),
    /// Erase a person from the store
    Erase(erase::Erase),
    /// Explain an error code
    Explain(explain::Explain),
    /// Send invented, signed webhooks to a running service
    Simulate(simulate::Simulate),
}

/// The flags that decide which service a command is for, and the configuration; understood by
/// every command.
#[derive(Debug, Default, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
#[command(next_help_heading = setting_flags::SERVICE_HEADING)]
pub struct Settings {
    #[command(flatten)]
    flags: SettingFlags,
    /// Use the service at this URL, not the local one; stands before the command
    /// [env: TICKRELAY_URL]
    #[arg(long, value_name = "URL", value_parser = service_url)]
    url: Option<Url>,
    /// The token to send to --url, or the contents of @FILE; stands before the command
    /// [env: TICKRELAY_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

impl Settings {
    /// Reads the configuration that these flags and the environment lead to.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        Config::load(Inputs {
            file: self.file().as_deref(),
            flags: &self.flags.given,
            environment: Environment {
                value: &environment::value,
                names: &environment::names(),
            },
        })
    }

    /// The file that is read, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
        self.named_file().or_else(default)
    }

    /// The file that was named, whether it is there or not.
    fn named_file(&self) -> Option<PathBuf> {
        self.flags.config.clone().or_else(environment::file)
    }

    /// How many settings were given by `--set`.
    fn sets(&self) -> usize {
        let given = self.flags.given.iter();
        given.filter(|flag| flag.flag == "--set").count()
    }

    /// The service to use instead of this machine's.
    fn url(&self) -> anyhow::Result<Option<Url>> {
        let named = environment::url().filter(|_| self.url.is_none());
        let named = named.map(|text| service_url(&text)).transpose();
        let named = named.map_err(|why| anyhow::anyhow!("TICKRELAY_URL: {why}"))?;
        Ok(self.url.clone().or(named))
    }

    /// The token that is sent to the service at [`Self::url`].
    fn token(&self) -> anyhow::Result<Option<String>> {
        let token = self.token.clone().or_else(environment::token);
        let Some(path) = token.as_deref().and_then(|token| token.strip_prefix('@')) else {
            return Ok(token);
        };
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", quoted(path)))?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// The address of a service, which the paths of the API stand behind.
fn service_url(text: &str) -> Result<Url, &'static str> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or("write the service's URL, e.g. https://relay.example.com")
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let texts = arguments.iter().map(|it| it.to_string_lossy().into_owned());
    let typed = terminal::long(&texts.collect::<Vec<_>>());
    let cli = match usage::parse(arguments) {
        Ok(cli) => cli,
        Err(usage) => return usage.report(),
    };
    let mut terminal = Terminal {
        data: &mut io::stdout().lock(),
        talk: &mut io::stderr(),
        done: None,
        typed,
        width: terminal::width(),
    };
    match cli.run(&mut terminal) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Refused) => ExitCode::from(1),
        // The reader has seen enough, as `head` does.
        Err(error) if terminal.done.is_none() && is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // When even this cannot be said, the exit code still says it.
            let text = terminal.shortened(&whole(&error));
            let _ = writeln!(terminal.talk, "error: {text}");
            let is_lost = error.chain().any(<dyn std::error::Error>::is::<Loss>);
            if let Some(done) = terminal.done.filter(|_| !is_lost) {
                let _ = writeln!(terminal.talk, "It was done all the same: {done}.");
            }
            ExitCode::from(if is_lost { STORE_LOST } else { 2 })
        }
    }
}

impl Cli {
    fn run(self, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let exit = match self.command {
            Command::Serve(_) => serve::run(&self.settings),
            Command::Demo(demo) => demo.run(terminal),
            Command::Init(init) => init.run(&self.settings, terminal),
            Command::Config(verb) => verb.run(&self.settings, terminal),
            Command::Subscriber(verb) => verb.run(&self.settings, terminal),
            Command::Message(verb) => verb.run(&self.settings, terminal),
            Command::Webhook(verb) => verb.run(&self.settings, terminal),
            Command::Forward(verb) => verb.run(&self.settings, terminal),
            Command::Attempt(verb) => verb.run(&self.settings, terminal),
            Command::Source(verb) => verb.run(&self.settings, terminal),
            Command::Account(verb) => verb.run(&self.settings, terminal),
            Command::Replay(verb) => verb.run(&self.settings, terminal),
            Command::Broadcast(verb) => verb.run(&self.settings, terminal),
            Command::Template(verb) => verb.run(&self.settings, terminal),
            Command::Token(verb) => verb.run(&self.settings, terminal),
            Command::Key(verb) => verb.run(&self.settings, terminal),
            Command::Reprocess(reprocess) => reprocess.run(&self.settings, terminal),
            Command::Erase(erase) => erase.run(&self.settings, terminal),
            Command::Explain(explain) => explain.run(&self.settings, terminal),
            Command::Simulate(simulate) => simulate.run(&self.settings, terminal),
        };
        let exit = match exit {
            Err(error) if is_not_found(&error) => {
                let exit = terminal.refuse(error)?;
                if let Some(done) = &terminal.done {
                    writeln!(terminal.talk, "It was done all the same: {done}.")?;
                }
                exit
            }
            Err(error) if is_of_output(&error) => {
                return Err(error.context("cannot write the answer"));
            }
            exit => exit?,
        };
        terminal.data.flush().context("cannot write the answer")?;
        Ok(exit)
    }
}

/// No such thing, no store yet, or one elsewhere: nothing is broken.
fn is_not_found(error: &anyhow::Error) -> bool {
    error.is::<client::Refused>()
        || matches!(error.downcast_ref(), Some(Error::NotFound(_)))
        || matches!(error.downcast_ref(), Some(LoadError::StoreElsewhere { .. }))
}

/// An error with its causes, but for those that its text has already.
fn whole(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// An I/O error of the terminal: one of anything else begins with what was attempted.
fn is_of_output(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes
        .next()
        .is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

/// Whether the reader of the answer is gone. A connection to the service breaks deeper in the chain.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error.chain().take(2);
    let mut causes = causes.filter_map(|cause| cause.downcast_ref());
    causes.any(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// What `tickrelay` with these arguments answers: how it ended, data, talk.
    pub(super) fn run(arguments: &[&str]) -> (Exit, String, String) {
        let (mut data, mut talk) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            data: &mut data,
            talk: &mut talk,
            done: None,
            typed: Vec::new(),
            width: None,
        };
        let cli = Cli::try_parse_from([&["tickrelay"], arguments].concat()).unwrap();
        let exit = cli.run(&mut terminal).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (exit, text(data), text(talk))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_pipe_of_the_answer_alone_ends_a_command_quietly() {
        let broken = || anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&broken()));
        assert!(is_broken_pipe(&broken().context("cannot write the answer")));
        let of_service = broken().context("a request").context("the service ended");
        assert!(!is_broken_pipe(&of_service));
    }

    #[test]
    fn a_flag_of_its_own_wins_over_set() {
        let (exit, data, _) = run(&[
            "config",
            "show",
            "--config",
            "config.example.toml",
            "--listen",
            "[::1]:1",
            "--set",
            "server.listen=[::1]:2",
            "--allow-http",
            "--set",
            "forward.timeout=20s",
        ]);
        assert_eq!(exit, Exit::Done);
        for (setting, origin) in [
            ("listen = \"[::1]:1\"", "# --listen"),
            ("allow_http = true", "# --allow-http"),
            ("timeout = \"20s\"", "# --set"),
        ] {
            let line = data.lines().find(|line| line.starts_with(setting));
            assert!(line.is_some_and(|line| line.ends_with(origin)), "{data}");
        }
    }
}

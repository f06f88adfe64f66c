//! `tickrelay simulate`: invented, signed webhooks for a running service.
//!
//! How an integrator tests an endpoint and an operator sizes a machine, without WhatsApp.
//! What it sends ends in the store like any report, so without flags it sends to this machine only,
//! and it always ends. With `--history` it fills a new store instead.

mod history;
mod outcome;

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use url::Url;

use self::history::days;
use super::usage::within;
use super::{Exit, Settings, Terminal};
use crate::clock::Clock;
use crate::config::Source;
use crate::model::quoted;
use crate::play::load::{self, Load, LoadSummary, SendRate};
use crate::play::{Mishaps, Scenario, TrafficGenerator};
use crate::providers::Provider;

pub(super) use self::history::{MESSAGES, MESSAGES_RANGE};

/// How long the service may take to accept a connection before it counts as away.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest simulation.
const LONGEST: Duration = Duration::from_hours(24);

/// The arguments of `tickrelay simulate`.
#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Play the provider of this source; may be repeated [default: every source]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    source: Vec<String>,
    /// Only sources of these providers
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',')]
    providers: Vec<Provider>,
    /// Where the service listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = url)]
    url: Url,
    /// Reports a second, or max: as fast as the answers come
    #[arg(long, value_name = "N", default_value = "100", value_parser = rate)]
    rate: SendRate,
    /// For how long, as in 60s or 5m; 24h at most
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// End after this many reports
    #[arg(long, value_name = "N", value_parser = count)]
    count: Option<u64>,
    /// Reports in each webhook
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = within(1..=1000_u16))]
    batch: u16,
    /// Connections to the service
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = within(1..=1024_u16))]
    connections: u16,
    /// Send reports in any order
    #[arg(long)]
    shuffle: bool,
    /// Share of reports that are sent twice, as in 5%
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share)]
    duplicates: f64,
    /// Share of messages that fail, with true error codes
    #[arg(long, value_name = "SHARE", default_value = "3%", value_parser = share)]
    failures: f64,
    /// Fill a new store with invented history instead, as in 30d; no service may run on it
    #[arg(long, value_name = "TIME", value_parser = days)]
    #[arg(conflicts_with_all = ["url", "rate", "duration", "count", "batch", "connections"])]
    #[arg(conflicts_with_all = ["shuffle", "duplicates", "failures", "allow_remote"])]
    history: Option<u32>,
    /// Messages of the history
    #[arg(long, value_name = "N", default_value_t = MESSAGES, requires = "history")]
    #[arg(value_parser = within(MESSAGES_RANGE))]
    messages: u64,
    /// Repeat the traffic of that seed [default: another one each time, of history the same]
    #[arg(long, value_name = "N", value_parser = within(0..=u64::MAX))]
    seed: Option<u64>,
    /// Send to another machine: invented reports end in its store and reach its subscribers
    #[arg(long)]
    allow_remote: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Reports a second, or as fast as the answers come.
fn rate(text: &str) -> Result<SendRate, &'static str> {
    if text == "max" {
        return Ok(SendRate::AnswerByAnswer);
    }
    let rate = text.parse().ok();
    rate.filter(|rate| (0.01..=1_000_000.0).contains(rate))
        .map(SendRate::Rate)
        .ok_or("write reports a second, e.g. 500, or max")
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = crate::config::duration(text)?;
    if duration.is_zero() || duration > LONGEST {
        return Err("from 1ms to 24h".to_owned());
    }
    Ok(duration)
}

fn count(text: &str) -> Result<u64, &'static str> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or("write how many reports, 1 or more")
}

fn url(text: &str) -> Result<Url, &'static str> {
    text.parse()
        .ok()
        .filter(|url: &Url| url.has_host())
        .ok_or("write it as http://127.0.0.1:8080")
}

/// A share from 0 to 1, written `5%` or `0.05`.
fn share(text: &str) -> Result<f64, &'static str> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number / scale)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or("write a share, e.g. 5%")
}

impl Simulate {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let config = settings.load()?.config;
        let sources = self.sources(config.sources.clone())?;
        if let Some(days) = self.history {
            return self.fill(&config, sources, days, terminal);
        }
        let address = self.address()?;
        // Without it a whole run would say of each webhook that it was refused.
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| {
            format!("cannot reach {address}, where tickrelay serve should listen")
        })?;
        let now_ms = Clock::system().now_ms();
        let seed = self.seed.unwrap_or_else(|| now_ms.unsigned_abs());
        writeln!(
            terminal.talk,
            "playing the providers of {} for {}, seed {seed}",
            names_of(&sources),
            self.url
        )?;
        let scenario = Scenario {
            target: self.url.clone(),
            public_url: config.server.public_url,
            batch: usize::from(self.batch),
            spread: self.spread(sources.len()),
            mishaps: Mishaps {
                duplicates: self.duplicates,
                failures: self.failures,
                shuffle: self.shuffle,
            },
            seed,
            run: u32::try_from(seed & 0xffff).unwrap_or_default(),
            sources,
        };
        let summary = self.send(&scenario, address)?;
        self.print(&summary, seed, terminal)?;
        Ok(
            if summary.accepted > 0 && summary.accepted == summary.sent() {
                Exit::Done
            } else {
                Exit::Refused
            },
        )
    }

    /// Messages of each source that begin between two steps of one, so that these are about a
    /// second apart.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 16 to 4096"
    )]
    fn spread(&self, sources: usize) -> usize {
        let of_all = match self.rate {
            SendRate::AnswerByAnswer => 4_096.0,
            SendRate::Rate(rate) => rate.clamp(16.0, 4_096.0),
        };
        // They take turns.
        (of_all as usize / sources.max(1)).max(1)
    }

    /// The sources that the flags name.
    fn sources(&self, configured: Vec<Source>) -> anyhow::Result<Vec<Source>> {
        ensure!(
            !configured.is_empty(),
            "the configuration has no source: what is sent is signed with its secrets"
        );
        for name in &self.source {
            ensure!(
                configured.iter().any(|source| source.name == *name),
                "no source is named {name} in the configuration, which has {}",
                names_of(&configured),
                name = quoted(name)
            );
        }
        let (pulled, wanted): (Vec<Source>, Vec<Source>) = configured
            .into_iter()
            .filter(|source| self.source.is_empty() || self.source.contains(&source.name))
            .filter(|source| self.providers.is_empty() || self.providers.contains(&source.provider))
            .partition(|source| source.pulled.is_some());
        // Left out without a word only where no flag names them.
        ensure!(
            pulled.is_empty() || (self.source.is_empty() && !wanted.is_empty()),
            "{}: tickrelay polls such a source, nothing can be sent to it; name others with --source",
            names_of(&pulled)
        );
        ensure!(
            !wanted.is_empty(),
            "no source is of such a provider: see tickrelay config show"
        );
        Ok(wanted)
    }

    /// Where to connect; this machine unless another was allowed.
    fn address(&self) -> anyhow::Result<SocketAddr> {
        ensure!(
            self.url.scheme() == "http",
            "{}: only http:// is spoken; name the address the service itself listens on",
            self.url
        );
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = (host, port)
            .to_socket_addrs()
            .with_context(|| format!("cannot find {host}"))?
            .next()
            .with_context(|| format!("{host} has no address"))?;
        if !address.ip().is_loopback() && !self.allow_remote {
            bail!(
                "{host} is another machine: what is invented here would end in its store and \
                 reach its subscribers; --allow-remote sends it all the same"
            );
        }
        Ok(address)
    }

    fn send(&self, scenario: &Scenario, address: SocketAddr) -> anyhow::Result<LoadSummary> {
        let load = Load {
            address,
            connections: usize::from(self.connections),
            send_rate: self.send_rate(),
            duration: self.duration,
            reports: self.count,
        };
        let bar = self.bar();
        let stop = Arc::new(AtomicBool::new(false));
        let sent = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?
            .block_on(async {
                let flag = Arc::clone(&stop);
                tokio::spawn(async move {
                    // Without a signal to wait for there is no early end.
                    if tokio::signal::ctrl_c().await.is_ok() {
                        flag.store(true, Ordering::Relaxed);
                    }
                });
                let traffic = TrafficGenerator::new(scenario);
                load::run(&load, traffic, &stop, |exchange| {
                    bar.inc(exchange.ticks.len() as u64);
                })
                .await
            });
        bar.finish_and_clear();
        Ok(sent?)
    }

    /// When webhooks leave.
    fn send_rate(&self) -> SendRate {
        match self.rate {
            SendRate::Rate(reports_per_s) => SendRate::Rate(reports_per_s / f64::from(self.batch)),
            SendRate::AnswerByAnswer => SendRate::AnswerByAnswer,
        }
    }

    /// Drawn on a terminal only.
    fn bar(&self) -> ProgressBar {
        let by_time = match self.rate {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "2^53 reports are enough for a bar"
            )]
            SendRate::Rate(rate) => Some((rate * self.duration.as_secs_f64()) as u64),
            SendRate::AnswerByAnswer => None,
        };
        match by_time.into_iter().chain(self.count).min() {
            Some(total) => styled(
                Some(total),
                "{bar:40} {human_pos}/{human_len} reports, {per_sec}, {eta} left",
            ),
            None => styled(None, "{spinner} {human_pos} reports, {per_sec}, {elapsed}"),
        }
    }
}

/// A bar of that length, drawn in that style.
fn styled(total: Option<u64>, style: &str) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The names of sources, for people.
fn names_of(sources: &[Source]) -> String {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates_are_read_as_people_write_them() {
        for (text, expected) in [
            ("5%", Some(0.05)),
            ("0.05", Some(0.05)),
            ("100%", Some(1.0)),
            ("0", Some(0.0)),
            ("101%", None),
            ("-1%", None),
            ("many", None),
        ] {
            assert_eq!(share(text).ok(), expected, "{text}");
        }
        assert_eq!(rate("max"), Ok(SendRate::AnswerByAnswer));
        assert_eq!(rate("500"), Ok(SendRate::Rate(500.0)));
        assert!(rate("0").is_err() && rate("NaN").is_err());
    }
}

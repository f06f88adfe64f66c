//! `tickrelay subscriber show`: one subscriber, what it wants and how it fares.

use clap::Args;
use serde::Serialize;

use super::super::forward::number;
use super::super::table::facts;
use super::super::time::{day_and_time, span};
use super::super::{Exit, Settings, Terminal, page};
use super::wants;
use crate::clock::Clock;
use crate::config::spell_duration;
use crate::model::{Filter, Rule, Subscriber};
use crate::store::overview::{SubscriberHealth, SubscriberOverview};

/// Which.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// Its name
    name: String,
    /// Answer with a JSON object
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        let reader = settings.reader()?;
        let (overview, reached) = reader.subscriber(&self.name, now_ms)?;
        let rest = page::counted(reached);
        let health = reader.subscriber_health(overview.subscriber.id, now_ms)?;
        let keys = settings.load()?.config.store.keys;
        let missing_key = reader.missing_key_of(overview.subscriber.id, &keys)?;
        if self.json {
            page::say(rest, terminal)?;
            let shown = Shown {
                overview,
                delivered_attempts_24h: health.delivered_attempts_24h,
                failed_attempts_24h: health.failed_attempts_24h,
                missing_key,
            };
            return terminal.json(&shown);
        }
        write!(
            terminal.data,
            "{}",
            show(&overview, &health, (missing_key, now_ms))
        )?;
        page::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

/// As JSON.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    overview: SubscriberOverview,
    delivered_attempts_24h: u64,
    failed_attempts_24h: u64,
    missing_key: Option<String>,
}

fn show(
    overview: &SubscriberOverview,
    health: &SubscriberHealth,
    (missing_key, now_ms): (Option<String>, i64),
) -> String {
    let subscriber = &overview.subscriber;
    let state = match &subscriber.state_reason {
        Some(reason) => format!("{}: {reason}", subscriber.state),
        None => subscriber.state.to_string(),
    };
    let failing = subscriber.failing_since_ms.map(|since_ms| {
        format!(
            "every attempt since {} ({})",
            day_and_time(since_ms),
            span(now_ms - since_ms)
        )
    });
    let pending = match (overview.pending, overview.oldest_pending_ms) {
        (Some(pending), Some(since_ms)) => {
            format!("{pending}, the oldest for {}", span(now_ms - since_ms))
        }
        (pending, _) => pending.map_or_else(|| "too many to count".to_owned(), |it| it.to_string()),
    };
    let mut all = vec![
        ("Subscriber", Some(subscriber.name.clone())),
        ("URL", Some(subscriber.url.clone())),
        ("Kind", Some(subscriber.kind.to_string())),
        ("Wording", subscriber.alert.wording.clone()),
        ("Link", subscriber.alert.link.clone()),
        (
            "Account events",
            (subscriber.alert.account_events).then(|| "told too".to_owned()),
        ),
        ("State", Some(state)),
        ("Failing", failing),
        (
            "Waits for",
            missing_key
                .map(|id| format!("the key {id}, which is missing: see `tickrelay key list`")),
        ),
    ];
    all.extend(settings(subscriber));
    all.extend([
        ("Added", Some(day_and_time(subscriber.created_at_ms))),
        ("Pending", Some(pending)),
        (
            "Delivered",
            Some(format!("{} within 24 h", overview.delivered_24h)),
        ),
        (
            "Gave up",
            Some(format!("{} within 24 h", overview.gave_up_24h)),
        ),
        (
            "Attempts",
            Some(format!(
                "{} succeeded and {} failed within 24 h",
                health.delivered_attempts_24h, health.failed_attempts_24h
            )),
        ),
    ]);
    facts(all)
}

/// What can be changed about it.
fn settings(subscriber: &Subscriber) -> Vec<(&'static str, Option<String>)> {
    let options = subscriber.options;
    let formats = format!(
        "{}, errors {}, numbers {}, times {}",
        options.format, options.error_format, options.phone_format, options.timestamp_format
    );
    let senders = subscriber.filter.senders.iter();
    let senders: Vec<String> = senders.map(|sender| number(sender)).collect();
    let rules: Vec<String> = subscriber
        .filter
        .rules
        .iter()
        .map(Rule::to_string)
        .collect();
    let list = |items: Vec<String>| (!items.is_empty()).then(|| items.join(", "));
    let any = subscriber.filter == Filter::default();
    let tried_again = subscriber.schedule().map(|waits| {
        let waits: Vec<String> = waits.into_iter().map(spell_duration).collect();
        if waits.is_empty() {
            return "never".to_owned();
        }
        format!("after {}", waits.join(", "))
    });
    vec![
        ("Wants", any.then(|| wants(&subscriber.filter))),
        ("Rules", list(rules)),
        ("Sources", list(subscriber.filter.sources.clone())),
        ("Senders", list(senders)),
        ("Reports", Some(subscriber.reports.to_string())),
        ("Payload", Some(formats)),
        ("Ordering", Some(subscriber.ordering.to_string())),
        ("At once", Some(subscriber.concurrency.to_string())),
        ("Timeout", subscriber.timeout().map(spell_duration)),
        (
            "At most",
            subscriber.rate_limit.map(|rate| format!("{rate} a second")),
        ),
        ("Tried again", tried_again),
        ("Headers", list(subscriber.headers.clone())),
        ("Credentials", subscriber.auth.map(|auth| auth.to_string())),
    ]
}

/// After a change: what it gets now, and how.
pub(super) fn changed(subscriber: &Subscriber, terminal: &mut Terminal<'_>) -> std::io::Result<()> {
    let name = ("Subscriber", Some(subscriber.name.clone()));
    let url = ("URL", Some(subscriber.url.clone()));
    let all = [name, url].into_iter().chain(settings(subscriber));
    write!(terminal.talk, "{}", facts(all))
}

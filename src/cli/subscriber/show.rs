//! `tickrelay subscriber show`: one subscriber, what it wants and how it fares.

use clap::Args;
use serde::Serialize;

use super::super::forward::number;
use super::super::table::facts;
use super::super::time::{day_and_time, span};
use super::super::{Exit, Settings, Terminal, list, page};
use super::wants;
use crate::clock::Clock;
use crate::model::settings::{self, settings};
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
            list::say(rest, terminal)?;
            let shown = SubscriberAnswer {
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
        list::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

/// As JSON.
#[derive(Serialize)]
struct SubscriberAnswer {
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
            (subscriber.alert.account_events).then(|| "notified too".to_owned()),
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

macro_rules! shown {
    (
        payload { $($(#[$p_doc:meta])* $p:ident: $p_type:ident, flag $p_value:tt $p_help:tt, shown as $p_shown:tt;)* }
        values { $(
            $(#[$v_doc:meta])* $v:ident: $v_type:ident, kept as $v_kept:ident: $v_kept_type:ty, column $v_column:tt,
            $(checked by $v_check:ident,)? flag $v_value:tt $v_help:tt, shown as $v_label:tt: $v_shown:tt;
        )* }
        own { $(
            $(#[$o_doc:meta])* $o:ident: $o_type:ident, kept as $o_kept:ident: $o_kept_type:ty, column $o_column:tt,
            $(checked by $o_check:ident,)? flag $o_value:tt $o_help:tt, shown as $o_label:tt: $o_shown:tt;
        )* }
    ) => {
        /// How its payloads look and how it is sent to.
        fn sending(subscriber: &Subscriber) -> Vec<(&'static str, Option<String>)> {
            let formats = [$(format!($p_shown, subscriber.options.$p),)*];
            vec![
                ("Payload", Some(formats.join(", "))),
                $(($v_label, Some(format!($v_shown, settings::$v_type::from(subscriber.$v_kept.clone())))),)*
                $(($o_label, subscriber.$o_kept.clone().map(|own| format!($o_shown, settings::$o_type::from(own)))),)*
            ]
        }
    };
}

settings!(shown);

/// What can be changed about it.
fn settings(subscriber: &Subscriber) -> Vec<(&'static str, Option<String>)> {
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
    let mut all = vec![
        ("Wants", any.then(|| wants(&subscriber.filter))),
        ("Rules", list(rules)),
        ("Sources", list(subscriber.filter.sources.clone())),
        ("Senders", list(senders)),
    ];
    all.extend(sending(subscriber));
    all.extend([
        ("Headers", list(subscriber.headers.clone())),
        ("Credentials", subscriber.auth.map(|auth| auth.to_string())),
    ]);
    all
}

/// After a change: what it gets now, and how.
pub(super) fn changed(subscriber: &Subscriber, terminal: &mut Terminal<'_>) -> std::io::Result<()> {
    let name = ("Subscriber", Some(subscriber.name.clone()));
    let url = ("URL", Some(subscriber.url.clone()));
    let all = [name, url].into_iter().chain(settings(subscriber));
    write!(terminal.talk, "{}", facts(all))
}

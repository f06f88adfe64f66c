//! `tickrelay subscriber show`: one subscriber, what it wants and how it fares.

use clap::Args;
use serde::Serialize;

use super::super::client::{self, Client, Purpose};
use super::super::forward::number;
use super::super::table::facts;
use super::super::time::{day_and_time, span};
use super::super::{Exit, Settings, Terminal};
use super::wants;
use crate::clock::Clock;
use crate::model::settings::settings;
use crate::model::{Filter, Rule};
use crate::web::api::health::HealthView;
use crate::web::api::subscribers::SubscriberView;
use crate::web::api::time::Time;

/// Which.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// Its name
    name: String,
    /// Answer with the API's JSON document, how it fares in `health`
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let name = self.name.as_str();
        let read = |client: &Client| -> anyhow::Result<SubscriberAnswer> {
            Ok(SubscriberAnswer {
                subscriber: client.get(&["subscribers", name], &[])?,
                health: client.get(&["subscribers", name, "health"], &[])?,
            })
        };
        let answer = client::with(settings, Purpose::Read, read)?;
        if self.json {
            return terminal.json(&answer);
        }
        let now_ms = Clock::system().now_ms();
        write!(terminal.data, "{}", show(&answer, now_ms))?;
        Ok(Exit::Done)
    }
}

/// The API's documents of a subscriber and of how it fares.
#[derive(Serialize)]
struct SubscriberAnswer {
    #[serde(flatten)]
    subscriber: SubscriberView,
    health: HealthView,
}

fn show(answer: &SubscriberAnswer, now_ms: i64) -> String {
    let SubscriberAnswer { subscriber, health } = answer;
    let ago = |since: Time| span(now_ms - i64::from(since));
    let state = match &subscriber.state_reason {
        Some(reason) => format!("{}: {reason}", subscriber.state),
        None => subscriber.state.to_string(),
    };
    let failing = health.failing_since.map(|since| {
        format!(
            "every attempt since {} ({})",
            day_and_time(since),
            ago(since)
        )
    });
    let pending = match health.oldest_pending_since {
        Some(since) => format!("{}, the oldest for {}", health.pending, ago(since)),
        None => health.pending.to_string(),
    };
    let missing_key = health.missing_key.as_ref();
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
        ("Added", Some(day_and_time(subscriber.created_at))),
        ("Pending", Some(pending)),
        (
            "Delivered",
            Some(format!("{} within 24 h", health.delivered_24h)),
        ),
        (
            "Gave up",
            Some(format!("{} within 24 h", health.gave_up_24h)),
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
        fn sending(subscriber: &SubscriberView) -> Vec<(&'static str, Option<String>)> {
            let formats = [$(format!($p_shown, subscriber.options.$p),)*];
            vec![
                ("Payload", Some(formats.join(", "))),
                $(($v_label, Some(format!($v_shown, subscriber.$v))),)*
                $(($o_label, subscriber.$o.as_ref().map(|own| format!($o_shown, own))),)*
            ]
        }
    };
}

settings!(shown);

/// What can be changed about it.
fn settings(subscriber: &SubscriberView) -> Vec<(&'static str, Option<String>)> {
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
pub(super) fn changed(
    subscriber: &SubscriberView,
    terminal: &mut Terminal<'_>,
) -> std::io::Result<()> {
    let name = ("Subscriber", Some(subscriber.name.clone()));
    let url = ("URL", Some(subscriber.url.clone()));
    let all = [name, url].into_iter().chain(settings(subscriber));
    write!(terminal.talk, "{}", facts(all))
}

//! The state of a message is a function of the set of its reports: any order, any repeats,
//! any batches, and a restart in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use tickrelay::clock::Clock;
use tickrelay::metrics::Metrics;
use tickrelay::model::{Echo, Kind, Message, MessageType, Report, ReportError, Status, Word as _};
use tickrelay::providers::{Item, Parsed, Provider};
use tickrelay::store::{Arrival, Durability, EngineOptions, Options, SqliteOptions, Store};

use crate::support::Tables;

/// All arrive at once, so that a report without a time of its own has one in every order.
const ARRIVAL_MS: i64 = 1_770_798_600_000;

pub(crate) fn open(folder: &Path) -> Store {
    let options = Options {
        engine: EngineOptions::Sqlite(SqliteOptions {
            path: folder.join("tickrelay.db"),
            durability: Durability::Os,
            wal_limit_bytes: 1 << 30,
            disk_reserve_bytes: 0,
        }),
        list_budget: Duration::from_secs(5),
        keys: Vec::new(),
        owner_patience: Duration::from_millis(100),
    };
    Store::open(&options, Clock::system(), Arc::new(Metrics::new())).unwrap()
}

/// A webhook that holds these reports of the message `id`.
pub(crate) fn arrival(id: &str, reports: &[Report]) -> Arrival {
    let of_message = |report: &Report| {
        let message = Some(id.to_owned());
        Item::Report(Box::new(Report {
            message,
            ..report.clone()
        }))
    };
    Arrival {
        source: "any".into(),
        provider: Provider::MetaCloud,
        default_type: MessageType::Regular,
        default_sender: None,
        received_ms: ARRIVAL_MS,
        content_type: None,
        content_encoding: None,
        user_agent: None,
        broadcast: None,
        known: 0,
        body: Vec::new(),
        parsed: Ok(Parsed {
            items: reports.iter().map(of_message).collect(),
        }),
    }
}

/// Everything that is known of a message, and which reports there are of it.
pub(crate) fn state(folder: &Path, id: &str) -> Vec<String> {
    Tables::at(&folder.join("tickrelay.db")).message(id)
}

/// A report of that status, at that second where it has one.
pub(crate) fn report(status: Option<Status>, second: Option<i64>) -> Report {
    let word = status.map_or("warning", Status::as_str);
    let mut report = Report::new(Kind::Status, word, None, b"{}");
    report.status = status;
    report.time.text = second.map(|second| second.to_string());
    report.time.ms = second.map(|second| 1_760_000_000_000 + second * 1000);
    report
}

pub(crate) fn failed(second: i64, code: i64, details: &str) -> Report {
    let mut report = report(Some(Status::Failed), Some(second));
    report.errors.push(ReportError {
        key: format!("meta:{code}"),
        code: Some(code),
        title: Some("An error".to_owned()),
        details: Some(details.to_owned()),
        href: None,
        permanent: None,
    });
    report
}

/// Six reports that contradict each other in everything a message keeps.
fn a_life_with_contradictions() -> Vec<Report> {
    let mut sent = report(Some(Status::Sent), Some(2));
    sent.recipient = Some("ES.1349".to_owned());
    sent.pricing.category = Some("utility".to_owned());
    sent.evidence = Some(MessageType::Template);
    let mut delivered = report(Some(Status::Delivered), Some(5));
    delivered.recipient = Some("34600000001".to_owned());
    delivered.sender = Some("34910000000".to_owned());
    let mut again = report(Some(Status::Delivered), Some(4));
    again.sender = Some("+34 910 000 000".to_owned());
    again.pricing.category = Some("marketing".to_owned());
    let mut read = report(Some(Status::Read), None);
    read.echo = Some(Echo::new(r#"{"message":"Hello","t":"regular"}"#.to_owned()));
    vec![
        sent,
        delivered,
        again,
        read,
        failed(3, 131_047, "late"),
        report(None, Some(6)),
    ]
}

/// A voice message that was listened to, with all that may be said of it before and after.
fn a_voice_message() -> Vec<Report> {
    let mut played = report(Some(Status::Read), Some(4));
    "played".clone_into(&mut played.provider_status);
    let mut again = report(Some(Status::Read), None);
    "played".clone_into(&mut again.provider_status);
    vec![
        report(Some(Status::Sent), Some(1)),
        report(Some(Status::Delivered), Some(2)),
        failed(3, 131_026, "not on WhatsApp"),
        played,
        report(Some(Status::Read), Some(6)),
        again,
    ]
}

/// Six reports of the members of a group, who fail in the same second in different words.
fn a_group() -> Vec<Report> {
    let member = |name: &str, mut report: Report| {
        report.group = Some("Y2FwaV9ncm91cDox".to_owned());
        report.participant = Some(name.to_owned());
        report.recipient = Some(name.to_owned());
        report
    };
    vec![
        member("34600000001", report(Some(Status::Queued), Some(1))),
        member("34600000001", failed(3, 131_026, "no such number")),
        member("34600000002", failed(3, 131_026, "another wording")),
        member("34600000002", report(Some(Status::Deleted), Some(2))),
        member("34600000003", report(Some(Status::Sent), Some(3))),
        member("34600000003", failed(3, 131_000, "something else")),
    ]
}

pub(crate) fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let longer = shorter.iter().flat_map(|order| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    });
    longer.collect()
}

/// The different ends that a message comes to over all orders of its reports.
fn ends(reports: &[Report], fold: impl Fn(&[&Report]) -> String) -> BTreeSet<String> {
    permutations(reports.len())
        .iter()
        .map(|order| {
            fold(
                &order
                    .iter()
                    .map(|index| &reports[*index])
                    .collect::<Vec<_>>(),
            )
        })
        .collect()
}

fn join(reports: &[&Report]) -> String {
    let mut message = Message::default();
    for report in reports {
        message.absorb(report, ARRIVAL_MS, None, MessageType::Regular);
    }
    format!("{message:?}")
}

/// What a table with a status column and no thought does.
fn last_write_wins(reports: &[&Report]) -> String {
    let last = reports.iter().rev().find_map(|report| report.status);
    format!("{last:?}")
}

#[test]
fn every_order_of_six_reports_joins_to_one_message() {
    for reports in [a_life_with_contradictions(), a_group(), a_voice_message()] {
        assert_eq!(ends(&reports, join).len(), 1);
    }
}

/// The control: what the tests of this file look for can be found.
#[test]
fn the_last_write_would_win_differently_in_different_orders() {
    for reports in [a_life_with_contradictions(), a_group()] {
        assert!(ends(&reports, last_write_wins).len() > 1);
    }
}

#[tokio::test]
async fn every_order_of_six_webhooks_is_stored_as_one_state() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let sets = [
        (a_life_with_contradictions(), true),
        (a_group(), false),
        (a_voice_message(), true),
    ];
    for (set, (reports, is_conflict)) in sets.iter().enumerate() {
        let orders = permutations(reports.len());
        let name = |order: &[usize]| format!("{set}-{order:?}");
        // Each order one webhook after the other, all orders side by side.
        join_all(orders.iter().map(async |order| {
            for index in order {
                let one = arrival(&name(order), &reports[*index..=*index]);
                assert_eq!(store.commit(one).await.unwrap().new_reports, 1);
            }
        }))
        .await;
        let expected = state(folder.path(), &name(&orders[0]));
        assert_eq!(expected.len(), 7);
        let conflict = format!("Integer({})", i64::from(*is_conflict));
        assert_eq!(expected[0].split(", ").nth(1), Some(conflict.as_str()));
        for order in &orders {
            assert_eq!(state(folder.path(), &name(order)), expected, "{order:?}");
        }
    }
    store.close().await.unwrap();
}

/// One report with any of what a message can learn from one.
fn any_report() -> impl Strategy<Value = Report> {
    let pick =
        |words: &'static [&'static str]| proptest::option::of(proptest::sample::select(words));
    let status = proptest::sample::select(
        Status::ALL
            .iter()
            .copied()
            .map(Some)
            .chain([None])
            .collect::<Vec<_>>(),
    );
    let second = proptest::option::weighted(0.8, 0_i64..3);
    let facts = (
        pick(&["34600000001", "5491155550123", "ES.1349"]),
        pick(&["34910000000", "+34910000000"]),
        pick(&["34600000001", "34600000002"]),
        pick(&["utility", "service"]),
        pick(&[
            r#"{"message":"Hello","t":"template"}"#,
            r#"{"message":"Bye","t":"regular"}"#,
            "7",
        ]),
        pick(&["one wording", "another"]),
        pick(&["ES.1", "ES.2"]),
        pick(&["Y2FwaV9ncm91cDox"]),
    );
    (status, second, facts).prop_map(|(status, second, facts)| {
        let (recipient, sender, participant, category, echo, wording, user_id, group) = facts;
        let owned = |word: Option<&str>| word.map(str::to_owned);
        let mut report = match (status, wording) {
            (Some(Status::Failed), Some(wording)) => failed(second.unwrap_or(0), 131_000, wording),
            _ => report(status, second),
        };
        report.recipient = owned(recipient);
        report.sender = owned(sender);
        report.participant = owned(participant);
        report.recipient_user_id = owned(user_id);
        report.group = owned(group);
        report.pricing.category = owned(category);
        report.evidence = category.map(|word| match word {
            "utility" => MessageType::Template,
            _ => MessageType::Regular,
        });
        report.echo = echo.map(|text| Echo::new(text.to_owned()));
        report
    })
}

/// Up to six different reports, and a story: batches of them, each report at least once.
fn any_story() -> impl Strategy<Value = (Vec<Report>, Vec<Vec<usize>>, Index)> {
    proptest::collection::vec(any_report(), 1..=6).prop_flat_map(|reports| {
        // Two that say the same are one report; which of its bodies came first counts.
        let mut different = BTreeMap::new();
        for mut report in reports {
            report.message = Some("any".to_owned());
            different.entry(report.identity()).or_insert(report);
        }
        let reports: Vec<Report> = different.into_values().collect();
        let all: Vec<usize> = (0..reports.len()).collect();
        let repeats = subsequence(all.clone(), 0..=all.len());
        let order = repeats
            .prop_flat_map(move |repeats| Just([all.clone(), repeats].concat()).prop_shuffle());
        let batches = order.prop_flat_map(|order| {
            let cuts = subsequence((1..order.len()).collect::<Vec<_>>(), 0..order.len());
            cuts.prop_map(move |cuts| {
                let ends = cuts.iter().copied().chain([order.len()]);
                let mut start = 0;
                ends.map(|end| order[std::mem::replace(&mut start, end)..end].to_vec())
                    .collect()
            })
        });
        (Just(reports), batches, any::<Index>())
    })
}

#[test]
fn any_order_repeats_batches_and_restart_end_in_one_state() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = TempDir::new().unwrap();
    let number = std::cell::Cell::new(0);
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&any_story(), |(reports, batches, restart)| {
        number.set(number.get() + 1);
        let (plain, registered_too) = (
            format!("{}-plain", number.get()),
            format!("{}-registered_too", number.get()),
        );
        let restart = restart.index(batches.len());
        runtime.block_on(async {
            let mut store = open(folder.path());
            for report in &reports {
                let one = arrival(&plain, std::slice::from_ref(report));
                store.commit(one).await.unwrap();
            }
            for (index, batch) in batches.iter().enumerate() {
                let batch: Vec<Report> =
                    batch.iter().map(|index| reports[*index].clone()).collect();
                store
                    .commit(arrival(&registered_too, &batch))
                    .await
                    .unwrap();
                if index == restart {
                    store.close().await.unwrap();
                    drop(store);
                    store = open(folder.path());
                }
            }
            store.close().await.unwrap();
        });
        prop_assert_eq!(
            state(folder.path(), &registered_too),
            state(folder.path(), &plain)
        );
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

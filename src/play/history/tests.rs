//! What history promises, read back by the parsers of its providers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::*;
use crate::model::{Report, Status};
use crate::providers::authentication::Authentication;
use crate::providers::{Hints, Item, Provider};

const HOUR_MS: i64 = 3_600_000;
/// A Monday in summer.
const UNTIL_MS: i64 = 1_784_505_600_000;

fn source(provider: Provider) -> Source {
    Source {
        name: provider.to_string(),
        provider,
        authentication: Authentication::default(),
        verify_tokens: Vec::new(),
        default_type: crate::model::MessageType::Template,
        sender: provider.definition().samples.sender.map(str::to_owned),
        senders: Vec::new(),
        owners: Vec::new(),
        pulled: None,
    }
}

fn scenario(messages: u64, seed: u64) -> HistoryScenario {
    HistoryScenario {
        sources: Provider::push().map(source).collect(),
        messages,
        days: 30,
        until_ms: UNTIL_MS,
        seed,
    }
}

/// What a scenario comes to.
#[derive(Default)]
struct ReadScenario {
    webhooks: Vec<(usize, i64)>,
    reports: Vec<(i64, Report)>,
    /// The names of account events, and when they arrived.
    notices: Vec<(i64, String)>,
    sends: Vec<PastSend>,
    again: usize,
}

fn read(scenario: &HistoryScenario) -> ReadScenario {
    let mut read = ReadScenario::default();
    let mut bodies: HashSet<(usize, Vec<u8>)> = HashSet::new();
    let mut last_ms = scenario.span().start;
    for slot in History::new(scenario) {
        for event in slot.events {
            assert!((last_ms..slot.until_ms).contains(&event.at_ms()));
            last_ms = event.at_ms();
            let webhook = match event {
                PastEvent::Send(send) => {
                    read.sends.push(*send);
                    continue;
                }
                PastEvent::Webhook(webhook) => webhook,
            };
            let source = &scenario.sources[webhook.source];
            let hints = Hints {
                senders: source.sender.clone().into_iter().collect(),
                ..Hints::default()
            };
            let parsed = source.provider.parse(&webhook.body, None, &hints).unwrap();
            read.webhooks.push((webhook.source, webhook.received_ms));
            if !bodies.insert((webhook.source, webhook.body)) {
                read.again += 1;
                continue;
            }
            for item in parsed.items {
                match item {
                    Item::Report(report) => read.reports.push((last_ms, *report)),
                    Item::Account(event) => read.notices.push((last_ms, event.name.clone())),
                    other => panic!("{}: {other:?}", source.name),
                }
            }
        }
    }
    read
}

#[test]
fn the_same_scenario_gives_the_same_bytes_and_another_seed_gives_others() {
    let events = |seed| -> Vec<PastEvent> {
        let slots = History::new(&scenario(3_000, seed));
        slots.flat_map(|slot| slot.events).collect()
    };
    let first = events(7);
    assert_eq!(first, events(7));
    assert_ne!(first, events(8));
}

#[test]
fn history_has_what_it_promises() {
    let scenario = scenario(20_000, 7);
    let read = read(&scenario);
    let ids = read
        .reports
        .iter()
        .map(|(_, report)| report.message.clone());
    let messages: HashSet<_> = ids.collect();
    // What was sent in the last moments is not reported yet.
    assert!((19_900..=20_000).contains(&messages.len()));
    assert!((50..1_000).contains(&read.again), "{}", read.again);

    let mut by_status: BTreeMap<Status, usize> = BTreeMap::new();
    for (_, report) in &read.reports {
        assert!(report.oddities.is_empty(), "{:?}", report.oddities);
        *by_status.entry(report.status.unwrap()).or_default() += 1;
    }
    let count = |status| by_status.get(&status).copied().unwrap_or_default();
    assert!(count(Status::Delivered) > 17_500, "{by_status:?}");
    assert!(
        (9_500..12_500).contains(&count(Status::Read)),
        "{by_status:?}"
    );
    assert!(
        (700..2_000).contains(&count(Status::Failed)),
        "{by_status:?}"
    );

    let is_group = |(_, report): &&(i64, Report)| report.group.is_some();
    let groups = read.reports.iter().filter(is_group);
    assert!(groups.count() > 100);
    let fallbacks = read.reports.iter().filter(|(_, it)| it.fallback.is_some());
    assert!(fallbacks.count() > 10);
    let broadcasts = read.sends.iter();
    let broadcasts = broadcasts.filter_map(|send| send.registration.broadcast.clone());
    assert_eq!(broadcasts.collect::<BTreeSet<_>>().len(), 40);
    let all = read.sends.iter().map(|send| &send.registration);
    assert!(all.clone().all(|it| it.metadata.is_some()));
    assert!(all.filter(|it| it.text.is_some()).count() > 100);
}

#[test]
fn one_source_is_silent_for_a_night_and_what_it_kept_comes_after_it() {
    let scenario = scenario(20_000, 7);
    let history = History::new(&scenario);
    let troubles = history.course.troubles.clone();
    let read = read(&scenario);
    let of_source = |range: &Range<i64>, source| {
        let all = read.webhooks.iter();
        let of_it = all.filter(|(of, at_ms)| *of == source && range.contains(at_ms));
        of_it.count()
    };
    let silence = &troubles.silence;
    assert_eq!(silence.end - silence.start, 14 * HOUR_MS);
    let source = troubles.silent_source;
    // A webhook may come a second time, which is not kept back.
    assert!(of_source(silence, source) <= 3);
    assert!(of_source(silence, 0) > 10);
    assert!(of_source(&(silence.end..silence.end + HOUR_MS), source) > 10);
}

#[test]
fn a_paused_template_and_a_wrong_one_fail_in_their_time_alone() {
    let scenario = scenario(20_000, 7);
    let troubles = History::new(&scenario).course.troubles;
    let read = read(&scenario);
    let names: Vec<&str> = read.notices.iter().map(|(_, name)| name.as_str()).collect();
    // Those that relay the one format.
    let sources = 2;
    assert_eq!(names.len(), 2 * sources);
    assert!(
        names[..sources]
            .iter()
            .all(|name| *name == "template.paused")
    );
    assert!(
        names[sources..]
            .iter()
            .all(|name| *name == "template.unpaused")
    );
    let samples = Provider::push().filter_map(|it| it.definition().samples.history);
    let samples: Vec<_> = samples.collect();
    let failed_of = |is_key: &dyn Fn(&str) -> bool| -> Vec<i64> {
        let failed = read.reports.iter().filter(|(_, report)| {
            let error = report.error();
            error.is_some_and(|error| is_key(&error.key))
        });
        failed.filter_map(|(_, report)| report.time.ms).collect()
    };
    let paused = failed_of(&|key| {
        let mut pauses = samples.iter().filter_map(|it| it.pause);
        pauses.any(|pause| pause.error == key)
    });
    assert!(!paused.is_empty());
    let pause = troubles.pause.start - HOUR_MS..troubles.pause.end + HOUR_MS;
    assert!(paused.iter().all(|at_ms| pause.contains(at_ms)));
    let wrong = failed_of(&|key| samples.iter().any(|it| it.wrong_template == key));
    let in_time = wrong.iter().filter(|at_ms| troubles.wrong.contains(at_ms));
    assert!(in_time.count() > 3, "{wrong:?}");
}

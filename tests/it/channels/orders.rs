//! Whatever the order of all channels' reports and of the registration: one state, and each change
//! of it is sent once.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use tickrelay::admin::PauseSubscriber;
use tickrelay::model::{
    Kind, Message, MessageType, PayloadFormat, Registration, Report, ReportError, SendResult,
    Status,
};
use tickrelay::providers::Provider;
use tickrelay::store::query::{ForwardQuery, MessageQuery, Window};
use tickrelay::store::{Registering, Registrations, Store};

use crate::order::{arrival, failed, permutations, report};
use crate::support::receiver::Receiver;
use crate::support::{TestApp, only};

/// What may be report of one message.
#[derive(Debug, Clone)]
enum PossibleReport {
    Report(Box<Report>),
    Registration(SendResult),
}

fn whatsapp(report: Report, recipient: &str) -> PossibleReport {
    let (recipient, sender) = (Some(recipient.to_owned()), Some("385910009999".to_owned()));
    PossibleReport::Report(Box::new(Report {
        kind: Kind::Delivery,
        recipient,
        sender,
        ..report
    }))
}

/// A report of another channel, which has parties of its own.
fn other(channel: &str, report: Report, recipient: &str) -> PossibleReport {
    let is_fallback = matches!(report.status, Some(Status::Delivered | Status::Read));
    let title = format!("Delivered by {channel}");
    let fallback = is_fallback.then(|| ReportError::named("infobip:channel_fallback", &title));
    PossibleReport::Report(Box::new(Report {
        kind: Kind::Delivery,
        channel: Some(channel.to_owned()),
        recipient: Some(recipient.to_owned()),
        sender: Some("ShopHR".to_owned()),
        evidence: (channel == "sms").then_some(MessageType::Template),
        fallback,
        ..report
    }))
}

/// All possible reports, with equal times, recipients and errors that differ by channel.
fn all_possible_reports() -> Vec<PossibleReport> {
    let at = |status, second| report(Some(status), Some(second));
    let mut on_its_way = at(Status::Sent, 1);
    on_its_way.errors = failed(1, 7002, "not on WhatsApp").errors;
    let mut click = report(None, Some(9));
    click.kind = Kind::Click;
    let (person, elsewhere) = ("385990001122", "385990009988");
    vec![
        whatsapp(on_its_way, person),
        whatsapp(at(Status::Delivered, 4), person),
        whatsapp(at(Status::Read, 8), person),
        whatsapp(failed(6, 7003, "blocked"), person),
        whatsapp(at(Status::Deleted, 9), person),
        whatsapp(report(None, Some(2)), person),
        other("viber_bm", at(Status::Sent, 3), person),
        other("viber_bm", at(Status::Delivered, 5), person),
        other("viber_bm", at(Status::Read, 7), elsewhere),
        other("sms", failed(4, 27, "absent"), person),
        other("sms", at(Status::Delivered, 5), "ana@shop.example"),
        other("sms", at(Status::Deleted, 9), person),
        PossibleReport::Report(Box::new(click)),
        PossibleReport::Registration(SendResult::Accepted),
    ]
}

async fn store_report(store: &Store, id: &str, report: &PossibleReport) {
    match report {
        PossibleReport::Report(report) => {
            let one = arrival(id, std::slice::from_ref(&**report));
            store.commit(one).await.unwrap();
        }
        PossibleReport::Registration(result) => {
            let registering = Registering {
                source: "any".into(),
                provider: Provider::Infobip,
                default_type: MessageType::Regular,
                default_sender: None,
                provider_message_id: Some(id.to_owned()),
                element: id.to_owned(),
                registration: Registration {
                    text: Some("Hi Ana".to_owned()),
                    sent_ms: Some(1_760_000_000_000),
                    ..Registration::default()
                },
                oddities: Vec::new(),
                result: result.clone(),
                received_ms: None,
                owner: None,
                owners: Vec::new(),
            };
            store
                .commit(Registrations {
                    messages: vec![registering],
                })
                .await
                .unwrap();
        }
    }
}

/// The message as anybody sees it: its channel and its status.
async fn seen(app: &TestApp, id: &str) -> (String, Option<Status>) {
    let query = MessageQuery {
        provider_message_id: Some(id.to_owned()),
        window: Window::newest(1),
        ..MessageQuery::default()
    };
    let message = only(app.store.read(query).await.unwrap().rows);
    (message.channel, message.status)
}

/// What a subscriber is queued of a message, in order: channel and status.
async fn forwards_of(app: &TestApp, id: &str, subscriber: &str) -> Vec<(String, Status)> {
    let query = ForwardQuery {
        message: Some(id.to_owned()),
        window: Window::newest(100),
        ..ForwardQuery::default()
    };
    let mut forwards = app.store.read(query).await.unwrap().rows;
    forwards.retain(|it| it.subscriber == subscriber);
    let mut queued = Vec::new();
    for forward in forwards.iter().rev() {
        let payload = app.forward(forward.forward_id).await.payload;
        let payload: Value = serde_json::from_str(&payload).unwrap();
        let channel = payload["channel"].as_str().unwrap().to_owned();
        let status = serde_json::from_value(payload["MessageStatus"].clone());
        queued.push((channel, status.unwrap()));
    }
    queued
}

/// Subscribers whose forwards stay in the table.
async fn boot() -> TestApp {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    for (name, channels) in [("usual", &[][..]), ("viber", &["viber"]), ("any", &["any"])] {
        app.subscribe_with(name, &receiver.url, |new| {
            new.filter.channels = channels.iter().map(|word| (*word).to_owned()).collect();
            new.options.format = PayloadFormat::Extended;
        })
        .await;
        app.order(PauseSubscriber {
            name: name.to_owned(),
        })
        .await;
    }
    app
}

/// Stores all of it in this order. Each change of WhatsApp's state is to be sent once and nothing
/// else; another channel's while the message is none of WhatsApp's, and nothing of it twice.
async fn notified_as_it_changes(
    app: &TestApp,
    id: &str,
    order: &[PossibleReport],
) -> Result<(), TestCaseError> {
    let (mut changes, mut last) = (Vec::new(), None);
    let mut until_known = None;
    for report in order {
        store_report(&app.store, id, report).await;
        let (channel, status) = seen(app, id).await;
        if channel != "whatsapp" {
            continue;
        }
        if until_known.is_none() {
            until_known = Some(forwards_of(app, id, "viber").await.len());
        }
        if status != last {
            last = status;
            changes.extend(status.map(|status| (channel, status)));
        }
    }
    // A deletion is kept beside the status.
    let is_deletion = |it: &(String, Status)| it.1 == Status::Deleted;
    let notified = forwards_of(app, id, "usual").await;
    let statuses = |list: &[(String, Status)]| -> Vec<(String, Status)> {
        list.iter().filter(|it| !is_deletion(it)).cloned().collect()
    };
    prop_assert_eq!(statuses(&notified), statuses(&changes), "{:?}", order);
    prop_assert!(notified.iter().filter(|it| is_deletion(it)).count() <= 1);
    let viber = forwards_of(app, id, "viber").await;
    prop_assert!(viber.iter().all(|(channel, _)| channel == "viber_bm"));
    if let Some(until_known) = until_known {
        prop_assert_eq!(viber.len(), until_known, "{:?}", order);
    }
    let any = forwards_of(app, id, "any").await;
    let once: BTreeSet<_> = any.iter().collect();
    prop_assert_eq!(once.len(), any.len(), "{:?}", any);
    let of_whatsapp = any.into_iter().filter(|it| it.0 == "whatsapp");
    prop_assert_eq!(of_whatsapp.collect::<Vec<_>>(), notified);
    Ok(())
}

/// All that is known of the message, other channels too, and its reports but for the fallback that
/// is noted at the time it is noticed.
fn known(app: &TestApp, id: &str) -> Vec<String> {
    let tables = app.tables();
    let mut known = tables.message(id);
    known.extend(tables.other_channels(id));
    known
}

#[test]
fn every_order_of_reports_and_registration_ends_in_one_state_and_reports_each_change_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let app = runtime.block_on(boot());
    let number = std::cell::Cell::new(0);
    let all = all_possible_reports();
    let some = subsequence(all, 1..=6)
        .prop_flat_map(|some| (Just(some.clone()), Just(some).prop_shuffle()));
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&some, |(plain, shuffled)| {
        number.set(number.get() + 1);
        let names = ["plain", "shuffled"].map(|name| format!("{}-{name}", number.get()));
        runtime.block_on(async {
            notified_as_it_changes(&app, &names[0], &plain).await?;
            notified_as_it_changes(&app, &names[1], &shuffled).await
        })?;
        prop_assert_eq!(known(&app, &names[1]), known(&app, &names[0]));
        Ok(())
    });
    runtime.block_on(app.stop());
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// The hardest six in every order: two channels that delivered at one time, WhatsApp's own reports
/// and the registration.
#[test]
fn every_order_of_a_failover_by_two_channels_ends_in_one_state() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let app = runtime.block_on(boot());
    let all = all_possible_reports();
    let six: Vec<PossibleReport> = [0, 1, 7, 8, 10, 13].map(|index| all[index].clone()).into();
    let mut first = None;
    for order in permutations(six.len()).iter().step_by(4) {
        let id = format!("{order:?}");
        let report: Vec<PossibleReport> = order.iter().map(|index| six[*index].clone()).collect();
        runtime
            .block_on(notified_as_it_changes(&app, &id, &report))
            .unwrap();
        let known = known(&app, &id);
        assert!(
            known[0].starts_with(r#"[Text("delivered"), Integer(1)"#),
            "{known:?}"
        );
        assert_eq!(
            first.get_or_insert_with(|| known.clone()),
            &known,
            "{order:?}"
        );
    }
    runtime.block_on(app.stop());
}

/// A send that the provider refused proves as well that the message is one of WhatsApp's.
#[tokio::test]
async fn a_refused_send_and_another_channels_delivery_end_in_one_state() {
    let app = boot().await;
    let delivered = other(
        "viber_bm",
        report(Some(Status::Delivered), Some(5)),
        "385990001122",
    );
    let refused = PossibleReport::Registration(SendResult::Refused(vec![ReportError::named(
        "infobip:send_refused",
        "UNAUTHORIZED",
    )]));
    for (id, order) in [
        ("refused-first", [&refused, &delivered]),
        ("delivered-first", [&delivered, &refused]),
    ] {
        for report in order {
            store_report(&app.store, id, report).await;
        }
        let notified = forwards_of(&app, id, "usual").await;
        assert_eq!(notified, [("whatsapp".to_owned(), Status::Failed)], "{id}");
    }
    assert_eq!(known(&app, "refused-first"), known(&app, "delivered-first"));
    app.stop().await;
}

/// The control: where nothing is held, a fallback that comes first is lost, or tells WhatsApp's
/// subscribers of a message that is none of WhatsApp's.
#[test]
fn without_holding_it_the_end_hangs_on_the_order() {
    let all = all_possible_reports();
    let reports: Vec<Report> = [&all[0], &all[7]]
        .into_iter()
        .map(|report| match report {
            PossibleReport::Report(report) => (**report).clone(),
            PossibleReport::Registration(_) => panic!("these are reports"),
        })
        .collect();
    let end = |order: &[&Report], holds: bool| {
        let mut message = Message::default();
        for report in order {
            if holds || report.channel.is_none() || message.is_whatsapp {
                message.absorb(report, 0, None, MessageType::Regular);
            }
        }
        format!("{:?}", message.shown())
    };
    let (forth, back) = ([&reports[0], &reports[1]], [&reports[1], &reports[0]]);
    assert_eq!(end(&forth, true), end(&back, true));
    assert_ne!(end(&forth, false), end(&back, false));
}

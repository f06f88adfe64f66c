//! A member of a group is one under every name that any statement gave the same person, and
//! whether that statement came before the reports or after them changes nothing.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tickrelay::model::{Report, Status};
use tickrelay::providers::Item;
use tickrelay::store::Arrival;

use super::T0;
use crate::order::{arrival, failed, open, permutations, report, state};
use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud};

const NUMBER: &str = "34600000001";
const ID: &str = "ES.13490000000000000001";
const NEW_ID: &str = "ES.13490000000000000002";

/// What one webhook says, in the store's words.
#[derive(Clone)]
enum Said {
    /// Of the group's message.
    Report(Box<Report>),
    /// Of another message, to one person.
    Aside(Box<Report>),
    /// That these names are one person's.
    SamePerson(Vec<String>),
}

fn of_member(name: &str, mut report: Report) -> Said {
    report.group = Some("Y2FwaV9ncm91cDox".to_owned());
    report.participant = Some(name.to_owned());
    report.recipient.clone_from(&report.participant);
    Said::Report(Box::new(report))
}

fn names(names: &[&str]) -> Said {
    Said::SamePerson(names.iter().map(|name| (*name).to_owned()).collect())
}

/// A report of a message to one person that names it in both ways.
fn aside(number: &str, user_id: &str) -> Said {
    let mut aside = report(Some(Status::Read), Some(9));
    aside.recipient = Some(number.to_owned());
    aside.recipient_user_id = Some(user_id.to_owned());
    Said::Aside(Box::new(aside))
}

/// One webhook of a source of its own, so that no order learns names from another.
fn webhook(order: &str, said: &Said) -> Arrival {
    let mut one = match said {
        Said::Report(report) => arrival(order, std::slice::from_ref(report)),
        Said::Aside(report) => arrival(&format!("{order}-aside"), std::slice::from_ref(report)),
        Said::SamePerson(names) => {
            let mut one = arrival(order, &[]);
            let items = &mut one.parsed.as_mut().unwrap().items;
            items.push(Item::SamePerson(names.clone()));
            one
        }
    };
    one.source = order.into();
    one
}

/// A member who was reached under its number and failed under its newest id, with the statements
/// that link the two; and another member, who did both to nobody's surprise but its own.
fn stories() -> Vec<(Vec<Said>, i64)> {
    let reached = || of_member(NUMBER, report(Some(Status::Delivered), Some(2)));
    let failure = |name| of_member(name, failed(3, 131_026, "no such number"));
    let other = || of_member("34600000099", report(Some(Status::Read), Some(4)));
    let changed = || names(&[ID, NEW_ID]);
    vec![
        // The control: nothing links them, or not all the way.
        (vec![reached(), failure(ID), other()], 0),
        (vec![reached(), failure(NEW_ID), changed(), other()], 0),
        (vec![reached(), failure(NUMBER), other()], 1),
        (vec![reached(), failure(ID), aside(NUMBER, ID), other()], 1),
        (vec![reached(), failure(ID), names(&[ID, NUMBER])], 1),
        (
            vec![
                reached(),
                failure(NEW_ID),
                aside(NUMBER, ID),
                changed(),
                other(),
            ],
            1,
        ),
        (
            vec![
                reached(),
                failure(NEW_ID),
                names(&[NEW_ID, "ES.ENT.7700001"]),
                names(&["ES.ENT.7700001", ID]),
                names(&[NUMBER, ID]),
            ],
            1,
        ),
    ]
}

#[tokio::test]
async fn every_order_of_reports_and_of_what_links_their_names_ends_in_one_state() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    for (number, (story, conflict)) in stories().iter().enumerate() {
        let orders = permutations(story.len());
        let name = |order: &[usize]| format!("{number}-{order:?}");
        join_all(orders.iter().map(async |order| {
            for said in order {
                let one = webhook(&name(order), &story[*said]);
                store.commit(one).await.unwrap();
            }
        }))
        .await;
        let expected = state(folder.path(), &name(&orders[0]));
        let reported_status = expected[0].split(", ").nth(1).unwrap();
        assert_eq!(reported_status, format!("Integer({conflict})"), "{number}");
        for order in &orders {
            let found = state(folder.path(), &name(order));
            assert_eq!(found, expected, "{number}: {order:?}");
        }
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_one_source_reported_of_names_says_nothing_at_another() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let (webhooks, _) = &stories()[0];
    store
        .commit(webhook("elsewhere", &names(&[NUMBER, ID])))
        .await
        .unwrap();
    for said in webhooks {
        store.commit(webhook("here", said)).await.unwrap();
    }
    store
        .commit(webhook("elsewhere", &aside(NUMBER, ID)))
        .await
        .unwrap();
    assert!(state(folder.path(), "here")[0].contains("Integer(0)"));
    store.close().await.unwrap();
}

fn member(id: &str, word: &str, second: i64, name: &str) -> Value {
    let status = cloud::in_group(id, word, T0 + second, name);
    if name.starts_with("ES.") {
        let mut status = cloud::with(status, &json!({"recipient_participant_user_id": name}));
        status
            .as_object_mut()
            .unwrap()
            .remove("recipient_participant_id");
        return status;
    }
    status
}

fn failure(id: &str, second: i64, name: &str) -> Value {
    let errors = json!({"errors": [{"code": 131_026, "title": "Message undeliverable"}]});
    cloud::with(member(id, "failed", second, name), &errors)
}

/// A webhook whose value has these members, and no others than its metadata.
fn value(members: &Value) -> String {
    let mut body: Value = serde_json::from_str(&cloud::webhook(&[])).unwrap();
    let value = &mut body["entry"][0]["changes"][0]["value"];
    value.as_object_mut().unwrap().remove("statuses");
    for (name, member) in members.as_object().unwrap() {
        value[name] = member.clone();
    }
    body.to_string()
}

fn inbound(message: &Value) -> String {
    value(&json!({"messages": [message]}))
}

/// Every way in which a provider or a sender says that the two are one person's.
async fn link(app: &TestApp, way: &str) {
    let contact = json!({"profile": {"name": "Ana"}, "wa_id": NUMBER, "user_id": ID});
    let text = json!({"from": NUMBER, "id": "wamid.in", "timestamp": "1760000000",
        "type": "text", "text": {"body": "Hi"}});
    let body = match way {
        "the contacts beside another's status" => value(&json!({
            "contacts": [contact],
            "statuses": [cloud::status("wamid.other", "sent", T0)],
        })),
        "the contacts of an inbound message" => {
            value(&json!({"contacts": [contact], "messages": [text]}))
        }
        "the sender of an inbound message" => {
            inbound(&cloud::with(text, &json!({"from_user_id": ID})))
        }
        "a report of another message" => cloud::webhook(&[cloud::with(
            cloud::status("wamid.other", "sent", T0),
            &json!({"recipient_id": NUMBER, "recipient_user_id": ID}),
        )]),
        "a report of another member's message" => cloud::webhook(&[cloud::with(
            member("wamid.other", "sent", 0, NUMBER),
            &json!({"recipient_participant_user_id": ID}),
        )]),
        "a notice of a new id" => inbound(&json!({"id": "wamid.in", "type": "system",
            "from": NUMBER, "timestamp": "1760000000",
            "system": {"type": "user_changed_user_id", "user_id": ID}})),
        "the answer to a send" => {
            let exchange = json!({
                "request": {"recipient": ID, "type": "text", "text": {"body": "Hi"}},
                "response": {"contacts": [{"input": ID, "user_id": ID, "wa_id": NUMBER}],
                    "messages": [{"id": "wamid.other"}]},
            });
            let caller = app.admin().await;
            caller
                .post("/sources/cloud/sent", &exchange)
                .await
                .with(200);
            return;
        }
        _ => return,
    };
    assert_eq!(app.post("cloud", body).await, 200, "{way}");
}

const WAYS: [&str; 7] = [
    "the contacts beside another's status",
    "the contacts of an inbound message",
    "the sender of an inbound message",
    "a report of another message",
    "a report of another member's message",
    "a notice of a new id",
    "the answer to a send",
];

/// The messages that contradict themselves.
async fn conflicts(app: &TestApp) -> Vec<String> {
    let messages = app.messages().await.into_iter().filter(|it| it.conflict);
    messages.filter_map(|it| it.provider_message_id).collect()
}

#[actix_web::test]
async fn a_member_under_another_name_is_forwarded_once_and_contradicts_itself() {
    for way in WAYS.into_iter().chain(["nothing"]) {
        let app = TestApp::boot().await;
        let receiver = Receiver::start();
        link(&app, way).await;
        app.subscribe("changes", &receiver.url).await;
        for status in [
            failure("wamid.twice", 1, NUMBER),
            failure("wamid.twice", 2, ID),
            member("wamid.both", "delivered", 3, NUMBER),
            failure("wamid.both", 4, ID),
        ] {
            app.report(&[status]).await;
        }
        app.settled().await;
        let forwarded = receiver.by_message();
        // The control: nothing links the names, and each is a member of its own.
        let (twice, both) = match way {
            "nothing" => (vec!["failed", "failed"], vec!["delivered", "failed"]),
            _ => (vec!["failed"], vec!["delivered"]),
        };
        assert_eq!(forwarded["wamid.twice"], twice, "{way}");
        assert_eq!(forwarded["wamid.both"], both, "{way}");
        let is_one = way != "nothing";
        assert_eq!(conflicts(&app).await.len(), usize::from(is_one), "{way}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_link_that_comes_late_finds_what_contradicts_itself() {
    for way in WAYS {
        let app = TestApp::boot().await;
        app.report(&[failure("wamid.both", 4, ID)]).await;
        app.report(&[member("wamid.both", "read", 3, NUMBER)]).await;
        app.report(&[member("wamid.two", "delivered", 3, NUMBER)])
            .await;
        app.report(&[failure("wamid.two", 3, "34600000099")]).await;
        assert_eq!(conflicts(&app).await, [""; 0], "{way}");
        link(&app, way).await;
        assert_eq!(conflicts(&app).await, ["wamid.both"], "{way}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_members_number_is_one_however_it_is_written() {
    let app = TestApp::boot().await;
    app.report(&[member("wamid.1", "delivered", 1, "+34 600 000 001")])
        .await;
    app.report(&[failure("wamid.1", 2, NUMBER)]).await;
    assert_eq!(conflicts(&app).await, ["wamid.1"]);
    let first = app.reports().await.remove(0);
    assert_eq!(first.recipient.unwrap(), "+34 600 000 001");
    // The same status once more is no other member's.
    app.report(&[member("wamid.1", "delivered", 1, NUMBER)])
        .await;
    assert_eq!(app.reports().await.len(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn support_is_notified_of_a_member_once_under_whichever_name_it_failed() {
    let folder = Folder::new();
    let service = folder.serve();
    let read = member("wamid.1", "read", 1, "34600000099");
    let statuses = [
        read,
        failure("wamid.1", 2, ID),
        failure("wamid.1", 3, NUMBER),
    ];
    service.post(cloud::webhook(&statuses)).await;
    let first = async || {
        let shown = folder.done(&["message", "show", "wamid.1"]).await;
        shown.split("\n\n").next().unwrap().replace('\n', " ")
    };
    // The control: no report shows that it is one member.
    let reported_status = first().await;
    assert!(
        reported_status.contains(" and one other (error 131026"),
        "{reported_status}"
    );
    let contact = json!({"wa_id": NUMBER, "user_id": ID});
    service
        .post(value(&json!({"contacts": [contact], "messages": []})))
        .await;
    let reported_status = first().await;
    let expected = " It failed for +34600000001 (error 131026, Message undeliverable).";
    assert!(reported_status.contains(expected), "{reported_status}");
}

#[actix_web::test]
async fn what_is_named_along_with_ever_more_people_is_none_of_their_names() {
    let app = TestApp::boot().await;
    let to = |number: usize| format!("346000{number:05}");
    let statuses: Vec<Value> = (0..200)
        .map(|number| {
            let who = json!({"recipient_id": to(number), "recipient_user_id": "XX.0000000"});
            cloud::with(cloud::status(&format!("wamid.{number}"), "sent", T0), &who)
        })
        .collect();
    app.report(&statuses).await;
    assert_eq!(app.tables().name_pairs_seen_ms().len(), 64);
    let caller = app.admin().await;
    let path = format!("/messages?recipient={}", to(199));
    let found = caller.get(&path).await.with(200);
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_placeholder_in_the_place_of_a_user_id_makes_nobody_one() {
    let app = TestApp::boot().await;
    for (second, number) in [(1, NUMBER), (2, "34600000002")] {
        let id = json!({"recipient_participant_user_id": "unknown"});
        let status = match second {
            1 => member("wamid.1", "delivered", second, number),
            _ => failure("wamid.1", second, number),
        };
        app.report(&[cloud::with(status, &id)]).await;
    }
    assert_eq!(conflicts(&app).await, [""; 0]);
    assert!(app.tables().name_pairs_seen_ms().is_empty());
    app.stop().await;
}

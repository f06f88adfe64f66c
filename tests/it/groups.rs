//! Members of a group are distinguished, under all their names: what failed for one and reached
//! another is no contradiction, and what befell one under two names is.

mod names;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tickrelay::access::Role;
use tickrelay::model::{Message, MessageType, Report, Status};

use crate::order::{arrival, failed, open, permutations, report, state};
use crate::support::TestApp;
use crate::support::cli::Folder;
use crate::support::cloud;

const T0: i64 = 1_760_000_000;

/// Six reports of a message to a group: a member that failed and was reached under another name,
/// which only a report with both names shows; another member, and the group as a whole.
fn one_under_two_names() -> Vec<Report> {
    let of = |participant: Option<&str>, user_id: Option<&str>, mut report: Report| {
        report.group = Some("Y2FwaV9ncm91cDox".to_owned());
        report.participant = participant.map(str::to_owned);
        report.recipient.clone_from(&report.participant);
        report.recipient_user_id = user_id.map(str::to_owned);
        report
    };
    let (number, id) = (Some("34600000001"), Some("ES.1"));
    let at = |status, second| report(Some(status), Some(second));
    vec![
        of(id, id, failed(3, 131_026, "no such number")),
        of(number, None, at(Status::Delivered, 4)),
        of(number, id, at(Status::Sent, 2)),
        of(Some("34600000002"), None, at(Status::Read, 5)),
        of(None, None, failed(6, 131_000, "the group")),
        at(Status::Queued, 1),
    ]
}

/// As before, but no report shows that the two names are of one member.
fn strangers() -> Vec<Report> {
    let mut reports = one_under_two_names();
    reports[2].recipient_user_id = None;
    reports
}

/// As before, but the group was reached as a whole too.
fn the_group_itself() -> Vec<Report> {
    let mut reports = strangers();
    reports[2] = report(Some(Status::Delivered), Some(9));
    reports
}

/// The control: joined over all members, each of these contradicts itself.
#[test]
fn what_befell_the_members_contradicts_itself_when_it_is_thrown_together() {
    for reports in [one_under_two_names(), strangers(), the_group_itself()] {
        let mut message = Message::default();
        for report in &reports {
            message.absorb(report, 0, None, MessageType::Regular);
        }
        assert!(message.history.is_conflict());
    }
}

#[tokio::test]
async fn whose_failure_contradicts_whose_delivery_is_the_same_in_every_order() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let sets = [
        (one_under_two_names(), 1),
        (strangers(), 0),
        (the_group_itself(), 1),
    ];
    for (set, (reports, conflict)) in sets.iter().enumerate() {
        let orders = permutations(reports.len());
        let name = |order: &[usize]| format!("{set}-{order:?}");
        join_all(orders.iter().map(async |order| {
            for index in order {
                let mut one = arrival(&name(order), &reports[*index..=*index]);
                // What links two names does so throughout a source.
                one.source = set.to_string().into();
                assert_eq!(store.commit(one).await.unwrap().new_reports, 1);
            }
        }))
        .await;
        let expected = state(folder.path(), &name(&orders[0]));
        let reported_status = expected[0].split(", ").nth(1).unwrap();
        assert_eq!(reported_status, format!("Integer({conflict})"), "{set}");
        for order in &orders {
            assert_eq!(state(folder.path(), &name(order)), expected, "{order:?}");
        }
    }
    store.close().await.unwrap();
}

/// A status of a message to a group, of these members or of all.
fn of_group(id: &str, word: &str, second: i64, members: &Value) -> Value {
    let group = json!({"recipient_id": "group-77", "recipient_type": "group"});
    cloud::with(
        cloud::with(cloud::status(id, word, T0 + second), &group),
        members,
    )
}

#[actix_web::test]
async fn support_is_notified_of_no_contradiction_between_members() {
    let folder = Folder::new();
    let service = folder.serve();
    let one = json!({"recipient_participant_id": "34600000011"});
    let two = json!({"recipient_participant_id": "34600000012"});
    let three = json!({"recipient_participant_id": "34600000013"});
    let errors = json!({"errors": [{"code": 131_026, "title": "Message undeliverable"}]});
    let failed = |id, member| cloud::with(of_group(id, "failed", 3, member), &errors);
    for statuses in [
        vec![of_group("two", "delivered", 0, &one), failed("two", &two)],
        vec![
            failed("three", &three),
            failed("three", &two),
            of_group("three", "read", 0, &one),
        ],
        vec![
            failed("all", &json!({})),
            of_group("all", "delivered", 0, &one),
        ],
        vec![of_group("same", "delivered", 0, &one), failed("same", &one)],
    ] {
        service.post(cloud::webhook(&statuses)).await;
    }
    for (id, expected) in [
        (
            "two",
            " It failed for +34600000012 (error 131026, Message undeliverable).",
        ),
        (
            "three",
            " It failed for +34600000012 and one other (error 131026, ",
        ),
        ("all", " It failed for the group as a whole (error 131026, "),
        ("same", "The provider also reported a failure"),
    ] {
        let shown = folder.done(&["message", "show", id]).await;
        let first = shown.split("\n\n").next().unwrap().replace('\n', " ");
        assert!(first.contains(expected), "{first}");
        assert_eq!(first.contains("outweighs"), id == "same", "{first}");
    }
    let listed = folder.done(&["message", "list"]).await;
    assert_eq!(listed.matches('!').count(), 1, "{listed}");
}

#[actix_web::test]
async fn registering_a_message_to_a_group_late_makes_no_contradiction() {
    let app = TestApp::boot().await;
    let member = |number: &str| json!({"recipient_participant_id": number});
    app.report(&[
        of_group("g", "delivered", 0, &member("34600000011")),
        of_group("g", "failed", 1, &member("34600000012")),
    ])
    .await;
    assert!(!app.messages().await[0].conflict);
    let caller = app.caller(Role::Admin).await;
    let message = json!({"source": "cloud", "msId": "g", "message": "Hello"});
    caller.post("/messages", &message).await.with(200);
    assert!(!app.messages().await[0].conflict);
    assert_eq!(app.reports().await.len(), 3);
    app.stop().await;
}

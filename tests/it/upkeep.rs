//! Looking after a store: what is old goes, who wants to be forgotten is, what could not be
//! read is read again.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tickrelay::clock::Clock;
use tickrelay::operations::{Answer, EraseOptions, Failure, Request};
use tickrelay::store::{Erased, ReprocessSelection, Reread, WebhookOutcome};

use crate::support::cli::Folder;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud_status, until};

const START_MS: i64 = 1_760_000_100_000;
const DAY: Duration = Duration::from_hours(24);
/// The recipient of [`cloud_status`].
const PERSON: &str = "34600000001";
const OTHER: &str = "34600000002";

#[actix_web::test]
async fn what_is_old_is_pruned_and_what_is_pending_is_kept() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.store.retention.webhooks_days = 8;
        config.store.retention.attempts_days = 8;
        config.store.retention.messages_days = 10;
        config.forward.max_age = 1000 * DAY;
    })
    .await;
    let (receiver, slow) = (Receiver::start(), Receiver::start());
    app.subscribe("crm", &receiver.url).await;
    app.subscribe("gone", &receiver.url).await;
    app.post("cloud", cloud_status("wamid.old", "sent", 1_760_000_000))
        .await;
    app.settled().await;
    for request in [
        Request::RemoveSubscriber {
            name: "gone".to_owned(),
        },
        Request::PauseSubscriber {
            name: "crm".to_owned(),
        },
    ] {
        app.perform(request).await.unwrap();
    }
    app.subscribe("slow", &slow.url).await;
    app.perform(Request::PauseSubscriber {
        name: "slow".to_owned(),
    })
    .await
    .unwrap();
    app.post("cloud", cloud_status("wamid.owed", "sent", 1_760_000_000))
        .await;
    let count = |sql: &str| app.value::<i64>(&format!("SELECT count(*) FROM {sql}"));
    assert_eq!(
        (count("webhook"), count("attempt"), count("payload")),
        (2, 2, 2)
    );

    hand.advance(9 * DAY);
    until("webhooks and attempts are pruned", || {
        count("webhook") == 0 && count("attempt") == 0 && count("payload") == 1
    })
    .await;
    assert_eq!(
        (count("message"), count("report"), count("forward")),
        (2, 2, 4)
    );

    hand.advance(2 * DAY);
    until("what was settled is pruned", || {
        count("message") == 1 && count("subscriber") == 2
    })
    .await;
    assert_eq!(
        (count("report"), count("forward"), count("payload")),
        (1, 2, 1)
    );

    app.perform(Request::ResumeSubscriber {
        name: "slow".to_owned(),
    })
    .await
    .unwrap();
    until("what was owed arrives", || slow.count() == 1).await;
    assert_eq!(slow.received()[0].json()["msId"], "wamid.owed");
    app.stop().await;
}

/// A Cloud API webhook with these elements of `statuses`.
fn statuses(elements: &[serde_json::Value]) -> String {
    let mut body: serde_json::Value =
        serde_json::from_str(&cloud_status("unused", "sent", 0)).unwrap();
    body["entry"][0]["changes"][0]["value"]["statuses"] = elements.into();
    body.to_string()
}

fn status(id: &str, recipient: &serde_json::Value) -> serde_json::Value {
    let mut status = serde_json::json!({"id": id, "status": "sent", "timestamp": "1760000000"});
    for (key, value) in recipient.as_object().unwrap() {
        status[key] = value.clone();
    }
    status
}

/// A person in every corner: alone, in a batch, by user id, in a group, as the sender of a
/// message, still owed, and in a subscriber's answer.
async fn fill(app: &TestApp) {
    let to = |number: &str| serde_json::json!({"recipient_id": number});
    let in_group = |number: &str| {
        serde_json::json!({
            "recipient_id": "group-1", "recipient_type": "group", "recipient_participant_id": number
        })
    };
    let user = "ES.13491208655302741918";
    for body in [
        statuses(&[
            status(
                "wamid.1",
                &serde_json::json!({"recipient_id": PERSON, "recipient_user_id": user}),
            ),
            status("wamid.2", &to(OTHER)),
        ]),
        statuses(&[status(
            "wamid.3",
            &serde_json::json!({"recipient_user_id": user}),
        )]),
        statuses(&[
            status("wamid.4", &in_group(PERSON)),
            status("wamid.4", &in_group(OTHER)),
        ]),
        cloud_status("wamid.5", "sent", 1_760_000_000).replace(
            r#""statuses":"#,
            &format!(
                r#""messages":[{{"from":"{PERSON}","id":"wamid.in","type":"text"}}],"other":"#
            ),
        ),
        statuses(&[status("wamid.6", &to(OTHER))]),
    ] {
        assert_eq!(app.post("cloud", body).await, 200);
    }
}

async fn erase(app: &TestApp, person: &str, dry_run: bool) -> Result<Erased, Failure> {
    let options = EraseOptions {
        dry_run,
        vacuum: false,
    };
    let person = person.to_owned();
    match app.perform(Request::Erase { person, options }).await? {
        Answer::Erased(erased) => Ok(erased),
        other => panic!("not erased: {other:?}"),
    }
}

/// The files in the folder that hold the text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_type().unwrap().is_file())
        .filter(|file| {
            let bytes = std::fs::read(file.path()).unwrap();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect()
}

#[actix_web::test]
async fn a_person_who_is_erased_leaves_no_trace_and_others_stay() {
    let folder = TempDir::new().unwrap();
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.store.path = folder.path().join("tickrelay.db");
    })
    .await;
    let receiver = Receiver::start();
    receiver.answer(|_, request| {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        Reply::status(if text.contains(PERSON) { 400 } else { 200 })
    });
    app.subscribe("crm", &receiver.url).await;
    fill(&app).await;
    let count = |sql: &str| app.value::<i64>(&format!("SELECT count(*) FROM {sql}"));
    until("everything was tried", || {
        count("forward WHERE attempts = 0") == 0
    })
    .await;
    app.sqlite()
        .execute(
            &format!(
                "UPDATE attempt SET excerpt = 'seen after {PERSON}' WHERE forward_id = \
                 (SELECT forward_id FROM v_forwards WHERE provider_message_id = 'wamid.6')"
            ),
            [],
        )
        .unwrap();
    let before = (
        count("message"),
        count("report"),
        count("forward"),
        count("webhook"),
    );

    let found = erase(&app, "+34 600-000-001", true).await.unwrap();
    assert_eq!(
        found,
        Erased {
            messages: 2,
            reports: 3,
            forwards: 3,
            pending: 2,
            bodies: 4,
            answers: 1,
        }
    );
    assert_eq!(
        (
            count("message"),
            count("report"),
            count("forward"),
            count("webhook")
        ),
        before
    );
    assert_eq!(erase(&app, "0034600000001", false).await.unwrap(), found);
    assert!(erase(&app, PERSON, false).await.unwrap().is_nothing());
    assert!(matches!(
        erase(&app, "600", false).await,
        Err(Failure::Refused(_))
    ));

    assert_eq!(
        app.value::<String>("SELECT group_concat(provider_message_id) FROM message"),
        "wamid.2,wamid.4,wamid.6"
    );
    assert_eq!(
        (count("report"), count("forward"), count("payload")),
        (3, 3, 3)
    );
    assert_eq!(
        (count("webhook"), count("webhook WHERE body IS NOT NULL")),
        (5, 1)
    );
    let sent = receiver.count();
    hand.advance(DAY);
    app.post(
        "cloud",
        statuses(&[status(
            "wamid.7",
            &serde_json::json!({"recipient_id": OTHER}),
        )]),
    )
    .await;
    until("another payload arrives", || receiver.count() > sent).await;
    app.settled().await;
    assert_eq!(receiver.count(), sent + 1, "what was erased is not sent");
    app.stop().await;
    assert_eq!(files_with(folder.path(), OTHER), ["tickrelay.db"]);
    assert_eq!(files_with(folder.path(), PERSON), [""; 0]);
    assert_eq!(
        files_with(folder.path(), "ES.13491208655302741918"),
        [""; 0]
    );
}

async fn reprocess(app: &TestApp, selection: ReprocessSelection, dry_run: bool) -> Vec<Reread> {
    let request = Request::Reprocess { selection, dry_run };
    match app.perform(request).await.unwrap() {
        Answer::Reprocessed { webhooks, .. } => webhooks,
        other => panic!("not reprocessed: {other:?}"),
    }
}

#[actix_web::test]
async fn a_webhook_that_can_be_read_at_last_becomes_reports_once() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.post("cloud", cloud_status("wamid.1", "sent", 1_760_000_000))
        .await;
    assert_eq!(app.post("cloud", "{not json").await, 200);
    app.sqlite()
        .execute(
            "UPDATE webhook SET body = ?1 WHERE outcome = 'unparsed'",
            [cloud_status("wamid.1", "read", 1_760_000_010).into_bytes()],
        )
        .unwrap();
    app.settled().await;
    hand.advance(DAY);

    let everything = || ReprocessSelection::default();
    let found = reprocess(&app, everything(), true).await;
    let [reread] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (reread.before, reread.after),
        (WebhookOutcome::Unparsed, WebhookOutcome::Processed)
    );
    assert_eq!((reread.unreadable_before, reread.unreadable), (1, 0));
    assert_eq!(
        reread.found[0].provider_message_id.as_deref(),
        Some("wamid.1")
    );
    assert_eq!(reread.found[0].provider_status, "read");
    assert_eq!(reread.forwards, 1);
    assert_eq!(app.value::<i64>("SELECT count(*) FROM report"), 1);
    assert_eq!(receiver.count(), 1, "a dry run sends nothing");

    assert_eq!(reprocess(&app, everything(), false).await, found);
    until("the read is forwarded", || receiver.count() == 2).await;
    assert_eq!(receiver.statuses(), ["sent", "read"]);
    assert_eq!(
        app.value::<i64>("SELECT received_at_ms FROM report WHERE status = 'read'"),
        START_MS
    );
    let owed = "SELECT owed_since_ms FROM forward ORDER BY forward_id DESC LIMIT 1";
    assert_eq!(app.value::<i64>(owed), START_MS + 86_400_000);

    assert_eq!(reprocess(&app, everything(), false).await, []);
    let all = ReprocessSelection {
        all: true,
        ..ReprocessSelection::default()
    };
    assert_eq!(reprocess(&app, all, false).await, []);
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    assert_eq!(app.value::<i64>("SELECT sum(repeats) FROM report"), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_word_that_was_unknown_and_is_understood_now_is_forwarded() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.post("cloud", cloud_status("wamid.1", "delivered", 1_760_000_000))
        .await;
    app.sqlite()
        .execute_batch(
            "UPDATE report SET status = NULL, change = 'not-a-status';
             UPDATE message SET status = NULL, delivered_at_ms = NULL;",
        )
        .unwrap();
    app.subscribe("crm", &receiver.url).await;
    let one = ReprocessSelection {
        webhook_ids: vec![1],
        ..ReprocessSelection::default()
    };
    let found = reprocess(&app, one, false).await;
    assert_eq!(found[0].found.len(), 1);
    until("it is forwarded", || receiver.statuses() == ["delivered"]).await;
    assert_eq!(app.value::<i64>("SELECT count(*) FROM report"), 1);
    let missing = Request::Reprocess {
        selection: ReprocessSelection {
            webhook_ids: vec![7],
            ..ReprocessSelection::default()
        },
        dry_run: false,
    };
    assert!(matches!(
        app.perform(missing).await,
        Err(Failure::Refused(_))
    ));
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_reprocesses_and_erases_with_and_without_a_service() {
    let folder = Folder::new();
    let service = folder.serve();
    service
        .post(cloud_status("wamid.1", "sent", 1_760_000_000))
        .await;
    service.post("{not json").await;
    let store = rusqlite::Connection::open(folder.path("tickrelay.db")).unwrap();
    store
        .execute(
            "UPDATE webhook SET body = ?1 WHERE outcome = 'unparsed'",
            [cloud_status("wamid.1", "read", 1_760_000_010).into_bytes()],
        )
        .unwrap();
    drop(store);
    for (arguments, found) in [
        (&["reprocess", "--since", "1h", "--dry-run"][..], true),
        (&["reprocess", "2"], true),
        (&["reprocess"], false),
    ] {
        let data = folder.done(arguments).await;
        assert_eq!(data.contains("unparsed → processed"), found, "{data}");
        assert_eq!(data.contains("wamid.1: read → read"), found, "{data}");
    }
    let answer = folder.run(&["reprocess", "--source", "nobody"]).await;
    assert_eq!((answer.exit, answer.data.as_str()), (1, ""));
    assert_eq!(folder.run(&["erase", PERSON]).await.exit, 1, "it must ask");

    let json = folder
        .run(&["erase", PERSON, "--dry-run", "--json"])
        .await
        .json();
    assert_eq!(json["removed"]["messages"], 1);
    assert_eq!(json["traces"], serde_json::Value::Null);
    let json = folder
        .run(&["erase", PERSON, "--yes", "--json"])
        .await
        .json();
    assert_eq!(
        (&json["removed"]["reports"], &json["traces"]),
        (&2.into(), &0.into())
    );
    service
        .post(cloud_status("wamid.2", "sent", 1_760_000_000))
        .await;
    drop(service);
    let data = folder.done(&["erase", PERSON, "--yes", "--vacuum"]).await;
    assert!(data.contains("Raw bodies     1"), "{data}");
    assert_eq!(
        files_with(folder.path("tickrelay.db").parent().unwrap(), PERSON),
        [""; 0]
    );
}

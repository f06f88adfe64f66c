//! A person who wants to be forgotten is: in every table, in raw bodies, in the files' bytes.

mod others;
mod places;
mod restart;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tickrelay::admin::{EraseOptions, ErasePerson, Failure};
use tickrelay::clock::Clock;
use tickrelay::store::Erased;

use crate::support::cli::Folder;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud_status, fields, until, until_async};

const START_MS: i64 = 1_760_000_100_000;
const DAY: Duration = Duration::from_hours(24);
/// The recipient of [`cloud_status`].
const PERSON: &str = "34600000001";
const OTHER: &str = "34600000002";

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
/// message, still queued, and in a subscriber's answer.
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
    app.perform(ErasePerson { person, options }).await
}

/// The files in the folder that hold the text.
pub(crate) fn files_with(folder: &Path, text: &str) -> Vec<String> {
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
    until_async("everything was tried", async || {
        app.forwards().await.iter().all(|it| it.attempts > 0)
    })
    .await;
    let excerpt = format!("seen after {PERSON}");
    app.tables().set_excerpts("wamid.6", &excerpt);
    let stored = async || {
        (
            app.messages().await.len(),
            app.reports().await.len(),
            app.forwards().await.len(),
            app.webhooks().await.len(),
        )
    };
    let before = stored().await;

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
            kept: 0,
            kept_unopened: 0,
            payloads: 0,
            texts: 0,
            account_events: 0,
            unread: 0,
        }
    );
    assert_eq!(stored().await, before);
    assert_eq!(erase(&app, "0034600000001", false).await.unwrap(), found);
    assert!(erase(&app, PERSON, false).await.unwrap().is_nothing());
    assert!(matches!(
        erase(&app, "600", false).await,
        Err(Failure::Refused(_))
    ));

    let left = fields(&app.messages().await, ["provider_message_id"]).concat();
    assert_eq!(left, ["wamid.6", "wamid.4", "wamid.2"]);
    assert_eq!(stored().await, (3, 3, 3, 5));
    assert_eq!(app.tables().count("payload"), 3);
    assert_eq!(app.bodies().await.len(), 1);
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

#[actix_web::test]
async fn the_command_line_erases_with_and_without_a_service_and_asks_first() {
    let folder = Folder::new();
    let service = folder.serve();
    for status in ["sent", "read"] {
        service
            .post(cloud_status("wamid.1", status, 1_760_000_000))
            .await;
    }
    assert_eq!(folder.run(&["erase", PERSON]).await.exit, 1, "it must ask");

    let json = folder
        .run(&["erase", PERSON, "--dry-run", "--json"])
        .await
        .json();
    assert_eq!(json["removed"]["messages"], 1);
    assert_eq!(json["person"], PERSON);
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
    let spelled = "+34 600-000 001";
    let data = folder.done(&["erase", spelled, "--yes", "--vacuum"]).await;
    assert!(data.contains(PERSON), "as it was read: {data}");
    assert!(data.contains("Raw bodies      1"), "{data}");
    assert_eq!(
        files_with(folder.path("tickrelay.db").parent().unwrap(), PERSON),
        [""; 0]
    );
}

#[actix_web::test]
async fn an_erasure_that_finds_nobody_says_so_and_exits_1() {
    let folder = Folder::new();
    let service = folder.serve();
    let body = cloud_status("wamid.1", "sent", 1_760_000_000);
    service.post(body).await;
    let other = "+385990009999";
    for flags in [&["--dry-run"][..], &["--yes"], &["--yes", "--json"]] {
        let answer = folder.run(&[&["erase", other], flags].concat()).await;
        assert_eq!(answer.exit, 1, "{answer:?}");
        if flags.contains(&"--json") {
            assert_eq!(answer.json()["removed"]["messages"], 0);
            continue;
        }
        let store = folder.path("tickrelay.db");
        is_nobody(&answer, other, &store);
    }
    // The control: a person who is there is removed, once, although files hold longer numbers.
    let neighbour =
        cloud_status("wamid.2", "sent", 1_760_000_000).replace(PERSON, &format!("{PERSON}9"));
    service.post(neighbour).await;
    let store = folder.path("tickrelay.db");
    let answer = folder.run(&["erase", PERSON, "--yes"]).await;
    assert_eq!(answer.exit, 0, "{answer:?}");
    assert!(
        answer.talk.contains("Removed, but files hold these digits"),
        "{answer:?}"
    );
    let answer = folder.run(&["erase", PERSON, "--yes"]).await;
    assert_eq!(answer.exit, 1, "{answer:?}");
    is_nobody(&answer, PERSON, &store);
    assert!(
        answer.talk.contains("files hold these digits"),
        "{answer:?}"
    );
}

/// One sentence says so, and none that anything was removed.
fn is_nobody(answer: &crate::support::cli::Answer, person: &str, store: &Path) {
    for part in ["the person was not found", person, store.to_str().unwrap()] {
        assert!(answer.talk.contains(part), "{part}: {answer:?}");
    }
    assert!(!answer.talk.contains("Removed"), "{answer:?}");
    assert!(!answer.talk.contains("nowhere"), "{answer:?}");
    assert_eq!(answer.talk.trim().lines().count(), 1, "{answer:?}");
    assert_eq!(answer.data, "");
}

#[actix_web::test]
async fn a_person_is_understood_as_it_is_pasted_or_refused() {
    let app = TestApp::boot().await;
    for given in [
        "+34 (0) 600 000 001",
        "tel:+34-600-000-001",
        "whatsapp:+34600000001",
        "34600000001@c.us",
        "34600000001@s.whatsapp.net",
        "34600000001:12@s.whatsapp.net",
        "https://wa.me/34600000001",
        "0034600000001",
        "\u{202a}+34\u{a0}600\u{a0}000\u{a0}001\u{202c}",
    ] {
        app.post("cloud", cloud_status("wamid.1", "sent", 1_760_000_000))
            .await;
        let erased = erase(&app, given, false).await.unwrap();
        assert_eq!(erased.messages, 1, "{given:?}");
    }
    for (given, why) in [
        ("0600 000 001", "zero"),
        ("34600000001 34600000002", "15 digits"),
        ("34600000001;ext=5", "neither"),
        ("34600000001 #5", "between its digits"),
        ("34600000001,5", "between its digits"),
        ("34600000001 (5)", "stand apart"),
        ("34600000001.0", "stand apart"),
        ("sip:34600000001", "neither"),
        ("600", "seven"),
    ] {
        match erase(&app, given, false).await {
            Err(Failure::Refused(said)) => {
                assert!(
                    said.contains(why) && said.contains("country code"),
                    "{said}"
                );
            }
            other => panic!("{given:?}: {other:?}"),
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn the_audit_says_that_an_erasure_began_and_what_it_removed() {
    let app = TestApp::boot().await;
    let body = cloud_status("wamid.1", "sent", 1_760_000_000);
    assert_eq!(app.post("cloud", body).await, 200);
    for _ in 0..2 {
        erase(&app, PERSON, false).await.unwrap();
    }
    erase(&app, PERSON, true).await.unwrap();
    let audit = app.audit().await;
    let actions: Vec<&str> = audit.iter().map(|it| it.change.action.as_str()).collect();
    let begun = "person.erasure-begun";
    assert_eq!(
        actions,
        ["person.not-found", begun, "person.erased", begun],
        "the newest first"
    );
    let removed = |at: usize| audit[at].change.detail["removed"]["messages"].clone();
    assert_eq!((removed(2), removed(0)), (1.into(), 0.into()));
    assert!(removed(3).is_null(), "nothing is known at its begin");
    app.stop().await;
}

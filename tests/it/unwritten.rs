//! A command whose answer cannot be written says what it has done all the same, and does not exit 0.

use std::fs::File;
use std::process::Stdio;

use crate::support::cli::Folder;

/// A file on a full disk.
fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

const ADD: [&str; 6] = [
    "subscriber",
    "add",
    "--name",
    "crm",
    "--url",
    "http://127.0.0.1:9/",
];
const MESSAGE: &str = r#"{"msId": "wa-1", "source": "cloud", "mobileNo": "+34600000001"}"#;

/// Commands that change something, what they say when their answer is lost, and how it shows.
const CHANGES: [(&[&str], &str, &str); 8] = [
    (
        &["token", "create", "--role", "support", "--json"],
        "token 2 was made, and its text is not shown again: `tickrelay token revoke 2` ends it",
        "SELECT count(*) = 2 FROM token",
    ),
    (
        &["subscriber", "rotate-secret", "crm", "--json"],
        "the secret of crm was rotated, the old one signs too until ",
        "SELECT count(*) = 2 FROM subscriber_secret",
    ),
    (
        &["subscriber", "rotate-secret", "crm", "--now"],
        "the secret of crm was rotated, the old secrets sign no more",
        "SELECT count(*) = 1 AND max(secret_id) > 1 FROM subscriber_secret",
    ),
    (
        &["subscriber", "update", "crm", "--timeout", "5s", "--json"],
        "crm was changed: `tickrelay subscriber show crm` shows it",
        "SELECT timeout_ms = 5000 FROM subscriber",
    ),
    (
        &["message", "register", "sent.json", "--json"],
        "of 1 messages 1 were registered",
        "SELECT count(*) = 1 FROM message",
    ),
    (
        &["reprocess", "--json"],
        "the stored webhooks were read again: 0",
        "SELECT 1",
    ),
    (
        &["erase", "+34600000001", "--yes", "--json"],
        "the person was erased, messages removed: 1",
        "SELECT count(*) = 0 FROM message",
    ),
    (
        &["init", "--path", "other.toml"],
        "other.toml was written",
        "SELECT 1",
    ),
];

async fn with_subscriber() -> Folder {
    let folder = Folder::new();
    folder.make_store().await;
    folder.done(&ADD).await;
    std::fs::write(folder.path("sent.json"), MESSAGE).unwrap();
    folder
}

#[actix_web::test]
async fn a_change_whose_answer_is_lost_is_reported_and_the_exit_code_is_not_0() {
    for (stdout, cause) in [
        (full as fn() -> Stdio, "No space left on device"),
        (closed, "Broken pipe"),
    ] {
        let folder = with_subscriber().await;
        for (arguments, sentence, shows) in CHANGES {
            let answer = folder.run_into(arguments, stdout()).await;
            assert_eq!(answer.exit, 2, "{arguments:?}: {answer:?}");
            let talk = &answer.talk;
            assert!(talk.contains(cause), "{arguments:?}: {talk}");
            let notice = format!("It was done all the same: {sentence}");
            assert!(talk.contains(&notice), "{arguments:?}: {talk}");
            assert!(!talk.contains("whsec_") && !talk.contains("tr_"), "{talk}");
            let store = rusqlite::Connection::open(folder.path("tickrelay.db")).unwrap();
            let is_done: bool = store.query_row(shows, [], |row| row.get(0)).unwrap();
            assert!(is_done, "{arguments:?}");
        }
    }
    // Through a service that runs it is the same.
    let folder = Folder::new();
    let _service = folder.serve();
    let answer = folder.run_into(&ADD, full()).await;
    assert_eq!(answer.exit, 2, "{answer:?}");
    let notice = "It was done all the same: the subscriber crm was added, and its secret is not shown \
                again: `tickrelay subscriber rotate-secret crm --now` gives it another";
    assert!(answer.talk.contains(notice), "{}", answer.talk);
}

/// The control: what changes nothing has nothing to tell, and a reader may go when it has enough.
#[actix_web::test]
async fn a_look_whose_answer_is_lost_claims_no_change() {
    let folder = with_subscriber().await;
    for arguments in [
        &["subscriber", "list", "--json"][..],
        &["token", "list", "--json"],
        &["key", "list"],
        &["reprocess", "--dry-run", "--json"],
        &["erase", "+34600000001", "--dry-run", "--json"],
    ] {
        let answer = folder.run_into(arguments, full()).await;
        assert_eq!(answer.exit, 2, "{arguments:?}: {answer:?}");
        assert!(!answer.talk.contains("It was done"), "{}", answer.talk);
        let answer = folder.run_into(arguments, closed()).await;
        assert_eq!(answer.exit, 0, "{arguments:?}: {answer:?}");
    }
}

//! A command whose answer cannot be written says what it has done all the same, and does not exit 0.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use crate::support::Tables;
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

/// How a change shows afterwards.
enum Shows {
    /// In nothing that the store holds.
    Nowhere,
    /// The answer of this command is so.
    Listed(&'static [&'static str], fn(&Value) -> bool),
    /// So many secrets are kept of so many that were made.
    Secrets { kept: usize, made: usize },
}

impl Shows {
    async fn check(&self, folder: &Folder, change: &[&str]) {
        match self {
            Self::Nowhere => {}
            Self::Listed(command, is_so) => {
                let answer = folder.run(command).await.json();
                assert!(is_so(&answer["data"]), "{change:?}: {answer}");
            }
            Self::Secrets { kept, made } => {
                let tables = Tables::at(&folder.path("tickrelay.db"));
                let found = (tables.count("subscriber_secret"), tables.secrets_made());
                assert_eq!(found, (*kept, *made), "{change:?}");
            }
        }
    }
}

const TOKENS: &[&str] = &["token", "list", "--json"];
const SUBSCRIBERS: &[&str] = &["subscriber", "list", "--json"];
const MESSAGES: &[&str] = &["message", "list", "--json"];

fn has(rows: &Value, count: usize) -> bool {
    rows.as_array().is_some_and(|rows| rows.len() == count)
}

/// Commands that change something, what they say when their answer is lost, and how it shows.
const CHANGES: [(&[&str], &str, Shows); 8] = [
    (
        &["token", "create", "--role", "support", "--json"],
        "token 2 was made, and its text is not shown again: `tickrelay token revoke 2` ends it",
        Shows::Listed(TOKENS, |rows| has(rows, 2)),
    ),
    (
        &["subscriber", "rotate-secret", "crm", "--json"],
        "the secret of crm was rotated, the old one signs too until ",
        Shows::Secrets { kept: 2, made: 2 },
    ),
    (
        &["subscriber", "rotate-secret", "crm", "--now"],
        "the secret of crm was rotated, the old secrets sign no more",
        Shows::Secrets { kept: 1, made: 3 },
    ),
    (
        &["subscriber", "update", "crm", "--timeout", "5s", "--json"],
        "crm was changed: `tickrelay subscriber show crm` shows it",
        Shows::Listed(SUBSCRIBERS, |rows| rows[0]["timeout"] == "5s"),
    ),
    (
        &["message", "register", "sent.json", "--json"],
        "of 1 messages 1 were registered",
        Shows::Listed(MESSAGES, |rows| has(rows, 1)),
    ),
    (
        &["reprocess", "--json"],
        "the stored webhooks were read again: 0",
        Shows::Nowhere,
    ),
    (
        &["erase", "+34600000001", "--yes", "--json"],
        "the person was erased, messages removed: 1",
        Shows::Listed(MESSAGES, |rows| has(rows, 0)),
    ),
    (
        &["init", "--path", "other.toml"],
        "other.toml was written",
        Shows::Nowhere,
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
            shows.check(&folder, arguments).await;
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

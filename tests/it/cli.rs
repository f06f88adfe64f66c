//! What operators and support staff ask the binary, and how it answers: data on stdout, talk
//! on stderr, exit 0 done, 1 nothing found or refused, 2 broken.

use crate::support::cli::Folder;
use crate::support::receiver::{Receiver, Reply};
use crate::support::{cloud_status, until};

const SENT: i64 = 1_760_000_000;

/// A Cloud API webhook with one failed status.
fn cloud_failure(id: &str, code: u32, title: &str) -> String {
    let errors = format!(r#","errors":[{{"code":{code},"title":"{title}"}}]}}]"#);
    cloud_status(id, "failed", SENT + 1).replacen("}]", &errors, 1)
}

#[actix_web::test]
async fn a_support_agent_is_reported_what_became_of_a_message() {
    let folder = Folder::new();
    let receiver = Receiver::start();
    let service = folder.serve();
    let url = &receiver.url;
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", url])
        .await;
    folder
        .done(&[
            "subscriber",
            "add",
            "--name",
            "alarm",
            "--url",
            url,
            "--status",
            "failed",
        ])
        .await;
    service.post(cloud_status("wamid.A", "sent", SENT)).await;
    service
        .post(cloud_status("wamid.A", "read", SENT + 9))
        .await;
    for _ in 0..3 {
        service
            .post(cloud_status("wamid.A", "delivered", SENT + 5))
            .await;
    }
    until("both payloads arrive", || receiver.count() == 2).await;
    folder
        .answers(&["forward", "list", "--state", "delivered"], "read")
        .await;

    let shown = folder.done(&["message", "show", "wamid.A"]).await;
    let mut lines = shown.lines();
    assert_eq!(
        lines.next(),
        Some("Read by +34600000001 on 2025-10-09 at 08:53:29 UTC.")
    );
    let events: Vec<&str> = lines.filter(|line| line.starts_with("2025-")).collect();
    let expected =
        ["20  sent", "25  delivered", "29  read"].map(|end| format!("2025-10-09 08:53:{end}"));
    assert_eq!(events, expected);
    for part in [
        "repeated twice",
        "LATE: no subscriber is notified",
        "crm: delivered ",
        "alarm: not notified, its filter does not want this status",
    ] {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
    assert!(
        shown.lines().all(|line| line.chars().count() <= 100),
        "{shown}"
    );
}

#[actix_web::test]
async fn a_number_in_any_spelling_finds_its_messages() {
    let folder = Folder::new();
    let service = folder.serve();
    service.post(cloud_status("wamid.A", "sent", SENT)).await;
    service
        .post(cloud_failure("wamid.B", 131_026, "Message undeliverable"))
        .await;
    for number in [&["+34600000001"][..], &["0034", "600-000", "001"]] {
        let shown = folder.done(&[&["message", "show"], number].concat()).await;
        assert!(shown.starts_with("2 messages of +34600000001"), "{shown}");
        assert!(
            shown.contains("\nFailed on 2025-10-09 at 08:53:21 UTC: "),
            "{shown}"
        );
    }
    let cut = ["message", "show", "34600000001", "--limit", "1"];
    let shown = folder.done(&cut).await;
    let said = "The newest 1 of more messages of +34600000001; --limit shows more:";
    assert!(shown.starts_with(said), "{shown}");
    let json = folder.run(&[&cut[..], &["--json"]].concat()).await.json();
    assert_eq!(json["found"].as_array().unwrap().len(), 1);
    assert_eq!(json["more"], true);
    let json = folder
        .run(&["message", "show", "34600000001", "--json"])
        .await
        .json();
    assert_eq!(json["message"]["provider_message_id"], "wamid.B");
    assert_eq!(json["message"]["error"]["key"], "meta:131026");
    assert_eq!(json["reports"][0]["change"], "new");
    assert_eq!(json["found"][1]["provider_message_id"], "wamid.A");
    assert!(
        json["answer"]
            .as_str()
            .unwrap()
            .starts_with("Failed on 2025-10-09")
    );

    let list = folder
        .run(&["message", "list", "--status", "sent", "--json"])
        .await
        .json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    for (filter, ids) in [
        (["--error", "131026"], &["wamid.B"][..]),
        (["--error", "meta:131047"], &[]),
        (["--source", "cloud"], &["wamid.B", "wamid.A"]),
        (["--broadcast", "spring"], &[]),
        (["--since", "1h"], &["wamid.B", "wamid.A"]),
        (["--until", "1h"], &[]),
    ] {
        let found = folder
            .run(&[&["message", "list", "--json"][..], &filter].concat())
            .await
            .json();
        let found: Vec<&str> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["provider_message_id"].as_str().unwrap())
            .collect();
        assert_eq!(found, ids, "{filter:?}");
    }
    let nothing = folder.run(&["message", "show", "+34600000002"]).await;
    assert_eq!((nothing.exit, nothing.data.as_str()), (1, ""));
    assert!(nothing.talk.contains("country code"), "{nothing:?}");
}

#[actix_web::test]
async fn members_of_groups_and_user_ids_are_found_too() {
    let folder = Folder::new();
    let service = folder.serve();
    service
        .post(include_bytes!(
            "../../fixtures/meta-cloud/group-members/1.json"
        ))
        .await;
    service
        .post(include_bytes!(
            "../../fixtures/meta-cloud/user-id-only/1.json"
        ))
        .await;
    for (who, expected) in [
        ("0034 600 000 055", "at least one member of the group"),
        ("ES.13490000000000000001", "by ES.13490000000000000001"),
    ] {
        let shown = folder.done(&["message", "show", who]).await;
        assert!(shown.contains(expected), "{shown}");
    }
}

#[actix_web::test]
async fn what_could_not_be_read_is_listed_and_kept_byte_for_byte() {
    let folder = Folder::new();
    let service = folder.serve();
    let broken = r#"{"object":"whatsapp_business_account","entry":[{"#;
    service.post(broken).await;
    service.post(cloud_status("wamid.A", "sent", SENT)).await;
    service.post(cloud_status("wamid.A", "sent", SENT)).await;
    service
        .post(cloud_failure("wamid.B", 139_999, "Something new"))
        .await;

    let listed = folder
        .run(&["webhook", "list", "--outcome", "unparsed", "--json"])
        .await
        .json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"][0]["id"], 1);
    assert_eq!(
        folder.done(&["webhook", "show", "1", "--raw"]).await,
        broken
    );
    let shown = folder.done(&["webhook", "show", "1"]).await;
    assert!(
        shown.contains("unparsed: not JSON") && shown.contains(broken),
        "{shown}"
    );
    assert_eq!(
        folder.run(&["webhook", "show", "1", "--json"]).await.json()["body"],
        broken
    );

    let duplicate = folder.run(&["webhook", "show", "3", "--raw"]).await;
    assert_eq!((duplicate.exit, duplicate.data.as_str()), (1, ""));
    assert!(
        duplicate.talk.contains("every report in it was known"),
        "{duplicate:?}"
    );
    assert_eq!(folder.run(&["webhook", "show", "99"]).await.exit, 1);

    let unknown = folder.run(&["explain", "--unknown", "--json"]).await.json();
    assert_eq!(unknown["data"][0]["key"], "meta:139999");
    assert_eq!(unknown["data"][0]["reports"], 1);
}

#[actix_web::test]
async fn a_forward_that_was_given_up_is_found_and_queued_again() {
    let folder = Folder::new();
    let receiver = Receiver::scripted(|_, _| Reply::status(500));
    let service = folder.serve();
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", &receiver.url])
        .await;
    service.post(cloud_status("wamid.A", "sent", SENT)).await;
    let gave_up = [
        "forward",
        "list",
        "--state",
        "gave-up",
        "--subscriber",
        "crm",
    ];
    folder
        .answers(&gave_up, "every attempt failed (2 attempts, last http_5xx)")
        .await;
    let listed = folder
        .run(&[&gave_up[..], &["--since", "1h", "--json"]].concat())
        .await
        .json();
    let uid = listed["data"][0]["id"].as_str().unwrap().to_owned();
    let shown = folder.done(&["forward", "show", &uid]).await;
    assert!(
        shown.contains("attempt 2 at ") && shown.contains("HTTP 500"),
        "{shown}"
    );
    assert!(shown.contains(r#""MessageStatus":"sent""#), "{shown}");

    receiver.answer(|_, _| Reply::status(200));
    let retried = folder
        .run(&["forward", "retry", "--missed", "--subscriber", "crm"])
        .await;
    assert!(retried.talk.starts_with("1 forward is queued again: "));
    folder
        .answers(&["forward", "show", &uid], "State          delivered")
        .await;
    let attempts: Vec<_> = receiver.received();
    assert!(
        attempts
            .iter()
            .all(|request| request.header("webhook-id") == uid)
    );

    folder.done(&["forward", "retry", &uid, "--new-id"]).await;
    until("it comes again", || receiver.count() == attempts.len() + 1).await;
    let renewed = receiver.received();
    let renewed = renewed.last().unwrap().header("webhook-id");
    assert_ne!(renewed, uid);
    // The subscriber's log holds the old one.
    let shown = folder.done(&["forward", "show", &uid]).await;
    for part in [
        format!("webhook-id     {renewed}"),
        format!("Formerly       {uid}"),
    ] {
        assert!(shown.contains(&part), "{part}: {shown}");
    }
    assert_eq!(folder.run(&gave_up).await.exit, 1);
    let all = folder
        .run(&["forward", "retry", "--subscriber", "crm"])
        .await;
    assert!(all.exit == 1 && all.talk.contains("missed"), "{all:?}");
}

#[actix_web::test]
async fn a_pause_shows_as_the_reason_to_wait() {
    let folder = Folder::new();
    let receiver = Receiver::start();
    let service = folder.serve();
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", &receiver.url])
        .await;
    folder.done(&["subscriber", "pause", "crm"]).await;
    service.post(cloud_status("wamid.A", "sent", SENT)).await;
    let shown = folder.done(&["message", "show", "wamid.A"]).await;
    assert!(
        shown.contains("crm: pending: the subscriber is paused"),
        "{shown}"
    );
    let listed = folder.run(&["subscriber", "list", "--json"]).await.json();
    assert_eq!(listed["data"][0]["state"], "paused");
    assert_eq!(listed["data"][0]["pending"], 1);
    folder.done(&["subscriber", "resume", "crm"]).await;
    until("the payload arrives", || receiver.count() == 1).await;
    let show = ["subscriber", "show", "crm", "--json"];
    folder.answers(&show, "\"delivered_24h\": 1").await;
}

#[actix_web::test]
async fn subscribers_are_managed_without_a_service_too() {
    let folder = Folder::new();
    let receiver = Receiver::start();
    let add = ["subscriber", "add", "--name", "crm", "--url", &receiver.url];
    let none = folder.run(&["subscriber", "list"]).await;
    assert!(
        none.exit == 1 && none.talk.starts_with("no store at "),
        "{none:?}"
    );

    let early = folder.run(&add).await;
    assert!(
        early.exit == 1 && early.talk.starts_with("no store at "),
        "{early:?}"
    );
    folder.make_store().await;
    let added = folder.run(&add).await;
    assert_eq!(added.exit, 0, "{added:?}");
    assert!(added.data.starts_with("whsec_") && added.data.lines().count() == 1);
    assert!(added.talk.contains("shown once"), "{added:?}");
    let again = folder.run(&add).await;
    assert_eq!((again.exit, again.data.as_str()), (1, ""), "{again:?}");
    let rotated = folder.done(&["subscriber", "rotate-secret", "crm"]).await;
    assert_ne!(rotated, added.data);

    let tested = folder.run(&["subscriber", "test", "crm", "--json"]).await;
    assert_eq!((tested.exit, receiver.count()), (0, 6), "{tested:?}");
    assert_eq!(tested.json()["samples"][5]["response"]["status"], 200);
    receiver.answer(|_, _| Reply::status(500));
    assert_eq!(folder.run(&["subscriber", "test", "crm"]).await.exit, 1);

    let shown = folder.done(&["subscriber", "show", "crm"]).await;
    assert!(shown.contains("every status of every message"), "{shown}");
    assert!(!shown.contains("whsec_"), "{shown}");
    folder.done(&["subscriber", "remove", "crm"]).await;
    assert_eq!(folder.run(&["subscriber", "show", "crm"]).await.exit, 1);
}

#[actix_web::test]
async fn bad_input_names_the_flag_and_the_remedy() {
    let folder = Folder::new();
    folder.make_store().await;
    let add = [
        "subscriber",
        "add",
        "--name",
        "crm",
        "--url",
        "https://crm.example/x",
    ];
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (
            &["--status", "dead"],
            2,
            &["--status", "queued, sent, delivered"],
        ),
        (&["--rule", "read"], 2, &["--rule", "TYPE=STATUS"]),
        (&["--sender", "acme"], 2, &["--sender", "country code"]),
        (
            &["--phone-format", "e164"],
            2,
            &["--phone-format", "as_received"],
        ),
        (&["--concurrency", "0"], 2, &["--concurrency", "to 256"]),
        (&["--source", "nope"], 1, &["source", "cloud"]),
    ];
    for (flags, exit, parts) in cases {
        let answer = folder.run(&[&add[..], flags].concat()).await;
        assert_eq!(answer.exit, exit, "{answer:?}");
        assert!(
            parts.iter().all(|part| answer.talk.contains(part)),
            "{answer:?}"
        );
    }
    let since = folder
        .run(&["forward", "list", "--since", "yesterday"])
        .await;
    assert!(
        since.exit == 2 && since.talk.contains("2025-10-09"),
        "{since:?}"
    );
}

#[actix_web::test]
async fn a_file_that_is_no_store_is_named_and_left_as_it_is() {
    let folder = Folder::new();
    let text = "this is no database at all, whatever it says";
    std::fs::write(folder.path("tickrelay.db"), text).unwrap();
    let answer = folder.run(&["message", "list"]).await;
    assert_eq!((answer.exit, answer.data.as_str()), (1, ""), "{answer:?}");
    let said = format!("no store at {}", folder.path("tickrelay.db").display());
    assert!(answer.talk.starts_with(&said), "{answer:?}");
    let left = std::fs::read_to_string(folder.path("tickrelay.db")).unwrap();
    assert_eq!(left, text);
}

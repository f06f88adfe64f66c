//! What is wrong is said in words of its reader: true ranges, every wrong field at once, the nearest
//! name, nothing of the language that the program is written in.

mod echo;
mod log;
mod narrowed;
mod walk;

use serde_json::{Value, json};
use tickrelay::access::Role;

use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud};

/// The provider's time of the first report of a test, in s since 1970 UTC.
const T0: i64 = 1_760_000_000;

#[actix_web::test]
async fn every_wrong_field_is_named_at_once_with_its_true_range() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    let wrong = json!({
        "name": "A b", "url": "ftp://x", "kind": "chatt", "concurrency": 70_000, "rate_limit": 0,
        "timeout": "soon", "ordering": 5, "colour": 1, "filter": {"sources": ["clowd"]},
        "schedule": ["0s", 7],
    });
    let answer = admin.post("/subscribers", &wrong).await;
    let mut fields = answer.problem(422);
    fields.sort();
    assert_eq!(
        fields,
        [
            "/colour",
            "/concurrency",
            "/filter/sources/0",
            "/kind",
            "/name",
            "/ordering",
            "/rate_limit",
            "/schedule/0",
            "/schedule/1",
            "/timeout",
            "/url",
        ],
        "{answer:?}"
    );
    for words in [
        "concurrency is 70000: write a whole number from 1 to 256",
        "rate_limit is 0: write a whole number from 1 to 10000",
        "kind is \\\"chatt\\\": did you mean chat?",
        "no source is named \\\"clowd\\\": did you mean cloud?",
        "\\\"soon\\\" is not a duration",
        "colour is unknown",
    ] {
        assert!(answer.text.contains(words), "{words}: {}", answer.text);
    }
    let query = "/messages?status=lost&limit=0&since=soon&silent=maybe&colour=1";
    let mut fields = admin.get(query).await.problem(422);
    fields.sort();
    assert_eq!(fields, ["colour", "limit", "silent", "since", "status"]);
    let fields = admin.get("/messages?source=clowd&error=meta:x").await;
    assert_eq!(fields.problem(422), ["source", "error"]);
    // A wrong cursor and a wrong filter are reported beside mistakes in the form.
    for (query, expected) in [
        (
            "/messages?cursor=x&limit=0&source=clowd&error=424242",
            &["cursor", "error", "limit", "source"][..],
        ),
        (
            "/webhooks?cursor=x&since=soon&source=clowd",
            &["cursor", "since", "source"],
        ),
        (
            "/forwards?cursor=x&state=lost&source=clowd&subscriber=nobody",
            &["cursor", "source", "state", "subscriber"],
        ),
        (
            "/attempts?cursor=x&subscriber=nobody",
            &["cursor", "subscriber"],
        ),
        (
            "/account-events?cursor=x&colour=1&source=clowd",
            &["colour", "cursor", "source"],
        ),
        (
            "/replays?cursor=x&limit=0&subscriber=nobody",
            &["cursor", "limit", "subscriber"],
        ),
        (
            "/broadcasts/b-1?cursor=x&source=clowd",
            &["cursor", "source"],
        ),
        (
            "/broadcasts?cursor=x&limit=0&source=clowd",
            &["cursor", "limit", "source"],
        ),
        ("/subscribers?cursor=x&limit=0", &["cursor", "limit"]),
        ("/templates?cursor=x&limit=0", &["cursor", "limit"]),
        ("/errors?cursor=x&limit=0", &["cursor", "limit"]),
        ("/audit?cursor=x&limit=0", &["cursor", "limit"]),
    ] {
        let mut fields = admin.get(query).await.problem(422);
        fields.sort();
        assert_eq!(fields, expected, "{query}");
    }
    // The control: alone an unknown subscriber is missing.
    admin.get("/forwards?subscriber=nobody").await.with(404);
    // The control: the same without what is wrong is taken.
    let right = json!({"name": "ab", "url": "http://127.0.0.1:9/", "concurrency": 256});
    admin.post("/subscribers", &right).await.with(201);
    app.stop().await;
}

#[actix_web::test]
async fn since_is_a_span_a_date_or_a_time_everywhere() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    for (since, rows) in [
        ("2h", 1),
        ("2020-01-01", 1),
        ("2020-01-01T08:00", 1),
        ("2020-01-01T08:00:00Z", 1),
        ("2999-01-01", 0),
    ] {
        for list in ["messages", "webhooks"] {
            let page = admin.get(&format!("/{list}?since={since}")).await.with(200);
            assert_eq!(
                page["data"].as_array().unwrap().len(),
                rows,
                "{list} {since}"
            );
        }
        for list in ["forwards", "attempts", "stats"] {
            admin.get(&format!("/{list}?since={since}")).await.with(200);
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_nobody_knows_is_refused_with_the_nearest_and_no_empty_list() {
    let folder = Folder::new();
    folder.make_store().await;
    for (arguments, said) in [
        (
            &["message", "list", "--source", "clod"][..],
            "no source is named \"clod\": did you mean cloud?",
        ),
        (
            &["webhook", "list", "--source", "x"],
            "no source is named \"x\"; the configuration has: cloud",
        ),
        (
            &["broadcast", "list", "--source", "clowd"],
            "did you mean cloud?",
        ),
        (&["reprocess", "--source", "clowd"], "did you mean cloud?"),
        (
            &["message", "list", "--error", "EC_INVALID_TEMPLATE_ARG"],
            "did you mean EC_INVALID_TEMPLATE_ARGS",
        ),
        (&["message", "list", "--error", "13102"], "131026"),
        (
            &["message", "list", "--error", "424242424"],
            "no error is called \"424242424\", in the catalogue or in the store: write a code",
        ),
        (
            &["message", "list", "--error", "meta:777777"],
            "in the catalogue or in the store",
        ),
    ] {
        let answer = folder.run(arguments).await;
        assert_eq!((answer.exit, answer.data.as_str()), (1, ""), "{answer:?}");
        assert!(answer.talk.contains(said), "{said}: {answer:?}");
    }
    // The control: what the catalogue knows finds nothing, and what the store alone knows is found.
    for error in ["131026", "meta:131026", "EC_INVALID_TEMPLATE_ARGS"] {
        let answer = folder.run(&["message", "list", "--error", error]).await;
        assert_eq!(answer.talk, "no message is like that\n");
    }
    let service = folder.serve();
    let mut failed = cloud::status("wamid.1", "failed", T0);
    failed["errors"] = json!([{"code": 777_777, "title": "New"}]);
    service.post(cloud::webhook(&[failed])).await;
    for error in ["777777", "meta:777777"] {
        let list = folder.done(&["message", "list", "--error", error]).await;
        assert!(list.contains("wamid.1"), "{list}");
    }
    drop(service);
}

#[actix_web::test]
async fn several_terms_are_each_answered_and_lists_are_whole_in_a_pipe() {
    let folder = Folder::new();
    let service = folder.serve();
    let long = "a-subscriber-with-a-long-name-that-is-not-cut";
    let receiver = Receiver::start();
    let add = ["subscriber", "add", "--name", long, "--url", &receiver.url];
    folder.done(&add).await;
    let statuses = ["wamid.1", "wamid.2"].map(|id| cloud::failed(id, T0));
    service.post(cloud::webhook(&statuses)).await;
    let answer = folder
        .run(&["message", "show", "wamid.1", "wamid.9", "wamid.2"])
        .await;
    assert_eq!(answer.exit, 1);
    assert!(answer.talk.contains("nothing was reported of \"wamid.9\""));
    for id in ["wamid.1", "wamid.2"] {
        assert!(
            answer.data.contains(&format!("Message  {id}\n")),
            "{answer:?}"
        );
    }
    let both = folder
        .done(&["message", "show", "wamid.1", "wamid.2", "--json"])
        .await;
    let both: Value = serde_json::from_str(&both).unwrap();
    assert_eq!(both.as_array().unwrap().len(), 2);
    let explained = folder.done(&["explain", "131026", "infobip:7008"]).await;
    assert!(explained.contains("131026: ") && explained.contains("7008: "));
    let listed = folder.done(&["forward", "list"]).await;
    assert!(listed.contains(long) && !listed.contains('…'), "{listed}");
    let kinds = folder.done(&["subscriber", "list"]).await;
    assert!(kinds.lines().next().unwrap().contains("KIND") && kinds.contains("callback"));
    // What `forward show` prints last is JSON, on one line.
    let shown = folder.done(&["forward", "show", "1"]).await;
    let payload = shown.split("\nPayload:\n").nth(1).unwrap();
    let payload: Value = serde_json::from_str(payload.lines().next().unwrap()).unwrap();
    assert_eq!(payload["msId"], "wamid.1");
    let alone = folder.done(&["forward", "show", "1", "--payload"]).await;
    assert_eq!(serde_json::from_str::<Value>(&alone).unwrap(), payload);
}

#[actix_web::test]
async fn a_chats_timeline_says_one_thing() {
    let folder = Folder::new();
    let service = folder.serve();
    let receiver = Receiver::start();
    let add = folder
        .run(&[
            "subscriber",
            "add",
            "--name",
            "agents",
            "--kind",
            "chat",
            "--url",
            &receiver.url,
        ])
        .await;
    assert!(!add.talk.contains("webhook-signature"), "{add:?}");
    let ids = ["wamid.1", "wamid.2", "wamid.3"];
    let statuses = ids.map(|id| cloud::failed(id, T0));
    service.post(cloud::webhook(&statuses)).await;
    for id in ids {
        folder
            .answers(&["message", "show", id], " in an alert of 3")
            .await;
        let shown = folder.done(&["message", "show", id]).await;
        assert!(!shown.contains("not notified"), "{shown}");
        assert_eq!(shown.matches("agents:").count(), 1, "{shown}");
    }
    // What comes within the same minute waits for the next alert.
    service
        .post(cloud::webhook(&[cloud::failed("wamid.4", T0)]))
        .await;
    let shown = folder.done(&["message", "show", "wamid.4"]).await;
    assert!(shown.contains("agents: waits for the alert"), "{shown}");
}

#[actix_web::test]
async fn broadcast_list_has_what_the_api_lists() {
    let app = TestApp::boot().await;
    let caller = app.caller(Role::Admin).await;
    let notice =
        json!({"source": "cloud", "msId": "wamid.b", "mobileNo": "+34600000001", "bulkId": "b-7"});
    caller.post("/messages", &notice).await.with(201);
    let listed = caller.get("/broadcasts").await.with(200);
    assert_eq!(listed["data"][0]["id"], "b-7");
    app.stop().await;
    let folder = Folder::new();
    folder.make_store().await;
    std::fs::write(folder.path("sent.json"), notice.to_string()).unwrap();
    folder.done(&["message", "register", "sent.json"]).await;
    let rows = folder.run(&["broadcast", "list", "--json"]).await.json();
    let broadcast = &rows["broadcasts"]["data"][0];
    assert_eq!(broadcast["id"], "b-7");
    assert_eq!(
        (&broadcast["statistics"]["total"], &rows["polls"]),
        (&json!(1), &json!([]))
    );
    let other = folder.run(&["broadcast", "list", "--limit", "0"]).await;
    assert_eq!(other.exit, 2, "{other:?}");
    assert!(
        other
            .talk
            .contains("--limit: \"0\" is not a whole number from 1")
    );
}

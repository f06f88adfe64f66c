//! What can match nothing is refused by every list, alike on the command line and in the API: an empty
//! list would say that nothing happened.

use serde_json::json;

use crate::support::cli::Folder;
use crate::support::{TestApp, cloud};

/// The provider's time of the first report of a test, in s since 1970 UTC.
const T0: i64 = 1_760_000_000;
/// A time and an earlier one.
const BACKWARDS: [&str; 2] = ["2025-10-09", "2025-10-08"];

#[actix_web::test]
async fn the_command_line_refuses_what_can_match_nothing() {
    let folder = Folder::new();
    folder.make_store().await;
    let mut cases = vec![
        (
            vec!["message", "list", "--recipient", "abc"],
            "is no number and no id",
        ),
        (vec!["message", "list", "--recipient", ""], "is no number"),
        (vec!["forward", "list", "--recipient", "12"], "is no number"),
        (
            vec!["forward", "retry", "--recipient", "abc"],
            "is no number and no id",
        ),
        (
            vec!["message", "list", "--channel", "whatsap"],
            "did you mean whatsapp?",
        ),
        (vec!["message", "list", "--channel", ""], "e.g. whatsapp"),
        (
            vec!["account", "list", "--event", "template.pausd"],
            "did you mean template.paused?",
        ),
        (
            vec!["account", "list", "--event", "x"],
            "e.g. template.paused",
        ),
    ];
    for list in ["message", "forward", "attempt", "webhook", "account"] {
        let [since, until] = BACKWARDS;
        let backwards = vec![list, "list", "--since", since, "--until", until];
        cases.push((backwards, "until is to be later than since"));
    }
    for (arguments, said) in cases {
        let answer = folder.run(&arguments).await;
        assert_eq!((answer.exit, answer.data.as_str()), (1, ""), "{answer:?}");
        assert!(answer.talk.contains(said), "{said}: {answer:?}");
    }
    let all = [
        "--recipient",
        "abc",
        "--channel",
        "whatsap",
        "--source",
        "clowd",
        "--error",
        "4242",
    ];
    let answer = folder.run(&[&["message", "list"][..], &all].concat()).await;
    assert_eq!(answer.talk.lines().count(), 4, "{answer:?}");
    // The control: what may match finds nothing, and says no more.
    let right = [
        "--recipient",
        "+34 600 000 001",
        "--channel",
        "any",
        "--since",
        "2h",
    ];
    let answer = folder
        .run(&[&["message", "list"][..], &right].concat())
        .await;
    assert_eq!(answer.talk, "no message is like that\n");
    let answer = folder.run(&["account", "list", "--event", "PAUSED"]).await;
    assert_eq!(answer.talk, "no account event is like that\n");
}

#[actix_web::test]
async fn the_api_refuses_what_can_match_nothing() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    let mut cases = vec![
        ("/messages?recipient=abc".to_owned(), &["recipient"][..]),
        ("/messages?recipient=".to_owned(), &["recipient"]),
        (
            "/messages?recipient=34600000001,34600000002".to_owned(),
            &["recipient"],
        ),
        ("/forwards?recipient=12".to_owned(), &["recipient"]),
        ("/messages?channel=whatsap".to_owned(), &["channel"]),
        ("/messages?channel=pigeon".to_owned(), &["channel"]),
        (
            "/account-events?event=template.pausd".to_owned(),
            &["event"],
        ),
        (
            "/messages?recipient=abc&channel=x&source=clowd&since=2h&until=3h".to_owned(),
            &["channel", "recipient", "source", "until"],
        ),
    ];
    for list in [
        "messages",
        "forwards",
        "attempts",
        "webhooks",
        "account-events",
    ] {
        let [since, until] = BACKWARDS;
        cases.push((format!("/{list}?since={since}&until={until}"), &["until"]));
    }
    for (query, expected) in cases {
        let mut fields = admin.get(&query).await.problem(422);
        fields.sort();
        assert_eq!(fields, expected, "{query}");
    }
    // Of several that are wrong each is sent with its name.
    let answer = admin.get("/messages?since=soon&until=later").await;
    assert_eq!(answer.problem(422).len(), 2);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("since: \"soon\" is no time"), "{detail}");
    assert!(detail.contains("until: \"later\" is no time"), "{detail}");
    // The control: what the store alone knows is found.
    let leg = json!({"messageId": "p", "to": "34600000002", "channel": "PIGEON_BM",
        "sentAt": "2025-10-09T08:53:20.000+0000", "doneAt": "2025-10-09T08:53:21.000+0000",
        "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"}});
    let body = json!({"results": [leg]}).to_string();
    assert_eq!(app.post("infobip", body).await, 200);
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    for (query, count) in [
        ("channel=pigeon", 1),
        ("channel=Pigeon_BM", 1),
        ("channel=any", 2),
        ("recipient=https%3A%2F%2Fwa.me%2F34600000002", 1),
        ("recipient=34600000002%40c.us", 1),
        ("recipient=ana%40example.com", 0),
        ("recipient=ES.1", 0),
    ] {
        let found = admin.get(&format!("/messages?{query}")).await.with(200);
        assert_eq!(found["data"].as_array().unwrap().len(), count, "{query}");
    }
    app.stop().await;
}

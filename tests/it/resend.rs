//! Support's way to a resend: from a message or a number to its forwards, and to the status again.

use serde_json::json;
use tickrelay::access::Role;

use crate::support::cli::Folder;
use crate::support::receiver::{Received, Receiver, Reply};
use crate::support::{TestApp, cloud, until};

const T0: i64 = 1_760_000_000;
const OTHER: &str = "34600000099";

fn to_other(id: &str) -> serde_json::Value {
    cloud::with(
        cloud::status(id, "sent", T0),
        &json!({"recipient_id": OTHER}),
    )
}

#[actix_web::test]
async fn a_message_or_a_number_leads_to_its_forwards_and_to_the_status_again() {
    let folder = Folder::new();
    let receiver = Receiver::start();
    let service = folder.serve();
    for name in ["crm", "desk"] {
        let add = ["subscriber", "add", "--name", name, "--url", &receiver.url];
        folder.done(&add).await;
    }
    let statuses = [
        cloud::status("wamid.A", "sent", T0),
        cloud::status("wamid.A", "delivered", T0 + 1),
        cloud::failed("wamid.B", T0),
        to_other("wamid.C"),
    ];
    service.post(cloud::webhook(&statuses)).await;
    until("all payloads arrive", || receiver.count() == 8).await;
    let delivered = ["forward", "list", "--state", "delivered", "--json"];
    folder.answers(&delivered, "wamid.A").await;
    folder
        .answers(&["message", "show", "wamid.A"], "crm: delivered ")
        .await;
    let count = async |flags: &[&str]| {
        let list = folder
            .run(&[&["forward", "list", "--json"], flags].concat())
            .await;
        list.json()["data"].as_array().unwrap().len()
    };
    assert_eq!(count(&["--message", "wamid.A"]).await, 4);
    assert_eq!(
        count(&["--message", "wamid.A", "--subscriber", "crm"]).await,
        2
    );
    assert_eq!(count(&["--message", "key:1"]).await, 4);
    assert_eq!(count(&["--message", "wamid.none"]).await, 0);
    assert_eq!(count(&["--recipient", "+34 600-000-001"]).await, 6);
    assert_eq!(count(&["--recipient", OTHER]).await, 2);

    // What `message show` prints is what `forward retry` takes.
    let shown = folder.done(&["message", "show", "wamid.C"]).await;
    let line = shown
        .lines()
        .find(|line| line.contains("crm: delivered"))
        .unwrap();
    let id = line
        .split("(forward ")
        .nth(1)
        .unwrap()
        .trim_end_matches(')');
    assert!(
        shown.contains("The WhatsApp message itself is never sent again."),
        "{shown}"
    );
    let retried = folder.run(&["forward", "retry", id]).await;
    assert_eq!(
        (retried.exit, retried.talk.as_str()),
        (
            0,
            "1 forward is queued again: the status goes to your system again, the WhatsApp message is \
             not sent again\n"
        )
    );
    until("it arrives again", || receiver.count() == 9).await;
    assert_eq!(receiver.received()[8].json()["msId"], "wamid.C");

    let retry = |flags: &'static [&'static str]| [&["forward", "retry"], flags].concat();
    let many = folder
        .run(&retry(&["--message", "wamid.A", "--subscriber", "crm"]))
        .await;
    assert!(
        many.exit == 0 && many.talk.starts_with("2 forwards are queued again: "),
        "{many:?}"
    );
    until("both arrive again, in order", || receiver.count() == 11).await;
    let words: Vec<_> = receiver.received()[9..]
        .iter()
        .map(|it| it.json()["MessageStatus"].clone())
        .collect();
    assert_eq!(words, ["sent", "delivered"]);
    let failed = folder
        .run(&retry(&[
            "--recipient",
            "34600000001",
            "--status",
            "failed",
        ]))
        .await;
    assert!(
        failed.talk.starts_with("2 forwards are queued again: "),
        "{failed:?}"
    );
    until("those of the failure arrive again", || {
        receiver.count() == 13
    })
    .await;
    for flags in [
        &["--message", "wamid.none"][..],
        &["--message", "wamid.A", "--missed"],
    ] {
        let none = folder.run(&[&["forward", "retry"], flags].concat()).await;
        assert_eq!((none.exit, none.data.as_str()), (1, ""), "{none:?}");
        assert!(none.talk.contains("nothing to send again"), "{none:?}");
    }
    // What is pending is there, though it needs no retry.
    folder.done(&["subscriber", "pause", "desk"]).await;
    service
        .post(cloud::webhook(&[cloud::status("wamid.D", "sent", T0)]))
        .await;
    let pending = [
        "forward",
        "retry",
        "--message",
        "wamid.D",
        "--subscriber",
        "desk",
    ];
    let pending = folder.run(&pending).await;
    assert_eq!(pending.exit, 1, "{pending:?}");
    assert!(pending.talk.contains("is pending"), "{pending:?}");
    let help = folder.done(&["forward", "--help"]).await;
    assert!(
        help.contains("receives the status again, never the"),
        "{help}"
    );
    for wrong in [&["1", "--message", "wamid.A"][..], &[]] {
        let refused = folder.run(&[&["forward", "retry"], wrong].concat()).await;
        assert_eq!(refused.exit, 2, "{refused:?}");
    }
}

#[actix_web::test]
async fn a_retry_by_number_goes_on_where_a_list_was_cut() {
    let folder = Folder::new();
    let receiver = Receiver::scripted(|_, _| Reply::status(200));
    let service = folder.serve();
    let add = ["subscriber", "add", "--name", "crm", "--url", &receiver.url];
    folder.done(&add).await;
    let others = (0..300).map(|number| cloud::status(&format!("wamid.{number}"), "sent", T0));
    let statuses: Vec<_> = [to_other("wamid.C")].into_iter().chain(others).collect();
    service.post(cloud::webhook(&statuses)).await;
    until("all payloads arrive", || receiver.count() == 301).await;
    folder
        .answers(&["forward", "list", "--recipient", OTHER], "delivered")
        .await;
    let path = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("[store]\n", "[store]\nlist_budget = \"0s\"\n");
    std::fs::write(&path, config).unwrap();
    // The budget is that of the service.
    drop(service);
    let _service = folder.serve();
    let list = folder.run(&["forward", "list", "--recipient", OTHER]).await;
    assert!(
        list.exit == 1 && list.talk.starts_with("Searched back to "),
        "{list:?}"
    );
    let retried = folder
        .run(&["forward", "retry", "--recipient", OTHER])
        .await;
    assert!(
        retried.talk.starts_with("1 forward is queued again: "),
        "{retried:?}"
    );
    // The kill may have others sent again, whose end was not written down yet.
    until("it arrives again", || {
        let received = receiver.received();
        let messages = received.iter().map(Received::message);
        messages.filter(|message| message == "wamid.C").count() == 2
    })
    .await;
}

#[actix_web::test]
async fn the_api_lists_the_forwards_of_a_message_or_a_number_that_may_be_seen() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    for (name, owner) in [("crm", "acme"), ("desk", "beta")] {
        app.subscribe_with(name, &receiver.url, |new| {
            new.owner = Some(owner.to_owned());
        })
        .await;
    }
    app.report(&[cloud::status("wamid.A", "sent", T0), to_other("wamid.C")])
        .await;
    app.settled().await;
    let support = app.caller(Role::Support).await;
    let acme = app.caller(Role::Integrator).await;
    for (query, all, own) in [
        ("message=wamid.C", 2, 1),
        ("message=1", 2, 1),
        ("message=key:2&status=sent", 2, 1),
        ("message=wamid.none", 0, 0),
        ("recipient=%2B34%20600%20000%20099", 2, 1),
        ("recipient=34600000001&source=cloud", 2, 1),
        ("recipient=34600000001&source=infobip", 0, 0),
        ("status=failed", 0, 0),
        ("status=sent", 4, 2),
    ] {
        let path = format!("/forwards?{query}");
        assert_eq!(support.all(&path, 50).await.len(), all, "{query}");
        assert_eq!(acme.all(&path, 50).await.len(), own, "{query}");
    }
    app.stop().await;
}

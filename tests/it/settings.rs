//! What can be set for a subscriber: over the API, on the command line and in the table alike.

use serde_json::{Value, json};
use tickrelay::access::Role;

use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud};

/// The provider's time of the first report of a test, in s since 1970 UTC.
const T0: i64 = 1_760_000_000;

#[actix_web::test]
async fn an_update_changes_what_is_given_and_leaves_the_rest() {
    let folder = Folder::new();
    let url = "http://127.0.0.1:9/a";
    folder
        .done(&[
            "subscriber",
            "add",
            "--name",
            "crm",
            "--url",
            url,
            "--status",
            "failed",
            "--source",
            "cloud",
            "--phone-format",
            "digits",
        ])
        .await;
    let update = async |flags: &[&str]| {
        let verb = ["subscriber", "update", "crm", "--json"];
        folder.run(&[&verb, flags].concat()).await
    };
    let before = folder
        .run(&["subscriber", "show", "crm", "--json"])
        .await
        .json();
    let after = update(&["--timestamp-format", "epoch_millis"]).await.json();
    assert_eq!(after["options"]["timestamp_format"], "epoch_millis");
    assert_eq!(after["options"]["phone_format"], "digits");
    for same in ["url", "filter", "concurrency", "id", "created_at_ms"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let after = update(&["--status", "read", "--url", "http://127.0.0.1:9/b"]).await;
    let after = after.json();
    assert_eq!(after["filter"], json!({"rules": [{"statuses": ["read"]}]}));
    assert_eq!(after["url"], "http://127.0.0.1:9/b");
    assert_eq!(after["options"]["timestamp_format"], "epoch_millis");
    let after = update(&["--everything"]).await.json();
    assert_eq!(after["filter"], json!({}));
    let refused = update(&["--url", "ftp://elsewhere"]).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert_eq!(update(&["--everything", "--status", "read"]).await.exit, 2);
}

#[actix_web::test]
async fn an_extended_payload_has_the_eight_keys_and_what_else_is_known() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receivers = [(); 3].map(|()| Receiver::start());
    for (name, receiver) in ["usual", "one", "two"].iter().zip(&receivers) {
        let format = if *name == "usual" {
            "rocketchat"
        } else {
            "extended"
        };
        let new = json!({"name": name, "url": receiver.url, "options": {"format": format}});
        let added = admin.post("/subscribers", &new).await.with(201);
        assert_eq!(added["options"]["format"], format);
    }
    app.report(&[cloud::failed("wamid.f", T0)]).await;
    app.settled().await;
    let [usual, one, two] = receivers.each_ref().map(|it| it.received()[0].clone());
    // The same for every subscriber, unlike the forward's id.
    assert_eq!(one.body, two.body);
    assert_ne!(one.header("webhook-id"), two.header("webhook-id"));
    assert_eq!(app.value::<i64>("SELECT count(*) FROM payload"), 2);
    let (mut extended, usual) = (one.json(), usual.json());
    let more = |extended: &mut Value| -> Value {
        let all = extended.as_object_mut().unwrap();
        let more = usual.as_object().unwrap().keys();
        more.for_each(|key| assert!(all.remove(key).as_ref() == usual.get(key), "{key}"));
        json!(all)
    };
    let mut more = more(&mut extended);
    let event = more.as_object_mut().unwrap().remove("eventId").unwrap();
    let explanation = more.as_object_mut().unwrap().remove("explanation").unwrap();
    assert_eq!(
        more,
        json!({
            "change": "new", "source": "cloud", "providerStatus": "failed",
            "providerTime": T0.to_string(),
        })
    );
    assert_eq!(explanation["errorKey"], "meta:131026");
    assert_eq!(explanation["fixedBy"], "recipient");
    // A replay under a new webhook-id is the same event, and another report another one.
    app.order(tickrelay::operations::Request::RetryForwards(
        tickrelay::store::RetrySelection {
            new_id: true,
            ..Default::default()
        },
    ))
    .await;
    app.settled().await;
    let again = receivers[1].received().pop().unwrap();
    assert_eq!(again.json()["eventId"], event);
    assert_ne!(again.header("webhook-id"), one.header("webhook-id"));
    app.report(&[cloud::status("wamid.g", "sent", T0)]).await;
    app.settled().await;
    assert_ne!(
        receivers[1].received().pop().unwrap().json()["eventId"],
        event
    );
    // Back to the eight keys, the other options as they were.
    let patch = json!({"options": {"format": "rocketchat"}});
    let changed = admin.patch("/subscribers/one", &patch).await.with(200);
    assert_eq!(changed["options"]["error_format"], "whatsapp_array");
    app.report(&[cloud::status("wamid.h", "sent", T0)]).await;
    app.settled().await;
    assert!(receivers[1].received().pop().unwrap().json()["eventId"].is_null());
    app.stop().await;
}

#[test]
fn both_schemas_of_the_payload_say_the_same_of_the_eight_keys() {
    let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let usual = read(include_str!("../../schema/payload.schema.json"));
    let extended = read(include_str!("../../schema/payload-extended.schema.json"));
    let keys = usual["properties"].as_object().unwrap();
    assert_eq!(keys.len(), 8);
    for (key, schema) in keys {
        assert_eq!(extended["properties"][key], *schema, "{key}");
    }
    assert_eq!(extended["$defs"], usual["$defs"]);
}

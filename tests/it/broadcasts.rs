//! Many messages that were sent as one, as Botsquad's API shows them.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;

use crate::support::{TestApp, cloud};

const T0: i64 = 1_760_000_000;

fn sent(broadcast: &str, id: &str) -> Value {
    json!({"source": "cloud", "msId": id, "broadcastId": broadcast, "mobileNo": "34600000001"})
}

#[actix_web::test]
async fn a_broadcast_is_reported_in_botsquads_shape() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let ids = ["wamid.0", "wamid.1", "wamid.2", "wamid.3"];
    let messages: Vec<Value> = ids.iter().map(|id| sent("b-1", id)).collect();
    caller
        .post("/messages", &Value::Array(messages))
        .await
        .with(200);
    app.report(&[
        cloud::status("wamid.0", "sent", T0),
        cloud::status("wamid.1", "read", T0),
        cloud::failed("wamid.2", T0),
    ])
    .await;
    let shown = caller.get("/broadcasts/b-1").await.with(200);
    assert_eq!(
        shown["statistics"],
        json!({"total": 4, "success": 1, "failure": 1, "pending": 2, "cancelled": 0})
    );
    let statuses = shown["statuses"].as_array().unwrap();
    let words: Vec<[&Value; 3]> = statuses
        .iter()
        .map(|entry| [&entry["msId"], &entry["status"], &entry["detail_status"]])
        .collect();
    assert_eq!(
        json!(words),
        json!([
            ["wamid.0", "pending", "sent"],
            ["wamid.1", "success", "read"],
            ["wamid.2", "failure", "failed"],
            ["wamid.3", "pending", "queued"],
        ])
    );
    let failures = shown["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0], statuses[2]);
    assert_eq!(
        (
            &failures[0]["user"],
            &failures[0]["reason"],
            &failures[0]["details"]
        ),
        (
            &json!("34600000001"),
            &json!("Message undeliverable"),
            &json!("The phone is switched off.")
        )
    );
    caller.get("/broadcasts/none").await.problem(404);
    let listed = caller.get("/messages?broadcast=b-1").await.with(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 4);
    assert!(
        listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["broadcast"] == "b-1")
    );
    let former = caller.get("/messages?bulk_id=b-1").await;
    assert_eq!(former.problem(422), ["bulk_id"]);
    let detail = former.json()["errors"][0]["detail"].to_string();
    assert!(detail.contains("is unknown: known here are"), "{detail}");
    assert!(detail.contains("broadcast"), "{detail}");
    app.stop().await;
}

#[actix_web::test]
async fn an_infobip_bulk_id_is_a_broadcast_and_ids_are_distinguished_by_source() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.sources[0].owners = vec!["acme".to_owned()];
    })
    .await;
    let admin = app.caller(Role::Admin).await;
    let result = |id: &str, group: u8| {
        json!({"bulkId": "b-1", "messageId": id, "to": "385990000001",
            "doneAt": "2025-10-09T08:53:22.000+0000", "status": {"groupId": group}})
    };
    let body = json!({"results": [result("ib-1", 3), result("ib-2", 5)]}).to_string();
    assert_eq!(app.post("infobip", body).await, 200);
    let shown = admin.get("/broadcasts/b-1").await.with(200);
    assert_eq!(
        (&shown["source"], &shown["statistics"]["success"]),
        (&json!("infobip"), &json!(1))
    );
    for (broadcast, id) in [("b-1", "wamid.1"), ("b-0", "wamid.2")] {
        admin
            .post("/messages", &sent(broadcast, id))
            .await
            .with(201);
    }
    assert_eq!(admin.get("/broadcasts/b-1").await.problem(422), ["source"]);
    let shown = admin.get("/broadcasts/b-1?source=cloud").await.with(200);
    assert_eq!(shown["statistics"]["total"], 1);
    let list = admin.all("/broadcasts", 1).await;
    let names: Vec<[&Value; 2]> = list
        .iter()
        .map(|row| [&row["id"], &row["source"]])
        .collect();
    assert_eq!(
        json!(names),
        json!([["b-0", "cloud"], ["b-1", "cloud"], ["b-1", "infobip"]])
    );
    // The newest are of another source.
    let of_infobip = admin.get("/broadcasts?source=infobip&limit=1").await;
    let of_infobip = of_infobip.with(200);
    assert_eq!(of_infobip["data"][0]["source"], "infobip");
    assert!(of_infobip["next_cursor"].is_null(), "{of_infobip}");
    let narrowed = app.caller_with(Role::Admin, |new| new.sources = vec!["cloud".to_owned()]);
    let narrowed = narrowed.await;
    assert_eq!(narrowed.all("/broadcasts?source=cloud", 50).await.len(), 2);
    let other = narrowed.get("/broadcasts?source=infobip").await;
    assert_eq!(other.problem(422), ["source"]);
    // An integrator's are those whose messages it sees.
    let acme = app.caller(Role::Integrator).await;
    assert!(acme.all("/broadcasts", 50).await.is_empty());
    acme.get("/broadcasts/b-0").await.problem(404);
    acme.post("/messages", &sent("b-9", "wamid.9"))
        .await
        .with(201);
    assert_eq!(acme.all("/broadcasts", 50).await.len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn thousands_of_recipients_come_in_pages_that_add_up() {
    let app = TestApp::boot().await;
    let caller = app.admin().await;
    let count: usize = 3000;
    let messages = (0..count).map(|n| sent("b-1", &format!("wamid.{n}")));
    let messages: Vec<Value> = messages.collect();
    let answer = caller.post("/messages", &Value::Array(messages)).await;
    assert_eq!(answer.with(200)["refused"], 0);
    for first in (0..count).step_by(1000) {
        let failed = (first..count.min(first + 1000)).step_by(10);
        let failed: Vec<Value> = failed
            .map(|n| cloud::failed(&format!("wamid.{n}"), T0))
            .collect();
        app.report(&failed).await;
    }
    let (mut entries, mut failures, mut pages) = (Vec::new(), 0, 0);
    let mut cursor = String::new();
    loop {
        let path = format!("/broadcasts/b-1?limit=1000{cursor}");
        let page = caller.get(&path).await.with(200);
        assert_eq!(page["statistics"]["total"], count);
        assert_eq!(page["statistics"]["failure"], count.div_ceil(10));
        failures += page["failures"].as_array().unwrap().len();
        let statuses = page["statuses"].as_array().unwrap().iter();
        entries.extend(statuses.map(|entry| entry["msId"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!((entries.len(), failures), (count, count.div_ceil(10)));
    entries.sort();
    entries.dedup();
    assert_eq!(entries.len(), count);
    app.stop().await;
}

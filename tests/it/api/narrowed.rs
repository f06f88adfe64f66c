//! What a caller that sees a part may know of subscribers, and send to them, route by route.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::model::SubscriberKind;

use crate::retrying::T0;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud};

#[actix_web::test]
async fn a_token_of_some_sources_sends_nothing_to_whom_it_does_not_see() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.a", "sent", T0)]).await;
    app.settled().await;
    let narrow = app
        .caller_with(Role::Support, |token| {
            token.sources = vec!["cloud".to_owned()];
        })
        .await;
    let admin = app.caller(Role::Admin).await;
    let (forwards, attempts) = (narrow.all("/forwards", 5).await, "/attempts");
    assert_eq!(
        (forwards.len(), narrow.all(attempts, 5).await.len()),
        (1, 1)
    );
    let path = format!("/forwards/{}", forwards[0]["id"].as_str().unwrap());
    let detail = narrow.get(&path).await.with(200);
    assert_eq!(
        (&detail["url"], &detail["subscriber"]),
        (&Value::Null, &json!("crm"))
    );
    let tries = narrow.get(&format!("{path}/attempts")).await.with(200);
    assert_eq!(tries["data"].as_array().unwrap().len(), 1);
    for list in ["/subscribers", "/replays"] {
        assert_eq!(narrow.all(list, 5).await.len(), 0, "{list}");
    }
    for path in [
        "/subscribers/crm",
        "/subscribers/crm/health",
        "/forwards?subscriber=crm",
        "/attempts?subscriber=crm",
        "/replays?subscriber=crm",
    ] {
        narrow.get(path).await.problem(404);
    }
    let (retry, nothing) = (format!("{path}/retry"), json!({}));
    narrow.post(&retry, &nothing).await.problem(403);
    let order = json!({"subscriber": "crm", "states": ["delivered"]});
    let refused = narrow.post("/replays", &order).await;
    assert_eq!(refused.problem(422), ["/subscriber"]);
    assert_eq!(receiver.count(), 1);

    let cloud_alone = json!({"filter": {"sources": ["cloud"]}});
    admin
        .patch("/subscribers/crm", &cloud_alone)
        .await
        .with(200);
    let again = narrow.post(&retry, &nothing).await.with(200);
    let whole = admin.get(&path).await.with(200);
    assert!(whole["url"].is_string());
    assert_eq!(again["url"], whole["url"]);
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn the_url_of_a_chat_is_shown_whole_to_nobody() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let url = format!("{}/hooks/s3cret", receiver.url.trim_end_matches('/'));
    app.subscribe_with("agents", &url, |new| {
        new.kind = SubscriberKind::Chat;
        new.owner = Some("acme".to_owned());
    })
    .await;
    app.report(&[cloud::failed("wamid.a", T0)]).await;
    app.settled().await;
    for role in [Role::Admin, Role::Integrator, Role::Support, Role::Analyst] {
        let caller = app.caller(role).await;
        let forwards = caller.all("/forwards", 5).await;
        let forward = format!("/forwards/{}", forwards[0]["id"].as_str().unwrap());
        let listed = caller.get("/subscribers").await;
        for answer in [
            caller.get("/subscribers/agents").await,
            caller.get(&forward).await,
        ] {
            let shown = answer.with(200)["url"].as_str().unwrap().to_owned();
            assert!(shown.ends_with("/…"), "{role}: {shown}");
            assert!(url.starts_with(shown.trim_end_matches('…')), "{role}");
        }
        assert!(!listed.text.contains("s3cret"), "{role}");
    }
    app.stop().await;
}

//! What can be read, by whom, and that a page stays what it was while rows come.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::RemoveSubscriber;

use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, fields, until_async};

const T0: i64 = 1_760_000_000;

/// Two owners' subscribers, of which one takes nothing, and three messages.
async fn fill(app: &TestApp) -> Receiver {
    let taking = Receiver::start();
    app.subscribe_with("crm", &taking.url, |new| {
        new.owner = Some("acme".to_owned());
    })
    .await;
    app.subscribe_with("desk", &taking.url, |new| {
        new.owner = Some("beta".to_owned());
        new.filter.rules = vec!["*=failed".parse().unwrap()];
    })
    .await;
    app.report(&[cloud::status("wamid.a/b+c==", "sent", T0)])
        .await;
    app.report(&[cloud::failed("wamid.b", T0 + 1)]).await;
    app.report(&[cloud::status("wamid.c", "read", T0 + 2)])
        .await;
    app.settled().await;
    taking
}

fn ids(rows: &[Value]) -> Vec<&str> {
    let id = |row: &'_ Value| row["provider_message_id"].as_str().map(str::len);
    assert!(rows.iter().all(|row| id(row).is_some()));
    rows.iter()
        .filter_map(|row| row["provider_message_id"].as_str())
        .collect()
}

#[actix_web::test]
async fn messages_are_found_by_what_people_know_of_them() {
    let app = TestApp::boot().await;
    let _receiver = fill(&app).await;
    let support = app.caller(Role::Support).await;
    for (query, expected) in [
        ("", &["wamid.c", "wamid.b", "wamid.a/b+c=="][..]),
        ("status=failed", &["wamid.b"]),
        ("error=131026", &["wamid.b"]),
        ("error=meta:131026", &["wamid.b"]),
        ("error=7", &[]),
        ("provider_message_id=wamid.c", &["wamid.c"]),
        (
            "recipient=%2B34%20600-000%20001",
            &["wamid.c", "wamid.b", "wamid.a/b+c=="],
        ),
        ("recipient=346000000", &[]),
        ("source=infobip", &[]),
        ("since=2000-01-01T00:00:00Z&status=read", &["wamid.c"]),
        ("until=2000-01-01T00:00:00Z", &[]),
    ] {
        let rows = support.all(&format!("/messages?{query}"), 2).await;
        assert_eq!(ids(&rows), expected, "{query}");
    }
    for query in ["since=yesterday", "status=seen", "colour=red"] {
        let fields = support
            .get(&format!("/messages?{query}"))
            .await
            .problem(422);
        assert_eq!(fields, [query.split('=').next().unwrap()]);
    }
    let path = "/messages/wamid.a%2Fb%2Bc%3D%3D";
    let message = support.get(path).await.with(200);
    assert_eq!(
        (&message["status"], &message["sent_at"]),
        (&json!("sent"), &json!("2025-10-09T08:53:20.000Z"))
    );
    assert_eq!(support.get("/messages/1").await.with(200), message);
    let timeline = support.get("/messages/wamid.b/timeline").await.with(200);
    let report = &timeline["reports"][0];
    assert_eq!(report["errors"][0]["key"], "meta:131026");
    assert!(report["errors"][0]["explanation"].is_string());
    assert_eq!(report["forwards"].as_array().unwrap().len(), 2);
    support.get("/messages/none").await.problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn an_integrator_reads_what_its_own_subscribers_were_to_be_reported() {
    let app = TestApp::boot().await;
    let _receiver = fill(&app).await;
    let acme = app.caller(Role::Integrator).await;
    let beta = app
        .caller_with(Role::Integrator, |token| {
            token.owner = Some("beta".to_owned());
        })
        .await;
    assert_eq!(acme.all("/messages", 1).await.len(), 3);
    assert_eq!(ids(&beta.all("/messages", 1).await), ["wamid.b"]);
    beta.get("/messages/wamid.c").await.problem(404);
    let timeline = beta.get("/messages/wamid.b/timeline").await.with(200);
    let forwards = timeline["reports"][0]["forwards"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(forwards.len(), 1);
    assert_eq!(forwards[0]["subscriber"], "desk");
    let own = beta.all("/forwards", 1).await;
    assert_eq!(own.len(), 1);
    let foreign = acme.all("/forwards", 50).await;
    assert_eq!(foreign.len(), 3);
    let id = foreign[0]["id"].as_str().unwrap();
    beta.get(&format!("/forwards/{id}")).await.problem(404);
    beta.get(&format!("/forwards/{id}/attempts"))
        .await
        .problem(404);
    beta.post(&format!("/forwards/{id}/retry"), &json!({}))
        .await
        .problem(404);
    beta.get("/forwards?subscriber=crm").await.problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn a_token_of_some_sources_reads_nothing_of_others() {
    let app = TestApp::boot().await;
    let _receiver = fill(&app).await;
    let limited = app
        .caller_with(Role::Admin, |token| {
            token.sources = vec!["infobip".to_owned()];
        })
        .await;
    for list in ["/messages", "/forwards", "/webhooks", "/subscribers"] {
        assert_eq!(limited.all(list, 50).await.len(), 0, "{list}");
    }
    for path in [
        "/messages/1",
        "/webhooks/1",
        "/webhooks/1/body",
        "/sources/cloud",
    ] {
        limited.get(path).await.problem(404);
    }
    limited
        .post("/webhooks/1/reprocess", &json!({}))
        .await
        .problem(404);
    let sources = limited.get("/sources").await.with(200);
    assert_eq!(sources["data"].as_array().unwrap().len(), 1);
    let stats = limited.get("/stats").await.with(200);
    assert_eq!(stats["messages"], json!([]));
    limited.get("/audit").await.problem(403);
    app.stop().await;
}

#[actix_web::test]
async fn a_forward_is_read_with_its_attempts_and_sent_again() {
    let app = TestApp::boot().await;
    let receiver = Receiver::scripted(|index, _| Reply::status(if index == 0 { 400 } else { 200 }));
    app.subscribe("crm", &receiver.url).await;
    app.report(&[cloud::status("wamid.a", "sent", T0)]).await;
    let failed = async || fields(&app.attempts().await, ["http_status"]) == [["400"]];
    until_async("an attempt failed", failed).await;
    let support = app.caller(Role::Support).await;
    let pending = support
        .all("/forwards?state=pending&error=http_4xx&subscriber=crm", 50)
        .await;
    assert_eq!(pending.len(), 1);
    assert!(support.all("/forwards?error=dns", 50).await.is_empty());
    let path = format!("/forwards/{}", pending[0]["id"].as_str().unwrap());
    let detail = support.get(&path).await.with(200);
    assert_eq!(detail["history"][0]["http_status"], 400);
    assert!(detail["payload"].as_str().unwrap().contains("wamid.a"));
    let health = support.get("/subscribers/crm/health").await.with(200);
    assert_eq!(
        (&health["pending"], &health["last_failure"]),
        (&json!(1), &json!("http_4xx"))
    );

    support
        .post(&format!("{path}/retry"), &json!({}))
        .await
        .with(200);
    app.settled().await;
    let attempts = support.get(&format!("{path}/attempts")).await.with(200);
    assert_eq!(attempts["data"].as_array().unwrap().len(), 2);
    let health = support.get("/subscribers/crm/health").await.with(200);
    assert_eq!(
        (&health["success_rate_24h"], &health["pending"]),
        (&json!(1.0), &json!(0))
    );
    let renewed = support
        .post(&format!("{path}/retry?new_id=true"), &json!({}))
        .await
        .with(200);
    assert_ne!(renewed["id"], pending[0]["id"]);
    app.settled().await;
    // By the id that stands in the subscriber's log it is found, shown and sent again all the same.
    let found = support.get(&path).await.with(200);
    assert_eq!(found["id"], renewed["id"]);
    assert_eq!(found["former_ids"], json!([pending[0]["id"]]));
    let tries = support.get(&format!("{path}/attempts")).await.with(200);
    assert_eq!(tries["data"].as_array().unwrap().len(), 3);
    let retry = format!("{path}/retry");
    let again = support.post(&retry, &json!({"new_id": true})).await;
    assert_eq!(
        again.with(200)["former_ids"],
        json!([pending[0]["id"], renewed["id"]])
    );
    app.settled().await;
    let answer = support.post(&retry, &json!({"newid": true})).await;
    assert_eq!(answer.problem(422), ["/newid"]);
    app.order(RemoveSubscriber {
        name: "crm".to_owned(),
    })
    .await;
    support
        .post(&format!("{path}/retry"), &json!({}))
        .await
        .problem(409);
    app.stop().await;
}

#[actix_web::test]
async fn pages_of_messages_stay_while_messages_come() {
    let app = TestApp::boot().await;
    let analyst = app.caller(Role::Analyst).await;
    for index in 0..5 {
        app.report(&[cloud::status(&format!("wamid.{index}"), "sent", T0)])
            .await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for come in 0.. {
        let page = analyst
            .get(&format!("/messages?limit=2{cursor}"))
            .await
            .with(200);
        seen.extend(
            ids(page["data"].as_array().unwrap())
                .into_iter()
                .map(str::to_owned),
        );
        app.report(&[cloud::status(&format!("wamid.new{come}"), "sent", T0)])
            .await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["wamid.4", "wamid.3", "wamid.2", "wamid.1", "wamid.0"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn webhooks_sources_errors_stats_and_audit_are_read() {
    let app = TestApp::boot().await;
    let _receiver = fill(&app).await;
    let admin = app.caller(Role::Admin).await;
    let webhooks = admin
        .all("/webhooks?outcome=processed&source=cloud", 2)
        .await;
    assert_eq!(webhooks.len(), 3);
    let body = admin.get("/webhooks/2/body").await;
    assert_eq!(
        (body.status, body.text),
        (200, cloud::webhook(&[cloud::failed("wamid.b", T0 + 1)]))
    );
    admin.get("/webhooks/99").await.problem(404);
    admin.get("/webhooks/x").await.problem(404);
    let reread = admin
        .post("/webhooks/2/reprocess", &json!({}))
        .await
        .with(200);
    assert_eq!(
        reread,
        json!({"changed": false, "found": 0, "unreadable": 0})
    );

    let source = admin.get("/sources/cloud").await.with(200);
    assert_eq!(
        (&source["webhooks_24h"], &source["callback_path"]),
        (&json!(3), &json!("/webhooks/cloud"))
    );
    assert!(source["last_seen_at"].is_string());
    admin.get("/errors/no-such-error").await.problem(404);
    assert_eq!(
        admin.get("/errors/131026").await.with(200)["key"],
        "meta:131026"
    );
    let error = admin.get("/errors/meta:131026").await.with(200);
    assert_eq!(error["fixed_by"], "recipient");
    let all = admin.all("/errors", 100).await;
    assert_eq!(all.len(), tickrelay::catalogue::all().len());
    assert_eq!(admin.all("/errors?search=131026", 3).await[0], error);
    let stats = admin.get("/stats").await.with(200);
    assert_eq!(stats["messages"].as_array().unwrap().len(), 3);
    let audit = admin.all("/audit", 1).await;
    let actions: Vec<&str> = audit
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "webhook.reprocessed",
            "webhook.reprocess-begun",
            "token.created",
            "subscriber.added",
            "subscriber.added"
        ]
    );
    let callers: Vec<&str> = audit
        .iter()
        .map(|row| row["caller"].as_str().unwrap())
        .collect();
    let token = "token 1 (admin)";
    assert_eq!(callers, [token, token, "cli", "cli", "cli"]);
    assert_eq!(audit[0]["detail"]["examined"], 1);
    app.stop().await;
}

#[actix_web::test]
async fn the_document_is_served_as_it_is_committed() {
    let app = TestApp::boot().await;
    let served = app.anyone().get("/openapi.json").await.with(200);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, format!("{served:#}\n")).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(
        served == committed,
        "UPDATE_OPENAPI=1 cargo test --test it the_document_is_served"
    );
    assert_eq!(served["openapi"], "3.1.0");
    let page = app.anyone().get("/docs").await;
    assert!(
        page.status == 200 && page.text.contains("swagger-ui"),
        "{page:?}"
    );
    assert!(!page.text.contains("https://"), "it asks nobody else");
    app.stop().await;
}

//! Long work over HTTP: begun, watched, and seen by its own caller alone.

use serde_json::{Value, json};
use tickrelay::access::Role;

use crate::support::TestApp;
use crate::support::api::Caller;

/// Watches a job to its end.
async fn ended(caller: &Caller, begun: &Value) -> Value {
    let path = format!("/jobs/{}", begun["id"].as_str().unwrap());
    loop {
        let job = caller.get(&path).await.with(200);
        if job["state"] != "running" {
            return job;
        }
    }
}

#[actix_web::test]
async fn many_webhooks_are_read_again_by_a_job() {
    let app = TestApp::boot().await;
    assert_eq!(app.post("cloud", "no json").await, 200);
    let admin = app.admin().await;
    let begun = admin.post("/webhooks/reprocess", &json!({})).await;
    let begun = begun.with(202);
    assert_eq!(begun["kind"], "reprocess");
    let job = ended(&admin, &begun).await;
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!((&job["done"], &job["total"]), (&json!(1), &json!(1)));
    assert_eq!(job["result"]["examined"], 1);
    assert_eq!(job["result"]["webhooks"][0]["after"], "unparsed");
    // What cannot be done is told by the job, as the request would have been answered.
    let wrong = admin
        .post("/webhooks/reprocess", &json!({"ids": [77]}))
        .await;
    let job = ended(&admin, &wrong.with(202)).await;
    assert_eq!(job["state"], "failed");
    assert_eq!(job["problem"]["status"], 422);
    let detail = job["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("77"), "{detail}");
    app.stop().await;
}

#[actix_web::test]
async fn a_job_is_seen_by_the_caller_that_began_it() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    let begun = admin
        .post("/webhooks/reprocess", &json!({}))
        .await
        .with(202);
    let path = format!("/jobs/{}", begun["id"].as_str().unwrap());
    admin.get(&path).await.with(200);
    let other = app.caller_with(Role::Admin, |new| new.name = "other".to_owned());
    other.await.get(&path).await.problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn a_repeat_gets_the_same_job_until_it_fails() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    let path = "/webhooks/reprocess";
    for (key, order) in [("read", json!({})), ("dry", json!({"dry_run": true}))] {
        let keyed = admin.clone().header("Idempotency-Key", key);
        let first = keyed.post(path, &order).await;
        let again = keyed.post(path, &order).await;
        assert_eq!((again.status, &again.text), (202, &first.text), "{key}");
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
        ended(&admin, &first.with(202)).await;
        let later = keyed.post(path, &order).await;
        assert_eq!((later.status, &later.text), (202, &first.text), "{key}");
    }
    let keyed = admin.clone().header("Idempotency-Key", "wrong");
    let wrong = json!({"ids": [77]});
    let first = keyed.post(path, &wrong).await.with(202);
    assert_eq!(ended(&admin, &first).await["state"], "failed");
    let again = keyed.post(path, &wrong).await.with(202);
    assert_ne!(again["id"], first["id"]);
    ended(&admin, &again).await;
    app.stop().await;
}

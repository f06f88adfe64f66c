//! Long work over HTTP: begun, watched, seen by its own caller alone, and kept over a restart.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;
use tickrelay::config::Config;
use tickrelay::server::store_options;
use tickrelay::store::change::InsertJob;
use tickrelay::store::job::{JobKind, JobState, NewJob};
use tickrelay::store::query::JobDetailQuery;
use tickrelay::store::step::StartJobAgain;
use tickrelay::store::{ChangeRecord, Store};
use uuid::Uuid;

use crate::support::api::Caller;
use crate::support::{TestApp, until};

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
    let other = other.await;
    other.get(&path).await.problem(404);
    for (caller, listed) in [(&admin, 1), (&other, 0)] {
        assert_eq!(caller.all("/jobs", 10).await.len(), listed);
    }
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

/// Leaves a job as a kill would: it was begun, and the service ended before it did.
fn cut_off(store: &Path, job: &Value) {
    let id: Uuid = job["id"].as_str().unwrap().parse().unwrap();
    let sql = "UPDATE job SET state = 'running', done = 1, total = 3, result = NULL, \
         finished_at_ms = NULL WHERE uid = ?1";
    let store = Connection::open(store).unwrap();
    let cut = store.execute(sql, params![id.as_bytes()]);
    assert_eq!(cut.unwrap(), 1);
}

#[actix_web::test]
async fn a_job_that_a_restart_cuts_off_says_so_and_a_repeat_gets_it() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    let (path, order) = ("/webhooks/reprocess", json!({}));
    let (mut answers, mut jobs) = (Vec::new(), Vec::new());
    for key in ["ended", "cut"] {
        let keyed = admin.clone().header("Idempotency-Key", key);
        let first = keyed.post(path, &order).await;
        let job = ended(&admin, &first.with(202)).await;
        assert_eq!(job["state"], "done", "{job}");
        answers.push((key, first.text));
        jobs.push(job);
    }
    let dry = admin.clone().header("Idempotency-Key", "dry");
    let dry_order = json!({"dry_run": true});
    let dry_run = dry.post(path, &dry_order).await.with(202);
    ended(&admin, &dry_run).await;
    // What a dry run finds is not kept, and neither is that it was done.
    assert_eq!(admin.all("/jobs", 1).await.len(), 2);

    let cut = jobs[1].clone();
    let cut = |config: &mut Config| cut_off(&config.store.path, &cut);
    let app = app.restart_with(cut).await;
    let admin = app.admin().await;
    let cut = ended(&admin, &jobs[1]).await;
    assert_eq!(
        (&cut["state"], &cut["done"]),
        (&json!("interrupted"), &json!(1))
    );
    assert!(cut["finished_at"].is_string() && cut["result"].is_null());
    assert_eq!(cut["problem"]["status"], 503);
    let detail = cut["problem"]["detail"].as_str().unwrap();
    let expected = "1 of 3 webhooks were read again, which stays so: start it again";
    assert!(detail.ends_with(expected), "{detail}");
    // The control: one that had ended is as it was.
    let kept = ended(&admin, &jobs[0]).await;
    for field in ["id", "state", "created_at", "done", "total", "result"] {
        assert_eq!(kept[field], jobs[0][field], "{field}");
    }
    let listed = admin.all("/jobs", 1).await;
    let states: Vec<_> = listed.iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["interrupted", "done"]);
    for (key, text) in &answers {
        let keyed = admin.clone().header("Idempotency-Key", key);
        let again = keyed.post(path, &order).await;
        assert_eq!((again.status, &again.text), (202, text), "{key}");
    }
    let audit = app.audited("webhook").await.into_iter();
    let audit: Vec<_> = audit.map(|[action, _]| action).collect();
    let pair = ["webhook.reprocess-begun", "webhook.reprocessed"];
    let expected = [&pair[..], &pair, &["webhook.reprocess-interrupted"]].concat();
    assert_eq!(audit, expected);
    // A dry run changes nothing: it is begun again under its key.
    let dry = admin.clone().header("Idempotency-Key", "dry");
    let again = dry.post(path, &dry_order).await.with(202);
    assert_ne!(again["id"], dry_run["id"]);
    ended(&admin, &again).await;
    app.stop().await;
}

/// Leaves an erasure as a kill would that came after so many starts.
async fn leave_behind(store: &Store, (person, starts): (&str, usize)) -> Uuid {
    let order = json!({"person": person, "vacuum": false});
    let new = NewJob {
        uid: Uuid::now_v7(),
        kind: JobKind::Erase,
        caller: "cli".to_owned(),
        role: Role::Admin,
        order: Some(order.to_string().into()),
        created_at_ms: Clock::system().now_ms(),
    };
    let uid = new.uid;
    let finish = |()| ((), ChangeRecord::default());
    store.change(InsertJob { new }, finish).await.unwrap();
    for _ in 1..starts {
        store.step(StartJobAgain { uid }).await.unwrap();
    }
    uid
}

#[actix_web::test]
async fn an_erasure_that_never_ends_is_given_up_after_five_starts() {
    let app = TestApp::boot().await;
    let mut left = Vec::new();
    // While no service runs.
    let leave = |config: &mut Config| {
        let options = store_options(config);
        let work = async {
            let store = Store::open(&options, Clock::system(), Arc::default()).unwrap();
            for erasure in [("34600000001", 5), ("34600000002", 4)] {
                left.push(leave_behind(&store, erasure).await);
            }
            store.close().await.unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        std::thread::scope(|scope| {
            scope.spawn(|| runtime.unwrap().block_on(work));
        });
    };
    let app = app.restart_with(leave).await;
    let running = "SELECT count(*) FROM job WHERE state = 'running'";
    until("both are settled", || app.value::<i64>(running) == 0).await;
    let mut states = Vec::new();
    for uid in left {
        let job = app.store.read(JobDetailQuery { uid }).await.unwrap();
        states.push(job.unwrap().state);
    }
    assert_eq!(states, [JobState::Interrupted, JobState::Done]);
    app.stop().await;
}

//! The management API over real HTTP: what is answered, and how it is refused.

mod access;
mod attempts;
mod jobs;
mod narrowed;
mod once;
mod owners;
mod reads;

use reqwest::Method;
use serde_json::json;
use tickrelay::access::Role;

use crate::support::TestApp;
use crate::support::receiver::Receiver;

#[actix_web::test]
async fn a_subscriber_is_added_read_changed_and_removed() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let admin = app.caller(Role::Admin).await;
    let new = json!({
        "name": "crm", "url": receiver.url, "filter": {"rules": [{"statuses": ["failed"]}]},
    });
    let added = admin.post("/subscribers", &new).await.with(201);
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"));
    let read = admin.get("/subscribers/crm").await.with(200);
    assert_eq!(read["filter"]["rules"][0]["statuses"], json!(["failed"]));
    assert_eq!(
        (&read["concurrency"], &read["state"]),
        (&json!(8), &json!("active"))
    );
    assert!(read["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(read["secret"].is_null());

    let changed = admin
        .patch(
            "/subscribers/crm",
            &json!({"concurrency": 3, "filter": {"sources": ["cloud"]}}),
        )
        .await
        .with(200);
    assert_eq!(changed["concurrency"], 3);
    assert_eq!(changed["filter"], json!({"sources": ["cloud"]}));
    assert_eq!(changed["url"], read["url"]);
    let paused = admin
        .post("/subscribers/crm/pause", &json!({}))
        .await
        .with(200);
    assert_eq!(paused["state"], "paused");
    let resumed = admin
        .post("/subscribers/crm/resume", &json!({}))
        .await
        .with(200);
    assert_eq!(resumed["state"], "active");
    let rotated = admin
        .post("/subscribers/crm/rotate-secret", &json!({}))
        .await
        .with(200);
    assert_ne!(rotated["secret"], added["secret"]);
    let tested = admin
        .post("/subscribers/crm/test", &json!({}))
        .await
        .with(200);
    assert_eq!(
        (
            &tested["accepted"],
            tested["samples"].as_array().unwrap().len()
        ),
        (&json!(true), 6)
    );
    let health = admin.get("/subscribers/crm/health").await.with(200);
    assert_eq!(
        (&health["breaker"], &health["pending"]),
        (&json!("closed"), &json!(0))
    );

    assert_eq!(admin.delete("/subscribers/crm").await.status, 204);
    assert!(admin.get("/subscribers/crm").await.problem(404).is_empty());
    let actions = app.audited("subscriber").await;
    let words: Vec<&str> = actions
        .iter()
        .map(|[action, _]| action.trim_start_matches("subscriber."))
        .collect();
    assert_eq!(
        words,
        [
            "added",
            "changed",
            "paused",
            "resumed",
            "secret-rotated",
            "test-begun",
            "tested",
            "removed"
        ]
    );
    app.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let url = "http://127.0.0.1:9/";
    let cases = [
        (json!({"url": url}), &["/name"][..]),
        (json!({"name": "Crm!", "url": url}), &["/name"]),
        (
            json!({"name": "crm", "url": "ftp://a", "concurrency": 0}),
            &["/url", "/concurrency"],
        ),
        (
            json!({"name": "crm", "url": url, "colour": 1}),
            &["/colour"],
        ),
        (json!({"name": 1, "url": url}), &["/name"]),
        (
            json!({"name": "crm", "url": url, "concurrency": 70000}),
            &["/concurrency"],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"sources": ["cloud", "none"]}}),
            &["/filter/sources/1"],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"rules": [{"statuses": ["seen"]}]}}),
            &["/filter/rules/0/statuses/0"],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"rules": [{"status": []}]}}),
            &["/filter/rules/0/status"],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"rules": [
                {"errors": ["131026", "nonsense", "meta:", "acme:7", "", "meta:999999"]},
                {"statuses": ["failed", "read"], "errors": ["structure_unavailable"]},
            ]}}),
            &[
                "/filter/rules/0/errors/1",
                "/filter/rules/0/errors/2",
                "/filter/rules/0/errors/3",
                "/filter/rules/0/errors/4",
                "/filter/rules/1/statuses",
            ],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"senders": ["x"]}}),
            &["/filter/senders/0"],
        ),
        (
            json!({"name": "crm", "url": url, "options": {"phone_format": "dots"}}),
            &["/options/phone_format"],
        ),
        (
            json!({"name": "crm", "url": url, "options": [null, null]}),
            &["/options"],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"rules": [[]]}}),
            &["/filter/rules/0"],
        ),
        (json!([]), &[""]),
        (json!(["crm", url]), &[""]),
        (
            json!({"name": "crm", "url": url, "ordering": 5}),
            &["/ordering"],
        ),
        (
            json!({"name": "crm", "url": url, "filter": {"rules": [{"statuses": [5]}]}}),
            &["/filter/rules/0/statuses/0"],
        ),
    ];
    for (body, fields) in cases {
        let answer = admin.post("/subscribers", &body).await;
        let mut named = answer.problem(422);
        named.sort();
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        assert_eq!(named, fields, "{body} {}", answer.text);
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=Zm9yd2FyZHM6MQ", "cursor"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = admin.get(&format!("/subscribers?{query}")).await;
        assert_eq!(answer.problem(422), [field], "{query} {}", answer.text);
    }
    let broken = admin
        .ask(Method::POST, "/subscribers", Some("{\"name\":".to_owned()))
        .await;
    assert_eq!(broken.problem(422), [""]);
    let trailing = admin
        .ask(Method::POST, "/subscribers", Some("{} {}".to_owned()))
        .await;
    assert_eq!(trailing.status, 422);
    assert_eq!(
        admin.ask(Method::POST, "/subscribers", None).await.status,
        415
    );
    let huge = admin
        .ask(Method::POST, "/subscribers", Some(" ".repeat(2 << 20)))
        .await;
    assert!(huge.problem(413).is_empty());
    assert_eq!(admin.get("/nothing").await.problem(404).len(), 0);
    let wrong = admin
        .ask(Method::PUT, "/subscribers", Some("{}".to_owned()))
        .await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "GET, POST");
    app.stop().await;
}

#[actix_web::test]
async fn a_value_of_another_type_is_named_and_a_list_is_no_object() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    app.subscribe("crm", "http://127.0.0.1:9/").await;
    for (path, body, field) in [
        ("/replays", json!(["crm", true, [], null]), ""),
        (
            "/replays",
            json!({"subscriber": "crm", "states": [5]}),
            "/states/0",
        ),
        ("/subscribers/crm/test", json!(["sent", null]), ""),
        ("/subscribers/crm/test", json!({"status": 5}), "/status"),
        ("/subscribers/crm/test", json!({"status": {}}), "/status"),
    ] {
        let answer = admin.post(path, &body).await;
        assert_eq!(answer.problem(422), [field], "{body} {}", answer.text);
        for word in ["struct", "variant", "expected value", "line 1"] {
            assert!(!answer.text.contains(word), "{body} {}", answer.text);
        }
    }
    let ordering = json!({"ordering": 5});
    let answer = admin.patch("/subscribers/crm", &ordering).await;
    assert_eq!(answer.problem(422), ["/ordering"]);
    let answer = admin.put("/templates/hello/en", &json!(["Hello"])).await;
    assert_eq!(answer.problem(422), [""], "{}", answer.text);
    assert!(app.replays().await.is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn a_name_that_is_taken_conflicts() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    admin.post("/subscribers", &new).await.with(201);
    admin.post("/subscribers", &new).await.problem(409);
    app.stop().await;
}

#[actix_web::test]
async fn pages_neither_repeat_nor_skip_while_rows_come() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let add = async |index: usize| {
        app.subscribe(&format!("s{index}"), "http://127.0.0.1:9/")
            .await;
    };
    for index in 0..5 {
        add(index).await;
    }
    let first = admin.get("/subscribers?limit=2").await.with(200);
    add(5).await;
    admin.delete("/subscribers/s1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = admin
        .get(&format!("/subscribers?limit=2&cursor={cursor}"))
        .await
        .with(200);
    let names = |page: &serde_json::Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (names(&first), names(&second)),
        (
            vec!["s0".to_owned(), "s1".to_owned()],
            vec!["s2".to_owned(), "s3".to_owned()],
        )
    );
    assert_eq!(admin.all("/subscribers", 1).await.len(), 5);
    app.stop().await;
}

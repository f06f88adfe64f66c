//! Headers and credentials of a subscriber's own: sent on each attempt, and never shown.

use std::path::PathBuf;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{Sample, TestSubscriber};

use crate::support::cli::Folder;
use crate::support::receiver::{Receiver, Reply};
use crate::support::service::Home;
use crate::support::{TestApp, authenticated, client, cloud, until, verify};

mod echoes;
mod foreign;
mod polled;

const T0: i64 = 1_760_000_000;
const KEY: &str = "a-key-nobody-sees";
const PASSWORD: &str = "a-password-nobody-sees";
/// `crm:` and the password in base64.
const BASIC: &str = "Basic Y3JtOmEtcGFzc3dvcmQtbm9ib2R5LXNlZXM=";

fn new(url: &str) -> Value {
    json!({
        "name": "crm", "url": url,
        "headers": {"X-Api-Key": KEY, "x-tenant": "7"},
        "auth": {"type": "basic", "username": "crm", "password": PASSWORD},
    })
}

/// Whether a text holds any of the secrets.
fn reveals(text: &str) -> bool {
    [KEY, PASSWORD, BASIC.split_once(' ').unwrap().1]
        .iter()
        .any(|secret| text.contains(secret))
}

#[actix_web::test]
async fn they_are_sent_on_each_attempt_and_change_without_a_restart() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        config.forward.schedule = vec![std::time::Duration::from_millis(50)];
    })
    .await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::scripted(|index, _| Reply::status(if index == 0 { 500 } else { 200 }));
    let added = admin
        .post("/subscribers", &new(&receiver.url))
        .await
        .with(201);
    assert_eq!(
        (&added["headers"], &added["auth"]),
        (&json!(["x-api-key", "x-tenant"]), &json!("basic"))
    );
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    app.settled().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2, "an attempt and its retry");
    for request in &received {
        assert_eq!(request.header("x-api-key"), KEY);
        assert_eq!(request.header("x-tenant"), "7");
        assert_eq!(request.header("authorization"), BASIC);
        assert!(verify(added["secret"].as_str().unwrap(), request));
    }
    // A new value, one taken away, the others as they were; and again after a restart.
    let change = json!({"headers": {"x-api-key": "another", "X-Tenant": null}});
    let changed = admin.patch("/subscribers/crm", &change).await.with(200);
    assert_eq!(changed["headers"], json!(["x-api-key"]));
    let app = app.restart().await;
    let admin = app.caller(Role::Admin).await;
    app.report(&[cloud::status("wamid.2", "sent", T0)]).await;
    app.settled().await;
    let last = receiver.received().pop().unwrap();
    assert_eq!(last.header("x-api-key"), "another");
    assert!(!last.headers.contains_key("x-tenant"));
    assert_eq!(last.header("authorization"), BASIC);
    for (auth, kind, sent) in [
        (
            json!({"type": "bearer", "token": "abcd"}),
            json!("bearer"),
            "Bearer abcd",
        ),
        (Value::Null, Value::Null, ""),
    ] {
        let changed = admin
            .patch("/subscribers/crm", &json!({"auth": auth}))
            .await;
        assert_eq!(changed.with(200)["auth"], kind);
        let name = format!("wamid.{sent}");
        app.report(&[cloud::status(&name, "sent", T0)]).await;
        app.settled().await;
        assert_eq!(
            receiver.received().pop().unwrap().header("authorization"),
            sent
        );
    }
    app.stop().await;
}

#[actix_web::test]
async fn nothing_that_is_shown_or_given_to_analysts_reveals_them() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let receiver = Receiver::start();
    let added = admin.post("/subscribers", &new(&receiver.url)).await;
    let tested = admin.post("/subscribers/crm/test", &json!({})).await;
    let headers = &tested.with(200)["samples"][0]["request"]["headers"];
    for own in ["x-api-key", "x-tenant", "authorization"] {
        assert_eq!(headers[own], "[redacted]", "{headers}");
    }
    assert!(
        headers["webhook-signature"]
            .as_str()
            .unwrap()
            .starts_with("v1,")
    );
    assert_eq!(receiver.received()[0].header("x-api-key"), KEY);
    let change = json!({"headers": {"x-api-key": KEY}});
    let changed = admin.patch("/subscribers/crm", &change).await;
    let mut shown = vec![added.text, tested.text, changed.text];
    for path in [
        "/subscribers",
        "/subscribers/crm",
        "/subscribers/crm/health",
        "/audit",
    ] {
        shown.push(admin.get(path).await.text);
    }
    let name = "crm".to_owned();
    let sample = Sample::default();
    let samples = app.order(TestSubscriber { name, sample }).await;
    shown.push(format!("{samples:?}"));
    for text in shown {
        assert!(!reveals(&text), "{text}");
    }
    let folder = app.path().parent().unwrap().to_path_buf();
    let files_with_secrets = || -> Vec<_> {
        let files = std::fs::read_dir(&folder).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let is_revealing =
            |path: &PathBuf| reveals(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        files
            .filter(|path| path.is_file())
            .filter(is_revealing)
            .collect()
    };
    assert_eq!(files_with_secrets(), Vec::<PathBuf>::new());
    // The control: one that held it would be found.
    let plain = folder.join("plain");
    std::fs::write(&plain, KEY).unwrap();
    assert_eq!(files_with_secrets(), [plain]);
    admin.delete("/subscribers/crm").await;
    let tables = app.tables();
    assert_eq!(tables.count("subscriber_header"), 0);
    assert_eq!(tables.count("subscriber_secret"), 0);
    drop(tables);
    app.stop().await;
}

#[actix_web::test]
async fn what_may_not_be_set_is_named_and_never_repeated() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let many: serde_json::Map<String, Value> = (0..21)
        .map(|index| (format!("x-{index}"), json!("1")))
        .collect();
    let basic = |user: &str| json!({"type": "basic", "username": user, "password": "p\nq"});
    let cases = [
        (json!({"headers": {"Host": "a"}}), "/headers/Host"),
        (
            json!({"headers": {"webhook-id": "a"}}),
            "/headers/webhook-id",
        ),
        (
            json!({"headers": {"Content-Type": "a"}}),
            "/headers/Content-Type",
        ),
        (
            json!({"headers": {"Authorization": "a"}}),
            "/headers/Authorization",
        ),
        (
            json!({"headers": {"transfer-encoding": "a"}}),
            "/headers/transfer-encoding",
        ),
        (json!({"headers": {"a/b": "a"}}), "/headers/a~1b"),
        (
            json!({"headers": {"x-a": format!("{KEY}\r\nx-b: 1")}}),
            "/headers/x-a",
        ),
        (json!({"headers": {"x-a": ""}}), "/headers/x-a"),
        (json!({"headers": {"x-a": 7}}), "/headers/x-a"),
        (json!({"headers": {"x-a": "1", "X-A": "2"}}), "/headers/x-a"),
        (json!({"headers": many}), "/headers"),
        (json!({"auth": basic("a")}), "/auth"),
        (json!({"auth": basic("a:b")}), "/auth"),
        (
            json!({"auth": {"type": "bearer", "token": "Bearer x"}}),
            "/auth",
        ),
        (json!({"auth": {"type": "digest"}}), "/auth/type"),
        (json!({ "auth": KEY }), "/auth"),
        (json!({ "auth": [KEY] }), "/auth/0"),
        (json!({"auth": {"type": KEY}}), "/auth/type"),
        (
            json!({"auth": {"type": "bearer", "token": {"a": KEY}}}),
            "/auth",
        ),
        (
            json!({"auth": {"type": "bearer", "token": 713_713_713}}),
            "/auth",
        ),
        (
            json!({"auth": {"type": "basic", "username": false, "password": PASSWORD}}),
            "/auth",
        ),
        (
            json!({"auth": {"type": "bearer", "token": KEY, "realm": PASSWORD}}),
            "/auth",
        ),
        (
            json!({ "headers": format!("X-Api-Key: {KEY}") }),
            "/headers",
        ),
        (json!({ "headers": [KEY] }), "/headers"),
        (json!({"headers": {"x-a": [KEY]}}), "/headers/x-a"),
        (json!({"headers": {"x-a": 713_713_713}}), "/headers/x-a"),
    ];
    for (mut body, field) in cases {
        body["name"] = json!("crm");
        body["url"] = json!("http://127.0.0.1:9/");
        let answer = admin.post("/subscribers", &body).await;
        assert_eq!(answer.problem(422), [field], "{body} {}", answer.text);
        assert!(!reveals(&answer.text));
        let words = ["AuthView", "enum", "struct", "713713713"];
        assert!(
            !words.iter().any(|word| answer.text.contains(word)),
            "{}",
            answer.text
        );
    }
    for url in [
        format!("http:// chat/hooks/{KEY}"),
        format!("chat/hooks/{KEY}"),
        format!("ftp://127.0.0.1/hooks/{KEY}"),
        format!("http://127.0.0.1/hooks/{KEY}#a"),
        format!("http://a:{KEY}@127.0.0.1/hooks"),
        format!("http://10.0.0.1/hooks/{KEY}"),
        format!("http://127.0.0.1/hooks/{KEY}/{}", "a".repeat(2048)),
    ] {
        for (kind, given, field) in [
            ("chat", json!(url), "/url"),
            ("callback", json!(url), "/url"),
            ("chat", json!([url]), "/url"),
        ] {
            let body = json!({"name": "crm", "kind": kind, "url": given});
            let answer = admin.post("/subscribers", &body).await;
            assert_eq!(answer.problem(422), [field], "{body} {}", answer.text);
            assert!(!reveals(&answer.text), "{}", answer.text);
        }
        let swapped = json!({"name": url, "url": "http://127.0.0.1:9/"});
        let answer = admin.post("/subscribers", &swapped).await;
        assert_eq!(answer.problem(422), ["/name"]);
        assert!(
            !url.contains("://") || !reveals(&answer.text),
            "{}",
            answer.text
        );
    }
    let chat = json!({"name": "agents", "kind": "chat", "url": "http://127.0.0.1:9/hooks/1"});
    admin.post("/subscribers", &chat).await.with(201);
    let url = json!({"url": format!("http://10.0.0.1/hooks/{KEY}")});
    let answer = admin.patch("/subscribers/agents", &url).await;
    assert_eq!(answer.problem(422), ["/url"]);
    assert!(!reveals(&answer.text), "{}", answer.text);
    // JSON in a text is repeated no more than what is in it.
    let text = json!({"name": "crm", "headers": {"x-a": KEY}}).to_string();
    let answer = admin.post("/subscribers", &json!(text)).await;
    assert_eq!(answer.problem(422), [""]);
    assert!(!reveals(&answer.text), "{}", answer.text);
    let answer = admin
        .post(
            "/subscribers",
            &json!({"name": "crm", "url": "http://127.0.0.1:9/", "auth": KEY}),
        )
        .await;
    let how_to = r#"write {\"type\": \"bearer\", \"token\": "#;
    assert!(answer.text.contains(how_to), "{}", answer.text);
    app.stop().await;
}

#[actix_web::test]
async fn the_log_names_the_address_that_was_refused_as_people_write_it() {
    let home = Home::new();
    let mut service = home.start();
    let webhook = format!("http://{}/webhooks/cloud", service.address);
    assert_eq!(
        client()
            .post(webhook)
            .body("{}")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let list = format!("http://{}/api/v1/subscribers", service.address);
    assert_eq!(client().get(list).send().await.unwrap().status(), 401);
    kill_process(service.process(), Signal::TERM).unwrap();
    let (_, log) = service.end();
    for event in ["webhook.refused", "api.refused"] {
        let line = log.lines().find(|line| line.contains(event)).unwrap();
        assert!(
            line.contains("127.0.0.1") && !line.contains("Some("),
            "{line}"
        );
    }
}

#[actix_web::test]
async fn the_command_line_sets_them_from_files_and_takes_them_back() {
    let folder = Folder::new();
    folder.make_store().await;
    let url = "http://127.0.0.1:9/";
    std::fs::write(
        folder.path("headers"),
        format!("X-Api-Key: {KEY}\nX-Tenant: 7\n"),
    )
    .unwrap();
    std::fs::write(folder.path("basic"), format!("crm:{PASSWORD}\n")).unwrap();
    let add = [
        "subscriber",
        "add",
        "--name",
        "crm",
        "--url",
        url,
        "--header",
        "@headers",
        "--basic",
        "@basic",
        "--json",
    ];
    let added = folder.run(&add).await;
    assert_eq!(added.json()["headers"], json!(["x-api-key", "x-tenant"]));
    let update = async |flags: &[&str]| {
        let verb = ["subscriber", "update", "crm", "--json"];
        folder.run(&[&verb, flags].concat()).await
    };
    let shown = folder.run(&["subscriber", "show", "crm"]).await;
    assert!(shown.data.contains("x-api-key, x-tenant"), "{shown:?}");
    let changed = update(&[
        "--remove-header",
        "x-tenant",
        "--header",
        "x-b: 1",
        "--no-auth",
    ])
    .await;
    assert_eq!(changed.json()["headers"], json!(["x-api-key", "x-b"]));
    assert!(changed.json()["auth"].is_null());
    let refused = update(&["--header", &format!("host: {KEY}")]).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    for answer in [added, shown, changed, refused] {
        assert!(!reveals(&format!("{answer:?}")), "{answer:?}");
    }
}

#[actix_web::test]
async fn no_log_reveals_them() {
    let home = Home::new().set("log.filter=trace");
    let receiver = Receiver::scripted(|_, _| Reply::status(400));
    let mut service = home.start();
    let new = json!({
        "name": "crm", "url": receiver.url, "filter": {}, "options": {}, "concurrency": 8,
        "headers": {"x-api-key": KEY},
        "auth": {"type": "basic", "username": "crm", "password": PASSWORD},
    });
    service.ask("POST", "/subscribers", &new);
    let body = cloud::webhook(&[cloud::status("wamid.1", "sent", T0)]);
    let request = client().post(format!("http://{}/webhooks/cloud", service.address));
    let provider = tickrelay::providers::Provider::MetaCloud;
    let request = authenticated(request, provider, body.as_bytes()).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    until("it had an attempt", || receiver.count() == 1).await;
    assert_eq!(receiver.received()[0].header("x-api-key"), KEY);
    kill_process(service.process(), Signal::TERM).unwrap();
    let (_, log) = service.end();
    assert!(log.contains("forward.attempted"), "{log}");
    assert!(!reveals(&log), "{log}");
}

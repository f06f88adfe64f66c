//! A change is whole: with its secrets, its line of the audit and its answer, whatever becomes of
//! the connection it was asked over and of the disk it is written to.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tickrelay::access::{Caller, Role};
use tickrelay::admin::{Once, Sample, TestSubscriber, Tested};
use tickrelay::clock::Clock;
use tickrelay::store::idempotency::{KeptAnswer, Ticket};
use tickrelay::store::query::{OutboundQuery, RememberedQuery};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::api::Answered;
use crate::support::receiver::{Receiver, Reply};
use crate::support::service::{Home, Service};
use crate::support::shim::{self, Disk, Switch};
use crate::support::traffic::post_each;
use crate::support::{PATIENCE, Tables, TestApp, client, client_over, fields, until, until_async};

/// Sends a POST and resets the connection after so long.
async fn post_and_reset(address: SocketAddr, head: &str, body: &str, after: Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    let request = format!(
        "{head}Host: relay\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

#[actix_web::test]
async fn a_connection_that_is_reset_leaves_each_change_whole() {
    let app = TestApp::boot().await;
    app.subscribe("crm", "http://127.0.0.1:9/").await;
    let token = app.token(Role::Admin, |_| {}).await;
    let address: SocketAddr = app.url.trim_start_matches("http://").parse().unwrap();
    let head = |path: &str, key: &str| {
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("Idempotency-Key: {key}\r\n")
        };
        format!("POST /api/v1{path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{key}")
    };
    let rotate = "/subscribers/crm/rotate-secret";
    for round in 0..40 {
        let after = Duration::from_micros(round * 300);
        post_and_reset(address, &head(rotate, ""), "{}", after).await;
        post_and_reset(address, &head(rotate, &format!("r{round}")), "{}", after).await;
        let new = json!({"name": format!("s{round}"), "url": "http://127.0.0.1:9/"});
        let add = head("/subscribers", &format!("s{round}"));
        post_and_reset(address, &add, &new.to_string(), after).await;
    }
    let admin = app
        .anyone()
        .header("Authorization", &format!("Bearer {token}"));
    let (mut secrets, nothing) = (Vec::new(), json!({}));
    for round in 0..40 {
        let keyed = |key: String| admin.clone().header("Idempotency-Key", &key);
        let rotating = keyed(format!("r{round}"));
        let first = settled_answer(|| rotating.post(rotate, &nothing)).await;
        let again = rotating.post(rotate, &nothing).await;
        assert_eq!((again.status, &again.text), (200, &first));
        secrets.push(first);
        let new = json!({"name": format!("s{round}"), "url": "http://127.0.0.1:9/"});
        let adding = keyed(format!("s{round}"));
        settled_answer(|| adding.post("/subscribers", &new)).await;
    }
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 40, "two keys have one answer");
    // Those without a key may still be under way.
    until_async("each secret that was made has its line", async || {
        let actions = fields(&app.audit().await, ["action"]).concat();
        let makes_one = ["subscriber.added", "subscriber.secret-rotated"];
        let written = actions.iter().filter(|it| makes_one.contains(&it.as_str()));
        app.tables().secrets_made() == written.count()
    })
    .await;
    let subscribers = std::sync::Arc::clone(&app.store.subscribers().borrow());
    assert_eq!(subscribers.len(), 41);
    for subscriber in &*subscribers {
        let subscriber_id = subscriber.id;
        let outbound = app.store.read(OutboundQuery { subscriber_id }).await;
        assert!(!outbound.unwrap().secrets.is_empty(), "{subscriber:?}");
    }
    app.stop().await;
}

/// The answer under a key, once the request under way is answered; never that it is not known.
async fn settled_answer<F>(ask: impl Fn() -> F) -> String
where
    F: Future<Output = Answered>,
{
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if answer.status != 409 {
            assert!([200, 201].contains(&answer.status), "{answer:?}");
            return answer.text;
        }
        assert!(answer.text.contains("is being answered"), "{answer:?}");
        assert!(std::time::Instant::now() < deadline, "it is never answered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What is begun under a key, and how it is requested again.
fn once(key: &str) -> Once<Tested> {
    Once {
        ticket: Ticket {
            caller: "test".to_owned(),
            key: key.to_owned(),
            request: [7; 32],
        },
        shape: std::sync::Arc::new(|_: &Tested| {
            Some(KeptAnswer {
                status: 200,
                body: "{}".to_owned(),
                location: None,
            })
        }),
        turn: std::sync::Arc::new(()),
    }
}

/// The asker goes away while samples are sent: in a task of its own the work is done and its answer
/// kept. The control is the same work without one.
#[actix_web::test]
async fn work_apart_ends_without_its_asker_and_other_work_does_not() {
    let app = TestApp::boot_with(Clock::system(), |config| config.forward.timeout = PATIENCE).await;
    // What work without an asker went on to send would arrive among the samples of the other.
    let receiver = Receiver::scripted(|_, _| Reply::status(200).after(Duration::from_millis(50)));
    // The first sample is not answered before its work is cut, so no second one is on its way then.
    receiver.hold(true);
    app.subscribe("crm", &receiver.url).await;
    let test = || TestSubscriber {
        name: "crm".to_owned(),
        sample: Sample::default(),
    };
    let kept = async |key: &str| {
        let ticket = once(key).ticket;
        let known = app.store.read(RememberedQuery { ticket }).await.unwrap();
        known.is_some_and(|known| known.answer.is_some())
    };
    let (progress, _reports) = tokio::sync::mpsc::unbounded_channel();
    let (operations, cli, within) = (&app.operations, Caller::cli(), Some(once("within")));
    let work = operations.perform(cli.clone(), test(), progress.clone(), within);
    tokio::select! {
        _ = work => panic!("it was done before it could be cut"),
        () = until("a sample arrives", || receiver.count() > 0) => {}
    }
    assert_eq!(receiver.count(), 1);
    receiver.hold(false);
    drop(operations.perform_apart(cli, test(), progress, Some(once("apart"))));
    operations.finished().await;
    assert_eq!(receiver.count(), 1 + 6);
    assert!(kept("apart").await);
    assert!(!kept("within").await);
    app.stop().await;
}

/// What to send to each route that changes something; a route that is missing here fails.
fn example(method: &str, path: &str, replay: &str, forward: &str) -> (String, Value) {
    let url = "http://127.0.0.1:9/";
    let (path, body) = match (method, path) {
        ("POST", "/subscribers") => (path, json!({"name": "new", "url": url})),
        ("PATCH", "/subscribers/{name}") => ("/subscribers/crm", json!({"concurrency": 3})),
        ("POST", "/subscribers/{name}/rotate-secret") => {
            ("/subscribers/crm/rotate-secret", json!({}))
        }
        ("POST", "/subscribers/{name}/pause") => ("/subscribers/crm/pause", json!({})),
        ("POST", "/subscribers/{name}/resume") => ("/subscribers/crm/resume", json!({})),
        ("POST", "/subscribers/{name}/test") => ("/subscribers/crm/test", json!({})),
        ("DELETE", "/subscribers/{name}") => ("/subscribers/crm", Value::Null),
        ("POST", "/forwards/{id}/retry") => {
            return (format!("/forwards/{forward}/retry"), json!({}));
        }
        ("POST", "/replays") => (path, json!({"subscriber": "crm", "missed": true})),
        ("POST", "/replays/{id}/cancel") => {
            return (format!("/replays/{replay}/cancel"), json!({}));
        }
        ("POST", "/messages") => (path, json!({"source": "cloud", "msId": "wamid.new"})),
        ("POST", "/webhooks/{id}/reprocess") => ("/webhooks/1/reprocess", json!({})),
        ("POST", "/sources/{name}/broadcasts") => {
            ("/sources/botsquad/broadcasts", json!({"id": "b1"}))
        }
        ("POST", "/sources/{name}/sent") => (
            "/sources/cloud/sent",
            json!({
                "request": {"to": "+34600000001", "type": "text", "text": {"body": "hi"}},
                "response": {"messages": [{"id": "wamid.sent"}]},
            }),
        ),
        ("POST", "/forwards/retry") => (path, json!({"ids": [forward]})),
        ("POST", "/webhooks/reprocess") => (path, json!({"ids": [1]})),
        ("POST", "/tokens") => (path, json!({"role": "admin", "name": "another"})),
        // The first is the one that asks.
        ("POST", "/tokens/{id}/revoke") => ("/tokens/2/revoke", json!({})),
        ("POST", "/keys/rotate") => (path, json!({})),
        ("POST", "/erasures") => (path, json!({"person": "+34600000001"})),
        ("PUT", "/templates/{name}/{language}") => ("/templates/a/en", json!({"body": "text"})),
        ("DELETE", "/templates/{name}/{language}") => ("/templates/b/en", Value::Null),
        _ => panic!("say what to send to {method} {path}"),
    };
    (path.to_owned(), body)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A service with a switch beneath it, a subscriber that was sent one forward, and what each route
/// needs to be asked.
struct Scene {
    home: Home,
    switch: Switch,
    service: Service,
    receiver: Receiver,
    token: String,
    replay: String,
    forward: String,
}

impl Scene {
    async fn set() -> Self {
        let (home, switch) = shim::with_switch();
        let config = home.file("tickrelay.toml");
        let before = std::fs::read_to_string(&config).unwrap();
        let pulled = "[[source]]\nname = \"botsquad\"\nprovider = \"botsquad\"\n\
             url = \"http://127.0.0.1:9/{id}\"\nunauthenticated = true\n";
        std::fs::write(&config, format!("{before}{pulled}")).unwrap();
        let receiver = Receiver::start();
        let service = home.start();
        service.subscribe("crm", &receiver.url);
        let token = service.token();
        service.token();
        let mut scene = Self {
            token,
            home,
            switch,
            service,
            receiver,
            replay: String::new(),
            forward: String::new(),
        };
        post_each(scene.service.address, 0..1).await;
        until("it is delivered", || scene.receiver.count() == 1).await;
        let template = json!({"body": "text"});
        scene.ask("PUT", "/templates/b/en", &template, None).await;
        let missed = json!({"subscriber": "crm", "states": ["gave-up"]});
        let replay = scene.ask("POST", "/replays", &missed, None).await;
        scene.replay = text(&replay.json()["id"]);
        let forwards = scene.ask("GET", "/forwards", &Value::Null, None).await;
        scene.forward = text(&forwards.json()["data"][0]["id"]);
        let path = format!("/replays/{}", scene.replay);
        until_async("the replay is done", async || {
            let replay = scene.ask("GET", &path, &Value::Null, None).await;
            replay.json()["state"] == "done"
        })
        .await;
        scene
    }

    async fn ask(&self, method: &str, path: &str, body: &Value, key: Option<&str>) -> Answered {
        let of_socket = ["/tokens", "/keys", "/erasures"];
        let mut request = if of_socket.iter().any(|route| path.starts_with(route)) {
            let url = format!("http://localhost/api/v1{path}");
            client_over(&self.home.file("tickrelay.db.sock")).request(method.parse().unwrap(), url)
        } else {
            let url = format!("http://{}/api/v1{path}", self.service.address);
            let request = client().request(method.parse().unwrap(), url);
            request.bearer_auth(&self.token)
        };
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if !body.is_null() {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.unwrap();
        Answered {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// The status of the problem that a job ends with; null when it is done.
    async fn end_of(&self, begun: &Answered) -> Value {
        let id = text(&begun.json()["id"]);
        loop {
            let path = format!("/jobs/{id}");
            let socket = client_over(&self.home.file("tickrelay.db.sock"));
            let url = format!("http://localhost/api/v1{path}");
            let answer = socket.get(url).send().await.unwrap().text().await.unwrap();
            let job: Value = serde_json::from_str(&answer).unwrap();
            if job["state"] != "running" {
                return job["problem"]["status"].clone();
            }
        }
    }
}

/// Every route that changes something, those that remove something last.
fn changing() -> Vec<(String, &'static str)> {
    let endpoints = tickrelay::web::api::endpoints();
    let mut changing: Vec<(String, &str)> = endpoints
        .iter()
        .map(|endpoint| (endpoint.method.to_string(), endpoint.path))
        .filter(|(method, _)| method != "GET")
        .collect();
    changing.sort_by_key(|(method, _)| method == "DELETE");
    changing
}

/// Every route that changes something is asked while the disk is so: 503, and nothing is changed
/// or sent. Then it works again, and so does each.
async fn check_disk(disk: Disk) {
    let scene = Scene::set().await;
    let before = Tables::at(&scene.home.store()).contents();
    scene.switch.set(disk);
    for (method, path) in changing() {
        let (path, body) = example(&method, path, &scene.replay, &scene.forward);
        let keys = [None, (method == "POST").then_some(path.as_str())];
        for key in keys {
            let refused = scene.ask(&method, &path, &body, key).await;
            // One that has ended stays as it is, and to say so needs no write.
            if path.ends_with("/cancel") && key.is_none() {
                refused.with(200);
                continue;
            }
            // Long work is taken on, and says at its end that nothing was done.
            if refused.status == 202 {
                let problem = scene.end_of(&refused).await;
                assert!(
                    problem == 503 || problem.is_null(),
                    "{method} {path}: {problem}"
                );
                continue;
            }
            assert_eq!(refused.status, 503, "{method} {path}: {refused:?}");
            refused.problem(503);
            assert_ne!(refused.header("retry-after"), "", "{method} {path}");
        }
    }
    assert_eq!(scene.receiver.count(), 1, "samples were sent");
    scene.switch.set(Disk::Works);
    assert_eq!(Tables::at(&scene.home.store()).contents(), before);
    for (method, path) in changing() {
        let (path, body) = example(&method, path, &scene.replay, &scene.forward);
        let key = (method == "POST").then_some(path.as_str());
        let done = scene.ask(&method, &path, &body, key).await;
        assert!(
            (200..300).contains(&done.status),
            "{method} {path}: {done:?}"
        );
    }
    scene.service.stop();
}

#[actix_web::test]
async fn on_a_full_disk_every_change_is_refused_and_nothing_is_done() {
    check_disk(Disk::Full).await;
}

#[actix_web::test]
async fn on_a_read_only_disk_every_change_is_refused_and_nothing_is_done() {
    check_disk(Disk::ReadOnly).await;
}

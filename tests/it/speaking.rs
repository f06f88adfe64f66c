//! The command line speaks the API: over the socket, to a service elsewhere, in its own process.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::json;

use crate::support::cli::Folder;

/// Every way to the same documents.
#[actix_web::test]
async fn a_document_is_the_same_with_a_service_without_one_and_from_elsewhere() {
    let folder = Folder::new();
    let token = folder.done(&["token", "create", "--role", "admin"]).await;
    let alone = folder.run(&["token", "list", "--json"]).await.json();
    assert_eq!(alone["data"][0]["name"], "admin");
    assert_eq!(alone["data"][0]["role"], "admin");
    let service = folder.serve();
    let beside = folder.run(&["token", "list", "--json"]).await.json();
    assert_eq!(beside, alone);
    let away = ["--url", service.base(), "--token", token.trim()];
    let list = [&away, &["token", "list", "--json"][..]].concat();
    let mut elsewhere = folder.run(&list).await.json();
    // A token that was used says so.
    elsewhere["data"][0]["last_used_at"] = serde_json::Value::Null;
    assert_eq!(elsewhere, alone);
}

#[actix_web::test]
async fn each_list_is_the_same_document_by_every_way() {
    let folder = Folder::new();
    let token = folder.done(&["token", "create", "--role", "admin"]).await;
    let lists = [
        &["account", "list"][..],
        &["attempt", "list"],
        &["broadcast", "list"],
        &["forward", "list"],
        &["key", "list"],
        &["message", "list"],
        &["replay", "list"],
        &["source", "list"],
        &["subscriber", "list"],
        &["subscriber", "show", "crm"],
        &["template", "list"],
        &["webhook", "list"],
    ];
    let url = "http://127.0.0.1:9/";
    let add = ["subscriber", "add", "--name", "crm", "--url", url];
    folder.done(&add).await;
    folder.done(&["template", "put", "order", "en", "Hi"]).await;
    let mut alone = Vec::new();
    for list in lists {
        let list = [list, &["--json"]].concat();
        alone.push(folder.run(&list).await.json());
    }
    let service = folder.serve();
    let away = ["--url", service.base(), "--token", token.trim()];
    for (list, alone) in lists.iter().zip(alone) {
        let list = [list, &["--json"][..]].concat();
        let beside = folder.run(&list).await.json();
        assert_eq!(beside, alone, "{list:?}");
        let elsewhere = folder.run(&[&away[..], &list].concat()).await.json();
        assert_eq!(elsewhere, alone, "{list:?}");
    }
}

#[actix_web::test]
async fn a_service_elsewhere_refuses_what_its_socket_alone_answers() {
    let folder = Folder::new();
    let token = folder.done(&["token", "create", "--role", "admin"]).await;
    let service = folder.serve();
    let away = ["--url", service.base(), "--token", token.trim()];
    let create = ["token", "create", "--role", "admin"];
    let refused = folder.run(&[&away[..], &create].concat()).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(refused.talk.contains("own socket alone"), "{refused:?}");
    let erase = ["erase", "+34600000001", "--yes"];
    let again = folder.run(&[&away[..], &erase].concat()).await;
    assert_eq!((again.exit, again.talk), (1, refused.talk));
    let revoke = ["token", "revoke", "1"];
    let refused = folder.run(&[&away[..], &revoke].concat()).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    // The control: over the socket it is done.
    folder.done(&revoke).await;
    let refused = folder.run(&[&away[..], &["token", "list"]].concat()).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(
        refused.talk.contains("the token was revoked"),
        "{refused:?}"
    );
}

#[actix_web::test]
async fn a_wrong_token_and_a_service_that_is_not_there_give_two_errors() {
    let folder = Folder::new();
    let service = folder.serve();
    let wrong = ["--url", service.base(), "--token", "tr_wrong"];
    let refused = folder.run(&[&wrong[..], &["token", "list"]].concat()).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(
        refused.talk.contains("the token is not known"),
        "{refused:?}"
    );
    let none = ["--url", service.base()];
    let refused = folder.run(&[&none[..], &["token", "list"]].concat()).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(
        refused.talk.contains("Authorization: Bearer"),
        "{refused:?}"
    );
    // Nor is that a message or a number of which nothing was reported.
    for term in ["wamid.1", "key:1", "+34600000001"] {
        let show = [&wrong[..], &["message", "show", term]].concat();
        let refused = folder.run(&show).await;
        assert_eq!(refused.exit, 1, "{refused:?}");
        assert!(
            refused.talk.contains("the token is not known"),
            "{refused:?}"
        );
    }
    let behind = ["message", "list", "--url", service.base()];
    let misplaced = folder.run(&behind).await;
    assert_eq!(misplaced.exit, 2, "{misplaced:?}");
    let said = "before the command";
    assert!(misplaced.talk.contains(said), "{misplaced:?}");
    let nobody = ["--url", "http://127.0.0.1:1", "token", "list"];
    let broken = folder.run(&nobody).await;
    assert_eq!(broken.exit, 2, "{broken:?}");
    assert!(
        broken
            .talk
            .contains("cannot reach the service at http://127.0.0.1:1")
    );
    let no_url = folder
        .run(&["--url", "relay.example.com", "token", "list"])
        .await;
    assert_eq!(no_url.exit, 2, "{no_url:?}");
    assert!(
        no_url.talk.contains("https://relay.example.com"),
        "{no_url:?}"
    );
}

/// What stands at the socket's path answers each request with the next of these texts, then goes.
fn pretend_each(folder: &Folder, answers: Vec<String>) -> std::thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(folder.path("tickrelay.db.sock")).unwrap();
    std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            asked.push(answer_one(&listener, &answer));
        }
        asked
    })
}

/// Answers the next request on that socket with this text.
fn answer_one(listener: &UnixListener, answer: &str) -> String {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = request(&mut stream);
        // A command connects once to see whether a service answers.
        if !asked.is_empty() {
            stream.write_all(answer.as_bytes()).unwrap();
            return asked;
        }
    }
}

/// The whole request that arrives there; empty where none does.
fn request(stream: &mut UnixStream) -> String {
    let (mut asked, mut part) = (String::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut part).unwrap();
        asked.push_str(&String::from_utf8_lossy(&part[..length]));
        let whole = asked.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let mut lines = head.lines();
            let announced = lines.find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= announced.map_or(0, |length| length.parse::<usize>().unwrap())
        });
        if whole || length == 0 {
            return asked;
        }
    }
}

/// As `pretend_each`, with one answer.
fn pretend(folder: &Folder, answer: &str) -> std::thread::JoinHandle<Vec<String>> {
    pretend_each(folder, vec![answer.to_owned()])
}

/// An answer with that body, after which the connection ends.
fn answer(status: &str, media_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const PROBLEM: &str = "application/problem+json";

#[actix_web::test]
async fn a_service_of_another_version_is_refused_in_words() {
    let folder = Folder::new();
    folder.make_store().await;
    let body = r#"{"detail": "the service has version 9.0.0 and this command line another"}"#;
    let service = pretend(&folder, &answer("409 Conflict", PROBLEM, body));
    let refused = folder.run(&["token", "list"]).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert!(
        refused.talk.contains("the service has version 9.0.0"),
        "{refused:?}"
    );
    let asked = service.join().unwrap().concat();
    let named = format!("tickrelay-version: {}", env!("CARGO_PKG_VERSION"));
    assert!(asked.contains(&named), "{asked}");
    // One that speaks no HTTP, as before the API was spoken here.
    std::fs::remove_file(folder.path("tickrelay.db.sock")).unwrap();
    let service = pretend(
        &folder,
        "{\"failure\":{\"refused\":\"unreadable request\"}}\n",
    );
    let broken = folder.run(&["token", "list"]).await;
    assert_eq!(broken.exit, 2, "{broken:?}");
    assert!(broken.talk.contains("of another version"), "{broken:?}");
    service.join().unwrap();
}

#[actix_web::test]
async fn what_reads_takes_no_lock_and_what_changes_does() {
    let folder = Folder::new();
    folder.make_store().await;
    let service = folder.serve();
    std::fs::rename(folder.path("tickrelay.db.sock"), folder.path("away.sock")).unwrap();
    // For a moment no socket is there: a read works all the same, and a change is refused.
    let list = folder.run(&["token", "list"]).await;
    assert_eq!(list.exit, 0, "{list:?}");
    drop(service);
    let _ = std::fs::remove_file(folder.path("tickrelay.db.sock"));
    folder.done(&["token", "revoke", "1"]).await;
    let list = folder.done(&["token", "list"]).await;
    assert!(list.contains("revoked"), "{list}");
}

/// A service that was started again on another store does not know the job.
#[actix_web::test]
async fn a_job_whose_end_cannot_be_seen_is_no_refusal() {
    let folder = Folder::new();
    folder.make_store().await;
    let id = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11";
    let job = json!({
        "id": id, "kind": "erase", "dry_run": false, "state": "running", "done": 0, "total": 0,
        "created_at": "2025-10-09T08:53:20.000Z", "finished_at": null,
        "result": null, "problem": null,
    });
    let gone = r#"{"detail": "there is no such job"}"#;
    let service = pretend_each(
        &folder,
        vec![
            answer("202 Accepted", "application/json", &job.to_string()),
            answer("404 Not Found", PROBLEM, gone),
        ],
    );
    let broken = folder.run(&["erase", "+34600000001", "--yes"]).await;
    assert_eq!(broken.exit, 2, "{broken:?}");
    let said = format!("job {id} was begun and its end is not known");
    assert!(broken.talk.contains(&said), "{broken:?}");
    service.join().unwrap();
}

#[actix_web::test]
async fn a_role_that_reads_no_bodies_is_shown_the_rest_of_a_webhook() {
    let folder = Folder::new();
    let token = folder.done(&["token", "create", "--role", "analyst"]).await;
    let service = folder.serve();
    service.post("no json").await;
    let away = ["--url", service.base(), "--token", token.trim()];
    let show = [&away[..], &["webhook", "show", "1"]].concat();
    let shown = folder.run(&show).await;
    assert_eq!(shown.exit, 0, "{shown:?}");
    assert!(shown.data.contains("unparsed: not JSON"), "{shown:?}");
    assert!(shown.talk.contains("the role analyst"), "{shown:?}");
    let json = folder.run(&[&show[..], &["--json"]].concat()).await.json();
    assert_eq!((&json["id"], &json["body"]), (&json!(1), &json!(null)));
    let raw = folder.run(&[&show[..], &["--raw"]].concat()).await;
    assert_eq!((raw.exit, raw.data.as_str()), (1, ""));
}

#[actix_web::test]
async fn a_token_is_for_a_url_alone() {
    let folder = Folder::new().variable("TICKRELAY_TOKEN", "tr_left_over");
    folder.make_store().await;
    let alone = folder.done(&["token", "list"]).await;
    let service = folder.serve();
    assert_eq!(folder.done(&["token", "list"]).await, alone);
    folder.make_store().await;
    let flag = folder.run(&["--token", "tr_wrong", "token", "list"]).await;
    assert_eq!(flag.exit, 2, "{flag:?}");
    assert!(flag.talk.contains("--token is for"), "{flag:?}");
    // The control: at a URL the variable counts.
    let away = folder
        .run(&["--url", service.base(), "token", "list"])
        .await;
    assert_eq!(away.exit, 1, "{away:?}");
    assert!(away.talk.contains("the token is not known"), "{away:?}");
}

#[actix_web::test]
async fn what_answers_and_is_no_tickrelay_is_no_refusal() {
    let folder = Folder::new();
    folder.make_store().await;
    let leads = "308 Permanent Redirect\r\nLocation: https://relay.example.com/api/v1/tokens";
    let (list, revoke) = (&["token", "list"][..], &["token", "revoke", "1"][..]);
    let maybe = "look before you repeat it";
    for (status, command, said, unsaid) in [
        ("404 Not Found", list, "does the proxy pass", maybe),
        (leads, list, "https://relay.example.com: write", maybe),
        ("504 Gateway Timeout", list, "504 Gateway Timeout", maybe),
        ("504 Gateway Timeout", revoke, maybe, "/api/v1/"),
    ] {
        let service = pretend(&folder, &answer(status, "text/html", "<html>"));
        let broken = folder.run(command).await;
        assert_eq!(broken.exit, 2, "{broken:?}");
        assert!(broken.talk.contains(said), "{said}: {broken:?}");
        assert!(!broken.talk.contains(unsaid), "{unsaid}: {broken:?}");
        service.join().unwrap();
        std::fs::remove_file(folder.path("tickrelay.db.sock")).unwrap();
    }
}

#[actix_web::test]
async fn a_token_is_not_sent_in_clear_to_another_machine() {
    let folder = Folder::new();
    let away = ["--url", "http://192.0.2.1", "--token", "tr_any"];
    let refused = folder.run(&[&away[..], &["token", "list"]].concat()).await;
    assert_eq!(refused.exit, 2, "{refused:?}");
    assert!(refused.talk.contains("write https://"), "{refused:?}");
}

#[actix_web::test]
async fn what_was_registered_before_a_refusal_is_said() {
    let folder = Folder::new();
    folder.make_store().await;
    let message = |n| format!(r#"{{"msId": "wa-{n}", "source": "cloud"}}"#);
    let messages: Vec<String> = (0..8193).map(message).collect();
    std::fs::write(folder.path("sent.json"), messages.join("\n")).unwrap();
    let bulk = r#"{"accepted": 8192, "refused": 0, "results": []}"#;
    let many = r#"{"detail": "too many requests"}"#;
    let service = pretend_each(
        &folder,
        vec![
            answer("200 OK", "application/json", bulk),
            answer("429 Too Many Requests", PROBLEM, many),
        ],
    );
    let refused = folder.run(&["message", "register", "sent.json"]).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    for said in ["too many requests", "8192 messages 8192 were registered"] {
        assert!(refused.talk.contains(said), "{refused:?}");
    }
    service.join().unwrap();
}

#[actix_web::test]
async fn a_replay_that_cannot_be_watched_is_named() {
    let folder = Folder::new();
    folder.make_store().await;
    let id = "0199c9a4-64ba-7a06-a3ef-9a5c3f0d0c11";
    let replay = json!({
        "id": id, "subscriber": "crm", "state": "running", "examined": 0, "total": 9,
        "queued": 0, "states": ["gave-up"], "new_id": false,
        "created_at": "2025-10-09T08:53:20.000Z",
    });
    let service = pretend_each(
        &folder,
        vec![
            answer("202 Accepted", "application/json", &replay.to_string()),
            answer(
                "401 Unauthorized",
                PROBLEM,
                r#"{"detail": "it has expired"}"#,
            ),
        ],
    );
    let retry = ["forward", "retry", "--subscriber", "crm", "--missed"];
    let refused = folder.run(&retry).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    for said in ["it has expired", &format!("the replay {id} was begun")] {
        assert!(refused.talk.contains(said), "{refused:?}");
    }
    service.join().unwrap();
}

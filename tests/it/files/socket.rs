//! The socket beside the store, on which the API answers its operator: bound, removed, refused.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tickrelay::clock::Clock;
use tickrelay::server;

use crate::support::cli::Folder;
use crate::support::service::Home;
use crate::support::{client_builder, client_over, config, until};

#[actix_web::test]
async fn a_socket_that_nobody_answers_any_more_is_replaced() {
    let home = Home::new();
    let service = home.start();
    let socket = home.file("tickrelay.db.sock");
    let away = home.file("away.sock");
    let made = || std::fs::symlink_metadata(&socket).and_then(|found| found.modified());
    let first = made().unwrap();
    std::fs::rename(&socket, &away).unwrap();
    until("there is a socket again", || socket.exists()).await;
    // The first one comes back, as with its folder, and its listener is gone.
    std::fs::rename(&away, &socket).unwrap();
    // A connection proves nothing: the first listener may take it and be gone.
    until("it is replaced", || made().is_ok_and(|now| now != first)).await;
    let answer = client_over(&socket)
        .get("http://localhost/api/v1/sources")
        .send();
    assert_eq!(answer.await.unwrap().status(), 200);
    service.stop();
}

#[actix_web::test]
async fn a_socket_that_is_removed_is_bound_again_for_its_owner_alone() {
    let home = Home::new();
    let service = home.start();
    let socket = home.file("tickrelay.db.sock");
    std::fs::remove_file(&socket).unwrap();
    until("there is a socket again", || socket.exists()).await;
    let answer = client_over(&socket)
        .get("http://localhost/api/v1/sources")
        .send();
    assert_eq!(answer.await.unwrap().status(), 200);
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    service.stop();
    assert!(!socket.exists());
}

#[actix_web::test]
async fn a_file_that_is_no_socket_keeps_the_service_from_starting() {
    let home = Home::new();
    let socket = home.file("tickrelay.db.sock");
    std::fs::write(&socket, "mine").unwrap();
    let (code, log) = home.refused();
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("another file, which is no socket, is there: move it away"),
        "{log}"
    );
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "mine");
    // The control: without the file it starts.
    std::fs::remove_file(&socket).unwrap();
    home.start().stop();
}

/// The service is a part of this process, so that it can be refused before it runs.
#[actix_web::test]
async fn a_socket_that_cannot_be_made_is_refused_before_any_attempt() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder.path().join("tickrelay.db"));
    let socket = folder.path().join("tickrelay.db.sock");
    std::fs::write(&socket, "mine").unwrap();
    let built = || server::build(config.clone(), Clock::system());
    let error = built().err().map(|error| format!("{error:#}")).unwrap();
    assert!(error.contains("which is no socket"), "{error}");
    // The control: without the file it is built, and the socket is there before it runs.
    std::fs::remove_file(&socket).unwrap();
    let server = built().unwrap();
    assert!(socket.exists());
    drop(server);
    assert!(!socket.exists());
}

#[actix_web::test]
async fn a_command_names_the_folder_in_which_it_can_make_no_socket() {
    let folder = Folder::new();
    folder.make_store().await;
    let long = folder.path(&"long".repeat(25));
    std::fs::create_dir(&long).unwrap();
    for wrong in [folder.path("missing"), long] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickrelay"));
        command.current_dir(folder.path(""));
        command.args(["subscriber", "list"]).env("TMPDIR", &wrong);
        let answer = command.output().unwrap();
        let said = String::from_utf8(answer.stderr).unwrap();
        assert_eq!(answer.status.code(), Some(2), "{said}");
        let named = format!("{}: set TMPDIR", wrong.display());
        assert!(said.contains(&named), "{said}");
    }
}

#[actix_web::test]
async fn the_socket_alone_makes_an_operator_of_a_request() {
    let home = Home::new();
    let service = home.start();
    let new = json!({ "name": "crm", "url": "http://127.0.0.1:9/" });
    let add = |client: reqwest::Client, base: String| {
        let url = format!("{base}/api/v1/subscribers");
        let request = client.post(url).header("Content-Type", "application/json");
        request.body(new.to_string()).send()
    };
    let socket = client_over(&home.file("tickrelay.db.sock"));
    // The control: the same over TCP, with whatever a peer may write into a head.
    let network = client_builder().default_headers(
        [("host", "localhost"), ("x-forwarded-for", "")]
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect(),
    );
    let address = format!("http://{}", service.address);
    let refused = add(network.build().unwrap(), address.clone()).await;
    assert_eq!(refused.unwrap().status(), 401);
    let added = add(socket.clone(), "http://localhost".to_owned()).await;
    assert_eq!(added.unwrap().status(), 201);
    // It answers nothing but the API.
    for path in ["/webhooks/cloud", "/metrics", "/livez"] {
        let answer = socket.get(format!("http://localhost{path}")).send().await;
        assert_eq!(answer.unwrap().status(), 404, "{path}");
    }
    // A token over the socket is judged as over TCP.
    let wrong = socket.get("http://localhost/api/v1/sources");
    let wrong = wrong.bearer_auth("tr_wrong").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    service.stop();
}

#[actix_web::test]
async fn a_client_of_another_version_is_refused_in_words() {
    let home = Home::new();
    let service = home.start();
    let socket = client_over(&home.file("tickrelay.db.sock"));
    let list = |version: &'static str| {
        let list = socket.get("http://localhost/api/v1/sources");
        list.header("Tickrelay-Version", version).send()
    };
    let answer = list("99.0.1").await.unwrap();
    assert_eq!(answer.status(), 409);
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("99.0.1"), "{detail}");
    assert!(detail.contains(env!("CARGO_PKG_VERSION")), "{detail}");
    // The control: its own version.
    let same = list(env!("CARGO_PKG_VERSION")).await.unwrap();
    assert_eq!(same.status(), 200);
    service.stop();
}

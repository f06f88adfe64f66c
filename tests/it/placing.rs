//! Where the store is looked for, who makes it, and that every other command refuses where none is.

use std::path::Path;

use crate::support::cli::Folder;
use crate::support::cloud_status;

/// A configuration that says nothing of the store.
const FILE: &str = "[server]\nlisten = \"127.0.0.1:0\"\n\
    [[source]]\nname = \"cloud\"\nprovider = \"meta-cloud\"\n\
    app_secrets = [\"an-app-secret-of-the-folder\"]\nverify_token = \"a-verify-token\"\n";

/// Folders below the current one, and what is in them, in order.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A folder whose `etc/t.toml` says nothing of the store.
fn with_file_elsewhere() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("etc")).unwrap();
    std::fs::write(folder.path("etc/t.toml"), FILE).unwrap();
    folder
}

#[actix_web::test]
async fn the_store_lies_beside_the_file_of_the_configuration() {
    let folder = with_file_elsewhere();
    let config = ["--config", "etc/t.toml"];
    let create = [&["token", "create", "--role", "admin"][..], &config].concat();
    let made = folder.run(&create).await;
    let store = folder.path("etc/tickrelay.db");
    assert!(made.exit == 0 && store.exists(), "{made:?}");
    let place = format!("the store is made: {}, of the user ", store.display());
    assert!(made.talk.contains(&place), "{made:?}");
    assert!(!folder.path("tickrelay.db").exists());
    // The service takes the same one, and the token holds.
    let service = folder.serve_with(&config);
    let url = format!("{}/api/v1/subscribers", service.base());
    let get = crate::support::client()
        .get(url)
        .bearer_auth(made.data.trim());
    assert_eq!(get.send().await.unwrap().status(), 200);
    service
        .post(cloud_status("wamid.A", "sent", 1_760_000_000))
        .await;
    drop(service);
    let list = folder
        .done(&["message", "list", "--json", "--config", "etc/t.toml"])
        .await;
    assert!(list.contains("wamid.A"), "{list}");
}

#[actix_web::test]
async fn paths_of_the_file_are_relative_to_it_and_those_of_flags_to_the_current_folder() {
    let folder = with_file_elsewhere();
    let paths = "[store]\nurl = \"sqlite://data/x.db\"\n[forward]\nca_file = \"ca.pem\"\n\
        [[source]]\nname = \"other\"\nprovider = \"infobip\"\nurl_token = { file = \"token\" }\n";
    std::fs::write(folder.path("etc/t.toml"), format!("{paths}{FILE}")).unwrap();
    let show = ["config", "show", "--config", "etc/t.toml"];
    let missing = folder.run(&show).await;
    for file in ["etc/ca.pem", "etc/token"] {
        assert!(missing.exit == 2, "{missing:?}");
        let named = missing.talk.contains(&format!("cannot read {file}"));
        assert!(named || file == "etc/ca.pem", "{missing:?}");
    }
    std::fs::write(folder.path("etc/token"), "token").unwrap();
    let missing = folder.run(&show).await;
    assert!(
        missing.talk.contains("cannot read etc/ca.pem"),
        "{missing:?}"
    );
    std::fs::write(
        folder.path("etc/t.toml"),
        format!("{paths}{FILE}").replace("ca_file = \"ca.pem\"\n", ""),
    )
    .unwrap();
    let shown = folder.done(&show).await;
    assert!(
        shown.contains("url = \"sqlite://etc/data/x.db\""),
        "{shown}"
    );
    let flag = [&show[..], &["--store", "sqlite://y.db"]].concat();
    let shown = folder.done(&flag).await;
    assert!(shown.contains("url = \"sqlite://y.db\""), "{shown}");
}

#[actix_web::test]
async fn a_store_where_it_used_to_be_is_not_passed_over() {
    let folder = with_file_elsewhere();
    let create = ["token", "create", "--role", "admin"];
    folder.done(&create).await;
    let old = folder.path("tickrelay.db");
    let new = folder.path("etc/tickrelay.db");
    assert!(old.exists());
    for command in [
        &["serve"][..],
        &create,
        &["token", "list"],
        &["message", "list"],
        &[
            "subscriber",
            "add",
            "--name",
            "a",
            "--url",
            "https://a.example/",
        ],
        &["erase", "385990001122", "--yes"],
        &["source", "list"],
        &["config", "check"],
        &["config", "show"],
    ] {
        let answer = folder
            .run(&[command, &["--config", "etc/t.toml"]].concat())
            .await;
        assert_eq!((answer.exit, answer.data.as_str()), (1, ""), "{command:?}");
        for part in [
            old.to_str().unwrap(),
            new.to_str().unwrap(),
            "under [store]",
        ] {
            assert!(answer.talk.contains(part), "{command:?}: {answer:?}");
        }
        assert_eq!(files(&folder.path("etc")), ["t.toml"], "{command:?}");
    }
    // Each remedy that it names works.
    let url = format!("[store]\nurl = \"sqlite://{}\"\n", old.display());
    std::fs::write(folder.path("etc/t.toml"), format!("{url}{FILE}")).unwrap();
    let tokens = folder
        .done(&["token", "list", "--config", "etc/t.toml"])
        .await;
    assert!(tokens.contains("admin"), "{tokens}");
    std::fs::write(folder.path("etc/t.toml"), FILE).unwrap();
    for name in files(&folder.path("")) {
        if name.starts_with("tickrelay.") && name != "tickrelay.toml" {
            let moved = folder.path("etc").join(&name);
            std::fs::rename(folder.path(&name), moved).unwrap();
        }
    }
    let tokens = folder
        .done(&["token", "list", "--config", "etc/t.toml"])
        .await;
    assert!(tokens.contains("admin"), "{tokens}");
}

#[actix_web::test]
async fn a_refused_command_makes_nothing_and_says_where_it_looked() {
    let folder = Folder::new();
    let before = files(&folder.path(""));
    for command in [
        &[
            "subscriber",
            "add",
            "--name",
            "a",
            "--url",
            "https://a.example/",
        ][..],
        &["erase", "385990001122", "--yes"],
        &["erase", "385990001122"],
        &["template", "put", "order", "en", "Hi"],
        &["token", "list"],
    ] {
        let answer = folder.run(command).await;
        assert_eq!((answer.exit, answer.data.as_str()), (1, ""), "{answer:?}");
        let place = format!("no store at {}: ", folder.path("tickrelay.db").display());
        assert!(answer.talk.starts_with(&place), "{answer:?}");
        assert_eq!(files(&folder.path("")), before, "{command:?}");
    }
}

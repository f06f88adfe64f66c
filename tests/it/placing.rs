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

/// What may stand where a store is looked for and is none, each with a word of the refusal.
const NO_STORES: [(&str, &str); 5] = [
    ("empty", "`tickrelay serve` makes it"),
    ("garbage", "no SQLite file is there"),
    ("foreign", "a SQLite file of another program is there"),
    ("folder", "a folder is there"),
    ("pipe", "a pipe, a socket or a device is there"),
];

fn put(kind: &str, path: &Path) {
    match kind {
        "empty" => std::fs::write(path, "").unwrap(),
        "garbage" => std::fs::write(path, "Dear diary, ".repeat(99)).unwrap(),
        "foreign" => {
            let foreign = rusqlite::Connection::open(path).unwrap();
            foreign.execute_batch("CREATE TABLE recipe (name)").unwrap();
        }
        "folder" => std::fs::create_dir(path).unwrap(),
        _ => {
            let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
        }
    }
}

#[actix_web::test]
async fn what_is_no_store_counts_as_none_and_gets_no_key() {
    for (kind, word) in NO_STORES {
        let folder = Folder::new();
        let store = folder.path("tickrelay.db");
        put(kind, &store);
        let before = files(&folder.path(""));
        for command in [
            &["erase", "385990001122", "--yes"][..],
            &["key", "list"],
            &["token", "list"],
            &["message", "list"],
            &["webhook", "list"],
        ] {
            let answer = folder.run(command).await;
            let place = format!("no store at {}: {word}", store.display());
            assert_eq!((answer.exit, answer.data.as_str()), (1, ""), "{kind}");
            assert!(
                answer.talk.starts_with(&place),
                "{kind} {command:?}: {answer:?}"
            );
            assert_eq!(files(&folder.path("")), before, "{kind} {command:?}");
        }
        let create = folder.run(&["token", "create", "--role", "admin"]).await;
        let key = folder.path("tickrelay.key");
        // The control: of an empty file it makes a store, with a key.
        assert_eq!(create.exit == 0, kind == "empty", "{kind}: {create:?}");
        assert_eq!(key.exists(), kind == "empty", "{kind}");
        if kind != "empty" {
            let serve = folder.run(&["serve"]).await;
            assert!(serve.exit != 0 && !key.exists(), "{kind}: {serve:?}");
        }
    }
}

#[actix_web::test]
async fn what_is_no_store_neither_hides_the_old_one_nor_is_taken_for_one() {
    let check = ["config", "check", "--config", "etc/t.toml"];
    for (kind, _) in NO_STORES {
        let folder = with_file_elsewhere();
        put(kind, &folder.path("tickrelay.db"));
        // There is no old store to pass over.
        folder.done(&check).await;
        let folder = with_file_elsewhere();
        folder.make_store().await;
        put(kind, &folder.path("etc/tickrelay.db"));
        let refused = folder.run(&check).await;
        let old = folder.path("tickrelay.db");
        let names = refused.talk.contains(old.to_str().unwrap());
        assert!(refused.exit == 1 && names, "{kind}: {refused:?}");
        let key = folder.path("tickrelay.key");
        assert!(refused.talk.contains(key.to_str().unwrap()), "{refused:?}");
    }
}

#[actix_web::test]
async fn two_stores_are_warned_of_by_their_paths() {
    let folder = with_file_elsewhere();
    let config = ["--config", "etc/t.toml"];
    let check = [&["config", "check"][..], &config].concat();
    let create = [&["token", "create", "--role", "admin"][..], &config].concat();
    folder.done(&create).await;
    let quiet = folder.done(&check).await;
    assert!(!quiet.contains("two stores"), "{quiet}");
    folder.make_store().await;
    let [new, old] = ["etc/tickrelay.db", "tickrelay.db"].map(|name| folder.path(name));
    let names_both = |text: &str| {
        text.contains(&format!("two stores: {} is used", new.display()))
            && text.contains(&format!("; {}, in the current", old.display()))
    };
    let warned = folder.done(&check).await;
    assert!(names_both(&warned), "{warned}");
    let log = folder.log_of_start(&config);
    assert!(names_both(&log), "{log}");
    // A configuration in the current folder has but one store, by whatever path.
    let file = folder.path("tickrelay.toml");
    std::fs::write(&file, FILE).unwrap();
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let quiet = folder.done(&check).await;
    assert!(!quiet.contains("two stores"), "{quiet}");
}

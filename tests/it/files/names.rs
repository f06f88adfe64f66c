//! After a kill the store is started by another name than it had: the log that lies beside the
//! first is not missed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use rustix::process::{Signal, kill_process};

use crate::support::program::runs;
use crate::support::service::{Home, read_only};
use crate::support::traffic::{number, post_each};
use crate::support::until;

const STORED: usize = 20;

/// A home whose store lies at this path.
fn home_of(store: &Path) -> Home {
    Home::new().set(&format!("store.url=sqlite://{}", store.display()))
}

/// Stores webhooks and kills the service: they are in the log alone.
async fn kill_with_rows(home: &Home) {
    // Its tables are in its file.
    home.start().stop();
    let mut service = home.start();
    post_each(service.address, 0..STORED).await;
    kill_process(service.process(), Signal::KILL).unwrap();
    service.end();
}

/// The webhooks that the store holds, once a service was started on it and stopped.
pub(super) fn found_by(home: &Home, store: &Path) -> BTreeSet<usize> {
    home.start().stop();
    let store = Connection::open(store).unwrap();
    let mut statement = store
        .prepare("SELECT provider_message_id FROM message")
        .unwrap();
    let ids = statement.query_map([], |row| row.get::<_, String>(0));
    ids.unwrap().map(|id| number(&id.unwrap())).collect()
}

fn all() -> BTreeSet<usize> {
    (0..STORED).collect()
}

/// SQLite would take the log of a store that is gone away with the empty one in its place.
#[actix_web::test]
async fn a_store_that_is_gone_is_not_made_again_over_its_log() {
    let home = Home::new();
    kill_with_rows(&home).await;
    let (store, away) = (home.file("tickrelay.db"), home.file("away.db"));
    std::fs::rename(&store, &away).unwrap();
    let (code, said) = home.refused();
    assert_ne!(code, Some(0), "it serves: {said}");
    for named in [&store, &log_of(&store)] {
        assert!(said.contains(&*named.to_string_lossy()), "{said}");
    }
    assert!(!store.exists(), "it made another");
    std::fs::rename(&away, &store).unwrap();
    assert_eq!(found_by(&home, &store), all());
}

#[actix_web::test]
async fn a_name_is_noted_once_those_who_read_at_the_start_are_gone() {
    let home = Home::new();
    home.start().stop();
    let store = home.file("tickrelay.db");
    let reader = Connection::open(&store).unwrap();
    let begun = "BEGIN; SELECT count(*) FROM message";
    reader.execute_batch(begun).unwrap();
    let mut service = home.start();
    post_each(service.address, 0..STORED).await;
    drop(reader);
    let log = log_of(&store);
    until("the log is emptied", || log.metadata().unwrap().len() == 0).await;
    post_each(service.address, 0..STORED).await;
    kill_process(service.process(), Signal::KILL).unwrap();
    service.end();
    let renamed = home.file("renamed.db");
    std::fs::rename(&store, &renamed).unwrap();
    check_refused(&renamed, &log);
}

pub(super) fn log_of(store: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", store.display()))
}

/// Neither a service nor a command opens the store by that name, and both say where its log is.
fn check_refused(store: &Path, log: &Path) {
    let (code, said) = home_of(store).refused();
    assert_ne!(code, Some(0), "it serves: {said}");
    let read = read_only(store).unwrap_err().to_string();
    for said in [said, read] {
        for named in [store, log] {
            assert!(said.contains(&*named.to_string_lossy()), "{said}");
        }
        assert!(said.contains("its newest rows are in"), "{said}");
    }
    // SQLite made no log for that name.
    assert!(!log_of(store).exists());
}

#[actix_web::test]
async fn a_store_that_is_renamed_after_a_kill_is_refused_until_its_log_has_its_name() {
    let home = Home::new();
    kill_with_rows(&home).await;
    let renamed = home.file("renamed.db");
    std::fs::rename(home.store(), &renamed).unwrap();
    check_refused(&renamed, &log_of(&home.store()));
    std::fs::rename(log_of(&home.store()), log_of(&renamed)).unwrap();
    assert_eq!(found_by(&home_of(&renamed), &renamed), all());
}

#[actix_web::test]
async fn a_store_whose_folder_is_renamed_too_is_refused_by_the_log_beside_it() {
    let home = Home::new();
    let [before, after] = ["before", "after"].map(|folder| home.file(folder));
    std::fs::create_dir(&before).unwrap();
    kill_with_rows(&home_of(&before.join("t.db"))).await;
    std::fs::rename(&before, &after).unwrap();
    let renamed = after.join("renamed.db");
    std::fs::rename(after.join("t.db"), &renamed).unwrap();
    check_refused(&renamed, &after.join("t.db-wal"));
}

#[actix_web::test]
async fn a_hard_link_of_a_killed_store_is_refused_and_the_first_name_has_all_of_it() {
    let (home, other) = (Home::new(), Home::new());
    kill_with_rows(&home).await;
    let link = other.file("link.db");
    std::fs::hard_link(home.store(), &link).unwrap();
    check_refused(&link, &log_of(&home.store()));
    assert_eq!(found_by(&home, &home.store()), all());
    // A stopped store has no log: any name will do.
    assert_eq!(found_by(&home_of(&link), &link), all());
}

#[actix_web::test]
async fn a_store_that_was_mounted_when_it_was_killed_is_refused_where_it_came_from() {
    let remedy = "a mount namespace of one's own needs root";
    if !runs("unshare", &["--mount", "true"], remedy) {
        return;
    }
    let home = Home::new().mounted("host.db");
    kill_with_rows(&home).await;
    let host = home.file("host.db");
    check_refused(&host, &log_of(&home.store()));
    std::fs::rename(log_of(&home.store()), log_of(&host)).unwrap();
    assert_eq!(found_by(&home_of(&host), &host), all());
}

#[actix_web::test]
async fn a_store_that_is_mounted_elsewhere_after_a_kill_is_refused() {
    let remedy = "a mount namespace of one's own needs root";
    if !runs("unshare", &["--mount", "true"], remedy) {
        return;
    }
    let home = Home::new();
    kill_with_rows(&home).await;
    let mounted = home.file("mounted.db");
    std::fs::write(&mounted, "").unwrap();
    let script = "mount --bind \"$1\" \"$2\" && exec timeout 60 \"$3\" serve --config \"$4\" \
                  --set \"store.url=sqlite://$2\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([home.store(), mounted])
        .arg(env!("CARGO_BIN_EXE_tickrelay"))
        .arg(home.file("tickrelay.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("its newest rows are in"), "{said}");
    assert_eq!(found_by(&home, &home.store()), all());
}

#[actix_web::test]
async fn a_move_with_the_log_and_a_rename_after_a_stop_are_started_as_ever() {
    let home = Home::new();
    kill_with_rows(&home).await;
    let moved = home.file("moved.db");
    for end in ["", "-wal", "-shm"] {
        let [from, to] =
            [home.store(), moved.clone()].map(|path| format!("{}{end}", path.display()));
        std::fs::rename(from, to).unwrap();
    }
    assert_eq!(found_by(&home_of(&moved), &moved), all());
    let renamed = home.file("renamed.db");
    std::fs::rename(&moved, &renamed).unwrap();
    assert_eq!(found_by(&home_of(&renamed), &renamed), all());
}

#[actix_web::test]
async fn a_copy_is_another_store_and_shows_what_a_name_without_its_log_lacks() {
    let home = Home::new();
    kill_with_rows(&home).await;
    let [whole, alone] = ["whole.db", "alone.db"].map(|name| home.file(name));
    std::fs::copy(home.store(), &whole).unwrap();
    std::fs::copy(log_of(&home.store()), log_of(&whole)).unwrap();
    std::fs::copy(home.store(), &alone).unwrap();
    assert_eq!(found_by(&home_of(&whole), &whole), all());
    assert_eq!(found_by(&home_of(&alone), &alone), BTreeSet::new());
    let backup = home.file("backup.db");
    let other = Connection::open(home.store()).unwrap();
    other
        .execute("VACUUM INTO ?1", [backup.to_str().unwrap()])
        .unwrap();
    drop(other);
    assert_eq!(found_by(&home_of(&backup), &backup), all());
}

#[actix_web::test]
async fn a_store_whose_log_was_given_up_is_started_by_any_name() {
    let home = Home::new();
    kill_with_rows(&home).await;
    let renamed = home.file("renamed.db");
    std::fs::rename(home.store(), &renamed).unwrap();
    std::fs::remove_file(log_of(&home.store())).unwrap();
    assert_eq!(found_by(&home_of(&renamed), &renamed), BTreeSet::new());
}

//! Who owns the store's files, who may read them, and that no second service opens them,
//! whatever name it has for them.

mod backups;
mod names;
mod socket;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::support::program::runs;
use crate::support::service::Home;
use crate::support::traffic::{message_id, post_each};
use crate::support::{client, until};

const BINARY: &str = env!("CARGO_BIN_EXE_tickrelay");
/// A group of analysts, a member of it, and another user; no such user need exist.
const ANALYSTS: u32 = 64_001;
const ANALYST: u32 = 64_002;
const STRANGER: u32 = 64_003;

/// A configuration whose store is at `store`.
fn config_for(folder: &Path, store: &Path) -> PathBuf {
    let file = folder.join(format!("for-{}.toml", store.file_name().unwrap().display()));
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\n[store]\nurl = 'sqlite://{}'\n",
        store.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn tickrelay(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("--config").arg(config);
    command.stdin(Stdio::null()).output().unwrap()
}

/// Neither a service, nor a command that changes or reads, opens the store by that name.
fn check_kept_out(config: &Path) {
    let commands: [&[&str]; 4] = [
        &["serve"],
        &["subscriber", "pause", "crm"],
        &["token", "create", "--role", "admin"],
        &["message", "list"],
    ];
    for command in commands {
        let output = tickrelay(config, command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command:?} is let in");
        assert!(said.contains("is in use"), "{command:?}: {said}");
    }
}

#[actix_web::test]
async fn a_second_name_of_a_store_in_use_lets_nobody_in() {
    let (home, other) = (Home::new(), Home::new());
    let service = home.start();
    service.subscribe("crm", "http://127.0.0.1:9/");
    post_each(service.address, 0..3).await;
    let link = other.file("link.db");
    std::fs::hard_link(home.store(), &link).unwrap();
    check_kept_out(&config_for(other.folder(), &link));
    // SQLite made no log for that name.
    assert!(!other.file("link.db-wal").exists());
    post_each(service.address, 3..6).await;
    service.stop();
}

#[actix_web::test]
async fn an_index_left_beside_a_second_name_lets_nobody_in() {
    let (home, other) = (Home::new(), Home::new());
    let service = home.start();
    service.subscribe("crm", "http://127.0.0.1:9/");
    let link = other.file("link.db");
    std::fs::hard_link(home.store(), &link).unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::write(other.file(&format!("link.db{end}")), "").unwrap();
    }
    check_kept_out(&config_for(other.folder(), &link));
    service.stop();
}

#[actix_web::test]
async fn a_symbolic_link_reads_the_store_that_it_leads_to() {
    let (home, other) = (Home::new(), Home::new());
    let service = home.start();
    post_each(service.address, 0..3).await;
    let link = other.file("link.db");
    std::os::unix::fs::symlink(home.store(), &link).unwrap();
    let config = config_for(other.folder(), &link);
    let list = || tickrelay(&config, &["message", "list", "--json"]);
    let running = list();
    assert!(running.status.success(), "{running:?}");
    let text = String::from_utf8(running.stdout).unwrap();
    assert!(
        (0..3).all(|number| text.contains(&message_id(number))),
        "{text}"
    );
    service.stop();
    assert_eq!(String::from_utf8(list().stdout).unwrap(), text);
}

#[test]
fn a_link_to_nothing_is_named_with_what_it_leads_to() {
    let home = Home::new();
    let missing = home.file("missing/real.db");
    std::os::unix::fs::symlink(&missing, home.store()).unwrap();
    let (code, said) = home.refused();
    assert_ne!(code, Some(0));
    let expected = format!("is a link to {}", missing.display());
    assert!(said.contains(&expected), "{said}");
}

#[actix_web::test]
async fn a_store_in_use_that_is_renamed_lets_nobody_in() {
    let home = Home::new();
    let service = home.start();
    let renamed = home.file("renamed.db");
    std::fs::rename(home.store(), &renamed).unwrap();
    check_kept_out(&config_for(home.folder(), &renamed));
    std::fs::rename(&renamed, home.store()).unwrap();
    service.stop();
}

#[actix_web::test]
async fn a_copy_of_a_store_in_use_is_another_store() {
    let (home, other) = (Home::new(), Home::new());
    let service = home.start();
    post_each(service.address, 0..3).await;
    let reader = Connection::open_with_flags(home.store(), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let copy = other.store();
    reader
        .unwrap()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    let second = other.start();
    post_each(second.address, 3..6).await;
    second.stop();
    service.stop();
}

#[actix_web::test]
async fn a_store_in_use_that_is_mounted_elsewhere_lets_nobody_in() {
    let home = Home::new();
    let trial = ["--mount", "true"];
    if !runs(
        "unshare",
        &trial,
        "a mount namespace of one's own needs root",
    ) {
        return;
    }
    let service = home.start();
    let mounted = home.file("mounted.db");
    std::fs::write(&mounted, "").unwrap();
    let config = config_for(home.folder(), &mounted);
    for verb in ["serve", "subscriber list"] {
        let script = format!("mount --bind \"$1\" \"$2\" && exec \"$3\" {verb} --config \"$4\"");
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script, "sh"])
            .args([home.store(), mounted.clone(), BINARY.into(), config.clone()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{verb} is let in");
        assert!(said.contains("is in use"), "{verb}: {said}");
    }
    service.stop();
}

/// The kinds of locks that a process has on a file, as the kernel lists them.
fn locks(process: i32, file: &Path) -> Vec<String> {
    let inode = format!(":{}", file.metadata().unwrap().ino());
    let table = std::fs::read_to_string("/proc/locks").unwrap();
    let mine = |line: &str| -> Option<String> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_mine = fields.get(4)? == &process.to_string() && fields.get(5)?.ends_with(&inode);
        is_mine.then(|| fields[1].to_owned())
    };
    let mut found: Vec<String> = table.lines().filter_map(mine).collect();
    found.sort();
    found.dedup();
    found
}

/// SQLite's locks are POSIX's, which closing any descriptor of the file drops.
#[actix_web::test]
async fn nothing_that_the_service_does_drops_the_locks_on_its_store() {
    let home = Home::new();
    let service = home.start();
    let process = service.process().as_raw_nonzero().get();
    service.subscribe("crm", "http://127.0.0.1:9/");
    post_each(service.address, 0..3).await;
    for path in ["/readyz", "/metrics", "/livez"] {
        let page = client().get(format!("http://{}{path}", service.address));
        assert_eq!(page.send().await.unwrap().status(), 200, "{path}");
    }
    let erasure = json!({ "person": "34600000001", "vacuum": true });
    service.ask("POST", "/erasures", &erasure);
    assert_eq!(locks(process, &home.store()), ["FLOCK", "POSIX"]);
    service.stop();
}

#[test]
fn a_descriptor_that_is_closed_beside_sqlite_is_caught_by_the_lock_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let store = Connection::open(&path).unwrap();
    store
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
        .unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    assert_eq!(locks(own, &path), ["POSIX"]);
    drop(std::fs::File::open(&path).unwrap());
    assert!(locks(own, &path).is_empty());
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// The store and what SQLite keeps beside it.
fn files(home: &Home) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| home.file(&format!("tickrelay.db{end}")))
}

#[actix_web::test]
async fn a_store_is_made_for_its_owner_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let home = Home::new().umask(umask);
        let service = home.start();
        post_each(service.address, 0..3).await;
        for file in std::fs::read_dir(home.folder()).unwrap() {
            let path = file.unwrap().path();
            let is_ours = path.file_name().unwrap() != "tickrelay.toml";
            if is_ours && path.is_file() {
                assert_eq!(mode(&path), 0o600, "{} at {umask}", path.display());
            }
        }
        service.stop();
    }
}

#[actix_web::test]
async fn the_mode_that_the_operator_set_is_kept_and_the_log_has_it_too() {
    let home = Home::new();
    home.start().stop();
    let set = |mode| {
        std::fs::set_permissions(home.store(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o640);
    for _ in 0..2 {
        let service = home.start();
        for file in files(&home) {
            assert_eq!(mode(&file), 0o640, "{}", file.display());
        }
        // Killed, so that its log is found by the next start.
        drop(service);
    }
    let service = home.start();
    set(0o660);
    until("the log follows", || {
        files(&home).iter().all(|file| mode(file) == 0o660)
    })
    .await;
    service.stop();
}

/// What `sqlite3 -readonly` counts as that user, or what it says instead.
fn counted_as(user: u32, group: u32, store: &Path) -> Result<String, String> {
    let output = Command::new("sqlite3")
        .arg("-readonly")
        .arg(store)
        .arg("SELECT count(*) FROM message")
        .uid(user)
        .gid(group)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[actix_web::test]
async fn a_member_of_the_group_reads_the_live_store_and_nobody_else_does() {
    let remedy = "the test asks as other users, by sqlite3";
    if !runs("sqlite3", &["-version"], remedy)
        || !runs(
            "setpriv",
            &["--reuid", "1", "--clear-groups", "true"],
            remedy,
        )
    {
        return;
    }
    let home = Home::new();
    std::fs::set_permissions(home.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let service = home.start();
    post_each(service.address, 0..3).await;
    let store = home.store();
    counted_as(ANALYST, ANALYSTS, &store).unwrap_err();
    // The two lines of schema/README.md.
    std::os::unix::fs::chown(&store, None, Some(ANALYSTS)).unwrap();
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o640)).unwrap();
    until("the log has the group and the mode", || {
        files(&home)
            .iter()
            .all(|file| file.metadata().unwrap().gid() == ANALYSTS && mode(file) == 0o640)
    })
    .await;
    assert_eq!(counted_as(ANALYST, ANALYSTS, &store).unwrap(), "3");
    post_each(service.address, 3..7).await;
    assert_eq!(counted_as(ANALYST, ANALYSTS, &store).unwrap(), "7");
    let refused = counted_as(STRANGER, STRANGER, &store).unwrap_err();
    assert!(refused.contains("unable to open"), "{refused}");
    service.stop();
    // The next start makes a new log.
    let service = home.start();
    post_each(service.address, 7..8).await;
    assert_eq!(counted_as(ANALYST, ANALYSTS, &store).unwrap(), "8");
    counted_as(STRANGER, STRANGER, &store).unwrap_err();
    service.stop();
}

#[test]
fn a_store_that_others_can_read_is_warned_about_and_left_as_it_is() {
    let home = Home::new();
    home.start().stop();
    let config = home.file("tickrelay.toml");
    let said = |arguments: &[&str]| {
        let output = tickrelay(&config, arguments);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!said(&["config", "check"]).contains("chmod"));
    std::fs::set_permissions(home.store(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let warned = said(&["config", "check"]);
    let path = home.store();
    let expected = format!("chmod o-rwx {}", path.display());
    assert!(
        warned.contains("store.url") && warned.contains(&expected),
        "{warned}"
    );
    let mut service = home.start();
    rustix::process::kill_process(service.process(), rustix::process::Signal::TERM).unwrap();
    let (_, log) = service.end();
    assert!(log.contains("chmod o-rwx "), "{log}");
    assert_eq!(mode(&path), 0o644);
    std::fs::hard_link(&path, home.file("second.db")).unwrap();
    assert!(said(&["config", "check"]).contains("has 2 names"));
}

/// Versions before this one locked `tickrelay.lock.db`.
#[actix_web::test]
async fn a_version_that_locks_another_file_and_this_one_keep_each_other_out() {
    let home = Home::new();
    home.start().stop();
    let config = home.file("tickrelay.toml");
    let former = std::fs::File::create(home.file("tickrelay.lock.db")).unwrap();
    former.try_lock().unwrap();
    let commands: [&[&str]; 3] = [
        &["serve"],
        &["subscriber", "pause", "crm"],
        &["key", "rotate"],
    ];
    for command in commands {
        let output = tickrelay(&config, command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command:?} is let in");
        assert!(said.contains("is in use"), "{command:?}: {said}");
    }
    former.unlock().unwrap();
    let service = home.start();
    assert!(former.try_lock().is_err(), "a former version is let in");
    service.stop();
    // The control: the service had it.
    former.try_lock().unwrap();
}

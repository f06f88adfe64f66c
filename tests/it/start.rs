//! What the service starts on, and what it refuses to start on: in plain words, and without
//! touching what is not its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::cli::Folder;
use crate::support::service::Home;
use crate::support::{PATIENCE, until};

/// What `serve` must say when it refuses; exit code 2 goes with it.
fn check_refused(home: &Home, expected: &[&str]) {
    let (code, said) = home.refused();
    assert_eq!(code, Some(2), "{said}");
    let error = said.lines().find_map(|line| line.strip_prefix("error: "));
    let error = error.unwrap_or_else(|| panic!("no error: {said}"));
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert!(!error.contains("cannot write the answer"), "{error}");
}

/// A home with a store that was made and closed.
fn with_store() -> Home {
    let home = Home::new();
    home.start().stop();
    home
}

#[test]
fn a_second_serve_on_one_store_is_refused() {
    let home = Home::new();
    let first = home.start();
    let path = home.store();
    let path = path.to_str().unwrap();
    check_refused(&home, &[path, "is in use by another tickrelay"]);
    first.stop();
    home.start().stop();
}

/// A start that waits for the store, which is locked through the file; and the rest of its log.
fn waiting<F: FnOnce() -> Child>(
    store: &Path,
    begin: F,
) -> (File, Child, impl Iterator<Item = String> + use<F>) {
    let held = File::open(store).unwrap();
    held.lock().unwrap();
    let mut child = begin();
    let log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = log.map(Result::unwrap);
    let waits = log.any(|line| line.contains("store.locked"));
    assert!(waits, "it does not wait");
    (held, child, log)
}

#[test]
fn a_start_waits_for_the_end_of_the_process_that_has_the_store() {
    let home = with_store();
    let (held, mut child, mut log) = waiting(&home.store(), || home.spawn());
    held.unlock().unwrap();
    let serves = log.find(|line| line.contains("\"serving\""));
    assert!(serves.is_some(), "it does not start");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[actix_web::test]
async fn systemd_is_notified_when_a_start_ends_and_not_before() {
    let folder = Folder::new().variable("NOTIFY_SOCKET", "systemd.sock");
    folder.make_store().await;
    let systemd = UnixDatagram::bind(folder.path("systemd.sock")).unwrap();
    let (held, mut child, _log) =
        waiting(&folder.path("tickrelay.db"), || folder.begin(&["serve"]));
    let mut said = [0; 32];
    systemd.set_nonblocking(true).unwrap();
    let early = systemd.recv(&mut said).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock));
    held.unlock().unwrap();
    systemd.set_nonblocking(false).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = systemd.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"READY=1");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_start_that_waits_can_be_stopped() {
    let home = with_store();
    let (held, mut child, _log) = waiting(&home.store(), || home.spawn());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    // One that hears nothing gives up by itself, and says that it is refused.
    assert!(child.wait().unwrap().success());
    held.unlock().unwrap();
}

#[actix_web::test]
async fn a_command_waits_for_the_end_of_the_process_that_has_the_store() {
    let folder = Folder::new();
    folder.make_store().await;
    let url = "http://127.0.0.1:9/";
    folder
        .done(&["subscriber", "add", "--name", "crm", "--url", url])
        .await;
    let store = folder.path("tickrelay.db").canonicalize().unwrap();
    let held = File::open(&store).unwrap();
    held.lock().unwrap();
    let command = folder.begin(&["subscriber", "pause", "crm"]);
    let opened = format!("/proc/{}/fd", command.id());
    // Each try leaves the store's file open.
    let tries = || {
        let files = std::fs::read_dir(&opened).into_iter().flatten();
        let paths = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        paths.filter(|path| *path == store).count()
    };
    until("it tries a second time", || tries() > 1).await;
    held.unlock().unwrap();
    let answer = command.wait_with_output().unwrap();
    assert!(answer.status.success(), "{answer:?}");
}

#[test]
fn a_newer_schema_is_refused() {
    let home = with_store();
    let newer = Connection::open(home.store()).unwrap();
    newer.pragma_update(None, "user_version", 4711).unwrap();
    drop(newer);
    check_refused(&home, &["has schema version 4711", "use a newer one"]);
}

#[test]
fn a_store_of_another_program_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let other = Connection::open(home.store()).unwrap();
    other
        .execute_batch("CREATE TABLE recipe (name TEXT)")
        .unwrap();
    drop(other);
    let before = std::fs::read(home.store()).unwrap();
    check_refused(&home, &["is a SQLite file of another program"]);
    assert_eq!(std::fs::read(home.store()).unwrap(), before);
    assert!(!home.file("tickrelay.key").exists());
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let before = b"Dear diary, ".repeat(1_000);
    std::fs::write(home.store(), &before).unwrap();
    check_refused(&home, &["store.url", "tickrelay.db is no SQLite file"]);
    assert_eq!(std::fs::read(home.store()).unwrap(), before);
}

#[test]
fn a_store_that_is_damaged_is_refused() {
    let home = with_store();
    let mut bytes = std::fs::read(home.store()).unwrap();
    // The first page's header stays; the list of tables behind it does not.
    bytes[100..4096].fill(0xA5);
    std::fs::write(home.store(), &bytes).unwrap();
    let path = home.store();
    let path = path.to_str().unwrap();
    check_refused(&home, &[path, "database disk image is malformed"]);
}

#[test]
fn a_store_that_may_not_be_written_is_refused() {
    let home = with_store();
    std::fs::set_permissions(home.store(), std::fs::Permissions::from_mode(0o444)).unwrap();
    let write = std::fs::File::options().write(true).open(home.store());
    if write.is_ok() {
        // The superuser may write everything: there is nothing to be refused.
        return;
    }
    check_refused(&home, &["cannot write to ", "Permission denied"]);
}

#[test]
fn a_store_in_a_folder_that_is_not_there_is_refused() {
    let home = Home::new();
    let config = std::fs::read_to_string(home.file("tickrelay.toml")).unwrap();
    let config = config.replace("tickrelay.db", "missing/tickrelay.db");
    std::fs::write(home.file("tickrelay.toml"), config).unwrap();
    check_refused(&home, &["store.url", "missing is not there", "mkdir -p"]);
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let home = Home::new();
    let mut service = home.start();
    // A webhook that never ends keeps the drain waiting for the whole grace.
    let mut stream = std::net::TcpStream::connect(service.address).unwrap();
    let head = "POST /webhooks/cloud HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\
                Expect: 100-continue\r\nX-Hub-Signature-256: sha256=";
    write!(stream, "{head}{}\r\n\r\n", "0".repeat(64)).unwrap();
    // The service says so once it waits for the body.
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let process = service.process();
    let signals = std::thread::spawn(move || {
        // Two that come together count as one.
        while kill_process(process, Signal::TERM).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let (status, log) = service.end();
    assert_eq!(status.code(), Some(143), "{log}");
    signals.join().unwrap();
}

/// Bytes of the store and all that stands beside it.
fn bytes_of(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[test]
fn a_kill_at_any_moment_of_the_first_start_leaves_a_store_that_opens() {
    let whole = Home::new();
    let service = whole.start();
    let bytes = bytes_of(whole.store().parent().unwrap());
    service.stop();
    for step in 1..=16 {
        let home = Home::new();
        let folder = home.store();
        let folder = folder.parent().unwrap();
        let configuration = bytes_of(folder);
        let threshold = configuration + (bytes - configuration) * step / 16;
        let mut child = home.spawn();
        let deadline = Instant::now() + PATIENCE;
        while bytes_of(folder) < threshold {
            assert!(
                Instant::now() < deadline,
                "it does not write {threshold} bytes"
            );
            std::thread::sleep(Duration::from_micros(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        home.start().stop();
    }
}

#[test]
fn a_store_that_were_made_from_front_to_back_is_caught_half_made() {
    let whole = Home::new();
    whole.start().stop();
    let bytes = std::fs::read(whole.store()).unwrap();
    let opens = |step: usize| {
        let home = Home::new();
        std::fs::write(home.store(), &bytes[..bytes.len() * step / 16]).unwrap();
        home.try_start().map(super::support::service::Service::stop)
    };
    assert!((1..16).any(|step| opens(step).is_err()));
    assert!(opens(16).is_ok());
}

#[test]
fn a_store_is_owned_by_whoever_came_first_through_whatever_link() {
    let (home, other) = (Home::new(), Home::new());
    let first = home.start();
    std::os::unix::fs::symlink(home.store(), other.store()).unwrap();
    check_refused(&other, &["is in use by another tickrelay"]);
    assert!(!other.file("tickrelay.key").exists());
    first.stop();
}

#[test]
fn a_file_where_the_control_socket_belongs_is_left_alone() {
    let home = Home::new();
    let path = home.file("tickrelay.db.sock");
    std::fs::write(&path, "not a socket").unwrap();
    check_refused(&home, &["cannot make the socket", "no socket"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"not a socket");
}

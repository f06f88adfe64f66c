//! The second file of versions before: taken over once, and destroyed.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use tickrelay::access::token;

use super::{HOOK, files_with};
use crate::support::receiver::Receiver;
use crate::support::service::Home;
use crate::support::traffic::post_each;
use crate::support::{client, until, verify};

/// The tables of the second file.
const SECOND: &str = "CREATE TABLE subscriber_secret (secret_id INTEGER PRIMARY KEY AUTOINCREMENT, \
                 subscriber_id INTEGER NOT NULL, secret TEXT NOT NULL, expires_at_ms INTEGER) STRICT; \
                 CREATE TABLE subscriber_header (subscriber_id INTEGER NOT NULL, name TEXT NOT NULL, \
                 value TEXT NOT NULL, PRIMARY KEY (subscriber_id, name)) STRICT, WITHOUT ROWID; \
                 CREATE TABLE token (token_id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL \
                 UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, owner TEXT, sources TEXT NOT NULL, \
                 created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, last_used_ms INTEGER, \
                 revoked_at_ms INTEGER) STRICT; \
                 CREATE TABLE idempotency (caller TEXT NOT NULL, key TEXT NOT NULL, request BLOB NOT \
                 NULL, begun_ms INTEGER NOT NULL, status INTEGER, body BLOB, location TEXT, \
                 PRIMARY KEY (caller, key)) STRICT;";
const FIRST: &str = include_str!("../../../schema/sqlite/0001_initial.sql");

/// A store as version 1 left it, with its second file: one subscriber with a header, one chat,
/// one token.
struct Old {
    home: Home,
    secret: String,
    token: String,
}

const HEADER: &str = "a-header-nobody-reads";

impl Old {
    fn new(receiver: &Receiver) -> Self {
        let home = Home::new();
        let store = Connection::open(home.store()).unwrap();
        store
            .pragma_update(None, "application_id", 0x7469_636B)
            .unwrap();
        store.pragma_update(None, "journal_mode", "WAL").unwrap();
        store.execute_batch(FIRST).unwrap();
        store.pragma_update(None, "user_version", 1).unwrap();
        let add = "INSERT INTO subscriber (name, url, kind, state, filter, reports, format, \
             error_format, phone_format, timestamp_format, ordering, concurrency, created_at_ms, \
             headers) VALUES (?1, ?2, ?3, 'active', '{}', 'changes', 'rocketchat', \
             'whatsapp_array', 'plus', 'rfc3339', 'relaxed', 8, 1, ?4)";
        let chat = format!("{}{HOOK}", receiver.url);
        store
            .execute(add, params!["crm", receiver.url, "callback", "x-key"])
            .unwrap();
        store
            .execute(add, params!["agents", chat, "chat", None::<String>])
            .unwrap();
        drop(store);
        let second = Connection::open(home.file("tickrelay.secrets.db")).unwrap();
        second.execute_batch(SECOND).unwrap();
        let secret = tickrelay::model::SigningSecret::generate().expose();
        let token = token::generate();
        for id in [1, 2] {
            second
                .execute(
                    "INSERT INTO subscriber_secret (subscriber_id, secret) VALUES (?1, ?2)",
                    params![id, secret],
                )
                .unwrap();
        }
        second
            .execute(
                "INSERT INTO subscriber_header VALUES (1, 'x-key', ?1)",
                [HEADER],
            )
            .unwrap();
        second
            .execute(
                "INSERT INTO token VALUES (7, ?1, 'old', 'admin', NULL, '[]', 1, NULL, NULL, NULL)",
                [token::hash(&token).unwrap()],
            )
            .unwrap();
        Self {
            home,
            secret,
            token,
        }
    }

    /// How many secrets, headers and tokens the store holds.
    fn counts(&self) -> (i64, i64, i64) {
        let store = Connection::open(self.home.store()).unwrap();
        let counts = "SELECT (SELECT count(*) FROM subscriber_secret), \
             (SELECT count(*) FROM subscriber_header), (SELECT count(*) FROM token)";
        store
            .query_row(counts, [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap()
    }

    /// An analyst who reads, and whose connection leaves the log as a killed service does: with
    /// a chat's URL in it.
    fn analyst(&self) -> Connection {
        let analyst = Connection::open(self.home.store()).unwrap();
        let keeps = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        analyst.set_db_config(keeps, true).unwrap();
        analyst
            .execute("UPDATE subscriber SET created_at_ms = 2", [])
            .unwrap();
        let read = "BEGIN; SELECT count(*) FROM subscriber;";
        analyst.execute_batch(read).unwrap();
        analyst
    }

    /// Whether the log holds a chat's URL. It alone is opened: closing the store's file or its
    /// index here would drop the locks of an analyst in this process.
    fn is_plain_in_log(&self) -> bool {
        let log = std::fs::read(self.home.file("tickrelay.db-wal")).unwrap_or_default();
        log.windows(HOOK.len()).any(|part| part == HOOK.as_bytes())
    }

    fn plain(&self) -> Vec<String> {
        let texts = [HOOK, HEADER, &self.secret];
        let files = texts
            .iter()
            .flat_map(|text| files_with(self.home.folder(), text));
        files.collect()
    }
}

#[actix_web::test]
async fn what_a_second_file_held_is_sealed_in_the_store_and_the_file_is_gone() {
    let receiver = Receiver::start();
    let old = Old::new(&receiver);
    let second = old.home.file("tickrelay.secrets.db");
    let before = std::fs::read(&second).unwrap();
    // The control: all of it was plain.
    assert_eq!(old.plain().len(), 3);
    let service = old.home.start();
    assert!(!second.exists());
    assert_eq!(old.plain(), Vec::<String>::new());
    assert_eq!(old.counts(), (2, 1, 1));
    post_each(service.address, 0..1).await;
    until("it is sent", || receiver.count() == 1).await;
    let request = receiver.received().remove(0);
    assert!(verify(&old.secret, &request));
    assert_eq!(request.header("x-key"), HEADER);
    let url = format!("http://{}/api/v1/subscribers", service.address);
    let listed = client()
        .get(url)
        .bearer_auth(&old.token)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.status(), 200);
    service.stop();
    // As a kill between the commit and the removal leaves it.
    std::fs::write(&second, before).unwrap();
    let service = old.home.start();
    assert!(!second.exists());
    assert_eq!(old.counts(), (2, 1, 1), "it is imported twice");
    service.stop();
    assert_eq!(old.plain(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_kill_during_the_import_loses_nothing_and_leaves_no_plain_copy() {
    let receiver = Receiver::start();
    let (mut before, mut after) = (0, 0);
    for step in 0..12 {
        let old = Old::new(&receiver);
        let mut child = old.home.spawn();
        let log = child.stderr.take();
        // Longer and longer: from before the store is opened to after it serves.
        std::thread::sleep(std::time::Duration::from_millis(step * 8));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(log);
        let store = Connection::open(old.home.store()).unwrap();
        let version: i64 = store
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        if version == 1 {
            before += 1;
            assert!(old.home.file("tickrelay.secrets.db").exists());
        } else {
            after += 1;
        }
        drop(store);
        let service = old.home.start();
        assert_eq!(old.counts(), (2, 1, 1), "after a kill at step {step}");
        assert_eq!(
            old.plain(),
            Vec::<String>::new(),
            "after a kill at step {step}"
        );
        service.stop();
    }
    assert!(before + after == 12);
}

/// A kill after the commit leaves what was plain in the log, of which no later start knows.
#[actix_web::test]
async fn a_start_after_one_that_was_killed_empties_the_log_of_what_was_plain() {
    let receiver = Receiver::start();
    for has_second in [true, false] {
        let old = Old::new(&receiver);
        let second = old.home.file("tickrelay.secrets.db");
        if !has_second {
            std::fs::remove_file(&second).unwrap();
        }
        let analyst = old.analyst();
        drop(old.home.start());
        drop(analyst);
        // The control: the kill left it there.
        assert!(old.is_plain_in_log() && !second.exists());
        let service = old.home.start();
        assert_eq!(old.plain(), Vec::<String>::new());
        drop(service);
        assert_eq!(old.plain(), Vec::<String>::new(), "after another kill");
    }
}

#[actix_web::test]
async fn an_analyst_who_reads_during_the_upgrade_keeps_nothing_plain_for_longer() {
    let receiver = Receiver::start();
    let old = Old::new(&receiver);
    let analyst = old.analyst();
    let mut service = old.home.start();
    // The control: it is kept while the analyst reads.
    assert!(old.is_plain_in_log());
    post_each(service.address, 0..3).await;
    assert!(old.is_plain_in_log());
    analyst.execute_batch("COMMIT").unwrap();
    until("the log is emptied", || !old.is_plain_in_log()).await;
    drop(analyst);
    assert_eq!(old.plain(), Vec::<String>::new());
    let process = service.process();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let (_, log) = service.end();
    assert_eq!(log.matches("store.wal_not_emptied").count(), 1, "{log}");
}

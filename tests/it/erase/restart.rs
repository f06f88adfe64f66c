//! An erasure that the end of the service cuts off goes on with the next start.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::PERSON;
use crate::support::service::Home;
use crate::support::traffic::post_each;
use crate::support::{socket, until};

/// A reader of the store, for as long as it is held: the log cannot be emptied meanwhile, which an
/// erasure does last.
fn hold(home: &Home) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(home.store(), flags).unwrap();
    reader
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader
        .query_row("SELECT count(*) FROM message", [], |_| Ok(()))
        .unwrap();
    reader
}

fn get(home: &Home, path: &str) -> Value {
    let (status, answer) = socket::ask(&home.store(), ("GET", path), &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn messages(home: &Home) -> usize {
    get(home, "/messages")["data"].as_array().unwrap().len()
}

/// What the audit has of persons, the first line first: what was done, and whether it was carried on.
fn audited(home: &Home) -> Vec<(String, bool)> {
    let audit = get(home, "/audit");
    let lines = audit["data"].as_array().unwrap().iter().rev();
    let lines = lines.filter(|line| line["kind"] == "person");
    let line = |line: &Value| {
        let action = line["action"].as_str().unwrap().to_owned();
        (action, line["detail"]["carried_on"] == true)
    };
    lines.map(line).collect()
}

/// The control is the same erasure without the kill: what came after it had looked stays.
#[actix_web::test]
async fn an_erasure_that_a_kill_cuts_off_is_carried_on_by_the_next_start() {
    for is_killed in [true, false] {
        let home = Home::new();
        let mut service = home.start();
        post_each(service.address, 0..1).await;
        let reader = hold(&home);
        let order = json!({"person": PERSON});
        let (status, begun) = socket::ask(&home.store(), ("POST", "/erasures"), &order);
        assert_eq!(status, 202, "{begun}");
        let path = format!("/jobs/{}", begun["id"].as_str().unwrap());
        until("the message is erased", || messages(&home) == 0).await;
        post_each(service.address, 1..2).await;
        assert_eq!(get(&home, &path)["state"], "running");
        if is_killed {
            drop(service);
            drop(reader);
            service = home.start();
        } else {
            drop(reader);
        }
        until("it has ended", || get(&home, &path)["state"] != "running").await;
        let job = get(&home, &path);
        assert_eq!(
            (&job["kind"], &job["state"]),
            (&json!("erase"), &json!("done"))
        );
        // Each time it counts what it found itself.
        assert_eq!(job["result"]["removed"]["messages"], 1, "{job}");
        assert_eq!(get(&home, "/jobs")["data"][0]["id"], begun["id"]);
        assert_eq!(messages(&home), usize::from(!is_killed));
        let line = |action: &str, carried_on| (format!("person.{action}"), carried_on);
        let expected = if is_killed {
            vec![
                line("erasure-begun", false),
                line("erasure-begun", true),
                line("erased", true),
            ]
        } else {
            vec![line("erasure-begun", false), line("erased", false)]
        };
        assert_eq!(audited(&home), expected);
        service.stop();
        let store = Connection::open(home.store()).unwrap();
        let sql = "SELECT state, starts FROM job WHERE sealed IS NULL";
        let row = store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(
            row.unwrap(),
            ("done".to_owned(), 1 + i64::from(is_killed)),
            "whom it erased is kept no longer"
        );
    }
}

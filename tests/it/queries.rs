//! The store as analysts meet it: every view and every ready query gives the rows it should,
//! and schema/README.md explains every column.

mod views;

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;
use tickrelay::admin::PauseSubscriber;
use tickrelay::clock::Clock;

use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, until};

/// 2025-10-09T08:55:00Z
const START_MS: i64 = 1_760_000_100_000;

fn cloud(elements: &str) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"34910000000","phone_number_id":"4400"}},"statuses":[{elements}]}}}}]}}]}}"#
    )
}

fn status(id: &str, word: &str, second: i64, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"{word}","timestamp":"{}","recipient_id":"34600000001"{more}}}"#,
        1_760_000_000 + second
    )
}

/// What the provider says of the account.
fn restriction() -> String {
    let value = r#"{"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":1761000000}]}"#;
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","time":1760000000,"changes":[{{"field":"account_update","value":{value}}}]}}]}}"#
    )
}

/// What comes in: four messages of Meta's, two of Infobip's, a repeat, a notice, what is no report and
/// what cannot be read.
fn bodies() -> Vec<(&'static str, String)> {
    let pricing = r#","pricing":{"billable":true,"pricing_model":"PMP","category":"utility"}"#;
    let error = |code: u32, title: &str| {
        format!(
            r#","errors":[{{"code":{code},"title":"{title}","error_data":{{"details":"Why {code}"}}}}]"#
        )
    };
    let delivered = status("wamid.1", "delivered", 4, pricing);
    let infobip = |id: &str, group: &str, price: &str| {
        format!(
            r#"{{"results":[{{"bulkId":"summer","messageId":"{id}","to":"385990000001","sender":"385910009999","sentAt":"2025-10-09T08:53:20.000+0000","doneAt":"2025-10-09T08:53:22.000+0000","price":{{"pricePerMessage":{price},"currency":"EUR"}},"status":{{"groupId":{group}}},"error":{{"groupId":0,"groupName":"OK","id":0,"name":"NO_ERROR"}}}}]}}"#
        )
    };
    vec![
        ("cloud", cloud(&status("wamid.1", "sent", 0, pricing))),
        ("cloud", cloud(&delivered)),
        ("cloud", cloud(&delivered)),
        ("cloud", cloud(&status("wamid.1", "read", 60, ""))),
        (
            "cloud",
            cloud(&status(
                "wamid.2",
                "failed",
                1,
                &error(131_026, "Message undeliverable"),
            )),
        ),
        (
            "cloud",
            cloud(&status(
                "wamid.3",
                "failed",
                2,
                &error(999_999, "Brand new"),
            )),
        ),
        ("cloud", cloud(&status("wamid.4", "sent", 3, ""))),
        ("cloud", cloud("").replace("messages", "account_update")),
        ("cloud", restriction()),
        (
            "infobip",
            infobip(
                "ib-1",
                r#"3,"groupName":"DELIVERED","id":5,"name":"DELIVERED_TO_HANDSET""#,
                "0.05",
            ),
        ),
        (
            "infobip",
            infobip(
                "ib-2",
                r#"1,"groupName":"PENDING","id":7,"name":"PENDING_ENROUTE""#,
                "0.05",
            ),
        ),
        ("infobip", "{broken".to_owned()),
    ]
}

/// A small store that went through the true service, with a subscriber that takes all and one
/// that wants failures and refuses them.
async fn fill() -> TestApp {
    let app = TestApp::boot_with(Clock::manual(START_MS).0, |_| {}).await;
    let (takes, refuses) = (
        Receiver::start(),
        Receiver::scripted(|_, _| Reply::status(422)),
    );
    app.subscribe("crm", &takes.url).await;
    app.subscribe_with("alarm", &refuses.url, |new| {
        new.filter.rules = vec!["*=failed".parse().unwrap()];
    })
    .await;
    for (source, body) in bodies() {
        assert_eq!(app.post(source, body).await, 200);
    }
    until("every forward was tried", || {
        app.value::<i64>("SELECT count(*) FROM forward WHERE attempts = 0") == 0
    })
    .await;
    for name in ["crm", "alarm"] {
        let name = name.to_owned();
        app.perform(PauseSubscriber { name }).await.unwrap();
    }
    // How long things took is the only thing that differs from run to run.
    app.sqlite()
        .execute_batch(
            "UPDATE attempt SET duration_ms = 20;
             UPDATE forward SET settled_at_ms = pending_since_ms + 20 WHERE settled_at_ms IS NOT NULL;
             UPDATE forward SET due_at_ms = pending_since_ms + 5000 WHERE state = 'pending';",
        )
        .unwrap();
    app
}

/// The rows of a query, a line each, columns between bars; the first line has their names.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.column_names().join("|");
    let columns = statement.column_count();
    let found = statement.query_map([], |row| {
        let cell = |index| {
            Ok(match row.get(index)? {
                Value::Null => String::new(),
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => number.to_string(),
                Value::Text(text) => text,
                Value::Blob(bytes) => hex::encode(bytes),
            })
        };
        let cells: rusqlite::Result<Vec<String>> = (0..columns).map(cell).collect();
        Ok(cells?.join("|"))
    });
    let found = found.unwrap().map(Result::unwrap);
    std::iter::once(names).chain(found).collect()
}

fn schema() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")
}

#[actix_web::test]
async fn every_ready_query_gives_the_rows_it_should() {
    let app = fill().await;
    let connection = app.sqlite();
    let mut answers = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(schema().join("queries"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 10);
    for file in files {
        let sql = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(sql.starts_with("-- "), "{name} says what it answers");
        answers.push(format!(
            "{name}\n  {}",
            rows(&connection, &sql).join("\n  ")
        ));
    }
    insta::assert_snapshot!(answers.join("\n\n"));
    app.stop().await;
}

#[actix_web::test]
async fn the_free_thousand_is_that_of_a_number_and_a_month() {
    /// 2026-10-10T00:00:00Z, in seconds after the times of [`status`].
    const OCTOBER: i64 = 31_590_400;
    const MONTH: i64 = 31 * 86_400;
    let app = TestApp::boot().await;
    let price = |category: &str, kind: &str| {
        format!(
            r#","pricing":{{"billable":true,"pricing_model":"PMP","category":"{category}","type":"{kind}"}}"#
        )
    };
    let service = price("service", "regular");
    let delivered = |id: &str, second, price: &str| status(id, "delivered", second, price);
    let mut october: Vec<String> = (0..1001)
        .map(|number| delivered(&format!("o{number}"), OCTOBER + number, &service))
        .collect();
    october.push(delivered("u", OCTOBER, &price("utility", "regular")));
    october.push(delivered(
        "f",
        OCTOBER,
        &price("service", "free_entry_point"),
    ));
    october.push(status("s", "sent", OCTOBER, &service));
    october.push(delivered("old", 0, &service));
    let november = delivered("n", OCTOBER + MONTH, &service);
    let other = cloud(&delivered("b", OCTOBER, &service)).replace("4400", "4401");
    for body in [cloud(&october.join(",")), cloud(&november), other] {
        assert_eq!(app.post("cloud", body).await, 200);
    }
    let query = schema().join("queries/cost_by_category.sql");
    let sql = std::fs::read_to_string(query).unwrap();
    // Each number and month has a thousand of its own; what was only sent uses up none.
    assert_eq!(
        rows(&app.sqlite(), &sql),
        [
            "source|category|pricing_type|currency|messages|billable|free_thousand|cost",
            "cloud|service|free_entry_point||1|1|0|",
            "cloud|service|regular||1005|1005|1002|",
            "cloud|utility|regular||1|1|0|",
        ]
    );
    app.stop().await;
}

#[actix_web::test]
async fn every_view_gives_the_rows_it_should() {
    let app = fill().await;
    let connection = app.sqlite();
    let mut answers = Vec::new();
    for (view, order) in [
        ("v_account_events", "account_event_id"),
        ("v_broadcasts", "broadcast"),
        ("v_failures", "message_id"),
        ("v_forwards", "forward_id"),
        ("v_messages", "message_id"),
        ("v_webhooks", "webhook_id"),
    ] {
        let sql = format!("SELECT * FROM {view} ORDER BY {order}");
        let rows = rows(&connection, &sql).join("\n  ");
        answers.push(format!("{view}\n  {rows}"));
    }
    // Which of two subscribers answered first is chance.
    let timeline = "SELECT message_id, source, provider_message_id, at, event, status, \
                    provider_status, provider_at, subscriber, outcome, detail, repeats, \
                    webhook_id, report_id, forward_id, attempt_id > 0 AS attempt_id \
                    FROM v_timeline ORDER BY report_id, event DESC, subscriber";
    let rows_of = |sql| rows(&connection, sql).join("\n  ");
    answers.push(format!("v_timeline\n  {}", rows_of(timeline)));
    let pending = "SELECT name, state, state_reason, created_at, pending, oldest_pending_since \
                   FROM v_subscribers ORDER BY name";
    answers.push(format!("v_subscribers\n  {}", rows_of(pending)));
    let audit = "SELECT audit_id, at, caller, role, action, kind, id, detail FROM v_audit \
                 ORDER BY audit_id";
    answers.push(format!("v_audit\n  {}", rows_of(audit)));
    let mut answers = answers.join("\n\n");
    // Ids that leave the house hold chance.
    for (index, uid) in rows(
        &connection,
        "SELECT forward_uid FROM v_forwards ORDER BY forward_id",
    )
    .iter()
    .enumerate()
    .skip(1)
    {
        assert_eq!(uid.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
        answers = answers.replace(uid, &format!("UID-{index}"));
    }
    insta::assert_snapshot!(answers);
    app.stop().await;
}

#[actix_web::test]
async fn the_readme_explains_every_column_and_no_other() {
    let app = fill().await;
    let connection = app.sqlite();
    let text = std::fs::read_to_string(schema().join("README.md")).unwrap();
    let mut explained: Vec<String> = Vec::new();
    let mut of = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim();
            of = heading
                .strip_prefix('`')
                .and_then(|name| name.strip_suffix('`'));
        } else if let (Some(of), Some(row)) = (of, line.strip_prefix("| `")) {
            let (columns, explanation) = row.split_once('|').unwrap();
            assert!(explanation.len() > 4, "{line}");
            for column in columns.split(',') {
                explained.push(format!("{of}.{}", column.trim().trim_matches('`')));
            }
        }
    }
    let mut existing = rows(
        &connection,
        "SELECT entity.name || '.' || column.name FROM sqlite_schema AS entity, \
         pragma_table_xinfo(entity.name) AS column \
         WHERE entity.type IN ('table', 'view') AND entity.name NOT LIKE 'sqlite_%'",
    )
    .split_off(1);
    existing.sort();
    explained.sort();
    assert_eq!(explained, existing);
    app.stop().await;
}

#[test]
fn the_documents_list_every_query_and_say_which_are_for_a_copy() {
    let text = std::fs::read_to_string(schema().join("README.md")).unwrap();
    let front = std::fs::read_to_string(schema().join("../docs/analysts.md")).unwrap();
    for file in std::fs::read_dir(schema().join("queries")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let row = format!("| [queries/{name}.sql](");
        let row = text.lines().find(|line| line.starts_with(&row)).unwrap();
        let query = std::fs::read_to_string(&path).unwrap();
        let for_a_copy = query.contains("run it on a copy");
        assert_eq!(row.ends_with("| on a copy |"), for_a_copy, "{row}");
        assert_eq!(front.contains(&format!("`{name}`")), for_a_copy, "{name}");
    }
}

/// SQLite makes a table, each time, of a list of more than two words that a CHECK holds: three of
/// them for every report took a tenth of the writer's time.
#[actix_web::test]
async fn what_each_report_writes_makes_no_table_on_the_way() {
    let app = TestApp::boot().await;
    let connection = Connection::open(app.path()).unwrap();
    for statement in [
        "INSERT INTO webhook DEFAULT VALUES",
        "INSERT INTO message DEFAULT VALUES",
        "INSERT INTO report DEFAULT VALUES",
        "INSERT INTO payload DEFAULT VALUES",
        "INSERT INTO forward DEFAULT VALUES",
        "INSERT INTO attempt DEFAULT VALUES",
        "UPDATE forward SET state = 'delivered' WHERE forward_id = 1",
        "UPDATE webhook SET outcome = 'processed' WHERE webhook_id = 1",
    ] {
        let mut explain = connection.prepare(&format!("EXPLAIN {statement}")).unwrap();
        let steps = explain.query_map([], |row| row.get::<_, String>("opcode"));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        assert!(steps.len() > 5, "{statement}: {steps:?}");
        let is_table = |step: &String| step == "OpenEphemeral";
        assert!(!steps.iter().any(is_table), "{statement}");
    }
    app.stop().await;
}

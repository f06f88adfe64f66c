//! A person in every place and spelling, beside a neighbour whose number is one digit longer.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use rusqlite::params;
use tempfile::TempDir;
use tickrelay::admin::{PauseSubscriber, ResumeSubscriber};
use tickrelay::clock::Clock;

use super::{erase, files_with, status, statuses};
use crate::support::receiver::Receiver;
use crate::support::{TestApp, until};

const START_MS: i64 = 1_760_000_100_000;
const PERSON: &str = "385990001122";
const NEIGHBOUR: &str = "1385990001122";
/// Ids as Meta builds them, around the one number and the other.
const ID: &str = "wamid.HBgMMzg1OTkwMDAxMTIyFQIAERgSQTUwQkQ2QUVGMkYwQzI3RjI0AA==";
const ID_ALONE: &str = "wamid.HBgMMzg1OTkwMDAxMTIyFQIAERgSQjUwQkQ2QUVGMkYwQzI3RjI0AA==";
const ID_OF_NEIGHBOUR: &str = "wamid.HBgNMTM4NTk5MDAwMTEyMhUCABEYEkE1MEJENkFFRjJGMEMyN0YyNAA=";
/// Ids as the On-Premises API builds them, around the one number and the other.
const ID_ON_PREMISES: &str = "gBEGOFmQABEiAglK1ZEqA1YKPrU";
const ID_ON_PREMISES_OF_NEIGHBOUR: &str = "gBGHE4WZAAESLwIJStWRKgNWCj61";
/// An id without a number in it, of a message to the person.
const ID_PLAIN: &str = "gBEGkYiEB1VXAglK1ZEqA1YKPrU";

const IDS: [&str; 4] = [ID, ID_ALONE, ID_ON_PREMISES, ID_PLAIN];

/// How a number is written in a body or a text.
fn spellings(plus: &str, rest: [&str; 3]) -> Vec<String> {
    let [one, two, three] = rest;
    let whole = [plus, one, two, three].concat();
    vec![
        format!("+{whole}"),
        format!("00{whole}"),
        format!("+{plus} {one} {two} {three}"),
        format!("+{plus}-{one}-{two}.{three}"),
        format!("+{plus} ({one}) {two}/{three}"),
        format!("+{plus} [{one}] {two},{three}"),
        format!("+{plus}_{one}\n  {two}\t{three}"),
        format!("+{plus}\u{a0}{one}\u{2011}{two}\u{200b}{three}"),
        format!("+{plus}\\u00a0{one}\\n{two}\\/{three}"),
        format!("%2B{plus}+{one}+{two}+{three}"),
        format!("%2B{plus}%20{one}%C2%A0{two}{three}"),
        format!("\\u002b{whole}"),
    ]
}

fn person() -> Vec<String> {
    spellings("385", ["99", "000", "1122"])
}

fn neighbour() -> Vec<String> {
    spellings("1", ["385", "99000", "1122"])
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Without what zlib puts around it.
fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Stores of each of the two: reports, bodies that were ignored or could not be read, and texts
/// about others; all of it still to be sent.
async fn fill(app: &TestApp, receiver: &Receiver) {
    app.subscribe("crm", &receiver.url).await;
    app.perform(PauseSubscriber {
        name: "crm".to_owned(),
    })
    .await
    .unwrap();
    let to = |number: &str| serde_json::json!({ "recipient_id": number });
    for body in [
        statuses(&[status(ID, &to(PERSON))]),
        statuses(&[status(ID_PLAIN, &to(PERSON))]),
        statuses(&[status(ID_ALONE, &serde_json::json!({}))]),
        statuses(&[status(ID_ON_PREMISES, &serde_json::json!({}))]),
        statuses(&[status(ID_OF_NEIGHBOUR, &to(NEIGHBOUR))]),
        statuses(&[status("wamid.other", &to("34600000009"))]),
        format!(r#"{{"seen":"{ID_PLAIN}"}}"#),
        format!(r#"{{"seen":"{ID_ON_PREMISES}"}}"#),
        format!(r#"{{"seen":"{ID_OF_NEIGHBOUR}"}}"#),
        format!(r#"{{"seen":"{ID_ON_PREMISES_OF_NEIGHBOUR}"}}"#),
    ] {
        assert_eq!(app.post("cloud", body).await, 200);
    }
    let store = app.sqlite();
    // As the service has it: what is written here leaves no traces of its own.
    store.pragma_update(None, "secure_delete", true).unwrap();
    for spelling in person().iter().chain(&neighbour()) {
        app.post("cloud", format!("{{not json {spelling} }}")).await;
        app.post("cloud", format!(r#"{{"from":"{spelling}"}}"#))
            .await;
        for (encoding, body) in [
            ("gzip", gzip(spelling.as_bytes())),
            ("gzip", gzip(&gzip(spelling.as_bytes()))),
            ("deflate", deflate(spelling.as_bytes())),
            ("br", spelling.clone().into_bytes()),
        ] {
            store
                .execute(
                    "INSERT INTO webhook (source_id, received_at_ms, outcome, reports, new_reports, \
                     unreadable, content_encoding, body) VALUES (1, 0, 'unparsed', 0, 0, 1, ?1, ?2)",
                    params![encoding, body],
                )
                .unwrap();
        }
    }
    say_in_texts(&store);
}

/// What others say, in every text of a row that is not the person's.
fn say_in_texts(store: &rusqlite::Connection) {
    let said = format!(
        "{} {PERSON}; {}; {NEIGHBOUR}, {ID_PLAIN}",
        person()[2],
        neighbour()[2]
    );
    let json = serde_json::json!({ "a": said, "b": [PERSON, NEIGHBOUR] }).to_string();
    let other = "(SELECT message_id FROM message WHERE provider_message_id = 'wamid.other')";
    for sql in [
        format!(
            "UPDATE message SET text = ?1, error_details = ?1, others = json_object('recipient', ?1) \
             WHERE message_id = {other}"
        ),
        format!(
            "UPDATE report SET error_details = ?1, echo = ?1, template_id = ?1, pricing_other = ?1, \
             other_channel = ?1 WHERE message_id = {other}"
        ),
        format!(
            "UPDATE payload SET body = CAST(json_set(CAST(body AS TEXT), '$.message', ?1) AS BLOB) \
             WHERE report_id IN (SELECT report_id FROM report WHERE message_id = {other})"
        ),
        format!(
            "INSERT INTO attempt (forward_id, number, started_at_ms, duration_ms, excerpt, detail) \
             SELECT forward_id, 1, 0, 1, ?1, ?1 FROM forward WHERE message_id = {other}"
        ),
        "INSERT INTO condition (what, subject, holds, began_at_ms, notified_at_ms, text) \
         VALUES ('kept', ?1, 1, 0, 0, ?1)"
            .to_owned(),
        // Far enough ahead that it is not notified meanwhile.
        format!(
            "INSERT INTO alert (subscriber_id, error_key, failures, message_id, report_id, due_at_ms) \
             VALUES (1, ?1, 1, 0, 0, {})",
            START_MS + 30_000
        ),
    ] {
        assert_eq!(store.execute(&sql, [&said]).unwrap(), 1, "{sql}");
    }
    for sql in [
        format!(
            "INSERT INTO registration (message_id, origin, metadata, template_parameters, \
             send_status, registered_at_ms) VALUES ({other}, 'call', ?1, ?1, ?1, 0)"
        ),
        "INSERT INTO audit (at_ms, caller, role, action, kind, id, detail) \
         VALUES (0, 'ops', 'admin', 'kept', 'message', '7', ?1)"
            .to_owned(),
    ] {
        assert_eq!(store.execute(&sql, [&json]).unwrap(), 1, "{sql}");
    }
}

/// What is left of a store's bytes.
fn left(folder: &Path, texts: &[String]) -> Vec<String> {
    let is_left = |text: &&String| !files_with(folder, text).is_empty();
    texts.iter().filter(is_left).cloned().collect()
}

fn is_nowhere(folder: &Path) {
    let ids = IDS.map(str::to_owned);
    assert_eq!(left(folder, &person()), [""; 0]);
    assert_eq!(left(folder, &ids), [""; 0]);
}

#[actix_web::test]
async fn a_person_goes_from_every_place_in_every_spelling_and_a_neighbour_stays() {
    let folder = TempDir::new().unwrap();
    let (clock, _hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.store.path = folder.path().join("tickrelay.db");
    })
    .await;
    let receiver = Receiver::start();
    fill(&app, &receiver).await;
    // The control: before it is all there.
    let ids = IDS.map(str::to_owned);
    assert_eq!(left(folder.path(), &person()), person());
    assert_eq!(left(folder.path(), &ids), ids);
    let count = |sql: &str| app.value::<i64>(&format!("SELECT count(*) FROM {sql}"));
    let bodies = count("webhook WHERE body IS NOT NULL");

    let found = erase(&app, "+385 99 000 1122", true).await.unwrap();
    assert_eq!(left(folder.path(), &ids), ids, "a dry run removes nothing");
    let removed = erase(&app, PERSON, false).await.unwrap();
    assert_eq!(removed, found);
    assert_eq!((removed.messages, removed.pending), (4, 4));
    assert_eq!(
        (removed.answers, removed.payloads, removed.texts),
        (1, 1, 6)
    );
    // Those of the neighbour whose compression is unknown.
    assert_eq!(removed.unread, neighbour().len() as u64);
    assert_eq!(removed.bodies, 6 + 6 * person().len() as u64);
    assert_eq!(
        count("webhook WHERE body IS NOT NULL"),
        bodies - i64::try_from(removed.bodies).unwrap()
    );
    assert!(erase(&app, PERSON, false).await.unwrap().is_nothing());

    let of_neighbour = format!("message WHERE recipient = '{NEIGHBOUR}'");
    assert_eq!((count("message"), count(&of_neighbour)), (2, 1));
    let text: String = app.value("SELECT text FROM message WHERE text IS NOT NULL");
    let stars = "*".repeat(PERSON.len());
    let blotted = format!(
        "+*************** {stars}; {}; {NEIGHBOUR}, {}",
        neighbour()[2],
        "*".repeat(ID_PLAIN.len())
    );
    assert_eq!(text, blotted);
    assert_eq!(app.value::<String>("SELECT error_key FROM alert"), blotted);
    let metadata: String = app.value("SELECT metadata FROM registration");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["b"], serde_json::json!([stars, NEIGHBOUR]));

    // The lane had the payload in memory.
    app.perform(ResumeSubscriber {
        name: "crm".to_owned(),
    })
    .await
    .unwrap();
    until("what is left is sent", || receiver.count() == 2).await;
    app.settled().await;
    for request in receiver.received() {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!text.replace(NEIGHBOUR, "").contains(PERSON), "{text}");
        assert!(!text.contains(ID_PLAIN), "{text}");
    }
    app.stop().await;
    is_nowhere(folder.path());
    assert_eq!(left(folder.path(), &neighbour()), neighbour());
    let ids = [ID_OF_NEIGHBOUR, ID_ON_PREMISES_OF_NEIGHBOUR].map(str::to_owned);
    assert_eq!(left(folder.path(), &ids), ids);
}

#[actix_web::test]
async fn an_id_that_mentions_the_number_costs_no_other_message_of_its_recipient() {
    let app = TestApp::boot().await;
    let to = |number: &str| serde_json::json!({ "recipient_id": number });
    let other = "34600000020";
    let mentioning = format!("invite-by-{PERSON}");
    let broadcast = format!("for-{PERSON}:34600000021");
    let theirs = format!("b1:{PERSON}");
    for (id, number) in [
        (mentioning.as_str(), other),
        ("purchase-1", other),
        (&broadcast, "34600000021"),
        ("b1:3859900011220", "3859900011220"),
        (&theirs, PERSON),
        ("order-1000", PERSON),
        ("order-10001", "34600000022"),
        ("preorder-1000", "34600000022"),
    ] {
        let body = statuses(&[status(id, &to(number))]);
        assert_eq!(app.post("cloud", body).await, 200);
    }
    let payloads = "SELECT group_concat(CAST(body AS TEXT), ' ') FROM payload JOIN report USING \
                    (report_id) WHERE recipient <> '385990001122'";
    erase(&app, PERSON, false).await.unwrap();
    let left: String = app.value(
        "SELECT group_concat(provider_message_id, ' ') FROM (SELECT provider_message_id FROM \
         message ORDER BY message_id)",
    );
    let stars = "*".repeat(PERSON.len());
    let kept = [
        &format!("invite-by-{stars}"),
        "purchase-1",
        &format!("for-{stars}:34600000021"),
        "b1:3859900011220",
        "order-10001",
        "preorder-1000",
    ];
    assert_eq!(left, kept.join(" "));
    let leftover: Option<String> = app.value(payloads);
    assert!(!leftover.unwrap_or_default().contains('*'));
    let bodies: i64 = app.value("SELECT count(*) FROM webhook WHERE body IS NULL");
    // The person's two, the one that mentions the number, and the one whose broadcast does.
    assert_eq!(bodies, 4);
    app.stop().await;
}

#[actix_web::test]
async fn the_name_of_a_broadcast_and_of_what_was_ignored_that_holds_the_number_goes() {
    let app = TestApp::boot().await;
    let store = app.sqlite();
    let now_ms = "strftime('%s', 'now') * 1000";
    for (broadcast, state) in [
        ("b385-990001122", "done"),
        ("b385.990001122", "gave-up"),
        (PERSON, "done"),
        ("still-385990001122", "open"),
        (NEIGHBOUR, "done"),
    ] {
        let poll = "INSERT INTO poll (source_id, broadcast, state, registered_at_ms, due_at_ms) \
                    VALUES (99, ?1, ?2, 0, 9000000000000)";
        store.execute(poll, [broadcast, state]).unwrap();
        let webhook = format!(
            "INSERT INTO webhook (source_id, received_at_ms, outcome, reports, new_reports, \
             unreadable, broadcast) VALUES (99, {now_ms}, 'ignored', 0, 0, 0, ?1)"
        );
        store.execute(&webhook, [broadcast]).unwrap();
        let ignored = "INSERT INTO ignored VALUES (99, ?1, 1, 0, 0)";
        store.execute(ignored, [broadcast]).unwrap();
        let message = format!(
            "INSERT INTO message (source_id, conflict, type, type_rule, broadcast, \
             first_report_at_ms, last_report_at_ms) \
             VALUES (99, 0, 'text', '', ?1, {now_ms}, {now_ms})"
        );
        store.execute(&message, [broadcast]).unwrap();
    }
    let all = |sql: &str| app.rows(sql).concat().join(" ");
    erase(&app, PERSON, false).await.unwrap();
    let stars = "*".repeat(PERSON.len());
    assert_eq!(
        all("SELECT broadcast FROM poll ORDER BY poll_id"),
        // Two had the same id but for the spelling; the open one is still polled by its own.
        format!("b*{stars} poll-2 {stars} still-385990001122 {NEIGHBOUR}")
    );
    let blotted = format!("b*{stars} b*{stars} {stars} still-{stars} {NEIGHBOUR}");
    assert_eq!(
        all("SELECT broadcast FROM webhook ORDER BY webhook_id"),
        blotted
    );
    assert_eq!(
        all("SELECT broadcast FROM message ORDER BY message_id"),
        blotted
    );
    assert_eq!(all("SELECT what FROM ignored"), NEIGHBOUR);
    app.stop().await;
}

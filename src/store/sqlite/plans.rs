//! How SQLite reads each list: by its key or by an index, and never through a whole table.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use super::clause::Select;
use super::forward_reads::{self, Of};
use super::{
    account_events, audit, broadcasts, errors, explanations, jobs, polls, replays, search,
    templates, webhooks,
};
use crate::clock::Clock;
use crate::model::{ErrorCode, ForwardState, Status, SubscriberKey};
use crate::plan::BroadcastCounts;
use crate::store::broadcast::BroadcastRecord;
use crate::store::query::{
    AccountEventQuery, AttemptOutcome, AttemptQuery, ForwardQuery, MessageQuery, Scope,
    WebhookQuery, Window,
};
use crate::store::{Durability, Options, Store, WebhookOutcome};

/// Of an ordered read by key, the parts of which are searched one after the other.
const BY_KEY: &str = "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::of_sqlite_test(folder.path(), Durability::Os);
    let store = Store::open(&options, Clock::system(), Arc::default()).unwrap();
    (folder, store)
}

/// The steps of a statement, as SQLite plans it.
fn steps(connection: &Connection, sql: &str) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {sql}");
    let mut explain = connection.prepare(&sql).unwrap();
    let none = vec![rusqlite::types::Null; explain.parameter_count()];
    let steps = explain.query_map(params_from_iter(none), |row| row.get("detail"));
    steps.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// Checks that a list is read by that step; that it is in order by itself, unless few rows are to
/// be sorted; and that no table which grows with the traffic is read through.
fn check(connection: &Connection, what: &str, select: &Select, expected: &str, sorts: bool) {
    let steps = steps(connection, &select.sql);
    let has = |part: &str| steps.iter().any(|step| step.contains(part));
    assert!(has(expected), "{what}: {steps:#?}");
    assert_eq!(has("USE TEMP B-TREE"), sorts, "{what}: {steps:#?}");
    for table in [
        "message",
        "report",
        "forward",
        "attempt",
        "webhook",
        "named",
        "own",
        "registration",
        "account_event",
    ] {
        let scans = |step: &String| {
            step.strip_prefix("SCAN ").is_some_and(|rest| {
                rest.split(' ').next() == Some(table) && !rest.contains("registration_refused")
            })
        };
        assert!(!steps.iter().any(scans), "{what}: {steps:#?}");
    }
}

fn an_owner() -> Scope {
    Scope {
        owner: Some("acme".to_owned()),
        sources: vec!["meta".to_owned()],
        owned: vec!["meta".to_owned()],
    }
}

/// The conditions of a list, by name.
type Cases<Query> = Vec<(&'static str, fn(&mut Query))>;

fn check_messages(cases: Cases<MessageQuery>, expected: &str, sorts: bool) {
    let (_folder, store) = open();
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        for (what, change) in cases {
            let mut query = MessageQuery::default();
            change(&mut query);
            let select = search::select(connection, &query)?;
            check(connection, what, &select, expected, sorts);
        }
        Ok(())
    });
    checked.unwrap();
}

fn check_forwards(cases: Cases<ForwardQuery>, way: Of, (expected, sorts): (&str, bool)) {
    let (_folder, store) = open();
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        for (what, change) in cases {
            let mut query = ForwardQuery::default();
            change(&mut query);
            let select = forward_reads::forwards(connection, &query, way)?;
            check(connection, what, &select, expected, sorts);
        }
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn messages_of_an_id_an_error_or_a_broadcast_are_read_by_its_index() {
    check_messages(
        vec![("an id", |query| {
            query.provider_message_id = Some("wamid.1".to_owned());
        })],
        "SEARCH message USING INDEX message_provider_id (provider_message_id=?",
        true,
    );
    check_messages(
        vec![
            ("a code", |query| query.error = Some("131026".to_owned())),
            ("a code at a source of an owner", |query| {
                query.error = Some("131026".to_owned());
                query.source = Some("meta".to_owned());
                query.status = Some(Status::Failed);
                query.scope = an_owner();
            }),
        ],
        "SEARCH message USING INDEX message_error_code (error_code=? AND rowid>? AND rowid<?)",
        false,
    );
    check_messages(
        vec![("an error's key", |query| {
            query.error = Some("meta:131026".to_owned());
        })],
        "SEARCH message USING INDEX message_error_key (error_key=? AND rowid>? AND rowid<?)",
        false,
    );
    check_messages(
        vec![("a broadcast at a source", |query| {
            query.broadcast = Some("b".to_owned());
            query.source = Some("meta".to_owned());
        })],
        "USING INDEX message_broadcast (broadcast=? AND source_id=? AND rowid>? AND rowid<?)",
        false,
    );
    check_messages(
        vec![("a broadcast", |query| query.broadcast = Some("b".into()))],
        "SEARCH message USING INDEX message_broadcast (broadcast=?)",
        true,
    );
    let refused: Cases<MessageQuery> = vec![("refused", |query| query.refused = true)];
    check_messages(refused, "registration_refused", false);
}

#[test]
fn any_other_list_of_messages_is_read_by_key() {
    let cases: Cases<MessageQuery> = vec![
        ("all", |_| ()),
        ("a status", |query| query.status = Some(Status::Failed)),
        ("a source", |query| query.source = Some("meta".to_owned())),
        ("a time", |query| {
            query.since_ms = Some(1);
            query.until_ms = Some(2);
        }),
        ("a recipient", |query| {
            query.recipient = Some("+34600000001".to_owned());
        }),
        ("silent ones", |query| query.silent_at_ms = Some(1)),
        ("those of an owner", |query| query.scope = an_owner()),
    ];
    check_messages(cases, BY_KEY, false);
}

#[test]
fn a_list_of_forwards_is_read_by_an_index_or_by_key() {
    let pending: fn(&mut ForwardQuery) = |query| {
        query.subscriber_id = Some(SubscriberKey::of(1));
        query.state = Some(ForwardState::Pending);
    };
    let cases: Cases<ForwardQuery> = vec![
        ("all", |_| ()),
        ("a subscriber", |query| {
            query.subscriber_id = Some(SubscriberKey::of(1));
        }),
        ("given up with an error", |query| {
            query.subscriber_id = Some(SubscriberKey::of(1));
            query.state = Some(ForwardState::GaveUp);
            query.error = Some(ErrorCode::Timeout);
            query.since_ms = Some(1);
        }),
        ("pending, by parts", pending),
        ("a recipient", |query| {
            query.recipient = Some("+34600000001".to_owned());
        }),
        ("a status of a source", |query| {
            query.source = Some("meta".to_owned());
            query.status = Some(Status::Failed);
        }),
        ("those of an owner", |query| query.scope = an_owner()),
    ];
    check_forwards(cases, Of::AnyState, (BY_KEY, false));
    let message: Cases<ForwardQuery> =
        vec![("a message", |it| it.message = Some("wamid.1".to_owned()))];
    let by_message = "SEARCH forward USING INDEX forward_message (message_id=?";
    check_forwards(message, Of::AnyState, (by_message, true));
    let due = "SEARCH forward USING INDEX forward_due (subscriber_id=?)";
    check_forwards(vec![("pending", pending)], Of::Pending, (due, true));
}

#[test]
fn a_list_of_attempts_is_read_by_key() {
    let cases: Cases<AttemptQuery> = vec![
        ("all", |_| ()),
        ("those of an owner's subscriber", |query| {
            query.subscriber_id = Some(SubscriberKey::of(1));
            query.scope = an_owner();
        }),
        ("failed with an error", |query| {
            query.outcome = Some(AttemptOutcome::Failed);
            query.error = Some(ErrorCode::Timeout);
            query.since_ms = Some(1);
        }),
    ];
    let (_folder, store) = open();
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        for (what, change) in cases {
            let mut query = AttemptQuery::default();
            change(&mut query);
            let select = forward_reads::attempts(connection, &query)?;
            check(connection, what, &select, BY_KEY, false);
        }
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn a_list_of_webhooks_is_read_by_key_and_the_unparsed_by_their_index() {
    let (_folder, store) = open();
    let asking = |outcome, source, scope| WebhookQuery {
        outcome,
        source,
        scope,
        ..WebhookQuery::default()
    };
    let (all_owners, duplicate) = (Scope::default(), Some(WebhookOutcome::Duplicate));
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        let all = webhooks::select(connection, &asking(None, None, all_owners.clone()))?;
        check(connection, "all", &all, BY_KEY, false);
        let some = asking(duplicate, Some("meta".to_owned()), an_owner());
        let some = webhooks::select(connection, &some)?;
        check(connection, "duplicates", &some, BY_KEY, false);
        let unparsed = asking(Some(WebhookOutcome::Unparsed), None, all_owners);
        let unparsed = webhooks::select(connection, &unparsed)?;
        let by_index = "USING INDEX webhook_unreadable (webhook_id>? AND webhook_id<?)";
        check(connection, "unparsed", &unparsed, by_index, false);
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn a_list_of_broadcasts_is_read_by_an_index_or_by_key() {
    let (_folder, store) = open();
    let broadcast = BroadcastRecord {
        counts: BroadcastCounts::default(),
        id: "b".to_owned(),
        source: "meta".to_owned(),
        ends_at_sent: false,
        first_report_at_ms: 1,
        last_report_at_ms: 1,
    };
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        let by_index = "USING INDEX message_broadcast (broadcast=? AND source_id=? AND rowid>? \
             AND rowid<?)";
        let messages = broadcasts::messages(&broadcast, &Scope::default());
        check(connection, "its messages", &messages, by_index, false);
        for scope in [Scope::default(), an_owner()] {
            let firsts = broadcasts::firsts(&scope);
            check(connection, "by parts", &firsts, BY_KEY, false);
            let (sql, _) = broadcasts::grouped(&scope, Window::newest(50));
            let steps = steps(connection, &sql);
            assert!(steps[0].contains("message_broadcast"), "{steps:#?}");
        }
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn a_list_of_account_events_is_read_by_key_and_what_explains_a_failure_by_its_time() {
    let cases: Cases<AccountEventQuery> = vec![
        ("all", |_| ()),
        ("a source", |query| query.source = Some("meta".to_owned())),
        ("an event", |query| query.event = Some("PAUSED".to_owned())),
        ("a time", |query| {
            query.since_ms = Some(1);
            query.until_ms = Some(2);
        }),
        ("a subject of an owner's", |query| {
            query.subject = Some("+34600000001".to_owned());
            query.scope = an_owner();
        }),
    ];
    let (_folder, store) = open();
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        for (what, change) in cases {
            let mut query = AccountEventQuery::default();
            change(&mut query);
            let select = account_events::select(connection, &query)?;
            check(connection, what, &select, BY_KEY, false);
        }
        let sql = format!("{} {}", account_events::SELECT, explanations::PAST);
        let steps = steps(connection, &sql);
        let by_time = "SEARCH account_event USING INDEX account_event_at (source_id=? AND <expr>>? AND <expr><?)";
        assert!(steps.iter().any(|step| step == by_time), "{steps:#?}");
        assert!(!steps.iter().any(|step| step.starts_with("USE TEMP B-TREE")), "{steps:#?}");
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn every_other_list_is_read_by_key() {
    let (_folder, store) = open();
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        for (what, select) in [
            ("audit", audit::select()),
            ("templates", templates::select()),
            ("replays", replays::select(Some(&[SubscriberKey::of(1)]))),
            ("jobs", jobs::select(Some("cli"))),
            ("polls", polls::select(Some("meta"))),
        ] {
            check(connection, what, &select, BY_KEY, false);
        }
        let steps = steps(connection, errors::UNKNOWN);
        let by_key = |step: &&String| step.contains("report") && step.contains(BY_KEY);
        assert_eq!(steps.iter().filter(by_key).count(), 2, "{steps:#?}");
        Ok(())
    });
    checked.unwrap();
}

/// The control of the others: the plan of what this replaces is one that they refuse.
#[test]
fn a_condition_that_may_be_left_out_keeps_sqlite_from_the_index() {
    let (_folder, store) = open();
    let reader = &store.sqlite().reader;
    let checked = reader.read("plan", |connection| {
        let sql = "SELECT * FROM message WHERE (?1 IS NULL OR provider_message_id = ?1) \
                   ORDER BY message_id DESC";
        assert_eq!(steps(connection, sql), ["SCAN message"]);
        Ok(())
    });
    checked.unwrap();
}

/// So no statement has one: an unset condition is not written.
#[test]
fn no_statement_has_a_condition_that_a_missing_value_turns_off() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|end| end != "rs") || path.ends_with("plans.rs") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let of_a_parameter = |at: usize| {
            let before = text[..at].trim_end_matches(|letter: char| letter.is_ascii_digit());
            before.ends_with('?')
        };
        let found = text
            .match_indices(" IS NULL OR")
            .find(|(at, _)| of_a_parameter(*at));
        let is_comment = |at: usize| text[..at].rsplit('\n').next().unwrap().starts_with("//!");
        assert!(
            found.is_none_or(|(at, _)| is_comment(at)),
            "{}: {found:?}",
            path.display()
        );
    }
    assert!(files > 40, "{files}");
}

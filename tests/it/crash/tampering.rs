//! What the service must never do to its store, done to it by hand: a fault of each kind.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::trial::Trial;
use crate::support::traffic::{message_id, number, statuses};

/// Puts one fault of each kind into the store of a service that was killed.
pub(super) fn tamper(trial: &Trial) {
    let connection = Connection::open(trial.home.store()).unwrap();
    let unanswered = trial.traffic.unanswered();
    let mut finished = finished(&connection);
    finished.retain(|number| !unanswered.contains(number));
    let mut next = |wanted: fn(usize) -> bool| {
        let at = finished.iter().position(|number| wanted(*number)).unwrap();
        message_id(finished.swap_remove(at))
    };
    let any = |_| true;
    let change = |sql: &str, id: String| {
        assert!(connection.execute(sql, [id]).unwrap() > 0, "{sql}");
    };
    // Lost.
    change(
        "DELETE FROM message WHERE provider_message_id = ?1",
        next(any),
    );
    // Torn.
    change(
        "DELETE FROM report WHERE provider_status = 'read' AND message_id = \
         (SELECT message_id FROM message WHERE provider_message_id = ?1)",
        next(|number| statuses(number).contains(&"read")),
    );
    // Doubled.
    connection
        .execute_batch(
            "DROP INDEX report_identity; CREATE TEMP TABLE double AS SELECT * FROM report",
        )
        .unwrap();
    // What is generated is not written.
    let columns: String = connection
        .query_row(
            "SELECT group_concat(name) FROM pragma_table_info('report')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    connection
        .execute_batch("UPDATE double SET report_id = report_id + 1000000")
        .unwrap();
    change(
        &format!(
            "INSERT INTO report ({columns}) SELECT {columns} FROM double WHERE message_id = \
             (SELECT message_id FROM message WHERE provider_message_id = ?1)"
        ),
        next(any),
    );
    // Sent again.
    change(
        "UPDATE forward SET state = 'pending' WHERE message_id = \
         (SELECT message_id FROM message WHERE provider_message_id = ?1)",
        next(any),
    );
    // Changed: delivered once more, with another id.
    change(
        "UPDATE forward SET state = 'pending', uid = randomblob(16) WHERE message_id = \
         (SELECT message_id FROM message WHERE provider_message_id = ?1)",
        next(any),
    );
    settle_unsent(&connection, trial);
}

/// Undelivered: what never left is marked as delivered; the youngest, since the oldest may be
/// on its way.
fn settle_unsent(connection: &Connection, trial: &Trial) {
    let received: BTreeSet<Uuid> = trial
        .subscriber
        .since(0)
        .iter()
        .map(|ingest| ingest.forward)
        .collect();
    let mut statement = connection
        .prepare("SELECT uid FROM forward WHERE state = 'pending' ORDER BY forward_id DESC")
        .unwrap();
    let unsent = statement
        .query_map([], |row| row.get(0).map(Uuid::from_bytes))
        .unwrap()
        .map(Result::unwrap)
        .find(|uid| !received.contains(uid));
    let changed = connection.execute(
        "UPDATE forward SET state = 'delivered' WHERE uid = ?1",
        params![unsent.unwrap().as_bytes()],
    );
    assert_eq!(changed.unwrap(), 1);
}

/// Webhooks whose forwards are all delivered.
fn finished(connection: &Connection) -> Vec<usize> {
    connection
        .prepare(
            "SELECT provider_message_id FROM message JOIN forward USING (message_id) \
             GROUP BY 1 HAVING min(state = 'delivered')",
        )
        .unwrap()
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|id| number(&id.unwrap()))
        .collect()
}

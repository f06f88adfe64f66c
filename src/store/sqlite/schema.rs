//! Whose file it is, which version its schema has, and how it becomes ours.
//!
//! A kill at any point leaves a file that the next start takes up again: our mark goes in
//! before the first table, and each migration comes with its version in one transaction.

use std::path::Path;

use rusqlite::{Connection, Transaction};
use rusqlite_migration::{M, Migrations};

use super::files::create_private;
use super::import::Import;
use super::{backend, beside};
use crate::store::Error;

/// Marks the file as ours, for `file(1)` and for our own refusal to open another's.
pub(super) const APPLICATION_ID: i32 = 0x7469_636B;

/// In the order of their numbers; never edited once released.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../../../schema/sqlite/0001_initial.sql")),
    M::up(include_str!(
        "../../../schema/sqlite/0002_untried_first.sql"
    )),
    M::up(SEALED_SECRETS),
    M::up(include_str!("../../../schema/sqlite/0004_key_ranges.sql")),
    M::up(include_str!("../../../schema/sqlite/0005_clock_hold.sql")),
    M::up(include_str!("../../../schema/sqlite/0006_opened.sql")),
    M::up(include_str!("../../../schema/sqlite/0007_group_people.sql")),
    M::up(include_str!("../../../schema/sqlite/0008_sends.sql")),
    M::up(include_str!("../../../schema/sqlite/0009_channels.sql")),
    M::up(include_str!("../../../schema/sqlite/0010_failed_codes.sql")),
    M::up(include_str!("../../../schema/sqlite/0011_error_time.sql")),
    M::up(include_str!(
        "../../../schema/sqlite/0012_alert_failures.sql"
    )),
    M::up(include_str!(
        "../../../schema/sqlite/0013_account_events.sql"
    )),
    M::up(include_str!("../../../schema/sqlite/0014_person_names.sql")),
    M::up(include_str!(
        "../../../schema/sqlite/0015_account_senders.sql"
    )),
    M::up(include_str!(
        "../../../schema/sqlite/0016_channel_notices.sql"
    )),
    M::up(include_str!("../../../schema/sqlite/0017_plain_names.sql")),
    M::up(include_str!("../../../schema/sqlite/0018_ends_at_sent.sql")),
    M::up(include_str!("../../../schema/sqlite/0019_broadcast.sql")),
    M::up(include_str!("../../../schema/sqlite/0020_skipped.sql")),
    M::up(include_str!("../../../schema/sqlite/0021_job.sql")),
    M::up(include_str!("../../../schema/sqlite/0022_resumes.sql")),
];

const SEALED_SECRETS: &str = include_str!("../../../schema/sqlite/0003_sealed_secrets.sql");
/// The version that it leads to: stores before it hold the URLs of chats in plain.
pub(super) const SEALED: i64 = 3;

/// The newest schema version this build knows.
pub(super) const SCHEMA_VERSION: i64 = version(MIGRATIONS);

#[expect(clippy::cast_possible_wrap, reason = "there are not 2^63 migrations")]
const fn version(migrations: &[M<'_>]) -> i64 {
    migrations.len() as i64
}

/// The file's schema version, 0 for a new file; changes nothing in it.
///
/// # Errors
/// [`Error::Conflict`] for another program's file, [`Error::TooNew`] when a newer tickrelay
/// wrote it, [`Error::Backend`] when it is no database or cannot be read.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let read = |error| backend(format!("cannot read {}", path.display()), error);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(read)?;
    let application: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(read)?;
    if application != APPLICATION_ID && (tables > 0 || application != 0) {
        return Err(Error::Conflict(format!(
            "{} is a SQLite file of another program: choose another path in store.url",
            path.display()
        )));
    }
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(read)?;
    if found > SCHEMA_VERSION {
        return Err(Error::TooNew {
            location: path.display().to_string(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(found)
}

/// Brings the schema up to date from version `found`; a file with data is copied aside first.
///
/// # Errors
/// [`Error::Backend`] when the copy or the migration fails; the file is as it was then.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    (found, now_ms): (i64, i64),
    import: &Import,
) -> Result<(), Error> {
    let mut migrations = MIGRATIONS.to_vec();
    for (migration, version) in migrations.iter_mut().zip(1..) {
        if version == SEALED {
            let import = import.clone();
            *migration = M::up_with_hook(SEALED_SECRETS, move |store: &Transaction<'_>| {
                import.run(store)
            });
        }
    }
    if (1..SEALED).contains(&found) {
        // No copy before this one: it would hold in plain what the step seals.
        Migrations::from_slice(&migrations)
            .to_version(
                connection,
                SEALED.unsigned_abs().try_into().unwrap_or_default(),
            )
            .map_err(|error| backend(format!("cannot migrate {}", path.display()), error))?;
        return migrate_by(&migrations, connection, path, SEALED, now_ms);
    }
    migrate_by(&migrations, connection, path, found, now_ms)
}

fn migrate_by(
    migrations: &[M<'_>],
    connection: &mut Connection,
    path: &Path,
    found: i64,
    now_ms: i64,
) -> Result<(), Error> {
    let failed = |error| backend(format!("cannot migrate {}", path.display()), error);
    let known = version(migrations);
    if found == 0 {
        mark(connection).map_err(|error| failed(error.into()))?;
    } else if found < known {
        let copy = beside(path, &format!("before-v{known}-{now_ms}"));
        back_up(connection, &copy)?;
        tracing::info!(backup = %copy.display(), from = found, to = known, "store.migrating");
    }
    Migrations::from_slice(migrations)
        .to_latest(connection)
        .map_err(failed)
}

/// Copies the store aside, into a file that only its owner may read.
fn back_up(connection: &Connection, copy: &Path) -> Result<(), Error> {
    let attempted = || format!("cannot back up to {}", copy.display());
    // SQLite fills an empty file, and would make one that every user may read.
    create_private(copy).map_err(|error| backend(attempted(), error))?;
    connection
        .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
        .map_err(|error| backend(attempted(), error))?;
    Ok(())
}

/// Writes into the file that it is ours.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens the file as `Store::open` does and migrates it by these statements.
    fn open(path: &Path, migrations: &[&'static str]) -> Result<Connection, Error> {
        let mut connection = Connection::open(path).unwrap();
        let found = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        let migrations: Vec<M> = migrations.iter().copied().map(M::up).collect();
        migrate_by(&migrations, &mut connection, path, found, 7)?;
        Ok(connection)
    }

    const FIRST: &str = "CREATE TABLE kept (value TEXT) STRICT;";

    #[test]
    fn a_migration_makes_a_backup_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tickrelay.db");
        let first = open(&path, &[FIRST]).unwrap();
        first
            .execute("INSERT INTO kept VALUES ('before')", [])
            .unwrap();
        drop(first);
        let backup = folder.path().join("tickrelay.before-v2-7.db");
        drop(open(&path, &[FIRST]).unwrap());
        assert!(!backup.exists(), "nothing was migrated");
        let second = "UPDATE kept SET value = 'after';";
        let connection = open(&path, &[FIRST, second]).unwrap();
        let value = |connection: &Connection| -> String {
            connection
                .query_row("SELECT value FROM kept", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(value(&connection), "after");
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&backup.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let backup = Connection::open(&backup).unwrap();
        assert_eq!(value(&backup), "before");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tickrelay.db");
        drop(open(&path, &[FIRST]).unwrap());
        let broken = "CREATE TABLE new (value TEXT) STRICT; INSERT INTO missing VALUES (1);";
        let error = open(&path, &[FIRST, broken]).unwrap_err();
        assert!(error.to_string().starts_with("cannot migrate "), "{error}");
        let connection = open(&path, &[FIRST]).unwrap();
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }

    /// The first fields of each row that the statement gives, as text.
    fn texts(connection: &Connection, sql: &str) -> Vec<[Option<String>; 2]> {
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| Ok([row.get(0)?, row.get(1)?]));
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    /// A store as that version made it.
    fn of_version(version: usize) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("tickrelay.db")).unwrap();
        Migrations::from_slice(MIGRATIONS)
            .to_version(&mut connection, version)
            .unwrap();
        (folder, connection)
    }

    #[test]
    fn the_broadcasts_of_a_store_from_before_version_19_are_kept_under_their_name() {
        let (folder, mut connection) = of_version(18);
        let path = folder.path().join("tickrelay.db");
        connection
            .execute_batch(
                "INSERT INTO source (source_id, name, provider) VALUES (1, 'infobip', 'infobip');
                 INSERT INTO message (source_id, conflict, type, type_rule, bulk_id, registered, \
                  first_report_at_ms, last_report_at_ms) VALUES \
                  (1, 0, '', '', 'bulk_id', 'text, recipient, sender, bulk_id', 0, 0), \
                  (1, 0, '', '', 'b', 'bulk_id', 0, 0), (1, 0, '', '', 'b', 'text', 0, 0), \
                  (1, 0, '', '', NULL, NULL, 0, 0);
                 INSERT INTO report (message_id, identity, kind, provider_status, change, \
                  received_at_ms, bulk_id) VALUES (1, 0, '', '', '', 0, 'b');",
            )
            .unwrap();
        let view = "SELECT * FROM (SELECT bulk_id, total || ' ' || pending FROM v_broadcasts)";
        let before = texts(&connection, view);
        migrate(&mut connection, &path, (18, 7), &Import::nothing()).unwrap();
        assert_eq!(
            texts(&connection, &view.replace("bulk_id", "broadcast")),
            before
        );
        let word = |word: &str| Some(word.to_owned());
        assert_eq!(
            before,
            [[word("b"), word("2 2")], [word("bulk_id"), word("1 1")]]
        );
        let messages = "SELECT broadcast, registered FROM message ORDER BY message_id";
        let expected = [
            [word("bulk_id"), word("text, recipient, sender, broadcast")],
            [word("b"), word("broadcast")],
            [word("b"), word("text")],
            [None, None],
        ];
        assert_eq!(texts(&connection, messages), expected);
        let reports = "SELECT broadcast, kind FROM report";
        assert_eq!(texts(&connection, reports), [[word("b"), word("")]]);
        for view in ["v_messages", "v_failures", "v_silent"] {
            texts(
                &connection,
                &format!("SELECT broadcast, message_id || '' FROM {view}"),
            );
        }
        let old = "SELECT name, sql FROM sqlite_schema WHERE instr(sql, 'bulk')";
        assert!(texts(&connection, old).is_empty());
    }

    #[test]
    fn what_was_skipped_and_queued_before_version_20_is_kept_under_those_names() {
        let (folder, mut connection) = of_version(19);
        let path = folder.path().join("tickrelay.db");
        connection
            .execute_batch(
                "INSERT INTO source (source_id, name, provider) VALUES (1, 'infobip', 'infobip');
                 INSERT INTO message (source_id, conflict, type, type_rule, first_report_at_ms, \
                  last_report_at_ms) VALUES (1, 0, '', '', 0, 0);
                 INSERT INTO report (message_id, identity, kind, provider_status, change, \
                  received_at_ms, refusals) VALUES \
                  (1, 0, '', '', 'new', 0, '[{\"subscriber_id\":1,\"reason\":\"status\"}]');
                 INSERT INTO replay (uid, subscriber_id, state, states, new_id, first_id, next_id, \
                  last_id, marked, created_at_ms) \
                  VALUES (x'01', 1, 'done', '[]', 0, 1, 4, 3, 2, 0);",
            )
            .unwrap();
        let view = "SELECT outcome, event FROM v_timeline ORDER BY event";
        let before = texts(&connection, view);
        migrate(&mut connection, &path, (19, 7), &Import::nothing()).unwrap();
        let row = |first: &str, second: &str| [Some(first.to_owned()), Some(second.to_owned())];
        assert_eq!(
            before,
            [row("status", "not-forwarded"), row("new", "report")]
        );
        assert_eq!(texts(&connection, view), before);
        let reports = "SELECT json_extract(skipped, '$[0].reason'), kind FROM report";
        assert_eq!(texts(&connection, reports), [row("status", "")]);
        for replays in ["replay", "v_replays"] {
            let sql = format!("SELECT queued || '', state FROM {replays}");
            assert_eq!(texts(&connection, &sql), [row("2", "done")]);
        }
        let old = "SELECT name, sql FROM sqlite_schema WHERE instr(sql, 'refusals') \
             OR instr(sql, 'marked')";
        assert!(texts(&connection, old).is_empty());
    }

    #[test]
    fn a_file_that_was_marked_and_got_no_table_yet_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tickrelay.db");
        open(&path, &["INSERT INTO missing VALUES (1);"]).unwrap_err();
        let connection = Connection::open(&path).unwrap();
        let mark: i32 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .unwrap();
        assert_eq!(mark, APPLICATION_ID);
        assert_eq!(recognise(&connection, &path).unwrap(), 0);
    }
}

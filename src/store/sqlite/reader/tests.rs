//! What is read of a store that no service has open, and what is said of reads under way.

use std::path::PathBuf;

use super::*;

/// A store in WAL mode, closed, whose log's index cannot be made: a link to nowhere stands in
/// its place, which stops even the superuser.
fn closed_copy(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let store = Connection::open(&path).unwrap();
    store.pragma_update(None, "journal_mode", "wal").unwrap();
    store
        .pragma_update(None, "user_version", SCHEMA_VERSION)
        .unwrap();
    drop(store);
    let index = folder.path().join(format!("{name}-shm"));
    std::os::unix::fs::symlink("/missing/index", index).unwrap();
    (folder, path)
}

fn one(path: &Path) -> Result<i64, Error> {
    let one = |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get(0));
    let budget = Duration::from_secs(5);
    Reader::new(path, budget, &[], Clock::system()).read("count", one)
}

#[test]
fn a_read_is_named_while_it_lasts() {
    let readings = Readings::default();
    let reading = readings.begin("count reports");
    let other = readings.begin("list webhooks");
    drop(other);
    let named = readings.longer_than(Duration::ZERO);
    assert!(
        named.len() == 1 && named[0].starts_with("count reports, for "),
        "{named:?}"
    );
    assert!(readings.longer_than(Duration::from_mins(1)).is_empty());
    drop(reading);
    assert!(readings.longer_than(Duration::ZERO).is_empty());
}

#[test]
fn a_closed_copy_is_read_where_nothing_can_be_made_beside_it() {
    for name in ["t.db", "a b%20?#.db"] {
        let (_folder, path) = closed_copy(name);
        assert_eq!(one(&path).unwrap(), 1, "{name}");
    }
}

#[test]
fn a_log_that_holds_something_is_not_passed_over() {
    let (folder, path) = closed_copy("t.db");
    std::fs::write(folder.path().join("t.db-wal"), [0; 32]).unwrap();
    assert!(one(&path).is_err());
}

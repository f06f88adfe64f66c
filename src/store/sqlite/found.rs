//! What stands at the path of a store, by its first bytes, before SQLite opens it.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::schema::APPLICATION_ID;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the mark of the program stands: <https://sqlite.org/fileformat.html#the_database_header>.
const MARK: std::ops::Range<usize> = 68..72;
/// Where the version of its writers stands, and what stands there with a write-ahead log.
const WRITER: usize = 18;
const LOGGED: u8 = 2;
const HEADER: usize = 100;

/// What stands at the path of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFound {
    /// Nothing, or an empty file, which SQLite takes for a new one.
    Nothing,
    /// A store, or a file that may not be read: opening it says why.
    Store,
    /// Something else, in words.
    Other(&'static str),
}

impl StoreFound {
    /// Looks at the path; opens nothing but a regular file, so a pipe blocks nothing.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(found) => Self::of(path, &found),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Nothing,
                _ => Self::Store,
            },
        }
    }

    fn of(path: &Path, found: &Metadata) -> Self {
        if found.is_dir() {
            return Self::Other("a folder");
        }
        if !found.is_file() {
            return Self::Other("a pipe, a socket or a device");
        }
        if found.len() == 0 {
            return Self::Nothing;
        }
        let mut header = [0; HEADER];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
        match read {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Self::Store,
            Ok(()) if header.starts_with(MAGIC) => {}
            _ => return Self::Other("no SQLite file"),
        }
        // What was written last stands in the log alone, the mark may be of it, and the log lies
        // beside the name by which a service has the file open.
        let mark = &header[MARK];
        if mark == APPLICATION_ID.to_be_bytes() || (mark == [0; 4] && header[WRITER] == LOGGED) {
            return Self::Store;
        }
        Self::Other("a SQLite file of another program")
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::schema::mark;
    use super::*;

    #[test]
    fn a_store_is_distinguished_from_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let check = |expected: StoreFound| assert_eq!(StoreFound::at(&path), expected);
        check(StoreFound::Nothing);
        std::fs::write(&path, "").unwrap();
        check(StoreFound::Nothing);
        for garbage in ["x", &"garbage ".repeat(99)] {
            std::fs::write(&path, garbage).unwrap();
            check(StoreFound::Other("no SQLite file"));
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        check(StoreFound::Other("a folder"));
        std::fs::remove_dir(&path).unwrap();
        let foreign = Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE t (x)").unwrap();
        check(StoreFound::Other("a SQLite file of another program"));
        drop(foreign);
        std::fs::remove_file(&path).unwrap();
        // Of a service that was just made everything stands in the log.
        let ours = Connection::open(&path).unwrap();
        ours.pragma_update(None, "journal_mode", "wal").unwrap();
        mark(&ours).unwrap();
        check(StoreFound::Store);
        let link = folder.path().join("link.db");
        std::fs::hard_link(&path, &link).unwrap();
        assert_eq!(
            StoreFound::at(&link),
            StoreFound::Store,
            "its log lies elsewhere"
        );
        drop(ours);
        check(StoreFound::Store);
        assert_eq!(
            StoreFound::at(Path::new("/dev/null")),
            StoreFound::Other("a pipe, a socket or a device")
        );
    }
}

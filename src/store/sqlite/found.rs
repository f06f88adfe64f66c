//! What stands at the path of a store, by its first bytes, before SQLite opens it.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use rustix::fs::{Access, access};

use super::options::absolute;
use super::schema::APPLICATION_ID;
use crate::model::reason;
use crate::store::StoreFound;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the mark of the program stands: <https://sqlite.org/fileformat.html#the_database_header>.
const MARK: std::ops::Range<usize> = 68..72;
/// Where the version of its writers stands, and what stands there with a write-ahead log.
const WRITER: usize = 18;
const LOGGED: u8 = 2;
const HEADER: usize = 100;

/// Looks at the path; opens nothing but a regular file, so a pipe blocks nothing. An empty file counts
/// as nothing: SQLite takes it for a new one.
pub(in crate::store) fn at(path: &Path) -> StoreFound {
    match std::fs::metadata(path) {
        Ok(found) => judge(path, &found),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => StoreFound::Nothing,
            _ => StoreFound::Store,
        },
    }
}

fn judge(path: &Path, found: &Metadata) -> StoreFound {
    if found.is_dir() {
        return StoreFound::Other("a folder");
    }
    if !found.is_file() {
        return StoreFound::Other("a pipe, a socket or a device");
    }
    if found.len() == 0 {
        return StoreFound::Nothing;
    }
    let mut header = [0; HEADER];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return StoreFound::Store,
        Ok(()) if header.starts_with(MAGIC) => {}
        _ => return StoreFound::Other("no SQLite file"),
    }
    // What was written last stands in the log alone, the mark may be of it, and the log lies
    // beside the name by which a service has the file open.
    let mark = &header[MARK];
    if mark == APPLICATION_ID.to_be_bytes() || (mark == [0; 4] && header[WRITER] == LOGGED) {
        return StoreFound::Store;
    }
    StoreFound::Other("a SQLite file of another program")
}

/// Why there can be no store at this path, and what to do.
pub(in crate::store) fn hindrance(path: &Path) -> Option<String> {
    let shown = absolute(path);
    let shown = shown.display();
    if let StoreFound::Other(what) = at(path) {
        return Some(format!("{shown} is {what}: name another path"));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let shown = absolute(folder);
    let shown = shown.display();
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!(
            "the folder {shown} is not there: make it (`mkdir -p {shown}`), or name another path"
        )),
        Err(error) => Some(format!(
            "the folder {shown} cannot be used: {}",
            reason(&error)
        )),
        Ok(found) if !found.is_dir() => Some(format!("{shown} is no folder: name another path")),
        Ok(_) if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() => Some(format!(
            "nothing may be written into the folder {shown}: give it to the user that the service \
             runs as, or name another path"
        )),
        Ok(_) => None,
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
        let check = |expected: StoreFound| assert_eq!(at(&path), expected);
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
        assert_eq!(at(&link), StoreFound::Store, "its log lies elsewhere");
        drop(ours);
        check(StoreFound::Store);
        assert_eq!(
            at(Path::new("/dev/null")),
            StoreFound::Other("a pipe, a socket or a device")
        );
    }
}

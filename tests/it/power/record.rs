//! What the service did to its files and when it answered, as `tests/shim/record.c` wrote it
//! down.

use std::path::Path;

/// A file from its creation to its end, whatever it is called in between.
pub(super) type FileId = u64;

/// One thing that happened; its number is its place in the record.
#[derive(Debug)]
pub(super) enum Event {
    Create {
        file: FileId,
        name: String,
    },
    Write {
        file: FileId,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: FileId,
        length: usize,
    },
    /// Returned: all events of the file before number `covers` are on the disk.
    Sync {
        file: FileId,
        covers: usize,
    },
    Unlink {
        name: String,
    },
    Rename {
        file: FileId,
        from: String,
        to: String,
    },
    /// Returned: all changes of names before number `covers` are on the disk.
    SyncNames {
        covers: usize,
    },
    /// Begins to leave for the client on that port.
    Answer {
        port: u16,
        status: u16,
    },
}

/// Reads a whole record, and how many of its events lie in its first `mark` bytes.
pub(super) fn read(path: &Path, mark: u64) -> (Vec<Event>, usize) {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let (mut events, mut marked) = (Vec::new(), 0);
    while !rest.is_empty() {
        events.push(event(&mut rest));
        if (bytes.len() - rest.len()) as u64 <= mark {
            marked = events.len();
        }
    }
    (events, marked)
}

fn event(rest: &mut &[u8]) -> Event {
    let [kind, file, a, b, length] = std::array::from_fn(|_| number(rest));
    let (bytes, after) = rest.split_at(usize::try_from(length).unwrap());
    *rest = after;
    let at = usize::try_from(a).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match kind {
        1 => Event::Create {
            file,
            name: text(bytes),
        },
        2 => Event::Write {
            file,
            offset: at,
            bytes: bytes.to_vec(),
        },
        3 => Event::Truncate { file, length: at },
        4 => Event::Sync { file, covers: at },
        5 => Event::Unlink { name: text(bytes) },
        6 => Event::Rename {
            file,
            from: text(&bytes[..at]),
            to: text(&bytes[at..]),
        },
        7 => Event::SyncNames { covers: at },
        8 => Event::Answer {
            port: u16::try_from(a).unwrap(),
            status: u16::try_from(b).unwrap(),
        },
        other => panic!("an event of kind {other}"),
    }
}

fn number(rest: &mut &[u8]) -> u64 {
    let (number, after) = rest.split_first_chunk().unwrap();
    *rest = after;
    u64::from_le_bytes(*number)
}

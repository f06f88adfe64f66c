//! Why a SQLite store can serve no longer, where that is for its files' sake.

use crate::store::Loss;

/// A sync failed: the kernel may have dropped the pages, so a second try could succeed without the data
/// being on the disk.
pub(super) const UNSYNCED: Loss = Loss::OfEngine(
    "a sync of the store's files failed, and a second try might only seem to succeed",
);
/// Memory lacks a part of a log that another program cut, or holds a commit that is gone.
pub(super) const CUT: Loss =
    Loss::OfEngine("another program cut the store's log, and memory and files differ since");
/// At the end, the files lack rows that were acknowledged.
pub(super) const UNKEPT: Loss =
    Loss::Unkept("rows that were acknowledged are not in the store's files, and are gone");

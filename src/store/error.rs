//! Why the store could not do what was requested, in the words of every engine.

use std::time::Duration;

/// Why the store could not do what was requested.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process owns the store; says where it is.
    #[error("{0} is in use by another tickrelay: stop it, or let the command go through it")]
    Locked(String),
    /// A newer tickrelay wrote it.
    #[error("{location} has schema version {found}, this tickrelay knows {known}: use a newer one")]
    TooNew {
        /// Where the store is.
        location: String,
        /// The version found.
        found: i64,
        /// The newest version this build knows.
        known: i64,
    },
    /// There is no such thing.
    #[error("no {0}")]
    NotFound(String),
    /// It would contradict what is there.
    #[error("{0}")]
    Conflict(String),
    /// The ingest queue is full.
    #[error("too many webhooks wait to be stored")]
    QueueFull,
    /// The disk is full, or its reserve is used up.
    #[error("the disk is full, or its reserve of free space is used up")]
    DiskFull,
    /// What keeps the open store was taken away, so nothing was begun.
    #[error(
        "a file of the store was moved, removed or replaced: nothing was done; try again when \
         /readyz says 200"
    )]
    Displaced,
    /// The same happened while it was done, or the store failed: it may be kept, and may be lost.
    #[error(
        "the store failed, or a file of it was moved, removed or replaced meanwhile: it may have \
         been done; check before you try again"
    )]
    Unconfirmed,
    /// Another instance holds the lease by now, so nothing was done.
    #[error("another instance of the service does this now")]
    LeaseLost,
    /// The query took longer than a reader may.
    #[error("the query took longer than {} s", .0.as_secs())]
    Timeout(Duration),
    /// The writer is gone: the process is ending.
    #[error("the store is shutting down")]
    Closed,
    /// A key that seals secrets is missing; says which, and where keys are read.
    #[error("{0}")]
    KeyMissing(String),
    /// The store cannot be read or written now, by any call; nothing was changed.
    #[error("{attempted}: {source}")]
    Unwritable {
        /// What was attempted on what.
        attempted: String,
        /// The engine's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine's own error.
    #[error("{attempted}: {source}")]
    Backend {
        /// What was attempted on what.
        attempted: String,
        /// The engine's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

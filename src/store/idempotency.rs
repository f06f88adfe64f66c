//! Requests that carry an `Idempotency-Key`, and their answers.

use serde::{Deserialize, Serialize};

/// How long a key is kept, ms.
pub(super) const KEPT_MS: i64 = 24 * 3600 * 1000;

/// What identifies a request: its client, its key and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The client, as the audit calls it.
    pub caller: String,
    /// The key that the caller chose.
    pub key: String,
    /// The hash of the request.
    pub request: [u8; 32],
}

/// What is kept under a key.
#[derive(Debug, Clone)]
pub struct IdempotencyRecord {
    /// The request.
    pub ticket: Ticket,
    /// Its answer; none when it is begun.
    pub answer: Option<KeptAnswer>,
}

/// A request that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The hash of the first request.
    pub request: [u8; 32],
    /// What it was answered; none when it is being answered, or the service ended before it was.
    pub answer: Option<KeptAnswer>,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
    /// `Location`, when it had one.
    pub location: Option<String>,
}

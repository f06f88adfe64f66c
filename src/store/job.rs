//! Long work as the store keeps it: that it was begun, how far it is, and how it ended.
//!
//! A job that is running in the store and in no process was cut off when its process ended. What is to be
//! carried on then is kept with it, sealed, until it has ended.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::Role;
use crate::model::SecretText;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum JobKind {
    /// Erases a person.
    Erase,
    /// Reads stored webhooks again.
    Reprocess,
    /// Seals all secrets again.
    RotateKey,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum JobState {
    /// It goes on. An erasure does so after a restart, too.
    Running,
    /// It is done.
    Done,
    /// It failed: see `problem`.
    Failed,
    /// The service ended before it was done: see `problem`.
    Interrupted,
}

/// A job that begins.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub uid: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// Its caller, as the audit calls it.
    pub caller: String,
    /// What the caller was.
    pub role: Role,
    /// What is to be carried on after a restart; it is kept sealed until the job has ended. Without a key
    /// at hand it is not kept.
    pub order: Option<SecretText>,
    /// When it was begun, ms since 1970 UTC.
    pub created_at_ms: i64,
}

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its id.
    pub uid: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// Its caller, as the audit calls it.
    pub caller: String,
    /// What the caller was.
    pub role: Role,
    /// How often it was begun: once, and once more for each restart that carried it on.
    pub starts: u32,
    /// Steps that are done.
    pub done: u64,
    /// Of how many; 0 while that is not known.
    pub total: u64,
    /// What came of it, where it is done and that is no longer than 1 MiB; none in a list.
    pub result: Option<Value>,
    /// Why it failed.
    pub problem: Option<JobProblem>,
    /// When it was begun, ms since 1970 UTC.
    pub created_at_ms: i64,
    /// When it ended, ms since 1970 UTC.
    pub finished_at_ms: Option<i64>,
}

/// Why a job failed, as a request would have been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobProblem {
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
}

/// The end of a job. One that had ended before stays as it is.
#[derive(Debug, Clone)]
pub struct JobEnd {
    /// Its id.
    pub uid: Uuid,
    /// How it ended.
    pub outcome: JobOutcome,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum JobOutcome {
    /// It is done; what came of it.
    Done(Value),
    /// It failed.
    Failed(JobProblem),
    /// Its process ended before it did, and it is not carried on.
    Interrupted,
}

/// A job that has not ended.
#[derive(Debug, Clone)]
pub struct RunningJob {
    /// It.
    pub job: JobRecord,
    /// What is to be carried on.
    pub order: JobOrder,
}

/// What is kept of what a job is to do.
#[derive(Debug, Clone)]
pub enum JobOrder {
    /// Nothing that can be read.
    Nothing,
    /// Something that a key sealed which is not at hand now.
    KeyMissing,
    /// This.
    Kept(SecretText),
}

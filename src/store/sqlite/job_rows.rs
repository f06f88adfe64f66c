//! The rows of long work, as they are written.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::backend;
use crate::store::Error;
use crate::store::job::{JobEnd, JobOutcome, JobState, NewJob};
use crate::store::seal::SealedCell;

/// How long a job is kept that has ended, ms.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;
/// Jobs that are kept at most, but for those that run.
const KEPT_JOBS: i64 = 1000;
/// The longest result that is kept, in bytes: it is written by the writer, in one piece.
const RESULT_LIMIT: usize = 1 << 20;

/// Acts on the place of what a job is to do.
pub(super) fn in_place<T>(job_id: i64, act: impl FnOnce(SealedCell<'_>) -> T) -> T {
    let id = job_id.to_string();
    act(SealedCell {
        table: "job",
        row: &[&id, ""],
        column: "sealed",
    })
}

/// Forgets jobs that ended so long before that time, and those beyond the number that is kept.
pub(super) fn forget_old(connection: &Connection, expiry_ms: i64) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM job WHERE state != 'running' AND (finished_at_ms <= ?1 \
         OR job_id <= (SELECT max(job_id) FROM job) - ?2)",
        [expiry_ms.saturating_sub(KEPT_MS), KEPT_JOBS],
    )
}

/// Writes a job that begins; returns its key.
pub(super) fn insert(connection: &Connection, new: &NewJob) -> rusqlite::Result<i64> {
    connection.query_row(
        "INSERT INTO job (uid, kind, state, caller, role, starts, done, total, created_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, 0, ?6) RETURNING job_id",
        params![
            new.uid.as_bytes(),
            new.kind,
            JobState::Running,
            new.caller,
            new.role,
            new.created_at_ms
        ],
        |row| row.get(0),
    )
}

/// Keeps what a job is to do, sealed.
pub(super) fn keep_order(
    connection: &Connection,
    job_id: i64,
    sealed: &[u8],
) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE job SET sealed = ?2 WHERE job_id = ?1",
        params![job_id, sealed],
    )
}

/// Writes how far a job is.
pub(super) fn note_progress(
    connection: &Connection,
    uid: Uuid,
    (done, total): (u64, u64),
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE job SET done = ?2, total = ?3 WHERE uid = ?1")?
        .execute(params![uid.as_bytes(), done, total])
}

/// Writes that a job is begun once more.
pub(super) fn start_again(connection: &Connection, uid: Uuid) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE job SET starts = starts + 1, done = 0, total = 0 \
         WHERE uid = ?1 AND state = 'running'",
        [uid.as_bytes()],
    )
}

/// Writes how a job ended, and forgets what it was to do. What came of reading again names messages: it is not
/// kept where a person was erased meanwhile, who may be in it.
pub(super) fn end(connection: &Connection, end: &JobEnd, now_ms: i64) -> Result<(), Error> {
    let (state, result, problem) = match &end.outcome {
        JobOutcome::Done(result) => (JobState::Done, Some(result.to_string()), None),
        JobOutcome::Failed(problem) => (JobState::Failed, None, Some(problem)),
        JobOutcome::Interrupted => (JobState::Interrupted, None, None),
    };
    let result = result.filter(|text| text.len() <= RESULT_LIMIT);
    connection
        .prepare_cached(
            "UPDATE job SET state = ?2, \
             result = CASE WHEN kind = 'reprocess' AND EXISTS (SELECT 1 FROM job AS other \
             WHERE other.kind = 'erase' AND (other.state = 'running' OR other.job_id > job.job_id \
             OR other.finished_at_ms >= job.created_at_ms)) THEN NULL ELSE ?3 END, \
             problem_status = ?4, problem = ?5, finished_at_ms = ?6, sealed = NULL \
             WHERE uid = ?1 AND state = 'running'",
        )
        .and_then(|mut update| {
            update.execute(params![
                end.uid.as_bytes(),
                state,
                result,
                problem.map(|problem| problem.status),
                problem.map(|problem| problem.detail.as_str()),
                now_ms
            ])
        })
        .map(drop)
        .map_err(|error| backend("cannot end a job".to_owned(), error))
}

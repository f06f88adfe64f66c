//! Long work: how it is begun, taken further and read. What is written of a row stands in `job_rows`,
//! since its end is written with a change.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::changes::Changing;
use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::secrets::{Sealed, unopened};
use super::writer::Core;
use super::{SqliteStep, SqliteStore, backend, job_rows, ranges};
use crate::model::SecretText;
use crate::store::Error;
use crate::store::job::{JobOrder, JobProblem, JobRecord, NewJob, RunningJob};
use crate::store::query::{JobDetailQuery, JobQuery, Listing, RunningJobQuery};
use crate::store::seal::{KeyRing, SealError};
use crate::store::step::{NoteJobProgress, StartJobAgain};

impl Changing<'_> {
    /// Keeps a job that begins, and forgets old ones.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn insert_job(&mut self, new: &NewJob) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| backend("cannot keep a job".to_owned(), error);
        job_rows::forget_old(self.connection, self.expiry_ms).map_err(failed)?;
        let job_id = job_rows::insert(self.connection, new).map_err(failed)?;
        let Some(order) = &new.order else {
            return Ok(());
        };
        let kept = self.sealing(|Sealed { connection, ring }| {
            let text = order.expose().as_bytes();
            let sealed = job_rows::in_place(job_id, |place| ring.seal(place, text))
                .map_err(|error| unopened("cannot seal what a job is to do", error))?;
            job_rows::keep_order(connection, job_id, &sealed).map_err(failed)
        });
        match kept {
            // What can be done without a key must not wait for one.
            Ok(_) | Err(Error::KeyMissing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl SqliteStep for NoteJobProgress {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let Self { uid, done, total } = self;
        let note = move |core: &mut Core| {
            core.change("note how far a job is", |connection, _| {
                job_rows::note_progress(connection, uid, (done, total))
                    .map_err(|error| backend("cannot note how far a job is".to_owned(), error))
            })
        };
        store.run(note).await.map(drop)
    }
}

impl SqliteStep for StartJobAgain {
    async fn take(self, store: &SqliteStore) -> Result<(), Error> {
        let Self { uid } = self;
        let start = move |core: &mut Core| {
            core.change("begin a job again", |connection, _| {
                job_rows::start_again(connection, uid)
                    .map_err(|error| backend("cannot begin a job again".to_owned(), error))
            })
        };
        store.run(start).await.map(drop)
    }
}

const JOBS: ListedTable = ListedTable::newest("job", "job_id", "created_at_ms");

impl SqliteQuery for JobQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<JobRecord>, Error> {
        let select = |_: &Connection| Ok(select(self.caller.as_deref()));
        reader.list("list jobs", self.window, select, read_job)
    }
}

impl SqliteQuery for JobDetailQuery {
    fn answer(self, reader: &Reader) -> Result<Option<JobRecord>, Error> {
        reader.read("read the job", |connection| {
            let sql = "SELECT * FROM job WHERE uid = ?1";
            let found = connection.query_row(sql, [self.uid.as_bytes()], read_job);
            found.optional()
        })
    }
}

impl SqliteQuery for RunningJobQuery {
    fn answer(self, reader: &Reader) -> Result<Vec<RunningJob>, Error> {
        type Found = (JobRecord, i64, Option<Vec<u8>>);
        let found: Vec<Found> = reader.read("look for jobs", |connection| {
            connection
                .prepare("SELECT * FROM job WHERE state = 'running' ORDER BY job_id")?
                .query_map([], |row| {
                    Ok((read_job(row)?, row.get("job_id")?, row.get("sealed")?))
                })?
                .collect()
        })?;
        // The disk with the keys may hang: it is not looked at for nothing.
        if found.iter().any(|(.., sealed)| sealed.is_some()) {
            reader.keys.refresh();
        }
        let ring = reader.keys.ring();
        let running = |(job, job_id, sealed): Found| {
            let order = sealed.map(|sealed| opened(&ring, job_id, &sealed));
            RunningJob {
                job,
                order: order.unwrap_or(JobOrder::Nothing),
            }
        };
        Ok(found.into_iter().map(running).collect())
    }
}

fn opened(ring: &KeyRing, job_id: i64, sealed: &[u8]) -> JobOrder {
    match job_rows::in_place(job_id, |place| ring.open(place, sealed)) {
        Ok(text) => String::from_utf8(text).map_or(JobOrder::Nothing, |text| {
            JobOrder::Kept(SecretText::from(text))
        }),
        Err(SealError::NoKey | SealError::Missing(_)) => JobOrder::KeyMissing,
        Err(SealError::Damaged) => JobOrder::Nothing,
    }
}

/// The statement of a list of jobs; what came of each is left out, since it may be long.
pub(super) fn select(caller: Option<&str>) -> Select {
    let mut clause = Clause::default();
    clause.and_if("job.caller = ?", caller.map(str::to_owned));
    let head = "SELECT job_id, uid, kind, state, caller, role, starts, done, total, \
         NULL AS result, problem_status, problem, created_at_ms, finished_at_ms FROM job";
    clause.select(head, JOBS, ranges::all())
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let uid: [u8; 16] = row.get("uid")?;
    let result: Option<String> = row.get("result")?;
    let result = result.map(|text| serde_json::from_str(&text).map_err(super::cell::unreadable));
    let status: Option<u16> = row.get("problem_status")?;
    let detail: Option<String> = row.get("problem")?;
    let problem = status.zip(detail);
    Ok(JobRecord {
        uid: Uuid::from_bytes(uid),
        kind: row.get("kind")?,
        state: row.get("state")?,
        caller: row.get("caller")?,
        role: row.get("role")?,
        starts: row.get("starts")?,
        done: row.get("done")?,
        total: row.get("total")?,
        result: result.transpose()?,
        problem: problem.map(|(status, detail)| JobProblem { status, detail }),
        created_at_ms: row.get("created_at_ms")?,
        finished_at_ms: row.get("finished_at_ms")?,
    })
}

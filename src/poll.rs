//! Asks for the broadcasts of sources that send nothing by themselves, until nothing in them is
//! pending.
//!
//! Which are due stands in the store, so a restart goes on where it was. `schedule`, which is pure,
//! decides when to ask again; the sender asks; an answer that differs from the one before goes
//! down the one line of the house ([`crate::receive`]).

mod schedule;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::{Polled, Source};
use crate::forward::sender::Sender;
use crate::forward::sender::fetch::{Fetched, Question, Unfetched};
use crate::metrics::{Metrics, source_labels};
use crate::model::{ErrorCode, Headers, Outcome, SecretText};
use crate::provider::botsquad;
use crate::receive::{Answered, Inlet, Reception, Told};
use crate::store::poll::{PollCounts, PollRecord, PollState};
use crate::store::{Error, Store};
use schedule::{Heard, Pace, Trouble};
use secrecy::ExposeSecret as _;

/// Broadcasts of one source that are asked for at once; those of others need not wait for them.
const AT_ONCE: usize = 4;
/// How long to wait when the store cannot tell what is due, ms.
const STORE_RETRY_MS: i64 = 10_000;

/// What asking takes.
pub struct Polling {
    store: Store,
    sender: Arc<Sender>,
    reception: Arc<Reception>,
    clock: Clock,
    metrics: Arc<Metrics>,
    sources: Vec<Arc<Asked>>,
    /// What was said of a broadcast's numbers, which is said once.
    remarked: Mutex<HashSet<(i64, &'static str)>>,
}

/// A source that is asked.
struct Asked {
    name: String,
    inlet: Arc<Inlet>,
    polled: Polled,
    headers: Headers,
    pace: Pace,
}

/// What went wrong with a question: of what sort, as a stable word, and in words.
struct Failed {
    trouble: Trouble,
    code: &'static str,
    detail: String,
    retry_at_ms: Option<i64>,
}

impl Polling {
    /// Asks for what these sources of the reception have.
    #[must_use]
    pub fn new(
        sources: &[Source],
        (store, sender): (Store, Arc<Sender>),
        reception: Arc<Reception>,
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        let asked = sources.iter().filter_map(|source| {
            let polled = source.polled.clone()?;
            let header = polled.authorization.as_ref().map(|(name, value)| {
                let value = SecretText::from(value.expose_secret().to_owned());
                (name.to_ascii_lowercase(), value)
            });
            Some(Arc::new(Asked {
                name: source.name.clone(),
                inlet: reception.inlet(&source.name)?,
                headers: header.into_iter().collect(),
                pace: Pace {
                    every: polled.every,
                    at_most: polled.at_most,
                    give_up_after: polled.give_up_after,
                },
                polled,
            }))
        });
        Self {
            sources: asked.collect(),
            store,
            sender,
            reception,
            clock,
            metrics,
            remarked: Mutex::default(),
        }
    }

    /// Asks until `stop` turns true. What is being asked then is dropped, and asked after the
    /// next start: nothing of it was written down.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        if self.sources.is_empty() {
            return;
        }
        let polling = Arc::new(self);
        let mut asking = Asking::default();
        loop {
            let next_ms = match asking.step(&polling).await {
                Ok(next_ms) => next_ms,
                Err(error) => {
                    tracing::warn!(%error, "poll.failed");
                    polling.clock.now_ms().saturating_add(STORE_RETRY_MS)
                }
            };
            tokio::select! {
                () = polling.clock.sleep_until(next_ms) => {}
                () = polling.store.polls_opened() => {}
                ended = asking.tasks.join_next(), if !asking.tasks.is_empty() => asking.end(ended),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Asks for one broadcast and writes down how it went.
    async fn ask(&self, asked: &Asked, poll: PollRecord) {
        let was_due_ms = poll.due_at_ms;
        let started = std::time::Instant::now();
        let fetched = self.fetch(asked, &poll).await;
        let now_ms = self.clock.now_ms();
        let heard = match fetched {
            Ok(fetched) => self.hear(asked, &poll, fetched, now_ms).await,
            Err(failed) => Ok(Err(failed)),
        };
        let (poll, outcome) = match heard {
            Ok(Ok((poll, heard))) => {
                let word = match heard {
                    Heard::Answer { is_news: true, .. } => "changed",
                    _ => "unchanged",
                };
                (asked.pace.after(poll, heard, now_ms), word)
            }
            Ok(Err(failed)) => failed.write(asked.pace, poll, now_ms),
            Err(error) => {
                let failed = Failed {
                    trouble: Trouble::Passing,
                    code: "not-stored",
                    detail: error.to_string(),
                    retry_at_ms: None,
                };
                failed.write(asked.pace, poll, now_ms)
            }
        };
        let labels = source_labels(&asked.name, outcome);
        self.metrics.polls.get_or_create(&labels).inc();
        tell(&poll, outcome, started.elapsed(), now_ms);
        if let Err(error) = self.store.settle_poll(poll, was_due_ms).await {
            tracing::error!(source = asked.name, %error, "poll.not_settled");
        }
    }

    async fn fetch(&self, asked: &Asked, poll: &PollRecord) -> Result<Fetched, Failed> {
        let url = asked.polled.url_of(&poll.broadcast);
        let target = self.sender.guard().target(&url);
        let question = Question {
            target: target.as_ref(),
            own_headers: &asked.headers,
            limit_bytes: asked.polled.answer_limit_bytes,
            now_ms: self.clock.now_ms(),
        };
        self.sender
            .fetch(&question)
            .await
            .map_err(|unfetched| match unfetched {
                Unfetched::Failed(outcome) => Failed::from(outcome),
                Unfetched::TooLarge => Failed {
                    trouble: Trouble::Passing,
                    code: "too-large",
                    detail: format!(
                        "the answer is larger than answer_limit, which is {} bytes",
                        asked.polled.answer_limit_bytes
                    ),
                    retry_at_ms: None,
                },
            })
    }

    /// Takes in an answer unless it is the same as the one before.
    async fn hear(
        &self,
        asked: &Asked,
        poll: &PollRecord,
        fetched: Fetched,
        now_ms: i64,
    ) -> Result<Result<(PollRecord, Heard), Failed>, Error> {
        let hash = Sha256::digest(&fetched.body).to_vec();
        let mut poll = poll.clone();
        let is_news = poll.answer_hash.as_ref() != Some(&hash);
        if is_news {
            let answered = Answered {
                broadcast: poll.broadcast.clone(),
                at_ms: now_ms,
                body: fetched.body,
                content_type: fetched.content_type,
                content_encoding: fetched.content_encoding,
            };
            poll.answer_hash = Some(hash);
            match self.reception.take_answer(&asked.inlet, answered).await? {
                Ok(told) => {
                    self.remark(&poll, told);
                    poll.counts = counts(told);
                }
                Err(error) => return Ok(Err(Failed::unreadable(&error.to_string()))),
            }
        } else if poll.failures > 0 {
            // It may be the one that could not be read, come again after other trouble.
            let (body, encoding) = (&fetched.body, fetched.content_encoding.as_deref());
            if let Err(error) = botsquad::check(body, encoding, &asked.polled.dialect) {
                return Ok(Err(Failed::unreadable(&error.to_string())));
            }
        }
        (poll.error_code, poll.error_detail) = (None, None);
        let is_done = poll.counts.pending == Some(0);
        Ok(Ok((poll, Heard::Answer { is_news, is_done })))
    }

    /// Says once what is odd about the numbers of a broadcast; the server's are kept.
    fn remark(&self, poll: &PollRecord, told: Told) {
        let remark = |what: &'static str, holds: bool| {
            let mut remarked = self.remarked.lock().unwrap_or_else(PoisonError::into_inner);
            if holds && remarked.insert((poll.poll_id, what)) {
                let statistics = told.statistics;
                tracing::warn!(
                    source = poll.source,
                    broadcast = poll.broadcast,
                    ?statistics,
                    "{what}"
                );
            }
        };
        let cancelled = told.statistics.cancelled.is_some_and(|count| count > 0);
        remark("poll.cancelled_is_not_zero", cancelled);
        remark("poll.numbers_disagree", told.statistics.disagree());
    }
}

/// The word for an answer that is none.
const UNREADABLE: &str = "unreadable";

/// What an answer says of the broadcast as a whole. Nothing is known to be pending, or not to be,
/// while nobody is listed or counted: sending has not begun.
fn counts(told: Told) -> PollCounts {
    let statistics = told.statistics;
    let is_begun = told.entries > 0 || statistics.total.is_some_and(|total| total > 0);
    // A server that counts and lists may do one of them later than the other.
    let listed = told.is_whole.then_some(told.pending);
    let pending = match (statistics.pending, listed) {
        (Some(counted), Some(listed)) => Some(counted.max(listed)),
        (counted, listed) => counted.or(listed),
    };
    PollCounts {
        total: statistics.total,
        success: statistics.success,
        failure: statistics.failure,
        pending: pending.filter(|_| is_begun),
    }
}

impl Failed {
    fn unreadable(detail: &str) -> Self {
        Self {
            trouble: Trouble::Passing,
            code: UNREADABLE,
            detail: detail.to_owned(),
            retry_at_ms: None,
        }
    }

    /// The poll after it, and its word.
    fn write(self, pace: Pace, mut poll: PollRecord, now_ms: i64) -> (PollRecord, &'static str) {
        let heard = Heard::Trouble {
            trouble: self.trouble,
            retry_at_ms: self.retry_at_ms,
        };
        poll.error_code = Some(self.code.to_owned());
        poll.error_detail = Some(self.detail);
        (pace.after(poll, heard, now_ms), self.code)
    }
}

impl From<Outcome> for Failed {
    /// What the answer's body says is left out: it may name people.
    fn from(outcome: Outcome) -> Self {
        let (trouble, code) = match (outcome.http_status, outcome.error) {
            (Some(401 | 403), _) => (Trouble::Refused, "refused"),
            (Some(404 | 410), _) => (Trouble::Gone, "gone"),
            (_, error) => (
                Trouble::Passing,
                error.map_or(UNREADABLE, ErrorCode::as_str),
            ),
        };
        Self {
            trouble,
            code,
            detail: outcome.detail,
            retry_at_ms: outcome.retry_at_ms,
        }
    }
}

/// One line for each question.
fn tell(poll: &PollRecord, outcome: &str, took: std::time::Duration, now_ms: i64) {
    let (source, broadcast) = (poll.source.as_str(), poll.broadcast.as_str());
    let state = poll.state.as_str();
    let duration_ms = took.as_millis();
    let next_in_ms = (poll.state == PollState::Open).then(|| poll.due_at_ms - now_ms);
    let pending = poll.counts.pending;
    if let Some(detail) = &poll.error_detail {
        if outcome == "refused" {
            tracing::error!(
                source,
                broadcast,
                outcome,
                detail,
                state,
                duration_ms,
                next_in_ms,
                "poll.refused: check the source's authorization"
            );
        } else {
            tracing::warn!(
                source,
                broadcast,
                outcome,
                detail,
                state,
                duration_ms,
                next_in_ms,
                "poll.asked"
            );
        }
    } else if poll.state == PollState::GaveUp {
        tracing::warn!(
            source,
            broadcast,
            outcome,
            pending,
            state,
            duration_ms,
            "poll.asked"
        );
    } else {
        tracing::info!(
            source,
            broadcast,
            outcome,
            pending,
            state,
            duration_ms,
            next_in_ms,
            "poll.asked"
        );
    }
}

/// What is being asked.
#[derive(Default)]
struct Asking {
    tasks: JoinSet<(String, i64)>,
    busy: BTreeSet<(String, i64)>,
}

impl Asking {
    /// Begins to ask for what is due; answers when the next is.
    async fn step(&mut self, polling: &Arc<Polling>) -> Result<i64, Error> {
        let now_ms = polling.clock.now_ms();
        let mut next_ms = i64::MAX;
        for asked in &polling.sources {
            let is_of = |busy: &&(String, i64)| busy.0 == asked.name;
            let busy = self.busy.iter().filter(is_of).count();
            let (reader, name) = (polling.store.reader(), asked.name.clone());
            let looked = move || reader.open_polls(&name, busy + AT_ONCE);
            let open = tokio::task::spawn_blocking(looked).await;
            let open = open.map_err(|_| Error::Closed)??;
            let mut room = AT_ONCE.saturating_sub(busy);
            for poll in open {
                let key = (asked.name.clone(), poll.poll_id);
                if self.busy.contains(&key) {
                    continue;
                }
                // Where all is being asked, the end of one is what to wait for.
                if room == 0 {
                    break;
                }
                if poll.due_at_ms > now_ms {
                    next_ms = next_ms.min(poll.due_at_ms);
                    break;
                }
                room -= 1;
                self.busy.insert(key.clone());
                let (polling, asked) = (Arc::clone(polling), Arc::clone(asked));
                self.tasks.spawn(async move {
                    polling.ask(&asked, poll).await;
                    key
                });
            }
        }
        Ok(next_ms)
    }

    fn end(&mut self, ended: Option<Result<(String, i64), tokio::task::JoinError>>) {
        match ended {
            Some(Ok(key)) => {
                self.busy.remove(&key);
            }
            // Which one panicked is not told; all that is not being asked is looked at anew.
            Some(Err(error)) => {
                tracing::error!(%error, "poll.panicked");
                self.tasks.abort_all();
                self.busy.clear();
            }
            None => {}
        }
    }
}

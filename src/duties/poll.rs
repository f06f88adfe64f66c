//! Polls the broadcasts of sources that send nothing by themselves, until nothing in them is
//! pending.
//!
//! Due polls stand in the store, so a restart goes on where it was. `schedule`, which is pure,
//! decides when to poll again, and the sender sends the request. An answer that differs from the
//! one before goes down the one line of the house ([`crate::ingest`]).
//!
//! # Why an answer is a state
//!
//! Each answer of a polled source repeats the one before. One with the same bytes is not stored. Of any
//! other a reader looks up, beside the writer, what the store has; the rest is committed 256 reports at a
//! time, as parts of one webhook, with webhooks in between. So 100 000 recipients neither hold webhooks up
//! nor stand in memory at once. Such a provider gives no ids, so broadcast, number and occurrence identify a
//! message. A registration can make the same id, and both join without a search. The time of a report is
//! that of the answer, and no part of its identity. A poll that was cut off counts as not made.

mod schedule;
mod trouble;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use secrecy::ExposeSecret as _;
use tokio::task::{Id, JoinError, JoinSet};

use super::{Duty, Next};
use crate::clock::Clock;
use crate::config::PullSettings;
use crate::forward::sender::Sender;
use crate::forward::sender::fetch::{Fetched, Question, Unfetched};
use crate::ingest::{Ingest, PolledAnswer, SourceEndpoint};
use crate::metrics::{Metrics, source_labels};
use crate::model::{Headers, PollKey, SecretText};
use crate::providers::{AnswerFacts, Pull, decode};
use crate::store::poll::{PollCounts, PollRecord};
use crate::store::query::{OpenPollQuery, UnreportedQuery};
use crate::store::step::{CountPoll, SettlePoll};
use crate::store::{Error, Lease, Store, StoreChange};
use schedule::{PollInterval, PollOutcome, Trouble};
use trouble::{Failed, UNREADABLE, log};

/// Broadcasts of one source that are polled at once; those of others need not wait for them.
const AT_ONCE: usize = 4;

/// Polls the sources that send nothing by themselves. One that is dropped drops the polls under way,
/// which are then due as before: nothing of them was written down.
pub struct Polling {
    polled: Arc<PolledSources>,
    in_flight: PollsInFlight,
}

impl Polling {
    /// Begins without a poll under way.
    #[must_use]
    pub fn new(polled: Arc<PolledSources>) -> Self {
        Self {
            polled,
            in_flight: PollsInFlight::default(),
        }
    }
}

impl Clone for Polling {
    /// Begins without a poll under way.
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.polled))
    }
}

impl Duty for Polling {
    const NAME: &'static str = "poll";

    async fn step(&mut self, lease: &Lease) -> Result<Next, Error> {
        if self.polled.sources.is_empty() {
            return Ok(Next::Woken);
        }
        let next_ms = self.in_flight.step(&self.polled, lease).await?;
        Ok(Next::At(next_ms))
    }

    async fn woken(&mut self) {
        let tasks = &mut self.in_flight.tasks;
        tokio::select! {
            () = self.polled.store.changed(StoreChange::Polls) => {}
            ended = tasks.join_next_with_id(), if !tasks.is_empty() => self.in_flight.end(ended),
        }
    }
}

/// The sources that send nothing, and what asking them takes.
pub struct PolledSources {
    store: Store,
    sender: Arc<Sender>,
    ingest: Arc<Ingest>,
    clock: Clock,
    metrics: Arc<Metrics>,
    sources: Vec<Arc<PulledSource>>,
    /// What was said of a broadcast's numbers, which is said once.
    remarked: Mutex<HashSet<(PollKey, &'static str)>>,
}

/// A source that is polled.
struct PulledSource {
    name: String,
    endpoint: Arc<SourceEndpoint>,
    pull: &'static Pull,
    settings: PullSettings,
    headers: Headers,
    interval: PollInterval,
}

impl PolledSources {
    /// Those of this ingest.
    #[must_use]
    pub fn new(
        (store, sender): (Store, Arc<Sender>),
        ingest: Arc<Ingest>,
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        let pulled = ingest.pulled().map(|(endpoint, pull, pulled)| {
            let header = pulled.authorization.as_ref().map(|header| {
                let value = SecretText::from(header.value.expose_secret().to_owned());
                (header.name.to_ascii_lowercase(), value)
            });
            Arc::new(PulledSource {
                name: endpoint.name().to_owned(),
                endpoint: Arc::clone(endpoint),
                headers: header.into_iter().collect(),
                interval: PollInterval {
                    every: pulled.every,
                    at_most: pulled.at_most,
                    give_up_after: Some(pulled.give_up_after),
                },
                pull,
                settings: pulled.clone(),
            })
        });
        Self {
            sources: pulled.collect(),
            store,
            sender,
            ingest,
            clock,
            metrics,
            remarked: Mutex::default(),
        }
    }

    /// Polls one broadcast and writes down how it went.
    async fn poll_broadcast(&self, pulled: &PulledSource, mut poll: PollRecord, lease: &Lease) {
        let was_due_ms = poll.due_at_ms;
        let started = Instant::now();
        let fetched = self.fetch(pulled, &poll).await;
        let now_ms = self.clock.now_ms();
        let result = match fetched {
            Ok(fetched) => {
                let fetched = (fetched, now_ms);
                self.apply(pulled, &mut poll, fetched, lease).await
            }
            Err(failed) => Err(failed),
        };
        let outcome = match &result {
            Ok(PollOutcome::Answer { is_news: true, .. }) => "changed",
            Ok(_) => "unchanged",
            Err(failed) => failed.code,
        };
        let result = result.unwrap_or_else(|failed| {
            poll.error_code = Some(failed.code.to_owned());
            poll.error_detail = Some(failed.detail);
            PollOutcome::Trouble {
                trouble: failed.trouble,
                retry_at_ms: failed.retry_at_ms,
            }
        });
        // A clock that is far ahead would end each poll at once.
        let is_held = self.store.age_hold().is_some();
        let interval = PollInterval {
            give_up_after: pulled.interval.give_up_after.filter(|_| !is_held),
            ..pulled.interval
        };
        let poll = interval.after(poll, result, now_ms);
        let labels = source_labels(&pulled.name, outcome);
        self.metrics.polls.get_or_create(&labels).inc();
        log(&poll, outcome, started.elapsed(), now_ms);
        let settle = SettlePoll { poll, was_due_ms };
        if let Err(error) = self.store.step_under(lease, settle).await {
            tracing::error!(source = pulled.name, %error, "poll.not_settled");
        }
    }

    async fn fetch(&self, pulled: &PulledSource, poll: &PollRecord) -> Result<Fetched, Failed> {
        let url = (pulled.pull.url)(&pulled.settings.url, &poll.broadcast);
        let target = self.sender.guard().target(&url);
        let question = Question {
            target: target.as_ref(),
            own_headers: &pulled.headers,
            limit_bytes: pulled.settings.answer_limit_bytes,
            now_ms: self.clock.now_ms(),
        };
        let fetched = self.sender.fetch(&question).await;
        let fetched = fetched.map_err(|unfetched| match unfetched {
            Unfetched::Failed(outcome) => Failed::from(outcome),
            Unfetched::TooLarge => Failed {
                trouble: Trouble::Passing,
                code: "too-large",
                detail: format!(
                    "the answer is larger than answer_limit, which is {} bytes",
                    pulled.settings.answer_limit_bytes
                ),
                retry_at_ms: None,
            },
        })?;
        // Before anything is kept or understood of it: what we proved ourselves with goes no further.
        let (sender, headers) = (Arc::clone(&self.sender), pulled.headers.clone());
        let clean = tokio::task::spawn_blocking(move || {
            sender.take_out(&headers, fetched, |fetched| {
                let encoding = fetched.content_encoding.as_deref();
                let text = decode(&fetched.body, encoding).ok()?;
                Some(text.into_owned())
            })
        });
        clean
            .await
            .map_err(|_| Failed::of_ours("not-stored", &Error::Closed))
    }

    /// Takes in an answer unless it says the same as the one before.
    async fn apply(
        &self,
        pulled: &PulledSource,
        poll: &mut PollRecord,
        (mut fetched, now_ms): (Fetched, i64),
        lease: &Lease,
    ) -> Result<PollOutcome, Failed> {
        let as_it_came = (fetched.body, fetched.content_encoding.clone());
        let weighed = self
            .ingest
            .summarise(&pulled.endpoint, pulled.pull, &poll.broadcast, as_it_came)
            .await;
        let (body, summary) = weighed.map_err(|error| Failed::of_ours("not-stored", &error))?;
        fetched.body = body;
        let is_news = poll.answer_hash.as_ref() != Some(&summary.hash);
        if is_news {
            if let Ok(facts) = summary.facts {
                let counted = CountPoll {
                    poll_id: poll.poll_id,
                    counts: counts(facts),
                };
                let counted = self.store.step_under(lease, counted).await;
                counted.map_err(|error| Failed::of_ours("not-stored", &error))?;
            }
            let answered = PolledAnswer {
                broadcast: poll.broadcast.clone(),
                at_ms: now_ms,
                body: fetched.body,
                content_type: fetched.content_type,
                content_encoding: fetched.content_encoding,
            };
            let taken = self
                .ingest
                .take_answer(&pulled.endpoint, pulled.pull, answered)
                .await;
            let read = taken.map_err(|error| Failed::of_ours("not-stored", &error))?;
            poll.answer_hash = Some(summary.hash);
            read.map_err(|error| Failed::of_ours(UNREADABLE, &error))?;
        }
        let facts = summary.facts;
        let facts = facts.map_err(|error| Failed::of_ours(UNREADABLE, &error))?;
        poll.counts = counts(facts);
        self.remark(poll, facts);
        // An old server reports no success of a single user, so there its counters are all there is.
        if facts.is_whole && poll.counts.pending == Some(0) {
            poll.counts.pending = Some(self.unreported(poll).await?);
        }
        (poll.error_code, poll.error_detail) = (None, None);
        let is_done = poll.counts.pending == Some(0);
        Ok(PollOutcome::Answer { is_news, is_done })
    }

    /// Who was registered and is not listed: the server may learn of its users later than we do.
    async fn unreported(&self, poll: &PollRecord) -> Result<u64, Failed> {
        let unreported = UnreportedQuery {
            source: poll.source.clone(),
            broadcast: poll.broadcast.clone(),
        };
        let counted = self.store.read(unreported).await;
        counted.map_err(|error| Failed::of_ours("not-stored", &error))
    }

    /// Says once what is odd about the numbers of a broadcast; the server's are kept.
    fn remark(&self, poll: &PollRecord, facts: AnswerFacts) {
        let remark = |what: &'static str, holds: bool| {
            let mut remarked = self.remarked.lock().unwrap_or_else(PoisonError::into_inner);
            if holds && remarked.insert((poll.poll_id, what)) {
                tracing::warn!(
                    source = poll.source,
                    broadcast = poll.broadcast,
                    statistics = %facts.statistics,
                    "{what}"
                );
            }
        };
        let cancelled = facts.statistics.cancelled.is_some_and(|count| count > 0);
        remark("poll.cancelled_is_not_zero", cancelled);
        remark("poll.numbers_disagree", facts.statistics.disagree());
        remark("poll.entries_unreadable", facts.unreadable > 0);
    }
}

/// What an answer says of the broadcast as a whole. Nothing is known to be pending, or not to be,
/// while no user is listed or counted: sending has not begun.
fn counts(facts: AnswerFacts) -> PollCounts {
    let statistics = facts.statistics;
    let is_begun = facts.entries > 0 || statistics.total.is_some_and(|total| total > 0);
    // A server that counts and lists may do one of them later than the other.
    // Numbers that contradict each other say nothing of unlisted users.
    let total = statistics.total.filter(|_| !statistics.disagree());
    let unlisted = total.unwrap_or(0).saturating_sub(facts.entries);
    let listed = facts
        .is_whole
        .then(|| facts.pending.saturating_add(unlisted));
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

/// The polls under way.
#[derive(Default)]
struct PollsInFlight {
    tasks: JoinSet<()>,
    /// Of which source and which broadcast.
    busy: HashMap<Id, (String, PollKey)>,
}

impl PollsInFlight {
    /// Begins the polls that are due; returns when the next is due.
    async fn step(&mut self, polled: &Arc<PolledSources>, lease: &Lease) -> Result<i64, Error> {
        // Also those that ended while nothing waited for them.
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.end(Some(ended));
        }
        let now_ms = polled.clock.now_ms();
        let mut next_ms = i64::MAX;
        for pulled in &polled.sources {
            let is_of = |busy: &&(String, PollKey)| busy.0 == pulled.name;
            let busy = self.busy.values().filter(is_of).count();
            let open = OpenPollQuery {
                source: pulled.name.clone(),
                limit: busy + AT_ONCE,
            };
            let open = polled.store.read(open).await?;
            let mut room = AT_ONCE.saturating_sub(busy);
            for poll in open {
                let key = (pulled.name.clone(), poll.poll_id);
                if self.busy.values().any(|busy| *busy == key) {
                    continue;
                }
                // Where all are under way, the end of one is what to wait for.
                if room == 0 {
                    break;
                }
                if poll.due_at_ms > now_ms {
                    next_ms = next_ms.min(poll.due_at_ms);
                    break;
                }
                room -= 1;
                let (polled, source, lease) =
                    (Arc::clone(polled), Arc::clone(pulled), lease.clone());
                let task = self
                    .tasks
                    .spawn(async move { polled.poll_broadcast(&source, poll, &lease).await });
                self.busy.insert(task.id(), key);
            }
        }
        Ok(next_ms)
    }

    /// One that panicked is looked at again as one that ended; it costs the others nothing.
    fn end(&mut self, ended: Option<Result<(Id, ()), JoinError>>) {
        let id = match ended {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                tracing::error!(%error, "poll.panicked");
                error.id()
            }
            None => return,
        };
        self.busy.remove(&id);
    }
}

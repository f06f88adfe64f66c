//! The task of one subscriber's lane: reads what is pending, sends it, settles it.
//!
//! It owns the lane's memory ([`Lane`]) and its breaker; the decisions are theirs and the
//! schedule's. In stage 2 the store is read and written here and nowhere else.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::connections::{GrantedConnection, OfLane};
use super::disabled;
use super::failing::{self, Failing};
use super::halt::Halt;
use super::metrics::{LaneMetrics, log};
use super::news::{LaneNews, News};
use super::refill_at::RefillAt;
use super::refilling::{self, Fresh, Refilling};
use super::{Forwarding, POLL};
use crate::forward::breaker::{Breaker, BreakerPermit, Transition};
use crate::forward::envelope::Envelope;
use crate::forward::guard::{Target, TargetError};
use crate::forward::lane::{Lane, LaneAction};
use crate::forward::own_headers::SentHeaders;
use crate::forward::rate_limit::RateLimiter;
use crate::forward::schedule::{Schedule, millis};
use crate::forward::sender::{AttemptRequest, Short};
use crate::forward::settled::{self, EndedAttempt};
use crate::model::{
    ForwardKey, GaveUp, Headers, LanePlace, Outcome, Subscriber, SubscriberKind, SubscriberState,
};
use crate::store::{
    Attempt, Drained, Error, LaneContents, LaneInbox, OpenLane, Outbound, PendingForward, Settled,
    Settlement, SubscriberSecret, Unwritten,
};

/// Above this a failed probe is left to the table alone.
const MOST_HELD: usize = 1_600;
/// How long a forward waits when the machine lacks something to send it.
const SHORT: Duration = Duration::from_secs(1);

/// An attempt under way: how it ended, or the forward that it was to send, and whether as a probe.
type Attempting =
    Pin<Box<dyn Future<Output = Result<EndedAttempt, (PendingForward, bool, Short)>> + Send>>;
type Sending = FuturesUnordered<Attempting>;

/// The task of one subscriber's lane.
pub(super) struct LaneTask {
    shared: Forwarding,
    news: News,
    open: OpenLane,
    subscriber: Arc<Subscriber>,
    /// The subscriber's URL, judged again whenever the subscriber changes, with what belongs to it.
    target: Arc<Result<Target, TargetError>>,
    secrets: Vec<SubscriberSecret>,
    headers: Arc<Headers>,
    /// Those that something was sent with, now or before.
    known: Arc<SentHeaders>,
    lane: Lane,
    breaker: Breaker,
    rate_limit: RateLimiter,
    connections: OfLane,
    schedule: Arc<Schedule>,
    failing: Failing,
    halt: Halt,
    /// Whether memory held all that was pending when the lane last looked.
    live: bool,
    /// When the table is to be read next, ms since 1970 UTC.
    refill_at: RefillAt,
    /// The probe for which the newest forward was read, by when it may go.
    newest_for_ms: Option<i64>,
    /// Time of the next poll without a wake-up, ms since 1970 UTC.
    poll_at_ms: i64,
    resync: Resync,
    metrics: LaneMetrics,
}

/// Whether the table may know better than memory, because an operator changed something.
/// Nothing is sent until it has been read: a later status might overtake an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resync {
    No,
    Wanted,
    UnderWay,
}

impl LaneTask {
    pub(super) fn new(shared: Forwarding, news: News, open: OpenLane) -> Self {
        let subscriber = Arc::clone(news.known());
        let mut task = Self {
            // One that was failing before the restart may still be down.
            breaker: if subscriber.failing_since_ms.is_some() {
                Breaker::doubtful(subscriber.id, shared.timeout)
            } else {
                Breaker::new(subscriber.id, shared.timeout)
            },
            schedule: Arc::clone(&shared.schedule),
            failing: Failing {
                since_ms: subscriber.failing_since_ms,
                noted: subscriber.failing_since_ms.is_some(),
                warned_ms: None,
            },
            target: Arc::new(shared.sender.guard().target(&subscriber.url)),
            metrics: LaneMetrics::new(Arc::clone(&shared.metrics), &subscriber.name),
            halt: Halt::default(),
            connections: shared.connections.of(subscriber.id),
            known: shared.sender.own_headers().of(subscriber.id),
            shared,
            news,
            open,
            subscriber,
            secrets: Vec::new(),
            headers: Arc::default(),
            lane: Lane::default(),
            rate_limit: RateLimiter::default(),
            live: false,
            refill_at: RefillAt::both(0),
            newest_for_ms: None,
            poll_at_ms: 0,
            resync: Resync::Wanted,
        };
        task.apply_settings();
        task
    }

    /// Takes over what the subscriber has of its own.
    fn apply_settings(&mut self) {
        let Self {
            shared, subscriber, ..
        } = self;
        self.lane.set_ordering(subscriber.ordering);
        self.rate_limit.set_limit(subscriber.rate_limit);
        let is_active = subscriber.state == SubscriberState::Active;
        self.connections.set_active(is_active);
        self.schedule = subscriber.schedule().map_or_else(
            || Arc::clone(&shared.schedule),
            |delays| {
                let max_age = shared.schedule.max_age;
                Arc::new(Schedule { delays, max_age })
            },
        );
    }

    /// Runs until `stop` turns true, the subscriber is gone or the lease is lost, then waits for what
    /// is in flight. After a lost lease it gives back what it listened to.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Option<News> {
        let OpenLane { inbox, lease, .. } = self.open.clone();
        let clock = self.shared.clock.clone();
        let mut sending = Sending::new();
        // While it is under way the feed is not looked at: it may be ahead of what is being
        // read, and the answer says when to read again.
        let mut refilling: Option<Refilling> = None;
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut lost = pin!(lease.lost());
        // Made again only for another time: most turns come before it.
        let mut alarm_ms = i64::MIN;
        let mut alarm = pin!(clock.sleep_until(alarm_ms));
        loop {
            if refilling.is_none() {
                refilling = self.begin_refill(&inbox);
            }
            match self.news.look() {
                LaneNews::None => {}
                LaneNews::Settings(subscriber) => {
                    self.take_settings(subscriber);
                    continue;
                }
                LaneNews::Gone => break,
            }
            self.connections.begin();
            let wake_ms = self.send_what_is_due(&mut sending, refilling.is_some());
            self.connections.end();
            if wake_ms != alarm_ms {
                alarm_ms = wake_ms;
                alarm.set(clock.sleep_until(alarm_ms));
            }
            self.metrics.held(inbox.set_held(self.lane.len()));
            tokio::select! {
                Some(ended) = sending.next(), if !sending.is_empty() => {
                    let keep = self.live || refilling.is_some();
                    self.conclude(ended, keep);
                    // Whatever else has ended shares the turn.
                    while let Some(Some(ended)) = sending.next().now_or_never() {
                        self.conclude(ended, keep);
                    }
                }
                Some(fresh) = refilling::answer(&mut refilling), if refilling.is_some() => {
                    refilling = None;
                    self.take_refill(fresh, &inbox);
                }
                () = inbox.notified(), if refilling.is_none() => {}
                () = self.connections.freed(), if self.connections.is_waiting() => {}
                () = self.news.wait() => {}
                () = &mut alarm => alarm_ms = i64::MIN,
                _ = &mut stopped => break,
                () = &mut lost => break,
            }
        }
        // Cut off, it would be sent again though the subscriber may have it.
        while let Some(ended) = sending.next().await {
            self.conclude(ended, true);
        }
        self.note_at_the_end().await;
        self.metrics.forget();
        (!lease.is_held()).then_some(self.news)
    }

    /// Takes over what an operator changed, and whatever a replay made due.
    fn take_settings(&mut self, subscriber: Arc<Subscriber>) {
        let resumed = subscriber.is_resumed_since(&self.subscriber);
        self.subscriber = subscriber;
        self.apply_settings();
        self.refill_at = RefillAt::both(0);
        self.resync = Resync::Wanted;
        let noted = self.subscriber.failing_since_ms.is_some();
        if resumed || (self.failing.noted && !noted) {
            self.failing.since_ms = None;
        }
        self.failing.noted = noted;
        if resumed {
            // Who resumes it has reason to think that it is back.
            self.breaker = Breaker::new(self.subscriber.id, self.shared.timeout);
            self.metrics.breaker(&self.breaker);
        }
        self.metrics.failing(self.failing.since_ms);
    }

    fn is_active(&self) -> bool {
        self.subscriber.state == SubscriberState::Active
    }

    /// Starts to read the table when memory may lack something that is due.
    fn begin_refill(&mut self, inbox: &LaneInbox) -> Option<Refilling> {
        let now_ms = self.shared.clock.now_ms();
        let Drained {
            pending,
            live,
            left,
            unwritten,
        } = inbox.take();
        // What was handed over before the lane spilled is in memory from here on, so the
        // refill leaves it out and it is not sent twice.
        for pending in pending {
            self.lane.push(pending);
        }
        if left {
            self.refill_at = RefillAt::both(0);
        }
        if unwritten != Unwritten::default() {
            self.take_unwritten(&unwritten);
        }
        if self.live && !live {
            // What waits for its retry must not keep what is due out of memory.
            self.live = false;
            self.leave_waiting_to_the_table(now_ms);
        }
        let behind = !live && self.refill_at.is_due(&self.lane, now_ms);
        let resync = self.resync == Resync::Wanted && self.refill_at.untried_ms <= now_ms;
        let newest = self.lacks_newest(now_ms);
        if !self.is_active() || !(resync || behind || newest) {
            return None;
        }
        if newest {
            self.newest_for_ms = self.breaker.next_probe_ms();
        }
        if resync {
            self.resync = Resync::UnderWay;
            self.lane.forget_idle();
        }
        let held = LaneContents {
            newest,
            ..self.lane.held()
        };
        let lane = self.open.key;
        Some(refilling::begin(&self.shared, lane, held, resync))
    }

    /// The table knows better than memory what became of what was sent.
    fn take_unwritten(&mut self, unwritten: &Unwritten) {
        if !unwritten.fenced.is_empty() {
            let (name, forwards) = (&self.subscriber.name, &unwritten.fenced);
            tracing::warn!(subscriber = %name, ?forwards, "forward.fenced");
        }
        self.refill_at = RefillAt::both(0);
        self.resync = Resync::Wanted;
    }

    fn take_refill(&mut self, fresh: Result<Fresh, Error>, inbox: &LaneInbox) {
        let now_ms = self.shared.clock.now_ms();
        match fresh {
            Ok(Fresh { outbound, refill }) => {
                self.refill_at = RefillAt {
                    untried_ms: refill.untried_at_ms,
                    retries_ms: refill.retries_at_ms,
                };
                for pending in refill.pending {
                    self.lane.push(pending);
                }
                // Some of it was handed over as well while it was read.
                for pending in inbox.take_pending() {
                    self.lane.push(pending);
                }
                self.live = refill.live;
                if !self.live {
                    self.leave_waiting_to_the_table(now_ms);
                }
                if let Some(outbound) = outbound {
                    self.take_outbound(outbound);
                }
                if self.resync == Resync::UnderWay {
                    self.resync = Resync::No;
                }
            }
            Err(error) => {
                if let Error::KeyMissing(why) = &error {
                    self.halt.log(&self.subscriber.name, why);
                } else {
                    tracing::error!(subscriber = %self.subscriber.name, %error, "forward.refill_failed");
                }
                self.refill_at = RefillAt::both(now_ms.saturating_add(millis(POLL)));
                if self.resync == Resync::UnderWay {
                    self.resync = Resync::Wanted;
                }
                return;
            }
        }
        if self.resync == Resync::Wanted {
            // Something changed while this was read.
            self.refill_at = RefillAt::both(now_ms);
        }
    }

    /// Whether a probe may go, and the newest forward that it might be is in the table alone.
    fn lacks_newest(&self, now_ms: i64) -> bool {
        let next_ms = self.breaker.next_probe_ms();
        !self.live && next_ms.is_some_and(|at_ms| at_ms <= now_ms) && self.newest_for_ms != next_ms
    }

    /// Takes over where it sends to and with what, all of one commit.
    fn take_outbound(&mut self, outbound: Outbound) {
        let guard = self.shared.sender.guard();
        self.target = Arc::new(guard.target(outbound.url.expose()));
        self.headers = Arc::new(outbound.headers);
        self.known.with(&self.headers);
        self.secrets = outbound.secrets;
        let has_secret = !self.secrets.is_empty();
        self.halt.end_if(has_secret, &self.subscriber.name);
    }

    fn leave_waiting_to_the_table(&mut self, now_ms: i64) {
        if let Some(due_ms) = self.lane.forget_waiting(now_ms) {
            self.refill_at.bring_forward(due_ms);
        }
    }

    /// Starts what may be sent; returns when to look again, ms since 1970 UTC.
    fn send_what_is_due(&mut self, sending: &mut Sending, is_reading: bool) -> i64 {
        let now_ms = self.shared.clock.now_ms();
        let poll_ms = self.poll_ms(now_ms);
        if !self.is_active() || self.resync != Resync::No || self.secrets.is_empty() {
            return poll_ms;
        }
        while sending.len() < usize::from(self.subscriber.concurrency)
            && self.open.lease.is_held()
            && let Some(next) = self.lane.next(now_ms)
        {
            // Before the gate: a probe is given out once, and must not end here.
            let schedule = self.shared.by_age(&self.schedule);
            if schedule.is_expired(next.pending_since_ms, now_ms) {
                let (forward_id, place) = (next.forward_id, next.lane_place());
                self.give_up_by_age(forward_id, place);
                continue;
            }
            if let Some(until_ms) = self.rate_limit.wait_until_ms(now_ms) {
                return until_ms.min(poll_ms);
            }
            if is_reading && self.breaker.next_probe_ms().is_some() {
                // What is read may be a better probe than what is here.
                return poll_ms;
            }
            if let Some(until_ms) = self.breaker.waits_until_ms(now_ms) {
                return until_ms;
            }
            // Before the gate, for the same reason.
            let Some(connection) = self.connections.take() else {
                return poll_ms;
            };
            let probe = match self.breaker.permit(now_ms) {
                BreakerPermit::Open { until_ms } => return until_ms,
                BreakerPermit::Probe => {
                    self.lane.discount_attempts(now_ms);
                    true
                }
                BreakerPermit::Closed => false,
            };
            let pending = if probe {
                self.lane.take_probe(now_ms)
            } else {
                self.lane.take(now_ms)
            };
            let Some(pending) = pending else { break };
            self.rate_limit.begin(now_ms);
            sending.push(self.attempt(pending, probe, now_ms, connection));
            if probe {
                break;
            }
        }
        let next_ms = self.lane.next_due_ms().filter(|due_ms| *due_ms > now_ms);
        next_ms.unwrap_or(i64::MAX).min(poll_ms).max(now_ms + 1)
    }

    /// When to look around whatever happens, ms since 1970 UTC: the same time until it has come.
    fn poll_ms(&mut self, now_ms: i64) -> i64 {
        let poll_ms = millis(POLL);
        // Further off than that it lies only when the clock was set back.
        if self.poll_at_ms <= now_ms || self.poll_at_ms > now_ms.saturating_add(poll_ms) {
            self.poll_at_ms = now_ms.saturating_add(poll_ms);
        }
        self.poll_at_ms
    }

    fn attempt(
        &self,
        pending: PendingForward,
        probe: bool,
        now_ms: i64,
        connection: GrantedConnection,
    ) -> Attempting {
        let is_held = self.shared.is_held();
        let valid = |secret: &&SubscriberSecret| {
            let expires_ms = secret.expires_at_ms;
            expires_ms.is_none_or(|expires_ms| now_ms < expires_ms || is_held)
        };
        let secrets = self.secrets.iter().filter(valid).map(|it| &it.secret);
        let envelope = Envelope::seal(secrets, pending.uid, now_ms, &pending.payload);
        let target = self.target.clone();
        let sender = Arc::clone(&self.shared.sender);
        let timeout = self.subscriber.timeout();
        let (own, former) = (Arc::clone(&self.headers), self.known.with(&self.headers));
        let is_url_secret = self.subscriber.kind == SubscriberKind::Chat;
        Box::pin(async move {
            let headers = envelope.headers();
            let request = AttemptRequest {
                target: target.as_ref().as_ref(),
                headers: &headers,
                own_headers: &own,
                former_headers: &former,
                is_url_secret,
                body: &pending.payload,
                now_ms,
                timeout,
            };
            let sent = sender.send(&request).await;
            connection.end(sent.as_ref().is_ok_and(|it| it.http_status.is_some()));
            match sent {
                Err(short) => Err((pending, probe, short)),
                Ok(outcome) => Ok(EndedAttempt {
                    pending,
                    probe,
                    started_at_ms: now_ms,
                    outcome,
                }),
            }
        })
    }

    fn give_up_by_age(&mut self, forward_id: ForwardKey, place: LanePlace) {
        self.lane.finish(place, LaneAction::Leaves);
        self.metrics.gave_up();
        self.shared.store.settle(Settlement {
            lane: self.open.key,
            forward_id,
            attempt: None,
            settled: Settled::GaveUp(GaveUp::Expired),
        });
    }

    /// Settles an attempt; a message that waits stays in memory when `keep`, else in the
    /// table alone.
    fn conclude(&mut self, ended: Result<EndedAttempt, (PendingForward, bool, Short)>, keep: bool) {
        let now_ms = self.shared.clock.now_ms();
        let ended = match ended {
            Ok(ended) => ended,
            Err((pending, probe, short)) => return self.put_off(&pending, probe, &short, keep),
        };
        let schedule = self.shared.by_age(&self.schedule);
        let (settled, action) = settled::decide(&ended, &self.breaker, &schedule, now_ms);
        let EndedAttempt {
            pending,
            probe,
            started_at_ms,
            outcome,
        } = ended;
        self.lane.finish(pending.lane_place(), action);
        if !keep && let Some(due_ms) = self.lane.forget_waiting_of(pending.message_id, now_ms) {
            self.refill_at.bring_forward(due_ms);
        }
        if !keep && probe && self.lane.len() > MOST_HELD {
            // The newest are read for each probe, and would gather in a long outage.
            self.lane.forget_message(pending.message_id);
            self.refill_at.bring_forward(now_ms);
        }
        let begins = self.note(&outcome, now_ms);
        self.metrics.failing(self.failing.since_ms);
        self.metrics.attempted(&outcome);
        if matches!(settled, Settled::GaveUp(_)) {
            self.metrics.gave_up();
        }
        let name = &self.subscriber.name;
        log(name, &pending, &outcome, (probe, begins), settled);
        if pending.attempts == 0 && outcome.is_delivered() {
            self.metrics.waited(now_ms - pending.pending_since_ms);
        }
        self.shared.store.settle(Settlement {
            lane: self.open.key,
            forward_id: pending.forward_id,
            attempt: Some(Attempt {
                number: settled::is_charged(settled).then_some(pending.attempts + 1),
                // Later than its end it began only when the clock was set back meanwhile.
                started_at_ms: started_at_ms.min(now_ms),
                outcome,
            }),
            settled,
        });
    }

    /// Lets a forward wait that this machine could not send: it stays due as it was.
    fn put_off(&mut self, pending: &PendingForward, probe: bool, short: &Short, keep: bool) {
        let now_ms = self.shared.clock.now_ms();
        let due_at_ms = now_ms.saturating_add(millis(SHORT));
        self.lane
            .finish(pending.lane_place(), LaneAction::Requeues { due_at_ms });
        if !keep && let Some(due_ms) = self.lane.forget_waiting_of(pending.message_id, now_ms) {
            self.refill_at.bring_forward(due_ms);
        }
        if probe {
            self.breaker.take_back_probe(due_at_ms);
        }
        tracing::warn!(subscriber = %self.subscriber.name, forward = %pending.uid, %short, "forward.put_off");
    }

    /// Breaker, and since when the subscriber has been failing. Answers whether an outage begins that
    /// was not warned of.
    fn note(&mut self, outcome: &Outcome, now_ms: i64) -> bool {
        if let Some(transition) = self.breaker.on_outcome(outcome, now_ms) {
            let open = transition == Transition::Opened;
            tracing::info!(subscriber = %self.subscriber.name, open, "forward.breaker");
        }
        self.metrics.breaker(&self.breaker);
        if outcome.is_gone() {
            self.disable("answered 410 Gone");
        }
        if outcome.is_delivered() {
            self.failing.since_ms = None;
            if std::mem::take(&mut self.failing.noted) {
                failing::note_apart(&self.shared.store, &self.open, None);
            }
            return false;
        }
        let begins = self.failing.begins(now_ms);
        let since_ms = *self.failing.since_ms.get_or_insert(now_ms);
        let failing_ms = now_ms.saturating_sub(since_ms);
        // One that fails now and then costs no commit each time, nor a lane that reads all again.
        if !self.failing.noted && failing_ms >= failing::NOTE_AFTER_MS {
            self.failing.noted = true;
            failing::note_apart(&self.shared.store, &self.open, Some(since_ms));
        }
        if failing_ms >= millis(self.shared.disable_after) && !self.shared.is_held() {
            let days = self.shared.disable_after.as_secs() / 86_400;
            self.disable(&format!("every attempt failed for {days} days"));
        }
        begins
    }

    /// Notes an outage in the store that is too young to have been noted: the restart must not
    /// cost its forwards an attempt more.
    async fn note_at_the_end(&self) {
        if !self.failing.noted && self.breaker.is_open() {
            failing::note(&self.shared.store, &self.open, self.failing.since_ms).await;
        }
    }

    fn disable(&mut self, reason: &str) {
        if !self.is_active() {
            return;
        }
        tracing::error!(subscriber = %self.subscriber.name, reason, "forward.subscriber_disabled");
        // Nothing more is sent from here on, whenever the store gets to it.
        let mut subscriber = (*self.subscriber).clone();
        subscriber.state = SubscriberState::Disabled;
        self.subscriber = Arc::new(subscriber);
        let (store, lane) = (self.shared.store.clone(), self.open.clone());
        tokio::spawn(disabled::write(store, lane, reason.to_owned()));
    }
}

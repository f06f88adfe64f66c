//! A subscriber that refuses some payloads for ever: the others arrive as if it did not.
//!
//! How the lane's memory, the breaker and the schedule decide together is played through days, with
//! the clock as a number; what the table adds to that is shown by the true service. The control is
//! the same lane with a breaker that forgets what succeeded, which is the rule of before.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tickrelay::clock::Clock;
use tickrelay::forward::breaker::{Breaker, BreakerPermit};
use tickrelay::forward::lane::Lane;
use tickrelay::forward::schedule::Schedule;
use tickrelay::forward::settled::{EndedAttempt, decide};
use tickrelay::model::{ErrorCode, ForwardState, LanePlace, Outcome, Whole};
use tickrelay::store::{PendingForward, Settled};
use uuid::Uuid;

use crate::retrying::{START_MS, T0, attempts, pause, resume};
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestApp, cloud, key, until_async};

const TIMEOUT: Duration = Duration::from_secs(15);
/// How long the subscriber takes to answer, ms, and how many forwards are in flight at once.
const ANSWER_MS: i64 = 5;
const CONCURRENCY: usize = 8;
/// Payloads come at the full rate for so long, ms; after it one that is taken every ten seconds.
const TRAFFIC_MS: i64 = 180_000;
const MINUTE_MS: i64 = 60_000;
/// Refused ones that are due together when the traffic begins, as in a pile left by a night.
const PILE: i64 = 3_124;

/// A lane, its breaker and a subscriber, on a clock that is a number.
struct Play {
    lane: Lane,
    breaker: Breaker,
    /// The breaker forgets that anything ever succeeded, and probes with what is due first.
    is_former: bool,
    is_refused: fn(i64) -> bool,
    schedule: Schedule,
    flying: VecDeque<EndedAttempt>,
    now_ms: i64,
    /// When each that was taken had come, and how long it took, ms.
    taken: Vec<(i64, i64)>,
    /// How many were given up after so many attempts.
    gave_up: BTreeMap<u32, usize>,
}

/// The breaker of the first subscriber.
fn breaker() -> Breaker {
    Breaker::new(key(1), TIMEOUT)
}

/// Neighbouring numbers give unrelated results.
const fn mixed(id: i64) -> u64 {
    let mut mixed = id.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

fn one_in_seven(id: i64) -> bool {
    id < 0 || mixed(id).is_multiple_of(7)
}

fn one_in_two(id: i64) -> bool {
    id < 0 || mixed(id).is_multiple_of(2)
}

fn six_in_seven(id: i64) -> bool {
    id < 0 || !mixed(id).is_multiple_of(7)
}

fn pending(id: i64, attempts: u32, now_ms: i64) -> PendingForward {
    PendingForward {
        forward_id: key(id),
        uid: Uuid::from_u128(u128::from(mixed(id))),
        message_id: key(id),
        payload: bytes::Bytes::from_static(b"{}"),
        place: (now_ms, 0, LanePlace::of(id)),
        attempts,
        pending_since_ms: now_ms,
        due_at_ms: now_ms,
        last_attempt_ms: (attempts > 0).then_some(now_ms - 5_000),
    }
}

fn outcome(is_refused: bool) -> Outcome {
    Outcome {
        http_status: Some(if is_refused { 500 } else { 200 }),
        error: is_refused.then_some(ErrorCode::Http5xx),
        detail: String::new(),
        excerpt: String::new(),
        retry_at_ms: None,
        duration_ms: 5,
    }
}

impl Play {
    fn new(is_former: bool, is_refused: fn(i64) -> bool) -> Self {
        let mut lane = Lane::default();
        for id in 1..=PILE {
            lane.push(pending(-id, 1, 0));
        }
        Self {
            lane,
            breaker: breaker(),
            is_former,
            is_refused,
            schedule: Schedule::default(),
            flying: VecDeque::new(),
            now_ms: 0,
            taken: Vec::new(),
            gave_up: BTreeMap::new(),
        }
    }

    /// Sends what may be sent; returns when to look again.
    fn send(&mut self) -> i64 {
        let now_ms = self.now_ms;
        while self.flying.len() < CONCURRENCY && self.lane.next(now_ms).is_some() {
            let probe = match self.breaker.permit(now_ms) {
                BreakerPermit::Open { until_ms } => return until_ms,
                BreakerPermit::Probe => {
                    self.lane.discount_attempts(now_ms);
                    true
                }
                BreakerPermit::Closed => false,
            };
            let pending = if probe && !self.is_former {
                self.lane.take_probe(now_ms)
            } else {
                self.lane.take(now_ms)
            };
            let pending = pending.unwrap();
            self.flying.push_back(EndedAttempt {
                outcome: outcome((self.is_refused)(
                    pending.forward_id.to_string().parse().unwrap(),
                )),
                pending,
                probe,
                started_at_ms: now_ms,
            });
            if probe {
                break;
            }
        }
        let next_ms = self.lane.next_due_ms().unwrap_or(i64::MAX);
        if next_ms <= now_ms { i64::MAX } else { next_ms }
    }

    fn conclude(&mut self) {
        let ended = self.flying.pop_front().unwrap();
        let (settled, action) = decide(&ended, &self.breaker, &self.schedule, self.now_ms);
        self.lane.finish(ended.pending.lane_place(), action);
        self.breaker.on_outcome(&ended.outcome, self.now_ms);
        match settled {
            Settled::Delivered => {
                let since_ms = ended.pending.pending_since_ms;
                self.taken.push((since_ms, self.now_ms - since_ms));
                if self.is_former {
                    self.breaker = breaker();
                }
            }
            Settled::GaveUp(_) => {
                *self.gave_up.entry(ended.pending.attempts + 1).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Plays until `until_ms`, a payload every `every_ms` while there is traffic.
    fn run(&mut self, every_ms: i64, until_ms: i64) {
        let (mut next_id, mut arrival_ms) = (1, 0);
        while self.now_ms < until_ms {
            while self
                .flying
                .front()
                .is_some_and(|ended| ended.started_at_ms + ANSWER_MS <= self.now_ms)
            {
                self.conclude();
            }
            if arrival_ms <= self.now_ms {
                let is_traffic = self.now_ms < TRAFFIC_MS;
                while !is_traffic && (self.is_refused)(next_id) {
                    next_id += 1;
                }
                self.lane.push(pending(next_id, 0, self.now_ms));
                next_id += 1;
                arrival_ms += if is_traffic { every_ms } else { 10_000 };
            }
            let look_ms = self.send();
            let end_ms = self
                .flying
                .front()
                .map(|ended| ended.started_at_ms + ANSWER_MS);
            let next_ms = look_ms.min(arrival_ms).min(end_ms.unwrap_or(i64::MAX));
            self.now_ms = next_ms.max(self.now_ms + 1);
        }
    }

    /// Median and p99 of the delays of those that came after the first minute of the traffic, ms.
    fn delays(&self) -> (i64, i64) {
        let mut delays: Vec<i64> = self
            .taken
            .iter()
            .filter(|(since_ms, _)| (MINUTE_MS..TRAFFIC_MS).contains(since_ms))
            .map(|(_, delay_ms)| *delay_ms)
            .collect();
        delays.sort_unstable();
        (delays[delays.len() / 2], delays[delays.len() * 99 / 100])
    }
}

/// Plays ten days of it: what is taken arrives soon, and what is refused is tried ten times.
fn check(is_refused: fn(i64) -> bool, every_ms: i64) {
    let mut play = Play::new(false, is_refused);
    play.run(every_ms, 10 * 86_400_000);
    let (median_ms, p99_ms) = play.delays();
    assert!(median_ms <= 2_000, "median {median_ms} ms, p99 {p99_ms} ms");
    // Nothing is left, and nothing was given up before its time.
    assert!(play.lane.len() <= CONCURRENCY, "{} left", play.lane.len());
    assert_eq!(play.gave_up.keys().collect::<Vec<_>>(), [&10]);
}

#[test]
fn one_in_seven_refused_for_ever_holds_up_none_of_the_others() {
    check(one_in_seven, 10);
    check(one_in_seven, 1_000);
}

#[test]
fn one_in_two_refused_for_ever_holds_up_none_of_the_others() {
    check(one_in_two, 10);
    check(one_in_two, 1_000);
}

#[test]
fn six_in_seven_refused_for_ever_hold_up_none_of_the_others() {
    check(six_in_seven, 10);
    check(six_in_seven, 1_000);
}

#[test]
fn a_breaker_that_forgets_what_succeeded_starves_the_others() {
    for every_ms in [10, 1_000] {
        let mut play = Play::new(true, six_in_seven);
        play.run(every_ms, TRAFFIC_MS);
        let came = (MINUTE_MS..TRAFFIC_MS).step_by(usize::try_from(every_ms).unwrap());
        let came = came.count() / 7;
        let arrived = play
            .taken
            .iter()
            .filter(|(since_ms, delay_ms)| *since_ms >= MINUTE_MS && *delay_ms <= 2_000);
        assert!(arrived.count() < came / 2, "every {every_ms} ms");
    }
}

/// A subscriber that answers 500 to every payload of a message that begins with `bad`.
fn choosy() -> Receiver {
    Receiver::scripted(|_, request| {
        Reply::status(if request.message().starts_with("bad") {
            500
        } else {
            200
        })
    })
}

async fn report(app: &TestApp, name: &str, messages: usize) {
    for from in (0..messages).step_by(50) {
        let batch: Vec<_> = (from..messages.min(from + 50))
            .map(|message| cloud::status(&format!("{name}.{message}"), "sent", T0))
            .collect();
        app.report(&batch).await;
    }
}

/// More than a lane's memory holds.
const BAD: usize = 1_400;

#[actix_web::test]
async fn thousands_of_retries_that_are_due_together_hold_up_nothing_new() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let receiver = choosy();
    app.subscribe("crm", &receiver.url).await;
    pause(&app).await;
    report(&app, "bad", BAD).await;
    // Each was tried once, long ago.
    app.tables().try_all_once();
    hand.advance(Duration::from_mins(10));
    report(&app, "good", 30).await;
    // The control: by due time alone, all the others stand before them.
    let forwards = app.forwards().await;
    let (mut tried, new): (Vec<_>, Vec<_>) = forwards.iter().partition(|it| it.attempts > 0);
    let first_ms = new.iter().map(|it| it.due_at_ms).min().unwrap();
    tried.retain(|it| it.due_at_ms < first_ms);
    assert_eq!(tried.len(), BAD);
    resume(&app).await;
    let good = || {
        let all = receiver.received();
        all.iter().rposition(|it| it.message().starts_with("good"))
    };
    until_async("all that is new arrives", async || {
        app.forwards_in(ForwardState::Delivered).await == 30
    })
    .await;
    // Three turns in four are theirs, and eight may be in flight.
    assert!(
        good().unwrap() < 30 * 4 / 3 + 2 * CONCURRENCY,
        "{:?}",
        good()
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_probe_finds_what_is_taken_behind_thousands_that_are_refused() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let receiver = choosy();
    app.subscribe_with("crm", &receiver.url, |new| {
        new.concurrency = Whole::nearest(1);
    })
    .await;
    report(&app, "bad", BAD).await;
    attempts(&app, 5).await;
    hand.advance(Duration::from_millis(1_200));
    attempts(&app, 6).await;
    // Nothing was taken so far: the subscriber counts as down.
    report(&app, "good", 1).await;
    assert_eq!(receiver.count(), 6);
    hand.advance(Duration::from_millis(2_400));
    hand_on_until_delivered(&app, &hand).await;
    let mut pending = app.forwards().await;
    pending.retain(|it| it.state == ForwardState::Pending && (1..=2).contains(&it.attempts));
    assert_eq!(pending.len(), BAD);
    app.stop().await;
}

/// Lets probes go until one is taken: of two the one is the newest.
async fn hand_on_until_delivered(app: &TestApp, hand: &tickrelay::clock::Hand) {
    let taken = async || app.forwards_in(ForwardState::Delivered).await;
    let tried = async || app.attempts().await.len();
    for probes in 1..=2 {
        until_async("a probe goes", async || {
            taken().await == 1 || tried().await == 6 + probes
        })
        .await;
        if taken().await == 1 {
            break;
        }
        hand.advance(Duration::from_millis(8_800));
    }
    let all_tried = async || app.forwards().await.iter().all(|it| it.attempts > 0);
    until_async("the others have their turn", async || {
        taken().await == 1 && all_tried().await
    })
    .await;
}

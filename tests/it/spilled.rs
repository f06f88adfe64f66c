//! A backlog larger than memory: the lane reads the table, and nothing is lost, repeated or
//! held up by it.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::task::Poll;
use std::time::Duration;

use tickrelay::admin::{PauseSubscriber, ResumeSubscriber};
use tickrelay::clock::{Clock, Hand};
use tickrelay::model::Status;
use tickrelay::store::step::ExpireForwards;
use tickrelay::store::timeline::ForwardRecord;

use crate::support::receiver::{Receiver, Reply};
use crate::support::traffic::request;
use crate::support::{TestApp, cloud, counted, until};

const T0: i64 = 1_760_000_000;
const WORDS: [&str; 3] = ["sent", "delivered", "read"];
/// Forwards in a lane's memory: a window of 1024, what a refill adds to half of it, and what
/// is in flight.
const MEMORY: f64 = 1_700.0;

/// Posts one webhook for each message and status, in batches, the statuses of a message in
/// webhooks of their own.
async fn pour(app: &TestApp, name: &str, messages: usize) {
    for (at, word) in (0..).zip(WORDS) {
        for from in (0..messages).step_by(50) {
            let batch: Vec<_> = (from..messages.min(from + 50))
                .map(|message| cloud::status(&format!("{name}.{message}"), word, T0 + at))
                .collect();
            app.report(&batch).await;
        }
    }
}

async fn held(app: &TestApp) -> f64 {
    app.metric("tickrelay_lane_held{subscriber=\"crm\"}").await
}

#[actix_web::test]
async fn a_backlog_larger_than_memory_arrives_once_and_in_order() {
    const BEFORE: usize = 1_700;
    const MEANWHILE: usize = 100;
    let app = TestApp::boot().await;
    let up = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&up);
    let receiver = Receiver::scripted(move |_, _| {
        Reply::status(if switch.load(Ordering::SeqCst) {
            200
        } else {
            503
        })
    });
    app.subscribe("crm", &receiver.url).await;
    pour(&app, "early", BEFORE).await;
    let states = counted(&app.forwards().await, ["state"]);
    assert_eq!(states, [["pending", &(3 * BEFORE).to_string()]]);
    assert!(held(&app).await <= MEMORY, "{} held", held(&app).await);
    let failed = receiver.count();
    up.store(true, Ordering::SeqCst);
    until("it is known to be back", || receiver.count() > failed + 50).await;
    pour(&app, "late", MEANWHILE).await;
    assert!(held(&app).await <= MEMORY, "{} held", held(&app).await);
    app.settled().await;
    // Exactly once each after it was back; the first few had failed before.
    assert_eq!(faults(&app, BEFORE + MEANWHILE).await, Vec::<String>::new());
    let delivered = 3 * (BEFORE + MEANWHILE);
    let states = counted(&app.forwards().await, ["state"]);
    assert_eq!(states, [["delivered", &delivered.to_string()]]);
    let mut refused = app.attempts().await;
    refused.retain(|it| it.attempt.http_status == Some(503));
    assert_eq!(receiver.count(), delivered + refused.len());
    app.stop().await;
}

/// The messages of which the subscriber took not each status, once and in order, and what it
/// took instead.
async fn faults(app: &TestApp, messages: usize) -> Vec<String> {
    let taken = app.taken().await;
    let missing = messages.abs_diff(taken.len());
    let missing = (missing > 0).then(|| format!("{missing} messages missing"));
    let wrong = taken.iter().filter(|(_, words)| **words != WORDS);
    let wrong = wrong.map(|(message, words)| format!("{message}: {}", words.join(", ")));
    wrong.chain(missing).collect()
}

#[actix_web::test]
async fn a_backlog_of_which_one_is_lost_repeated_or_swapped_is_caught() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let name = || "crm".to_owned();
    app.order(PauseSubscriber { name: name() }).await;
    pour(&app, "paused", 9).await;
    let forwards = app.forwards().await;
    let forward = |message: &str, status: Status| {
        let mut forwards = forwards.iter();
        let is_it = |it: &&ForwardRecord| {
            it.provider_message_id.as_deref() == Some(message) && it.status == Some(status)
        };
        forwards.find(is_it).unwrap().forward_id
    };
    let tables = app.tables();
    tables.set_state(forward("paused.2", Status::Delivered), "delivered");
    tables.move_place(forward("paused.5", Status::Sent), 1500);
    app.order(ResumeSubscriber { name: name() }).await;
    app.settled().await;
    app.order(PauseSubscriber { name: name() }).await;
    tables.set_state(forward("paused.7", Status::Read), "pending");
    app.order(ResumeSubscriber { name: name() }).await;
    app.settled().await;
    assert_eq!(
        faults(&app, 9).await,
        [
            "paused.2: sent, read",
            "paused.5: delivered, sent, read",
            "paused.7: sent, delivered, read, read"
        ]
    );
    app.stop().await;
}

/// More forwards than a lane's memory holds, each refused once.
const REFUSED: usize = 1_500;

/// A lane that reads the table because so many wait in it: the clock stands, every one of
/// them waits for its second attempt. From here on the subscriber takes all.
async fn with_many_that_wait() -> (TestApp, Receiver, Hand) {
    let (clock, hand) = Clock::manual(T0 * 1000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let answer = Arc::new(AtomicU16::new(400));
    let switch = Arc::clone(&answer);
    let receiver = Receiver::scripted(move |_, _| Reply::status(switch.load(Ordering::SeqCst)));
    app.subscribe("crm", &receiver.url).await;
    pour(&app, "refused", REFUSED / 3).await;
    until("all are refused", || receiver.count() >= REFUSED).await;
    answer.store(200, Ordering::SeqCst);
    (app, receiver, hand)
}

#[actix_web::test]
async fn what_waits_for_a_retry_does_not_hold_up_what_is_new() {
    let (app, receiver, hand) = with_many_that_wait().await;
    for round in 0..30 {
        let before = receiver.count();
        app.report(&[cloud::status(&format!("new.{round}"), "sent", T0)])
            .await;
        until("the new one arrives", || receiver.count() > before).await;
        let last = receiver.received().pop().unwrap();
        assert_eq!(last.message(), format!("new.{round}"));
    }
    hand.advance(Duration::from_secs(10));
    app.settled().await;
    assert_eq!(
        counted(&app.forwards().await, ["state", "attempts"]),
        [["delivered", "1", "30"], ["delivered", "2", "1500"]]
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_lane_that_caught_up_is_live_again() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let name = || "crm".to_owned();
    app.order(PauseSubscriber { name: name() }).await;
    pour(&app, "paused", 500).await;
    app.order(ResumeSubscriber { name: name() }).await;
    app.settled().await;
    // Spilling and catching up again and again loses none and repeats none.
    for round in 0..5 {
        pour(&app, &format!("burst-{round}"), 500).await;
    }
    app.settled().await;
    assert_eq!(receiver.count(), 6 * 1_500);
    for (message, words) in receiver.by_message() {
        assert_eq!(words, WORDS, "{message}");
    }
    assert!(held(&app).await < 1.0);
    app.stop().await;
}

/// Lets the lanes run, which share this thread, until they wait for another task.
async fn let_lanes_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Posts a webhook while this thread, and with it the lanes, stands still.
fn post_while_lanes_stand(app: &TestApp, number: usize) {
    let mut stream = TcpStream::connect(&app.url["http://".len()..]).unwrap();
    stream.write_all(request(number).as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// A step that changes nothing.
const NOTHING_EXPIRES: ExpireForwards = ExpireForwards {
    pending_before_ms: 0,
};

/// Waits for all jobs of the writer so far, while the lanes stand still.
fn wait_for_writer(app: &TestApp) {
    let store = app.store.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let wait = std::thread::spawn(move || runtime.unwrap().block_on(store.step(NOTHING_EXPIRES)));
    wait.join().unwrap().unwrap();
}

/// A forward is left in the table after a refill read it and before the lane has the answer,
/// which says that there is nothing: the notice of the one must outlive the other.
#[actix_web::test]
async fn what_is_left_in_the_table_while_a_refill_is_under_way_is_not_forgotten() {
    let (app, receiver, _hand) = with_many_that_wait().await;
    let outsider = app.tables();
    // Which of two that are ready at once the lane sees first is not ours to say.
    for round in 0..60 {
        let before = receiver.count();
        post_while_lanes_stand(&app, 6 * round);
        // The lane reads what it was notified of; the answer waits for it.
        let_lanes_run().await;
        wait_for_writer(&app);
        // The writer waits for the outsider, and behind that work the lane's next refill for
        // the writer.
        let lock = outsider.lock();
        let mut work = pin!(app.store.step(NOTHING_EXPIRES));
        let begun = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        assert!(begun.is_pending());
        let_lanes_run().await;
        drop(lock);
        post_while_lanes_stand(&app, 6 * round + 3);
        wait_for_writer(&app);
        until("both arrive", || receiver.count() == before + 2).await;
        work.await.unwrap();
    }
    app.stop().await;
}

//! The supervisor, with invented duties and leases.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::{Roles, Supervisor};
use crate::clock::{Clock, Hand};
use crate::duties::{Duty, Next};
use crate::store::{Error, Lease, LeaseEnd};

const T0: i64 = 1_760_000_000_000;

/// What a step of an invented duty does.
enum Act {
    Want(Next),
    Fail,
    Panic,
    /// Waits for the test before it ends.
    Hang,
}
use Act::{Fail, Hang, Panic, Want};

/// A step of it: how many it made since it began, and what the clock showed.
type Stepped = (u32, i64);

/// A duty that does what the test wrote down, and then waits to be woken.
#[derive(Clone)]
struct Invented<const IS_OTHER: bool> {
    acts: Arc<Mutex<VecDeque<Act>>>,
    clock: Clock,
    stepped: mpsc::UnboundedSender<Stepped>,
    wake: Arc<Notify>,
    end: Arc<Notify>,
    steps: u32,
}

impl<const IS_OTHER: bool> Duty for Invented<IS_OTHER> {
    const NAME: &'static str = if IS_OTHER { "other" } else { "one" };

    async fn step(&mut self, _: &Lease) -> Result<Next, Error> {
        self.steps += 1;
        self.stepped
            .send((self.steps, self.clock.now_ms()))
            .unwrap();
        let act = self.acts.lock().unwrap().pop_front();
        match act.unwrap_or(Want(Next::Woken)) {
            Want(next) => Ok(next),
            Fail => Err(Error::Closed),
            Panic => panic!("invented"),
            Hang => {
                self.end.notified().await;
                Ok(Next::At(i64::MAX))
            }
        }
    }

    async fn woken(&mut self) {
        self.wake.notified().await;
    }
}

/// The test's end of an invented duty.
struct Observer {
    steps: mpsc::UnboundedReceiver<Stepped>,
    wake: Arc<Notify>,
    end: Arc<Notify>,
}

impl Observer {
    async fn step(&mut self) -> Stepped {
        let step = tokio::time::timeout(Duration::from_secs(20), self.steps.recv());
        step.await.expect("a step in time").unwrap()
    }

    /// That nothing is stepped, whatever is ready to run.
    async fn no_step(&mut self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(self.steps.try_recv().is_err());
    }
}

fn invented<const IS_OTHER: bool>(
    clock: &Clock,
    acts: impl IntoIterator<Item = Act>,
) -> (Invented<IS_OTHER>, Observer) {
    let (stepped, steps) = mpsc::unbounded_channel();
    let duty = Invented {
        acts: Arc::new(Mutex::new(acts.into_iter().collect())),
        clock: clock.clone(),
        stepped,
        wake: Arc::default(),
        end: Arc::default(),
        steps: 0,
    };
    let observer = Observer {
        steps,
        wake: Arc::clone(&duty.wake),
        end: Arc::clone(&duty.end),
    };
    (duty, observer)
}

/// Grants every role at once and for good.
struct Granted;

impl Roles for Granted {
    async fn role(&self, _: &'static str) -> Lease {
        Lease::for_good()
    }
}

/// Grants a role when the test does.
struct GrantedByHand(tokio::sync::Mutex<mpsc::UnboundedReceiver<Lease>>);

impl Roles for GrantedByHand {
    async fn role(&self, name: &'static str) -> Lease {
        assert_eq!(name, "one");
        self.0.lock().await.recv().await.unwrap()
    }
}

/// What is logged on this thread meanwhile.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        tracing::subscriber::set_default(subscriber.with_writer(move || log.clone()).finish())
    }

    /// How many of its lines have all these words.
    fn lines(&self, words: &[&str]) -> usize {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().filter(has_all).count()
    }
}

fn supervisor<R: Roles>(roles: R, clock: &Clock) -> Supervisor<R> {
    Supervisor::pausing(roles, clock.clone(), Duration::from_millis(1))
}

fn run<R: Roles>(supervisor: Supervisor<R>) -> (JoinHandle<()>, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    (tokio::spawn(supervisor.run(stopped)), stop)
}

/// One duty that is granted for good.
fn alone(
    acts: impl IntoIterator<Item = Act>,
) -> (Observer, Hand, JoinHandle<()>, watch::Sender<bool>) {
    let (clock, hand) = Clock::manual(T0);
    let (duty, observer) = invented::<false>(&clock, acts);
    let (running, stop) = run(supervisor(Granted, &clock).with(duty));
    (observer, hand, running, stop)
}

#[tokio::test]
async fn a_step_is_made_when_its_time_has_come_its_pause_is_over_or_it_is_woken() {
    let pause = Next::After(Duration::from_millis(1));
    let (mut duty, hand, _running, _stop) = alone([Want(Next::At(T0 + 10)), Want(pause)]);
    assert_eq!(duty.step().await, (1, T0));
    hand.set_ms(T0 + 9);
    duty.no_step().await;
    hand.set_ms(T0 + 10);
    assert_eq!(duty.step().await, (2, T0 + 10));
    assert_eq!(duty.step().await, (3, T0 + 10));
    hand.set_ms(i64::MAX);
    duty.no_step().await;
    duty.wake.notify_one();
    assert_eq!(duty.step().await, (4, i64::MAX));
}

#[tokio::test]
async fn a_duty_that_waits_for_a_time_is_woken_before_it() {
    let (mut duty, _hand, _running, _stop) = alone([Want(Next::At(i64::MAX))]);
    assert_eq!(duty.step().await.0, 1);
    duty.wake.notify_one();
    assert_eq!(duty.step().await.0, 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_is_followed_by_a_step_at_once() {
    let (mut duty, hand, _running, _stop) = alone([Want(Next::At(T0 + 60_000)), Hang]);
    assert_eq!(duty.step().await, (1, T0));
    duty.no_step().await;
    // While it waits,
    hand.set_ms(T0 - 1_000);
    assert_eq!(duty.step().await, (2, T0 - 1_000));
    // and during a step.
    hand.set_ms(T0 - 2_000);
    duty.end.notify_one();
    assert_eq!(duty.step().await, (3, T0 - 2_000));
}

#[tokio::test]
async fn a_duty_that_fails_or_panics_goes_on_and_harms_no_other() {
    let log = Log::default();
    let _listening = log.listen();
    let (clock, _hand) = Clock::manual(T0);
    let (one, mut failing) = invented::<false>(&clock, [Fail, Fail, Want(Next::Woken), Panic]);
    let (other, mut well) = invented::<true>(&clock, []);
    let (_running, _stop) = run(supervisor(Granted, &clock).with(one).with(other));
    for step in 1..=3 {
        assert_eq!(failing.step().await.0, step);
    }
    failing.wake.notify_one();
    assert_eq!(failing.step().await.0, 4);
    // It panicked, and started again.
    assert_eq!(failing.step().await.0, 1);
    assert_eq!(
        log.lines(&["WARN", "duty.failed", "one", "shutting down"]),
        2
    );
    assert_eq!(log.lines(&["ERROR", "duty.panicked", "one"]), 1);
    assert_eq!(log.lines(&[""]), 3);
    assert_eq!(well.step().await.0, 1);
    well.wake.notify_one();
    assert_eq!(well.step().await.0, 2);
}

#[tokio::test]
async fn what_wakes_a_duty_does_not_make_it_fail_as_often() {
    let (clock, _hand) = Clock::manual(T0);
    let (duty, mut observer) = invented::<false>(&clock, [Fail]);
    let patient = Supervisor::pausing(Granted, clock, Duration::from_hours(1)).with(duty);
    let (_running, _stop) = run(patient);
    assert_eq!(observer.step().await.0, 1);
    observer.wake.notify_one();
    observer.no_step().await;
}

#[tokio::test]
async fn the_pause_after_failures_doubles_up_to_ten_times_the_first() {
    let supervisor = Supervisor::new(Granted, Clock::system());
    let pauses = [0, 1, 2, 3, 4, 5, u32::MAX].map(|failures| {
        let pause = supervisor.attendant.pause(failures);
        pause.as_secs()
    });
    assert_eq!(pauses, [1, 1, 2, 4, 8, 10, 10]);
}

#[tokio::test]
async fn a_duty_is_stepped_while_its_lease_is_held_and_starts_again_with_the_next_one() {
    let (clock, hand) = Clock::manual(T0);
    let (grants, granted) = mpsc::unbounded_channel();
    let grant = || -> LeaseEnd {
        let (lease, end) = Lease::until_ended(Lease::FIRST);
        grants.send(lease).unwrap();
        end
    };
    let (duty, mut observer) = invented::<false>(&clock, [Want(Next::At(T0 + 1)), Hang]);
    let roles = GrantedByHand(tokio::sync::Mutex::new(granted));
    let (_running, _stop) = run(supervisor(roles, &clock).with(duty));
    observer.no_step().await;
    let end = grant();
    assert_eq!(observer.step().await, (1, T0));
    end.end();
    observer.no_step().await;
    hand.set_ms(T0 + 1);
    observer.wake.notify_one();
    observer.no_step().await;
    // A step under way ends, and none follows.
    let end = grant();
    assert_eq!(observer.step().await, (1, T0 + 1));
    end.end();
    observer.end.notify_one();
    observer.wake.notify_one();
    observer.no_step().await;
    grant();
    observer.no_step().await;
    let _end = grant();
    assert_eq!(observer.step().await, (1, T0 + 1));
}

#[tokio::test]
async fn a_stop_waits_for_the_step_under_way() {
    let (mut duty, _hand, running, stop) = alone([Hang]);
    assert_eq!(duty.step().await.0, 1);
    stop.send_replace(true);
    duty.no_step().await;
    assert!(!running.is_finished());
    duty.end.notify_one();
    running.await.unwrap();
    assert!(duty.steps.recv().await.is_none());
}

#[tokio::test]
async fn a_stop_ends_a_duty_that_waits() {
    for next in [
        Next::At(i64::MAX),
        Next::After(Duration::from_hours(1)),
        Next::Woken,
    ] {
        let (mut duty, _hand, running, stop) = alone([Want(next)]);
        assert_eq!(duty.step().await.0, 1);
        stop.send_replace(true);
        running.await.unwrap();
    }
}

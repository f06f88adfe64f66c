//! Killed at any moment it loses nothing that it acknowledged and stores nothing twice.
//!
//! A kill proves the order of commit, answer, send and settle. It does not prove the fsync:
//! what was written survives a kill in the system's cache, a power cut it may not.

mod checker;
mod subscriber;
mod tampering;
mod trial;
mod window;

use checker::Fault;
use rustix::process::Signal;
use tampering::tamper;
use trial::{Answers, Trial};
use window::Moment;

/// Kills in the test suite; `CRASH_ROUNDS=300` asks for more.
const ROUNDS: usize = 30;

#[allow(
    clippy::disallowed_methods,
    reason = "the one setting of the tests that comes from the environment"
)]
fn rounds() -> usize {
    std::env::var("CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

#[allow(
    clippy::print_stderr,
    reason = "the counts are what one runs it by hand for"
)]
#[actix_web::test]
async fn a_kill_at_any_moment_loses_nothing_and_repeats_nothing() {
    let mut trial = Trial::new(Answers::Service);
    let rounds = rounds();
    for kill in 0.. {
        let (counted, idle) = trial.tally.kills();
        if counted == rounds {
            break;
        }
        assert!(
            idle <= rounds / 2,
            "too little is in flight: {}",
            trial.tally
        );
        trial.kill_at(Moment::of(kill)).await;
        assert!(trial.findings.is_empty(), "{:?}", trial.findings);
    }
    trial.finish().await;
    eprintln!("{}", trial.tally);
    assert!(trial.findings.is_empty(), "{:?}", trial.findings);
    assert!(trial.tally.empty().is_empty(), "{}", trial.tally);
}

#[actix_web::test]
async fn a_service_that_acknowledges_before_it_stores_is_caught() {
    let mut trial = Trial::new(Answers::HastyFront);
    trial.kill_at(Moment::Received(100)).await;
    assert_eq!(
        trial.findings.kinds(),
        [Fault::Lost],
        "{:?}",
        trial.findings
    );
}

#[actix_web::test]
async fn each_kind_of_fault_in_a_store_is_found() {
    let mut trial = Trial::new(Answers::Service);
    trial.kill_at(Moment::Answered(500)).await;
    assert!(trial.findings.is_empty(), "{:?}", trial.findings);
    tamper(&trial);
    trial.finish().await;
    assert_eq!(trial.findings.kinds(), Fault::ALL, "{:?}", trial.findings);
}

#[actix_web::test]
async fn a_shutdown_of_a_service_that_acknowledges_before_it_stores_is_caught() {
    let mut trial = Trial::new(Answers::HastyFront);
    trial.end_at(Signal::TERM, Moment::Received(100)).await;
    let findings = trial.findings.kinds();
    assert_eq!(findings, [Fault::Lost], "{:?}", trial.findings);
}

#[actix_web::test]
async fn a_shutdown_in_mid_request_acknowledges_only_what_is_stored() {
    let mut trial = Trial::new(Answers::Service);
    let (status, stored_unanswered) = trial.end_at(Signal::TERM, Moment::Answered(500)).await;
    assert!(status.success(), "{status}");
    assert_eq!(stored_unanswered, 0);
    assert!(trial.findings.is_empty(), "{:?}", trial.findings);
    trial.finish().await;
    assert!(trial.findings.is_empty(), "{:?}", trial.findings);
}

//! The breaker, given one outcome after the other.

use std::time::Duration;

use super::{Breaker, BreakerPermit, Transition};
use crate::model::{ErrorCode, Outcome, SubscriberKey};

fn outcome(error: Option<ErrorCode>, http_status: Option<u16>) -> Outcome {
    Outcome {
        http_status,
        error,
        detail: String::new(),
        excerpt: String::new(),
        retry_at_ms: None,
        duration_ms: 1,
    }
}

fn good() -> Outcome {
    outcome(None, Some(200))
}

fn bad() -> Outcome {
    outcome(Some(ErrorCode::Connect), None)
}

fn closed() -> Breaker {
    Breaker::new(SubscriberKey::of(7), Duration::from_secs(15))
}

/// A breaker that opened at 0.
fn opened() -> Breaker {
    let mut breaker = closed();
    for _ in 0..5 {
        breaker.on_outcome(&bad(), 0);
    }
    breaker
}

fn until_ms(breaker: &mut Breaker, now_ms: i64) -> i64 {
    match breaker.permit(now_ms) {
        BreakerPermit::Open { until_ms } => until_ms,
        other => panic!("{other:?} at {now_ms}"),
    }
}

/// Whether outcomes, one after the other, leave a fresh breaker open.
fn check(outcomes: &[Outcome], open: bool) {
    let mut breaker = closed();
    for outcome in outcomes {
        breaker.on_outcome(outcome, 0);
    }
    assert_eq!(breaker.is_open(), open, "{outcomes:?}");
}

#[test]
fn five_failures_in_a_row_open_it() {
    let refused = outcome(Some(ErrorCode::Http4xx), Some(400));
    let throttled = outcome(Some(ErrorCode::Http4xx), Some(429));
    let broken = outcome(Some(ErrorCode::Http5xx), Some(500));
    let slow = outcome(Some(ErrorCode::Timeout), None);
    check(
        &[bad(), slow.clone(), broken.clone(), throttled.clone()],
        false,
    );
    check(&[bad(), slow, broken, throttled, bad()], true);
    check(&[bad(), bad(), bad(), bad(), good(), bad()], false);
    check(&[bad(), bad(), bad(), bad(), refused.clone(), bad()], false);
    check(&vec![refused; 9], false);
}

#[test]
fn a_recent_success_keeps_it_closed_however_many_fail() {
    let mut breaker = closed();
    breaker.on_outcome(&good(), 0);
    for at_ms in 0..=10 {
        assert_eq!(breaker.on_outcome(&bad(), at_ms * 1_000), None, "{at_ms} s");
    }
    assert_eq!(breaker.on_outcome(&bad(), 10_001), Some(Transition::Opened));
    // A success before the clock was set back proves nothing.
    let mut breaker = closed();
    breaker.on_outcome(&good(), 3_600_000);
    check_opens(&mut breaker, 0);
}

/// Opens it by five failures at that time.
fn check_opens(breaker: &mut Breaker, now_ms: i64) {
    let decisions: Vec<_> = (0..5).map(|_| breaker.on_outcome(&bad(), now_ms)).collect();
    assert_eq!(decisions[4], Some(Transition::Opened));
}

#[test]
fn a_forward_is_charged_for_its_own_failures_and_once_for_an_outage() {
    let mut breaker = closed();
    breaker.on_outcome(&good(), 1_000);
    for _ in 0..4 {
        assert!(breaker.charges(false, Some(1_001), 1_002));
        breaker.on_outcome(&bad(), 1_002);
    }
    assert!(breaker.charges(false, Some(1_001), 1_003));
    breaker.on_outcome(&bad(), 1_003);
    // Five in a row: whether it is an outage is not known, though it is closed.
    assert!(!breaker.is_open());
    assert!(breaker.charges(false, None, 1_004));
    assert!(!breaker.charges(false, Some(1_001), 6_000));
    assert!(breaker.charges(false, Some(999), 6_000));
    // Another one succeeds: it was none.
    breaker.on_outcome(&good(), 6_500);
    assert!(breaker.charges(false, Some(1_001), 7_000));
    check_opens(&mut breaker, 16_501);
    // Those in flight when it opened.
    assert!(breaker.charges(false, None, 16_502));
    assert!(!breaker.charges(false, Some(7_000), 16_502));
}

#[test]
fn a_failed_probe_is_charged_only_when_another_succeeded_recently() {
    let mut breaker = opened();
    assert_eq!(breaker.permit(2_000), BreakerPermit::Probe);
    assert!(!breaker.charges(true, None, 2_000));
    // One that was in flight when it opened.
    breaker.on_outcome(&good(), 2_100);
    assert!(breaker.charges(true, None, 12_100));
    assert!(!breaker.charges(true, None, 12_101));
}

#[test]
fn one_that_takes_some_is_probed_soon_again() {
    let mut breaker = closed();
    breaker.on_outcome(&good(), 0);
    check_opens(&mut breaker, 10_001);
    let mut now_ms = 10_001;
    while now_ms < 600_000 {
        let due_ms = until_ms(&mut breaker, now_ms);
        let longest_ms = (now_ms / 10).max(1_000);
        assert!(due_ms - now_ms <= longest_ms * 11 / 10, "at {now_ms}");
        assert_eq!(breaker.permit(due_ms), BreakerPermit::Probe);
        breaker.on_outcome(&bad(), due_ms);
        now_ms = due_ms;
    }
    let due_ms = until_ms(&mut breaker, now_ms);
    assert!(due_ms - now_ms >= 54_000);
}

#[test]
fn a_doubtful_one_begins_with_a_probe() {
    let mut breaker = Breaker::doubtful(SubscriberKey::of(7), Duration::from_secs(15));
    assert_eq!(breaker.permit(0), BreakerPermit::Probe);
    assert!(!breaker.charges(true, None, 0));
    assert_eq!(breaker.on_outcome(&bad(), 0), None);
    assert!(breaker.next_probe_ms().is_some_and(|due_ms| due_ms >= 900));
}

#[test]
fn opening_and_closing_are_reported_once() {
    let mut breaker = closed();
    let decisions: Vec<_> = (0..7).map(|_| breaker.on_outcome(&bad(), 0)).collect();
    assert_eq!(
        decisions.iter().flatten().collect::<Vec<_>>(),
        [&Transition::Opened]
    );
    assert_eq!(decisions[4], Some(Transition::Opened));
    assert_eq!(breaker.on_outcome(&good(), 0), Some(Transition::Closed));
    assert_eq!(breaker.on_outcome(&good(), 0), None);
    assert_eq!(breaker.permit(0), BreakerPermit::Closed);
}

#[test]
fn the_wait_for_a_probe_grows_from_a_second_to_a_minute() {
    let mut breaker = opened();
    let mut now_ms = 0;
    let mut probes = 0;
    while now_ms < 1_800_000 {
        let due_ms = until_ms(&mut breaker, now_ms);
        let wait_ms = due_ms - now_ms;
        // A tenth of what has passed, spread by a tenth.
        let around_ms = (now_ms / 10).clamp(1_000, 60_000);
        assert!(wait_ms * 10 <= around_ms * 11, "{wait_ms} at {now_ms}");
        assert!(wait_ms * 10 >= around_ms.min(1_000 << probes.min(16)) * 9);
        assert_eq!(
            breaker.permit(due_ms - 1),
            BreakerPermit::Open { until_ms: due_ms }
        );
        assert_eq!(breaker.permit(due_ms), BreakerPermit::Probe);
        assert_eq!(breaker.on_outcome(&bad(), due_ms), None);
        now_ms = due_ms;
        probes += 1;
    }
    assert!((50..90).contains(&probes), "{probes} in half an hour");
}

#[test]
fn a_wait_that_was_set_before_the_clock_was_set_back_is_over() {
    let mut breaker = opened();
    assert_eq!(breaker.permit(-86_400_000), BreakerPermit::Probe);
}

#[test]
fn one_probe_goes_at_a_time_and_a_lost_one_is_replaced() {
    let mut breaker = opened();
    assert_eq!(breaker.permit(2_000), BreakerPermit::Probe);
    let lost_ms = until_ms(&mut breaker, 2_000);
    assert!(lost_ms > 2_000 + 15_000);
    assert_eq!(breaker.permit(lost_ms), BreakerPermit::Probe);
    assert!(until_ms(&mut breaker, lost_ms) > lost_ms);
}

#[test]
fn a_probe_that_is_answered_closes_it() {
    for answer in [good(), outcome(Some(ErrorCode::Http4xx), Some(404))] {
        let mut breaker = opened();
        assert_eq!(breaker.permit(2_000), BreakerPermit::Probe);
        assert_eq!(breaker.on_outcome(&answer, 2_100), Some(Transition::Closed));
        // It takes five failures again.
        breaker.on_outcome(&bad(), 2_200);
        assert_eq!(breaker.permit(2_200), BreakerPermit::Closed);
    }
}

#[test]
fn a_straggler_that_fails_does_not_lengthen_the_wait() {
    let mut breaker = opened();
    let due_ms = until_ms(&mut breaker, 0);
    breaker.on_outcome(&bad(), 500);
    assert_eq!(until_ms(&mut breaker, 500), due_ms);
}

#[test]
fn retry_after_holds_back_the_probe_for_an_hour_at_most() {
    for (requested_ms, due_ms) in [(5_000, 5_000), (86_400_000, 3_600_000)] {
        let mut breaker = closed();
        let throttled = Outcome {
            retry_at_ms: Some(requested_ms),
            ..outcome(Some(ErrorCode::Http4xx), Some(429))
        };
        for _ in 0..5 {
            breaker.on_outcome(&throttled, 0);
        }
        assert_eq!(until_ms(&mut breaker, 0), due_ms);
    }
}

#[test]
fn a_probe_that_was_not_made_is_given_out_again() {
    let mut breaker = opened();
    let first_ms = until_ms(&mut breaker, 0);
    assert_eq!(breaker.waits_until_ms(first_ms - 1), Some(first_ms));
    assert_eq!(breaker.waits_until_ms(first_ms), None);
    assert_eq!(breaker.permit(first_ms), BreakerPermit::Probe);
    assert!(breaker.waits_until_ms(first_ms).is_some());
    breaker.take_back_probe(first_ms + 1_000);
    assert_eq!(until_ms(&mut breaker, first_ms), first_ms + 1_000);
    assert_eq!(breaker.permit(first_ms + 1_000), BreakerPermit::Probe);
    breaker.on_outcome(&good(), first_ms + 1_000);
    breaker.take_back_probe(first_ms + 2_000);
    assert_eq!(breaker.permit(first_ms + 1_000), BreakerPermit::Closed);
}

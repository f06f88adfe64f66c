//! Wrong credentials of late, by address: how many there were, and when it is enough.
//!
//! Only what was found wrong is counted, and only that is answered otherwise for it: a right
//! credential is never looked up here, since a provider may share its address with an attacker.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Failures of one address within [`PERIOD_MS`] that are answered as such; the next ones 429.
const MOST_FAILURES: u32 = 20;
/// How long failures are counted together, ms.
const PERIOD_MS: i64 = 60_000;
/// Addresses whose failures are counted; strangers must not fill the memory.
const MOST_ADDRESSES: usize = 10_000;

/// Failures by address: since when, and how many.
#[derive(Default)]
pub struct AuthFailures(Mutex<HashMap<Option<IpAddr>, (i64, u32)>>);

/// What a failure amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureCount {
    /// It is worth a line in the log, and its reason to its sender.
    Few,
    /// There were too many, for so many more seconds.
    TooMany(u32),
}

impl AuthFailures {
    /// Counts a failure.
    pub(super) fn count(&self, address: Option<IpAddr>, now_ms: i64) -> FailureCount {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since_ms: i64| !(0..PERIOD_MS).contains(&(now_ms - since_ms));
        if failures.len() >= MOST_ADDRESSES {
            failures.retain(|_, (since_ms, _)| !is_over(*since_ms));
        }
        let mut key = address.map(neighbourhood);
        if failures.len() >= MOST_ADDRESSES && !failures.contains_key(&key) {
            // More strangers than we count: they share one count.
            key = None;
        }
        let (since_ms, count) = failures.entry(key).or_insert((now_ms, 0));
        if is_over(*since_ms) {
            (*since_ms, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        if *count <= MOST_FAILURES {
            return FailureCount::Few;
        }
        let left_ms = u32::try_from(*since_ms + PERIOD_MS - now_ms).unwrap_or_default();
        FailureCount::TooMany(left_ms.div_ceil(1000).max(1))
    }
}

/// A client with one address of an IPv6 network has 2^64 of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_address_and_forgotten() {
        let failures = AuthFailures::default();
        let count = |address: &str, now_ms| failures.count(address.parse().ok(), now_ms);
        for _ in 0..MOST_FAILURES {
            assert_eq!(count("2001:db8::1", 0), FailureCount::Few);
        }
        assert_eq!(count("2001:db8::2", 1), FailureCount::TooMany(60));
        assert_eq!(
            count("2001:db8::2", PERIOD_MS - 1),
            FailureCount::TooMany(1)
        );
        assert_eq!(count("2001:db8:0:1::2", 1), FailureCount::Few);
        assert_eq!(count("2001:db8::1", PERIOD_MS), FailureCount::Few);
        for index in 0..2 * u32::try_from(MOST_ADDRESSES).unwrap() {
            count(&std::net::Ipv4Addr::from(index).to_string(), PERIOD_MS);
        }
        assert!(failures.0.lock().unwrap().len() <= MOST_ADDRESSES + 1);
    }
}

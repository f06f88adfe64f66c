//! What the logs of player and subscribers say together: lost, repeated, out of order, late.

use std::collections::{HashMap, HashSet};

use tickrelay::play::load::latencies;

use super::player::Entry;

/// What became of the reports that were acknowledged; latencies in µs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Forwards that arrived, each once.
    pub(super) forwards: u64,
    /// To how many subscribers each report was queued.
    pub(super) subscribers: u64,
    /// Acknowledged reports that a subscriber never got.
    pub(super) lost: u64,
    /// Forwards that a subscriber got again.
    pub(super) repeated: u64,
    /// Forwards that came after a later one of the same message.
    pub(super) reordered: u64,
    /// From when the webhook should have left to the forward's arrival.
    pub(super) transit_p50: u64,
    pub(super) transit_p99: u64,
    /// From when the first webhook should have left to the last forward's arrival; what came
    /// again does not count, here and below.
    pub(super) span_us: u64,
    /// When the first forward arrived, and when the last, µs of the machine's clock.
    pub(super) first_us: u64,
    pub(super) last_us: u64,
}

/// Joins what was sent and acknowledged with what these subscribers took.
pub(super) fn join(sent: &[Entry], taken: &[Entry], subscribers: &[u64]) -> Outcome {
    let mut due: HashMap<u64, u64> = HashMap::with_capacity(sent.len());
    for entry in sent {
        due.entry(entry.key).or_insert(entry.at_us);
    }
    let mut seen: HashSet<(u64, u64)> = HashSet::with_capacity(taken.len());
    let mut latest: HashMap<(u64, u64), u64> = HashMap::new();
    let mut transit = latencies();
    let mut outcome = Outcome {
        first_us: u64::MAX,
        subscribers: subscribers.len() as u64,
        ..Outcome::default()
    };
    for entry in taken {
        if !subscribers.contains(&entry.subscriber) {
            continue;
        }
        // Reports of other windows, or of a webhook that was stored and not acknowledged.
        let Some(due_us) = due.get(&entry.key) else {
            continue;
        };
        if !seen.insert((entry.key, entry.subscriber)) {
            outcome.repeated += 1;
            continue;
        }
        outcome.forwards += 1;
        outcome.first_us = outcome.first_us.min(entry.at_us);
        outcome.last_us = outcome.last_us.max(entry.at_us);
        transit.saturating_record(entry.at_us.saturating_sub(*due_us));
        // The key's last three bits are the status, in the order of a message's life.
        let (message, rank) = (entry.key >> 3, entry.key & 7);
        let before = latest.entry((message, entry.subscriber)).or_insert(rank);
        outcome.reordered += u64::from(rank < *before);
        *before = rank.max(*before);
    }
    outcome.lost = (due.len() * subscribers.len()).saturating_sub(seen.len()) as u64;
    outcome.transit_p50 = transit.value_at_quantile(0.5);
    outcome.transit_p99 = transit.value_at_quantile(0.99);
    let begun_us = sent.iter().map(|entry| entry.at_us).min();
    outcome.span_us = outcome.last_us.saturating_sub(begun_us.unwrap_or_default());
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(message: u64, rank: u64, subscriber: u64, at_us: u64) -> Entry {
        Entry {
            key: (message << 3) | rank,
            subscriber,
            at_us,
        }
    }

    #[test]
    fn what_is_lost_repeated_and_out_of_order_is_counted_by_subscriber() {
        let sent = [
            entry(1, 1, 0, 100),
            entry(1, 2, 0, 200),
            entry(2, 1, 0, 300),
        ];
        let taken = [
            entry(1, 2, 0, 1_200),
            entry(1, 1, 0, 1_300),
            entry(1, 1, 0, 1_400),
            entry(2, 1, 1, 1_500),
            entry(2, 1, 7, 1_600),
            entry(9, 1, 0, 1_700),
            entry(2, 1, 1, 900_000),
        ];
        let outcome = join(&sent, &taken, &[0, 1]);
        assert_eq!(
            outcome,
            Outcome {
                forwards: 3,
                subscribers: 2,
                lost: 3,
                repeated: 2,
                reordered: 1,
                transit_p50: 1_200,
                transit_p99: 1_200,
                span_us: 1_400,
                first_us: 1_200,
                last_us: 1_500,
            }
        );
    }
}

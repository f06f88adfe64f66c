//! How the messages of a broadcast stand, and what the server of a polled one adds.
//!
//! Pure. An engine counts messages by [`MessageProgress::of`] in its own language, without reading each;
//! `store/conformance/broadcast_counts.rs` compares the two. The view `v_broadcasts` counts alike.

use serde::Serialize;

use crate::model::Status;

/// How far a message of a broadcast is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageProgress {
    /// Delivered, read or deleted, or sent where no later status is reported.
    Success,
    /// Failed.
    Failure,
    /// Anything else.
    Pending,
}

impl MessageProgress {
    /// That of a message with this status, at a source of which no status follows `sent`, or one does.
    #[must_use]
    pub const fn of(status: Option<Status>, ends_at_sent: bool) -> Self {
        match status {
            Some(Status::Sent) if ends_at_sent => Self::Success,
            Some(Status::Delivered | Status::Read | Status::Deleted) => Self::Success,
            Some(Status::Failed) => Self::Failure,
            Some(Status::Queued | Status::Sent) | None => Self::Pending,
        }
    }
}

/// How the messages of a broadcast stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BroadcastCounts {
    /// Messages that were registered, or of which anything was reported.
    pub total: u64,
    /// Those delivered, read or deleted, or sent where no later status is reported.
    pub success: u64,
    /// Those failed.
    pub failure: u64,
    /// The rest.
    pub pending: u64,
}

/// What the server of a polled broadcast counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerCounts {
    /// Targeted users.
    pub(crate) total: Option<u64>,
    /// Those whose sending succeeded.
    pub(crate) success: Option<u64>,
    /// Whether nothing in it is pending any more.
    pub(crate) is_done: bool,
}

impl BroadcastCounts {
    /// Counts those whom only the server knows: users without a report yet are pending, until it is done.
    pub(crate) fn cover(&mut self, of_server: ServerCounts) {
        self.total = self.total.max(of_server.total.unwrap_or(0));
        if of_server.is_done {
            // An old server reports no success of a single user.
            self.success = self.success.max(of_server.success.unwrap_or(0));
        } else {
            let ended = self.success.saturating_add(self.failure);
            let rest = self.total.saturating_sub(ended);
            self.pending = self.pending.max(rest);
        }
        let sum = [self.success, self.failure, self.pending].iter().sum();
        self.total = self.total.max(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts([total, success, failure, pending]: [u64; 4]) -> BroadcastCounts {
        BroadcastCounts {
            total,
            success,
            failure,
            pending,
        }
    }

    #[test]
    fn sent_is_success_where_no_status_follows_it() {
        for (status, until_sent, expected) in [
            (None, true, MessageProgress::Pending),
            (Some(Status::Queued), true, MessageProgress::Pending),
            (Some(Status::Sent), true, MessageProgress::Success),
            (Some(Status::Sent), false, MessageProgress::Pending),
            (Some(Status::Delivered), false, MessageProgress::Success),
            (Some(Status::Read), false, MessageProgress::Success),
            (Some(Status::Deleted), false, MessageProgress::Success),
            (Some(Status::Failed), true, MessageProgress::Failure),
        ] {
            assert_eq!(
                MessageProgress::of(status, until_sent),
                expected,
                "{status:?}"
            );
        }
    }

    #[test]
    fn users_without_a_report_are_pending_until_the_server_is_done() {
        for (ours, server, is_done, expected) in [
            // Total, success, failure, pending.
            ([2, 1, 1, 0], (None, None), false, [2, 1, 1, 0]),
            ([2, 1, 1, 0], (Some(9), None), false, [9, 1, 1, 7]),
            ([2, 1, 1, 0], (Some(9), Some(8)), true, [9, 8, 1, 0]),
            // Ours are more than the server's.
            ([5, 1, 1, 3], (Some(3), Some(0)), false, [5, 1, 1, 3]),
            ([5, 1, 1, 3], (Some(3), Some(4)), true, [8, 4, 1, 3]),
            ([0, 0, 0, 0], (Some(4), None), false, [4, 0, 0, 4]),
        ] {
            let mut found = counts(ours);
            found.cover(ServerCounts {
                total: server.0,
                success: server.1,
                is_done,
            });
            assert_eq!(found, counts(expected), "{ours:?} {server:?} {is_done}");
        }
    }
}

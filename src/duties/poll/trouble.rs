//! What goes wrong with a poll, in stable words, and the line in the log about it.

use std::error::Error;
use std::time::Duration;

use super::schedule::Trouble;
use crate::model::{ErrorCode, Outcome, Word as _};
use crate::store::poll::{PollRecord, PollState};

/// A poll's error: stable code and message.
pub(super) struct Failed {
    pub(super) trouble: Trouble,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) retry_at_ms: Option<i64>,
}

/// The word for an answer that is none.
pub(super) const UNREADABLE: &str = "unreadable";

impl Failed {
    pub(super) fn of_ours(code: &'static str, error: &dyn Error) -> Self {
        Self {
            trouble: Trouble::Passing,
            code,
            detail: error.to_string(),
            retry_at_ms: None,
        }
    }
}

impl From<Outcome> for Failed {
    /// What the answer's body says is left out: it may name people.
    fn from(outcome: Outcome) -> Self {
        let (trouble, code) = match (outcome.http_status, outcome.error) {
            (Some(401 | 403), _) => (Trouble::Refused, "refused"),
            (Some(404 | 410), _) => (Trouble::Gone, "gone"),
            (_, error) => (
                Trouble::Passing,
                error.map_or(UNREADABLE, ErrorCode::as_str),
            ),
        };
        Self {
            trouble,
            code,
            detail: outcome.detail,
            retry_at_ms: outcome.retry_at_ms,
        }
    }
}

/// One line for each question.
pub(super) fn log(poll: &PollRecord, outcome: &str, took: Duration, now_ms: i64) {
    let (source, broadcast) = (poll.source.as_str(), poll.broadcast.as_str());
    let state = poll.state.as_str();
    let duration_ms = took.as_millis();
    let next_in_ms = (poll.state == PollState::Open).then(|| poll.due_at_ms - now_ms);
    let pending = poll.counts.pending;
    if let Some(detail) = &poll.error_detail {
        if outcome == "refused" {
            tracing::error!(
                source,
                broadcast,
                outcome,
                detail,
                state,
                duration_ms,
                next_in_ms,
                "poll.refused: check the source's authorization"
            );
        } else {
            tracing::warn!(
                source,
                broadcast,
                outcome,
                detail,
                state,
                duration_ms,
                next_in_ms,
                "broadcast.polled"
            );
        }
    } else if poll.state == PollState::GaveUp {
        tracing::warn!(
            source,
            broadcast,
            outcome,
            pending,
            state,
            duration_ms,
            "broadcast.polled"
        );
    } else {
        tracing::info!(
            source,
            broadcast,
            outcome,
            pending,
            state,
            duration_ms,
            next_in_ms,
            "broadcast.polled"
        );
    }
}

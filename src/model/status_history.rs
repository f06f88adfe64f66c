//! Which statuses were reported, as a join: when each was first, the status that follows, and what
//! one more would change.
//!
//! # Why a join
//!
//! Adding a report is commutative, associative and idempotent, so neither order nor repeats matter.
//! [`crate::plan`] compares a report with the history before it: `new` notifies subscribers,
//! `superseded`, `contradicts`, `repeated` and `not-a-status` do not. In a group each participant has a
//! history of its own, under all its names, joined from its report rows, and so has the group as a whole.
//! So a failure of one member beside a delivery to another is no conflict.

use serde::{Deserialize, Serialize};

use super::Status;

/// The join over the reports of one message (of one group member, for a group message).
///
/// Absorbing reports is commutative, associative and idempotent, so the state is a pure
/// function of the set of reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusHistory {
    /// Provider time of the first report of each status, in ms since 1970 UTC, by
    /// [`Status::order`]; arrival time where the provider gave none that can be used.
    first_ms: [Option<i64>; 6],
}

impl StatusHistory {
    /// The history of a message that nothing was reported of.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_ms: [None; 6],
        }
    }

    /// Takes in that `status` was reported for `ms`.
    pub fn absorb(&mut self, status: Status, ms: i64) {
        let first = &mut self.first_ms[usize::from(status.order())];
        *first = Some(first.map_or(ms, |known| known.min(ms)));
    }

    /// Takes in what was reported elsewhere.
    pub fn join(&mut self, other: &Self) {
        for (first, other) in self.first_ms.iter_mut().zip(other.first_ms) {
            *first = first.map_or(other, |known| Some(other.map_or(known, |it| it.min(known))));
        }
    }

    /// When `status` was first reported for, in ms since 1970 UTC.
    #[must_use]
    pub fn first_ms(&self, status: Status) -> Option<i64> {
        self.first_ms[usize::from(status.order())]
    }

    /// The highest step reached on the way queued, sent, delivered, read.
    fn reached(&self) -> Option<Status> {
        [
            Status::Read,
            Status::Delivered,
            Status::Sent,
            Status::Queued,
        ]
        .into_iter()
        .find(|status| self.first_ms(*status).is_some())
    }

    /// The current status: `failed` beats queued and sent, delivered and read beat `failed`.
    ///
    /// `deleted` is kept beside it ([`StatusHistory::is_deleted`]) and is the answer only when
    /// nothing else is known.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let reached = self.reached();
        match reached {
            Some(Status::Delivered | Status::Read) => reached,
            _ if self.first_ms(Status::Failed).is_some() => Some(Status::Failed),
            Some(_) => reached,
            None => self.is_deleted().then_some(Status::Deleted),
        }
    }

    /// Whether a delivered or read contradicts a failed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.first_ms(Status::Failed).is_some()
            && matches!(self.reached(), Some(Status::Delivered | Status::Read))
    }

    /// Whether the message was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.first_ms(Status::Deleted).is_some()
    }

    /// What a report of `status` would change here.
    #[must_use]
    pub fn change(&self, status: Status) -> ReportEffect {
        if self.first_ms(status).is_some() {
            return ReportEffect::Repeated;
        }
        if status == Status::Deleted {
            return ReportEffect::New;
        }
        let current = self.status().filter(|current| *current != Status::Deleted);
        match (status, current) {
            (Status::Failed, Some(Status::Delivered | Status::Read)) => ReportEffect::Contradicts,
            (_, None) | (Status::Failed, Some(_)) => ReportEffect::New,
            (_, Some(Status::Failed)) => match status {
                Status::Delivered | Status::Read => ReportEffect::New,
                _ => ReportEffect::Superseded,
            },
            (_, Some(current)) if status.rank() > current.rank() => ReportEffect::New,
            _ => ReportEffect::Superseded,
        }
    }
}

/// What a report changes in what is known of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ReportEffect {
    /// The message's status changes: subscribers are notified.
    New,
    /// A later status was known already: stored, shown, not forwarded by default.
    Superseded,
    /// A `failed` that an earlier delivered or read contradicts: shown as a conflict.
    Contradicts,
    /// The same status again, with another time or error: stored, not forwarded by default.
    Repeated,
    /// Not one of our statuses: stored, shown, counted.
    NotAStatus,
    /// A message known as WhatsApp went another way: stored, shown, counted. What it means for
    /// WhatsApp, where it means anything, is a report of its own ([`Fallback`](crate::model::Kind::Fallback)).
    OtherChannel,
}

//! Queueing a forward: its payload and its row.

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, params};
use uuid::Uuid;

use super::ranges::{RangeTimes, RowTime, Timed};
use crate::model::{ForwardKey, LanePlace, MessageKey, SubscriberKey};
use crate::plan::group::PublicIds;
use crate::store::PendingForward;

/// Below this stand, in `forward.message_id`, the events of accounts: those of one subject go out in
/// order. Above it, and below zero, stand conditions of the service.
const BELOW: i64 = -(1 << 40);

/// A forward to be queued.
pub(super) struct NewForward<'a> {
    pub(super) uid: Uuid,
    pub(super) subscriber_id: SubscriberKey,
    pub(super) message_id: i64,
    pub(super) report_id: i64,
    pub(super) payload_id: i64,
    pub(super) payload: &'a Bytes,
    pub(super) place: (i64, u8),
    pub(super) now_ms: i64,
    /// How many failures it reports, where it is an alert.
    pub(super) alert_failures: Option<u64>,
}

/// Queues forwards and their payloads: every new row of both. Each transaction that does so calls
/// [`Pending::queued`](super::pending::Pending::queued), for no trigger counts new rows.
///
/// Its statements are prepared once: to look one up in the cache for each row cost about as much as to bind it.
pub(super) struct Queueing<'c> {
    connection: &'c Connection,
    times: &'c mut RangeTimes,
    payload: CachedStatement<'c>,
    forward: CachedStatement<'c>,
}

impl<'c> Queueing<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        times: &'c mut RangeTimes,
    ) -> rusqlite::Result<Self> {
        let payload =
            connection.prepare_cached("INSERT INTO payload (report_id, body) VALUES (?1, ?2)")?;
        let forward = connection.prepare_cached(
            "INSERT INTO forward (uid, subscriber_id, message_id, report_id, payload_id, \
             place_ms, place_rank, state, attempts, pending_since_ms, due_at_ms, alert_failures) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?8, ?8, ?9)",
        )?;
        Ok(Self {
            connection,
            times,
            payload,
            forward,
        })
    }

    /// Writes a payload, with the time of its report; returns its key.
    pub(super) fn payload(
        &mut self,
        (report_id, time): (i64, RowTime),
        body: &[u8],
    ) -> rusqlite::Result<i64> {
        let payload_id = self.payload.insert(params![report_id, body])?;
        let time = if report_id > 0 {
            time
        } else {
            RowTime::Uncounted
        };
        self.times
            .given_out(self.connection, Timed::Payload, (payload_id, time))?;
        Ok(payload_id)
    }

    /// Writes a forward that is due now; returns it with the subscriber it is queued for.
    pub(super) fn forward(
        &mut self,
        new: &NewForward<'_>,
    ) -> rusqlite::Result<(SubscriberKey, PendingForward)> {
        let (place_ms, place_rank) = new.place;
        let forward_id = self.forward.insert(params![
            new.uid.as_bytes(),
            new.subscriber_id,
            new.message_id,
            new.report_id,
            new.payload_id,
            place_ms,
            place_rank,
            new.now_ms,
            new.alert_failures,
        ])?;
        let given_out = (forward_id, RowTime::At(new.now_ms));
        self.times
            .given_out(self.connection, Timed::Forward, given_out)?;
        let pending = PendingForward {
            forward_id: ForwardKey::of(forward_id),
            uid: new.uid,
            message_id: MessageKey::of(new.message_id),
            payload: new.payload.clone(),
            place: (place_ms, place_rank, LanePlace::of(forward_id)),
            attempts: 0,
            pending_since_ms: new.now_ms,
            due_at_ms: new.now_ms,
            last_attempt_ms: None,
        };
        Ok((new.subscriber_id, pending))
    }
}

/// A new public id of what no group queues; ordered by time, so that its index grows at the end.
pub(super) fn new_uid(now_ms: i64) -> Uuid {
    PublicIds::new(rand::random()).make(now_ms)
}

/// What `forward.message_id` holds for notices of the subject whose first event this is.
pub(super) const fn lane_key(first_event_id: i64) -> i64 {
    BELOW - first_event_id
}

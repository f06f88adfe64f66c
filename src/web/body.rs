//! Reading a request's body: byte for byte, and never more of all of them at once than the
//! process can hold.
//!
//! The sender of a signed body is known only when all of it was read, so strangers can make us
//! hold bodies. What they hold together is bounded. So that they block no other client, the body
//! that has been read for longest makes room for a new one. Small bodies have a share of their
//! own, those whose sender is known from the head too, and so have the API's. The bytes that one
//! report takes come from no share; how many there are at once is bounded in
//! [`super::connection`].
//!
//! Credentials in the head are checked before the body is read. When the budget is used up, the body that has
//! been read for longest is cut and answered 503. A client thus keeps others out only by what it goes on
//! sending. To cut the body without progress would spare a client that sends a byte now and then.

mod budget;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::CUT;
pub(super) use budget::BodyPermit;
use budget::{BodyBudget, BodyReader, TINY};

/// A body that takes longer than this does not come from a provider.
const TIME: Duration = Duration::from_secs(30);

const MIB: usize = 1024 * 1024;
/// What bodies of one kind of sender may take together, in bytes: the small ones, and the large
/// ones unless one alone may be larger.
const STRANGERS: (usize, usize) = (16 * MIB, 24 * MIB);
const PROVEN: (usize, usize) = (6 * MIB, 18 * MIB);
const CALLERS: (usize, usize) = (2 * MIB, 18 * MIB);

/// A call of the API with a larger body than this waits for its turn, in bytes.
const LONG_CALL: usize = 256 * 1024;

/// The bodies in flight: being read, or read and not yet answered.
pub struct Bodies {
    limit: usize,
    strangers: BodyBudget,
    proven: BodyBudget,
    callers: BodyBudget,
    turn: Arc<Semaphore>,
}

/// The turn of a call with a large body, which takes many times its body to be answered.
pub(super) struct LargeCallPermit {
    _turn: OwnedSemaphorePermit,
}

/// Whose body it is: no kind of sender takes another's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodySender {
    /// A client whose signature cannot be judged yet, or that need not prove anything.
    Stranger,
    /// A provider whose credentials stood in the head.
    Proven,
    /// A client that may use the API.
    Caller,
}

/// A body, and its part of the shares for as long as it lives.
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    pub(super) permit: BodyPermit,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than one body may be.
    TooLarge,
    /// Too many bytes of bodies are in flight, or its connection was one too many.
    TooMany,
    /// It took too long.
    TooSlow,
    /// It ended before its announced length, or is broken in another way.
    Broken,
}

impl Unread {
    fn of(error: &PayloadError) -> Self {
        match error {
            PayloadError::Io(error) if error.kind() == CUT => Self::TooMany,
            _ => Self::Broken,
        }
    }
}

impl Bodies {
    /// No bodies yet; each webhook's may have `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let budget = |(small, large): (usize, usize)| BodyBudget::new(small, large.max(limit));
        Self {
            limit,
            strangers: budget(STRANGERS),
            proven: budget(PROVEN),
            callers: BodyBudget::new(CALLERS.0, CALLERS.1),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits until the call with that body may be answered; a small one may at once.
    ///
    /// # Errors
    /// [`Unread::TooMany`] when others take too long.
    pub(super) async fn turn(&self, body: &[u8]) -> Result<Option<LargeCallPermit>, Unread> {
        if body.len() <= LONG_CALL {
            return Ok(None);
        }
        let turn = tokio::time::timeout(TIME, Arc::clone(&self.turn).acquire_owned()).await;
        match turn {
            Ok(Ok(turn)) => Ok(Some(LargeCallPermit { _turn: turn })),
            _ => Err(Unread::TooMany),
        }
    }

    /// The largest body of a webhook that is read, in bytes.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    const fn budget(&self, sender: BodySender) -> &BodyBudget {
        match sender {
            BodySender::Stranger => &self.strangers,
            BodySender::Proven => &self.proven,
            BodySender::Caller => &self.callers,
        }
    }

    /// Reads a request's body, which may have `limit` bytes.
    pub(super) async fn read(
        &self,
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
        (sender, limit): (BodySender, usize),
    ) -> Result<RequestBody, Unread> {
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > limit) {
            return Err(Unread::TooLarge);
        }
        // What is announced is not yet there: little is set aside for it.
        let ahead = announced.unwrap_or_default().min(TINY);
        let reading = self.budget(sender).begin(ahead);
        tokio::time::timeout(TIME, collect(reading, limit, payload))
            .await
            .unwrap_or(Err(Unread::TooSlow))
    }
}

async fn collect(
    mut reading: BodyReader,
    limit: usize,
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
) -> Result<RequestBody, Unread> {
    loop {
        let chunk = match reading.cut() {
            None => payload.next().await,
            Some(cut) => tokio::select! {
                biased;
                () = cut.notified() => return Err(Unread::TooMany),
                chunk = payload.next() => chunk,
            },
        };
        let Some(chunk) = chunk else {
            return reading.end();
        };
        let chunk = chunk.map_err(|error| Unread::of(&error))?;
        if reading.length() + chunk.len() > limit {
            return Err(Unread::TooLarge);
        }
        reading.add(&chunk)?;
    }
}

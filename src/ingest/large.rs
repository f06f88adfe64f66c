//! Large webhooks: one is read at a time, and all that were read and wait for the disk share a
//! bounded room. What is read takes many times the bytes that it came as.
//!
//! Three bytes of a body can be a report of a kilobyte, fourteen kilobytes of gzip five million elements. So a
//! webhook of 256 KiB or more, decompressed, is read off the request's thread and takes of a room of 32 MiB
//! until it is stored. Before that brackets and commas are counted. A body with more than 32 768 entries in its
//! lists, which no provider sends, stays `unparsed` with the reason; a single element with more is unreadable.
//! A call of the API with more than 256 KiB waits for its turn and may bring 16 384 things.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::{WebhookCounts, noting_panics, read, store};
use crate::providers::{BodyText, Hints, is_as_large_as};
use crate::store::{Accepted, Arrival, Error, Store};

/// A body of this size, decompressed, is read off the request's thread, and in its turn.
const LARGE_BODY: usize = 256 * 1024;
/// What large webhooks that were read may take together, in bytes; one alone takes no more.
const ROOM: usize = 32 * 1024 * 1024;

/// The way of large webhooks.
pub(super) struct LargeBodyQueue {
    turn: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// A webhook whose body was not looked into.
pub(super) struct Unparsed {
    pub(super) arrival: Box<Arrival>,
    pub(super) hints: Arc<Hints>,
}

impl Default for LargeBodyQueue {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }
}

impl LargeBodyQueue {
    /// Reads a large webhook in its turn, and stores it.
    ///
    /// What was begun is stored even if the client went away: when it is sent again, it
    /// is a duplicate. Until then it is `permit`.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub(super) async fn store(
        &self,
        into: &Store,
        (unparsed, permit): (Unparsed, impl Send + 'static),
    ) -> Result<(WebhookCounts, Accepted), Error> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| Error::Closed)?;
        let (into, room) = (into.clone(), Arc::clone(&self.room));
        let storing = tokio::spawn(async move {
            let (arrival, room) = unparsed.parse_when_there_is(room).await?;
            drop(turn);
            let stored = store(&into, arrival).await;
            drop((room, permit));
            stored
        });
        storing.await.map_err(|_| Error::Closed)?
    }
}

/// What came of looking whether there is room: a webhook that was read, with its part, or one that
/// needs so much.
enum Looked {
    Parsed(Box<Arrival>, OwnedSemaphorePermit),
    Needs(u32, Unparsed),
}

impl Unparsed {
    /// Whether it is to wait for its turn.
    pub(super) fn is_large(&self) -> bool {
        let Arrival {
            body,
            content_encoding,
            ..
        } = &*self.arrival;
        is_as_large_as(LARGE_BODY, body, content_encoding.as_deref())
    }

    /// Reads it here and now.
    pub(super) fn parse(self) -> Box<Arrival> {
        let mut arrival = self.arrival;
        let encoding = arrival.content_encoding.as_deref();
        arrival.parsed = read(arrival.provider, &arrival.body, encoding, &self.hints);
        arrival
    }

    /// Reads it on a thread that may take long, when there is room for what is in it.
    async fn parse_when_there_is(
        self,
        room: Arc<Semaphore>,
    ) -> Result<(Box<Arrival>, OwnedSemaphorePermit), Error> {
        let free = Arc::clone(&room);
        let looked = spawn_blocking(move || self.look(free)).await;
        let (weight, unparsed) = match looked.map_err(|_| Error::Closed)? {
            Looked::Parsed(arrival, room) => return Ok((arrival, room)),
            Looked::Needs(weight, unparsed) => (weight, unparsed),
        };
        let room = room.acquire_many_owned(weight).await;
        let room = room.map_err(|_| Error::Closed)?;
        let parsed = spawn_blocking(move || unparsed.parse()).await;
        Ok((parsed.map_err(|_| Error::Closed)?, room))
    }

    /// Reads it if there is room now, which is the rule.
    fn look(mut self, room: Arc<Semaphore>) -> Looked {
        let (provider, body) = (self.arrival.provider, &self.arrival.body[..]);
        let encoding = self.arrival.content_encoding.as_deref();
        let opened = noting_panics(provider, body, || provider.open(body, encoding));
        let weight = opened
            .as_ref()
            .map_or(body.len(), BodyText::weight)
            .min(ROOM);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let Ok(part) = room.try_acquire_many_owned(weight) else {
            drop(opened);
            return Looked::Needs(weight, self);
        };
        let read = |opened| noting_panics(provider, body, || provider.read(&opened, &self.hints));
        self.arrival.parsed = opened.and_then(read);
        Looked::Parsed(self.arrival, part)
    }
}

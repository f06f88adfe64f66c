//! Reading a webhook's body: byte for byte, and never more of all of them at once than the
//! process can hold.
//!
//! Who sends a signed body is known only when all of it was read, so strangers can make us
//! hold bodies. What they share is bounded, and small bodies have a share of their own: a
//! stranger with a few huge ones cannot keep the usual ones out. The bytes that one report takes
//! come from no share, so that thousands of strangers cannot either; how many there are at once
//! is bounded in [`super::connection`].

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::CUT;

/// The part of a body that comes from no share, in bytes.
const TINY: usize = 4 * 1024;
/// The part of a body that comes from the share of the small ones, in bytes.
const SMALL: usize = 64 * 1024;
/// What the small parts of all bodies may take together, in bytes.
const SMALL_SHARE: usize = 16 * 1024 * 1024;
/// What the rest of all bodies may take together, in bytes, unless one alone may be larger.
const LARGE_SHARE: usize = 40 * 1024 * 1024;
/// A body that takes longer than this does not come from a provider.
const TIME: Duration = Duration::from_secs(30);

/// The bodies in flight: being read, or read and not yet answered. A permit is a byte.
pub struct Bodies {
    limit: usize,
    small: Semaphore,
    large: Semaphore,
}

/// A body, and its part of the shares for as long as it lives.
pub(super) struct Body<'a> {
    pub(super) bytes: Vec<u8>,
    pub(super) held: Held<'a>,
}

/// What a body takes of the shares; given back when dropped.
#[derive(Default)]
pub(super) struct Held<'a> {
    small: Option<SemaphorePermit<'a>>,
    large: Option<SemaphorePermit<'a>>,
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
    /// No bodies yet; each may have `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            small: Semaphore::new(SMALL_SHARE),
            large: Semaphore::new(LARGE_SHARE.max(limit).min(Semaphore::MAX_PERMITS)),
        }
    }

    /// The largest body that is read, in bytes.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Reads a request's body.
    pub(super) async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Body<'_>, Unread> {
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > self.limit) {
            return Err(Unread::TooLarge);
        }
        tokio::time::timeout(TIME, self.collect(announced.unwrap_or_default(), payload))
            .await
            .unwrap_or(Err(Unread::TooSlow))
    }

    async fn collect(&self, announced: usize, mut payload: Payload) -> Result<Body<'_>, Unread> {
        let mut held = Held::default();
        // What is announced is not yet there: little is set aside for it.
        let mut bytes = Vec::with_capacity(announced.min(TINY));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Unread::of(&error))?;
            if bytes.len() + chunk.len() > self.limit {
                return Err(Unread::TooLarge);
            }
            self.take(&mut held, bytes.len(), chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, held })
    }

    /// Takes `more` bytes for a body that has `read`.
    fn take<'a>(&'a self, held: &mut Held<'a>, read: usize, more: usize) -> Result<(), Unread> {
        if read + more <= TINY {
            return Ok(());
        }
        let (share, part) = if read + more <= SMALL {
            (&self.small, &mut held.small)
        } else {
            (&self.large, &mut held.large)
        };
        let more = u32::try_from(more).map_err(|_| Unread::TooLarge)?;
        let permit = share.try_acquire_many(more).map_err(|_| Unread::TooMany)?;
        match part {
            Some(part) => part.merge(permit),
            None => *part = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_room_for_small_ones_and_give_back_what_they_took() {
        let bodies = Bodies::new(16 * 1024 * 1024);
        let mut greedy = Vec::new();
        let refused = loop {
            let mut held = Held::default();
            match bodies.take(&mut held, SMALL, 16 * 1024 * 1024 - SMALL) {
                Ok(()) => greedy.push(held),
                Err(refused) => break refused,
            }
        };
        assert_eq!((greedy.len(), refused), (2, Unread::TooMany));
        let mut small = Held::default();
        assert_eq!(bodies.take(&mut small, 0, TINY), Ok(()));
        assert_eq!(bodies.small.available_permits(), SMALL_SHARE);
        assert_eq!(bodies.take(&mut small, TINY, SMALL - TINY), Ok(()));
        assert_eq!(bodies.take(&mut small, SMALL, 1_000), Ok(()));
        drop((greedy, small));
        assert_eq!(bodies.small.available_permits(), SMALL_SHARE);
        assert_eq!(bodies.large.available_permits(), LARGE_SHARE);
    }
}

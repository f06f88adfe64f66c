//! Stage 2: what was stored and is queued is sent to its subscriber.
//!
//! A payload's stored bytes are signed ([`envelope`]), sent to a target that may be sent to
//! ([`sender`], [`guard`]), and the [`Outcome`](crate::model::Outcome) decides what happens
//! next ([`schedule`], [`breaker`], put together in [`settled`]); a [`rate_limit`] may hold it back. The [`lanes`] put these together: one task per subscriber,
//! whose memory is a [`lane`]. Only `sender` talks to the world, only `lanes` to the store.

pub mod breaker;
pub mod envelope;
pub mod guard;
pub mod lane;
pub mod lanes;
mod own_headers;
pub mod rate_limit;
pub mod schedule;
pub mod sender;
pub mod settled;

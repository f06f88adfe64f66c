//! The store as a reader alone sees it: no lock, no writer, and nothing is written.
//!
//! For a command where no service runs. What changes something is answered [`Error::Closed`].

use std::sync::Arc;

use super::handle::Writer;
use super::health_notes::HealthLimits;
use super::options::SqliteOptions;
use super::reader::Reader;
use super::{SqliteStore, subscribers, tokens};
use crate::clock::Clock;
use crate::store::{Error, Options};

impl SqliteStore {
    pub(in crate::store) fn read_only(
        options: &Options,
        own: &SqliteOptions,
        clock: Clock,
    ) -> Result<Self, Error> {
        let (budget, keys) = (options.list_budget, &options.keys);
        let reader = Reader::new(&own.path, budget, keys, clock.clone());
        let subscribers = reader.read("read the subscribers", subscribers::load)?;
        let tokens = reader.read("read the tokens", tokens::select)?;
        Ok(Self {
            writer: Arc::new(Writer::none(subscribers.into())),
            reader,
            tokens: Arc::new(tokens::Tokens::of(tokens)),
            wakes: Arc::default(),
            durability: own.durability,
            limits: HealthLimits::of(own),
            clock,
            file: None,
            former: Arc::new(None),
        })
    }
}

//! Where a row stands in a list.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use crate::access::token::TokenRecord;
use crate::model::Subscriber;

/// The place of a row in a list: the next page begins behind it.
///
/// The store alone makes and reads it. Elsewhere it is shown, read from what was shown, and compared
/// for equality. It has no order and nothing is counted with it, so no rule can lean on how an engine
/// gives keys out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace(i64);

impl ListPlace {
    /// Of the row with this key.
    pub(in crate::store) const fn of(key: i64) -> Self {
        Self(key)
    }

    /// The key of the row.
    pub(in crate::store) const fn key(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ListPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for ListPlace {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A row of a list that the store keeps in memory.
pub trait Placed {
    /// Where it stands among the others.
    fn place(&self) -> ListPlace;
}

impl Placed for TokenRecord {
    fn place(&self) -> ListPlace {
        ListPlace::of(self.token_id.number())
    }
}

impl Placed for Arc<Subscriber> {
    fn place(&self) -> ListPlace {
        ListPlace::of(self.id.number())
    }
}

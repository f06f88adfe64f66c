//! A change of what a subscriber may have of its own, or leave to what holds for all.

use serde::Serialize;

/// A change of something that a subscriber may have of its own; null in JSON takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Setting<T> {
    /// None of its own: what holds for all subscribers.
    Usual,
    /// This.
    Own(T),
}

/// The word of a flag that takes back what a subscriber has of its own.
const DEFAULT: &str = "default";

impl<T> Setting<T> {
    /// What the subscriber then has of its own.
    pub fn own(self) -> Option<T> {
        match self {
            Self::Usual => None,
            Self::Own(own) => Some(own),
        }
    }

    /// As [`Setting::own`], borrowed.
    pub const fn as_own(&self) -> Option<&T> {
        match self {
            Self::Usual => None,
            Self::Own(own) => Some(own),
        }
    }
}

impl<T: std::str::FromStr<Err: std::fmt::Display>> std::str::FromStr for Setting<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == DEFAULT {
            return Ok(Self::Usual);
        }
        let own = text.parse().map(Self::Own);
        own.map_err(|error: T::Err| format!("{error}, or {DEFAULT}"))
    }
}

//! Invented reports: what one says, and what the folders share to write it as their provider would.
//!
//! Which messages there are and what becomes of them is [`crate::play`]'s business.

use crate::model::Status;

/// What one report of a body says.
#[derive(Debug, Clone)]
pub struct Element {
    /// The provider's id of the message.
    pub id: String,
    /// The recipient's number, digits only.
    pub recipient: String,
    /// What happened.
    pub status: Status,
    /// When, ms since 1970 UTC.
    pub at_ms: i64,
    /// What Meta bills it as.
    pub category: &'static str,
    /// Meta's conversation.
    pub conversation: u128,
    /// The broadcast.
    pub broadcast: Option<String>,
    /// Why it failed.
    pub error: Option<SampleError>,
    /// What the provider adds to a failure in words.
    pub details: &'static str,
}

/// An error of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct SampleError {
    /// Its key: `meta:131026`.
    pub key: &'static str,
    /// The provider's number; `None` for an error that is known by a word alone.
    pub code: Option<i64>,
    /// The provider's name for it.
    pub name: &'static str,
}

/// Writes elements as the members of a list.
pub(super) fn list(
    body: &mut String,
    elements: &[Element],
    mut write: impl FnMut(&mut String, &Element),
) {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        write(body, element);
    }
}

/// A text as JSON.
pub(super) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Scatters a number over all 64-bit numbers, each to one of its own (`SplitMix64`).
pub(crate) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

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
    /// The group of which the recipient is a member, where the message went to one.
    pub group: Option<String>,
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

/// What invented history needs of a provider beside its reports.
#[derive(Debug, Clone, Copy)]
pub struct HistorySamples {
    /// The key of the error of a message to a person who cannot be reached.
    pub unreachable: &'static str,
    /// The key of the error of a message whose template has a version that is wrong.
    pub wrong_template: &'static str,
    /// What is reported of a template that is paused, where anything is.
    pub pause: Option<PauseSamples>,
    /// The key of what another channel delivered after WhatsApp failed, where there is one.
    pub fallback: Option<&'static str>,
    /// Whether the members of a group are reported one by one.
    pub has_groups: bool,
}

/// What a provider reports of a template that is paused.
#[derive(Debug, Clone, Copy)]
pub struct PauseSamples {
    /// The key of the error of a message of such a template.
    pub error: &'static str,
    /// Writes the body of the notice that it was paused, or no longer is.
    pub write: fn(&mut String, TemplateNotice<'_>),
}

/// A notice of a template's pause or of its end.
#[derive(Debug, Clone, Copy)]
pub struct TemplateNotice<'a> {
    /// The template's name.
    pub name: &'a str,
    /// The code of its language.
    pub language: &'a str,
    /// Whether it is paused now.
    pub is_paused: bool,
    /// Since when, ms since 1970 UTC.
    pub at_ms: i64,
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

//! What other channels than WhatsApp reported of a message: kept apart from what WhatsApp did,
//! and counted for it once the message is known there.
//!
//! Another channel's delivery counts for WhatsApp by a report of our own (kind `fallback`). So the channel's report
//! keeps its own status, and the failure has its own `eventId`, forwards and place on the timeline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MessageType, Report, ReportError, Status, StatusHistory, digits, is_phone_number};

/// The name of a channel that is not WhatsApp where the provider does not say which.
pub const UNKNOWN_CHANNEL: &str = "unknown";

/// Names of channels that one message keeps, the first ones by the alphabet.
const MOST_CHANNELS: usize = 16;

/// Whether a subscriber that wants `wanted` wants this channel: `any`, the very name, or its
/// first word (`viber` for `viber_bm`).
#[must_use]
pub fn is_wanted_channel(wanted: &str, channel: &str) -> bool {
    let (wanted, channel) = (wanted.to_ascii_lowercase(), channel.to_ascii_lowercase());
    let rest = channel.strip_prefix(wanted.as_str());
    wanted == "any" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Whether this can be the name of a channel.
#[must_use]
pub fn is_channel_name(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=32).contains(&text.len()) && text.bytes().all(is_sign)
}

/// What other channels reported of one message: a join, as [`super::Message`] is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OtherChannels {
    /// Each channel with its own life of the message.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    legs: BTreeMap<String, Leg>,
    /// The first delivery in WhatsApp's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<Fallback>,
    /// The error of the latest one, with its time, ms: it is the message's where that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<(i64, ReportError)>,
    /// Whether a leg has the shape that only a template's fallback has.
    #[serde(skip_serializing_if = "is_false")]
    is_of_template: bool,
    /// Whom it went to there.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    /// Whom it came from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
}

/// The life of a message on one other channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// The statuses that were reported there.
    pub history: StatusHistory,
    /// The primary error of the latest `failed` there, with the time it was reported for, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<(i64, ReportError)>,
}

/// A delivery on another channel: WhatsApp did not deliver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fallback {
    /// When it was delivered, ms since 1970 UTC.
    pub at_ms: i64,
    /// The channel that did.
    pub channel: String,
    /// What that means for WhatsApp, in the provider's words.
    pub error: ReportError,
}

impl OtherChannels {
    /// Takes in a report of `channel`, of the time `at_ms` (ms since 1970 UTC).
    pub fn absorb(&mut self, channel: &str, report: &Report, at_ms: i64) {
        let leg = self.legs.entry(channel.to_owned()).or_default();
        if let Some(status) = report.status {
            leg.history.absorb(status, at_ms);
            if status == Status::Failed {
                later_failure(&mut leg.failure, at_ms, report.error());
            }
        }
        // The first names stay whatever the order in which they come.
        if self.legs.len() > MOST_CHANNELS {
            self.legs.pop_last();
        }
        if let Some(error) = &report.fallback {
            let new = Fallback {
                at_ms,
                channel: channel.to_owned(),
                error: error.clone(),
            };
            let known = self.fallback.take().into_iter();
            self.fallback = known.chain([new]).min();
            later_failure(&mut self.failure, at_ms, Some(error));
        }
        self.is_of_template |= report.evidence == Some(MessageType::Template);
        learn_recipient(&mut self.recipient, report.recipient.as_deref());
        learn(&mut self.sender, report.sender.as_deref());
    }

    /// What was reported on this channel; `None` when nothing was.
    #[must_use]
    pub fn leg(&self, channel: &str) -> Option<&Leg> {
        self.legs.get(channel)
    }

    /// The channel that got furthest, with what it reported: one on its way goes before one that
    /// failed, and of two as far the last by the alphabet.
    #[must_use]
    pub fn leading(&self) -> Option<(&str, &Leg)> {
        let furthest = self.legs.iter().max_by_key(|(name, leg)| {
            let step = match leg.history.status() {
                Some(Status::Read) => 6,
                Some(Status::Delivered) => 5,
                Some(Status::Sent) => 4,
                Some(Status::Queued) => 3,
                Some(Status::Failed) => 2,
                Some(Status::Deleted) => 1,
                None => 0,
            };
            (step, name.as_str())
        });
        furthest.map(|(name, leg)| (name.as_str(), leg))
    }

    /// The first delivery in WhatsApp's place.
    #[must_use]
    pub const fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    /// The error that deliveries in WhatsApp's place mean there, of the latest one with its time,
    /// ms since 1970 UTC.
    #[must_use]
    pub const fn failure(&self) -> Option<&(i64, ReportError)> {
        self.failure.as_ref()
    }

    /// Whether a leg has the shape that only a template's fallback has.
    #[must_use]
    pub const fn is_of_template(&self) -> bool {
        self.is_of_template
    }

    /// Whom it went to there.
    #[must_use]
    pub fn recipient(&self) -> Option<&str> {
        self.recipient.as_deref()
    }

    /// Whom it came from there.
    #[must_use]
    pub fn sender(&self) -> Option<&str> {
        self.sender.as_deref()
    }

    /// Whether no other channel reported anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(it: &bool) -> bool {
    !*it
}

/// Keeps the later failure, by all of it: two can be of the same second, with the same code and
/// other words.
pub(super) fn later_failure(
    known: &mut Option<(i64, ReportError)>,
    at_ms: i64,
    error: Option<&ReportError>,
) {
    let Some(error) = error else { return };
    let is_later = |(known_ms, known): &(i64, ReportError)| (at_ms, error) > (*known_ms, known);
    if known.as_ref().is_none_or(is_later) {
        *known = Some((at_ms, error.clone()));
    }
}

/// Keeps the greater text.
pub(super) fn learn(known: &mut Option<String>, new: Option<&str>) {
    if let Some(new) = new.filter(|text| !text.is_empty())
        && known.as_deref().is_none_or(|known| new > known)
    {
        *known = Some(new.to_owned());
    }
}

/// Keeps the better recipient: a phone number is preferred over an id, since it is what people
/// search by.
pub(super) fn learn_recipient(known: &mut Option<String>, new: Option<&str>) {
    let quality = |text: &str| is_phone_number(&digits(text));
    if let Some(new) = new.filter(|text| !text.is_empty())
        && known
            .as_deref()
            .is_none_or(|known| (quality(new), new) > (quality(known), known))
    {
        *known = Some(new.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn the_first_word_of_a_channel_wants_all_of_its_kind() {
        for (wanted, channel, is_wanted) in [
            ("viber", "viber_bm", true),
            ("Viber", "viber_bot", true),
            ("viber_bm", "viber_bm", true),
            ("viber_bm", "viber_bot", false),
            ("vib", "viber_bm", false),
            ("any", "whatsapp", true),
            ("any", "unknown", true),
            ("whatsapp", "whatsapp", true),
            ("whatsapp", "viber_bm", false),
            ("sms", "mms", false),
            ("", "sms", false),
        ] {
            assert_eq!(
                is_wanted_channel(wanted, channel),
                is_wanted,
                "{wanted} {channel}"
            );
        }
        for (text, is_name) in [("viber_bm", true), ("", false), ("a b", false)] {
            assert_eq!(is_channel_name(text), is_name, "{text}");
        }
    }

    fn report(status: Status) -> Report {
        let mut report = Report::new(Kind::Delivery, "X", None, b"{}");
        report.status = Some(status);
        report
    }

    #[test]
    fn the_channel_that_got_furthest_leads() {
        let mut others = OtherChannels::default();
        assert_eq!(others.leading(), None);
        for (channel, status, leading) in [
            ("viber_bm", Status::Failed, "viber_bm"),
            ("sms", Status::Sent, "sms"),
            ("rcs", Status::Failed, "sms"),
            ("rcs", Status::Delivered, "rcs"),
            ("sms", Status::Delivered, "sms"),
        ] {
            others.absorb(channel, &report(status), 7);
            assert_eq!(others.leading().map(|(name, _)| name), Some(leading));
        }
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_ends_the_same_in_every_order() {
        let name = |number: usize| format!("channel-{number:02}");
        let (mut forth, mut back) = (OtherChannels::default(), OtherChannels::default());
        for number in 0..40 {
            forth.absorb(&name(number), &report(Status::Sent), 1);
            back.absorb(&name(39 - number), &report(Status::Sent), 1);
        }
        assert_eq!(forth, back);
        assert_eq!(forth.legs.len(), MOST_CHANNELS);
        assert!(forth.leg("channel-39").is_none());
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut others = OtherChannels::default();
        let mut delivered = report(Status::Delivered);
        delivered.fallback = Some(ReportError::named("infobip:sms_fallback", "By SMS"));
        delivered.recipient = Some("385990001122".to_owned());
        others.absorb("sms", &delivered, 5);
        let mut failed = report(Status::Failed);
        failed.errors.push(ReportError::named("infobip:7", "x"));
        others.absorb("rcs", &failed, 4);
        let text = serde_json::to_string(&others).unwrap();
        let again: OtherChannels = serde_json::from_str(&text).unwrap();
        assert_eq!(again, others);
        assert_eq!(others.fallback().map(|it| it.at_ms), Some(5));
    }
}

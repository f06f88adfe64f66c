//! A message that never was: what becomes of it, its recipient and its id.
//!
//! Pure: all of it follows from the message's number, so nothing has to be kept. The ids are
//! scattered like true ones, since what an index costs depends on that.

use crate::model::Status;
use crate::providers::Provider;
use crate::providers::sample::mix;

/// How many different people are written to.
const RECIPIENTS: u64 = 200_000;

/// An invented message: the run it belongs to and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InventedMessage {
    /// Distinguishes the messages of one run from those of another on the same store; 24 bits.
    pub run: u32,
    /// Counted from 0; 40 bits.
    pub number: u64,
}

/// One report of an invented message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The message.
    pub message: InventedMessage,
    /// What happened to it.
    pub status: Status,
    /// When, ms since 1970 UTC.
    pub at_ms: i64,
    /// Whether it was sent before.
    pub is_repeat: bool,
}

impl InventedMessage {
    /// One number for it among all messages of all runs, scattered.
    pub(super) const fn key(self) -> u64 {
        mix(((self.run as u64) << 40) | self.number)
    }

    /// The recipient's number, digits only.
    pub(super) fn recipient(self) -> String {
        format!("34600{:06}", self.key() % RECIPIENTS)
    }

    /// What Meta bills it as: an answer of an agent, or a template of a campaign.
    pub(super) const fn category(self) -> &'static str {
        match (
            self.key().is_multiple_of(4),
            (self.key() >> 4).is_multiple_of(3),
        ) {
            (true, _) => "service",
            (false, true) => "marketing",
            (false, false) => "utility",
        }
    }

    /// What becomes of it, one status after the other, where this share of all messages fails.
    #[must_use]
    pub fn lifecycle(self, failures: f64) -> &'static [Status] {
        let drawn = u32::try_from(mix(self.key()) >> 32).unwrap_or_default();
        let fails = f64::from(drawn) < failures * (f64::from(u32::MAX) + 1.0);
        let is_read = (self.key() >> 8) % 10 < 7;
        match (fails, self.key() & 1 == 0, is_read) {
            // Half of those that fail are refused before they are sent.
            (true, true, _) => &[Status::Failed],
            (true, false, _) => &[Status::Sent, Status::Failed],
            (false, _, true) => &[Status::Sent, Status::Delivered, Status::Read],
            (false, _, false) => &[Status::Sent, Status::Delivered],
        }
    }

    /// Its id, in the provider's own form and length.
    #[must_use]
    pub fn id(self, provider: Provider) -> String {
        (provider.definition().samples.id)(self.key(), &self.recipient())
    }

    /// The message that has this id; `None` when it was not invented here.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Provider::push().find_map(|provider| {
            let key = (provider.definition().samples.key)(id)?;
            // One provider's id may be readable as another's.
            Self::of_key(key).filter(|message| message.id(provider) == id)
        })
    }

    /// The message with that [`Self::key`].
    fn of_key(key: u64) -> Option<Self> {
        let number = unmix(key);
        Some(Self {
            run: u32::try_from(number >> 40).ok()?,
            number: number & ((1 << 40) - 1),
        })
    }
}

/// The number that was scattered to this one.
const fn unmix(number: u64) -> u64 {
    let number = number ^ (number >> 31) ^ (number >> 62);
    let number = number.wrapping_mul(0x3196_42b2_d24d_8ec3);
    let number = number ^ (number >> 27) ^ (number >> 54);
    let number = number.wrapping_mul(0x96de_1b17_3f11_9089);
    number ^ (number >> 30) ^ (number >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_finds_its_message_in_every_form() {
        for provider in Provider::push() {
            for (run, number) in [(0, 0), (1, 1), (0xff_ffff, (1 << 40) - 1), (77, 123_456)] {
                let message = InventedMessage { run, number };
                let id = message.id(provider);
                assert_eq!(InventedMessage::of_id(&id), Some(message), "{id}");
            }
        }
        assert_eq!(InventedMessage::of_id("wamid.x"), None);
        assert_eq!(InventedMessage::of_id(""), None);
    }

    #[test]
    fn failures_come_as_often_as_asked() {
        let failed = |share| {
            let messages = (0..10_000).map(|number| InventedMessage { run: 1, number });
            messages
                .filter(|it| it.lifecycle(share).contains(&Status::Failed))
                .count()
        };
        assert_eq!((failed(0.0), failed(1.0)), (0, 10_000));
        assert!((400..600).contains(&failed(0.05)), "{}", failed(0.05));
    }
}

//! A message that never was: its id as the provider would give it, and what follows from it.
//!
//! Everything about a message follows from its number, so that nothing has to be kept. The
//! ids are scattered like true ones, since what an index costs depends on that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::random::{mix, unmix};
use crate::providers::Provider;

/// How many different people are written to.
const RECIPIENTS: u64 = 200_000;

/// A simulated message: the run it belongs to and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    /// Tells the messages of one run from those of another on the same store; 24 bits.
    pub run: u32,
    /// Counted from 0; 40 bits.
    pub number: u64,
}

impl Message {
    /// One number for it among all messages of all runs, scattered.
    pub(super) const fn key(self) -> u64 {
        mix(((self.run as u64) << 40) | self.number)
    }

    /// The recipient's number, digits only.
    pub(super) fn recipient(self) -> String {
        format!("34600{:06}", self.key() % RECIPIENTS)
    }

    /// Whether it is a template that a campaign sends; else it is an answer of an agent.
    pub(super) const fn is_template(self) -> bool {
        !self.key().is_multiple_of(4)
    }

    /// What Meta bills it as.
    pub(super) const fn category(self) -> &'static str {
        match (self.is_template(), (self.key() >> 4).is_multiple_of(3)) {
            (false, _) => "service",
            (true, true) => "marketing",
            (true, false) => "utility",
        }
    }

    /// Whether its recipient will open it.
    pub(super) const fn is_read(self) -> bool {
        (self.key() >> 8) % 10 < 7
    }

    /// Its id, in the provider's own form and length.
    pub(super) fn id(self, provider: Provider) -> String {
        let key = self.key();
        match provider {
            Provider::MetaCloud | Provider::Dialog360 => {
                let mut bytes = b"\x1c\x18\x0b".to_vec();
                bytes.extend_from_slice(self.recipient().as_bytes());
                bytes.extend_from_slice(b"\x15\x02\x00\x11\x18\x12");
                bytes.extend_from_slice(format!("{key:016X}{:02X}", key % 251).as_bytes());
                bytes.push(0);
                format!("wamid.{}", STANDARD.encode(bytes))
            }
            Provider::MetaOnPremises | Provider::Botsquad => {
                let mut bytes = b"\x80\x11\x86\x34\x60".to_vec();
                bytes.extend_from_slice(&key.to_be_bytes());
                bytes.extend_from_slice(&mix(key).to_be_bytes());
                STANDARD.encode(bytes)
            }
            Provider::Infobip => {
                let word = mix(key) >> 32;
                format!(
                    "{word:08x}-{:04x}-{:04x}-{:04x}-{:04x}{word:08x}",
                    key >> 48,
                    (key >> 32) & 0xffff,
                    (key >> 16) & 0xffff,
                    key & 0xffff
                )
            }
        }
    }

    /// The message that has this id; `None` when no simulation made it.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        let key = if let Some(encoded) = id.strip_prefix("wamid.") {
            let bytes = STANDARD.decode(encoded).ok()?;
            let digits = bytes.get(20..36)?;
            u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
        } else if id.len() == 36 {
            let digits: String = id.get(9..28)?.split('-').collect();
            u64::from_str_radix(&digits, 16).ok()?
        } else {
            let bytes = STANDARD.decode(id).ok()?;
            u64::from_be_bytes(bytes.get(5..13)?.try_into().ok()?)
        };
        let number = unmix(key);
        Some(Self {
            run: u32::try_from(number >> 40).ok()?,
            number: number & ((1 << 40) - 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_message_in_every_form() {
        for provider in Provider::SENDING {
            for (run, number) in [(0, 0), (1, 1), (0xff_ffff, (1 << 40) - 1), (77, 123_456)] {
                let message = Message { run, number };
                let id = message.id(provider);
                assert_eq!(Message::of_id(&id), Some(message), "{id}");
            }
        }
        assert_eq!(Message::of_id("wamid.x"), None);
        assert_eq!(Message::of_id(""), None);
    }
}

//! What tells a status from anything else: the members of the object that it is.

use super::super::meta;

/// What an open object has said of itself so far.
#[derive(Debug, Default, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Facts {
    /// `id` is a text.
    id: bool,
    /// `status` is a status word.
    word: bool,
    /// `messageId` is there.
    message_id: bool,
    /// `groupId` or `groupName` is there.
    pub(super) group: bool,
    /// `status` has a group.
    pub(super) status_group: bool,
    /// `seenAt` or `deletedAt` is there.
    seen: bool,
    /// `type` is there, and is not `message`.
    other_type: bool,
    /// It is from a person: `from` is a number or a user id.
    from: bool,
    /// It has what messages have: `type`, `timestamp`, `content`.
    message: bool,
    /// Nothing in it is a status: it is a call, a payment, an inbound message, another field.
    pub(super) closed: bool,
}

impl Facts {
    pub(super) const fn is_status(self) -> bool {
        self.id && self.word && !self.other_type
            || self.message_id && (self.status_group || self.seen)
    }

    /// Whether it is what somebody wrote to the business.
    pub(super) const fn is_inbound(self) -> bool {
        self.from && self.message
    }

    /// Takes in the beginning of a text that is the value of `name`.
    pub(super) fn say(&mut self, name: &[u8], text: &[u8]) {
        let word = text.trim_ascii();
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        let spelled = || std::str::from_utf8(word).unwrap_or_default();
        match name {
            _ if word.is_empty() => {}
            b"id" => {
                self.id = true;
                self.closed |= word.starts_with(b"wacid.");
            }
            b"status" => self.word = meta::is_status_word(spelled()),
            b"messageId" => self.message_id = true,
            b"groupId" | b"groupName" => self.group = true,
            b"seenAt" | b"deletedAt" => self.seen = true,
            b"type" => {
                self.other_type = !is("message");
                self.message = true;
                self.closed |= is("payment") || is("call");
            }
            b"from" | b"from_user_id" => {
                self.from = word.iter().filter(|byte| byte.is_ascii_digit()).count() >= 6;
            }
            b"timestamp" | b"createdAt" => self.message = true,
            b"receivedAt" | b"integrationType" => self.closed = true,
            b"event" => self.closed |= is("MO") || word.starts_with(b"TYPING_"),
            b"field" => self.closed |= meta::is_field_without_statuses(spelled()),
            _ => {}
        }
    }
}

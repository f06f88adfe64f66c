//! The members that distinguish a status from a call, a payment and a text that a person wrote.
//!
//! One member proves nothing, since relays put members of any name around a body. So only what has
//! all that its provider always sends is taken for a message, a call or a payment.

use super::super::meta::{field, words};

/// What messages are made of: the words of `type`, each the name of the member that holds it.
const CONTENTS: [&str; 24] = [
    "text",
    "image",
    "audio",
    "voice",
    "video",
    "document",
    "sticker",
    "location",
    "contacts",
    "contact",
    "interactive",
    "button",
    "order",
    "system",
    "reaction",
    "template",
    "ephemeral",
    "hsm",
    "edit",
    "revoke",
    "product",
    "poll",
    "unsupported",
    "infected_content",
];

/// How the types of Infobip's answers to buttons, lists and flows begin.
const INTERACTIVE: &[u8] = b"interactive_";

/// The fewest digits of a phone number or a user id.
const FEWEST_DIGITS: usize = 6;

/// What one member says.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// `id` is a text.
    Id,
    /// `id` is that of a call.
    CallId,
    /// `status` is a text.
    Status,
    /// `status` is a word for a message's status.
    StatusWord,
    /// `status` is a word for a call's status.
    CallWord,
    /// `messageId` is a text.
    MessageId,
    /// `groupId` or `groupName` is there.
    Group,
    /// `status` has a group.
    StatusGroup,
    /// `seenAt` or `deletedAt` is there.
    Seen,
    /// It is from a person: a number or a user id.
    Sender,
    /// It is to a person.
    Addressee,
    /// `recipient_id` is there.
    Recipient,
    /// `timestamp` is there.
    Time,
    /// `receivedAt` or `integrationType` is there.
    Received,
    /// `messaging_product` is there.
    Product,
    /// `type` is `call`.
    OfCall,
    /// `type` is `payment`.
    OfPayment,
    /// `payment` is an object.
    Payment,
    /// `paymentStatus` is there.
    PaymentStatus,
    /// `event` is that of an inbound message.
    Inbound,
    /// `event` is there.
    Event,
    /// `content` is an object or a list.
    Content,
    /// `type` is one of a message's content.
    Typed,
    /// `message` is an object whose `type` is one of a message's content.
    Message,
    /// `text` or `cleanText` is there.
    Text,
    /// `mid` is a text.
    Mid,
    /// `message` or `postback` is an object with `mid`.
    PageMessage,
    /// `sender` is an object.
    PageSender,
    /// `field` is one in which all is of calls, of echoes or of the history.
    ClosedField,
}

use Mark::{
    Addressee, CallId, CallWord, ClosedField, Content, Event, Group, Id, Inbound, Message,
    MessageId, Mid, OfCall, OfPayment, PageMessage, PageSender, Payment, PaymentStatus, Product,
    Received, Recipient, Seen, Sender, Status, StatusGroup, StatusWord, Text, Time, Typed,
};

/// What an open object has said of itself so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Facts {
    /// A bit for each [`Mark`].
    marks: u32,
    /// The bit of the word of [`CONTENTS`] that `type` is.
    kind: u32,
    /// The bits of those of [`CONTENTS`] that are objects or lists in it.
    contents: u32,
}

impl Facts {
    fn has(self, marks: &[Mark]) -> bool {
        marks.iter().all(|mark| self.marks & bit(*mark) != 0)
    }

    fn set(&mut self, mark: Mark, holds: bool) {
        self.marks = self.marks & !bit(mark) | if holds { bit(mark) } else { 0 };
    }

    /// Whether it is one, inside of nothing that holds none.
    pub(super) fn is_status(self) -> bool {
        let says_so = self.has(&[Id, StatusWord])
            || self.has(&[MessageId, StatusGroup])
            || self.has(&[MessageId, Seen]);
        says_so && !self.is_call() && !self.is_payment()
    }

    /// Each status has a member of one of these names: [`Self::is_status`] needs what is said under
    /// them.
    const SIGNS: [&str; 3] = ["status", "seenAt", "deletedAt"];

    /// Whether an object may be a status because of a member of that name.
    pub(super) fn is_sign(name: &str) -> bool {
        Self::SIGNS.contains(&name)
    }

    /// Whether such a name may be in a text: as it is, or with letters as JSON or a form escapes
    /// them.
    pub(super) fn may_have_sign(text: &str) -> bool {
        let has_escape = text.contains('\\') || text.contains('%');
        has_escape || Self::SIGNS.iter().any(|sign| text.contains(*sign))
    }

    /// Whether nothing in it is a status: it is a call, a payment, or a text that a person wrote.
    pub(super) fn is_closed(self) -> bool {
        self.is_call() || self.is_payment() || self.is_written() || self.is_inbound()
    }

    /// Whether its `value`, or its `statuses` when it is a value, is of something else.
    pub(super) fn is_of_closed_field(self) -> bool {
        self.has(&[ClosedField])
    }

    fn is_call(self) -> bool {
        self.has(&[CallId, CallWord])
            || self.has(&[CallId, Event, Sender, Addressee])
            || self.has(&[OfCall, Id, CallWord, Time, Recipient])
    }

    fn is_payment(self) -> bool {
        self.has(&[OfPayment]) && (self.has(&[Id, Status, Payment]) || self.has(&[PaymentStatus]))
    }

    /// Whether it is a message in Meta's words, from a person or as it was sent to one.
    fn is_written(self) -> bool {
        let has_content = self.kind & self.contents != 0;
        has_content && (self.has(&[Sender]) || self.has(&[Addressee, Product]))
    }

    /// Whether it is a message in Infobip's words, or one of a page.
    fn is_inbound(self) -> bool {
        const SHAPES: [&[Mark]; 5] = [
            &[MessageId, Sender, Message],
            &[MessageId, Sender, Received, Text],
            &[MessageId, Sender, Inbound, Content],
            &[MessageId, Received, Message],
            &[PageSender, PageMessage],
        ];
        SHAPES.into_iter().any(|shape| self.has(shape))
    }

    /// Takes in what the object that is the value of `name` has said of itself.
    pub(super) fn add(&mut self, name: &[u8], inner: Self) {
        match name {
            b"status" if inner.has(&[Group]) => self.set(StatusGroup, true),
            b"message" if inner.has(&[Typed]) => self.set(Message, true),
            b"message" | b"postback" if inner.has(&[Mid]) => self.set(PageMessage, true),
            _ => {}
        }
    }

    /// Takes in that the value of `name` is an object or a list.
    pub(super) fn hold(&mut self, name: &[u8]) {
        self.contents |= content(name);
        match name {
            b"payment" => self.set(Payment, true),
            b"content" => self.set(Content, true),
            b"sender" => self.set(PageSender, true),
            _ => {}
        }
    }

    /// Takes in a number that is the value of `name`; an id is a text.
    pub(super) fn say_number(&mut self, name: &[u8]) {
        match name {
            b"groupId" => self.set(Group, true),
            b"timestamp" => self.set(Time, true),
            _ => {}
        }
    }

    /// Takes in the beginning of a text that is the value of `name`.
    pub(super) fn say(&mut self, name: &[u8], text: &[u8]) {
        let word = text.trim_ascii();
        if word.is_empty() {
            return;
        }
        let is = |known: &[u8]| word.eq_ignore_ascii_case(known);
        let begins = |known: &[u8]| {
            let start = word.get(..known.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(known))
        };
        let spelled = || std::str::from_utf8(word).unwrap_or_default();
        let is_person =
            || word.iter().filter(|byte| byte.is_ascii_digit()).count() >= FEWEST_DIGITS;
        match name {
            b"id" => {
                self.set(Id, true);
                self.set(CallId, begins(b"wacid."));
            }
            b"status" => {
                self.set(Status, true);
                self.set(StatusWord, words::is_status_word(spelled()));
                self.set(CallWord, words::is_call_word(spelled()));
            }
            b"messageId" => self.set(MessageId, true),
            b"groupId" | b"groupName" => self.set(Group, true),
            b"seenAt" | b"deletedAt" => self.set(Seen, true),
            b"type" => {
                self.kind = content(word);
                self.set(Typed, self.kind != 0 || begins(INTERACTIVE));
                self.set(OfCall, is(b"call"));
                self.set(OfPayment, is(b"payment"));
            }
            b"from" | b"from_user_id" | b"sender" if is_person() => self.set(Sender, true),
            b"to" | b"recipient" if is_person() => self.set(Addressee, true),
            b"recipient_id" => self.set(Recipient, true),
            b"timestamp" => self.set(Time, true),
            b"receivedAt" | b"integrationType" => self.set(Received, true),
            b"messaging_product" => self.set(Product, true),
            b"paymentStatus" => self.set(PaymentStatus, true),
            b"event" => {
                self.set(Event, true);
                self.set(Inbound, is(b"MO"));
            }
            b"text" | b"cleanText" => self.set(Text, true),
            b"mid" => self.set(Mid, true),
            b"field" => self.set(ClosedField, field::is_closed(spelled())),
            _ => {}
        }
    }
}

const fn bit(mark: Mark) -> u32 {
    1 << mark as u32
}

/// The bit of the content of that name; none of any other.
fn content(name: &[u8]) -> u32 {
    let place = CONTENTS
        .iter()
        .position(|known| known.as_bytes().eq_ignore_ascii_case(name));
    place.map_or(0, |place| 1 << place)
}

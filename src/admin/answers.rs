//! The answers to requests of each kind, apart.

use super::{Answer, Receipt, Tested};
use crate::access::token::TokenRecord;
use crate::model::Subscriber;
use crate::store::poll::PollRecord;
use crate::store::replay::ReplayRecord;
use crate::store::timeline::ForwardDetail;
use crate::store::{Erased, Reread, Resealed, TemplateRecord};

/// A subscriber and its secret, which is shown this once.
#[derive(Debug)]
pub struct GivenSecret {
    /// The subscriber.
    pub subscriber: Subscriber,
    /// `whsec_…`
    pub secret: String,
    /// Until when the old secret signs too, ms since 1970 UTC.
    pub old_until_ms: Option<i64>,
}

/// Forwards that are queued again.
#[derive(Debug)]
pub struct RetriedForwards {
    /// How many.
    pub forwards: usize,
    /// The one that was named, as it is now, where it was one.
    pub detail: Option<Box<ForwardDetail>>,
}

/// What a second reading found.
#[derive(Debug)]
pub struct RereadWebhooks {
    /// Webhooks that were read.
    pub examined: u64,
    /// Those that ended differently, and those that still cannot be read.
    pub webhooks: Vec<Reread>,
}

/// A token and its text, which is shown this once.
#[derive(Debug)]
pub struct CreatedToken {
    /// The token.
    pub token: TokenRecord,
    /// `tr_…`
    pub text: String,
}

/// The answer to one kind of request, out of all that there are.
pub(crate) trait AnswerPart {
    /// It; `None` where the request was of another kind.
    fn of(answer: &Answer) -> Option<&Self>;
}

impl AnswerPart for Answer {
    fn of(answer: &Answer) -> Option<&Self> {
        Some(answer)
    }
}

macro_rules! parts {
    ($($part:ty = $($variant:ident)|+;)+) => {
        $(impl AnswerPart for $part {
            fn of(answer: &Answer) -> Option<&Self> {
                match answer {
                    $(Answer::$variant(part))|+ => Some(part),
                    _ => None,
                }
            }
        })+
    };
}

parts! {
    Subscriber = Subscriber;
    GivenSecret = Secret;
    Tested = Tested;
    RetriedForwards = Retried;
    ReplayRecord = Replay | ReplayEnded;
    RereadWebhooks = Reprocessed;
    Vec<Receipt> = Registered;
    PollRecord = Poll;
    TemplateRecord = Template;
    Erased = Erased;
    CreatedToken = Token;
    TokenRecord = Revoked;
    Resealed = KeyRotated;
}

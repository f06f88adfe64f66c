//! What [`Store::commit`](super::Store::commit) takes in, and what each answers.

use super::{Accepted, Arrival, RegisterOutcome, Registering, Reread};
use crate::model::WebhookKey;
use crate::plan::WorkAnswer;
use crate::plan::group::Work;

/// Something that a commit takes in: all of it, or nothing. [`Arrival`], in a box or not, and the
/// types of this module are all there are.
pub trait Commit: Into<CommitWork> + Send + 'static {
    /// What came of it.
    type Answer;

    /// That, of the answers to each piece of work in it; `None` when the webhook it is about is gone.
    fn answer(answers: Vec<WorkAnswer>) -> Option<Self::Answer>;
}

/// More of a webhook that is stored: the next part of a large answer.
#[derive(Debug)]
pub struct WebhookPart {
    /// The key of the webhook.
    pub webhook_id: WebhookKey,
    /// What is in this part.
    pub arrival: Arrival,
}

/// Stored webhooks that were parsed again: what is new in them is stored and queued from now on,
/// what is known changes nothing.
#[derive(Debug)]
pub struct ReparsedWebhooks {
    /// Each with its key.
    pub webhooks: Vec<(WebhookKey, Arrival)>,
}

/// Messages that a sender registers. Registering again changes only what differs.
#[derive(Debug)]
pub struct Registrations {
    /// In the order of their answers.
    pub messages: Vec<Registering>,
}

/// One of them, as it waits for its commit.
#[derive(Debug)]
pub enum CommitWork {
    /// A webhook that arrived.
    Webhook(Box<Arrival>),
    /// More of one.
    Part(Box<WebhookPart>),
    /// Webhooks that were parsed again.
    Reparsed(ReparsedWebhooks),
    /// Messages to be registered.
    Registrations(Registrations),
}

/// What a message to be registered counts for in a group, in bytes.
const REGISTERED_BYTES: usize = 1024;

impl CommitWork {
    /// Appends what the plan decides of it, in the order of the answers.
    pub(super) fn extend<'w>(&'w self, works: &mut Vec<Work<'w>>) {
        match self {
            Self::Webhook(arrival) => works.push(Work::Webhook(arrival)),
            Self::Part(part) => works.push(Work::More {
                webhook_id: part.webhook_id,
                arrival: &part.arrival,
            }),
            Self::Reparsed(reparsed) => works.extend(reparsed.works()),
            Self::Registrations(registrations) => {
                works.extend(registrations.messages.iter().map(Work::Registration));
            }
        }
    }

    /// How many answers it has.
    pub(super) const fn answers(&self) -> usize {
        match self {
            Self::Webhook(_) | Self::Part(_) => 1,
            Self::Reparsed(reparsed) => reparsed.webhooks.len(),
            Self::Registrations(registrations) => registrations.messages.len(),
        }
    }

    /// Bytes of bodies in it.
    pub(super) fn bytes(&self) -> usize {
        let of_webhooks = self.arrivals().map(|arrival| arrival.body.len()).sum();
        match self {
            Self::Registrations(registrations) => registrations.messages.len() * REGISTERED_BYTES,
            _ => of_webhooks,
        }
    }

    /// Things in it that the plan decides: reports, account events, messages to be registered.
    pub(super) fn items(&self) -> usize {
        match self {
            Self::Registrations(registrations) => registrations.messages.len(),
            _ => self.arrivals().map(Arrival::items).sum(),
        }
    }

    /// Whether it is about webhooks that are stored already.
    pub(super) const fn is_of_stored(&self) -> bool {
        matches!(self, Self::Part(_) | Self::Reparsed(_))
    }

    /// What is attempted, as an error says it.
    pub(super) const fn attempted(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "cannot store the webhook",
            Self::Part(_) => "cannot take in more of a webhook",
            Self::Reparsed(_) => "cannot read webhooks again",
            Self::Registrations(_) => "cannot register messages",
        }
    }

    fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        let (one, more) = match self {
            Self::Webhook(arrival) => (Some(&**arrival), &[][..]),
            Self::Part(part) => (Some(&part.arrival), &[][..]),
            Self::Reparsed(reparsed) => (None, &reparsed.webhooks[..]),
            Self::Registrations(_) => (None, &[][..]),
        };
        one.into_iter()
            .chain(more.iter().map(|(_, arrival)| arrival))
    }
}

impl ReparsedWebhooks {
    pub(super) fn works(&self) -> impl Iterator<Item = Work<'_>> {
        let works = self.webhooks.iter();
        works.map(|(webhook_id, arrival)| Work::Again {
            webhook_id: *webhook_id,
            arrival,
        })
    }
}

impl Commit for Arrival {
    type Answer = Accepted;

    fn answer(answers: Vec<WorkAnswer>) -> Option<Accepted> {
        answers.into_iter().find_map(accepted)
    }
}

impl Commit for Box<Arrival> {
    type Answer = Accepted;

    fn answer(answers: Vec<WorkAnswer>) -> Option<Accepted> {
        Arrival::answer(answers)
    }
}

impl Commit for WebhookPart {
    type Answer = Accepted;

    fn answer(answers: Vec<WorkAnswer>) -> Option<Accepted> {
        answers.into_iter().find_map(accepted)
    }
}

impl Commit for ReparsedWebhooks {
    /// Those that are still stored.
    type Answer = Vec<Reread>;

    fn answer(answers: Vec<WorkAnswer>) -> Option<Vec<Reread>> {
        Some(answers.into_iter().filter_map(reread).collect())
    }
}

impl Commit for Registrations {
    type Answer = Vec<RegisterOutcome>;

    fn answer(answers: Vec<WorkAnswer>) -> Option<Vec<RegisterOutcome>> {
        let registered = answers.into_iter().filter_map(|answer| match answer {
            WorkAnswer::Registered(outcome) => Some(outcome),
            _ => None,
        });
        Some(registered.collect())
    }
}

fn accepted(answer: WorkAnswer) -> Option<Accepted> {
    match answer {
        WorkAnswer::Accepted(accepted) => Some(accepted),
        _ => None,
    }
}

/// `None` of a webhook that is gone.
pub(super) fn reread(answer: WorkAnswer) -> Option<Reread> {
    match answer {
        WorkAnswer::Reread(reread) => Some(reread),
        _ => None,
    }
}

impl From<Arrival> for CommitWork {
    fn from(arrival: Arrival) -> Self {
        Self::from(Box::new(arrival))
    }
}

impl From<Box<Arrival>> for CommitWork {
    fn from(arrival: Box<Arrival>) -> Self {
        Self::Webhook(arrival)
    }
}

impl From<WebhookPart> for CommitWork {
    fn from(part: WebhookPart) -> Self {
        Self::Part(Box::new(part))
    }
}

impl From<ReparsedWebhooks> for CommitWork {
    fn from(reparsed: ReparsedWebhooks) -> Self {
        Self::Reparsed(reparsed)
    }
}

impl From<Registrations> for CommitWork {
    fn from(registrations: Registrations) -> Self {
        Self::Registrations(registrations)
    }
}

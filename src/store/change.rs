//! What [`Store::change`](super::Store::change) can change for an operator: one struct for each
//! change, and its answer. Each is one transaction, with what is written down of it.

use std::sync::Arc;

use super::audit::AuditEntry;
use super::idempotency::IdempotencyRecord;
use super::job::{JobEnd, NewJob};
use super::poll::PollRecord;
use super::query::Scope;
use super::replay::{ReplayRecord, ReplaySelection};
use super::timeline::ForwardDetail;
use super::{Change, RetrySelection, TemplateRecord};
use crate::access::token::{NewToken, TokenRecord};
use crate::model::{
    NewSubscriber, ReplayKey, SigningSecret, Subscriber, SubscriberChange, SubscriberKey,
    SubscriberState, TokenKey,
};
use crate::providers::Provider;

/// What is written down with a change, in its transaction.
#[derive(Debug, Default)]
pub struct ChangeRecord {
    /// The line of the audit.
    pub audit: Option<AuditEntry>,
    /// What a repeat of the request is to find under its key.
    pub kept: Option<IdempotencyRecord>,
    /// The end of the job that the change is the last step of.
    pub job: Option<JobEnd>,
}

impl ChangeRecord {
    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.audit.is_none() && self.kept.is_none() && self.job.is_none()
    }
}

/// Stores a subscriber and makes its secret. [`Error::Conflict`](super::Error::Conflict) when one has
/// that name.
#[derive(Debug)]
pub struct InsertSubscriber {
    /// It.
    pub new: NewSubscriber,
}

impl Change for InsertSubscriber {
    type Answer = (Subscriber, SigningSecret);
}

/// Changes how a subscriber is sent to.
#[derive(Debug)]
pub struct AlterSubscriber {
    /// Its key.
    pub subscriber_id: SubscriberKey,
    /// What is to be different.
    pub change: SubscriberChange,
}

impl Change for AlterSubscriber {
    type Answer = Subscriber;
}

/// Puts a subscriber into a state by hand.
#[derive(Debug)]
pub struct SetSubscriberState {
    /// Its key.
    pub subscriber_id: SubscriberKey,
    /// The state.
    pub state: SubscriberState,
}

impl Change for SetSubscriberState {
    type Answer = Subscriber;
}

/// Removes a subscriber with its secrets.
#[derive(Debug)]
pub struct DeleteSubscriber {
    /// Its key.
    pub subscriber_id: SubscriberKey,
}

impl Change for DeleteSubscriber {
    /// How many forwards were pending. From now on none is sent or counted;
    /// [`GiveUpRemoved`](super::step::GiveUpRemoved) gives up what this transaction did not.
    type Answer = usize;
}

/// Makes a subscriber a new secret.
#[derive(Debug)]
pub struct InsertSecret {
    /// Its key.
    pub subscriber_id: SubscriberKey,
    /// Until when the old one signs too, ms since 1970 UTC; `None` ends all old ones.
    pub old_until_ms: Option<i64>,
}

impl Change for InsertSecret {
    type Answer = (Subscriber, SigningSecret);
}

/// Queues forwards again.
#[derive(Debug)]
pub struct RequeueForwards {
    /// Which.
    pub selection: RetrySelection,
    /// What may be seen of one that was named.
    pub scope: Scope,
}

impl Change for RequeueForwards {
    /// How many, and the one that was named, as it is now, where it was one.
    type Answer = (usize, Option<Box<ForwardDetail>>);
}

/// Begins to queue many forwards of a subscriber again.
#[derive(Debug)]
pub struct InsertReplay {
    /// The subscriber's key.
    pub subscriber_id: SubscriberKey,
    /// Which forwards.
    pub selection: ReplaySelection,
}

impl Change for InsertReplay {
    type Answer = ReplayRecord;
}

/// Stops a replay.
#[derive(Debug)]
pub struct EndReplay {
    /// Its key.
    pub replay_id: ReplayKey,
}

impl Change for EndReplay {
    /// It as it is now, and whether it was stopped; one that had ended before stays as it is.
    type Answer = (ReplayRecord, bool);
}

/// Polls a broadcast from now on, again where it was done or given up.
#[derive(Debug)]
pub struct OpenPoll {
    /// The source's name.
    pub source: Arc<str>,
    /// Its provider.
    pub provider: Provider,
    /// The broadcast's id.
    pub broadcast: String,
}

impl Change for OpenPoll {
    type Answer = PollRecord;
}

/// Writes a template.
#[derive(Debug)]
pub struct WriteTemplate {
    /// Its name.
    pub name: String,
    /// The code of its language.
    pub language: String,
    /// Its text.
    pub body: String,
}

impl Change for WriteTemplate {
    type Answer = TemplateRecord;
}

/// Removes a template. [`Error::NotFound`](super::Error::NotFound) when there is none.
#[derive(Debug)]
pub struct DeleteTemplate {
    /// Its name.
    pub name: String,
    /// The code of its language.
    pub language: String,
}

impl Change for DeleteTemplate {
    type Answer = ();
}

/// Makes a token.
#[derive(Debug)]
pub struct InsertToken {
    /// It.
    pub new: NewToken,
}

impl Change for InsertToken {
    /// It, and its text, which is not stored.
    type Answer = (TokenRecord, String);
}

/// Ends a token.
#[derive(Debug)]
pub struct EndToken {
    /// Its key.
    pub token_id: TokenKey,
}

impl Change for EndToken {
    type Answer = TokenRecord;
}

/// Keeps long work that is to begin.
#[derive(Debug)]
pub struct InsertJob {
    /// It.
    pub new: NewJob,
}

impl Change for InsertJob {
    type Answer = ();
}

/// Changes nothing: what is written down is all.
#[derive(Debug)]
pub struct NoChange;

impl Change for NoChange {
    type Answer = ();
}

//! What an operator may ask for over the API, by TCP, by the socket or in a command's own process. The
//! checks stand here, once.

mod answers;
mod audit;
mod carry;
mod erase;
mod exchange;
pub(crate) mod items;
pub(crate) mod json;
mod limits;
pub(crate) mod narrowing;
mod polls;
mod receipt;
mod register;
mod replays;
mod reprocess;
mod samples;
mod subscribers;
mod templates;
mod tokens;
pub(crate) mod wanted;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::access::token::{NewToken, TokenRecord};
use crate::access::{Caller, Permission};
use crate::clock::Clock;
use crate::config::{Config, Retention, Source};
use crate::forward::sender::Sender;
use crate::model::{NewSubscriber, Subscriber, SubscriberChange, SubscriberState, quoted};
use crate::store::poll::PollRecord;
use crate::store::query::{ForwardsByIdQuery, Scope};
use crate::store::replay::ReplayRecord;
use crate::store::{
    Changing, Erased, Error, ReprocessSelection, Resealed, RetrySelection, Store, TemplateRecord,
};

use carry::By;

pub use crate::model::Fault;
pub(crate) use answers::AnswerPart;
pub use answers::{CreatedToken, GivenSecret, RereadWebhooks, RetriedForwards};
pub use carry::{AnswerShape, Once};
pub use erase::EraseOptions;
pub use exchange::SentExchange;
pub use receipt::Receipt;
pub use register::{SentMessage, SentTemplate, Ttl};
pub use replays::ReplayOrder;
pub use samples::{Sample, SampleAnswer, SampleRequest, SampleResponse, Tested};

/// Something to be done.
#[derive(Debug)]
pub enum Request {
    /// Add a subscriber.
    AddSubscriber(NewSubscriber),
    /// Change how a subscriber is sent to.
    UpdateSubscriber {
        /// Its name.
        name: String,
        /// What is to be different.
        change: SubscriberChange,
    },
    /// Send nothing to it until it is resumed.
    PauseSubscriber {
        /// Its name.
        name: String,
    },
    /// Send to it again, all pending forwards included.
    ResumeSubscriber {
        /// Its name.
        name: String,
    },
    /// Remove it; its pending forwards are given up.
    RemoveSubscriber {
        /// Its name.
        name: String,
    },
    /// Give it a new secret; the old one stays valid for 24 h, and of the old ones two at most.
    RotateSecret {
        /// Its name.
        name: String,
        /// End the old ones at once.
        now: bool,
    },
    /// Send it what a provider's report would have caused.
    TestSubscriber {
        /// Its name.
        name: String,
        /// Which.
        sample: Sample,
    },
    /// Queue forwards again.
    RetryForwards(RetrySelection),
    /// Queue many forwards of a subscriber again, in the background.
    StartReplay(ReplayOrder),
    /// Stop a replay.
    CancelReplay {
        /// Its id outside.
        id: Uuid,
    },
    /// Parse stored webhooks again and take in what is new in them.
    Reprocess {
        /// Which.
        selection: ReprocessSelection,
        /// Only show what would be found.
        dry_run: bool,
    },
    /// Remove a person from every table.
    Erase {
        /// A phone number in any spelling, or a business-scoped user id.
        person: String,
        /// How.
        options: EraseOptions,
    },
    /// Register messages that were sent.
    Register {
        /// Each the JSON text of a [`SentMessage`].
        messages: Vec<String>,
    },
    /// Register messages that were sent, in the provider's own words.
    RegisterExchange {
        /// The source that reports of them come by.
        source: String,
        /// The provider's words.
        exchange: SentExchange,
    },
    /// Ask for a broadcast of a source that sends nothing by itself.
    PollBroadcast {
        /// The source.
        source: String,
        /// The broadcast's id.
        broadcast: String,
    },
    /// Write a template's body.
    PutTemplate {
        /// Its name.
        name: String,
        /// The code of its language.
        language: String,
        /// The text, with placeholders as in `{{1}}` or `{{name}}`.
        body: String,
    },
    /// Remove a template.
    RemoveTemplate {
        /// Its name.
        name: String,
        /// The code of its language.
        language: String,
    },
    /// Make a token of the management API.
    CreateToken(NewToken),
    /// Seal all secrets again, with a new key where we keep the file.
    RotateKey,
    /// End a token.
    RevokeToken {
        /// Its key.
        id: i64,
    },
}

/// What was done.
#[derive(Debug)]
pub enum Answer {
    /// A subscriber as it is now.
    Subscriber(Subscriber),
    /// A subscriber and its secret.
    Secret(GivenSecret),
    /// It is removed.
    Removed {
        /// Forwards that were given up with it.
        given_up: usize,
    },
    /// What the subscriber answered to each sample.
    Tested(Tested),
    /// Forwards that are queued again.
    Retried(RetriedForwards),
    /// A replay as it is now.
    Replay(ReplayRecord),
    /// A replay that was to be stopped and had ended before: it stays as it is.
    ReplayEnded(ReplayRecord),
    /// What a second reading found.
    Reprocessed(RereadWebhooks),
    /// What came of each message, in their order.
    Registered(Vec<Receipt>),
    /// A broadcast that is polled.
    Poll(PollRecord),
    /// A template as it is now.
    Template(TemplateRecord),
    /// The template is removed.
    TemplateRemoved,
    /// What was removed of a person.
    Erased(Erased),
    /// A token and its text.
    Token(CreatedToken),
    /// A token that was ended.
    Revoked(TokenRecord),
    /// All is sealed again.
    KeyRotated(Resealed),
}

impl Answer {
    /// Whether all stayed as it was.
    const fn is_unchanged(&self) -> bool {
        match self {
            Self::ReplayEnded(_) => true,
            Self::Retried(retried) => retried.forwards == 0,
            _ => false,
        }
    }
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Why it was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// These fields cannot be as they are.
    #[error("{}", Fault::sentence(.0))]
    Invalid(Vec<Fault>),
    /// There is no such thing, or not for this caller.
    #[error("{0}")]
    Missing(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not.
    #[error("{0}")]
    Forbidden(String),
    /// The request makes no sense; says what to do.
    #[error("{0}")]
    Refused(String),
    /// The store cannot do it now, but may soon.
    #[error("{0}")]
    Busy(String),
    /// It could not be done; the log has more.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// One field that cannot be as it is.
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(field, detail)])
    }
}

impl Failure {
    /// The same, with what was done all the same before it failed.
    fn after(self, done: impl std::fmt::Display) -> Self {
        match self {
            Self::Busy(detail) => Self::Busy(format!("{detail} ({done})")),
            Self::Broken(detail) => Self::Broken(format!("{detail} ({done})")),
            other => other,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::Missing(error.to_string()),
            Error::Conflict(_) => Self::Conflict(error.to_string()),
            Error::QueueFull
            | Error::DiskFull
            | Error::Displaced
            | Error::Unconfirmed
            | Error::Timeout(_)
            | Error::KeyMissing(_)
            | Error::Closed => Self::Busy(error.to_string()),
            Error::Unwritable { .. } => {
                tracing::error!(%error, "store.unwritable");
                Self::Busy(format!(
                    "the store cannot be used now: {error}; try again later"
                ))
            }
            _ => Self::Broken(format!("{:#}", anyhow::Error::from(error))),
        }
    }
}

/// Carries requests out.
#[derive(Clone)]
pub struct Operations {
    store: Store,
    sender: Arc<Sender>,
    clock: Clock,
    sources: Arc<[Source]>,
    retention: Retention,
    /// Requests that came over a connection; each is carried out even if the client goes away.
    tasks: TaskTracker,
    runtime: Option<Handle>,
}

impl Operations {
    /// Operations on that store, with the sources of that configuration.
    #[must_use]
    pub fn new(config: &Config, store: Store, sender: Arc<Sender>, clock: Clock) -> Self {
        Self {
            store,
            sender,
            clock,
            sources: config.sources.clone().into(),
            retention: config.retention.clone(),
            tasks: TaskTracker::new(),
            runtime: Handle::try_current().ok(),
        }
    }

    /// The sources of the configuration.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Carries the request out, if the caller may, and writes the change into the audit;
    /// long work reports its progress.
    ///
    /// # Errors
    /// [`Failure::Broken`] and [`Failure::Busy`] are ours, every other is the caller's.
    pub async fn perform(
        &self,
        caller: &Caller,
        request: Request,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Answer, Failure> {
        self.perform_once(caller, request, progress, None).await
    }

    /// As [`Operations::perform`]; a request with a key leaves its answer under that key.
    ///
    /// # Errors
    /// As [`Operations::perform`].
    pub async fn perform_once(
        &self,
        caller: &Caller,
        request: Request,
        progress: &UnboundedSender<Progress>,
        once: Option<Once>,
    ) -> Result<Answer, Failure> {
        caller.allow(request.needs()).map_err(Failure::Forbidden)?;
        let by = By::new(caller.clone(), &request, once);
        self.dispatch(&by, request, progress).await
    }

    async fn dispatch(
        &self,
        by: &By,
        request: Request,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Answer, Failure> {
        match request {
            Request::AddSubscriber(new) => self.add_subscriber(by, new).await,
            Request::UpdateSubscriber { name, change } => {
                self.update_subscriber(by, &name, change).await
            }
            Request::PauseSubscriber { name } => {
                self.set_state(by, &name, SubscriberState::Paused).await
            }
            Request::ResumeSubscriber { name } => {
                self.set_state(by, &name, SubscriberState::Active).await
            }
            Request::RemoveSubscriber { name } => self.remove_subscriber(by, &name).await,
            Request::RotateSecret { name, now } => self.rotate_secret(by, &name, now).await,
            Request::TestSubscriber { name, sample } => {
                self.test_subscriber(by, &name, &sample).await
            }
            Request::RetryForwards(selection) => self.retry_forwards(by, selection).await,
            Request::StartReplay(order) => self.start_replay(by, order).await,
            Request::CancelReplay { id } => self.cancel_replay(by, id).await,
            Request::Reprocess { selection, dry_run } => {
                self.reprocess(by, selection, dry_run, progress).await
            }
            Request::Erase { person, options } => self.erase(by, &person, options, progress).await,
            Request::Register { messages } => self.register(by, messages).await,
            Request::RegisterExchange { source, exchange } => {
                self.register_exchange(by, &source, &exchange).await
            }
            Request::PollBroadcast { source, broadcast } => {
                self.poll_broadcast(by, &source, broadcast).await
            }
            Request::PutTemplate {
                name,
                language,
                body,
            } => self.put_template(by, (name, language, body)).await,
            Request::RemoveTemplate { name, language } => {
                let removed = move |changing: &mut Changing<'_>| {
                    changing.remove_template(&name, &language)?;
                    Ok(Answer::TemplateRemoved)
                };
                self.change(by, removed).await
            }
            Request::RotateKey => {
                let entry = by.entry();
                let resealed = self
                    .store
                    .rotate_key(move |resealed| entry(&Answer::KeyRotated(resealed.clone())));
                Ok(Answer::KeyRotated(resealed.await?))
            }
            Request::CreateToken(new) => self.create_token(by, new).await,
            Request::RevokeToken { id } => self.revoke_token(by, id).await,
        }
    }

    /// Queues forwards again; to a caller that sees only a part, each must be of that part, and so
    /// must the subscriber that it goes to.
    async fn retry_forwards(&self, by: &By, selection: RetrySelection) -> Result<Answer, Failure> {
        let caller = &by.caller;
        let scope = Scope::from(caller);
        if scope != Scope::default() {
            let query = ForwardsByIdQuery {
                ids: selection.forward_ids.iter().map(i64::to_string).collect(),
                scope: scope.clone(),
            };
            let found = self.store.read(query).await?;
            for (id, found) in selection.forward_ids.iter().zip(found) {
                let missing = || Failure::Missing(format!("no forward {id}"));
                let forward = found.ok_or_else(missing)?;
                // One that was removed is sent nothing.
                let name = &forward.subscriber;
                if !forward.subscriber_removed && self.subscriber_of(caller, name).is_err() {
                    return Err(Failure::Forbidden(format!(
                        "this token does not see the subscriber {name}, which gets other sources \
                         too: it may see this forward, not send it again",
                        name = quoted(name)
                    )));
                }
            }
        }
        self.change(by, move |changing| {
            let forwards = changing.retry(&selection)?;
            let detail = match selection.forward_ids.as_slice() {
                [id] => changing.forward(*id, &scope)?.map(Box::new),
                _ => None,
            };
            Ok(Answer::Retried(RetriedForwards { forwards, detail }))
        })
        .await
    }

    /// What cannot be as it is in a request that is not carried out, as far as that can be said
    /// without carrying it out.
    pub(crate) fn faults_of(&self, caller: &Caller, request: &Request) -> Vec<Fault> {
        match request {
            Request::AddSubscriber(new) => self.check_new(caller, &mut new.clone()),
            Request::UpdateSubscriber { name, change } => {
                let before = self.subscriber_of(caller, name);
                before.map_or_else(
                    |_| Vec::new(),
                    |before| self.check_change(caller, &before, &mut change.clone()),
                )
            }
            Request::StartReplay(order) => self.check_order(caller, order),
            _ => Vec::new(),
        }
    }

    /// The source of that name; one that the caller does not see is answered as one that is not there.
    pub(crate) fn known_source(&self, caller: &Caller, name: &str) -> Result<&Source, String> {
        self.source_for(caller, name).ok_or_else(|| {
            let seen = self.sources.iter().map(|source| source.name.as_str());
            let seen: Vec<&str> = seen.filter(|name| caller.sees_source(name)).collect();
            wanted::no_such_source(name, &seen, caller)
        })
    }
}

impl Request {
    /// What a caller must be allowed.
    const fn needs(&self) -> Permission {
        match self {
            Self::AddSubscriber(_)
            | Self::UpdateSubscriber { .. }
            | Self::PauseSubscriber { .. }
            | Self::ResumeSubscriber { .. }
            | Self::RemoveSubscriber { .. }
            | Self::RotateSecret { .. }
            | Self::TestSubscriber { .. } => Permission::WriteSubscribers,
            Self::RetryForwards(_) | Self::StartReplay(_) | Self::CancelReplay { .. } => {
                Permission::RetryForwards
            }
            Self::Reprocess { .. } => Permission::Reprocess,
            Self::Register { .. } | Self::RegisterExchange { .. } | Self::PollBroadcast { .. } => {
                Permission::RegisterMessages
            }
            Self::PutTemplate { .. } | Self::RemoveTemplate { .. } => Permission::WriteTemplates,
            Self::Erase { .. } => Permission::Erase,
            Self::CreateToken(_) | Self::RevokeToken { .. } | Self::RotateKey => {
                Permission::ManageTokens
            }
        }
    }
}

/// A name that people give: of a subscriber, an owner, a token.
fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        let what = field.trim_start_matches('/');
        // A URL in the wrong place may be a chat's, with which anyone can post there.
        let given = match name {
            url if url.contains("://") => String::new(),
            name => format!(" {}", quoted(name)),
        };
        let detail = format!("{what}{given}: use 1 to 64 of a-z, 0-9 and '-'");
        return Err(Fault::new(field, detail));
    }
    Ok(())
}

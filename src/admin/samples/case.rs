//! Which samples a request means, and whether a report can be so. A field that is left out is
//! chosen to fit; a wrong one is refused by its name.

use serde::{Deserialize, Serialize};

use super::super::{Failure, Fault, Operations};
use crate::access::Caller;
use crate::catalogue::{self, CatalogueEntry};
use crate::config::Source;
use crate::model::{
    MessageType, Status, Subscriber, SubscriberKind, Word as _, digits, is_phone_number, quoted,
};
use crate::providers::{Hints, Provider};

/// What a sample comes from where no source fits.
const NO_SOURCE: &str = "sample";
/// The recipient and the sender of a sample, where no field names one: numbers without an owner.
const RECIPIENT: &str = "15550100001";
const SENDER: &str = "15550100000";
/// So many of the errors that a word may mean are named.
const NAMED: usize = 6;

/// A sample as it is requested; a field that is left out is chosen to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Its status; one sample of each when neither this nor `error` is there.
    #[serde(default)]
    pub status: Option<Status>,
    /// Why it failed: a code (131026), a key of the catalogue (infobip:7008) or the provider's name
    /// for it (`EC_INVALID_TEMPLATE_ARGS`).
    #[serde(default)]
    #[schema(example = "131026")]
    pub error: Option<String>,
    /// The source it would have come by; one that fits when left out.
    #[serde(default)]
    pub source: Option<String>,
    /// Who would have reported it, where that is to be none of the sources: a provider that sends
    /// webhooks, such as `meta-cloud` or `infobip`.
    #[serde(default)]
    pub provider: Option<String>,
    /// The type of the message; as the source has it when left out.
    #[serde(default, rename = "type")]
    pub message_type: Option<MessageType>,
    /// Whom the message was for, a phone number.
    #[serde(default)]
    #[schema(example = "+15550100001")]
    pub recipient: Option<String>,
}

/// A sample that can be, ready to be rendered.
#[derive(Debug, Clone)]
pub(super) struct SampleCase {
    pub(super) status: Status,
    pub(super) error: Option<&'static CatalogueEntry>,
    pub(super) origin: SampleSource,
    /// As it was requested.
    pub(super) message_type: Option<MessageType>,
    /// Digits only.
    pub(super) recipient: String,
}

/// Where it would have come from.
#[derive(Debug, Clone)]
pub(super) struct SampleSource {
    pub(super) source: String,
    pub(super) provider: Provider,
    pub(super) default_type: MessageType,
    /// Digits only.
    pub(super) sender: String,
    /// As the source is configured.
    pub(super) default_sender: Option<String>,
    pub(super) hints: Hints,
}

impl Operations {
    /// The samples that are requested, each of which can be.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with what cannot be.
    pub(super) fn settle(
        &self,
        caller: &Caller,
        subscriber: &Subscriber,
        sample: &Sample,
    ) -> Result<Vec<SampleCase>, Failure> {
        let statuses = statuses(subscriber.kind, sample)?;
        let recipient = recipient(sample.recipient.as_deref())?;
        let named = self.named_origin(caller, sample)?;
        let provider = match (&named, &sample.provider) {
            (Some(source), _) => Some(source.provider),
            (None, Some(word)) => Some(named_provider(word)?),
            (None, None) => None,
        };
        let error = sample.error.as_deref();
        let error = error.map(|term| find(term, provider)).transpose()?;
        let errors = error.map(|entry| entry.provider);
        let source = named.or_else(|| {
            // Of a provider that was named alone, the sources are not meant.
            let any = sample.provider.is_none();
            any.then(|| self.fitting_source(caller, subscriber, errors))?
        });
        let origin = origin(source, provider, errors, subscriber);
        if let Some(entry) = error
            && entry.provider != origin.provider.errors()
        {
            return Err(foreign(entry, &origin));
        }
        let case = |status| SampleCase {
            status,
            error: (status == Status::Failed)
                .then(|| error.or_else(|| usual_failure(origin.provider)))
                .flatten(),
            origin: origin.clone(),
            message_type: sample.message_type,
            recipient: recipient.clone(),
        };
        Ok(statuses.into_iter().map(case).collect())
    }

    /// The source that the request names.
    fn named_origin(&self, caller: &Caller, sample: &Sample) -> Result<Option<&Source>, Failure> {
        let Some(name) = &sample.source else {
            return Ok(None);
        };
        let source = self
            .known_source(caller, name)
            .map_err(|detail| Failure::invalid("/source", detail))?;
        if source.pulled.is_some() {
            let detail = format!(
                "{name} is polled by us, in words of its own configuration: name a source that sends, or \
                 leave it out"
            );
            return Err(Failure::invalid("/source", detail));
        }
        if let Some(provider) = &sample.provider
            && provider != source.provider.as_str()
        {
            let detail = format!(
                "the source {name} is of {}: leave the provider or the source out",
                source.provider
            );
            return Err(Failure::invalid("/provider", detail));
        }
        Ok(Some(source))
    }

    /// A source that can report such an error, rather one that the subscriber wants.
    fn fitting_source(
        &self,
        caller: &Caller,
        subscriber: &Subscriber,
        errors: Option<&str>,
    ) -> Option<&Source> {
        let fits = |source: &&Source| {
            caller.sees_source(&source.name)
                && source.pulled.is_none()
                && errors.is_none_or(|errors| errors == source.provider.errors())
        };
        let wanted = &subscriber.filter.sources;
        let mut fitting = self.sources().iter().filter(fits);
        let preferred = fitting.clone().find(|source| wanted.contains(&source.name));
        preferred.or_else(|| fitting.next())
    }
}

/// Which statuses; every one that the subscriber may be notified of when the request names none.
fn statuses(kind: SubscriberKind, sample: &Sample) -> Result<Vec<Status>, Failure> {
    if kind == SubscriberKind::Events {
        // Its sample is an event, and shows as none of the statuses.
        return refuse_all(sample).map(|()| vec![Status::Failed]);
    }
    let status = match (sample.status, &sample.error) {
        (Some(status), Some(_)) if status != Status::Failed => {
            let detail = format!(
                "only a failed message has an error: write the status failed instead of {status}, \
                 or leave the error out"
            );
            return Err(Failure::invalid("/error", detail));
        }
        (None, Some(_)) => Some(Status::Failed),
        (status, _) => status,
    };
    match (kind, status) {
        (SubscriberKind::Chat, Some(status)) if status != Status::Failed => {
            let detail =
                "a chat is notified of failures alone: write failed, or leave the status out";
            Err(Failure::invalid("/status", detail))
        }
        (SubscriberKind::Chat, None) => Ok(vec![Status::Failed]),
        (_, None) => Ok(Status::ALL.to_vec()),
        (_, Some(status)) => Ok(vec![status]),
    }
}

/// An event is about no message.
fn refuse_all(sample: &Sample) -> Result<(), Failure> {
    let given = [
        ("/status", sample.status.is_some()),
        ("/error", sample.error.is_some()),
        ("/source", sample.source.is_some()),
        ("/provider", sample.provider.is_some()),
        ("/type", sample.message_type.is_some()),
        ("/recipient", sample.recipient.is_some()),
    ];
    let faults: Vec<Fault> = given
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(field, _)| Fault {
            field: field.to_owned(),
            detail: "this one is notified of events of the service, not of messages: leave it out"
                .to_owned(),
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::Invalid(faults))
    }
}

/// A provider that sends: what another answers depends on the source that polls it.
fn named_provider(word: &str) -> Result<Provider, Failure> {
    let sending = Provider::push();
    sending
        .clone()
        .find(|provider| provider.as_str() == word)
        .ok_or_else(|| {
            let known: Vec<&str> = sending.map(Provider::as_str).collect();
            let detail = format!(
                "{word} sends no webhooks: write one of {}",
                known.join(", "),
                word = quoted(word)
            );
            Failure::invalid("/provider", detail)
        })
}

fn recipient(wanted: Option<&str>) -> Result<String, Failure> {
    let wanted = wanted.unwrap_or(RECIPIENT);
    let recipient = digits(wanted);
    if is_phone_number(&recipient) {
        return Ok(recipient);
    }
    let detail = format!(
        "recipient {wanted}: write a phone number with its country code, e.g. +15550100001",
        wanted = quoted(wanted)
    );
    Err(Failure::invalid("/recipient", detail))
}

/// The one error that a person means by `term`, of that provider where one was named.
fn find(term: &str, provider: Option<Provider>) -> Result<&'static CatalogueEntry, Failure> {
    let refuse = |detail: String| Err(Failure::invalid("/error", detail));
    let mut hits = catalogue::search(term);
    if hits
        .iter()
        .any(|entry| entry.name.eq_ignore_ascii_case(term))
    {
        hits.retain(|entry| entry.name.eq_ignore_ascii_case(term));
    }
    if let Some(provider) = provider {
        let is_its = |entry: &&CatalogueEntry| entry.provider == provider.errors();
        if hits.iter().any(is_its) {
            hits.retain(is_its);
        }
    }
    match hits[..] {
        [] => refuse(format!(
            "the catalogue knows no error {term}: write a code (131026), a key (infobip:7008) or \
             a name that `tickrelay explain` and /api/v1/errors find",
            term = quoted(term)
        )),
        [entry] => Ok(entry),
        _ => {
            let more = if hits.len() > NAMED { ", …" } else { "" };
            let keys: Vec<&str> = hits.iter().take(NAMED).map(|it| it.key.as_str()).collect();
            let keys = keys.join(", ");
            refuse(format!(
                "error {term} may be any of {keys}{more}: write one of them",
                term = quoted(term)
            ))
        }
    }
}

fn foreign(entry: &CatalogueEntry, origin: &SampleSource) -> Failure {
    let detail = format!(
        "{} is no error of {}, which {} is: leave out where it comes from, or name another",
        entry.key, origin.provider, origin.source
    );
    Failure::invalid("/error", detail)
}

/// The failure of a sample whose request names no error.
fn usual_failure(provider: Provider) -> Option<&'static CatalogueEntry> {
    catalogue::find(provider.definition().samples.frequent.first()?)
}

fn origin(
    source: Option<&Source>,
    provider: Option<Provider>,
    errors: Option<&str>,
    subscriber: &Subscriber,
) -> SampleSource {
    let sender = subscriber.filter.senders.first();
    let sender = |own: Option<&String>| digits(own.or(sender).map_or(SENDER, String::as_str));
    if let Some(source) = source {
        return SampleSource {
            source: source.name.clone(),
            provider: source.provider,
            default_type: source.default_type,
            sender: sender(source.sender.as_ref().or(source.senders.first())),
            default_sender: source.sender.clone(),
            hints: source.hints(),
        };
    }
    let mut providers = Provider::push();
    let provider = provider
        .or_else(|| providers.find(|it| errors.is_none_or(|errors| errors == it.errors())))
        .unwrap_or(Provider::USUAL);
    let sender = sender(None);
    SampleSource {
        source: NO_SOURCE.to_owned(),
        provider,
        default_type: MessageType::Template,
        default_sender: Some(sender.clone()),
        hints: Hints {
            senders: vec![sender.clone()],
            ..Hints::default()
        },
        sender,
    }
}

//! Registering what was sent: what each field must be, and whose message it may be.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::Note;
use super::limits::{LONGEST_NAME, limit};
use super::operation::By;
use super::polls::made_id;
use super::receipt::Receipt;
use super::templates::wrong_language;
use super::{Failure, Fault, Operation, Operations, json};
use crate::access::{Caller, Permission};
use crate::config::Source;
use crate::model::{
    FilledTemplate, MessageType, NUL_CHARACTER, Parameters, Registration, SendResult, WHATSAPP,
    read_time, read_ttl, replace_nul,
};
use crate::providers::Sent;
use crate::store::{Registered, Registering, Registrations};

/// Messages that are registered in one commit; webhooks wait meanwhile.
const AT_ONCE: usize = 256;

/// A message that was sent, in the payload's own keys.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SentMessage {
    /// The source that its reports come by.
    #[schema(example = "infobip")]
    pub source: String,
    /// The provider's id of the message. Left out for a source of Botsquad's, which gives none:
    /// it is made of `broadcastId` and `mobileNo`.
    #[serde(default)]
    #[schema(example = "wa-7f31-0001", min_length = 1, max_length = 512)]
    pub ms_id: Option<String>,
    /// Its text; rendered from the template when left out.
    #[serde(default)]
    pub message: Option<String>,
    /// Template or regular; a template when `template` is there.
    #[serde(default, rename = "type")]
    pub message_type: Option<MessageType>,
    /// The recipient's number.
    #[serde(default)]
    #[schema(example = "+385990001122")]
    pub mobile_no: Option<String>,
    /// The business's number.
    #[serde(default, rename = "connectedWhatsAppNo")]
    #[schema(example = "+385910009999")]
    pub connected_whatsapp_no: Option<String>,
    /// The channel it was sent by: WhatsApp, also when left out. Messages of any other are refused.
    #[serde(default)]
    #[schema(example = "whatsapp")]
    pub channel: Option<String>,
    /// When it was sent, as in 2026-02-11T08:15:32Z; now when left out.
    #[serde(default)]
    #[schema(example = "2026-02-11T08:15:32Z")]
    pub timestamp: Option<String>,
    /// The template it was made from.
    #[serde(default, deserialize_with = "crate::model::maybe_object")]
    pub template: Option<SentTemplate>,
    /// For how long a final report may take: seconds, or as in `PT1H`. After it the message is
    /// silent.
    #[serde(default)]
    #[schema(value_type = Option<Ttl>)]
    pub ttl: Option<Value>,
    /// The broadcast it belongs to; `bulkId` says the same.
    #[serde(default, alias = "bulkId")]
    pub broadcast_id: Option<String>,
    /// Whatever you want to find with it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Map<String, Value>>,
}

/// For how long a final report may take: seconds, or an ISO 8601 duration.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(
    untagged,
    expecting = "write whole seconds, or a duration as in \"P4D\" or \"PT1H\""
)]
pub enum Ttl {
    /// Seconds.
    Seconds(u32),
    /// As in `P4D` or `PT1H`.
    Duration(String),
}

/// A template as a message was made from it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentTemplate {
    /// Its name.
    #[schema(example = "order_update", min_length = 1)]
    pub name: String,
    /// The code of its language.
    #[serde(default)]
    #[schema(example = "en")]
    pub language: Option<String>,
    /// What its placeholders stand for: a list for `{{1}}`, an object for `{{name}}`.
    #[serde(default)]
    pub parameters: Parameters,
}

/// The provider's id of a message, where it could be read, and what is to be registered.
pub(super) type ReadRegistration = (Option<String>, Result<Registering, Vec<Fault>>);

/// Register messages that were sent.
#[derive(Debug, Clone)]
pub struct RegisterMessages {
    /// Each the JSON text of a [`SentMessage`]; one that cannot be as it is costs no other.
    pub messages: Vec<String>,
}

impl Operation for RegisterMessages {
    /// What came of each message, in their order.
    type Answer = Vec<Receipt>;
    const NEEDS: Permission = Permission::RegisterMessages;

    // What was sent is data, and may come by the thousand: it is kept with its owner.
    fn note(&self) -> Option<Note> {
        None
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Vec<Receipt>, Failure> {
        let caller = &by.caller;
        let mut forbidden = 0;
        let read = self.messages.into_iter().map(|text| {
            let json::Read { value, faults } = json::read::<SentMessage>(text.as_bytes());
            let Some(sent) = value else {
                return (None, Err(faults));
            };
            if !faults.is_empty() {
                let others = operations.check(caller, sent).err().unwrap_or_default();
                return (None, Err(json::merged(faults, others)));
            }
            let id = sent.ms_id.clone();
            let source = operations.source_for(caller, &sent.source);
            if let Some(Err(why)) = source.map(|source| caller.allow_at(&source.name)) {
                forbidden += 1;
                return (id, Err(vec![Fault::new("/source", why)]));
            }
            match operations.check(caller, sent) {
                Ok(registering) => (registering.provider_message_id.clone(), Ok(registering)),
                Err(faults) => (id, Err(faults)),
            }
        });
        let read: Vec<ReadRegistration> = read.collect();
        match read.first() {
            // Nothing of it is for this token.
            Some((_, Err(faults))) if forbidden == read.len() => {
                Err(Failure::Forbidden(Fault::sentence(faults)))
            }
            _ => operations.begin(by, operations.register_all(read)).await,
        }
    }
}

impl Operations {
    pub(super) async fn register_all(
        &self,
        read: Vec<ReadRegistration>,
    ) -> Result<Vec<Receipt>, Failure> {
        let total = read.len();
        let mut receipts = Vec::with_capacity(total);
        let mut read = read.into_iter().peekable();
        while read.peek().is_some() {
            let mut step = Vec::new();
            let first = receipts.len();
            for (provider_message_id, registering) in read.by_ref().take(AT_ONCE) {
                let outcome = registering.map(|registering| {
                    step.push(registering);
                    Registered::Created
                });
                receipts.push(Receipt::new(provider_message_id, outcome));
            }
            if step.is_empty() {
                continue;
            }
            let answers = self
                .store
                .commit(Registrations { messages: step })
                .await
                .map_err(|error| {
                    Failure::from(error).after(format_args!(
                    "{first} of {total} messages were dealt with; sending all again does no harm"
                ))
                })?;
            let mut answers = answers.into_iter();
            for receipt in &mut receipts[first..] {
                if receipt.outcome.is_ok()
                    && let Some(answer) = answers.next()
                {
                    receipt.take(answer);
                }
            }
        }
        let refused = receipts.iter().filter(|receipt| receipt.outcome.is_err());
        let (count, refused) = (receipts.len(), refused.count());
        tracing::info!(messages = count - refused, refused, "messages.registered");
        Ok(receipts)
    }

    /// The source of that name, if the caller sees it.
    pub(super) fn source_for(&self, caller: &Caller, name: &str) -> Option<&Source> {
        let mut sources = self.sources.iter();
        let found = sources.find(|source| source.name == name);
        found.filter(|source| caller.sees_source(&source.name))
    }

    fn check(&self, caller: &Caller, sent: SentMessage) -> Result<Registering, Vec<Fault>> {
        let mut faults = Vec::new();
        let source = self
            .known_source(caller, &sent.source)
            .map_err(|detail| faults.push(Fault::new("/source", detail)))
            .ok();
        let provider = source.map(|source| source.provider);
        let pull = provider.and_then(|provider| Some((provider, provider.definition().pull?)));
        let ms_id = sent.ms_id.as_deref();
        let (broadcast, number) = (sent.broadcast_id.as_deref(), sent.mobile_no.as_deref());
        let id = match pull {
            Some(pull) => made_id(pull, broadcast, number, ms_id),
            None => given_id(ms_id),
        };
        let id = id.map_err(|fault| faults.push(fault)).unwrap_or_default();
        faults.extend(other_channel(sent.channel.as_deref()));
        let sent_ms = sent.timestamp.as_deref().and_then(read_time);
        if sent.timestamp.is_some() && sent_ms.is_none() {
            let detail = "write the time as in 2026-02-11T08:15:32Z".to_owned();
            faults.push(Fault::new("/timestamp", detail));
        }
        let ttl_s = sent.ttl.as_ref().and_then(read_ttl);
        if sent.ttl.is_some() && ttl_s.is_none() {
            let detail = "write seconds, or a duration as in PT1H".to_owned();
            faults.push(Fault::new("/ttl", detail));
        }
        let metadata = sent
            .metadata
            .map(|metadata| Value::Object(metadata).to_string());
        let registration = Registration {
            text: sent.message,
            message_type: sent.message_type,
            is_direct_send: false,
            recipient: sent.mobile_no,
            user_id: None,
            sender: sent.connected_whatsapp_no,
            template: sent.template.map(|template| FilledTemplate {
                name: template.name,
                language: template.language,
                parameters: template.parameters,
            }),
            broadcast: sent.broadcast_id,
            sent_ms,
            ttl_s,
            metadata,
        };
        let limits = limit(&registration, str::to_owned);
        faults.extend(limits.err().into_iter().flatten());
        faults.extend(wrong_language(&registration));
        match source {
            Some(source) if faults.is_empty() => {
                let sent = Sent {
                    id: Some(id),
                    registration,
                    result: SendResult::Accepted,
                };
                Ok(registering(source, caller, sent, String::new()))
            }
            _ => Err(faults),
        }
    }
}

/// Fault of a message that went by another channel than WhatsApp.
fn other_channel(channel: Option<&str>) -> Option<Fault> {
    let channel = channel.filter(|channel| !channel.trim().eq_ignore_ascii_case(WHATSAPP))?;
    let channel: String = channel.chars().take(32).collect();
    let detail = format!(
        "channel {channel:?}: only messages of WhatsApp are registered, leave this one out"
    );
    Some(Fault::new("/channel", detail))
}

/// What is to be registered of a message; `element` identifies it where it has no id.
pub(super) fn registering(
    source: &Source,
    caller: &Caller,
    mut sent: Sent,
    element: String,
) -> Registering {
    let in_id = sent.id.as_mut().is_some_and(replace_nul);
    let has_nul = in_id | sent.registration.replace_nul() | sent.result.replace_nul();
    Registering {
        oddities: Vec::from_iter(has_nul.then_some(NUL_CHARACTER)),
        source: Arc::from(source.name.as_str()),
        provider: source.provider,
        default_type: source.default_type,
        default_sender: source.sender.clone(),
        element,
        provider_message_id: sent.id,
        registration: sent.registration.with_type(),
        result: sent.result,
        received_ms: None,
        owner: caller.owner.clone(),
        owners: source.owners.clone(),
    }
}

/// The provider's id.
fn given_id(id: Option<&str>) -> Result<String, Fault> {
    let id = id.unwrap_or_default();
    if (1..=LONGEST_NAME).contains(&id.len()) {
        return Ok(id.to_owned());
    }
    let detail = format!("msId has 1 to {LONGEST_NAME} bytes: the provider's id");
    Err(Fault::new("/msId", detail))
}

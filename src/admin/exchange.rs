//! Registering what was sent by the provider's own words: a send request and the answer to it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::audit::Note;
use super::limits::{LONGEST_NAME, limit};
use super::operation::By;
use super::polls::check_id;
use super::register::registering;
use super::{Failure, Operation, Operations, Receipt};
use crate::access::Permission;
use crate::model::Fault;
use crate::providers::Exchange;

/// A send request and the provider's response to it, as they went over the wire.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentExchange {
    /// The body that was sent to the provider.
    #[schema(value_type = Object)]
    pub request: Value,
    /// The body that the provider answered with: an object, the text of what is no JSON, or
    /// nothing when there was none.
    #[serde(default)]
    pub response: Value,
    /// The HTTP status of the answer. From 400 on the send was refused; where it is left out, an
    /// error in the answer says so.
    #[serde(default)]
    #[schema(minimum = 100, maximum = 599, example = 400)]
    pub http_status: Option<u16>,
}

impl SentExchange {
    /// What identifies the exchange; the order of members and blanks do not count.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for body in [&self.request, &self.response] {
            let text = body.to_string();
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        // Of an answer that says nothing itself, the status alone is left to identify it.
        if !self.response.is_object() {
            hash.update(self.http_status.unwrap_or_default().to_le_bytes());
        }
        hex::encode(hash.finalize())
    }
}

/// Register messages that were sent, in the provider's own words.
#[derive(Debug, Clone)]
pub struct RegisterExchange {
    /// The source that reports of them come by.
    pub source: String,
    /// The request to the provider, and its answer.
    pub exchange: SentExchange,
}

impl Operation for RegisterExchange {
    /// What came of each message.
    type Answer = Vec<Receipt>;
    const NEEDS: Permission = Permission::RegisterMessages;

    // What was sent is data, and may come by the thousand: it is kept with its owner.
    fn note(&self) -> Option<Note> {
        None
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Vec<Receipt>, Failure> {
        let (caller, Self { source, exchange }) = (&by.caller, self);
        let source = operations
            .known_source(caller, &source)
            .map_err(Failure::Missing)?;
        caller.allow_at(&source.name).map_err(Failure::Forbidden)?;
        if let Some(status) = exchange.http_status
            && !(100..=599).contains(&status)
        {
            let detail = "an HTTP status is 100 to 599; leave it out where it is not known";
            return Err(Failure::invalid(
                "/http_status".to_owned(),
                detail.to_owned(),
            ));
        }
        // A log has bodies as text.
        let as_text = exchange.response.as_str();
        let read = as_text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let read = read.filter(Value::is_object);
        let sent = source
            .provider
            .read_sent(
                Exchange {
                    request: &exchange.request,
                    response: read.as_ref().unwrap_or(&exchange.response),
                    http_status: exchange.http_status,
                },
                &source.hints(),
            )
            .map_err(|fault| Failure::invalid(fault.field, fault.detail))?;
        let first = sent.iter().find_map(|sent| sent.as_ref().ok());
        if let (Some(_), Some(first)) = (&source.pulled, first)
            && !first.result.is_refused()
        {
            let broadcast = first.registration.broadcast.as_deref();
            check_id("/response/id", broadcast.unwrap_or_default())?;
        }
        let fingerprint = exchange.fingerprint();
        let read = sent.into_iter().enumerate().map(|(place, sent)| {
            let sent = match sent {
                Ok(sent) => sent,
                Err(wrong) => return (None, Err(vec![Fault::new(wrong.field, wrong.detail)])),
            };
            let id = sent.id.clone();
            if id.as_ref().is_some_and(|id| id.len() > LONGEST_NAME) {
                let detail = format!("an id has 1 to {LONGEST_NAME} bytes");
                return (None, Err(vec![Fault::new("/response", detail)]));
            }
            let limits = limit(&sent.registration, |field| match field {
                "/ttl" => "/request/ttl".to_owned(),
                _ => "/request".to_owned(),
            });
            let element = format!("{fingerprint}:{place}");
            (
                id,
                limits.map(|()| registering(source, caller, sent, element)),
            )
        });
        let read = read.collect();
        operations.begin(by, operations.register_all(read)).await
    }
}

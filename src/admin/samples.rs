//! `subscriber test`: what a provider would have caused, rendered, signed and sent as a real
//! report would be, and everything that went over the wire.

mod case;
mod rendered;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::{NoContext, Timestamp, Uuid};

use super::audit::Note;
use super::operation::By;
use super::{Failure, Operation, Operations};
use crate::access::Permission;
use crate::forward::envelope::Envelope;
use crate::forward::sender::AttemptRequest;
use crate::model::{
    Headers, SecretText, SigningSecret, SkipReason, Status, Subscriber, SubscriberKind, Word as _,
};
use crate::store::Outbound;
use crate::store::query::OutboundQuery;
use case::SampleCase;
use rendered::Rendered;

pub use case::Sample;

/// What the subscriber answered to the samples.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tested {
    /// Whether it accepted every sample.
    pub accepted: bool,
    /// Each sample with its answer.
    pub samples: Vec<SampleAnswer>,
}

/// One sample and its answer.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SampleAnswer {
    /// The sample's status; null for an event of the service.
    pub status: Option<Status>,
    /// The catalogue's key of its error; null unless it failed.
    pub error_key: Option<String>,
    /// The source it would have come by, `sample` where it is none of the configuration's; null for
    /// an event of the service.
    pub source: Option<String>,
    /// Who would have reported it.
    pub provider: Option<String>,
    /// Why the subscriber would not have been notified of such a report; null when it would. The
    /// sample was sent all the same.
    pub skip_reason: Option<SkipReason>,
    /// What was sent.
    pub request: SampleRequest,
    /// The text that the signatures are over: `{webhook-id}.{webhook-timestamp}.{body}`.
    pub signed: String,
    /// What was answered; null when there was no answer.
    pub response: Option<SampleResponse>,
    /// Why it was not accepted; null when it was.
    pub error: Option<String>,
    /// What went wrong, in words.
    pub detail: String,
    /// How long the exchange took, ms.
    pub duration_ms: u32,
}

/// A sample as it went over the wire.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SampleRequest {
    /// `POST`.
    pub method: String,
    /// Where it went; of a chat only the beginning.
    pub url: String,
    /// Every header; what the subscriber has of its own shows as `[redacted]`.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub body: String,
}

/// The answer to a sample.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SampleResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers of interest.
    pub headers: BTreeMap<String, String>,
    /// The first 2 KiB of the body.
    pub body: String,
}

/// What all samples of a test have in common.
struct SampleRun<'a> {
    subscriber: &'a Subscriber,
    /// Where it is sent to; the subscriber's own has of a chat's only the beginning.
    url: SecretText,
    secrets: Vec<SigningSecret>,
    own: Arc<Headers>,
    /// Those that something was sent with before.
    former: Vec<Arc<Headers>>,
    /// The provider's id of the message that they are about.
    message: String,
}

/// Send a subscriber what a provider's report would have caused.
///
/// The samples are sent one after the other, whatever the subscriber's filter wants; they are not
/// stored, and not tried again.
#[derive(Debug, Clone)]
pub struct TestSubscriber {
    /// Its name.
    pub name: String,
    /// Which. Where no report can be as it says, [`Failure::Invalid`], and nothing is sent.
    pub sample: Sample,
}

impl Operation for TestSubscriber {
    type Answer = Tested;
    const NEEDS: Permission = Permission::WriteSubscribers;

    fn note(&self) -> Option<Note> {
        // The audit must not name the recipient.
        let (status, error) = (self.sample.status, &self.sample.error);
        let note = Note::of_subscriber("tested", &self.name).of_work("test");
        Some(note.with(json!({ "status": status, "error": error })))
    }

    fn noted(note: Note, tested: &Tested) -> Option<Note> {
        Some(note.and("accepted", json!(tested.accepted)))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<Tested, Failure> {
        let Self { name, sample } = self;
        let subscriber = operations.subscriber_of(&by.caller, &name)?;
        let cases = operations.settle(&by.caller, &subscriber, &sample)?;
        let outbound = OutboundQuery {
            subscriber_id: subscriber.id,
        };
        let Outbound {
            url,
            secrets,
            headers,
        } = operations.store.read(outbound).await?;
        if secrets.is_empty() {
            return Err(Failure::Conflict(format!(
                "{name} has no secret to sign with: rotate-secret gives it one"
            )));
        }
        let own = Arc::new(headers);
        let known = operations.sender.own_headers().of(subscriber.id);
        let test = SampleRun {
            url,
            former: known.with(&own),
            own,
            secrets: secrets.into_iter().map(|secret| secret.secret).collect(),
            message: format!("tickrelay-sample-{}", fresh_id(operations.clock.now_ms())),
            subscriber: &subscriber,
        };
        let now_ms = operations.clock.now_ms();
        let render = |case: SampleCase| {
            let rendered = rendered::render(&subscriber, &case, &test.message, now_ms)?;
            Ok((case, rendered))
        };
        // All of them before the first is sent: what is refused sent nothing.
        let cases: Vec<(SampleCase, Rendered)> = cases
            .into_iter()
            .map(render)
            .collect::<Result<_, Failure>>()?;
        operations
            .begin(by, async {
                let mut samples = Vec::with_capacity(cases.len());
                for (case, rendered) in cases {
                    samples.push(operations.send_sample(&test, &case, rendered).await);
                }
                Ok(Tested {
                    accepted: samples.iter().all(|sample| sample.error.is_none()),
                    samples,
                })
            })
            .await
    }
}

impl Operations {
    async fn send_sample(
        &self,
        test: &SampleRun<'_>,
        case: &SampleCase,
        Rendered {
            payload,
            skip_reason,
        }: Rendered,
    ) -> SampleAnswer {
        let (subscriber, now_ms) = (test.subscriber, self.clock.now_ms());
        let payload = Bytes::from(payload);
        let envelope = Envelope::seal(&test.secrets, fresh_id(now_ms), now_ms, &payload);
        let headers = envelope.headers();
        let target = self.sender.guard().target(test.url.expose());
        let request = AttemptRequest {
            target: target.as_ref(),
            headers: &headers,
            own_headers: &test.own,
            former_headers: &test.former,
            is_url_secret: subscriber.kind == SubscriberKind::Chat,
            body: &payload,
            now_ms,
            timeout: subscriber.timeout(),
        };
        let mut answered = Vec::new();
        let outcome = self.sender.send_and_show(&request, &mut answered).await;
        let headers = self.sender.headers_sent(&request);
        let body = String::from_utf8_lossy(&payload).into_owned();
        let of_message = (subscriber.kind != SubscriberKind::Events).then_some(case);
        SampleAnswer {
            status: of_message.map(|case| case.status),
            error_key: of_message.and_then(|case| Some(case.error?.key.clone())),
            source: of_message.map(|case| case.origin.source.clone()),
            provider: of_message.map(|case| case.origin.provider.to_string()),
            skip_reason,
            signed: envelope.signed(&body),
            request: SampleRequest {
                method: "POST".to_owned(),
                url: subscriber.url.clone(),
                headers,
                body,
            },
            response: outcome.http_status.map(|status| SampleResponse {
                status,
                headers: answered.into_iter().collect(),
                body: outcome.excerpt,
            }),
            error: outcome.error.map(|code| code.as_str().to_owned()),
            detail: outcome.detail,
            duration_ms: outcome.duration_ms,
        }
    }
}

fn fresh_id(now_ms: i64) -> String {
    let seconds = u64::try_from(now_ms / 1000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)).to_string()
}

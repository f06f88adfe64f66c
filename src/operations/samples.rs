//! `subscriber test`: what a provider would have caused, rendered, signed and sent as a real
//! report would be, and everything that went over the wire.

mod asked;
mod rendered;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Failure, Operations};
use crate::access::Caller;
use crate::forward::envelope::{Envelope, SigningSecret};
use crate::forward::sender::Request;
use crate::model::{Headers, Refusal, Status, Subscriber, SubscriberKind};
use asked::Case;
use rendered::Rendered;

pub use asked::Sample;

/// What the subscriber answered to the samples.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tested {
    /// Whether it took every sample.
    pub taken: bool,
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
    /// Why the subscriber would not have been told of such a report; null when it would. The sample
    /// was sent all the same.
    pub refusal: Option<Refusal>,
    /// What was sent.
    pub request: SampleRequest,
    /// The text that the signatures are over: `{webhook-id}.{webhook-timestamp}.{body}`.
    pub signed: String,
    /// What was answered; null when there was no answer.
    pub response: Option<SampleResponse>,
    /// Why it was not taken; null when it was.
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
    /// Where it went.
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
    /// Those headers that tell something.
    pub headers: BTreeMap<String, String>,
    /// The first 2 KiB of the body.
    pub body: String,
}

/// What all samples of a test have in common.
struct Test<'a> {
    subscriber: &'a Subscriber,
    secrets: Vec<SigningSecret>,
    own: Headers,
    /// The provider's id of the message that they are about.
    message: String,
}

impl Operations {
    /// Sends the samples one after the other, whatever the subscriber's filter wants; they
    /// are not stored, and not tried again.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when no report can be as it is asked; then nothing was sent.
    pub(super) async fn test_subscriber(
        &self,
        caller: &Caller,
        name: &str,
        asked: &Sample,
    ) -> Result<Tested, Failure> {
        let subscriber = self.subscriber_of(caller, name)?;
        let cases = self.settle(caller, &subscriber, asked)?;
        let secrets = self.store.signing_secrets(subscriber.id)?.into_iter();
        let test = Test {
            secrets: secrets.map(|secret| secret.secret).collect(),
            own: self.store.own_headers(subscriber.id)?,
            message: format!("tickrelay-sample-{}", fresh_id(self.clock.now_ms())),
            subscriber: &subscriber,
        };
        let mut samples = Vec::with_capacity(cases.len());
        for case in cases {
            samples.push(self.send_sample(&test, &case).await?);
        }
        Ok(Tested {
            taken: samples.iter().all(|sample| sample.error.is_none()),
            samples,
        })
    }

    async fn send_sample(&self, test: &Test<'_>, case: &Case) -> Result<SampleAnswer, Failure> {
        let (subscriber, now_ms) = (test.subscriber, self.clock.now_ms());
        let Rendered { payload, refusal } =
            rendered::render(subscriber, case, &test.message, now_ms)?;
        let envelope = Envelope::seal(&test.secrets, fresh_id(now_ms), now_ms, &payload);
        let headers = envelope.headers();
        let target = self.sender.guard().target(&subscriber.url);
        let request = Request {
            target: target.as_ref(),
            headers: &headers,
            own_headers: &test.own,
            body: &payload,
            now_ms,
            timeout: subscriber.timeout(),
        };
        let mut answered = Vec::new();
        let outcome = self.sender.send_and_show(&request, &mut answered).await;
        let headers = self.sender.headers_sent(&request);
        let body = String::from_utf8_lossy(&payload).into_owned();
        let of_message = (subscriber.kind != SubscriberKind::Events).then_some(case);
        Ok(SampleAnswer {
            status: of_message.map(|case| case.status),
            error_key: of_message.and_then(|case| Some(case.error?.key.clone())),
            source: of_message.map(|case| case.origin.source.clone()),
            provider: of_message.map(|case| case.origin.provider.to_string()),
            refusal,
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
        })
    }
}

fn fresh_id(now_ms: i64) -> String {
    let seconds = u64::try_from(now_ms / 1000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)).to_string()
}

//! `subscriber test`: one sample of each status, signed and sent as a real one would be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Failure, Operations};
use crate::forward::envelope::Envelope;
use crate::forward::sender::Request;
use crate::model::{
    Headers, Kind, Message, MessageType, Report, ReportError, Standing, Status, Subscriber,
    SubscriberKind,
};
use crate::plan::alert::Alert;
use crate::plan::event::Event;
use crate::plan::{self, Context};

/// What the subscriber answered to one sample.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SampleAnswer {
    /// The sample's status.
    pub status: Status,
    /// The headers it was sent with; what the subscriber has of its own shows as `[redacted]`.
    pub headers: BTreeMap<String, String>,
    /// The payload that was sent.
    pub payload: String,
    /// The HTTP status, when there was an answer.
    pub http_status: Option<u16>,
    /// The error code, when it was not taken.
    pub error: Option<String>,
    /// What went wrong, in words.
    pub detail: String,
    /// The first 2 KiB of the answer to a sample that was not taken.
    pub excerpt: String,
    /// How long the exchange took, ms.
    pub duration_ms: u32,
}

impl Operations {
    /// Sends the samples one after the other, whatever the subscriber's filter wants; they
    /// are not stored, and not tried again.
    pub(super) async fn send_samples(
        &self,
        subscriber: &Subscriber,
    ) -> Result<Vec<SampleAnswer>, Failure> {
        let secrets: Vec<_> = self
            .store
            .signing_secrets(subscriber.id)?
            .into_iter()
            .map(|secret| secret.secret)
            .collect();
        let own = self.store.own_headers(subscriber.id)?;
        let target = self.sender.guard().target(&subscriber.url);
        let mut answers = Vec::new();
        // Who is told of failures alone gets a sample of one.
        let statuses: &[Status] = match subscriber.kind {
            SubscriberKind::Callback => &Status::ALL,
            SubscriberKind::Chat | SubscriberKind::Events => &[Status::Failed],
        };
        for status in statuses.iter().copied() {
            let now_ms = self.clock.now_ms();
            let payload = match subscriber.kind {
                SubscriberKind::Callback => sample(subscriber, status, now_ms),
                SubscriberKind::Chat => sample_alert(subscriber),
                SubscriberKind::Events => sample_event(now_ms),
            };
            let envelope = Envelope::seal(&secrets, sample_id(now_ms), now_ms, &payload);
            let headers = envelope.headers();
            let request = Request {
                target: target.as_ref(),
                headers: &headers,
                own_headers: &own,
                body: &payload,
                now_ms,
                timeout: subscriber.timeout(),
            };
            let outcome = self.sender.send(&request).await;
            answers.push(SampleAnswer {
                status,
                headers: shown(&headers, &own),
                payload: String::from_utf8_lossy(&payload).into_owned(),
                http_status: outcome.http_status,
                error: outcome.error.map(|code| code.as_str().to_owned()),
                detail: outcome.detail,
                excerpt: outcome.excerpt,
                duration_ms: outcome.duration_ms,
            });
        }
        Ok(answers)
    }
}

fn shown(headers: &[(&str, &str)], own: &Headers) -> BTreeMap<String, String> {
    let ours = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let own = own
        .keys()
        .map(|name| (name.clone(), "[redacted]".to_owned()));
    ours.chain(own).collect()
}

/// A payload as the plan renders it for this subscriber, its filter aside.
fn sample(subscriber: &Subscriber, status: Status, now_ms: i64) -> Vec<u8> {
    let mut report = Report::new(Kind::Status, status.as_str(), b"sample");
    report.message = Some("tickrelay-sample".to_owned());
    report.status = Some(status);
    report.time.ms = Some(now_ms);
    report.recipient = Some("15550100001".to_owned());
    report.sender = Some("15550100000".to_owned());
    if status == Status::Failed {
        report.errors.push(ReportError {
            key: "meta:131026".to_owned(),
            code: Some(131_026),
            title: Some("Message undeliverable".to_owned()),
            details: Some("A sample of a failure, sent by `tickrelay subscriber test`".to_owned()),
            href: None,
            permanent: None,
        });
    }
    let message = Message {
        text: Some("A sample sent by `tickrelay subscriber test`".to_owned()),
        ..Message::default()
    };
    let context = Context {
        source: "sample",
        default_type: MessageType::Template,
        default_sender: None,
        received_ms: now_ms,
        first_failure: None,
    };
    let mut unfiltered = subscriber.clone();
    unfiltered.filter = crate::model::Filter::default();
    let plan = plan::plan(
        &message,
        &Standing::new(),
        &report,
        context,
        &[unfiltered.into()],
    );
    plan.payloads
        .into_iter()
        .next()
        .map(|(payload, _)| payload)
        .unwrap_or_default()
}

/// An alert of the same failure.
fn sample_alert(subscriber: &Subscriber) -> Vec<u8> {
    let alert = Alert {
        subscriber: subscriber.name.clone(),
        failures: 1,
        error_key: "meta:131026".to_owned(),
        title: Some("Message undeliverable".to_owned()),
        source: Some("sample".to_owned()),
        message: Some("tickrelay-sample".to_owned()),
        recipient: Some("15550100001".to_owned()),
        message_key: None,
    };
    alert.render(&subscriber.alert)
}

/// An event that tells of nothing.
fn sample_event(now_ms: i64) -> Vec<u8> {
    let event = Event {
        name: "sample",
        subject: "",
        text: "A sample sent by `tickrelay subscriber test`",
        data: &serde_json::Map::new(),
    };
    event.render(now_ms)
}

fn sample_id(now_ms: i64) -> String {
    let seconds = u64::try_from(now_ms / 1000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)).to_string()
}

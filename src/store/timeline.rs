//! What is found of messages: their state, their reports, and what became of each forward. Plain
//! values in the words of the product, the answers of [`super::query`].

use serde::Serialize;
use uuid::Uuid;

use super::account_event::Explanation;
use crate::model::{
    AttemptKey, ErrorCode, Field, ForwardKey, ForwardState, GaveUp, Kind, MessageKey, MessageType,
    Parameters, ReportEffect, ReportKey, SkipReason, Status, SubscriberState, TypeRule, WebhookKey,
};

/// One message as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct MessageRecord {
    /// Its key in the store.
    pub message_id: MessageKey,
    /// The provider's id; `None` when the provider gave none.
    pub provider_message_id: Option<String>,
    /// The name of the source that reported it.
    pub source: String,
    /// The provider of that source.
    pub provider: String,
    /// The channel whose status it has: `whatsapp` where it is known there; `unknown` when no
    /// report names one.
    pub channel: String,
    /// Its status; `None` when nothing that was reported is a status.
    pub status: Option<Status>,
    /// Whether a delivered or read contradicts a failed of the same person.
    pub conflict: bool,
    /// Template or regular.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// What said so.
    pub type_rule: TypeRule,
    /// The recipient as received: a number, a business-scoped user id, or a group.
    pub recipient: Option<String>,
    /// The business's number as received.
    pub sender: Option<String>,
    /// The text, when it is known.
    pub text: Option<String>,
    /// The broadcast it belongs to.
    pub broadcast: Option<String>,
    /// The pricing category.
    pub category: Option<String>,
    /// When each status was first reported for, ms since 1970 UTC.
    #[serde(flatten)]
    pub times: StatusTimes,
    /// When that error was reported, ms since 1970 UTC: later than it first failed, when it failed
    /// again.
    pub error_at_ms: Option<i64>,
    /// The primary error of the latest `failed`.
    pub error: Option<ErrorRecord>,
    /// What the sender registered of it beside the fields above.
    pub registration: Option<RegistrationRecord>,
    /// When the first report of it arrived, ms since 1970 UTC.
    pub first_report_at_ms: i64,
    /// When the latest report of it arrived, ms since 1970 UTC.
    pub last_report_at_ms: i64,
}

impl MessageRecord {
    /// Whether its time to live has passed at `now_ms` without a final report.
    #[must_use]
    pub fn is_silent(&self, now_ms: i64) -> bool {
        let times = &self.times;
        let final_ms = [
            times.delivered_at_ms,
            times.read_at_ms,
            times.failed_at_ms,
            times.deleted_at_ms,
        ];
        let registration = self.registration.as_ref();
        let after_ms = registration.and_then(|registration| registration.silent_after_ms);
        after_ms.is_some_and(|ms| ms < now_ms) && final_ms.iter().all(Option::is_none)
    }
}

/// What the sender registered of a message, by a call or in an echo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegistrationRecord {
    /// How it was registered.
    pub origin: RegistrationOrigin,
    /// The owner of the token that registered it; `None` for the operator.
    pub owner: Option<String>,
    /// The template's name.
    pub template_name: Option<String>,
    /// The template's language.
    pub template_language: Option<String>,
    /// What its placeholders stood for.
    pub template_parameters: Option<Parameters>,
    /// Whatever the sender wants to find with it: a JSON object.
    pub metadata: Option<serde_json::Value>,
    /// When it was sent, ms since 1970 UTC.
    pub sent_at_ms: Option<i64>,
    /// For how long a final report may take, in seconds.
    pub ttl_s: Option<i64>,
    /// When that has passed, ms since 1970 UTC.
    pub silent_after_ms: Option<i64>,
    /// How the provider answered the send, in its own word; `refused` when it refused.
    pub send_status: Option<String>,
    /// When it was registered first, ms since 1970 UTC.
    pub registered_at_ms: i64,
}

/// How a sender registered something of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum RegistrationOrigin {
    /// By a call.
    Call,
    /// In what the provider returned with a report.
    Echo,
}

/// When each status was first reported for: the provider's time where it gave one, ms since
/// 1970 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StatusTimes {
    /// Queued.
    pub queued_at_ms: Option<i64>,
    /// Sent.
    pub sent_at_ms: Option<i64>,
    /// Delivered.
    pub delivered_at_ms: Option<i64>,
    /// Read.
    pub read_at_ms: Option<i64>,
    /// Failed.
    pub failed_at_ms: Option<i64>,
    /// Deleted.
    pub deleted_at_ms: Option<i64>,
}

/// One error as the provider stated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ErrorRecord {
    /// Joins the catalogue, as in `meta:131026`.
    pub error_key: String,
    /// The provider's number.
    pub code: Option<i64>,
    /// The provider's short name of it.
    pub title: Option<String>,
    /// The provider's longer text.
    pub details: Option<String>,
}

/// All that is known of one message.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    /// The message.
    pub message: MessageRecord,
    /// Its reports in the order of events: the provider's time, else that of arrival.
    pub reports: Vec<ReportRecord>,
}

/// One report and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ReportRecord {
    /// Its key in the store.
    pub report_id: ReportKey,
    /// The webhook that brought it first; `None` for what was registered.
    pub webhook_id: Option<WebhookKey>,
    /// What sort of statement it is.
    pub kind: Kind,
    /// The provider's own word.
    pub provider_status: String,
    /// What it means; `None` when it is none of the six statuses.
    pub status: Option<Status>,
    /// What it changed.
    pub change: ReportEffect,
    /// The provider's time as received.
    pub provider_time: Option<String>,
    /// The same, ms since 1970 UTC; `None` when missing or unusable.
    pub provider_time_ms: Option<i64>,
    /// When it arrived, ms since 1970 UTC.
    pub received_at_ms: i64,
    /// How often the provider said the same again.
    pub repeats: u32,
    /// When it last did, ms since 1970 UTC.
    pub last_repeat_ms: Option<i64>,
    /// The recipient as this report has it.
    pub recipient: Option<String>,
    /// The business-scoped user id.
    pub recipient_user_id: Option<String>,
    /// Which member of a group it is about.
    pub participant: Option<String>,
    /// That member's number where any report gives one, else one of its other names: the same for
    /// each report about the person. Filled in a timeline alone.
    #[serde(skip)]
    pub member: Option<String>,
    /// The channel it is of, in the provider's word and lower case: `whatsapp`, `sms`, …
    pub channel: String,
    /// The link of a click.
    pub url: Option<String>,
    /// Meta's webhook field that brought it first.
    pub field: Option<Field>,
    /// The template that a Direct Send became.
    pub template_id: Option<String>,
    /// What it says of the price.
    pub pricing: PricingRecord,
    /// Its errors, the primary one first.
    pub errors: Vec<ErrorRecord>,
    /// The account events that explain it, the latest first; of failures alone.
    pub explained_by: Vec<Explanation>,
    /// What was odd about it, as stable words.
    pub oddities: Vec<String>,
    /// The subscribers that it was not forwarded to. A report that changed nothing
    /// ([`ReportRecord::change`]) goes to no subscriber and names none here.
    pub skipped: Vec<SkippedRecord>,
    /// The pending forwards for it.
    pub forwards: Vec<ForwardHistory>,
}

impl ReportRecord {
    /// What it is reported for: the provider's time, else that of arrival; ms since 1970 UTC.
    #[must_use]
    pub fn at_ms(&self) -> i64 {
        self.provider_time_ms.unwrap_or(self.received_at_ms)
    }

    /// Its place among the reports of its message: what follows from a report comes after it.
    pub(super) fn order(&self) -> (i64, bool, u8) {
        let follows = self.kind == Kind::Fallback;
        let rank = self.status.map_or(u8::MAX, Status::order);
        (self.at_ms(), follows, rank)
    }
}

/// What a report says of the price of its message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PricingRecord {
    /// The category.
    pub category: Option<String>,
    /// The model: `PMP`, `CBP`, `NBP`.
    pub model: Option<String>,
    /// Regular, or why it is free.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether it is charged.
    pub billable: Option<bool>,
    /// The charge, in `currency`.
    pub price: Option<f64>,
    /// The currency of `price`.
    pub currency: Option<String>,
    /// What else the provider says of it, in its own words: a JSON object.
    pub other: Option<serde_json::Value>,
}

impl PricingRecord {
    /// Whether it is empty.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let words = [&self.category, &self.model, &self.kind, &self.currency];
        words.into_iter().all(Option::is_none)
            && self.billable.is_none()
            && self.price.is_none()
            && self.other.is_none()
    }
}

/// A subscriber that was not notified of a report.
#[derive(Debug, Clone, Serialize)]
pub struct SkippedRecord {
    /// Its name.
    pub subscriber: String,
    /// Why not.
    pub reason: SkipReason,
    /// The alert that reports it to a chat; `None` while it is gathered, and for every other reason.
    pub alert: Option<Box<ForwardRecord>>,
}

/// One forward.
#[derive(Debug, Clone, Serialize)]
pub struct ForwardRecord {
    /// Its key in the store.
    pub forward_id: ForwardKey,
    /// The `webhook-id` that the subscriber sees.
    pub uid: Uuid,
    /// The subscriber's name.
    pub subscriber: String,
    /// Whether the subscriber is sent to; what is pending waits until it is.
    pub subscriber_state: SubscriberState,
    /// Since when every attempt at the subscriber failed, ms since 1970 UTC; what is due then
    /// waits until a probe is answered.
    pub subscriber_failing_since_ms: Option<i64>,
    /// Whether the subscriber was removed.
    pub subscriber_removed: bool,
    /// The message it is about, by its key; `None` for an event of the service.
    pub message_id: Option<MessageKey>,
    /// The message by the provider's id.
    pub provider_message_id: Option<String>,
    /// The message's recipient.
    pub recipient: Option<String>,
    /// The report it passes on, by its key; `None` for an event of the service.
    pub report_id: Option<ReportKey>,
    /// The status it reports; `None` when the report was pruned.
    pub status: Option<Status>,
    /// Where it stands.
    pub state: ForwardState,
    /// Why it was given up.
    pub gave_up: Option<GaveUp>,
    /// Attempts used up since it is queued; extra ones (a breaker's probe, a turn ahead of a
    /// later status) use up none.
    pub attempts: u32,
    /// Since when it is pending, ms since 1970 UTC.
    pub pending_since_ms: i64,
    /// When it is to be tried (again) while pending, ms since 1970 UTC.
    pub due_at_ms: i64,
    /// When it was last tried, ms since 1970 UTC.
    pub last_attempt_ms: Option<i64>,
    /// When it ended, ms since 1970 UTC.
    pub settled_at_ms: Option<i64>,
    /// Why the last attempt failed.
    pub last_error: Option<ErrorCode>,
    /// How many failures it reports, where it is an alert in a chat.
    pub alert_failures: Option<u64>,
}

/// A forward with its attempts.
#[derive(Debug, Clone, Serialize)]
pub struct ForwardHistory {
    /// The forward.
    #[serde(flatten)]
    pub forward: ForwardRecord,
    /// Its attempts, the first one first; old ones are pruned.
    pub history: Vec<AttemptRecord>,
}

/// A forward with all there is to it.
#[derive(Debug, Clone, Serialize)]
pub struct ForwardDetail {
    /// The forward and its attempts.
    #[serde(flatten)]
    pub forward: ForwardHistory,
    /// The `webhook-id`s that it had before it was sent again with a new one, the first one first.
    pub former_uids: Vec<Uuid>,
    /// Where the subscriber is today; of a chat only the beginning.
    pub url: String,
    /// The JSON text that is sent on each attempt.
    pub payload: String,
}

/// One HTTP try.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRecord {
    /// 1 for the first; `None` for an extra one that used up none.
    pub number: Option<u32>,
    /// When it began, ms since 1970 UTC.
    pub started_at_ms: i64,
    /// How long the exchange took, ms.
    pub duration_ms: u32,
    /// The HTTP status, when there was an answer.
    pub http_status: Option<u16>,
    /// Why it failed; `None` when the subscriber took it.
    pub error_code: Option<ErrorCode>,
    /// What went wrong, in words.
    pub detail: Option<String>,
    /// The beginning of the answer's body, when it failed.
    pub excerpt: Option<String>,
}

/// One HTTP try with the forward it was about.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptAt {
    /// Its key.
    pub attempt_id: AttemptKey,
    /// The key of its forward.
    pub forward_id: ForwardKey,
    /// The `webhook-id` that the subscriber sees.
    pub uid: Uuid,
    /// The subscriber's name.
    pub subscriber: String,
    /// The try.
    #[serde(flatten)]
    pub attempt: AttemptRecord,
}

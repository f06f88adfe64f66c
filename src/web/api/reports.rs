//! One report of a message, its price, and what became of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account_events::ExplanationView;
use super::forwards::{ForwardView, HistoryView};
use super::time::Time;
use crate::catalogue;
use crate::model::{Field, Kind, ReportEffect, ReportKey, SkipReason, Status, WebhookKey};
use crate::store::timeline::{ErrorRecord, PricingRecord, ReportRecord};

/// One report of a message and what became of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Report)]
pub(crate) struct ReportView {
    /// Its key.
    #[schema(value_type = i64)]
    pub(crate) id: ReportKey,
    /// The webhook that brought it first, or that made a fallback count; null for what was
    /// registered.
    #[schema(value_type = Option<i64>)]
    pub(crate) webhook_id: Option<WebhookKey>,
    /// What sort of statement it is.
    pub(crate) kind: Kind,
    /// The provider's own word.
    pub(crate) provider_status: String,
    /// What it means; null when it is none of the six statuses.
    pub(crate) status: Option<Status>,
    /// What it changed.
    pub(crate) change: ReportEffect,
    /// The provider's time, understood; null when missing or unusable.
    pub(crate) provider_time: Option<Time>,
    /// When it arrived.
    pub(crate) received_at: Time,
    /// How often the provider said the same again.
    pub(crate) repeats: u32,
    /// When it last did.
    pub(crate) last_repeat_at: Option<Time>,
    /// The recipient as this report has it.
    pub(crate) recipient: Option<String>,
    /// Which member of a group it is about.
    pub(crate) participant: Option<String>,
    /// The same by the number or id that the member is known by.
    pub(crate) member: Option<String>,
    /// The channel it is of, in the provider's word and lower case.
    #[schema(example = "whatsapp")]
    pub(crate) channel: String,
    /// The link of a click.
    pub(crate) url: Option<String>,
    /// Meta's webhook field that brought it first: `standby` when another responder of the account
    /// sent the message; null for other providers.
    pub(crate) field: Option<Field>,
    /// The template that a Direct Send became, by Meta's id of it.
    pub(crate) template_id: Option<String>,
    /// What it says of the price; null when nothing.
    pub(crate) pricing: Option<PricingView>,
    /// Its errors, the primary one first.
    pub(crate) errors: Vec<ErrorView>,
    /// The account events that explain it, the latest first; of failures alone.
    pub(crate) explained_by: Vec<ExplanationView>,
    /// What was odd about it, as stable words.
    pub(crate) oddities: Vec<String>,
    /// The subscribers that it was not forwarded to, each with the reason.
    pub(crate) skipped: Vec<SkippedView>,
    /// The pending forwards for it.
    pub(crate) forwards: Vec<HistoryView>,
}

impl ReportView {
    /// What it is reported for: the provider's time, else that of arrival.
    pub(crate) fn at(&self) -> Time {
        self.provider_time.unwrap_or(self.received_at)
    }
}

/// What a report says of the price of its message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Pricing)]
pub(crate) struct PricingView {
    /// The category.
    #[schema(example = "utility")]
    pub(crate) category: Option<String>,
    /// The model.
    #[schema(example = "PMP")]
    pub(crate) model: Option<String>,
    /// Regular, or why it is free.
    #[serde(rename = "type")]
    #[schema(example = "free_customer_service")]
    pub(crate) kind: Option<String>,
    /// Whether it is charged.
    pub(crate) billable: Option<bool>,
    /// The charge, in `currency`.
    pub(crate) price: Option<f64>,
    /// The currency of `price`.
    pub(crate) currency: Option<String>,
    /// What else the provider says of it, in its own words.
    #[schema(value_type = Option<Object>)]
    pub(crate) other: Option<serde_json::Value>,
}

impl From<PricingRecord> for PricingView {
    fn from(record: PricingRecord) -> Self {
        Self {
            category: record.category,
            model: record.model,
            kind: record.kind,
            billable: record.billable,
            price: record.price,
            currency: record.currency,
            other: record.other,
        }
    }
}

/// An error as the provider stated it, and in plain words.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ReportedError)]
pub(crate) struct ErrorView {
    /// Its key in the catalogue.
    #[schema(example = "meta:131026")]
    pub(crate) key: String,
    /// The provider's number.
    pub(crate) code: Option<i64>,
    /// The provider's short name of it.
    pub(crate) title: Option<String>,
    /// The provider's longer text.
    pub(crate) details: Option<String>,
    /// What it means and who can fix it; null when the catalogue does not know it.
    pub(crate) explanation: Option<String>,
}

impl From<ErrorRecord> for ErrorView {
    fn from(record: ErrorRecord) -> Self {
        let entry = catalogue::find(&record.error_key);
        Self {
            explanation: entry.map(catalogue::CatalogueEntry::sentence),
            key: record.error_key,
            code: record.code,
            title: record.title,
            details: record.details,
        }
    }
}

/// A subscriber that was not notified of a report.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Skipped)]
pub(crate) struct SkippedView {
    /// Its name.
    pub(crate) subscriber: String,
    /// Why not.
    pub(crate) reason: SkipReason,
    /// The alert that reports it to a chat; null while it is gathered, and for every other reason.
    pub(crate) alert: Option<ForwardView>,
}

impl From<ReportRecord> for ReportView {
    fn from(record: ReportRecord) -> Self {
        let skipped = record.skipped.into_iter().map(|skipped| SkippedView {
            subscriber: skipped.subscriber,
            reason: skipped.reason,
            alert: skipped.alert.map(|alert| ForwardView::from(*alert)),
        });
        Self {
            id: record.report_id,
            webhook_id: record.webhook_id,
            kind: record.kind,
            provider_status: record.provider_status,
            status: record.status,
            change: record.change,
            provider_time: record.provider_time_ms.map(Time),
            received_at: Time(record.received_at_ms),
            repeats: record.repeats,
            last_repeat_at: record.last_repeat_ms.map(Time),
            recipient: record.recipient,
            participant: record.participant,
            member: record.member,
            channel: record.channel,
            url: record.url,
            field: record.field,
            template_id: record.template_id,
            pricing: Some(record.pricing)
                .filter(|pricing| !pricing.is_nothing())
                .map(PricingView::from),
            errors: record.errors.into_iter().map(ErrorView::from).collect(),
            explained_by: (record.explained_by.into_iter())
                .map(ExplanationView::from)
                .collect(),
            oddities: record.oddities,
            skipped: skipped.collect(),
            forwards: record.forwards.into_iter().map(HistoryView::from).collect(),
        }
    }
}

//! One report of a message, its price, and what became of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::account_events::ExplanationView;
use super::forwards::HistoryView;
use super::time::Time;
use crate::catalogue;
use crate::model::{Field, Kind, ReportEffect, SkipReason, Status};
use crate::store::timeline::{ErrorRecord, PricingRecord, ReportRecord};

/// One report of a message and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub(super) struct ReportView {
    /// Its key.
    id: i64,
    /// The webhook that brought it first, or that made a fallback count; null for what was
    /// registered.
    webhook_id: Option<i64>,
    /// What sort of statement it is.
    kind: Kind,
    /// The provider's own word.
    provider_status: String,
    /// What it means; null when it is none of the six statuses.
    status: Option<Status>,
    /// What it changed.
    change: ReportEffect,
    /// The provider's time, understood; null when missing or unusable.
    provider_time: Option<Time>,
    /// When it arrived.
    received_at: Time,
    /// How often the provider said the same again.
    repeats: u32,
    /// Which member of a group it is about.
    participant: Option<String>,
    /// The channel it is of, in the provider's word and lower case.
    #[schema(example = "whatsapp")]
    channel: String,
    /// The link of a click.
    url: Option<String>,
    /// Meta's webhook field that brought it first: `standby` when another responder of the account
    /// sent the message; null for other providers.
    field: Option<Field>,
    /// The template that a Direct Send became, by Meta's id of it.
    template_id: Option<String>,
    /// What it says of the price; null when nothing.
    pricing: Option<PricingView>,
    /// Its errors, the primary one first.
    errors: Vec<ErrorView>,
    /// The account events that explain it, the latest first; of failures alone.
    explained_by: Vec<ExplanationView>,
    /// What was odd about it, as stable words.
    oddities: Vec<String>,
    /// The subscribers whose filter refused it.
    refusals: Vec<RefusalView>,
    /// The pending forwards for it.
    forwards: Vec<HistoryView>,
}

/// What a report says of the price of its message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pricing)]
pub(super) struct PricingView {
    /// The category.
    #[schema(example = "utility")]
    category: Option<String>,
    /// The model.
    #[schema(example = "PMP")]
    model: Option<String>,
    /// Regular, or why it is free.
    #[serde(rename = "type")]
    #[schema(example = "free_customer_service")]
    kind: Option<String>,
    /// Whether it is charged.
    billable: Option<bool>,
    /// The charge, in `currency`.
    price: Option<f64>,
    /// The currency of `price`.
    currency: Option<String>,
    /// What else the provider says of it, in its own words.
    #[schema(value_type = Option<Object>)]
    other: Option<serde_json::Value>,
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportedError)]
pub(super) struct ErrorView {
    /// Its key in the catalogue.
    #[schema(example = "meta:131026")]
    key: String,
    /// The provider's number.
    code: Option<i64>,
    /// The provider's short name of it.
    title: Option<String>,
    /// The provider's longer text.
    details: Option<String>,
    /// What it means and who can fix it; null when the catalogue does not know it.
    explanation: Option<String>,
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refused)]
pub(super) struct RefusalView {
    /// Its name.
    subscriber: String,
    /// Which part of its filter refused.
    reason: SkipReason,
}

impl From<ReportRecord> for ReportView {
    fn from(record: ReportRecord) -> Self {
        let refusals = record.refusals.into_iter().map(|refusal| RefusalView {
            subscriber: refusal.subscriber,
            reason: refusal.reason,
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
            participant: record.participant,
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
            refusals: refusals.collect(),
            forwards: record.forwards.into_iter().map(HistoryView::from).collect(),
        }
    }
}

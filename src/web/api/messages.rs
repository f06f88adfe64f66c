//! `/messages`: what became of a message.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Segment, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::reports::{ErrorView, ReportView};
use super::time::{Time, TimeOrAge};
use super::{HandlerContext, Reply, done};
use crate::access::Caller;
use crate::model::{MessageKey, MessageType, Parameters, Status, TypeRule, Whole, quoted};
use crate::store::query::{MessageQuery, Scope, TimelineQuery};
use crate::store::timeline::{MessageRecord, RegistrationOrigin, RegistrationRecord, Timeline};
use crate::web::problem::Problem;

/// One message as it stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView {
    /// Its key.
    #[schema(value_type = i64)]
    pub(crate) id: MessageKey,
    /// The provider's id; null when it gave none.
    pub(crate) provider_message_id: Option<String>,
    /// The source that reported it.
    pub(crate) source: String,
    /// The provider of that source.
    pub(crate) provider: String,
    /// The channel whose status it has: `whatsapp` where it is known there, else the provider's
    /// word in lower case; `unknown` when no report names one.
    #[schema(example = "whatsapp")]
    pub(crate) channel: String,
    /// Its status; null when nothing that was reported is one.
    pub(crate) status: Option<Status>,
    /// Whether a delivered or read contradicts a failed of the same person.
    pub(crate) conflict: bool,
    /// Template or regular.
    #[serde(rename = "type")]
    pub(crate) message_type: MessageType,
    /// What said so.
    pub(crate) type_rule: TypeRule,
    /// The recipient as received.
    pub(crate) recipient: Option<String>,
    /// The business's number as received.
    pub(crate) sender: Option<String>,
    /// The text, when it is known.
    pub(crate) text: Option<String>,
    /// The broadcast it belongs to.
    pub(crate) broadcast: Option<String>,
    /// The pricing category.
    pub(crate) category: Option<String>,
    /// When it was first reported as queued.
    pub(crate) queued_at: Option<Time>,
    /// When it was first reported as sent.
    pub(crate) sent_at: Option<Time>,
    /// When it was first reported as delivered.
    pub(crate) delivered_at: Option<Time>,
    /// When it was first reported as read.
    pub(crate) read_at: Option<Time>,
    /// When it was first reported as failed.
    pub(crate) failed_at: Option<Time>,
    /// When its `error` was reported: later than `failed_at`, when it failed again.
    pub(crate) error_at: Option<Time>,
    /// When it was first reported as deleted.
    pub(crate) deleted_at: Option<Time>,
    /// The primary error of the latest failure.
    pub(crate) error: Option<ErrorView>,
    /// Whether its `ttl` has passed without a final report.
    pub(crate) silent: bool,
    /// What the sender registered of it beside the above; null when nothing.
    pub(crate) registration: Option<RegistrationView>,
    /// When the first report of it arrived.
    pub(crate) first_report_at: Time,
    /// When the latest report of it arrived.
    pub(crate) last_report_at: Time,
}

/// What the sender registered of a message beside what stands with it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Registration)]
pub(crate) struct RegistrationView {
    /// By a call, or in what the provider returned with a report.
    pub(crate) origin: RegistrationOrigin,
    /// The owner of the token that registered it; null for the operator.
    pub(crate) owner: Option<String>,
    /// The template it was made from.
    pub(crate) template: Option<FilledTemplateView>,
    /// Whatever the sender wants to find with it.
    #[schema(value_type = Option<Object>)]
    pub(crate) metadata: Option<serde_json::Value>,
    /// When it was sent, where the sender said so.
    pub(crate) sent_at: Option<Time>,
    /// For how long a final report may take, in seconds.
    pub(crate) ttl: Option<i64>,
    /// When that has passed.
    pub(crate) silent_after: Option<Time>,
    /// How the provider answered the send, in its own word (`accepted`,
    /// `held_for_quality_assessment`, `paused`), or `refused`; null where that is not known.
    #[schema(example = "accepted")]
    pub(crate) send_status: Option<String>,
    /// When it was registered first.
    pub(crate) registered_at: Time,
}

/// A template as a message was made from it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FilledTemplate)]
pub(crate) struct FilledTemplateView {
    /// Its name.
    pub(crate) name: String,
    /// The code of its language.
    pub(crate) language: Option<String>,
    /// What its placeholders stood for.
    pub(crate) parameters: Parameters,
}

impl From<RegistrationRecord> for RegistrationView {
    fn from(record: RegistrationRecord) -> Self {
        let (language, parameters) = (record.template_language, record.template_parameters);
        Self {
            origin: record.origin,
            owner: record.owner,
            template: record.template_name.map(|name| FilledTemplateView {
                name,
                language,
                parameters: parameters.unwrap_or_default(),
            }),
            metadata: record.metadata,
            sent_at: record.sent_at_ms.map(Time),
            ttl: record.ttl_s,
            silent_after: record.silent_after_ms.map(Time),
            send_status: record.send_status,
            registered_at: Time(record.registered_at_ms),
        }
    }
}

impl MessageView {
    /// As it stands at `now_ms`. What another owner registered beside the payload's own fields is
    /// none of the caller's business.
    pub(crate) fn new(record: MessageRecord, caller: &Caller, now_ms: i64) -> Self {
        let silent = record.is_silent(now_ms);
        let times = record.times;
        Self {
            id: record.message_id,
            provider_message_id: record.provider_message_id,
            source: record.source,
            provider: record.provider,
            channel: record.channel,
            status: record.status,
            conflict: record.conflict,
            message_type: record.message_type,
            type_rule: record.type_rule,
            recipient: record.recipient,
            sender: record.sender,
            text: record.text,
            broadcast: record.broadcast,
            category: record.category,
            queued_at: times.queued_at_ms.map(Time),
            sent_at: times.sent_at_ms.map(Time),
            delivered_at: times.delivered_at_ms.map(Time),
            read_at: times.read_at_ms.map(Time),
            failed_at: times.failed_at_ms.map(Time),
            error_at: record.error_at_ms.map(Time),
            deleted_at: times.deleted_at_ms.map(Time),
            error: record.error.map(ErrorView::from),
            silent,
            registration: record
                .registration
                .filter(|it| caller.owner.is_none() || caller.owner == it.owner)
                .map(RegistrationView::from),
            first_report_at: Time(record.first_report_at_ms),
            last_report_at: Time(record.last_report_at_ms),
        }
    }
}

/// All that is known of one message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Timeline)]
pub(crate) struct TimelineView {
    /// The message.
    pub(crate) message: MessageView,
    /// Its reports in the order of events.
    pub(crate) reports: Vec<ReportView>,
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessageListQuery {
    /// With exactly this id of the provider's.
    provider_message_id: Option<String>,
    /// To this phone number, in any spelling, or business-scoped user id. Numbers have no index:
    /// with `since` it is quick.
    recipient: Option<String>,
    /// In this status.
    #[param(inline)]
    status: Option<Status>,
    /// Of this channel: its name or its first word, `viber` for `viber_bm`; `any` is all.
    channel: Option<String>,
    /// With this error, by its key (`meta:131026`) or number (`131026`).
    error: Option<String>,
    /// Of this source.
    source: Option<String>,
    /// Of this broadcast.
    broadcast: Option<String>,
    /// First reported at or after.
    #[param(value_type = Option<String>, example = "2h")]
    since: Option<TimeOrAge>,
    /// First reported before.
    #[param(value_type = Option<String>, example = "2h")]
    until: Option<TimeOrAge>,
    /// With `true` only the silent ones: their `ttl` has passed without a final report.
    silent: Option<bool>,
    /// With `true` only those whose send itself the provider refused.
    refused: Option<bool>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Messages, the newest first. An integrator sees those that it registered or that its
/// subscribers were to be notified of.
#[utoipa::path(get, path = "/messages", tag = "messages", params(MessageListQuery),
    responses((status = 200, description = "One page.", body = Page<MessageView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<MessageListQuery>,
) -> Reply {
    let filter = ListFilter {
        source: query.source.as_deref(),
        error: query.error.as_deref(),
        recipient: query.recipient.as_deref(),
        channel: query.channel.as_deref(),
        since: query.since,
        until: query.until,
        ..ListFilter::default()
    };
    let page = ("messages", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let query = MessageQuery {
        provider_message_id: query.provider_message_id,
        recipient: query.recipient,
        status: query.status,
        channel: query.channel.map(|it| it.to_ascii_lowercase()),
        error: list.error,
        source: query.source,
        broadcast: query.broadcast,
        since_ms: list.since_ms,
        until_ms: list.until_ms,
        silent_at_ms: (query.silent == Some(true)).then_some(list.now_ms),
        refused: query.refused == Some(true),
        scope: list.scope,
        window: paging.window(),
    };
    let rows = context.read(query).await?;
    let show = |row| MessageView::new(row, &context.caller, list.now_ms);
    done(&paging.page(rows, show))
}

async fn find(context: &HandlerContext, id: String) -> Result<Timeline, Problem> {
    let scope = Scope::from(&context.caller);
    let missing = Problem::missing(format_args!("message {id}", id = quoted(&id)));
    let found = context.read(TimelineQuery { id, scope }).await?;
    found.ok_or(missing)
}

/// One message as it stands.
#[utoipa::path(get, path = "/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "The provider's id, or its key.")),
    responses((status = 200, description = "It.", body = MessageView)))]
pub(super) async fn read(context: HandlerContext, Segment(id): Segment) -> Reply {
    let now_ms = context.shared.clock.now_ms();
    let message = find(&context, id).await?.message;
    done(&MessageView::new(message, &context.caller, now_ms))
}

/// One message with its reports, and what became of each.
#[utoipa::path(get, path = "/messages/{id}/timeline", tag = "messages",
    params(("id" = String, Path, description = "The provider's id, or its key.")),
    responses((status = 200, description = "It.", body = TimelineView)))]
pub(super) async fn timeline(context: HandlerContext, Segment(id): Segment) -> Reply {
    let now_ms = context.shared.clock.now_ms();
    let timeline = find(&context, id).await?;
    done(&TimelineView {
        message: MessageView::new(timeline.message, &context.caller, now_ms),
        reports: timeline.reports.into_iter().map(ReportView::from).collect(),
    })
}

//! `/account-events`: what the providers said of the account, its templates, numbers and contacts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::UrlQuery;
use super::list::ListFilter;
use super::page::Page;
use super::time::{Time, TimeOrAge};
use super::{HandlerContext, Reply, done};
use crate::model::{About, AccountEventKey, WebhookKey, Whole};
use crate::store::account_event::{AccountEventRecord, Explanation};
use crate::store::query::AccountEventQuery;

/// A notice of a provider about the account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountEvent)]
pub(crate) struct AccountEventView {
    /// Its key.
    #[schema(value_type = i64)]
    pub(crate) id: AccountEventKey,
    /// The source that it came by.
    pub(crate) source: String,
    /// The provider of that source.
    pub(crate) provider: String,
    /// When it happened: the provider's time, else that of arrival.
    pub(crate) at: Time,
    /// The provider's time as received; null when it gave none.
    pub(crate) provider_time: Option<String>,
    /// When it first arrived.
    pub(crate) received_at: Time,
    /// The provider's field, or our name of its shape.
    #[schema(example = "message_template_status_update")]
    pub(crate) field: String,
    /// What it is about.
    pub(crate) about: About,
    /// Which of them: a template's name, a number, an account's id, a person's number or id; empty
    /// when the provider named none.
    #[schema(example = "order_update")]
    pub(crate) subject: String,
    /// The provider's own word for what happened.
    #[schema(example = "PAUSED")]
    pub(crate) event: String,
    /// Our stable name of it.
    #[schema(example = "template.paused")]
    pub(crate) name: String,
    /// What happened, in one sentence.
    #[schema(example = "Template order_update was paused by Meta.")]
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) remedy: String,
    /// What the provider adds, in its own words.
    pub(crate) detail: Option<String>,
    /// The provider's id of the template.
    pub(crate) template_id: Option<String>,
    /// The template's language.
    pub(crate) language: Option<String>,
    /// The business account.
    pub(crate) account_id: Option<String>,
    /// The person: a number's digits, else a user id.
    pub(crate) person: Option<String>,
    /// The person's user id, where the number is known too.
    pub(crate) person_user_id: Option<String>,
    /// The digits of the business's number that it is about or came by.
    pub(crate) sender: Option<String>,
    /// Meta's id of that number.
    pub(crate) sender_id: Option<String>,
    /// When it ends by itself, as a restriction may.
    pub(crate) ends_at: Option<Time>,
    /// How often it came again.
    pub(crate) repeats: u32,
    /// When it last did.
    pub(crate) last_repeat_at: Option<Time>,
    /// The webhook that brought it first.
    #[schema(value_type = i64)]
    pub(crate) webhook_id: WebhookKey,
}

impl From<AccountEventRecord> for AccountEventView {
    fn from(record: AccountEventRecord) -> Self {
        Self {
            id: record.account_event_id,
            at: Time(record.at_ms()),
            source: record.source,
            provider: record.provider,
            provider_time: record.provider_time,
            received_at: Time(record.received_at_ms),
            field: record.field,
            about: record.about,
            subject: record.subject,
            event: record.event,
            name: record.name,
            text: record.text,
            remedy: record.remedy,
            detail: record.detail,
            template_id: record.template_id,
            language: record.language,
            account_id: record.account_id,
            person: record.person,
            person_user_id: record.person_user_id,
            sender: record.sender,
            sender_id: record.sender_id,
            ends_at: record.ends_at_ms.map(Time),
            repeats: record.repeats,
            last_repeat_at: record.last_repeat_ms.map(Time),
            webhook_id: record.webhook_id,
        }
    }
}

/// An account event that explains a failure.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Explanation)]
pub(crate) struct ExplanationView {
    /// What happened, and how long before the failure.
    #[schema(example = "template order_update was paused by Meta 12 minutes before")]
    pub(crate) sentence: String,
    /// The event.
    #[serde(flatten)]
    pub(crate) event: AccountEventView,
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        Self {
            sentence: explanation.sentence,
            event: AccountEventView::from(explanation.event),
        }
    }
}

/// Which account events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountEventListQuery {
    /// Only those of this source.
    source: Option<String>,
    /// Only those of this subject: a template's name or id, an account's id, or a number or person
    /// in any spelling.
    subject: Option<String>,
    /// Only this event, by our name (`template.paused`) or the provider's word (`PAUSED`).
    event: Option<String>,
    /// Only those that happened at or after.
    #[param(value_type = Option<String>, example = "2h")]
    since: Option<TimeOrAge>,
    /// Only those that happened before.
    #[param(value_type = Option<String>, example = "2h")]
    until: Option<TimeOrAge>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Account events, the latest to arrive first.
#[utoipa::path(get, path = "/account-events", tag = "account events", params(AccountEventListQuery),
    responses((status = 200, description = "One page.", body = Page<AccountEventView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<AccountEventListQuery>,
) -> Reply {
    let filter = ListFilter {
        source: query.source.as_deref(),
        event: query.event.as_deref(),
        since: query.since,
        until: query.until,
        ..ListFilter::default()
    };
    let page = ("account-events", query.limit, query.cursor.as_deref());
    let (paging, list) = context.list(page, filter, faults).await?;
    let query = AccountEventQuery {
        source: query.source,
        subject: query.subject,
        event: query.event,
        since_ms: list.since_ms,
        until_ms: list.until_ms,
        scope: list.scope,
        window: paging.window(),
    };
    let rows = context.read(query).await?;
    done(&paging.page(rows, AccountEventView::from))
}

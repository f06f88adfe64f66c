//! `/audit`: who changed what.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::UrlQuery;
use super::list::ListFilter;
use super::page::Page;
use super::time::Time;
use super::{HandlerContext, Reply, done};
use crate::access::Role;
use crate::model::{AuditKey, Whole};
use crate::store::audit::AuditRecord;
use crate::store::query::AuditQuery;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct AuditEntryView {
    /// Its key.
    #[schema(value_type = i64)]
    id: AuditKey,
    /// When.
    at: Time,
    /// `cli`, or the token's key and name; entries of 0.1 may say `loopback`.
    #[schema(example = "token 3 (crm-team)")]
    caller: String,
    /// What the caller was.
    role: Role,
    /// What was done.
    #[schema(example = "subscriber.paused")]
    action: String,
    /// What sort of thing it was done to.
    kind: String,
    /// Which one, where it was one and is no person.
    object_id: Option<String>,
    /// More about it; never a secret.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

impl From<AuditRecord> for AuditEntryView {
    fn from(record: AuditRecord) -> Self {
        let change = record.change;
        Self {
            id: record.audit_id,
            at: Time(record.at_ms),
            caller: change.caller,
            role: change.role,
            action: change.action,
            kind: change.kind,
            object_id: change.id,
            detail: change.detail,
        }
    }
}

/// Which page of the audit.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What was changed, the newest first, by the API and by the command line.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditListQuery),
    responses((status = 200, description = "One page.", body = Page<AuditEntryView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<AuditListQuery>,
) -> Reply {
    let page = ("audit", query.limit, query.cursor.as_deref());
    let (paging, _) = context.list(page, ListFilter::default(), faults).await?;
    let window = paging.window();
    let rows = context.read(AuditQuery { window }).await?;
    done(&paging.page(rows, AuditEntryView::from))
}

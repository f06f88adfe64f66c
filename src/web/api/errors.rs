//! `/errors`: the catalogue of the providers' error codes.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Segment, UrlQuery};
use super::page::{Page, Paging};
use super::time::Time;
use super::{HandlerContext, Reply, done};
use crate::catalogue::{self, CatalogueEntry, Fix, Resend};
use crate::model::{MessageType, Whole, quoted};
use crate::store::overview::UnknownError;
use crate::store::query::UnknownErrorQuery;
use crate::web::problem::Problem;

/// What an error code means, in plain words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct CatalogueEntryView {
    /// Its key.
    #[schema(example = "meta:131026")]
    key: &'static str,
    /// meta or infobip.
    provider: &'static str,
    /// The provider's number.
    code: Option<i64>,
    /// The provider's own name for it.
    name: &'static str,
    /// What happened.
    meaning: &'static str,
    /// What to do.
    remedy: &'static str,
    /// Who can fix it.
    fixed_by: Fix,
    /// Whether sending the message again can help.
    resend: Resend,
    /// The type of message that alone can have it.
    implies_type: Option<MessageType>,
    /// The WhatsApp code nearest to another provider's error; our judgement.
    whatsapp_code: Option<i64>,
    /// Whether the provider's present documents list the code.
    confirmed: bool,
    /// The longer story.
    article: Option<&'static str>,
}

impl From<&'static CatalogueEntry> for CatalogueEntryView {
    fn from(entry: &'static CatalogueEntry) -> Self {
        Self {
            key: &entry.key,
            provider: entry.provider,
            code: entry.code,
            name: &entry.name,
            meaning: &entry.meaning,
            remedy: &entry.remedy,
            fixed_by: entry.fix,
            resend: entry.resend,
            implies_type: entry.implies,
            whatsapp_code: entry.whatsapp_code,
            confirmed: entry.confirmed,
            article: entry.article.as_deref(),
        }
    }
}

/// Which errors.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ErrorListQuery {
    /// A code, a key, a word or any words.
    search: Option<String>,
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The catalogue, or what fits a search, the best first.
#[utoipa::path(get, path = "/errors", tag = "errors", params(ErrorListQuery),
    responses((status = 200, description = "One page.", body = Page<CatalogueEntryView>)))]
pub(super) async fn list(
    _: HandlerContext,
    UrlQuery(query, mut faults): UrlQuery<ErrorListQuery>,
) -> Reply {
    let cursor = query.cursor.as_deref();
    let paging: Paging<usize> = Paging::new("errors", query.limit, cursor, &mut faults);
    faults.end()?;
    let entries = match query.search.as_deref() {
        Some(term) => catalogue::search(term),
        None => catalogue::all().iter().collect(),
    };
    done(&paging.cut(entries, CatalogueEntryView::from))
}

/// One error.
#[utoipa::path(get, path = "/errors/{key}", tag = "errors",
    params(("key" = String, Path, description = "Its key, as in `meta:131026`, or a code or name \
     that is one error's alone.")),
    responses((status = 200, description = "It.", body = CatalogueEntryView)))]
pub(super) async fn read(_: HandlerContext, Segment(key): Segment) -> Reply {
    if let Some(entry) = catalogue::find(&key).or_else(|| only(&key)) {
        return done(&CatalogueEntryView::from(entry));
    }
    Err(Problem::missing(format_args!(
        "single error {key} known; /api/v1/errors?search= finds what is like it",
        key = quoted(&key)
    )))
}

/// The only error with that code or name.
fn only(term: &str) -> Option<&'static CatalogueEntry> {
    let is_named = |entry: &&CatalogueEntry| {
        let code = entry.code.map(|code| code.to_string());
        code.as_deref() == Some(term) || entry.name.eq_ignore_ascii_case(term)
    };
    let mut named = catalogue::all().iter().filter(is_named);
    named.next().filter(|_| named.next().is_none())
}

/// An error code that was reported and that the catalogue lacks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UnknownError)]
pub(crate) struct UnknownErrorView {
    /// The key that it would have.
    #[schema(example = "meta:139999")]
    pub(crate) key: String,
    /// The provider's number.
    pub(crate) code: Option<i64>,
    /// The provider's short name of it, from one of the reports.
    pub(crate) title: Option<String>,
    /// The provider's longer text, from the same report.
    pub(crate) details: Option<String>,
    /// How many reports have it.
    pub(crate) reports: u64,
    /// When the first of these arrived.
    pub(crate) first_seen_at: Time,
    /// When the latest of these arrived.
    pub(crate) last_seen_at: Time,
}

impl From<UnknownError> for UnknownErrorView {
    fn from(error: UnknownError) -> Self {
        Self {
            key: error.error_key,
            code: error.code,
            title: error.title,
            details: error.details,
            reports: error.reports,
            first_seen_at: Time(error.first_seen_ms),
            last_seen_at: Time(error.last_seen_ms),
        }
    }
}

/// Which part of the search.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UnknownErrorListQuery {
    /// `next_cursor` of a search that the time budget cut.
    cursor: Option<String>,
}

/// Reported error codes that the catalogue lacks, the most frequent first. A search that the time budget
/// cut goes on from its cursor and counts older reports alone.
#[utoipa::path(get, path = "/unknown-errors", tag = "errors", params(UnknownErrorListQuery),
    responses((status = 200, description = "Those of the part that was searched.", body = Page<UnknownErrorView>)))]
pub(super) async fn unknown(
    context: HandlerContext,
    UrlQuery(query, mut faults): UrlQuery<UnknownErrorListQuery>,
) -> Reply {
    let limit: Option<Whole<1, 100>> = None;
    let cursor = query.cursor.as_deref();
    let paging: Paging = Paging::new("unknown-errors", limit, cursor, &mut faults);
    faults.end()?;
    let behind = paging.behind();
    let rows = context.read(UnknownErrorQuery { behind }).await?;
    done(&paging.page(rows, UnknownErrorView::from))
}

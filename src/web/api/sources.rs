//! `/sources`: the sources of the configuration, and what each of them sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::Segment;
use super::time::Time;
use super::{HandlerContext, Reply, done};
use crate::access::Caller;
use crate::config::Source;
use crate::model::MessageType;
use crate::store::overview::SourceActivity;
use crate::store::poll::PollOverview;
use crate::store::query::{Listing, PollOverviewQuery, SourceActivityQuery};
use crate::web::problem::Problem;

/// A source.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Source)]
pub(crate) struct SourceView {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// Whose format it speaks.
    pub(crate) provider: String,
    /// The path of its callback URL, behind your host; a secret last segment is left out. Null
    /// for a source that is polled.
    #[schema(example = "/webhooks/meta")]
    pub(crate) callback_path: Option<String>,
    /// The whole callback URL to give to the provider, where `server.public_url` says what stands
    /// before the path; `{url_token}` stands for a secret last segment. Null for a source that
    /// is polled.
    #[schema(example = "https://relay.example.com/webhooks/meta")]
    pub(crate) callback_url: Option<String>,
    /// Whether its callback URL ends in a secret segment more.
    pub(crate) has_url_token: bool,
    /// The type of a message when no report shows it.
    pub(crate) default_type: MessageType,
    /// When a webhook last arrived.
    pub(crate) last_seen_at: Option<Time>,
    /// Webhooks that arrived within 24 h.
    pub(crate) webhooks_24h: u64,
    /// Reports found in those.
    pub(crate) reports_24h: u64,
    /// Those of them that were new.
    pub(crate) new_reports_24h: u64,
    /// Elements of those that could not be read.
    pub(crate) unreadable_24h: u64,
    /// How its broadcasts are polled; null for a source that sends by itself.
    pub(crate) polls: Option<Polls>,
}

/// The broadcasts of a source that is polled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Polls {
    /// Those that are polled.
    pub(crate) open: u64,
    /// Those of them whose last poll failed.
    pub(crate) failing: u64,
    /// Those in which nothing is pending any more.
    pub(crate) done: u64,
    /// Those that were given up.
    pub(crate) gave_up: u64,
    /// When any was last answered.
    pub(crate) answered_at: Option<Time>,
    /// What is wrong with one of the failing, as a stable word; null too for a token whose owner
    /// the source does not name.
    pub(crate) error_code: Option<String>,
    /// The same in words.
    pub(crate) error_detail: Option<String>,
}

impl From<PollOverview> for Polls {
    fn from(polls: PollOverview) -> Self {
        let (error_code, error_detail) = polls.trouble.unzip();
        Self {
            open: polls.open,
            failing: polls.failing,
            done: polls.done,
            gave_up: polls.gave_up,
            answered_at: polls.answered_at_ms.map(Time),
            error_code,
            error_detail,
        }
    }
}

impl SourceView {
    fn new(
        source: &Source,
        caller: &Caller,
        public_url: Option<&str>,
        (activity, polls): (&[SourceActivity], &[PollOverview]),
    ) -> Self {
        let found = activity.iter().find(|found| found.source == source.name);
        let count = |of: fn(&SourceActivity) -> u64| found.map_or(0, of);
        let receives = source.pulled.is_none();
        Self {
            name: source.name.clone(),
            provider: source.provider.as_str().to_owned(),
            callback_path: receives.then(|| format!("/webhooks/{}", source.name)),
            callback_url: public_url
                .filter(|_| receives)
                .map(|url| source.callback_url(url)),
            has_url_token: source.url_token().is_some(),
            default_type: source.default_type,
            last_seen_at: found.and_then(|found| found.last_seen_ms).map(Time),
            webhooks_24h: count(|found| found.webhooks),
            reports_24h: count(|found| found.reports),
            new_reports_24h: count(|found| found.new_reports),
            unreadable_24h: count(|found| found.unreadable),
            polls: source.pulled.as_ref().map(|_| {
                let found = polls.iter().find(|found| found.source == source.name);
                let mut found = found.cloned().unwrap_or_default();
                // The words of a trouble may name a broadcast.
                found.trouble = found.trouble.filter(|_| caller.owns(&source.name));
                found.into()
            }),
        }
    }
}

/// Every source.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SourcesView {
    /// In the order of the configuration.
    pub(crate) data: Vec<SourceView>,
    /// Only there when the list's time budget was used up: what is older than this was neither counted
    /// nor seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) searched_back_to: Option<Time>,
}

async fn views(context: &HandlerContext) -> Result<SourcesView, Problem> {
    let now_ms = context.shared.clock.now_ms();
    let since_ms = now_ms - 24 * 3600 * 1000;
    let activity = context
        .read(SourceActivityQuery { since_ms, now_ms })
        .await?;
    let polls = context.read(PollOverviewQuery).await?;
    let api = &context.shared.api;
    let public_url = api.public_url.as_deref();
    let sources = api.operations.sources().iter();
    let Listing { rows, reached, .. } = activity;
    let data = sources
        .filter(|source| context.caller.sees_source(&source.name))
        .map(|source| SourceView::new(source, &context.caller, public_url, (&rows, &polls)))
        .collect();
    Ok(SourcesView {
        data,
        searched_back_to: reached.and_then(|reached| reached.at_ms).map(Time),
    })
}

/// Every source with what came in by it.
#[utoipa::path(get, path = "/sources", tag = "sources",
    responses((status = 200, description = "They.", body = SourcesView)))]
pub(super) async fn list(context: HandlerContext) -> Reply {
    done(&views(&context).await?)
}

/// One source.
#[utoipa::path(get, path = "/sources/{name}", tag = "sources",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It.", body = SourceView)))]
pub(super) async fn read(context: HandlerContext, Segment(name): Segment) -> Reply {
    let mut views = views(&context).await?.data.into_iter();
    let found = views.find(|view| view.name == name);
    context.source(&name)?;
    done(&found.ok_or_else(|| Problem::missing("source of that name"))?)
}

//! `/sources`: the inlets of the configuration, and what came in by them.

use serde::Serialize;
use utoipa::ToSchema;

use super::input::Segment;
use super::problem::Problem;
use super::time::Time;
use super::{Asked, Reply, done};
use crate::config::Source;
use crate::model::MessageType;
use crate::store::overview::SourceActivity;

/// A source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub(super) struct View {
    /// Its name in the configuration.
    name: String,
    /// Whose format it speaks.
    provider: &'static str,
    /// The path of its callback URL, behind your host; a secret last segment is left out.
    #[schema(example = "/webhooks/meta")]
    callback_path: String,
    /// The whole callback URL to give to the provider, where `server.public_url` says what stands
    /// before the path; `{url_token}` stands for a secret last segment.
    #[schema(example = "https://relay.example.com/webhooks/meta")]
    callback_url: Option<String>,
    /// Whether its callback URL ends in a secret segment more.
    has_url_token: bool,
    /// The type of a message when nothing else tells it.
    default_type: MessageType,
    /// When a webhook last arrived.
    last_seen_at: Option<Time>,
    /// Webhooks that arrived within 24 h.
    webhooks_24h: u64,
    /// Reports found in those.
    reports_24h: u64,
    /// Those of them that were new.
    new_reports_24h: u64,
    /// Elements of those that could not be read.
    unreadable_24h: u64,
}

impl View {
    fn new(source: &Source, public_url: Option<&str>, activity: &[SourceActivity]) -> Self {
        let found = activity.iter().find(|found| found.source == source.name);
        let count = |of: fn(&SourceActivity) -> u64| found.map_or(0, of);
        Self {
            name: source.name.clone(),
            provider: source.provider.as_str(),
            callback_path: format!("/webhooks/{}", source.name),
            callback_url: public_url.map(|url| source.callback_url(url)),
            has_url_token: source.url_token().is_some(),
            default_type: source.default_type,
            last_seen_at: found.and_then(|found| found.last_seen_ms).map(Time),
            webhooks_24h: count(|found| found.webhooks),
            reports_24h: count(|found| found.reports),
            new_reports_24h: count(|found| found.new_reports),
            unreadable_24h: count(|found| found.unreadable),
        }
    }
}

/// Every source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourcesView {
    /// In the order of the configuration.
    data: Vec<View>,
}

async fn views(asked: &Asked) -> Result<Vec<View>, Problem> {
    let since_ms = asked.shared.clock.now_ms() - 24 * 3600 * 1000;
    let activity = asked
        .read(move |reader| reader.source_activity(since_ms))
        .await?;
    let api = &asked.shared.api;
    let public_url = api.public_url.as_deref();
    let sources = api.operations.sources().iter();
    Ok(sources
        .filter(|source| asked.caller.sees_source(&source.name))
        .map(|source| View::new(source, public_url, &activity))
        .collect())
}

/// Every source with what came in by it.
#[utoipa::path(get, path = "/sources", tag = "sources",
    responses((status = 200, description = "They.", body = SourcesView)))]
pub(super) async fn list(asked: Asked) -> Reply {
    let data = views(&asked).await?;
    done(&SourcesView { data })
}

/// One source.
#[utoipa::path(get, path = "/sources/{name}", tag = "sources",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It.", body = View)))]
pub(super) async fn read(asked: Asked, Segment(name): Segment) -> Reply {
    let mut views = views(&asked).await?.into_iter();
    let found = views.find(|view| view.name == name);
    done(&found.ok_or_else(|| Problem::missing(format_args!("source named {name:?}")))?)
}

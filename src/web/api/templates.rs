//! `/templates`: the bodies that texts are rendered from.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{JsonBody, Segments, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::time::Time;
use super::{HandlerContext, Reply, done, gone, shaped};
use crate::admin::{PutTemplate, RemoveTemplate};
use crate::model::{Whole, quoted};
use crate::store::TemplateRecord;
use crate::store::query::{TemplateDetailQuery, TemplateQuery};
use crate::web::problem::Problem;

/// A template.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Template)]
pub(crate) struct TemplateView {
    /// Its name.
    #[schema(example = "order_update")]
    pub(crate) name: String,
    /// The code of its language.
    #[schema(example = "en")]
    pub(crate) language: String,
    /// The text, with placeholders.
    #[schema(example = "Hello {{1}}, your order {{2}} is on its way.")]
    pub(crate) body: String,
    /// When it was written last.
    pub(crate) updated_at: Time,
}

impl From<TemplateRecord> for TemplateView {
    fn from(record: TemplateRecord) -> Self {
        Self {
            name: record.name,
            language: record.language,
            body: record.body,
            updated_at: Time(record.updated_at_ms),
        }
    }
}

/// A template's body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBody {
    /// The text, with placeholders as in `{{1}}` or `{{name}}`.
    #[schema(
        min_length = 1,
        example = "Hello {{1}}, your order {{2}} is on its way."
    )]
    body: String,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TemplateListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Templates, the newest first.
#[utoipa::path(get, path = "/templates", tag = "templates", params(TemplateListQuery),
    responses((status = 200, description = "One page.", body = Page<TemplateView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<TemplateListQuery>,
) -> Reply {
    let page = ("templates", query.limit, query.cursor.as_deref());
    let (paging, _) = context.list(page, ListFilter::default(), faults).await?;
    let window = paging.window();
    let rows = context.read(TemplateQuery { window }).await?;
    done(&paging.page(rows, TemplateView::from))
}

/// One template.
#[utoipa::path(get, path = "/templates/{name}/{language}", tag = "templates",
    params(("name" = String, Path, description = "Its name."),
        ("language" = String, Path, description = "The code of its language.")),
    responses((status = 200, description = "It.", body = TemplateView)))]
pub(super) async fn read(context: HandlerContext, Segments(name, language): Segments) -> Reply {
    let missing = Problem::missing(format_args!(
        "template {name} in {language}",
        name = quoted(&name),
        language = quoted(&language)
    ));
    let found = context.read(TemplateDetailQuery { name, language }).await?;
    done(&TemplateView::from(found.ok_or(missing)?))
}

/// Write a template's body, over the one before. Texts that were rendered stay as they are.
#[utoipa::path(put, path = "/templates/{name}/{language}", tag = "templates",
    params(("name" = String, Path, description = "Its name."),
        ("language" = String, Path, description = "The code of its language.")),
    request_body = NewBody,
    responses((status = 200, description = "As it is now.", body = TemplateView)))]
pub(super) async fn write(
    context: HandlerContext,
    Segments(name, language): Segments,
    JsonBody(NewBody { body }): JsonBody<NewBody>,
) -> Reply {
    let request = PutTemplate {
        name,
        language,
        body,
    };
    let written =
        |template: &TemplateRecord| shaped(StatusCode::OK, &TemplateView::from(template.clone()));
    context.perform(request, written).await
}

/// Remove a template. Texts that were rendered stay as they are.
#[utoipa::path(delete, path = "/templates/{name}/{language}", tag = "templates",
    params(("name" = String, Path, description = "Its name."),
        ("language" = String, Path, description = "The code of its language.")),
    responses((status = 204, description = "It is removed.")))]
pub(super) async fn remove(context: HandlerContext, Segments(name, language): Segments) -> Reply {
    let request = RemoveTemplate { name, language };
    context.perform(request, |()| Ok(gone())).await
}

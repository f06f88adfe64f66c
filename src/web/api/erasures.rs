//! `/erasures`: forgetting a person. Answered on the socket alone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::JsonBody;
use super::job_view::JobView;
use super::{HandlerContext, Reply, failed};
use crate::admin::{EraseOptions, ErasePerson};

/// Whom to forget, and how.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewErasure)]
pub(crate) struct NewErasureView {
    /// A phone number with its country code, in any spelling, or a business-scoped user id.
    #[schema(example = "+385990001122")]
    pub(crate) person: String,
    /// Count what would be removed and remove nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Rewrite the whole file afterwards; webhooks wait meanwhile.
    #[serde(default)]
    pub(crate) vacuum: bool,
}

/// Forget a person, in the background: every table is searched. A restart does not end it: it is carried
/// on.
///
/// The job's result is an `Erasure`.
#[utoipa::path(post, path = "/erasures", tag = "erasures", request_body = NewErasureView,
    responses((status = 202, description = "It begins; its URL shows its progress.", body = JobView,
        headers(("Location" = String, description = "The job's URL.")))))]
pub(super) async fn create(
    context: HandlerContext,
    JsonBody(erasure): JsonBody<NewErasureView>,
) -> Reply {
    let request = ErasePerson {
        person: erasure.person,
        options: EraseOptions {
            dry_run: erasure.dry_run,
            vacuum: erasure.vacuum,
        },
    };
    // A job must not keep what names a person, as this refusal does.
    let checked = request.check_person();
    checked.map_err(|failure| failed(&context.caller, failure))?;
    context.begin(request).await
}

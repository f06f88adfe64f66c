//! `/keys`: the keys that seal secrets, by their ids. Rotated on the socket alone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job_view::JobView;
use super::{HandlerContext, Reply, done};
use crate::admin::RotateKey;
use crate::store::KeysRecord;
use crate::store::query::KeyQuery;

/// The keys of the store by their ids.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Keys)]
pub(crate) struct KeysView {
    /// Those that can be read; the first one seals.
    pub(crate) at_hand: Vec<String>,
    /// Those that something is sealed with.
    pub(crate) used: Vec<String>,
    /// Those that are used and cannot be read: what they sealed cannot be used.
    pub(crate) missing: Vec<String>,
}

impl From<KeysRecord> for KeysView {
    fn from(record: KeysRecord) -> Self {
        Self {
            at_hand: record.at_hand,
            used: record.used,
            missing: record.missing,
        }
    }
}

/// The keys, by their ids.
#[utoipa::path(get, path = "/keys", tag = "keys",
    responses((status = 200, description = "They.", body = KeysView)))]
pub(super) async fn list(context: HandlerContext) -> Reply {
    done(&KeysView::from(context.read(KeyQuery).await?))
}

/// Seal all secrets again with a new key, in the background.
///
/// The job's result is a `Resealed`.
#[utoipa::path(post, path = "/keys/rotate", tag = "keys",
    responses((status = 202, description = "It begins; its URL shows its progress.", body = JobView,
        headers(("Location" = String, description = "The job's URL.")))))]
pub(super) async fn rotate(context: HandlerContext) -> Reply {
    context.begin(RotateKey).await
}

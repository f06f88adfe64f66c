//! `/tokens`: who may use the API, and what for. Made and revoked on the socket alone.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{JsonBody, Segment, UrlQuery};
use super::page::{Page, Paging};
use super::time::Time;
use super::{HandlerContext, Reply, done, shaped};
use crate::access::token::{NewToken, TokenRecord};
use crate::access::{self, Role};
use crate::admin::{CreateToken, CreatedToken, RevokeToken};
use crate::model::{TokenKey, Whole};

/// A token, its text aside.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    /// Its key.
    #[schema(value_type = i64)]
    pub(crate) id: TokenKey,
    /// What people call it.
    #[schema(example = "crm")]
    pub(crate) name: String,
    /// What its bearer may do.
    pub(crate) role: Role,
    /// Owner whose subscribers an integrator's token manages.
    pub(crate) owner: Option<String>,
    /// The sources that it sees; all when empty.
    pub(crate) sources: Vec<String>,
    /// When it was made.
    pub(crate) created_at: Time,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Time>,
    /// When it was last used, to the minute.
    pub(crate) last_used_at: Option<Time>,
    /// When it was revoked.
    pub(crate) revoked_at: Option<Time>,
}

impl From<TokenRecord> for TokenView {
    fn from(record: TokenRecord) -> Self {
        let token = record.token;
        Self {
            id: record.token_id,
            name: token.name,
            role: token.role,
            owner: token.owner,
            sources: token.sources,
            created_at: Time(record.created_at_ms),
            expires_at: token.expires_at_ms.map(Time),
            last_used_at: record.last_used_ms.map(Time),
            revoked_at: record.revoked_at_ms.map(Time),
        }
    }
}

/// A token and its text, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CreatedToken)]
pub(crate) struct CreatedTokenView {
    /// The token.
    #[serde(flatten)]
    pub(crate) token: TokenView,
    /// What its bearer sends.
    #[schema(example = "tr_…")]
    pub(crate) text: String,
    /// What its owner and sources keep it from, in words.
    pub(crate) warnings: Vec<String>,
}

/// A token to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(crate) struct NewTokenView {
    /// What to call it: a-z, 0-9 and '-'; its role when left out.
    #[schema(example = "crm")]
    pub(crate) name: Option<String>,
    /// What its bearer may do.
    pub(crate) role: Role,
    /// Owner whose subscribers an integrator's token manages.
    pub(crate) owner: Option<String>,
    /// Only what concerns these sources; all when empty.
    #[serde(default)]
    pub(crate) sources: Vec<String>,
    /// When it ends; it holds until it is revoked when left out.
    pub(crate) expires_at: Option<Time>,
}

/// Which page of the tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Tokens, the revoked and the expired ones too, the oldest first.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(TokenListQuery),
    responses((status = 200, description = "One page.", body = Page<TokenView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, mut faults): UrlQuery<TokenListQuery>,
) -> Reply {
    let cursor = query.cursor.as_deref();
    let paging: Paging = Paging::new("tokens", query.limit, cursor, &mut faults);
    faults.end()?;
    let rows = paging.window().of_oldest(context.shared.store.tokens());
    done(&paging.page(rows, TokenView::from))
}

/// Make a token. Its text is in the answer, this once.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewTokenView,
    responses((status = 201, description = "It holds from now on.", body = CreatedTokenView)))]
pub(super) async fn create(
    context: HandlerContext,
    JsonBody(new): JsonBody<NewTokenView>,
) -> Reply {
    let request = CreateToken(NewToken {
        name: new.name.unwrap_or_else(|| new.role.to_string()),
        role: new.role,
        owner: new.owner,
        sources: new.sources,
        expires_at_ms: new.expires_at.map(|Time(ms)| ms),
    });
    let (operations, now_ms) = (
        context.shared.api.operations.clone(),
        context.shared.clock.now_ms(),
    );
    let created = move |created: &CreatedToken| {
        let sources = operations.sources().iter();
        let owners = sources.map(|source| (source.name.as_str(), source.owners.as_slice()));
        let (owners, token) = (owners.collect::<Vec<_>>(), &created.token);
        let view = CreatedTokenView {
            warnings: access::token_warnings(std::slice::from_ref(token), &owners, now_ms),
            token: token.clone().into(),
            text: created.text.clone(),
        };
        shaped(StatusCode::CREATED, &view)
    };
    context.perform(request, created).await
}

/// End a token now; one that was revoked stays as it is.
#[utoipa::path(post, path = "/tokens/{id}/revoke", tag = "tokens",
    params(("id" = i64, Path, description = "Its key.")),
    responses((status = 200, description = "As it is now.", body = TokenView)))]
pub(super) async fn revoke(context: HandlerContext, id: Segment) -> Reply {
    let id = id.key("token")?;
    let revoked = |token: &TokenRecord| shaped(StatusCode::OK, &TokenView::from(token.clone()));
    context.perform(RevokeToken { id }, revoked).await
}

//! Registering what was sent: in the payload's keys, or in the provider's own words.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{Items, JsonBody, Segment};
use super::{HandlerContext, Reply, shaped};
use crate::admin::{Receipt, RegisterExchange, RegisterMessages, SentExchange, SentMessage};
use crate::model::{Fault, Status};
use crate::store::Registered;
use crate::web::problem::Problem;

/// What came of one message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Receipt)]
pub(crate) struct ReceiptView {
    /// Its place among those that were sent, from 0.
    pub(crate) index: usize,
    /// The provider's id; null where it could not be read, and of a refused send whose id names a message
    /// that was taken.
    #[serde(rename = "msId")]
    pub(crate) ms_id: Option<String>,
    /// What the message is from then on: `queued` while nothing else is known of it, `failed` when the
    /// provider refused the send; null when the provider paused it, or when nothing is registered.
    pub(crate) status: Option<Status>,
    /// What was done.
    pub(crate) result: ReceiptOutcome,
    /// What of it was not taken, and why; only there when something was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "the provider's own broadcast \"b-1\" stays: a registered one is taken only where the provider reports none"
    )]
    pub(crate) note: Option<String>,
    /// Each field that cannot be as it is; empty when it was accepted.
    pub(crate) errors: Vec<Fault>,
}

/// What was done with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReceiptOutcome {
    /// Nothing was known of it.
    Created,
    /// Something had been reported of it.
    Joined,
    /// It was registered before, and what is known of it changed.
    Updated,
    /// It was registered before with the same.
    Unchanged,
    /// Nothing: see `errors`.
    Refused,
}

impl ReceiptView {
    fn new((index, receipt): (usize, Receipt)) -> Self {
        let note = receipt.note();
        let (result, errors) = match receipt.outcome {
            Ok(Registered::Created) => (ReceiptOutcome::Created, Vec::new()),
            Ok(Registered::Joined) => (ReceiptOutcome::Joined, Vec::new()),
            Ok(Registered::Updated) => (ReceiptOutcome::Updated, Vec::new()),
            Ok(Registered::Unchanged) => (ReceiptOutcome::Unchanged, Vec::new()),
            Ok(Registered::OfAnotherOwner) => (ReceiptOutcome::Refused, Vec::new()),
            Err(errors) => (ReceiptOutcome::Refused, errors),
        };
        Self {
            index,
            ms_id: receipt.provider_message_id,
            status: receipt.status,
            result,
            note,
            errors,
        }
    }
}

/// What came of all that were sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BulkView {
    /// Messages that are registered now.
    pub(crate) accepted: usize,
    /// Messages that are not.
    pub(crate) refused: usize,
    /// What came of each, in the order in which they were sent.
    pub(crate) results: Vec<ReceiptView>,
}

/// One message, or many.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is there to be documented")]
pub(super) enum OneOrMany {
    /// One.
    One(Box<SentMessage>),
    /// Many; an element that is none is refused, and costs no other.
    Many(Vec<serde_json::Value>),
}

fn views(receipts: &[Receipt]) -> Vec<ReceiptView> {
    let receipts = receipts.iter().cloned().enumerate();
    receipts.map(ReceiptView::new).collect()
}

fn bulk(results: Vec<ReceiptView>) -> BulkView {
    let is_refused = |view: &&ReceiptView| view.result == ReceiptOutcome::Refused;
    let refused = results.iter().filter(is_refused).count();
    BulkView {
        accepted: results.len() - refused,
        refused,
        results,
    }
}

/// Register messages that were sent, before, between or after their reports.
///
/// One object is answered 201 when nothing was known of it, else 200, or 422 when it is wrong. Of
/// an array, or of one object a line, each is answered for itself, and a refused one costs no
/// other; 16 384 may come at once. Sent again it changes only the fields that differ.
#[utoipa::path(post, path = "/messages", tag = "messages",
    request_body(content((OneOrMany = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What came of each, or of the one that was known.", body = BulkView),
        (status = 201, description = "It is registered.", body = BulkView)))]
pub(super) async fn register(context: HandlerContext, items: Items) -> Reply {
    let is_single = items.is_single;
    let messages = items.texts;
    let registered = move |receipts: &Vec<Receipt>| {
        let mut results = views(receipts);
        let status = match results.first_mut().filter(|_| is_single) {
            Some(view) if view.result == ReceiptOutcome::Refused => {
                return Err(Problem::faults(std::mem::take(&mut view.errors)));
            }
            Some(view) if view.result == ReceiptOutcome::Created => StatusCode::CREATED,
            _ => StatusCode::OK,
        };
        shaped(status, &bulk(results))
    };
    let request = RegisterMessages { messages };
    context.perform(request, registered).await
}

/// Register messages that were sent, in the provider's own words: the request and its response.
///
/// Infobip's sends with one or many messages, and its Messages API by WhatsApp; On-Premises
/// `/v1/messages` and Cloud API `/messages`, `template` and `hsm` among them. 360dialog's are like
/// Meta's.
///
/// A send that the provider refused becomes a failed message for each recipient, and is answered
/// 201: it was refused when `http_status` is 400 or more, when the answer has an error and no id of
/// a message, or when the answer says so of that message. The same exchange again makes no second. An id
/// of the sender's own that was taken before stays that message's: a later send with it that is refused is
/// a failed message of its own, without `msId`.
#[utoipa::path(post, path = "/sources/{name}/sent", tag = "sources",
    params(("name" = String, Path, description = "The source that its reports come by.")),
    request_body = SentExchange,
    responses(
        (status = 200, description = "What came of each.", body = BulkView),
        (status = 201, description = "The provider refused a message: it has failed.", body = BulkView)))]
pub(super) async fn exchange(
    context: HandlerContext,
    Segment(source): Segment,
    JsonBody(exchange): JsonBody<SentExchange>,
) -> Result<HttpResponse, Problem> {
    let request = RegisterExchange { source, exchange };
    let registered = |receipts: &Vec<Receipt>| {
        let views = views(receipts);
        let is_new_failure = |view: &ReceiptView| {
            view.status == Some(Status::Failed) && view.result == ReceiptOutcome::Created
        };
        let status = if views.iter().any(is_new_failure) {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        shaped(status, &bulk(views))
    };
    context.perform(request, registered).await
}

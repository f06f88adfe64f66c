//! `Idempotency-Key`: a POST that is sent again within 24 h gets the answer it got before.
//!
//! The answer is written with the change it is about; here a repeat is found. What is more than
//! one transaction is begun under its key. After a crash it is unknown whether it was done, so it
//! is not done again, and the answer says so. Long work is answered with its job before it begins, and
//! so is each repeat unless the job has failed: after a restart the job says what became of it. What was
//! refused changed nothing and may be tried again, mended, under the same key.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use sha2::{Digest as _, Sha256};

use super::{input, respond};
use crate::access::Caller;
use crate::store::Store;
use crate::store::idempotency::{KeptAnswer, Remembered, Ticket};
use crate::store::query::RememberedQuery;
use crate::web::problem::Problem;

/// The request header.
pub(super) const HEADER: &str = "Idempotency-Key";
/// The header of an answer that was given before.
pub(super) const REPLAYED: &str = "Idempotent-Replayed";
/// The longest key.
const LONGEST: usize = 255;
/// The answer to a repeat whose first was begun and is neither answered nor under way.
const UNANSWERED: &str = "the first request with this key was begun, and the service ended before \
     it was answered: look whether it was done (list what it was to make), then use a new key";
/// The answer to a repeat whose first began a job of which nothing is known any more.
const FORGOTTEN: &str = "the first request with this key began a job that is not known any more: look \
     whether its work was done, then use a new key";
/// What may be done twice, since the second time finds it done.
const REPEATABLE: [&str; 3] = [
    "/api/v1/messages",
    "/api/v1/sources/{name}/sent",
    "/api/v1/webhooks/{id}/reprocess",
];

/// The job to which a kept answer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptJob {
    /// None: the answer is of no long work.
    NoJob,
    /// One that is not known any more, so that what came of it is not either.
    Forgotten,
    /// One that failed, or a dry run that is not known any more.
    Repeatable,
    /// One that goes on, is done or was interrupted.
    Known,
}

type Key = (String, String);

/// The keys of requests that are being answered.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashSet<Key>>);

/// A key, for as long as its request is being answered.
pub(super) struct KeyInUse {
    under_way: Arc<UnderWay>,
    key: Key,
}

impl Drop for KeyInUse {
    fn drop(&mut self) {
        self.under_way.keys().remove(&self.key);
    }
}

impl UnderWay {
    fn keys(&self) -> std::sync::MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, ticket: &Ticket) -> Option<KeyInUse> {
        let key = (ticket.caller.clone(), ticket.key.clone());
        self.keys().insert(key.clone()).then(|| KeyInUse {
            under_way: Arc::clone(self),
            key,
        })
    }
}

/// A request with a key, on its way to its handler.
pub(super) struct KeyedRequest {
    pub(super) ticket: Ticket,
    pub(super) turn: KeyInUse,
}

/// Answers a POST; when it has a key, once.
pub(super) async fn answer<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    caller: &Caller,
    (store, under_way, behind): (
        &Store,
        &Arc<UnderWay>,
        impl AsyncFn(&KeptAnswer) -> Result<KeptJob, Problem>,
    ),
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(key) = request.headers().get(HEADER) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let is_visible = key.as_bytes().iter().all(u8::is_ascii_graphic);
    let key = match key.to_str() {
        Ok(key) if is_visible && (1..=LONGEST).contains(&key.len()) => key.to_owned(),
        _ => {
            let detail = format!("use 1 to {LONGEST} visible ASCII characters, a UUID is usual");
            return Err(Problem::field(HEADER, detail).into());
        }
    };
    let (head, payload) = request.parts_mut();
    let body = input::take(head, payload).await?;
    let ticket = Ticket {
        caller: caller.called(),
        key,
        request: hash(&request, &body),
    };
    let Some(turn) = under_way.take(&ticket) else {
        return Err(
            Problem::conflict("a request with this key is being answered: wait for it").into(),
        );
    };
    let known = store.read(RememberedQuery {
        ticket: ticket.clone(),
    });
    let known = known.await.map_err(Problem::from)?;
    if let Some(known) = known {
        let path = request.match_pattern();
        let is_repeatable = path.is_some_and(|path| REPEATABLE.contains(&path.as_str()));
        let job = match &known.answer {
            Some(answer) => behind(answer).await?,
            None => KeptJob::NoJob,
        };
        let is_same = known.request == ticket.request;
        match job {
            KeptJob::Forgotten if is_same => return Err(Problem::conflict(FORGOTTEN).into()),
            // It may be tried again, also where its key could not be forgotten.
            KeptJob::Repeatable if is_same => {}
            _ if !is_same || known.answer.is_some() || !is_repeatable => {
                return replay(request, known, ticket.request);
            }
            _ => {}
        }
    }
    input::hand_on(request.request(), body);
    request
        .extensions_mut()
        .insert(KeyedRequest { ticket, turn });
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// What makes two requests the same, the caller aside: method, URL, body.
fn hash(request: &ServiceRequest, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let target = request.uri().path_and_query();
    for part in [
        request.method().as_str(),
        target.map_or("", |target| target.as_str()),
    ] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

fn replay(
    request: ServiceRequest,
    known: Remembered,
    hash: [u8; 32],
) -> Result<ServiceResponse<BoxBody>, Error> {
    if known.request != hash {
        let detail = "this key was used for another request: take a new one for each request";
        return Err(Problem::field(HEADER, detail).into());
    }
    let Some(answer) = known.answer else {
        return Err(Problem::conflict(UNANSWERED).into());
    };
    let mut response = respond(answer);
    let replayed = HeaderValue::from_static("true");
    let header = HeaderName::from_static("idempotent-replayed");
    response.headers_mut().insert(header, replayed);
    Ok(request.into_response(response))
}

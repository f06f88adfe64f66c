//! `Idempotency-Key`: a POST that is sent again within 24 h gets the answer it got before.
//!
//! The key is written before anything is done, and its answer after it: of what a crash left
//! between the two nobody knows whether it was done, so it is not done again, and the caller is
//! told so. What was refused changed nothing and may be tried again, mended, under the same key.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError as _};
use sha2::{Digest as _, Sha256};

use super::input;
use super::problem::Problem;
use crate::access::Caller;
use crate::store::{KeptAnswer, Remembered, Store};

/// The request header.
pub(super) const HEADER: &str = "Idempotency-Key";
/// The header of an answer that was given before.
pub(super) const REPLAYED: &str = "Idempotent-Replayed";
/// The longest key.
const LONGEST: usize = 255;
/// What a repeat is told whose first was begun and is neither answered nor under way.
const UNANSWERED: &str = "the first request with this key was begun, and the service ended before \
     it was answered: look whether it was done (list what it was to make), then use a new key";

type Key = (String, String);

/// The keys of requests that are being answered.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashSet<Key>>);

/// A key, for as long as its request is being answered.
struct Turn<'a> {
    under_way: &'a UnderWay,
    key: Key,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.under_way.keys().remove(&self.key);
    }
}

impl UnderWay {
    fn keys(&self) -> std::sync::MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, key: &Key) -> Option<Turn<'_>> {
        self.keys().insert(key.clone()).then(|| Turn {
            under_way: self,
            key: key.clone(),
        })
    }
}

/// Answers a POST; when it has a key, once.
pub(super) async fn answer<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    caller: &Caller,
    (store, under_way): (&Store, &UnderWay),
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
    let asked = hash(&request, &body);
    let who = caller.called();
    let Some(_turn) = under_way.take(&(who.clone(), key.clone())) else {
        return Err(
            Problem::conflict("a request with this key is being answered: wait for it").into(),
        );
    };
    let known = store.begin(who.clone(), key.clone(), asked).await;
    if let Some(known) = known.map_err(Problem::from)? {
        return replay(request, known, asked);
    }
    input::hand_on(request.request(), body);
    let response = next.call(request).await;
    let response = response.map(ServiceResponse::map_into_boxed_body);
    let is_done = |response: &ServiceResponse| response.status().is_success();
    if !response.as_ref().is_ok_and(is_done) {
        if let Err(error) = store.forget_key(who, key).await {
            tracing::error!(%error, "api.key_not_forgotten");
        }
        return response;
    }
    let (request, response) = response?.into_parts();
    let (head, body) = response.into_parts();
    let body = to_bytes(body)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let location = head.headers().get(LOCATION);
    let location = location.and_then(|url| url.to_str().ok());
    let answer = KeptAnswer {
        status: head.status().as_u16(),
        body: body.to_vec(),
        location: location.map(str::to_owned),
    };
    // It is done: not to answer now would be worse than not to know the answer later.
    if let Err(error) = store.remember(who, key, answer).await {
        tracing::error!(%error, "api.answer_not_kept");
    }
    Ok(ServiceResponse::new(request, head.set_body(body)).map_into_boxed_body())
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
    asked: [u8; 32],
) -> Result<ServiceResponse<BoxBody>, Error> {
    if known.request != asked {
        let detail = "this key was used for another request: take a new one for each request";
        return Err(Problem::field(HEADER, detail).into());
    }
    let Some(answer) = known.answer else {
        return Err(Problem::conflict(UNANSWERED).into());
    };
    let status = StatusCode::from_u16(answer.status);
    let response = status.map_or_else(
        |error| Problem::internal(&error).error_response(),
        |status| {
            let mut response = HttpResponse::build(status);
            if let Some(url) = &answer.location {
                response.insert_header((LOCATION, url.as_str()));
            }
            response
                .insert_header((REPLAYED, "true"))
                .content_type("application/json")
                .body(answer.body)
        },
    );
    Ok(request.into_response(response))
}

//! A request, from its head to its answer, as its connection's budget counts it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::{Stream, StreamExt};

use super::{ConnectionBudget, ConnectionState, LINGER};

/// What a header takes beside its text, once it can be looked up.
const HEADER: usize = 256;
/// From this many bytes that are not parsed on, the library may no longer read.
const FULL: usize = 120 * 1024;
/// What a body ends with when its connection was cut by us, rather than by its client.
pub(in crate::web) const CUT: io::ErrorKind = io::ErrorKind::ResourceBusy;

/// A request while it is handled.
pub(in crate::web) struct Handled(Option<Rc<ConnectionBudget>>);

/// A request that came after the last answer.
pub(in crate::web) struct Over(Rc<ConnectionBudget>);

impl Handled {
    /// A request begins to be handled; its body is counted as it is read.
    ///
    /// # Errors
    /// When the last answer of its connection was given: the request is not to be handled.
    pub(in crate::web) fn begin(request: &mut ServiceRequest) -> Result<Self, Over> {
        let Some(budget) = request.conn_data::<Rc<ConnectionBudget>>().map(Rc::clone) else {
            return Ok(Self(None));
        };
        if budget.is_last.get() {
            return Err(Over(budget));
        }
        let wants_close = request.head().connection_type() == ConnectionType::Close;
        budget.is_last.set(wants_close);
        budget.heads.set(budget.heads.get() + 1);
        let (text, headers) = size(request);
        budget.hand_on(text);
        if budget.is_fresh.get() {
            // What came before the last turn was this head, or framing that is kept nowhere.
            let left = budget.unparsed.get().min(budget.recent.get());
            budget.unparsed.set(left);
        }
        budget.add(&budget.handled, text + headers * HEADER);
        match request.take_payload() {
            Payload::None => {}
            payload => {
                budget.has_body.set(true);
                let payload = Box::pin(BudgetedBody {
                    payload,
                    budget: Rc::clone(&budget),
                    left: announced_beside_an_upgrade(request),
                });
                request.set_payload(Payload::Stream { payload });
            }
        }
        Ok(Self(Some(budget)))
    }

    /// It is answered. A client with a grown buffer or an unsent rest sends no other request, and the
    /// answer says so.
    pub(in crate::web) fn end<B>(
        self,
        answered: Result<ServiceResponse<B>, Error>,
    ) -> Result<ServiceResponse<B>, Error> {
        let closes =
            |budget: &&Rc<ConnectionBudget>| budget.has_body.get() || budget.has_large_buffer();
        let Some(budget) = self.0.as_ref().filter(closes) else {
            return answered;
        };
        budget.is_last.set(true);
        let mut response = answered.map_err(Closing)?;
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
        Ok(response)
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        let Some(budget) = &self.0 else {
            return;
        };
        budget.handled.set(0);
        budget.wants_body.set(false);
        budget.waiting_since.set(budget.turns.next());
        budget.give_back();
        if budget.has_body.get() && budget.state.get() == ConnectionState::Open {
            budget.state.set(ConnectionState::Draining);
        }
    }
}

impl Over {
    /// Ends the connection once its client had time to see the last answer. The library
    /// writes after that answer what it makes of the error; nothing of it is sent.
    pub(in crate::web) async fn hang_up(self) -> Error {
        let Self(budget) = self;
        if budget.state.get() == ConnectionState::Open {
            budget.state.set(ConnectionState::Draining);
        }
        if let Some(reader) = budget.reader.borrow_mut().take() {
            reader.wake();
        }
        if budget.unparsed.get() < FULL {
            tokio::time::sleep(LINGER).await;
        } else {
            // Otherwise the library would poll it again and again.
            tokio::task::yield_now().await;
        }
        budget.state.set(ConnectionState::Gone);
        actix_web::error::ErrorServiceUnavailable("the connection has ended")
    }
}

/// A refusal that ends the connection; the library makes the answer of it.
#[derive(Debug)]
struct Closing(Error);

impl std::fmt::Display for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Closing {
    fn status_code(&self) -> StatusCode {
        self.0.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.0.error_response();
        let head = response.head_mut();
        head.set_connection_type(ConnectionType::Close);
        response
    }
}

/// A request's body; what was read of it is no longer the connection's.
struct BudgetedBody {
    payload: Payload,
    budget: Rc<ConnectionBudget>,
    /// What is still to come of a body that the library does not end by itself, in bytes.
    left: Option<u64>,
}

/// How long the body is where the library takes everything up to the end of the connection for it:
/// it would speak `WebSocket`, which we do not. A server that does not change the protocol
/// reads such a request as any other (RFC 9110, 7.8). What follows it on the connection is lost to
/// the library, so that connection is closed after the answer.
fn announced_beside_an_upgrade(request: &ServiceRequest) -> Option<u64> {
    let headers = request.headers();
    let text = |value: &HeaderValue| value.to_str().map(|text| text.trim().to_owned());
    let protocols = headers
        .get_all(UPGRADE)
        .filter_map(|value| text(value).ok());
    let is_taken_for_one = protocols
        .into_iter()
        .any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    if !is_taken_for_one || headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| text(value).ok());
    Some(length.and_then(|length| length.parse().ok()).unwrap_or(0))
}

impl Stream for BudgetedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == Some(0) {
            self.budget.wants_body.set(false);
            return Poll::Ready(None);
        }
        let mut next = self.payload.poll_next_unpin(cx);
        self.budget.wants_body.set(next.is_pending());
        if let (Some(left), Poll::Ready(Some(Ok(chunk)))) = (&mut self.left, &mut next) {
            // The rest belongs to no request.
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX).min(*left);
            *left -= length;
            let rest = chunk.split_off(usize::try_from(length).unwrap_or(usize::MAX));
            self.budget.hand_on(rest.len());
        }
        let next = ready!(next);
        match &next {
            Some(Ok(chunk)) => self.budget.hand_on(chunk.len()),
            // The client could not help it.
            Some(Err(_)) if self.budget.state.get() == ConnectionState::Cut => {
                let cut = io::Error::from(CUT);
                return Poll::Ready(Some(Err(PayloadError::Io(cut))));
            }
            Some(Err(_)) => {}
            None if self.left.is_some_and(|left| left > 0) => {
                // The client went away in the middle.
                let end = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Poll::Ready(Some(Err(PayloadError::Incomplete(Some(end)))));
            }
            None => self.budget.has_body.set(false),
        }
        Poll::Ready(next)
    }
}

/// The bytes of a request's head, and how many headers it has.
fn size(request: &ServiceRequest) -> (usize, usize) {
    let headers = request.headers();
    let text: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    let path = request.uri().path_and_query();
    let line = request.method().as_str().len()
        + path.map_or(0, |path| path.as_str().len())
        + "  HTTP/1.1\r\n\r\n".len();
    (text + line, headers.len())
}

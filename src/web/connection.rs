//! What a connection may make the process hold before it is believed: a part of its own, and
//! beyond that a part of what all share.
//!
//! The HTTP library keeps what it reads until a head is whole, and what it answers until the
//! client reads that. So its connections are read through a meter. Who holds more than its own
//! part borrows from the share, keeps that, and is closed after the answer: large buffers
//! are not given back before. Who can borrow no more is cut.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Bytes that are read from a connection before what they say is looked at.
const TURN: usize = 4 * 1024;
/// What a connection holds without asking, in bytes: once of what no request was made of yet,
/// once of the request that is handled.
const FREE: usize = 8 * 1024;
/// What all connections may hold beyond that, in bytes.
const SHARE: usize = 24 * 1024 * 1024;
/// What a header takes beside its text, once it can be looked up.
const HEADER: usize = 256;
/// What may stand behind an answer that is not read, in bytes: requests sent all the same.
const UNREAD: usize = 256 * 1024;
/// How long an answer may wait for its client to read more of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what nobody wants is read, so that the client sees its answer.
const LINGER: Duration = Duration::from_secs(1);
/// Open connections; for one more, that which has kept us waiting longest is cut.
const CONNECTIONS: usize = 4_096;

/// What the connections of all threads share. A permit is a byte.
#[derive(Clone)]
pub(super) struct Share(Arc<Semaphore>);

/// The connections of one thread, in the order in which they came.
pub(super) struct Crowd {
    share: Share,
    limit: usize,
    connections: RefCell<VecDeque<Weak<Meter>>>,
}

/// A connection that is read through its meter.
pub(super) struct Metered {
    io: TcpStream,
    meter: Rc<Meter>,
    /// Bytes read in this turn.
    turn: usize,
    /// The answer waits for the client.
    is_stuck: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a connection holds.
pub(super) struct Meter {
    share: Share,
    /// Bytes of which no request was made yet.
    unparsed: Cell<usize>,
    /// Bytes of the request that is handled.
    handled: Cell<usize>,
    /// Bytes of the answer that waits.
    unread: Cell<usize>,
    /// More of the request's body is to come.
    has_body: Cell<bool>,
    state: Cell<State>,
    borrowed: RefCell<Option<OwnedSemaphorePermit>>,
    reader: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// It was answered before its end: what comes is not kept.
    Draining,
    /// Nothing is read any more.
    Cut,
}

/// A request while it is handled.
pub(super) struct Handled(Option<Rc<Meter>>);

impl Default for Share {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARE)))
    }
}

impl Crowd {
    /// No connections yet, on one of `threads`.
    #[must_use]
    pub(super) fn new(share: Share, threads: usize) -> Self {
        Self {
            share,
            limit: CONNECTIONS / threads.max(1),
            connections: RefCell::default(),
        }
    }

    /// Takes in a connection, in place of another when there are too many.
    pub(super) fn meter(&self, io: TcpStream) -> Metered {
        let meter = Rc::new(Meter::new(self.share.clone()));
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.limit {
            connections.retain(|one| one.strong_count() > 0);
        }
        if connections.len() >= self.limit {
            let waiting = |one: &Weak<Meter>| one.upgrade().filter(|one| one.is_waiting());
            if let Some((at, oldest)) = connections
                .iter()
                .enumerate()
                .find_map(|(at, one)| Some((at, waiting(one)?)))
            {
                connections.remove(at);
                oldest.cut();
            }
        }
        connections.push_back(Rc::downgrade(&meter));
        Metered {
            io,
            meter,
            turn: 0,
            is_stuck: false,
            timer: None,
        }
    }
}

impl Metered {
    /// What it holds.
    #[must_use]
    pub(super) fn meter(&self) -> Rc<Meter> {
        Rc::clone(&self.meter)
    }

    /// Reads for a while what is not kept.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_timer(LINGER, cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut scratch = [0; TURN];
            let mut scratch = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut scratch))?;
            if scratch.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_timer(&mut self, patience: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        timer.as_mut().poll(cx)
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.meter.wait(cx);
        match this.meter.state.get() {
            State::Open => {}
            State::Draining => return this.drain(cx),
            // As if the client had gone.
            State::Cut => return Poll::Ready(Ok(())),
        }
        // Who does not read is not read from; what is written wakes the reader.
        if this.is_stuck {
            return Poll::Pending;
        }
        let left = TURN - this.turn;
        if left == 0 {
            this.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(left.min(buffer.remaining())));
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, &mut part) else {
            this.turn = 0;
            return Poll::Pending;
        };
        let read = read.map(|()| part.filled().len())?;
        buffer.advance(read);
        this.turn += read;
        this.meter.add(&this.meter.unparsed, read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.io).poll_write(cx, bytes) {
            if std::mem::take(&mut this.is_stuck) {
                this.timer = None;
                cx.waker().wake_by_ref();
            }
            return Poll::Ready(written);
        }
        this.is_stuck = true;
        this.meter.unread.set(bytes.len().max(UNREAD));
        if !this.meter.borrow_what_is_held() || this.poll_timer(PATIENCE, cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl Meter {
    fn new(share: Share) -> Self {
        Self {
            share,
            unparsed: Cell::new(0),
            handled: Cell::new(0),
            unread: Cell::new(0),
            has_body: Cell::new(false),
            state: Cell::new(State::Open),
            borrowed: RefCell::new(None),
            reader: RefCell::new(None),
        }
    }

    /// Counts more, and cuts the connection when that is too much.
    fn add(&self, count: &Cell<usize>, bytes: usize) {
        count.set(count.get() + bytes);
        if !self.borrow_what_is_held() {
            self.cut();
        }
    }

    /// Whether what it holds beyond its own part is, or could be, borrowed.
    fn borrow_what_is_held(&self) -> bool {
        let beyond = |count: &Cell<usize>| count.get().saturating_sub(FREE);
        let needed = beyond(&self.unparsed) + beyond(&self.handled) + self.unread.get();
        let mut borrowed = self.borrowed.borrow_mut();
        let has = borrowed
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        if needed <= has {
            return true;
        }
        let Ok(more) = u32::try_from(needed - has) else {
            return false;
        };
        let Ok(permit) = Arc::clone(&self.share.0).try_acquire_many_owned(more) else {
            return false;
        };
        match &mut *borrowed {
            Some(borrowed) => borrowed.merge(permit),
            none => *none = Some(permit),
        }
        true
    }

    /// Whether the client is to do something.
    fn is_waiting(&self) -> bool {
        self.handled.get() == 0 || self.has_body.get()
    }

    fn cut(&self) {
        self.state.set(State::Cut);
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
    }

    /// Who reads it is woken when it is cut.
    fn wait(&self, cx: &Context<'_>) {
        let mut reader = self.reader.borrow_mut();
        match &mut *reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// A part of the body is in other hands.
    fn hand_on(&self, bytes: usize) {
        self.unparsed.set(self.unparsed.get().saturating_sub(bytes));
    }
}

impl Handled {
    /// A request begins to be handled; its body is counted as it is read.
    #[must_use]
    pub(super) fn begin(request: &mut ServiceRequest) -> Self {
        let Some(meter) = request.conn_data::<Rc<Meter>>().map(Rc::clone) else {
            return Self(None);
        };
        let (text, headers) = size(request);
        meter.hand_on(text);
        meter.add(&meter.handled, text + headers * HEADER);
        match request.take_payload() {
            Payload::None => {}
            payload => {
                meter.has_body.set(true);
                let payload = Box::pin(Body {
                    payload,
                    meter: Rc::clone(&meter),
                });
                request.set_payload(Payload::Stream { payload });
            }
        }
        Self(Some(meter))
    }

    /// It is answered; who borrowed, or has not sent all, sends no other and is told so.
    pub(super) fn end<B>(
        self,
        answered: Result<ServiceResponse<B>, Error>,
    ) -> Result<ServiceResponse<B>, Error> {
        let is_last = |meter: &Rc<Meter>| meter.has_body.get() || meter.borrowed.borrow().is_some();
        if !self.0.as_ref().is_some_and(is_last) {
            return answered;
        }
        let mut response = answered.map_err(Closing)?;
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
        Ok(response)
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        let Some(meter) = &self.0 else {
            return;
        };
        meter.handled.set(0);
        if meter.has_body.get() && meter.state.get() == State::Open {
            meter.state.set(State::Draining);
        }
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
struct Body {
    payload: Payload,
    meter: Rc<Meter>,
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.payload.poll_next_unpin(cx));
        match &next {
            Some(Ok(chunk)) => self.meter.hand_on(chunk.len()),
            Some(Err(_)) => {}
            None => self.meter.has_body.set(false),
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

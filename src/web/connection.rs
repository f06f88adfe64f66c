//! What a connection may make the process hold before it is believed: a part of its own, and
//! beyond that a part of what all share.
//!
//! The HTTP library keeps what it reads until a head is whole, and what it answers until the
//! client reads that. So its connections are read through a meter. Who holds more than its own
//! part borrows from the share. What a request borrows is given back at its end; a buffer that
//! has grown stays with the library, so that connection is closed after the answer. Who can
//! borrow no more is cut.

use std::cell::{Cell, RefCell};
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
use tokio::time::{Instant, Sleep};

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
/// How long the head of a later request may take; the library times only the first.
const HEAD: Duration = Duration::from_secs(5);
/// From this many bytes that are not parsed on, the library may no longer read.
const FULL: usize = 120 * 1024;
/// What a body ends with when its connection was cut by us, rather than by its client.
pub(super) const CUT: io::ErrorKind = io::ErrorKind::ResourceBusy;
/// Open connections; for one more, that which has kept us waiting longest is cut.
const CONNECTIONS: usize = 4_096;

/// What the connections of all threads share. A permit is a byte.
#[derive(Clone)]
pub(super) struct Share(Arc<Semaphore>);

/// The connections of one thread.
pub(super) struct Crowd {
    share: Share,
    limit: usize,
    connections: RefCell<Vec<Weak<Meter>>>,
    turns: Turns,
}

/// Counts what connections did, to say who did it earlier.
#[derive(Clone, Default)]
struct Turns(Rc<Cell<u64>>);

/// A connection that is read through its meter.
pub(super) struct Metered {
    io: TcpStream,
    meter: Rc<Meter>,
    /// Bytes read in this turn.
    turn: usize,
    /// The answer waits for the client.
    is_stuck: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// For a head that does not end, and how many had ended when it was set.
    late: Option<(Pin<Box<Sleep>>, u64)>,
}

/// What a connection holds.
pub(super) struct Meter {
    share: Share,
    /// Bytes of which no request was made yet.
    unparsed: Cell<usize>,
    /// Those of them that can be left of what was read last.
    recent: Cell<usize>,
    /// No request was handled, and so none waited, when that was read.
    is_fresh: Cell<bool>,
    /// What the library's buffer has grown by; it stays so.
    buffer: Cell<usize>,
    /// Requests that began to be handled.
    heads: Cell<u64>,
    /// Bytes of the request that is handled.
    handled: Cell<usize>,
    /// Bytes of the answer that waits.
    unread: Cell<usize>,
    /// More of the request's body is to come.
    has_body: Cell<bool>,
    /// That was asked for, and did not come yet.
    wants_body: Cell<bool>,
    /// The answer says that it is the last.
    is_last: Cell<bool>,
    /// Since when the client is to do something.
    waiting_since: Cell<u64>,
    turns: Turns,
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
    /// Nothing is written either.
    Gone,
}

/// A request while it is handled.
pub(super) struct Handled(Option<Rc<Meter>>);

/// A request that came after the last answer.
pub(super) struct Over(Rc<Meter>);

impl Turns {
    fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

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
            turns: Turns::default(),
        }
    }

    /// Takes in a connection, in place of another when there are too many.
    pub(super) fn meter(&self, io: TcpStream) -> Metered {
        let meter = Rc::new(Meter::new(self.share.clone(), self.turns.clone()));
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.limit {
            connections.retain(|one| one.strong_count() > 0);
        }
        if connections.len() >= self.limit {
            let waiting = |one: &Weak<Meter>| one.upgrade().filter(|one| one.is_waiting());
            if let Some((at, longest)) = connections
                .iter()
                .enumerate()
                .filter_map(|(at, one)| Some((at, waiting(one)?)))
                .min_by_key(|(_, one)| one.waiting_since.get())
            {
                connections.swap_remove(at);
                longest.cut();
            }
        }
        connections.push(Rc::downgrade(&meter));
        Metered {
            io,
            meter,
            turn: 0,
            is_stuck: false,
            timer: None,
            late: None,
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

    /// Ends this turn: the library looks at what was read.
    fn pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn = 0;
        if self.is_late(cx) {
            self.meter.cut();
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Whether a head has not ended in time. The timer is not set anew for each: when it
    /// fires, it is told from the count whether this one was there when it was set.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let meter = &self.meter;
        let heads = meter.heads.get();
        if heads == 0 || meter.handled.get() > 0 || meter.unparsed.get() == 0 {
            return false;
        }
        let (timer, seen) = self
            .late
            .get_or_insert_with(|| (Box::pin(tokio::time::sleep(HEAD)), heads));
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        if *seen == heads {
            return true;
        }
        *seen = heads;
        timer.as_mut().reset(Instant::now() + HEAD);
        timer.as_mut().poll(cx).is_ready()
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
            State::Cut | State::Gone => return Poll::Ready(Ok(())),
        }
        // Who does not read is not read from; what is written wakes the reader.
        if this.is_stuck {
            return Poll::Pending;
        }
        let left = TURN - this.turn;
        if left == 0 {
            cx.waker().wake_by_ref();
            return this.pause(cx);
        }
        if this.turn == 0 {
            this.meter.begin_turn();
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(left.min(buffer.remaining())));
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, &mut part) else {
            return this.pause(cx);
        };
        let read = read.map(|()| part.filled().len())?;
        buffer.advance(read);
        this.turn += read;
        this.meter.recent.set(this.meter.recent.get() + read);
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
        if this.meter.state.get() == State::Gone {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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
    fn new(share: Share, turns: Turns) -> Self {
        Self {
            share,
            unparsed: Cell::new(0),
            recent: Cell::new(0),
            is_fresh: Cell::new(true),
            buffer: Cell::new(0),
            heads: Cell::new(0),
            handled: Cell::new(0),
            unread: Cell::new(0),
            has_body: Cell::new(false),
            wants_body: Cell::new(false),
            is_last: Cell::new(false),
            waiting_since: Cell::new(turns.next()),
            turns,
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
        let grown = self.unparsed.get().saturating_sub(FREE);
        self.buffer.set(self.buffer.get().max(grown));
        let needed = self.needed();
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

    /// What it holds beyond its own part.
    fn needed(&self) -> usize {
        self.buffer.get() + self.handled.get().saturating_sub(FREE) + self.unread.get()
    }

    /// Gives back what was borrowed for a request that is over.
    fn give_back(&self) {
        let needed = self.needed();
        let mut borrowed = self.borrowed.borrow_mut();
        if needed == 0 {
            *borrowed = None;
        } else if let Some(borrowed) = &mut *borrowed {
            let unneeded = borrowed.num_permits().saturating_sub(needed);
            drop(borrowed.split(unneeded));
        }
    }

    /// Whether the library goes on holding, or a client not reading, what was borrowed.
    fn has_large_buffer(&self) -> bool {
        self.buffer.get() > 0 || self.unread.get() > 0
    }

    /// More is to be read. The library has by now made what it could of what was read before:
    /// who waits for more of a body has been given all there was, and what is left of it is
    /// the chunks' framing, which nobody holds.
    fn begin_turn(&self) {
        self.recent.set(0);
        self.is_fresh.set(self.handled.get() == 0);
        if self.has_body.get() && self.wants_body.get() {
            self.unparsed.set(0);
        }
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
    ///
    /// # Errors
    /// When the last answer of its connection was given: the request is not to be handled.
    pub(super) fn begin(request: &mut ServiceRequest) -> Result<Self, Over> {
        let Some(meter) = request.conn_data::<Rc<Meter>>().map(Rc::clone) else {
            return Ok(Self(None));
        };
        if meter.is_last.get() {
            return Err(Over(meter));
        }
        let asks_to_close = request.head().connection_type() == ConnectionType::Close;
        meter.is_last.set(asks_to_close);
        meter.heads.set(meter.heads.get() + 1);
        let (text, headers) = size(request);
        meter.hand_on(text);
        if meter.is_fresh.get() {
            // What came before the last turn was this head, or framing that nobody holds.
            let left = meter.unparsed.get().min(meter.recent.get());
            meter.unparsed.set(left);
        }
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
        Ok(Self(Some(meter)))
    }

    /// It is answered; whose buffer has grown, or who has not sent all, sends no other and is told so.
    pub(super) fn end<B>(
        self,
        answered: Result<ServiceResponse<B>, Error>,
    ) -> Result<ServiceResponse<B>, Error> {
        let closes = |meter: &&Rc<Meter>| meter.has_body.get() || meter.has_large_buffer();
        let Some(meter) = self.0.as_ref().filter(closes) else {
            return answered;
        };
        meter.is_last.set(true);
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
        meter.wants_body.set(false);
        meter.waiting_since.set(meter.turns.next());
        meter.give_back();
        if meter.has_body.get() && meter.state.get() == State::Open {
            meter.state.set(State::Draining);
        }
    }
}

impl Over {
    /// Ends the connection once its client had time to see the last answer. The library
    /// writes after that answer what it makes of the error; nothing of it is sent.
    pub(super) async fn hang_up(self) -> Error {
        let Self(meter) = self;
        if meter.state.get() == State::Open {
            meter.state.set(State::Draining);
        }
        if let Some(reader) = meter.reader.borrow_mut().take() {
            reader.wake();
        }
        if meter.unparsed.get() < FULL {
            tokio::time::sleep(LINGER).await;
        } else {
            // It would only be asked again and again whether it reads.
            tokio::task::yield_now().await;
        }
        meter.state.set(State::Gone);
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
struct Body {
    payload: Payload,
    meter: Rc<Meter>,
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.payload.poll_next_unpin(cx);
        self.meter.wants_body.set(next.is_pending());
        let next = ready!(next);
        match &next {
            Some(Ok(chunk)) => self.meter.hand_on(chunk.len()),
            // The client could not help it.
            Some(Err(_)) if self.meter.state.get() == State::Cut => {
                let cut = io::Error::from(CUT);
                return Poll::Ready(Some(Err(PayloadError::Io(cut))));
            }
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

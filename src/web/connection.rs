//! What a connection may make the process hold before it is believed: a part of its own, and
//! beyond that a part of what all share.
//!
//! The HTTP library keeps what it reads until a head is whole, and what it answers until the
//! client reads that. So each connection is read by a budget. Who holds more than its own
//! part borrows from the share. What a request borrows is given back at its end; a buffer that
//! has grown stays with the library, so that connection is closed after the answer. Who can
//! borrow no more is cut.
//!
//! Of more than 3072 connections, fewer where few files may be open, the one that has kept us waiting longest
//! is cut for the new one: since it connected, or since its last answer. So idle connections keep no client
//! out. A webhook whose body is cut so is answered 503, and its provider sends it again.

mod connection_limit;
mod request;

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use connection_limit::TurnCounter;
pub(super) use connection_limit::{ConnectionLimit, SharedBytes};
pub(super) use request::{CUT, Handled};

/// Bytes that are read from a connection before what they say is looked at.
const TURN: usize = 4 * 1024;
/// What a connection holds without asking, in bytes: once of what no request was made of yet,
/// once of the request that is handled.
const FREE: usize = 8 * 1024;
/// What may stand behind an answer that is not read, in bytes: requests sent all the same.
const UNREAD: usize = 256 * 1024;
/// How long an answer may wait for its client to read more of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long unwanted bytes are read, so that the client sees its answer.
const LINGER: Duration = Duration::from_secs(1);
/// How long the head of a later request may take; the library times only the first.
const HEAD: Duration = Duration::from_secs(5);

/// A connection that is read by its budget.
pub(super) struct BudgetedConnection<Io> {
    io: Io,
    budget: Rc<ConnectionBudget>,
    /// Bytes read in this turn.
    turn: usize,
    /// The answer waits for the client.
    is_stuck: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// For a head that does not end, and how many had ended when it was set.
    late: Option<(Pin<Box<Sleep>>, u64)>,
}

/// What a connection holds.
pub(super) struct ConnectionBudget {
    share: SharedBytes,
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
    /// A part of the body that was requested, and did not come yet.
    wants_body: Cell<bool>,
    /// The answer says that it is the last.
    is_last: Cell<bool>,
    /// Since when the client is to do something.
    waiting_since: Cell<u64>,
    turns: TurnCounter,
    state: Cell<ConnectionState>,
    borrowed: RefCell<Option<OwnedSemaphorePermit>>,
    reader: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    Open,
    /// It was answered before its end: what comes is not kept.
    Draining,
    /// Nothing is read any more.
    Cut,
    /// Nothing is written either.
    Gone,
}

impl<Io: AsyncRead + Unpin> BudgetedConnection<Io> {
    /// What it holds.
    #[must_use]
    pub(super) fn budget(&self) -> Rc<ConnectionBudget> {
        Rc::clone(&self.budget)
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
            self.budget.cut();
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Whether a head has not ended in time. The timer is not set again for each: when it fires, the
    /// count shows whether this head was there when the timer was set.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let budget = &self.budget;
        let heads = budget.heads.get();
        if heads == 0 || budget.handled.get() > 0 || budget.unparsed.get() == 0 {
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

impl<Io: AsyncRead + Unpin> AsyncRead for BudgetedConnection<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.budget.wait(cx);
        match this.budget.state.get() {
            ConnectionState::Open => {}
            ConnectionState::Draining => return this.drain(cx),
            // As if the client had gone.
            ConnectionState::Cut | ConnectionState::Gone => return Poll::Ready(Ok(())),
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
            this.budget.begin_turn();
        }
        // A part of the buffer itself would have to be filled with zeros before each read.
        let mut scratch = [const { MaybeUninit::<u8>::uninit() }; TURN];
        let mut part = ReadBuf::uninit(&mut scratch[..left.min(buffer.remaining())]);
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, &mut part) else {
            return this.pause(cx);
        };
        let read = read.map(|()| part.filled().len())?;
        buffer.put_slice(part.filled());
        this.turn += read;
        this.budget.recent.set(this.budget.recent.get() + read);
        this.budget.add(&this.budget.unparsed, read);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for BudgetedConnection<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.budget.state.get() == ConnectionState::Gone {
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
        this.budget.unread.set(bytes.len().max(UNREAD));
        if !this.budget.borrow_what_is_held() || this.poll_timer(PATIENCE, cx).is_ready() {
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

impl ConnectionBudget {
    fn new(share: SharedBytes, turns: TurnCounter) -> Self {
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
            state: Cell::new(ConnectionState::Open),
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
    /// a reader that waits for more of a body has been given all there was, and what is left of it
    /// is the chunks' framing, which is kept nowhere.
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
        self.state.set(ConnectionState::Cut);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_of_the_buffer_is_written_but_those_that_were_read() {
        let sent = b"POST /webhooks/acme HTTP/1.1";
        let limit = ConnectionLimit::new(SharedBytes::default(), 1);
        let mut connection = limit.budget(&sent[..]);
        let mut space = [const { MaybeUninit::<u8>::uninit() }; TURN];
        let mut buffer = ReadBuf::uninit(&mut space);
        let mut cx = Context::from_waker(Waker::noop());
        let read = Pin::new(&mut connection).poll_read(&mut cx, &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(()))));
        assert_eq!(buffer.filled(), sent);
        assert_eq!(buffer.initialized(), sent);
    }
}

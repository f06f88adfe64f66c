//! What bodies may take together, and which of them makes room for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{RequestBody, Unread};

/// A body of up to so many bytes takes nothing of a share.
pub(super) const TINY: usize = 4 * 1024;
/// A body of up to so many bytes is a small one.
const SMALL: usize = 64 * 1024;

/// What the bodies of one kind of sender may take together.
#[derive(Clone)]
pub(super) struct BodyBudget(Arc<Mutex<Books>>);

struct Books {
    small: BudgetShare,
    large: BudgetShare,
    /// Bodies that took of a share so far.
    numbers: u64,
}

/// A share, in bytes. The bodies that are not whole are kept here, by their age, so that one can
/// be taken away from its reader.
struct BudgetShare {
    left: usize,
    unfinished: BTreeMap<u64, Unfinished>,
}

struct Unfinished {
    bytes: Vec<u8>,
    cut: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

/// A body that is being read.
pub(super) struct BodyReader {
    budget: BodyBudget,
    length: usize,
    place: BodyState,
}

enum BodyState {
    /// It takes nothing of a share yet.
    Here(Vec<u8>),
    /// It is in the books under its number.
    There {
        number: u64,
        size: Size,
        cut: Arc<Notify>,
    },
}

/// What a whole body takes of a share; given back when dropped.
pub(crate) struct BodyPermit(Option<(BodyBudget, Size, usize)>);

impl Size {
    const fn of(length: usize) -> Self {
        if length <= SMALL {
            Self::Small
        } else {
            Self::Large
        }
    }
}

impl BodyBudget {
    pub(super) fn new(small: usize, large: usize) -> Self {
        let share = |left| BudgetShare {
            left,
            unfinished: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(Books {
            small: share(small),
            large: share(large),
            numbers: 0,
        })))
    }

    /// Begins a body; so many bytes of it are set aside.
    pub(super) fn begin(&self, ahead: usize) -> BodyReader {
        BodyReader {
            budget: self.clone(),
            length: 0,
            place: BodyState::Here(Vec::with_capacity(ahead)),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    const fn share(&mut self, size: Size) -> &mut BudgetShare {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }
}

impl BudgetShare {
    /// Makes room for so many bytes of the body of that number, at the cost of those that are
    /// older and not whole. A slow client loses so; one that kept a share full by sending new
    /// bodies would have to send all of it in the time that one takes to arrive.
    fn make_room(&mut self, length: usize, number: u64) -> Result<(), Unread> {
        while self.left < length {
            let oldest = self.unfinished.first_entry();
            let oldest = oldest.filter(|oldest| *oldest.key() < number);
            let cut = oldest.ok_or(Unread::TooMany)?.remove();
            self.left += cut.bytes.len();
            cut.cut.notify_one();
        }
        Ok(())
    }

    fn put(&mut self, number: u64, unfinished: Unfinished) {
        self.left = self.left.saturating_sub(unfinished.bytes.len());
        self.unfinished.insert(number, unfinished);
    }

    /// Takes a body out; `None` when it had to make room.
    fn take(&mut self, number: u64) -> Option<Unfinished> {
        let taken = self.unfinished.remove(&number)?;
        self.left += taken.bytes.len();
        Some(taken)
    }
}

impl BodyReader {
    /// How much was read.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Notifies when the body had to make room; one that takes nothing of a share never has to.
    pub(super) fn cut(&self) -> Option<Arc<Notify>> {
        match &self.place {
            BodyState::Here(_) => None,
            BodyState::There { cut, .. } => Some(Arc::clone(cut)),
        }
    }

    /// Adds what was read.
    ///
    /// # Errors
    /// [`Unread::TooMany`] when there is no room, or it had to make room.
    pub(super) fn add(&mut self, chunk: &[u8]) -> Result<(), Unread> {
        self.length += chunk.len();
        // A small body is kept without a share and notifies no other.
        if let BodyState::Here(bytes) = &mut self.place
            && self.length <= TINY
        {
            bytes.extend_from_slice(chunk);
            return Ok(());
        }
        let mut books = self.budget.books();
        let (number, mut unfinished) = match &mut self.place {
            BodyState::Here(bytes) => {
                books.numbers += 1;
                let bytes = std::mem::take(bytes);
                let cut = Arc::default();
                (books.numbers, Unfinished { bytes, cut })
            }
            BodyState::There { number, size, .. } => {
                let taken = books.share(*size).take(*number);
                (*number, taken.ok_or(Unread::TooMany)?)
            }
        };
        let size = Size::of(self.length);
        let share = books.share(size);
        share.make_room(self.length, number)?;
        unfinished.bytes.extend_from_slice(chunk);
        let cut = Arc::clone(&unfinished.cut);
        share.put(number, unfinished);
        drop(books);
        self.place = BodyState::There { number, size, cut };
        Ok(())
    }

    /// The body is whole, and makes room for no other any more.
    ///
    /// # Errors
    /// [`Unread::TooMany`] when it had to before.
    pub(super) fn end(mut self) -> Result<RequestBody, Unread> {
        let (number, size) = match &mut self.place {
            BodyState::Here(bytes) => {
                let bytes = std::mem::take(bytes);
                return Ok(RequestBody {
                    bytes,
                    permit: BodyPermit(None),
                });
            }
            BodyState::There { number, size, .. } => (*number, *size),
        };
        let mut books = self.budget.books();
        let share = books.share(size);
        let Unfinished { bytes, .. } = share.take(number).ok_or(Unread::TooMany)?;
        share.left = share.left.saturating_sub(bytes.len());
        drop(books);
        let permit = BodyPermit(Some((self.budget.clone(), size, bytes.len())));
        Ok(RequestBody { bytes, permit })
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        if let BodyState::There { number, size, .. } = self.place {
            let taken = self.budget.books().share(size).take(number);
            // Freed when the books are closed.
            drop(taken);
        }
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        if let Some((budget, size, bytes)) = self.0.take() {
            budget.books().share(size).left += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: usize = 1024 * 1024;

    fn budget() -> BodyBudget {
        BodyBudget::new(SHARE, SHARE)
    }

    fn left(budget: &BodyBudget) -> (usize, usize) {
        let books = budget.books();
        (books.small.left, books.large.left)
    }

    /// A body of which so much was read.
    fn read(budget: &BodyBudget, bytes: usize) -> Result<BodyReader, Unread> {
        let mut reading = budget.begin(0);
        for chunk in vec![7; bytes].chunks(TINY) {
            reading.add(chunk)?;
        }
        Ok(reading)
    }

    #[test]
    fn a_body_is_read_as_it_came_and_gives_back_what_it_took() {
        let budget = budget();
        let sizes = [
            (0, (SHARE, SHARE)),
            (TINY, (SHARE, SHARE)),
            (TINY + 1, (SHARE - TINY - 1, SHARE)),
            (SMALL, (SHARE - SMALL, SHARE)),
            (SMALL + 1, (SHARE, SHARE - SMALL - 1)),
        ];
        for (length, expected) in sizes {
            let reading = read(&budget, length).unwrap();
            assert_eq!(left(&budget), expected, "{length}");
            let body = reading.end().unwrap();
            assert_eq!(body.bytes, vec![7; length]);
            assert_eq!(left(&budget), expected, "{length}");
            drop(body);
            drop(read(&budget, length));
            assert_eq!(left(&budget), (SHARE, SHARE), "{length}");
        }
    }

    #[test]
    fn the_oldest_of_its_share_makes_room_and_no_other() {
        let budget = budget();
        let small = read(&budget, SMALL).unwrap();
        let mut large: Vec<BodyReader> =
            (0..4).map(|_| read(&budget, SHARE / 4).unwrap()).collect();
        let newest = read(&budget, SHARE / 4 + 1).unwrap();
        let mut actions = large.iter_mut().map(|reading| reading.add(&[7]));
        let too_many = Err(Unread::TooMany);
        assert_eq!(actions.next(), Some(too_many));
        assert_eq!(actions.next(), Some(too_many));
        assert_eq!(actions.next(), Some(Ok(())));
        assert!(small.end().is_ok() && newest.end().is_ok());
        drop(large);
        assert_eq!(left(&budget), (SHARE, SHARE));
    }

    #[test]
    fn what_is_whole_stays_and_the_oldest_itself_is_refused() {
        let budget = budget();
        let mut oldest = read(&budget, SMALL + 1).unwrap();
        let whole = read(&budget, SHARE / 2).unwrap().end().unwrap();
        let newer = read(&budget, SHARE / 4).unwrap();
        assert_eq!(oldest.add(&vec![7; SHARE / 4]), Err(Unread::TooMany));
        assert_eq!(read(&budget, SHARE / 2 + 1).err(), Some(Unread::TooMany));
        assert_eq!(newer.end().err(), Some(Unread::TooMany));
        assert_eq!(whole.bytes.len(), SHARE / 2);
        drop(oldest);
        assert_eq!(left(&budget), (SHARE, SHARE / 2));
        drop(whole);
        assert_eq!(left(&budget), (SHARE, SHARE));
    }

    #[test]
    fn one_that_made_room_is_reported_so() {
        let budget = budget();
        let oldest = read(&budget, SHARE).unwrap();
        let cut = oldest.cut().unwrap();
        let mut cut_signal = Box::pin(cut.notified());
        assert!(!is_ready(cut_signal.as_mut()));
        let newest = read(&budget, SMALL + 1).unwrap();
        assert!(is_ready(cut_signal.as_mut()));
        assert!(read(&budget, TINY).unwrap().cut().is_none());
        drop((oldest, newest));
    }

    fn is_ready(future: std::pin::Pin<&mut impl Future>) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.poll(&mut context).is_ready()
    }
}

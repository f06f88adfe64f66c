//! What the write-ahead log must hold, in memory: so that a log that another program cut short
//! is noticed before anybody is answered, and can be written back.
//!
//! What is committed is read back and checked as SQLite's recovery would check it. A cut takes
//! the end of a file, so the log is whole while its header and the last page seen are there.
//! The format is SQLite's: <https://sqlite.org/fileformat2.html#walformat>.
//!
//! It costs about 1 µs before each commit and 1 µs for each of its pages after it.

use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt as _;

use super::wal_maintenance::CHECKPOINT_PAGES;

/// Bytes before the first page.
const HEADER: usize = 32;
/// Bytes before each page, in front of it.
const PAGE_HEADER: usize = 24;
/// Bytes of the two numbers that identify a log.
pub(super) const SALTS: usize = 8;
/// How a log begins; the last bit says how its checksums read words.
const MAGIC: u32 = 0x377F_0682;
/// Pages that are kept, three times what a log has when it is moved into the store's file. One that
/// a reader lets grow beyond that is only looked at.
const KEPT: u32 = 3 * CHECKPOINT_PAGES;
/// Pages that are read at once.
const BATCH: u32 = 256;

/// The log as of the last look.
#[derive(Debug, Default)]
pub(super) struct LogCopy {
    /// None while the log is empty.
    known: Option<KnownPages>,
    /// Memory of the log before, for the next: to ask for it again with each log costs as much as to
    /// read the log.
    spare: Vec<u8>,
    /// Room for the last page, as it is found.
    found: Vec<u8>,
}

#[derive(Debug)]
struct KnownPages {
    header: [u8; HEADER],
    is_big_endian: bool,
    /// Bytes of a page with what is before it.
    frame: usize,
    /// The pages that are kept, each with what is before it.
    frames: Vec<u8>,
    /// How many pages at the log's beginning are not kept.
    dropped: u32,
    pages: u32,
    /// The checksum of all up to there.
    sums: [u32; 2],
}

impl LogCopy {
    /// The log was emptied, or is another.
    pub(super) fn forget(&mut self) {
        if let Some(known) = self.known.take() {
            self.spare = known.frames;
            self.spare.clear();
        }
    }

    /// Whether the log has all that it had, and so many valid pages; these are kept from then on.
    pub(super) fn look(&mut self, log: &File, pages: u32) -> bool {
        match &mut self.known {
            Some(known) => known.is_in(log, &mut self.found) && known.extend(log, pages),
            None => pages == 0,
        }
    }

    /// Takes a log of so many pages for one that SQLite has started over; returns whether it is.
    /// The index has the salts of the log that it is of, which an older copy has not. They say
    /// nothing by themselves: a program that just opened the store draws them at random.
    pub(super) fn follow(&mut self, log: &File, pages: u32, salts: [u8; SALTS]) -> bool {
        let Some(mut new) = KnownPages::begin(log) else {
            return false;
        };
        let is_new = new.header[16..24] == salts && new.extend(log, pages);
        if is_new {
            self.forget();
            new.move_into(mem::take(&mut self.spare));
            self.known = Some(new);
        }
        is_new
    }

    /// Pages that the log had at the last look.
    pub(super) fn pages(&self) -> u32 {
        self.known.as_ref().map_or(0, |known| known.pages)
    }

    /// Whether the log can be written back as a whole.
    pub(super) fn is_complete(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.dropped == 0)
    }

    /// Writes the log back, as of the last look.
    ///
    /// # Errors
    /// The first that the disk answers with.
    pub(super) fn write_back(&self, log: &File) -> io::Result<()> {
        let Some(known) = &self.known else {
            return log.set_len(0);
        };
        // The header last: half a log, on a disk that is full, is none.
        log.write_all_at(&known.frames, HEADER as u64)?;
        log.write_all_at(&known.header, 0)
    }
}

/// How many pages a start would find in the log: up to the last commit before its end or gap.
pub(super) fn count_whole(log: &File) -> u32 {
    let mut whole = 0;
    let Some(mut known) = KnownPages::begin(log) else {
        return whole;
    };
    while known.extend(log, known.pages + 1) {
        let last = known.last();
        if last[4..8] != [0; 4] {
            whole = known.pages;
        }
    }
    whole
}

impl KnownPages {
    /// Reads the beginning of a log.
    fn begin(log: &File) -> Option<Self> {
        let mut header = [0; HEADER];
        log.read_exact_at(&mut header, 0).ok()?;
        let magic = word(&header, 0);
        let is_big_endian = magic == MAGIC | 1;
        let page = usize::try_from(word(&header, 8)).ok()?;
        let sums = checksum(&header[..24], is_big_endian, [0; 2]);
        let is_valid = magic | 1 == MAGIC | 1
            && page.is_power_of_two()
            && (512..=65_536).contains(&page)
            && sums == [word(&header, 24), word(&header, 28)];
        is_valid.then(|| Self {
            header,
            is_big_endian,
            frame: PAGE_HEADER + page,
            frames: Vec::new(),
            dropped: 0,
            pages: 0,
            sums,
        })
    }

    /// Keeps the pages in this memory from now on, with room for all that are kept: to grow later
    /// would copy all of them each time.
    fn move_into(&mut self, mut room: Vec<u8>) {
        room.reserve_exact(KEPT as usize * self.frame);
        room.extend_from_slice(&self.frames);
        self.frames = room;
    }

    fn last(&self) -> &[u8] {
        &self.frames[self.frames.len().saturating_sub(self.frame)..]
    }

    fn offset(&self, page: u32) -> u64 {
        HEADER as u64 + u64::from(page) * self.frame as u64
    }

    fn is_in(&self, log: &File, found: &mut Vec<u8>) -> bool {
        let mut header = [0; HEADER];
        found.resize(self.frame, 0);
        log.read_exact_at(&mut header, 0).is_ok()
            && header == self.header
            && log
                .read_exact_at(found, self.offset(self.pages.saturating_sub(1)))
                .is_ok()
            && found == self.last()
    }

    /// Reads the log up to so many pages; returns whether they are what recovery would take.
    fn extend(&mut self, log: &File, pages: u32) -> bool {
        if pages.saturating_sub(self.pages) > KEPT {
            return self.skip(log, pages);
        }
        while self.pages < pages {
            let more = (pages - self.pages).min(BATCH);
            let (kept, offset) = (self.frames.len(), self.offset(self.pages));
            self.frames.resize(kept + more as usize * self.frame, 0);
            let is_read = log.read_exact_at(&mut self.frames[kept..], offset);
            let sums = is_read.ok().and_then(|()| self.check(kept));
            let Some(sums) = sums else {
                self.frames.truncate(kept);
                return false;
            };
            self.sums = sums;
            self.pages += more;
            if self.dropped > 0 || self.frames.len() > KEPT as usize * self.frame {
                self.drop_all_but_the_last();
            }
        }
        true
    }

    /// One transaction of more than is kept is not read again, but for its last page.
    fn skip(&mut self, log: &File, pages: u32) -> bool {
        let mut last = vec![0; self.frame];
        if log
            .read_exact_at(&mut last, self.offset(pages - 1))
            .is_err()
            || last[8..16] != self.header[16..24]
        {
            return false;
        }
        self.sums = [word(&last, 16), word(&last, 20)];
        self.pages = pages;
        self.frames = last;
        self.dropped = pages - 1;
        true
    }

    /// The checksum up to the end of what is kept, when all from this byte on is valid.
    fn check(&self, from: usize) -> Option<[u32; 2]> {
        let mut sums = self.sums;
        for frame in self.frames[from..].chunks_exact(self.frame) {
            sums = checksum(&frame[..8], self.is_big_endian, sums);
            sums = checksum(&frame[PAGE_HEADER..], self.is_big_endian, sums);
            let is_valid =
                frame[8..16] == self.header[16..24] && sums == [word(frame, 16), word(frame, 20)];
            if !is_valid {
                return None;
            }
        }
        Some(sums)
    }

    fn drop_all_but_the_last(&mut self) {
        self.frames = self.last().to_vec();
        self.dropped = self.pages - 1;
    }
}

/// The big-endian word at this byte.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// SQLite's checksum of a log, carried on from the one before.
fn checksum(bytes: &[u8], is_big_endian: bool, sums: [u32; 2]) -> [u32; 2] {
    if is_big_endian {
        carry_on(bytes, sums, u32::from_be_bytes)
    } else {
        carry_on(bytes, sums, u32::from_le_bytes)
    }
}

fn carry_on(bytes: &[u8], [mut one, mut two]: [u32; 2], read: impl Fn([u8; 4]) -> u32) -> [u32; 2] {
    for [a, b, c, d, e, f, g, h] in bytes.as_chunks::<8>().0 {
        one = one.wrapping_add(read([*a, *b, *c, *d])).wrapping_add(two);
        two = two.wrapping_add(read([*e, *f, *g, *h])).wrapping_add(one);
    }
    [one, two]
}

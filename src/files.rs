//! What the process's open files are for: connections of clients, connections to subscribers, and
//! the rest.
//!
//! Pure. Each part is bounded by itself, so that none of them takes the files of the others: a
//! stranger that connects and a subscriber that hangs cost the store no file.
//!
//! The limit is parted at the start: a quarter for connections to subscribers, an eighth for clients that are
//! cut and not yet closed, 96 for the store and the rest, the remainder for clients. An attempt for which the
//! machine lacks a file, port or memory is none: its forward stays due and is tried again after a second.

/// Open connections of clients, where files enough may be open.
pub const CONNECTIONS: usize = 3_072;
/// Connections of clients that are cut and not yet closed: each still holds memory.
const CLOSING: usize = 512;
/// Files beside all these connections: the store's and its readers', sockets, the log, the command
/// line, what is polled.
const OTHER_FILES: u64 = 96;
/// One in so many of the files is for connections to subscribers.
const PART_OF_SUBSCRIBERS: u64 = 4;
/// One in so many of the files is for connections of clients that are cut and not yet closed.
const PART_OF_CLOSING: u64 = 8;

/// How many connections of each kind there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Client connections; above it the longest idle one is closed.
    pub clients: usize,
    /// Client connections that are cut and not yet closed. Beyond that, new ones wait to be accepted,
    /// so that accepting does not fail.
    pub closing: usize,
    /// Connections to subscribers, those included that are kept for the next forward.
    pub subscribers: usize,
}

impl Budget {
    /// What fits where the process may have so many files open; `None` where there is no limit.
    #[must_use]
    pub fn of(open_files: Option<u64>) -> Self {
        let files = open_files.unwrap_or(u64::MAX);
        let (subscribers, closing) = (files / PART_OF_SUBSCRIBERS, files / PART_OF_CLOSING);
        let clients = files - subscribers - closing;
        let bounded = |part: u64, least, most| {
            usize::try_from(part).map_or(most, |part| part.clamp(least, most))
        };
        Self {
            clients: bounded(clients.saturating_sub(OTHER_FILES), 16, CONNECTIONS),
            closing: bounded(closing, 16, CLOSING),
            subscribers: bounded(subscribers, 4, usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_part_and_files_are_left_for_the_rest() {
        for (open_files, clients, subscribers) in [
            (None, 3_072, usize::MAX / 4),
            (Some(1_048_576), 3_072, 262_144),
            (Some(8_192), 3_072, 2_048),
            (Some(4_096), 2_464, 1_024),
            (Some(1_024), 544, 256),
            (Some(256), 64, 64),
            (Some(100), 16, 25),
            (Some(0), 16, 4),
        ] {
            let budget = Budget::of(open_files);
            assert_eq!(budget.clients, clients, "{open_files:?}");
            assert_eq!(budget.subscribers, subscribers, "{open_files:?}");
            if let Some(files) = open_files.filter(|files| *files >= 256) {
                let all = budget.clients + budget.closing + budget.subscribers;
                let left = usize::try_from(files).map_or(usize::MAX, |files| files - all);
                assert!(left >= 96, "{files}: {left} for the store");
            }
        }
    }
}

//! The public ids of what a group queues, made from randomness that comes in with the group.

use uuid::{Builder, Uuid};

/// Makes ids: each is a `UUIDv7`, and sorts after those that were made before for the same time.
///
/// 73 bits come in, and the last 61 of them are counted up. So two groups make no id alike, in
/// whichever process each is decided.
#[derive(Debug, Clone)]
pub(crate) struct PublicIds {
    fixed: u16,
    next: u64,
}

impl PublicIds {
    /// Begins at these random bits. The same ones make the same ids.
    pub(crate) const fn new((fixed, first): (u16, u64)) -> Self {
        // Of the 64 bits an id has room for 62; the uppermost of those is left for a carry.
        Self {
            fixed,
            next: first >> 3,
        }
    }

    /// A new id of that time (ms since 1970 UTC).
    pub(crate) fn make(&mut self, at_ms: i64) -> Uuid {
        let mut bits = [0_u8; 10];
        bits[..2].copy_from_slice(&self.fixed.to_be_bytes());
        bits[2..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        let at_ms = u64::try_from(at_ms).unwrap_or_default();
        Builder::from_unix_timestamp_millis(at_ms, &bits).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_in_which_they_are_made() {
        let make = |random| {
            let mut ids = PublicIds::new(random);
            [5, 5, 5, 6].map(|at_ms| ids.make(at_ms))
        };
        // The largest bits: the second id carries.
        let (low, high) = (make((0, 0)), make((u16::MAX, u64::MAX)));
        for made in [low, high] {
            assert!(made.is_sorted_by(|one, next| one < next), "{made:?}");
            assert!(made.iter().all(|id| id.get_version_num() == 7), "{made:?}");
        }
        assert!(low.iter().all(|id| !high.contains(id)));
    }
}

//! What an operator should know of a store that is not as it should be, in words.

use super::options::SqliteOptions;
use crate::store::{AgeHold, Health, HealthNote, NoteLevel};

/// What is not to be exceeded.
#[derive(Debug, Clone, Copy)]
pub(super) struct HealthLimits {
    wal_bytes: u64,
    reserve_bytes: u64,
}

impl HealthLimits {
    pub(super) const fn of(options: &SqliteOptions) -> Self {
        Self {
            wal_bytes: options.wal_limit_bytes,
            reserve_bytes: options.disk_reserve_bytes,
        }
    }
}

/// The notes on a store that feels so, the gravest first, and last what is only near.
pub(super) fn of(health: &Health, limits: &HealthLimits, held: Option<AgeHold>) -> Vec<HealthNote> {
    let mut notes = Vec::new();
    if !health.in_place {
        let text = "A file of the store was moved, removed or replaced. Webhooks are answered 503 \
             until the same files are back; if they do not come back, restart the service.";
        notes.push(now("files-displaced", text.to_owned()));
    }
    notes.extend(disk(health, limits.reserve_bytes));
    if !health.commit_ok {
        let text =
            "The last commit failed; the log says why. The provider sends its webhook again.";
        notes.push(now("commit-failed", text.to_owned()));
    }
    notes.extend(log(health.log_bytes, limits.wal_bytes));
    if let Some(held) = held {
        let hours = held.left.as_secs().div_ceil(3600);
        let text = format!(
            "The clock jumped ahead. Nothing is pruned and nothing expires for up to {hours} h, or \
             until the clock is set back."
        );
        notes.push(now("clock-ahead", text));
    }
    notes.sort_by_key(|note| note.level);
    notes
}

const fn now(code: &'static str, text: String) -> HealthNote {
    HealthNote {
        code,
        level: NoteLevel::Now,
        text,
        figures: Vec::new(),
    }
}

/// The disk, where less than twice its reserve is free: then there is still time.
fn disk(health: &Health, reserve: u64) -> Option<HealthNote> {
    let (level, text) = match (health.disk_ok, health.free_bytes) {
        (false, _) => (
            NoteLevel::Now,
            format!(
                "The disk has less room than store.disk_reserve keeps free ({reserve} bytes). \
                 Webhooks are answered 503 until there is room."
            ),
        ),
        (true, Some(free)) if free < reserve.saturating_mul(2) => (
            NoteLevel::Early,
            format!(
                "The disk is nearly full: {free} bytes are free. Webhooks are answered 503 once \
                 less than store.disk_reserve ({reserve} bytes) is free."
            ),
        ),
        (true, _) => return None,
    };
    let mut figures = vec![("reserve_bytes", reserve)];
    figures.extend(health.free_bytes.map(|free| ("free_bytes", free)));
    Some(HealthNote {
        level,
        figures,
        ..now("disk-low", text)
    })
}

/// The write-ahead log, from four fifths of its limit on.
fn log(bytes: u64, limit: u64) -> Option<HealthNote> {
    let (level, text) = if bytes > limit {
        (
            NoteLevel::Now,
            format!(
                "The write-ahead log has {bytes} bytes, more than the {limit} of store.wal_limit. \
                 A program that reads the store for long keeps it from shrinking; the log names it."
            ),
        )
    } else if bytes > limit / 5 * 4 {
        (
            NoteLevel::Early,
            format!(
                "The write-ahead log has {bytes} bytes, near the {limit} of store.wal_limit. A \
                 program that reads the store for long most likely keeps it from shrinking."
            ),
        )
    } else {
        return None;
    };
    Some(HealthNote {
        level,
        figures: vec![("wal_bytes", bytes), ("limit_bytes", limit)],
        ..now("log-large", text)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn noted(health: &Health, held: Option<AgeHold>) -> Vec<(&'static str, NoteLevel)> {
        let limits = HealthLimits {
            wal_bytes: 10,
            reserve_bytes: 5,
        };
        let notes = of(health, &limits, held).into_iter();
        notes.map(|note| (note.code, note.level)).collect()
    }

    fn well() -> Health {
        Health {
            disk_ok: true,
            in_place: true,
            commit_ok: true,
            free_bytes: Some(10),
            log_bytes: 8,
            ..Health::default()
        }
    }

    #[test]
    fn what_is_wrong_is_noted_and_nothing_else_is() {
        assert!(noted(&well(), None).is_empty());
        let ill = Health {
            log_bytes: 11,
            ..Health::default()
        };
        let held = AgeHold {
            before_ms: 0,
            now_ms: 1,
            left: Duration::from_secs(1),
        };
        let all = [
            "files-displaced",
            "disk-low",
            "commit-failed",
            "log-large",
            "clock-ahead",
        ];
        let all = all.map(|code| (code, NoteLevel::Now));
        assert_eq!(noted(&ill, Some(held)), all);
    }

    #[test]
    fn what_is_near_is_noted_early_and_after_what_is_wrong() {
        let near = Health {
            commit_ok: false,
            free_bytes: Some(9),
            log_bytes: 9,
            ..well()
        };
        let expected = [
            ("commit-failed", NoteLevel::Now),
            ("disk-low", NoteLevel::Early),
            ("log-large", NoteLevel::Early),
        ];
        assert_eq!(noted(&near, None), expected);
    }
}

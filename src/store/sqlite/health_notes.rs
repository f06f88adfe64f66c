//! What an operator should know of a store that is not as it should be, in words.

use crate::store::{Health, HealthNote, HeldClock, Options};

/// What is not to be exceeded.
#[derive(Debug, Clone, Copy)]
pub(super) struct HealthLimits {
    wal_bytes: u64,
    reserve_bytes: u64,
}

impl HealthLimits {
    pub(super) const fn of(options: &Options) -> Self {
        Self {
            wal_bytes: options.wal_limit_bytes,
            reserve_bytes: options.disk_reserve_bytes,
        }
    }
}

/// The notes on a store that feels so, the gravest first.
pub(super) fn of(
    health: &Health,
    limits: &HealthLimits,
    held: Option<HeldClock>,
) -> Vec<HealthNote> {
    let mut notes = Vec::new();
    let mut note = |code, text: String| notes.push(HealthNote { code, text });
    if !health.in_place {
        note(
            "files-displaced",
            "A file of the store was moved, removed or replaced. Webhooks are answered 503 until the \
             same files are back; if they do not come back, restart the service."
                .to_owned(),
        );
    }
    if !health.disk_ok {
        let reserve = limits.reserve_bytes;
        note(
            "disk-low",
            format!(
                "The disk has less room than store.disk_reserve keeps free ({reserve} bytes). Webhooks \
                 are answered 503 until there is room."
            ),
        );
    }
    if !health.commit_ok {
        note(
            "commit-failed",
            "The last commit failed; the log says why. The provider sends its webhook again."
                .to_owned(),
        );
    }
    if health.wal_bytes > limits.wal_bytes {
        let (bytes, limit) = (health.wal_bytes, limits.wal_bytes);
        note(
            "log-large",
            format!(
                "The write-ahead log has {bytes} bytes, more than the {limit} of store.wal_limit. A \
                 program that reads the store for long keeps it from shrinking; the log names it."
            ),
        );
    }
    if let Some(held) = held {
        let hours = held.left.as_secs().div_ceil(3600);
        note(
            "clock-ahead",
            format!(
                "The clock jumped ahead. Nothing is pruned and nothing expires for up to {hours} h, or \
                 until the clock is set back."
            ),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn codes(health: &Health, held: Option<HeldClock>) -> Vec<&'static str> {
        let limits = HealthLimits {
            wal_bytes: 10,
            reserve_bytes: 5,
        };
        let notes = of(health, &limits, held).into_iter();
        notes.map(|note| note.code).collect()
    }

    #[test]
    fn what_is_wrong_is_noted_and_nothing_else_is() {
        let well = Health {
            disk_ok: true,
            in_place: true,
            commit_ok: true,
            wal_bytes: 10,
            ..Health::default()
        };
        assert!(codes(&well, None).is_empty());
        let ill = Health {
            wal_bytes: 11,
            ..Health::default()
        };
        let held = HeldClock {
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
        assert_eq!(codes(&ill, Some(held)), all);
    }
}

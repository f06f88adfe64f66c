//! What is said of looking after a store: its health, pruning, erasing a person, reading
//! bodies again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Durability;
use super::query::ListPlace;
use crate::model::{MessageType, WebhookKey};

/// Something about the store that its operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthNote {
    /// A stable word for it, as in `disk-low`.
    pub code: &'static str,
    /// Whether it holds already.
    pub level: NoteLevel,
    /// What it means and what helps, in the engine's own terms.
    pub text: String,
    /// The figures behind it, by their names, for an event.
    #[serde(skip)]
    pub figures: Vec<(&'static str, u64)>,
}

/// Whether what a note is about holds already; the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteLevel {
    /// It holds.
    Now,
    /// It is near: there is time to do something about it in peace.
    Early,
}

/// How the store feels, as a health check sees it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// What its operator should know; nothing when all is well.
    pub notes: Vec<HealthNote>,
    /// What a commit waits for.
    pub durability: Durability,
    /// Bytes of the disk that are free for the store; `None` when unknown.
    pub free_bytes: Option<u64>,
    /// For how long the writer has been busy with one group, ms; 0 when idle.
    pub busy_ms: i64,
    /// Webhooks that wait to be stored.
    pub queued: usize,
    /// Whether the disk's reserve is free.
    pub disk_ok: bool,
    /// Whether the store is still what was opened: nothing of it was taken away or replaced.
    pub in_place: bool,
    /// Whether the last commit succeeded.
    pub commit_ok: bool,
    /// Bytes of the log that commits are written to first.
    pub log_bytes: u64,
}

/// Why nothing goes by its age for now: the time is so far ahead of what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeHold {
    /// What the time was before it jumped, ms since 1970 UTC.
    pub before_ms: i64,
    /// What it is now, ms since 1970 UTC.
    pub now_ms: i64,
    /// After how long the hold ends, unless the time is set right first.
    pub left: Duration,
}

/// What goes by age, in the order in which it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Prunable {
    /// Raw webhooks; reports keep the key of the webhook that brought them.
    Webhooks,
    /// Attempts of forwards that are settled.
    Attempts,
    /// Payloads of which every forward has been settled for so long.
    Payloads,
    /// Messages with their reports, forwards, payloads and attempts, when nothing is pending.
    Messages,
    /// Forwards that are about no message, once they are settled, with all that hangs on them.
    Events,
    /// Replays that ended.
    Replays,
    /// Removed subscribers that no forward names any more.
    Subscribers,
    /// Broadcasts that are polled no more.
    Polls,
    /// Which names are one person's, where no report confirms it.
    People,
    /// Account events that did not come again.
    AccountEvents,
}

/// One small step of pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneStep {
    /// What is removed.
    pub what: Prunable,
    /// What is older, ms since 1970 UTC.
    pub before_ms: i64,
    /// Where the last step ended; `None` for the first one.
    pub behind: Option<ListPlace>,
}

/// What a step of pruning came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Rows removed, those that hang on them aside.
    pub removed: usize,
    /// Where the next step goes on; `None` when nothing that is old can be left.
    pub next: Option<ListPlace>,
}

/// What an erasure removed, or would remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Erased {
    /// Messages, with everything that hangs on them.
    pub messages: u64,
    /// Reports, those of these messages and those of the person in group messages.
    pub reports: u64,
    /// Forwards, with their payloads and attempts.
    pub forwards: u64,
    /// Those of them that were still pending and are not sent any more.
    pub pending: u64,
    /// Raw bodies; the webhooks' rows stay, without them.
    pub bodies: u64,
    /// Answers of subscribers to other forwards, in which the person was named and is blotted out.
    pub answers: u64,
    /// Answers kept under an `Idempotency-Key` that mention the person.
    #[serde(default)]
    pub kept: u64,
    /// Such answers that no key at hand opens: they may, so they go too.
    #[serde(default)]
    pub kept_unopened: u64,
    /// Payloads about others, in which the person is blotted out.
    #[serde(default)]
    pub payloads: u64,
    /// Other texts about others, registered, reported or in the audit, in which the person is
    /// blotted out.
    #[serde(default)]
    pub texts: u64,
    /// Account events about the person, such as a wish for no marketing.
    #[serde(default)]
    pub account_events: u64,
    /// Bodies whose compression is unknown or broken, searched as the bytes they are; they stay.
    #[serde(default)]
    pub unread: u64,
}

impl Erased {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.messages == 0
            && self.reports == 0
            && self.bodies == 0
            && self.answers == 0
            && self.kept == 0
            && self.payloads == 0
            && self.texts == 0
            && self.account_events == 0
    }

    /// What an erasure searches.
    pub const SEARCHED: &'static [&'static str] = &[
        "messages, reports, registrations and account events",
        "forwards, payloads and attempts",
        "raw bodies, as they are and decompressed",
        "the audit, conditions, alerts and other texts about others",
        "answers kept under an Idempotency-Key",
    ];

    /// Where an erasure does not reach.
    pub const OUT_OF_REACH: &'static [&'static str] = &[
        "log lines",
        "backups and copies of the store",
        "what subscribers received",
        "templates, subscribers' settings and the configuration",
        "the ids of broadcasts that are still polled",
        "the names of errors in the counts of the last eight days",
        "bodies whose compression is unknown, which are searched as bytes",
        "numbers written without their country code",
    ];
}

/// Which stored webhooks to read again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReprocessSelection {
    /// These, whatever became of them; those that could not be read when empty.
    pub webhook_ids: Vec<WebhookKey>,
    /// Only those that arrived at or after, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Only those of this source.
    pub source: Option<String>,
    /// Include webhooks that were parsed before.
    pub all: bool,
}

/// A stored webhook with its body.
#[derive(Debug, Clone)]
pub struct StoredWebhook {
    /// Its key.
    pub webhook_id: WebhookKey,
    /// The source's name.
    pub source: String,
    /// The source's provider, as the table has it.
    pub provider: String,
    /// When it arrived, ms since 1970 UTC.
    pub received_ms: i64,
    /// The type of its messages when no report shows it.
    pub default_type: Option<MessageType>,
    /// The source's own number.
    pub default_sender: Option<String>,
    /// `Content-Encoding`, as received.
    pub content_encoding: Option<String>,
    /// The broadcast that was polled, where it is an answer.
    pub broadcast: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

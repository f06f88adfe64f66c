//! Meta's words for what became of a message or a call. They stand apart from reading, since a status is
//! looked for by them in any body.

use crate::model::Status;

/// A voice message that was `played` was opened, which is what `read` says; some builds report
/// nothing else. `warning` is no status of ours: a part of a delivered message was missing.
pub(super) fn meaning(word: &str) -> Option<Status> {
    match word.trim().to_ascii_lowercase().as_str() {
        "sent" => Some(Status::Sent),
        "delivered" => Some(Status::Delivered),
        "read" | "played" => Some(Status::Read),
        "failed" => Some(Status::Failed),
        "deleted" => Some(Status::Deleted),
        _ => None,
    }
}

/// Whether this is a word for a message's status.
pub(in crate::providers) fn is_status_word(word: &str) -> bool {
    meaning(word).is_some()
}

/// Whether this is a word for a call's status.
pub(in crate::providers) fn is_call_word(word: &str) -> bool {
    const WORDS: [&str; 5] = ["ringing", "accepted", "rejected", "failed", "completed"];
    let word = word.trim();
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

//! What is said of account events: one as it is stored, and what it explains.

use serde::Serialize;

use crate::model::{About, AccountEventKey, WebhookKey};
use crate::plan::notice;

/// A notice of a provider about the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountEventRecord {
    /// Its key in the store.
    pub account_event_id: AccountEventKey,
    /// The source that it came by.
    pub source: String,
    /// The provider of that source.
    pub provider: String,
    /// The provider's field, or our name of its shape.
    pub field: String,
    /// What it is about.
    pub about: About,
    /// Which of them; empty when the provider named none.
    pub subject: String,
    /// The provider's own word for what happened.
    pub event: String,
    /// Our stable name of it, as in `template.paused`.
    pub name: String,
    /// When the provider says it happened, as received.
    pub provider_time: Option<String>,
    /// The same, ms since 1970 UTC; `None` when missing or unusable.
    pub provider_time_ms: Option<i64>,
    /// When it first arrived, ms since 1970 UTC.
    pub received_at_ms: i64,
    /// How often it came again.
    pub repeats: u32,
    /// When it last did, ms since 1970 UTC.
    pub last_repeat_ms: Option<i64>,
    /// What happened, in one sentence.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// What the provider adds, in its own words.
    pub detail: Option<String>,
    /// The provider's id of the template.
    pub template_id: Option<String>,
    /// The template's language.
    pub language: Option<String>,
    /// The business account.
    pub account_id: Option<String>,
    /// The person: a number's digits, else a user id.
    pub person: Option<String>,
    /// The person's user id, where the number is known too.
    pub person_user_id: Option<String>,
    /// The digits of the business's number that it is about or came by.
    pub sender: Option<String>,
    /// Meta's id of that number.
    pub sender_id: Option<String>,
    /// When it ends by itself, ms since 1970 UTC.
    pub ends_at_ms: Option<i64>,
    /// The webhook that brought it first.
    pub webhook_id: WebhookKey,
}

impl AccountEventRecord {
    /// When it happened: the provider's time, else that of arrival; ms since 1970 UTC.
    #[must_use]
    pub fn at_ms(&self) -> i64 {
        self.provider_time_ms.unwrap_or(self.received_at_ms)
    }
}

/// An account event that explains a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What happened, and how long before the failure.
    pub sentence: String,
    /// The event.
    #[serde(flatten)]
    pub event: AccountEventRecord,
}

impl Explanation {
    /// What explains a failure of that time, ms since 1970 UTC.
    #[must_use]
    pub fn of(event: AccountEventRecord, failed_at_ms: i64) -> Self {
        let before = before(failed_at_ms.saturating_sub(event.at_ms()));
        if event.about == About::Channel {
            let sentence = format!(
                "{} {before}",
                notice::reported(&event.provider, &event.event)
            );
            return Self { sentence, event };
        }
        let text = event.text.trim_end_matches('.');
        let mut letters = text.chars();
        let first = letters
            .next()
            .map(|letter| letter.to_lowercase().to_string());
        let text = first.unwrap_or_default() + letters.as_str();
        // What still holds is no past event.
        let is_past = text.contains(" was ");
        let sentence = if is_past {
            format!("{text} {before}")
        } else {
            format!("{text} (since {before})")
        };
        Self { sentence, event }
    }
}

/// A span of so many ms in words: `12 minutes before`.
fn before(ms: i64) -> String {
    const MINUTE: i64 = 60_000;
    const UNITS: [(i64, i64, &str); 3] = [
        (2 * 24 * 60 * MINUTE, 24 * 60 * MINUTE, "day"),
        (2 * 60 * MINUTE, 60 * MINUTE, "hour"),
        (MINUTE, MINUTE, "minute"),
    ];
    let unit = UNITS.iter().find(|(least, ..)| ms >= *least);
    match unit.map(|(_, length, word)| (ms / length, word)) {
        None => "less than a minute before".to_owned(),
        Some((1, word)) => format!("1 {word} before"),
        Some((count, word)) => format!("{count} {word}s before"),
    }
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn a_span_is_reported_as_people_say_it() {
        const MINUTE: i64 = 60_000;
        for (ms, expected) in [
            (0, "less than a minute before"),
            (MINUTE, "1 minute before"),
            (12 * MINUTE + 59_000, "12 minutes before"),
            (119 * MINUTE, "119 minutes before"),
            (120 * MINUTE, "2 hours before"),
            (47 * 60 * MINUTE, "47 hours before"),
            (48 * 60 * MINUTE, "2 days before"),
        ] {
            assert_eq!(before(ms), expected, "{ms}");
        }
    }
}

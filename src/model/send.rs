//! How a provider answered the send of a message.

use super::{ReportError, Status, replace_nul};

/// How a provider answered the send of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SendResult {
    /// It accepted the message, as far as the sender says; how it answered is not known.
    #[default]
    Accepted,
    /// It accepted the message, and said so with this word: Meta's `message_status`, lower case.
    AcceptedAs(String),
    /// It refused the message, and why: one error at least.
    Refused(Vec<ReportError>),
}

impl SendResult {
    /// The word of a send that was accepted, where the provider has none of its own.
    pub const ACCEPTED: &str = "accepted";
    /// Meta's word for a message of a template that is paused: it is kept, and not sent.
    pub const PAUSED: &str = "paused";
    /// The word of a refused send in the table.
    pub const REFUSED: &str = "refused";

    /// What the message is from then on; `None` where it is kept and not sent.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::AcceptedAs(word) if word == Self::PAUSED => None,
            Self::Accepted | Self::AcceptedAs(_) => Some(Status::Queued),
            Self::Refused(_) => Some(Status::Failed),
        }
    }

    /// The provider's word; `None` where it has none.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Accepted => None,
            Self::AcceptedAs(word) => Some(word),
            Self::Refused(_) => Some(Self::REFUSED),
        }
    }

    /// Why it was refused; nothing unless it was.
    #[must_use]
    pub fn errors(&self) -> &[ReportError] {
        match self {
            Self::Refused(errors) => errors,
            Self::Accepted | Self::AcceptedAs(_) => &[],
        }
    }

    /// Replaces each NUL character in it by U+FFFD; says whether there was one.
    pub fn replace_nul(&mut self) -> bool {
        match self {
            Self::Accepted => false,
            Self::AcceptedAs(word) => replace_nul(word),
            Self::Refused(errors) => errors.iter_mut().fold(false, |found, error| {
                let texts = [&mut error.title, &mut error.details, &mut error.href];
                let texts = texts.into_iter().flatten();
                let in_texts = texts.fold(false, |found, text| found | replace_nul(text));
                found | in_texts | replace_nul(&mut error.key)
            }),
        }
    }

    /// It accepted the message as it does most.
    #[must_use]
    pub fn accepted() -> Self {
        Self::AcceptedAs(Self::ACCEPTED.to_owned())
    }

    /// Whether it was refused.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_queued_unless_it_is_paused() {
        let accepted = |word: &str| SendResult::AcceptedAs(word.to_owned()).status();
        assert_eq!(SendResult::Accepted.status(), Some(Status::Queued));
        for word in ["accepted", "held_for_quality_assessment", "brand_new"] {
            assert_eq!(accepted(word), Some(Status::Queued), "{word}");
        }
        assert_eq!(accepted("paused"), None);
        let refused = SendResult::Refused(Vec::new());
        assert_eq!(refused.status(), Some(Status::Failed));
        assert_eq!(refused.word(), Some("refused"));
    }
}

//! Which account events explain a failure: those before it, about its template, number, account or
//! person, whose consequence its error can be (`causes`), and that nothing has ended since.
//!
//! Pure. A failure that an event has nothing to do with is better left unexplained: an error says
//! for itself why the recipient has no WhatsApp.
//!
//! It is decided when a timeline is read, since a notice may arrive after the failure that it explains.

mod causes;

use causes::Cause;
pub(crate) use causes::{CHANNEL_MS, LOOK_BACK_MS};

use crate::model::{About, digits};

/// A message that failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailureFacts<'a> {
    /// When, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// The catalogue's key of its error.
    pub(crate) error_key: Option<&'a str>,
    /// What the provider adds to it, which may name the template.
    pub(crate) details: Option<&'a str>,
    /// The template's name, where the sender registered it.
    pub(crate) template_name: Option<&'a str>,
    /// The template's language, where the sender registered it.
    pub(crate) template_language: Option<&'a str>,
    /// The template's id, where the provider gave it.
    pub(crate) template_id: Option<&'a str>,
    /// The number it was sent from.
    pub(crate) sender: Option<&'a str>,
    /// Meta's id of that number.
    pub(crate) sender_id: Option<&'a str>,
    /// The business account it was sent from.
    pub(crate) account_id: Option<&'a str>,
}

/// An account event of the failure's source; one about a person is about the failure's own.
#[derive(Debug, Clone)]
pub(crate) struct Past<'a> {
    /// When it happened, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// What it is about.
    pub(crate) about: About,
    /// Which of them.
    pub(crate) subject: &'a str,
    /// The provider's word.
    pub(crate) event: &'a str,
    /// Our name.
    pub(crate) name: &'a str,
    /// The template's id.
    pub(crate) template_id: Option<&'a str>,
    /// The template's language.
    pub(crate) language: Option<&'a str>,
    /// The business's number that it is about or came by.
    pub(crate) sender: Option<&'a str>,
    /// Meta's id of that number.
    pub(crate) sender_id: Option<&'a str>,
    /// The business account.
    pub(crate) account_id: Option<&'a str>,
    /// When it ends by itself, ms since 1970 UTC.
    pub(crate) ends_at_ms: Option<i64>,
}

/// The places, in `events`, of those that explain the failure; the latest first. Of one time, a later
/// place counts as later.
pub(crate) fn explaining(events: &[Past<'_>], failure: &FailureFacts<'_>) -> Vec<usize> {
    let range = failure.at_ms.saturating_sub(LOOK_BACK_MS)..=failure.at_ms;
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.retain(|index| range.contains(&events[*index].at_ms));
    order.sort_by_key(|index| std::cmp::Reverse((events[*index].at_ms, *index)));
    let mut explaining: Vec<usize> = Vec::new();
    for (place, index) in order.iter().enumerate() {
        let event = &events[*index];
        let is_over = |newer: &usize| events[*newer].ends(event);
        if event.explains(failure) && !order[..place].iter().any(is_over) {
            explaining.push(*index);
        }
    }
    // The event does not name the template: of several it may be any, unless the error says.
    let is_guess = |index: &usize| {
        let event = &events[*index];
        event.about == About::Template && event.is_of_template(failure).is_none()
    };
    let is_named = |index: &usize| {
        let event = &events[*index];
        event.about == About::Template && event.is_of_template(failure) == Some(true)
    };
    let guesses = explaining.iter().filter(|index| is_guess(index)).count();
    if guesses > 1 || explaining.iter().any(is_named) {
        explaining.retain(|index| !is_guess(index));
    }
    explaining
}

impl Past<'_> {
    /// Whether of the older nothing holds since this one.
    fn ends(&self, older: &Self) -> bool {
        let place = |it: &Self| (it.account_id, it.sender, it.template_id, it.language);
        // A person may be named in two ways.
        let is_same = self.about == older.about
            && (self.about == About::Contact || self.subject == older.subject)
            && place(self) == place(older);
        // One error of the channel is no end of another.
        let of_words = self.name == causes::CHANNEL_ERROR;
        is_same && (!of_words || self.event == older.event) && causes::ends(self.name, older.name)
    }

    fn explains(&self, failure: &FailureFacts<'_>) -> bool {
        let Some(cause) = causes::of(self.name) else {
            return false;
        };
        let age_ms = failure.at_ms.saturating_sub(self.at_ms);
        let is_over = self.ends_at_ms.is_some_and(|end| end <= failure.at_ms);
        !is_over
            && age_ms <= cause.within_ms
            && !self.is_elsewhere(failure)
            && self.may_be_of_template(failure, cause)
            && (cause.lists(failure.error_key, self.event)
                || self.concerns(failure) && cause.is_vague(failure.error_key))
    }

    /// Whether a template that it is about is the failure's for certain: a word in the provider's
    /// text may be chance.
    fn concerns(&self, failure: &FailureFacts<'_>) -> bool {
        let by_id = self.template_id.is_some() && self.template_id == failure.template_id;
        self.about != About::Template || by_id || failure.template_name.is_some()
    }

    /// Whether it is about another account or number than the failure's. An unknown one excludes
    /// nothing.
    fn is_elsewhere(&self, failure: &FailureFacts<'_>) -> bool {
        let accounts = self.account_id.zip(failure.account_id);
        let ids = self.sender_id.zip(failure.sender_id);
        let numbers = self.sender.zip(failure.sender);
        let other_number = match (ids, numbers) {
            (Some((one, other)), _) => one != other,
            (None, Some((one, other))) => digits(one) != digits(other),
            (None, None) => false,
        };
        other_number || accounts.is_some_and(|(one, other)| one != other)
    }

    /// Whether it is about the failure's template, or about no template.
    fn may_be_of_template(&self, failure: &FailureFacts<'_>, cause: &Cause) -> bool {
        self.about != About::Template
            || self
                .is_of_template(failure)
                .unwrap_or_else(|| cause.is_named_by(failure.error_key))
    }

    /// Whether it is about the failure's template; `None` when nothing says which that is.
    fn is_of_template(&self, failure: &FailureFacts<'_>) -> Option<bool> {
        let by_id = self.template_id.zip(failure.template_id);
        if let Some((of_event, of_failure)) = by_id {
            return Some(of_event == of_failure);
        }
        let Some(name) = failure.template_name else {
            let named = failure
                .details
                .is_some_and(|details| names(details, self.subject));
            return named.then_some(true);
        };
        if self.template_id == Some(self.subject) {
            // The provider gave the id alone, and the sender the name.
            return None;
        }
        let languages = self.language.zip(failure.template_language);
        let same_language = languages.is_none_or(|(one, other)| {
            let plain = |language: &str| language.replace('-', "_").to_ascii_lowercase();
            plain(one) == plain(other)
        });
        Some(name == self.subject && same_language)
    }
}

/// Whether the text has this word.
fn names(text: &str, word: &str) -> bool {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    !word.is_empty()
        && text
            .split(|letter| !is_of_word(letter))
            .any(|it| it == word)
}

#[cfg(test)]
mod tests;

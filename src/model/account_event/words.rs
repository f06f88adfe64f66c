//! The shape of a provider's table of account events: what each is called, what is said of it, and what is
//! advised.
//!
//! The tables stand in the providers' folders, as a field of their definitions.

use std::borrow::Cow;

use super::{About, LONGEST_WORD, cut};
use EventGroup::{
    Account, Alert, Channel, Contact, Conversation, Number, Template, TemplateCategory,
    TemplateChange, TemplateQuality,
};

/// Our words for what a provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    /// The provider's own word.
    pub(crate) event: String,
    /// Our stable name, as in `template.paused`.
    pub(crate) name: Cow<'static, str>,
    /// What follows the subject in a sentence.
    what: String,
    /// What to do.
    pub(crate) remedy: &'static str,
    group: EventGroup,
    /// Where they stand.
    pub(super) vocabulary: &'static EventWords,
}

/// What a provider's word is said of: the same word may mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventGroup {
    /// A template's review or state.
    Template,
    /// A template's quality.
    TemplateQuality,
    /// A template's category.
    TemplateCategory,
    /// A change of a template that names no state.
    TemplateChange,
    /// A number of the business.
    Number,
    /// The business account.
    Account,
    /// An alert that is for people to read.
    Alert,
    /// An error of the channel; what it means is in the catalogue.
    Channel,
    /// What a person wants.
    Contact,
    /// A conversation that changed hands.
    Conversation,
}

/// What a provider's words for account events mean: a table in its folder.
#[derive(Debug, PartialEq, Eq)]
pub struct EventWords {
    /// Whose words they are, in a sentence: `Meta`.
    pub title: &'static str,
    /// What to do about a word without a line.
    pub unknown: &'static str,
    /// A line for each word that is known.
    pub lines: &'static [EventLine],
}

/// What one word means.
#[derive(Debug, PartialEq, Eq)]
pub struct EventLine {
    group: EventGroup,
    /// The provider's words in lower case; none of them stands for any.
    pub words: &'static [&'static str],
    /// Our stable name.
    pub name: &'static str,
    /// What happened; `{}` is the provider's word.
    what: &'static str,
    remedy: &'static str,
}

impl EventLine {
    /// What these words of a provider mean: our name, what follows the subject in a sentence, and what to
    /// do. Without words it is the line of each word of the group that no line before it has; `{}` is the
    /// word.
    pub(crate) const fn new(
        group: EventGroup,
        words: &'static [&'static str],
        name: &'static str,
        what: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self {
            group,
            words,
            name,
            what,
            remedy,
        }
    }
}

impl EventWords {
    /// Our words for the provider's `event`.
    pub(crate) fn of(&'static self, group: EventGroup, event: String) -> Words {
        self.said_as(group, &event.clone(), event)
    }

    /// Our words for `word`, where the provider's own `event` says less.
    pub(crate) fn said_as(&'static self, group: EventGroup, word: &str, event: String) -> Words {
        let word = word.trim().to_ascii_lowercase();
        let is_it = |line: &&EventLine| {
            line.group == group && (line.words.is_empty() || line.words.contains(&&*word))
        };
        let found = self.lines.iter().find(is_it);
        let what = found.map_or("has a new state, {}", |line| line.what);
        Words {
            name: match found {
                Some(line) => line.name.into(),
                None => format!("{}.{}", group.prefix(), plain(&word)).into(),
            },
            what: what.replace("{}", &cut(&event, LONGEST_WORD)),
            remedy: found.map_or(self.unknown, |line| line.remedy),
            group,
            event,
            vocabulary: self,
        }
    }

    /// Whether the group has words of ours for this word of a provider.
    pub(crate) fn has(&self, group: EventGroup, word: &str) -> bool {
        let is_it = |known: &str| known.eq_ignore_ascii_case(word.trim());
        let lines = self.lines.iter().filter(|line| line.group == group);
        lines.flat_map(|line| line.words).any(|known| is_it(known))
    }

    /// What events are called, by us and by the provider, as far as we have words for them.
    pub(crate) fn known(&self) -> impl Iterator<Item = &'static str> {
        let ours = self.lines.iter().map(|line| line.name);
        let theirs = self.lines.iter().flat_map(|line| line.words);
        ours.chain(theirs.copied())
    }

    /// Fails where a line lacks its name or advice, or a word stands twice.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        for (index, line) in self.lines.iter().enumerate() {
            let name = line.name;
            let prefix = format!("{}.", line.group.prefix());
            assert!(name.starts_with(&prefix), "{name}");
            assert!(line.remedy.ends_with('.'), "{name}");
            assert!(!line.what.ends_with('.'), "{name}");
            let before = self.lines[..index].iter();
            let before = before.filter(|it| it.group == line.group);
            let taken: Vec<&str> = before.clone().flat_map(|it| it.words).copied().collect();
            let is_taken = line.words.iter().any(|word| taken.contains(word));
            assert!(!is_taken, "{name}");
            assert!(before.clone().all(|it| !it.words.is_empty()), "{name}");
        }
    }
}

impl Words {
    /// One sentence, in which no person is named.
    pub(super) fn sentence(&self, about: About, subject: &str) -> String {
        let (alone, named) = match about {
            About::Contact if self.group == Conversation => ("A conversation", None),
            About::Contact => ("A contact", None),
            About::Template => ("A template", Some("Template")),
            About::Number => ("A number of the business", Some("Number")),
            About::Account => ("The account", Some("Account")),
            About::Channel => ("The channel", None),
        };
        let what = &self.what;
        if about == About::Channel {
            // A text in the place of a code is the provider's, and stands in the detail.
            let is_code = self.event.bytes().all(|it| it.is_ascii_digit());
            let what = if is_code { what } else { "reported an error" };
            let title = self.vocabulary.title;
            return match subject {
                "" => format!("{title} {what}."),
                number => format!("{title} {what} for number {number}."),
            };
        }
        match named {
            Some(named) if !subject.is_empty() => format!("{named} {subject} {what}."),
            _ => format!("{alone} {what}."),
        }
    }
}

impl EventGroup {
    /// The first part of our names.
    const fn prefix(self) -> &'static str {
        match self {
            Template | TemplateQuality | TemplateCategory | TemplateChange => "template",
            Number => "number",
            Account | Alert => "account",
            Channel => "channel",
            Contact => "contact",
            Conversation => "conversation",
        }
    }
}

/// A provider's word as a part of our names: letters, digits and `_`, 64 at most.
fn plain(word: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    let plain: String = word.chars().take(64).map(letter).collect();
    if plain.is_empty() {
        "changed".to_owned()
    } else {
        plain
    }
}

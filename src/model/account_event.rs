//! What a provider says of the account and not of a message: a template was paused, a number lost
//! quality, a person wants no marketing any more.
//!
//! Pure. The parsers of [`crate::providers`] make the events, `words` has the sentence and the advice
//! for each kind; which failures an event explains is decided in [`crate::plan`].

mod words;

use super::ProviderTime;
pub(crate) use words::Words;
pub use words::{EventGroup, EventLine, EventWords};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum About {
    /// A message template.
    Template,
    /// A number of the business.
    Number,
    /// The business account.
    Account,
    /// The channel that reports come by.
    Channel,
    /// A person who is written to.
    Contact,
}

/// A notice of a provider about the account.
///
/// Of one source, the same field, subject, event and provider time are one event, however often it
/// comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEvent {
    /// The provider's field, or our name of its shape: `message_template_status_update`,
    /// `template-update`, `errors`.
    pub field: String,
    /// What it is about.
    pub about: About,
    /// Which of them: the template's name, the number, the account's id, the person's number or
    /// id; empty when the provider names none.
    pub subject: String,
    /// The provider's own word for what happened, as in `PAUSED`.
    pub event: String,
    /// Our stable name of it, as in `template.paused`.
    pub name: String,
    /// When the provider says it happened.
    pub time: ProviderTime,
    /// What happened: one sentence, without a person's number or id.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// What the provider adds, in its own words: a reason, a limit.
    pub detail: Option<String>,
    /// The catalogue's key of the error, where it is one.
    pub error_key: Option<String>,
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
    /// The business's number that it is about or came by: its digits.
    pub sender: Option<String>,
    /// Meta's id of that number.
    pub sender_id: Option<String>,
    /// When it ends by itself, as a restriction may, ms since 1970 UTC.
    pub ends_at_ms: Option<i64>,
    /// The provider's table, in which its word stands.
    pub vocabulary: &'static EventWords,
}

/// The longest word of a provider that is kept, in letters.
const LONGEST_WORD: usize = 128;
/// The longest text of a provider that is kept, in letters.
const LONGEST_DETAIL: usize = 1000;

impl AccountEvent {
    /// What happened to whom, in our own words for it; the rest is as yet unknown.
    pub(crate) fn new(field: &str, about: About, subject: Option<String>, words: &Words) -> Self {
        let subject = cut(&subject.unwrap_or_default(), LONGEST_WORD);
        let number = super::digits(&subject);
        let subject = match about {
            About::Number | About::Channel if super::is_phone_number(&number) => number,
            About::Number | About::Channel | About::Account if !has_digit(&subject) => {
                String::new()
            }
            _ if !is_a_name(&subject) => String::new(),
            _ => subject,
        };
        let text = words.sentence(about, &subject);
        Self {
            field: field.to_owned(),
            about,
            subject,
            event: cut(&words.event, LONGEST_WORD),
            name: words.name.to_string(),
            time: ProviderTime::default(),
            text,
            remedy: words.remedy.to_owned(),
            detail: None,
            error_key: None,
            template_id: None,
            language: None,
            account_id: None,
            person: None,
            person_user_id: None,
            sender: None,
            sender_id: None,
            ends_at_ms: None,
            vocabulary: words.vocabulary,
        }
    }

    /// Whether it says of what: a template, a number or a person that is not named is none, and
    /// whatever were said of it could be meant for any.
    pub(crate) fn names_its_subject(&self) -> bool {
        match self.about {
            About::Template | About::Number | About::Contact => !self.subject.is_empty(),
            About::Account | About::Channel => true,
        }
    }

    /// The same about this number of the business, or reported to it.
    pub(crate) fn of_sender(mut self, number: Option<String>, id: Option<String>) -> Self {
        let number = number.map(|number| super::digits(&number));
        self.sender = number.filter(|number| super::is_phone_number(number));
        self.sender_id = id.filter(|id| has_digit(id));
        self.sender_id = self.sender_id.map(|id| cut(&id, LONGEST_WORD));
        self
    }

    /// The same with what the provider adds, part by part; empty parts are left out.
    pub(crate) fn with_detail(mut self, parts: impl IntoIterator<Item = Option<String>>) -> Self {
        let parts = parts.into_iter().flatten();
        let parts: Vec<String> = parts.map(|part| part.trim().to_owned()).collect();
        let detail = cut(&parts.join("; "), LONGEST_DETAIL);
        self.detail = (!detail.is_empty()).then_some(detail);
        self
    }

    /// The same about this person, who becomes its subject.
    pub(crate) fn of_person(mut self, number: Option<String>, user_id: Option<String>) -> Self {
        let number = number.map(|number| super::digits(&number));
        let number = number.filter(|number| !number.is_empty());
        let user_id = user_id.map(|id| id.trim().to_owned());
        let user_id = user_id.filter(|id| is_a_name(id));
        let named = number.clone().or_else(|| user_id.clone());
        self.subject = cut(named.as_deref().unwrap_or_default(), LONGEST_WORD);
        self.person = named.map(|_| self.subject.clone());
        self.person_user_id = user_id.filter(|_| number.is_some());
        self
    }
}

/// Whether a text in the place of a number or a number's id may be one: "-" names none.
pub(crate) fn has_digit(text: &str) -> bool {
    text.bytes().any(|it| it.is_ascii_digit())
}

/// Whether a text in the place of a name names anything.
pub(crate) fn is_a_name(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// On one line, and no longer than that.
fn cut(text: &str, longest: usize) -> String {
    let text = text.trim();
    let letters = text.chars().map(|letter| match letter {
        letter if letter.is_control() => ' ',
        letter => letter,
    });
    letters.take(longest).collect()
}

//! Which account events explain a failure: those before it, about its template, number, account or
//! person, whose consequence its error code is, and that nothing has ended since.
//!
//! Pure. A failure that an event has nothing to do with is better left unexplained: an error says
//! for itself why the recipient has no WhatsApp.

use crate::catalogue::{self, Fix};
use crate::model::{About, digits};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far before a failure an event may lie that explains it, ms.
pub(crate) const LOOK_BACK_MS: i64 = 90 * DAY_MS;

/// A message that failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure<'a> {
    /// When, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// The catalogue's key of its error.
    pub(crate) error_key: Option<&'a str>,
    /// What the provider adds to it, which may name the template.
    pub(crate) details: Option<&'a str>,
    /// The template's name, where the sender told it.
    pub(crate) template_name: Option<&'a str>,
    /// The template's language, where the sender told it.
    pub(crate) template_language: Option<&'a str>,
    /// The template's id, where the provider told it.
    pub(crate) template_id: Option<&'a str>,
    /// The number it was sent from.
    pub(crate) sender: Option<&'a str>,
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
    /// The business account.
    pub(crate) account_id: Option<&'a str>,
}

/// What of a subject an event changes: of one kind the latest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Concern {
    TemplateState,
    TemplateQuality,
    Number,
    Account,
    Limits,
    Settings,
    Alert,
    Channel,
    Marketing,
    Conversation,
}

/// The places, in `events`, of those that explain the failure; the latest first.
pub(crate) fn explaining(events: &[Past<'_>], failure: &Failure<'_>) -> Vec<usize> {
    let range = failure.at_ms.saturating_sub(LOOK_BACK_MS)..=failure.at_ms;
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.retain(|index| range.contains(&events[*index].at_ms));
    order.sort_by_key(|index| std::cmp::Reverse((events[*index].at_ms, *index)));
    let mut latest: Vec<usize> = Vec::new();
    for index in order {
        let is_over = |newer: &usize| events[*newer].supersedes(&events[index]);
        if !events[index].is_neutral() && !latest.iter().any(is_over) {
            latest.push(index);
        }
    }
    let code = Code::of(failure);
    latest.retain(|index| code.is_explained_by(&events[*index], failure));
    if failure.template_name.is_none() && failure.template_id.is_none() {
        // Nobody told which template it was: of several nothing tells which, unless the error does.
        let is_of_any = |index: &usize| events[*index].about == About::Template;
        let is_named = |index: &usize| events[*index].is_of_template(failure) == Some(true);
        let is_any_named = latest
            .iter()
            .any(|index| is_of_any(index) && is_named(index));
        let several = latest.iter().filter(|index| is_of_any(index)).count() > 1;
        latest.retain(|index| !is_of_any(index) || is_named(index) || !(several || is_any_named));
    }
    latest
}

impl Past<'_> {
    fn concern(&self) -> Concern {
        match (self.about, self.name) {
            (About::Template, "template.quality_dropped" | "template.quality_changed") => {
                Concern::TemplateQuality
            }
            (About::Template, _) => Concern::TemplateState,
            (About::Number, "number.throughput_raised")
            | (About::Account, "account.limits_changed") => Concern::Limits,
            (About::Number, "number.settings_changed")
            | (About::Account, "account.settings_changed") => Concern::Settings,
            (_, "account.alert") => Concern::Alert,
            (About::Number, _) => Concern::Number,
            (About::Account, _) => Concern::Account,
            (About::Channel, _) => Concern::Channel,
            (About::Contact, "conversation.handed_over") => Concern::Conversation,
            (About::Contact, _) => Concern::Marketing,
        }
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        let is_same = self.concern() == other.concern() && self.account_id == other.account_id;
        let of_one_template =
            self.template_id == other.template_id && self.language == other.language;
        match self.concern() {
            _ if !is_same => false,
            Concern::Marketing | Concern::Conversation => true,
            Concern::TemplateState | Concern::TemplateQuality => {
                self.subject == other.subject && of_one_template
            }
            // One is no end of another.
            Concern::Channel | Concern::Alert => {
                self.subject == other.subject && self.event == other.event
            }
            _ => self.subject == other.subject,
        }
    }

    /// Whether of the older, about the same thing, nothing holds since this one.
    fn supersedes(&self, older: &Self) -> bool {
        self.is_about_the_same(older)
            && match (self.concern(), self.name) {
                // An account may be hindered by several things at once.
                (Concern::Account, "account.partner_added") => {
                    older.name == "account.partner_removed"
                }
                (Concern::Account, "account.app_installed") => {
                    older.name == "account.app_uninstalled"
                }
                (Concern::Account, name) if self.hinders() => older.name == name,
                _ => true,
            }
    }

    /// Whether it neither hinders anything nor ends what did.
    fn is_neutral(&self) -> bool {
        match self.concern() {
            Concern::Account => {
                const ENDS: [&str; 4] = [
                    "account.app_installed",
                    "account.partner_added",
                    "account.reconnected",
                    "account.reinstated",
                ];
                !self.hinders() && !ENDS.contains(&self.name)
            }
            Concern::TemplateState => matches!(
                self.name,
                "template.category_changed"
                    | "template.limit_exceeded"
                    | "template.locked"
                    | "template.unlocked"
            ),
            _ => false,
        }
    }

    /// Whether sends suffer from it until something else happens.
    fn hinders(&self) -> bool {
        const HINDERING: [&str; 24] = [
            "template.archived",
            "template.deleted",
            "template.deletion_pending",
            "template.disabled",
            "template.flagged",
            "template.in_appeal",
            "template.paused",
            "template.pending",
            "template.quality_dropped",
            "template.rejected",
            "number.onboarding",
            "number.quality_dropped",
            "number.settings_changed",
            "account.app_uninstalled",
            "account.deleted",
            "account.disable_scheduled",
            "account.disabled",
            "account.limits_changed",
            "account.offboarded",
            "account.partner_removed",
            "account.restricted",
            "account.settings_changed",
            "account.violation",
            "account.alert",
        ];
        HINDERING.contains(&self.name)
            || matches!(
                self.name,
                "channel.error" | "contact.opted_out" | "conversation.handed_over"
            )
    }

    /// Whether it can be about the failure's template; `None` when nobody told which that is.
    fn is_of_template(&self, failure: &Failure<'_>) -> Option<bool> {
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

/// What a failure's error is, as far as that tells what caused it.
struct Code {
    /// WhatsApp's number, or the one that comes nearest.
    whatsapp: Option<i64>,
    /// Who can fix it; `None` when the catalogue does not know it.
    fix: Option<Fix>,
}

impl Code {
    fn of(failure: &Failure<'_>) -> Self {
        let entry = failure.error_key.and_then(catalogue::find);
        let of_meta = failure.error_key.and_then(|key| key.strip_prefix("meta:"));
        let of_meta = of_meta.and_then(|code| code.parse().ok());
        Self {
            whatsapp: of_meta.or_else(|| entry.and_then(|entry| entry.whatsapp_code)),
            fix: entry.map(|entry| entry.fix),
        }
    }

    fn is_one_of(&self, codes: &[i64]) -> bool {
        self.whatsapp.is_some_and(|code| codes.contains(&code))
    }

    /// Whether it tells no cause: a code that nobody knows, or WhatsApp's "something went wrong".
    fn is_vague(&self) -> bool {
        self.fix.is_none() || self.is_one_of(&[131_000])
    }

    fn is_explained_by(&self, event: &Past<'_>, failure: &Failure<'_>) -> bool {
        const LIMITS: [i64; 6] = [4, 80_007, 130_429, 131_048, 131_049, 131_056];
        let accounts = event.account_id.zip(failure.account_id);
        let is_elsewhere = accounts.is_some_and(|(one, other)| one != other);
        if !event.hinders() {
            return false;
        }
        let age_ms = failure.at_ms - event.at_ms;
        let of_account = self.fix == Some(Fix::Account) || self.is_one_of(&[131_031, 368, 139_200]);
        match event.concern() {
            Concern::TemplateState => match event.is_of_template(failure) {
                Some(is_its) => {
                    is_its && (self.is_of_a_template() || self.is_vague() && !is_elsewhere)
                }
                None => self.names_the_state(event.name),
            },
            Concern::TemplateQuality => {
                event.is_of_template(failure) == Some(true)
                    && (self.is_of_a_template() || self.is_one_of(&LIMITS))
            }
            Concern::Number => {
                let senders = failure.sender.map(digits);
                let is_its = senders.is_none_or(|sender| {
                    event.subject.is_empty() || sender == digits(event.subject)
                });
                is_its && (self.is_one_of(&LIMITS) || of_account)
            }
            Concern::Account | Concern::Limits | Concern::Alert if is_elsewhere => false,
            Concern::Account => of_account || self.is_one_of(&LIMITS) || self.is_vague(),
            Concern::Limits => self.is_one_of(&LIMITS),
            Concern::Alert => of_account || self.is_one_of(&LIMITS),
            Concern::Settings => self
                .whatsapp
                .is_some_and(|code| (138_000..139_000).contains(&code)),
            Concern::Channel => {
                age_ms <= HOUR_MS
                    && self
                        .whatsapp
                        .is_some_and(|code| event.event == code.to_string())
            }
            Concern::Marketing => self.is_one_of(&[131_050]),
            Concern::Conversation => age_ms <= DAY_MS && self.fix != Some(Fix::Recipient),
        }
    }

    fn is_of_a_template(&self) -> bool {
        self.fix == Some(Fix::TemplateAuthor)
            || self
                .whatsapp
                .is_some_and(|code| (132_000..133_000).contains(&code))
    }

    /// Whether it says itself that the template is in this state.
    fn names_the_state(&self, name: &str) -> bool {
        match self.whatsapp {
            Some(132_015) => name == "template.paused",
            Some(132_016) => name == "template.disabled",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;

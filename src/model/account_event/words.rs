//! What each kind of account event is called, what is said of it, and what is advised.

use std::borrow::Cow;

use super::{About, LONGEST_WORD, cut};

/// Our words for what a provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    /// The provider's own word.
    pub(crate) event: String,
    group: &'static str,
    suffix: Cow<'static, str>,
    /// What follows the subject in a sentence.
    what: Cow<'static, str>,
    /// What to do.
    pub(crate) remedy: &'static str,
}

/// A line of [`TABLE`]: the group, the provider's word in lower case, the last part of our name,
/// what happened, and what to do.
type Line = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const TEMPLATE: &str = "template";
const NUMBER: &str = "number";
const ACCOUNT: &str = "account";
const CONTACT: &str = "contact";
/// Changes of a template's quality have words of their own: a colour alone does not say of what.
const TEMPLATE_QUALITY: &str = "template quality";
/// A person's conversation that changed hands.
const CONVERSATION: &str = "conversation";

const READ_ON: &str = "Nothing has to be done; WhatsApp Manager shows more.";
const APPEAL: &str =
    "Look the reason up in WhatsApp Manager, end what caused it, and ask for a review there.";
const NEW_TEMPLATE: &str = "Send another template: each send of this one fails.";
const SLOWER: &str =
    "Send less, and only to people who expect it; blocks and complaints of recipients cause this.";
const NO_MARKETING: &str =
    "Send this person no marketing: WhatsApp refuses it (131050). Other messages still go through.";

#[rustfmt::skip]
const TABLE: &[Line] = &[
    (TEMPLATE, "approved", "approved", "was approved by Meta", "Nothing has to be done: it can be sent."),
    (TEMPLATE, "reinstated", "reinstated", "was reinstated by Meta", "Nothing has to be done: it can be sent again."),
    (TEMPLATE, "unpaused", "unpaused", "was unpaused by Meta", "Nothing has to be done: it can be sent again."),
    (TEMPLATE, "unarchived", "unarchived", "was taken out of the archive", "Nothing has to be done: it can be sent again."),
    (TEMPLATE, "unlocked", "unlocked", "was unlocked by Meta", "Nothing has to be done: it can be changed again."),
    (TEMPLATE, "rejected", "rejected", "was rejected by Meta", "Correct what the reason names and submit it again; until then each send of it fails."),
    (TEMPLATE, "pending", "pending", "is being reviewed by Meta", "Wait for the decision: until then it cannot be sent."),
    (TEMPLATE, "in_appeal", "in_appeal", "is being reviewed by Meta once more", "Wait for the decision: until then it cannot be sent."),
    (TEMPLATE, "paused", "paused", "was paused by Meta", "Send another template: each send of this one fails until the pause is over. Mend what recipients complain of, or Meta disables it."),
    (TEMPLATE, "disabled", "disabled", "was disabled by Meta", "Send another template: each send of this one fails, for good unless an appeal succeeds."),
    (TEMPLATE, "flagged", "flagged", "was flagged by Meta and is about to be disabled", "Mend what recipients complain of, and prepare another template."),
    (TEMPLATE, "locked", "locked", "was locked by Meta and cannot be changed", READ_ON),
    (TEMPLATE, "archived", "archived", "was archived", NEW_TEMPLATE),
    (TEMPLATE, "pending_deletion", "deletion_pending", "is about to be deleted", NEW_TEMPLATE),
    (TEMPLATE, "deleted", "deleted", "was deleted", NEW_TEMPLATE),
    (TEMPLATE, "limit_exceeded", "limit_exceeded", "could not be made: the account has as many templates as it may", "Delete templates that nobody sends."),
    (TEMPLATE_QUALITY, "green", "quality_changed", "has high quality", READ_ON),
    (TEMPLATE_QUALITY, "high", "quality_changed", "has high quality", READ_ON),
    (TEMPLATE_QUALITY, "unknown", "quality_changed", "has no known quality yet", READ_ON),
    (TEMPLATE_QUALITY, "yellow", "quality_dropped", "has medium quality", "Mend what recipients complain of: with low quality Meta pauses it."),
    (TEMPLATE_QUALITY, "medium", "quality_dropped", "has medium quality", "Mend what recipients complain of: with low quality Meta pauses it."),
    (TEMPLATE_QUALITY, "red", "quality_dropped", "has low quality", "Send it less and mend what recipients complain of: Meta pauses it next."),
    (TEMPLATE_QUALITY, "low", "quality_dropped", "has low quality", "Send it less and mend what recipients complain of: Meta pauses it next."),
    (NUMBER, "flagged", "quality_dropped", "was flagged by Meta for low quality", SLOWER),
    (NUMBER, "red", "quality_dropped", "has low quality", SLOWER),
    (NUMBER, "downgrade", "quality_dropped", "may write to fewer people a day: Meta lowered its limit", SLOWER),
    (NUMBER, "yellow", "quality_changed", "has medium quality", SLOWER),
    (NUMBER, "green", "quality_restored", "has high quality", READ_ON),
    (NUMBER, "unflagged", "quality_restored", "is no longer flagged by Meta", READ_ON),
    (NUMBER, "upgrade", "limit_raised", "may write to more people a day: Meta raised its limit", READ_ON),
    (NUMBER, "throughput_upgrade", "throughput_raised", "may send faster: Meta raised its throughput", READ_ON),
    (NUMBER, "onboarding", "onboarding", "is being registered", "Wait until it is registered: until then nothing can be sent from it."),
    (NUMBER, "settings_changed", "settings_changed", "has other settings", "See that somebody of yours changed them."),
    (ACCOUNT, "account_restriction", "restricted", "was restricted by Meta", APPEAL),
    (ACCOUNT, "account_violation", "violation", "broke a rule, says Meta", APPEAL),
    (ACCOUNT, "account_deleted", "deleted", "was deleted", "Nothing can be sent from it: connect another account."),
    (ACCOUNT, "account_offboarded", "offboarded", "was disconnected from the platform", "Connect it again, or nothing can be sent from it."),
    (ACCOUNT, "account_reconnected", "reconnected", "was connected again", READ_ON),
    (ACCOUNT, "verified_account", "verified", "was verified", READ_ON),
    (ACCOUNT, "disabled_update", "disabled", "was disabled by Meta", APPEAL),
    (ACCOUNT, "disable", "disabled", "was disabled by Meta", APPEAL),
    (ACCOUNT, "schedule_for_disable", "disable_scheduled", "is about to be disabled by Meta", APPEAL),
    (ACCOUNT, "reinstate", "reinstated", "was reinstated by Meta", READ_ON),
    (ACCOUNT, "partner_removed", "partner_removed", "was disconnected from its partner", "Connect it again, or nothing can be sent from it."),
    (ACCOUNT, "partner_added", "partner_added", "was shared with a partner", READ_ON),
    (ACCOUNT, "partner_app_installed", "app_installed", "was connected to an app", READ_ON),
    (ACCOUNT, "partner_app_uninstalled", "app_uninstalled", "was disconnected from an app", "Connect it again if that was no wish of yours."),
    (ACCOUNT, "volume_based_pricing_tier_update", "price_tier_changed", "has another price tier", READ_ON),
    (ACCOUNT, "limits_changed", "limits_changed", "has other limits", "Compare the new limits with what you send a day."),
    (ACCOUNT, "settings_changed", "settings_changed", "has other settings", "See that somebody of yours changed them."),
    (CONTACT, "stop", "opted_out", "wants no marketing messages any more", NO_MARKETING),
    (CONTACT, "resume", "opted_in", "wants marketing messages again", "Nothing has to be done: marketing can be sent again."),
    (CONVERSATION, "control_passed", "handed_over", "was handed over to another responder", "Messages of yours are refused until the conversation is handed back: see which system owns it."),
    (CONVERSATION, "control_taken", "handed_over", "was taken over by another responder", "Messages of yours are refused until the conversation is handed back: see which system owns it."),
];

impl Words {
    /// Of a template's review or state.
    pub(crate) fn of_template(event: String) -> Self {
        Self::find(TEMPLATE, event)
    }

    /// Of a template's quality.
    pub(crate) fn of_template_quality(event: String) -> Self {
        Self::find(TEMPLATE_QUALITY, event)
    }

    /// Of a template's category.
    pub(crate) fn of_template_category(event: String) -> Self {
        Self {
            suffix: "category_changed".into(),
            what: "has another category".into(),
            remedy: "Sends of it are priced by the new category; ask for a review in WhatsApp Manager if it is wrong.",
            ..Self::find(TEMPLATE, event)
        }
    }

    /// Of a number of the business.
    pub(crate) fn of_number(event: String) -> Self {
        Self::find(NUMBER, event)
    }

    /// Of the business account.
    pub(crate) fn of_account(event: String) -> Self {
        Self::find(ACCOUNT, event)
    }

    /// Of an account's `word`, which the provider does not say itself.
    pub(crate) fn of_account_as(word: &str, event: String) -> Self {
        Self {
            event,
            ..Self::find(ACCOUNT, word.to_owned())
        }
    }

    /// Settings of the account or of a number.
    pub(crate) fn settings(about: About, event: String) -> Self {
        let group = if about == About::Number {
            NUMBER
        } else {
            ACCOUNT
        };
        Self {
            event,
            ..Self::find(group, "settings_changed".to_owned())
        }
    }

    /// An alert that is for people to read.
    pub(crate) fn alert(event: String) -> Self {
        Self {
            group: ACCOUNT,
            suffix: "alert".into(),
            what: format!("has an alert of Meta's ({})", cut(&event, LONGEST_WORD)).into(),
            remedy: "Read what Meta says of it, and look into WhatsApp Manager.",
            event,
        }
    }

    /// What a person wants.
    pub(crate) fn of_contact(event: String) -> Self {
        Self::find(CONTACT, event)
    }

    /// A conversation that changed hands.
    pub(crate) fn of_conversation(event: String) -> Self {
        Self::find(CONVERSATION, event)
    }

    /// An error of the channel; what it means is in the catalogue.
    pub(crate) fn channel_error(event: String) -> Self {
        Self {
            group: "channel",
            suffix: "error".into(),
            what: format!("had error {}", cut(&event, LONGEST_WORD)).into(),
            remedy: "Ask the provider if it happens again.",
            event,
        }
    }

    fn find(group: &'static str, event: String) -> Self {
        let word = event.trim().to_ascii_lowercase();
        let found = TABLE.iter().find(|line| line.0 == group && line.1 == word);
        match found {
            Some((group, _, suffix, what, remedy)) => Self {
                event,
                group,
                suffix: (*suffix).into(),
                what: (*what).into(),
                remedy,
            },
            None => Self {
                group,
                suffix: plain(&word).into(),
                what: format!("has a new state, {}", cut(&event, LONGEST_WORD)).into(),
                remedy: "Look into WhatsApp Manager for what it means.",
                event,
            },
        }
    }

    /// Our stable name, as in `template.paused`.
    pub(super) fn name(&self) -> String {
        let (first, _) = self.group.split_once(' ').unwrap_or((self.group, ""));
        format!("{first}.{}", self.suffix)
    }

    /// One sentence, in which no person is named.
    pub(super) fn sentence(&self, about: About, subject: &str) -> String {
        let what = &self.what;
        match about {
            About::Contact if self.group == CONVERSATION => format!("A conversation {what}."),
            About::Contact => format!("A contact {what}."),
            About::Template if subject.is_empty() => format!("A template {what}."),
            About::Template => format!("Template {subject} {what}."),
            About::Number if subject.is_empty() => format!("A number of the business {what}."),
            About::Number => format!("Number {subject} {what}."),
            About::Account if subject.is_empty() => format!("The account {what}."),
            About::Account => format!("Account {subject} {what}."),
            About::Channel if subject.is_empty() => format!("The channel {what}."),
            About::Channel => format!("The channel of {subject} {what}."),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &Words, about: About, subject: &str, name: &str, sentence: &str) {
        assert_eq!(words.name(), name);
        assert_eq!(words.sentence(about, subject), sentence);
        assert!(words.remedy.ends_with('.'), "{name}: {}", words.remedy);
    }

    #[test]
    fn each_kind_has_a_name_a_sentence_and_advice() {
        let word = str::to_owned;
        let template = Words::of_template(word("PAUSED"));
        let paused = "Template order_update was paused by Meta.";
        check(
            &template,
            About::Template,
            "order_update",
            "template.paused",
            paused,
        );
        for (event, name) in [
            ("FLAGGED", "number.quality_dropped"),
            ("DOWNGRADE", "number.quality_dropped"),
            ("RED", "number.quality_dropped"),
            ("UNFLAGGED", "number.quality_restored"),
            ("UPGRADE", "number.limit_raised"),
            ("SOMETHING New", "number.something_new"),
        ] {
            assert_eq!(Words::of_number(word(event)).name(), name, "{event}");
        }
        let restricted = Words::of_account(word("ACCOUNT_RESTRICTION"));
        let sentence = "The account was restricted by Meta.";
        check(
            &restricted,
            About::Account,
            "",
            "account.restricted",
            sentence,
        );
        let stop = Words::of_contact(word("stop"));
        let sentence = "A contact wants no marketing messages any more.";
        check(
            &stop,
            About::Contact,
            "34600000901",
            "contact.opted_out",
            sentence,
        );
        let unknown = Words::of_template(word("<b>"));
        let sentence = "A template has a new state, <b>.";
        check(&unknown, About::Template, "", "template._b_", sentence);
        let error = Words::channel_error(word("131000"));
        let sentence = "The channel had error 131000.";
        check(&error, About::Channel, "", "channel.error", sentence);
    }

    #[test]
    fn every_line_says_what_to_do_and_stands_once() {
        for (index, (group, word, ..)) in TABLE.iter().enumerate() {
            let twin = TABLE[..index]
                .iter()
                .find(|line| line.0 == *group && line.1 == *word);
            assert_eq!(twin, None);
        }
        let ends = TABLE
            .iter()
            .all(|line| line.4.ends_with('.') && !line.3.ends_with('.'));
        assert!(ends);
    }
}

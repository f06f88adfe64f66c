//! Meta's words for account events in ours, with what to do about each.
//!
//! Relays pass Meta's events on, so they share the lines.

use crate::model::EventGroup::{
    Account, Alert, Channel, Contact, Conversation, Number, Template, TemplateCategory,
    TemplateChange, TemplateQuality,
};
use crate::model::{EventLine as Line, EventWords};

/// What they mean, for all that speak Meta's formats.
pub(in crate::providers) static EVENTS: EventWords = EventWords {
    title: "Meta",
    unknown: "Look into WhatsApp Manager for what it means.",
    lines: LINES,
};

const READ_ON: &str = "Nothing has to be done; WhatsApp Manager shows more.";
const APPEAL: &str =
    "Look the reason up in WhatsApp Manager, end what caused it, and ask for a review there.";
const NEW_TEMPLATE: &str = "Send another template: each send of this one fails.";
const SLOWER: &str =
    "Send less, and only to people who expect it; blocks and complaints of recipients cause this.";
const NO_MARKETING: &str =
    "Send this person no marketing: WhatsApp refuses it (131050). Other messages still go through.";
const COMPARE: &str = "Compare the new limits with what you send a day.";
const THEIRS: &str = "Check that your own team changed them.";

#[rustfmt::skip]
pub(in crate::providers) const LINES: &[Line] = &[
    Line::new(Template, &["approved"], "template.approved", "was approved by Meta", "Nothing has to be done: it can be sent."),
    Line::new(Template, &["reinstated"], "template.reinstated", "was reinstated by Meta", "Nothing has to be done: it can be sent again."),
    Line::new(Template, &["unpaused"], "template.unpaused", "was unpaused by Meta", "Nothing has to be done: it can be sent again."),
    Line::new(Template, &["unarchived"], "template.unarchived", "was taken out of the archive", "Nothing has to be done: it can be sent again."),
    Line::new(Template, &["unlocked"], "template.unlocked", "was unlocked by Meta", "Nothing has to be done: it can be changed again."),
    Line::new(Template, &["rejected"], "template.rejected", "was rejected by Meta", "Correct what the reason names and submit it again; until then each send of it fails."),
    Line::new(Template, &["pending"], "template.pending", "is being reviewed by Meta", "Wait for the decision: until then it cannot be sent."),
    Line::new(Template, &["in_appeal"], "template.in_appeal", "is being reviewed by Meta once more", "Wait for the decision: until then it cannot be sent."),
    Line::new(Template, &["paused"], "template.paused", "was paused by Meta", "Send another template: each send of this one fails until the pause is over. Mend what recipients complain of, or Meta disables it."),
    Line::new(Template, &["disabled"], "template.disabled", "was disabled by Meta", "Send another template: each send of this one fails, for good unless an appeal succeeds."),
    Line::new(Template, &["flagged"], "template.flagged", "was flagged by Meta and is about to be disabled", "Mend what recipients complain of, and prepare another template."),
    Line::new(Template, &["locked"], "template.locked", "was locked by Meta and cannot be changed", READ_ON),
    Line::new(Template, &["archived"], "template.archived", "was archived", NEW_TEMPLATE),
    Line::new(Template, &["pending_deletion"], "template.deletion_pending", "is about to be deleted", NEW_TEMPLATE),
    Line::new(Template, &["deleted"], "template.deleted", "was deleted", NEW_TEMPLATE),
    Line::new(Template, &["limit_exceeded"], "template.limit_exceeded", "could not be made: the account has as many templates as it may", "Delete templates that are not sent."),
    Line::new(TemplateCategory, &[], "template.category_changed", "has another category", "Sends of it are priced by the new category; ask for a review in WhatsApp Manager if it is wrong."),
    Line::new(TemplateChange, &[], "template.changed", "was changed, and the notice does not say to what", "Look into WhatsApp Manager for its state."),
    Line::new(TemplateQuality, &["green", "high"], "template.quality_changed", "has high quality", READ_ON),
    Line::new(TemplateQuality, &["unknown"], "template.quality_changed", "has no known quality yet", READ_ON),
    Line::new(TemplateQuality, &["yellow", "medium"], "template.quality_dropped", "has medium quality", "Mend what recipients complain of: with low quality Meta pauses it."),
    Line::new(TemplateQuality, &["red", "low"], "template.quality_dropped", "has low quality", "Send it less and mend what recipients complain of: Meta pauses it next."),
    Line::new(Number, &["flagged"], "number.quality_dropped", "was flagged by Meta for low quality", SLOWER),
    Line::new(Number, &["red"], "number.quality_dropped", "has low quality", SLOWER),
    Line::new(Number, &["downgrade"], "number.quality_dropped", "may write to fewer people a day: Meta lowered its limit", SLOWER),
    Line::new(Number, &["yellow"], "number.quality_changed", "has medium quality", SLOWER),
    Line::new(Number, &["green"], "number.quality_restored", "has high quality", READ_ON),
    Line::new(Number, &["unflagged"], "number.quality_restored", "is no longer flagged by Meta", READ_ON),
    Line::new(Number, &["upgrade"], "number.limit_raised", "may write to more people a day: Meta raised its limit", READ_ON),
    Line::new(Number, &["limit_changed"], "number.limit_changed", "was given a limit of people that it may write to a day", COMPARE),
    Line::new(Number, &["throughput_upgrade"], "number.throughput_raised", "may send faster: Meta raised its throughput", READ_ON),
    Line::new(Number, &["onboarding"], "number.onboarding", "is being registered", "Wait until it is registered: until then nothing can be sent from it."),
    Line::new(Number, &["settings_changed"], "number.settings_changed", "has other settings", THEIRS),
    Line::new(Account, &["account_restriction"], "account.restricted", "was restricted by Meta", APPEAL),
    Line::new(Account, &["feature_restriction"], "account.feature_restricted", "was restricted by Meta in features that stop no sends", "Messages still go out. Look the reason up in WhatsApp Manager before Meta restricts more."),
    Line::new(Account, &["account_violation"], "account.violation", "was found by Meta to break a rule", APPEAL),
    Line::new(Account, &["account_deleted"], "account.deleted", "was deleted", "Nothing can be sent from it: connect another account."),
    Line::new(Account, &["account_offboarded"], "account.offboarded", "was disconnected from the platform", "Connect it again, or nothing can be sent from it."),
    Line::new(Account, &["account_reconnected"], "account.reconnected", "was connected again", READ_ON),
    Line::new(Account, &["verified_account"], "account.verified", "was verified", READ_ON),
    Line::new(Account, &["ad_account_linked"], "account.ad_account_linked", "was linked to an ad account", READ_ON),
    Line::new(Account, &["auth_intl_price_eligibility_update"], "account.auth_price_changed", "was given other countries with international prices for authentication", "Nothing has to be done: authentication messages to these countries cost their international price."),
    Line::new(Account, &["business_primary_location_country_update"], "account.country_changed", "was given another country of business", "Check in Meta Business Suite that the country is right: the prices of authentication messages depend on it."),
    Line::new(Account, &["mm_lite_terms_signed"], "account.marketing_terms_signed", "was signed up for Meta's Marketing Messages API", READ_ON),
    Line::new(Account, &["partner_client_certification_needed"], "account.certification_needed", "was asked by Meta to certify its business", "Complete the certification with your partner: until then Meta may limit the account."),
    Line::new(Account, &["partner_client_certification_status_update"], "account.certification_changed", "was given another state of its certification", "Nothing has to be done if it is approved; else correct what the reason names and submit it again."),
    Line::new(Account, &["disabled_update"], "account.disabled_update", "was disabled or reinstated by Meta, without saying which", "Look in WhatsApp Manager whether it is disabled; ask for a review there if it is."),
    Line::new(Account, &["disable"], "account.disabled", "was disabled by Meta", APPEAL),
    Line::new(Account, &["schedule_for_disable"], "account.disable_scheduled", "is about to be disabled by Meta", APPEAL),
    Line::new(Account, &["reinstate"], "account.reinstated", "was reinstated by Meta", READ_ON),
    Line::new(Account, &["partner_removed"], "account.partner_removed", "was disconnected from its partner", "Connect it again, or nothing can be sent from it."),
    Line::new(Account, &["partner_added"], "account.partner_added", "was shared with a partner", READ_ON),
    Line::new(Account, &["partner_app_installed"], "account.app_installed", "was connected to an app", READ_ON),
    Line::new(Account, &["partner_app_uninstalled"], "account.app_uninstalled", "was disconnected from an app", "Connect it again, unless you wanted that."),
    Line::new(Account, &["volume_based_pricing_tier_update"], "account.price_tier_changed", "has another price tier", READ_ON),
    Line::new(Account, &["limits_changed"], "account.limits_changed", "was given limits by Meta", COMPARE),
    Line::new(Account, &["limits_lowered"], "account.limits_lowered", "was given lower limits by Meta", COMPARE),
    Line::new(Account, &["limits_raised"], "account.limits_raised", "was given higher limits by Meta", "Nothing has to be done: more can be sent."),
    Line::new(Account, &["settings_changed"], "account.settings_changed", "has other settings", THEIRS),
    Line::new(Contact, &["stop"], "contact.opted_out", "wants no marketing messages any more", NO_MARKETING),
    Line::new(Contact, &["resume"], "contact.opted_in", "wants marketing messages again", "Nothing has to be done: marketing can be sent again."),
    Line::new(Alert, &["increased_capabilities_eligibility_deferred", "increased_capabilities_eligibility_failed", "increased_capabilities_eligibility_need_more_info"], "account.limit_not_raised", "was not given a higher limit by Meta ({})", "Send as many as the present limit allows; WhatsApp Manager shows what Meta asks for."),
    Line::new(Alert, &[], "account.alert", "has an alert of Meta's ({})", "Read what Meta says of it, and look into WhatsApp Manager."),
    Line::new(Channel, &[], "channel.error", "reported error {}", "Ask the provider if it happens again."),
    Line::new(Conversation, &["control_taken"], "conversation.handed_over", "was taken over by another responder", "Messages of yours are refused until the conversation is handed back: see which system owns it."),
    Line::new(Conversation, &["control_passed"], "conversation.received", "was handed over to this responder", "Answer in it: messages of yours go through."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{About, AccountEvent, EventGroup, Words};

    fn said_of(about: About, subject: &str, words: &Words) -> String {
        AccountEvent::new("f", about, Some(subject.to_owned()), words).text
    }

    /// What the provider's word is said of, the word, the subject, our name, and the sentence. What is not
    /// known claims nothing: the last three.
    type WordsKind = (
        EventGroup,
        &'static str,
        About,
        &'static str,
        &'static str,
        &'static str,
    );

    #[rustfmt::skip]
    const KINDS: &[WordsKind] = &[
        (Template, "PAUSED", About::Template, "order", "template.paused", "Template order was paused by Meta."),
        (TemplateQuality, "Low", About::Template, "order", "template.quality_dropped", "Template order has low quality."),
        (TemplateChange, "X_UPDATE", About::Template, "order", "template.changed", "Template order was changed, and the notice does not say to what."),
        (TemplateCategory, "UTILITY", About::Template, "order", "template.category_changed", "Template order has another category."),
        (Number, "FLAGGED", About::Number, "1", "number.quality_dropped", "Number 1 was flagged by Meta for low quality."),
        (Number, "limit_changed", About::Number, "1", "number.limit_changed", "Number 1 was given a limit of people that it may write to a day."),
        (Account, "ACCOUNT_RESTRICTION", About::Account, "", "account.restricted", "The account was restricted by Meta."),
        (Alert, "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", About::Number, "1", "account.limit_not_raised", "Number 1 was not given a higher limit by Meta (INCREASED_CAPABILITIES_ELIGIBILITY_FAILED)."),
        (Alert, "OBA_REJECTED", About::Account, "1", "account.alert", "Account 1 has an alert of Meta's (OBA_REJECTED)."),
        (Contact, "stop", About::Contact, "34600000901", "contact.opted_out", "A contact wants no marketing messages any more."),
        (Conversation, "control_taken", About::Contact, "1", "conversation.handed_over", "A conversation was taken over by another responder."),
        (Conversation, "control_passed", About::Contact, "1", "conversation.received", "A conversation was handed over to this responder."),
        (Channel, "131000", About::Channel, "", "channel.error", "Meta reported error 131000."),
        (Channel, "131000", About::Channel, "34910000000", "channel.error", "Meta reported error 131000 for number 34910000000."),
        (Channel, "a text", About::Channel, "", "channel.error", "Meta reported an error."),
        (Template, "<b>", About::Template, "t", "template._b_", "Template t has a new state, <b>."),
        (Number, "SOMETHING New", About::Number, "1", "number.something_new", "Number 1 has a new state, SOMETHING New."),
        (Account, "DISABLED_UPDATE", About::Account, "1", "account.disabled_update", "Account 1 was disabled or reinstated by Meta, without saying which."),
        (Account, "NEWS", About::Account, "1", "account.news", "Account 1 has a new state, NEWS."),
    ];

    #[test]
    fn each_kind_has_a_name_a_sentence_and_advice() {
        for (group, event, about, subject, name, sentence) in KINDS {
            let words = EVENTS.of(*group, (*event).to_owned());
            assert_eq!((&*words.name, &*words.event), (*name, *event));
            assert_eq!(said_of(*about, subject, &words), *sentence);
        }
        for (event, name) in [
            ("DOWNGRADE", "number.quality_dropped"),
            ("RED", "number.quality_dropped"),
            ("UNFLAGGED", "number.quality_restored"),
            ("UPGRADE", "number.limit_raised"),
        ] {
            assert_eq!(EVENTS.of(Number, event.to_owned()).name, name, "{event}");
        }
        let said = EVENTS.said_as(Account, "REINSTATE", "DISABLED_UPDATE".to_owned());
        assert_eq!(
            (&*said.name, &*said.event),
            ("account.reinstated", "DISABLED_UPDATE")
        );
    }

    #[test]
    fn every_word_of_an_account_update_has_a_sentence_and_advice_of_its_own() {
        // Each that Meta documents.
        let words = [
            "ACCOUNT_DELETED",
            "ACCOUNT_OFFBOARDED",
            "ACCOUNT_RECONNECTED",
            "ACCOUNT_RESTRICTION",
            "ACCOUNT_VIOLATION",
            "AD_ACCOUNT_LINKED",
            "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE",
            "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE",
            "DISABLED_UPDATE",
            "MM_LITE_TERMS_SIGNED",
            "PARTNER_ADDED",
            "PARTNER_APP_INSTALLED",
            "PARTNER_APP_UNINSTALLED",
            "PARTNER_CLIENT_CERTIFICATION_NEEDED",
            "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
            "PARTNER_REMOVED",
            "VERIFIED_ACCOUNT",
            "VOLUME_BASED_PRICING_TIER_UPDATE",
        ];
        let mut sentences = std::collections::BTreeSet::new();
        for word in words {
            let words = EVENTS.of(Account, word.to_owned());
            let sentence = said_of(About::Account, "1", &words);
            assert!(!sentence.contains("new state"), "{word}: {sentence}");
            assert!(words.remedy.ends_with('.'), "{word}");
            assert!(sentences.insert(sentence), "{word}");
        }
    }

    #[test]
    fn every_line_has_its_name_and_advice_and_no_word_stands_twice() {
        EVENTS.check();
    }
}

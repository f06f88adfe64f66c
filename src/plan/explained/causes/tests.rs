//! Which event explains which errors of the whole catalogue, both ways.

use std::collections::BTreeSet;

use super::*;
use crate::providers::{ErrorCatalogue, Provider};

/// The events that never explain a failure.
const EXPLAIN_NOTHING: [&str; 32] = [
    "account.ad_account_linked",
    "account.alert",
    "account.app_installed",
    "account.auth_price_changed",
    "account.certification_changed",
    "account.certification_needed",
    "account.country_changed",
    "account.disabled_update",
    "account.feature_restricted",
    "account.limits_raised",
    "account.marketing_terms_signed",
    "account.partner_added",
    "account.price_tier_changed",
    "account.reconnected",
    "account.reinstated",
    "account.verified",
    "contact.opted_in",
    "conversation.received",
    "number.limit_changed",
    "number.limit_raised",
    "number.quality_changed",
    "number.quality_restored",
    "number.throughput_raised",
    "template.approved",
    "template.category_changed",
    "template.changed",
    "template.limit_exceeded",
    "template.locked",
    "template.quality_changed",
    "template.reinstated",
    "template.unarchived",
    "template.unlocked",
];

/// Our name of each kind of event.
fn names() -> BTreeSet<&'static str> {
    let definitions = Provider::ALL.into_iter().map(Provider::definition);
    let lines = definitions.flat_map(|definition| definition.events.lines);
    lines.map(|line| line.name).collect()
}

#[test]
fn each_kind_of_event_explains_some_errors_or_stands_among_those_that_explain_none() {
    for name in names() {
        let has_line = CAUSES.iter().any(|cause| cause.name == name);
        let explains_nothing = EXPLAIN_NOTHING.contains(&name) || name == "template.unpaused";
        assert_ne!(has_line, explains_nothing, "{name}");
    }
    let known: BTreeSet<&str> = names();
    let ended = ENDS
        .iter()
        .flat_map(|(name, ended)| ended.iter().chain([name]));
    let named = CAUSES.iter().map(|cause| &cause.name).chain(ended);
    for name in named.chain(EXPLAIN_NOTHING.iter()) {
        assert!(known.contains(name), "no event is called {name}");
    }
}

/// The keys that an event explains of the two catalogues that are listed below; what it explains of
/// another's is that provider's affair.
fn explained(name: &str, word: &str) -> Vec<&'static str> {
    let Some(cause) = of(name) else {
        return Vec::new();
    };
    let entries = catalogue::all().iter();
    let entries = entries.filter(|entry| ["infobip", "meta"].contains(&entry.provider));
    let keys = entries.map(|entry| entry.key.as_str());
    keys.filter(|key| cause.lists(Some(key), word)).collect()
}

#[track_caller]
fn check(name: &str, word: &str, expected: &[&str]) {
    let found: BTreeSet<&str> = explained(name, word).into_iter().collect();
    assert_eq!(found, expected.iter().copied().collect(), "{name} {word}");
}

#[test]
fn an_event_explains_its_errors_and_none_else_in_the_catalogue() {
    check(
        "template.paused",
        "PAUSED",
        &[
            "meta:2001",
            "meta:2003",
            "meta:2061",
            "meta:132001",
            "meta:132015",
            "meta:134102",
            "infobip:7009",
            "infobip:7037",
        ],
    );
    check(
        "contact.opted_out",
        "stop",
        &["meta:131050", "infobip:7030", "infobip:7033"],
    );
    check(
        "number.quality_dropped",
        "FLAGGED",
        &["meta:471", "meta:131048", "infobip:7016"],
    );
    let limits = [
        "meta:429",
        "meta:471",
        "meta:80007",
        "meta:80008",
        "meta:130429",
        "meta:131048",
    ];
    let limits = [&limits[..], &["infobip:7016", "infobip:7017"]].concat();
    check("account.limits_changed", "LIMITS_CHANGED", &limits);
}

#[test]
fn an_account_that_is_not_ones_own_any_more_explains_what_is_denied() {
    let access = [
        "meta:0",
        "meta:3",
        "meta:10",
        "meta:33",
        "meta:190",
        "meta:1005",
        "meta:131005",
        "meta:131031",
        "meta:133010",
        "infobip:7001",
        "infobip:7005",
        "infobip:7011",
        "infobip:7034",
        "infobip:7083",
    ];
    check("account.partner_removed", "PARTNER_REMOVED", &access);
    check("channel.error", "130429", &["meta:130429"]);
}

#[test]
fn a_limit_that_was_not_raised_explains_and_other_alerts_and_events_explain_nothing() {
    check(
        "account.limit_not_raised",
        "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED",
        &["meta:471", "meta:131048", "infobip:7016"],
    );
    for name in EXPLAIN_NOTHING.into_iter().chain(["account.something_new"]) {
        check(name, "", &[]);
    }
    // What Meta decides for a person by itself is no event's consequence.
    for cause in CAUSES {
        for key in [
            "meta:131049",
            "meta:131026",
            "meta:131047",
            "meta:130472",
            "infobip:7032",
        ] {
            assert!(!cause.lists(Some(key), ""), "{} {key}", cause.name);
        }
    }
}

/// The catalogues of errors, each once.
fn catalogues() -> Vec<&'static ErrorCatalogue> {
    let all = Provider::ALL.map(|provider| provider.definition().errors);
    let mut catalogues: Vec<&ErrorCatalogue> = Vec::new();
    for errors in all {
        if !catalogues.iter().any(|it| it.name == errors.name) {
            catalogues.push(errors);
        }
    }
    catalogues
}

/// The codes of a catalogue that an event explains, in order.
fn codes(errors: &ErrorCatalogue, event: &str) -> Vec<i64> {
    let causes = errors.causes.iter();
    let of_event = causes.filter(|cause| cause.events.contains(&event));
    let mut codes: Vec<i64> = of_event.flat_map(|cause| cause.codes).copied().collect();
    codes.sort_unstable();
    codes
}

#[test]
fn every_code_of_a_provider_is_one_of_the_catalogue_and_stands_in_one_line() {
    for errors in catalogues() {
        let mut seen = BTreeSet::new();
        let codes = errors.causes.iter().flat_map(|cause| cause.codes);
        for code in codes.chain(errors.vague) {
            let key = format!("{}:{code}", errors.name);
            assert!(catalogue::find(&key).is_some(), "{key}");
            assert!(seen.insert(code), "{key} has two lines");
        }
    }
}

#[test]
fn every_event_of_a_provider_has_a_line_and_every_line_is_an_event_of_a_provider() {
    let mut named = BTreeSet::from([CHANNEL_ERROR]);
    for cause in catalogues().iter().flat_map(|errors| errors.causes) {
        assert!(!cause.codes.is_empty() && !cause.events.is_empty());
        if let Some(stated) = cause.stated {
            assert!(cause.events.contains(&stated), "{stated}");
        }
        named.extend(cause.events);
    }
    let lines: BTreeSet<&str> = CAUSES.iter().map(|cause| cause.name).collect();
    assert_eq!(named, lines);
}

#[test]
fn an_error_without_a_cause_is_unknown_or_says_that_something_went_wrong() {
    for (key, expected) in [
        (None, true),
        (Some("meta:131000"), true),
        (Some("meta:999999"), true),
        (Some("infobip:7050"), true),
        (Some("meta:131026"), false),
        (Some("meta:131049"), false),
        (Some("infobip:7036"), false),
    ] {
        let cause = of("account.disabled").unwrap();
        assert_eq!(cause.is_vague(key), expected, "{key:?}");
        let cause = of("number.quality_dropped").unwrap();
        assert!(!cause.is_vague(key), "{key:?}");
    }
}

/// The table of `docs/account-events.md`, with a column for each catalogue that has causes.
fn rendered() -> String {
    let mut catalogues = catalogues();
    catalogues.retain(|errors| !errors.causes.is_empty());
    let line = |name: &str, of: &dyn Fn(&&'static ErrorCatalogue) -> String, last: &str| {
        let cells: Vec<String> = catalogues.iter().map(of).collect();
        let line = format!("| {name} | {} | {last} |\n", cells.join(" | "));
        line.replace("  ", " ")
    };
    let title = |errors: &&ErrorCatalogue| format!("{}'s codes", errors.title);
    let mut table = line("event", &title, "of no cause");
    table += &line("---", &|_| "---".to_owned(), "---");
    for cause in CAUSES {
        let name = format!("`{}`", cause.name);
        let explained = |errors: &&ErrorCatalogue| {
            if cause.name == CHANNEL_ERROR {
                return "its own".to_owned();
            }
            let codes = codes(errors, cause.name);
            let codes: Vec<String> = codes.iter().map(i64::to_string).collect();
            codes.join(", ")
        };
        let vague = if cause.vague { "yes" } else { "" };
        table += &line(&name, &explained, vague);
    }
    table
}

#[test]
fn the_document_has_the_same_table() {
    let document = include_str!("../../../../docs/account-events.md");
    let table = rendered();
    assert!(document.contains(&table), "it should have\n{table}");
}

//! Which events explain which failures, as tables.

use std::slice::from_ref;

use super::*;

const DAY_MS: i64 = 86_400_000;
const FAILED_MS: i64 = 100 * DAY_MS;

fn past(name: &'static str, about: About, subject: &'static str, minutes: i64) -> Past<'static> {
    Past {
        at_ms: FAILED_MS - minutes * 60_000,
        about,
        subject,
        event: "",
        name,
        template_id: None,
        language: None,
        sender: None,
        sender_id: None,
        account_id: None,
        ends_at_ms: None,
    }
}

fn template(name: &'static str, subject: &'static str, minutes: i64) -> Past<'static> {
    past(name, About::Template, subject, minutes)
}

fn failure(error_key: &'static str) -> FailureFacts<'static> {
    FailureFacts {
        at_ms: FAILED_MS,
        error_key: Some(error_key),
        ..FailureFacts::default()
    }
}

fn of_template(error_key: &'static str, name: &'static str) -> FailureFacts<'static> {
    FailureFacts {
        template_name: Some(name),
        ..failure(error_key)
    }
}

#[track_caller]
fn check(events: &[Past<'_>], failure: &FailureFacts<'_>, expected: &[usize]) {
    assert_eq!(
        explaining(events, failure),
        expected,
        "{events:?} {failure:?}"
    );
}

#[test]
fn a_paused_template_explains_its_own_failures_until_it_is_approved_again() {
    let paused = template("template.paused", "order", 12);
    let of_order = of_template("meta:132015", "order");
    check(from_ref(&paused), &of_order, &[0]);
    check(from_ref(&paused), &of_template("meta:132015", "other"), &[]);
    // Of the recipient's making, whatever the template.
    check(from_ref(&paused), &of_template("meta:131026", "order"), &[]);
    check(
        from_ref(&paused),
        &of_template("meta:999999", "order"),
        &[0],
    );
    // It happened after the failure.
    check(&[template("template.paused", "order", -1)], &of_order, &[]);
    check(&[template("template.paused", "order", 0)], &of_order, &[0]);
    check(
        &[template("template.paused", "order", 91 * 24 * 60)],
        &of_order,
        &[],
    );
    let approved = template("template.approved", "order", 5);
    check(&[paused.clone(), approved.clone()], &of_order, &[]);
    let quality = template("template.quality_changed", "order", 5);
    check(&[quality, paused.clone()], &of_order, &[1]);
    let again = template("template.paused", "order", 2);
    check(&[paused, approved, again], &of_order, &[2]);
}

#[test]
fn a_template_is_identified_by_its_id_before_its_name_and_by_its_language() {
    let of = |id, language| Past {
        template_id: id,
        language,
        ..template("template.paused", "order", 1)
    };
    let failed = |id, language| FailureFacts {
        template_id: id,
        template_language: language,
        ..of_template("meta:132015", "order")
    };
    check(&[of(Some("1"), None)], &failed(Some("1"), None), &[0]);
    check(&[of(Some("1"), None)], &failed(Some("2"), None), &[]);
    check(
        &[of(Some("1"), Some("pt_BR"))],
        &failed(None, Some("pt-br")),
        &[0],
    );
    check(
        &[of(Some("1"), Some("es"))],
        &failed(None, Some("pt_BR")),
        &[],
    );
    // Two languages of one template are two templates.
    let both = [of(Some("1"), Some("es")), of(Some("2"), Some("en"))];
    check(&both, &failed(None, Some("es")), &[0]);
}

#[test]
fn a_failure_of_an_unnamed_template_is_explained_when_only_one_can_be_meant() {
    let one = template("template.paused", "order", 9);
    let other = template("template.paused", "bill", 5);
    let disabled = template("template.disabled", "bill", 5);
    check(from_ref(&one), &failure("meta:132015"), &[0]);
    check(from_ref(&one), &failure("meta:999999"), &[]);
    check(&[one.clone(), disabled], &failure("meta:132015"), &[0]);
    check(&[one.clone(), other.clone()], &failure("meta:132015"), &[]);
    let named = FailureFacts {
        details: Some("Template 'bill' is paused."),
        ..failure("meta:132015")
    };
    check(&[one.clone(), other], &named, &[1]);
    check(&[one], &named, &[0]);
}

#[test]
fn a_number_an_account_and_a_person_explain_what_follows_from_them() {
    let of_number = |name, minutes| Past {
        sender: Some("34910000000"),
        ..past(name, About::Number, "34910000000", minutes)
    };
    let number = of_number("number.quality_dropped", 60);
    let from = |sender| FailureFacts {
        sender: Some(sender),
        ..failure("meta:131048")
    };
    check(from_ref(&number), &from("+34 910 000 000"), &[0]);
    check(from_ref(&number), &from("34910000001"), &[]);
    check(from_ref(&number), &failure("meta:131026"), &[]);
    let restored = of_number("number.quality_restored", 30);
    check(&[number, restored], &from("34910000000"), &[]);

    let account = |id| Past {
        account_id: Some(id),
        ..past("account.restricted", About::Account, "", 60)
    };
    let locked = |id| FailureFacts {
        account_id: Some(id),
        ..failure("meta:131031")
    };
    check(&[account("1")], &locked("1"), &[0]);
    check(&[account("1")], &locked("2"), &[]);
    let newer = |name, minutes: i64| Past {
        at_ms: FAILED_MS - minutes * 60_000,
        name,
        ..account("1")
    };
    let verified = newer("account.verified", 20);
    let violation = newer("account.violation", 20);
    let reinstated = newer("account.reinstated", 10);
    check(&[account("1"), verified], &locked("1"), &[0]);
    check(&[account("1"), violation.clone()], &locked("1"), &[1, 0]);
    check(&[account("1"), violation, reinstated], &locked("1"), &[]);

    let stop = past("contact.opted_out", About::Contact, "34600000901", 60);
    let resume = past("contact.opted_in", About::Contact, "34600000901", 30);
    check(from_ref(&stop), &failure("meta:131050"), &[0]);
    check(from_ref(&stop), &failure("meta:131026"), &[]);
    check(&[stop, resume], &failure("meta:131050"), &[]);
}

#[test]
fn an_error_of_the_channel_explains_the_same_error_for_an_hour() {
    let error = |minutes| Past {
        event: "130429",
        ..past("channel.error", About::Channel, "", minutes)
    };
    check(&[error(59)], &failure("meta:130429"), &[0]);
    check(&[error(61)], &failure("meta:130429"), &[]);
    check(&[error(59)], &failure("meta:131026"), &[]);
    let handed = past("conversation.handed_over", About::Contact, "", 60);
    check(from_ref(&handed), &failure("meta:999999"), &[0]);
    check(from_ref(&handed), &failure("meta:131026"), &[]);
    // No window is closed, and no template paused, by who owns the conversation.
    check(from_ref(&handed), &failure("meta:131047"), &[]);
    check(from_ref(&handed), &failure("meta:132015"), &[]);
    let received = past("conversation.received", About::Contact, "", 30);
    check(&[handed, received], &failure("meta:999999"), &[]);
}

/// An event of each kind that is of an account or a number, and an error that it explains.
fn kinds() -> [(Past<'static>, &'static str); 9] {
    [
        (
            past("template.paused", About::Template, "order", 9),
            "meta:132015",
        ),
        (
            past("number.quality_dropped", About::Number, "34910000000", 9),
            "meta:131048",
        ),
        (
            past("number.settings_changed", About::Number, "440", 9),
            "meta:138000",
        ),
        (
            past("account.restricted", About::Account, "1", 9),
            "meta:131031",
        ),
        (
            past("account.limits_changed", About::Account, "1", 9),
            "meta:130429",
        ),
        (
            past("contact.opted_out", About::Contact, "34600000901", 9),
            "meta:131050",
        ),
        (
            past("conversation.handed_over", About::Contact, "34600000901", 9),
            "meta:999999",
        ),
        (
            Past {
                event: "130429",
                ..past("channel.error", About::Channel, "34910000000", 9)
            },
            "meta:130429",
        ),
        (
            Past {
                event: "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED",
                ..past("account.limit_not_raised", About::Account, "1", 9)
            },
            "meta:131048",
        ),
    ]
}

/// The business account, the number and Meta's id of it, as far as each is known.
type Place = [Option<&'static str>; 3];

/// Of an event, of a failure, and whether the one can explain the other; where both have Meta's id, that
/// decides.
#[rustfmt::skip]
const PLACES: [(Place, Place, bool); 10] = [
    ([None, None, None], [Some("1"), Some("34910000000"), Some("440")], true),
    ([Some("1"), None, None], [Some("1"), None, None], true),
    ([Some("1"), None, None], [Some("2"), None, None], false),
    ([Some("1"), None, None], [None, None, None], true),
    ([Some("1"), Some("34910000000"), None], [Some("2"), Some("34910000000"), None], false),
    ([None, Some("34910000000"), None], [None, Some("+34 910 000 000"), None], true),
    ([None, Some("34910000000"), None], [None, Some("34910000001"), None], false),
    ([None, None, Some("440")], [None, None, Some("441")], false),
    ([None, None, Some("440")], [None, Some("34910000000"), None], true),
    ([None, Some("34910000009"), Some("440")], [None, Some("34910000000"), Some("440")], true),
];

#[test]
fn nothing_of_another_account_or_number_explains_and_what_is_not_known_may() {
    for (event, error_key) in &kinds() {
        for (of_event, of_failure, explains) in PLACES {
            let [account_id, sender, sender_id] = of_event;
            let event = Past {
                sender,
                sender_id,
                account_id,
                ..event.clone()
            };
            let [account_id, sender, sender_id] = of_failure;
            let failure = FailureFacts {
                sender,
                sender_id,
                account_id,
                ..of_template(error_key, "order")
            };
            check(&[event], &failure, if explains { &[0] } else { &[] });
        }
    }
}

#[test]
fn a_restriction_that_is_over_explains_nothing_more() {
    let until = |minutes: i64| Past {
        ends_at_ms: Some(FAILED_MS - minutes * 60_000),
        ..past("account.restricted", About::Account, "1", 60)
    };
    check(&[until(-1)], &failure("meta:131031"), &[0]);
    check(&[until(0)], &failure("meta:131031"), &[]);
    check(&[until(1)], &failure("meta:131031"), &[]);
}

#[test]
fn an_end_ends_what_it_is_the_end_of_and_nothing_else() {
    let account = |name, minutes| past(name, About::Account, "1", minutes);
    let locked = failure("meta:131031");
    let restricted = account("account.restricted", 60);
    for (name, ends) in [
        ("account.reinstated", true),
        ("account.reconnected", false),
        ("account.partner_added", false),
        ("account.verified", false),
        ("account.something_new", false),
    ] {
        let expected: &[usize] = if ends { &[] } else { &[0] };
        check(&[restricted.clone(), account(name, 30)], &locked, expected);
    }
    let removed = account("account.partner_removed", 60);
    let denied = failure("meta:131005");
    check(
        &[removed.clone(), account("account.partner_added", 30)],
        &denied,
        &[],
    );
    check(&[removed, account("account.reinstated", 30)], &denied, &[0]);
    // Any other alert is no end of one about the limit.
    let refused = account("account.limit_not_raised", 60);
    let alert = account("account.alert", 30);
    check(&[refused, alert], &failure("meta:131048"), &[0]);
    // At one time, the later in the store holds.
    let paused = template("template.paused", "order", 5);
    let approved = template("template.approved", "order", 5);
    check(
        &[paused.clone(), approved.clone()],
        &of_template("meta:132015", "order"),
        &[],
    );
    check(
        &[approved, paused],
        &of_template("meta:132015", "order"),
        &[1],
    );
}

#[test]
fn a_word_in_the_text_names_a_template_for_its_own_errors_alone() {
    let paused = template("template.paused", "message", 5);
    let with_details = |error_key| FailureFacts {
        details: Some("Something went wrong with the message."),
        ..failure(error_key)
    };
    check(from_ref(&paused), &with_details("meta:132015"), &[0]);
    check(from_ref(&paused), &with_details("meta:131000"), &[]);
    check(&[paused], &of_template("meta:131000", "message"), &[0]);
}

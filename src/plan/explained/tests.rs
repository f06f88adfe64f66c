//! Which events explain which failures, as tables.

use std::slice::from_ref;

use super::*;

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
        account_id: None,
    }
}

fn template(name: &'static str, subject: &'static str, minutes: i64) -> Past<'static> {
    past(name, About::Template, subject, minutes)
}

fn failure(error_key: &'static str) -> Failure<'static> {
    Failure {
        at_ms: FAILED_MS,
        error_key: Some(error_key),
        ..Failure::default()
    }
}

fn of_template(error_key: &'static str, name: &'static str) -> Failure<'static> {
    Failure {
        template_name: Some(name),
        ..failure(error_key)
    }
}

#[track_caller]
fn check(events: &[Past<'_>], failure: &Failure<'_>, expected: &[usize]) {
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
fn a_template_is_told_by_its_id_before_its_name_and_by_its_language() {
    let of = |id, language| Past {
        template_id: id,
        language,
        ..template("template.paused", "order", 1)
    };
    let failed = |id, language| Failure {
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
fn a_failure_of_a_template_that_nobody_named_is_explained_when_only_one_can_be_meant() {
    let one = template("template.paused", "order", 9);
    let other = template("template.paused", "bill", 5);
    let disabled = template("template.disabled", "bill", 5);
    check(from_ref(&one), &failure("meta:132015"), &[0]);
    check(from_ref(&one), &failure("meta:999999"), &[]);
    check(&[one.clone(), disabled], &failure("meta:132015"), &[0]);
    check(&[one.clone(), other.clone()], &failure("meta:132015"), &[]);
    let named = Failure {
        details: Some("Template 'bill' is paused."),
        ..failure("meta:132015")
    };
    check(&[one.clone(), other], &named, &[1]);
    check(&[one], &named, &[0]);
}

#[test]
fn a_number_an_account_and_a_person_explain_what_follows_from_them() {
    let number = past("number.quality_dropped", About::Number, "34910000000", 60);
    let from = |sender| Failure {
        sender: Some(sender),
        ..failure("meta:131048")
    };
    check(from_ref(&number), &from("+34 910 000 000"), &[0]);
    check(from_ref(&number), &from("34910000001"), &[]);
    check(from_ref(&number), &failure("meta:131026"), &[]);
    let restored = past("number.quality_restored", About::Number, "34910000000", 30);
    check(&[number, restored], &from("34910000000"), &[]);

    let account = |id| Past {
        account_id: Some(id),
        ..past("account.restricted", About::Account, "", 60)
    };
    let locked = |id| Failure {
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
    check(&[handed], &failure("meta:131026"), &[]);
}

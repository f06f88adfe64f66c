//! Answers and sends as they are, and as they might be.

use serde_json::{Value, json};

use super::*;
use crate::model::Word as _;
use crate::providers::{Exchange, Provider, Sent, SentAll, SentFault, Summary};

fn hints(dialect: Dialect) -> Hints {
    Hints {
        options: dialect.options().into(),
        broadcast: Some("bc-1".to_owned()),
        ..Hints::default()
    }
}

/// What each entry becomes: id, word, status and error key.
fn check(answer: &Value, dialect: Dialect) -> Vec<String> {
    let text = answer.to_string();
    let parsed = Provider::Botsquad.parse(text.as_bytes(), None, &hints(dialect));
    let facts = |item: &Item| match item {
        Item::Report(report) => {
            let status = report.status.map_or("-", Status::as_str);
            let error = report.error().map_or("-", |error| &*error.key);
            let id = report.message.as_deref().unwrap_or("-");
            format!("{id} {} {status} {error}", report.provider_status)
        }
        Item::Ignored(what) => format!("ignored {what}"),
        Item::SamePerson(names) => names.join(" "),
        Item::Account(event) => event.name.clone(),
        Item::Unreadable(why) => format!("unreadable {why}"),
    };
    parsed.unwrap().items.iter().map(facts).collect()
}

fn statistics(answer: &Value) -> Statistics {
    let mut answer = answer.clone();
    answer["failures"] = json!([]);
    let text = answer.to_string();
    ListedAnswer::open(&text, &Dialect::default())
        .unwrap()
        .statistics
}

#[test]
fn each_entry_is_a_report_reported_by_its_number_and_occurrence() {
    let answer = json!({"id": "bc-1", "statuses": [
        {"to": "+31 600 000 001", "status": "success"},
        {"phone": 31_600_000_002_u64, "status": "failure", "reason": "Not_On_WhatsApp", "details": "131026"},
        {"user": "0031600000003", "status": "failure", "reason": "optout", "details": null},
        {"wa_id": "31600000001", "status": "pending"},
        {"to": "", "number": "31600000004", "status": "Zapped"},
        {"to": "31600000005"}, 7, {"status": "success"},
        {"to": "31600000006", "status": "failure", "reason": "It did not work, sorry", "code": 9},
        {"to": "31600000007", "status": "failure", "code": 9},
        {"to": "31600000008", "status": "failure"},
    ], "failures": [{"to": "31600000002", "status": "failure"}]});
    assert_eq!(
        check(&answer, Dialect::default()),
        [
            "bc-1:31600000001 success sent -",
            "bc-1:31600000002 failure failed meta:131026",
            "bc-1:31600000003 failure failed botsquad:optout",
            "bc-1:31600000001.2 pending queued -",
            "bc-1:31600000004 Zapped - -",
            "unreadable an entry without a status: name it in fields.status",
            "unreadable an entry that is no object",
            "unreadable an entry without a number: name it in fields.to",
            "bc-1:31600000006 failure failed botsquad:failure",
            "bc-1:31600000007 failure failed botsquad:9",
            "bc-1:31600000008 failure failed -",
        ]
    );
}

#[test]
fn the_order_of_the_list_means_nothing() {
    let entry = |to: &str, status: &str| json!({"to": to, "status": status});
    let one =
        json!({"statuses": [entry("31600000001", "success"), entry("31600000002", "pending")]});
    let other =
        json!({"statuses": [entry("31600000002", "pending"), entry("31600000001", "success")]});
    let sorted = |answer: &Value| {
        let mut facts = check(answer, Dialect::default());
        facts.sort();
        facts
    };
    assert_eq!(sorted(&one), sorted(&other));
}

#[test]
fn of_one_number_the_states_decide_and_no_message_takes_back_what_was_reported() {
    let (a, b) = ("31600000001", "+31 600000001");
    let entry = |to: &str, status: &str, reason: Option<&str>| json!({"to": to, "status": status, "reason": reason});
    let facts = |entries: &[Value]| {
        let mut facts = check(&json!({ "statuses": entries }), Dialect::default());
        facts.sort();
        facts
    };
    let (sent, pending) = (entry(a, "success", None), entry(a, "pending", None));
    let (optout, unknown) = (
        entry(b, "failure", Some("optout")),
        entry(a, "failure", Some("not_on_whatsapp")),
    );
    let id = |place: &str, rest: &str| format!("bc-1:31600000001{place} {rest}");
    let steps = [
        (
            [pending.clone(), sent.clone()],
            ["success sent -", "pending queued -"],
        ),
        (
            [sent, optout.clone()],
            ["success sent -", "failure failed botsquad:optout"],
        ),
        (
            [pending, optout.clone()],
            ["pending queued -", "failure failed botsquad:optout"],
        ),
        (
            [optout, unknown],
            [
                "failure failed botsquad:not_on_whatsapp",
                "failure failed botsquad:optout",
            ],
        ),
    ];
    for ([one, other], [first, second]) in steps {
        let expected = [id("", first), id(".2", second)];
        assert_eq!(facts(&[one.clone(), other.clone()]), expected);
        assert_eq!(facts(&[other, one]), expected);
    }
}

#[test]
fn what_says_the_same_has_one_meaning() {
    let summary = |answer: &Value| {
        let text = answer.to_string();
        let pull = DEFINITION.pull.unwrap();
        Summary::of(pull, (text.as_bytes(), None), "bc-1", &Hints::default())
    };
    let entry = |to: &str, status: &str| json!({"to": to, "status": status});
    let (one, two) = (
        entry("31600000001", "success"),
        entry("31600000002", "pending"),
    );
    let first = summary(&json!({"statuses": [one, two]}));
    let swapped = json!({"now": 7, "statuses": [two, one]});
    assert_eq!(first.hash, summary(&swapped).hash);
    for other in [
        json!({"statuses": [one]}),
        json!({"statuses": [one, entry("31600000002", "success")]}),
        json!({"statuses": [one, two], "statistics": {"total": 2}}),
        json!({"failures": [one, two]}),
    ] {
        assert_ne!(first.hash, summary(&other).hash, "{other}");
    }
    let facts = summary(&json!({"statuses": [one, two, 7, {"to": "31600000003", "status": null}]}));
    let facts = facts.facts.unwrap();
    assert_eq!((facts.entries, facts.pending, facts.unreadable), (4, 3, 2));
    let none = summary(&json!({"statuses": [{"msisdn": "31600000001", "status": "pending"}]}));
    let error = none.facts.unwrap_err().to_string();
    assert!(error.contains("name it in fields.to"), "{error}");
}

#[test]
fn an_old_server_lists_its_failures_alone() {
    let answer = json!({"statistics": {"total": 3, "success": 1, "failure": 1},
        "failures": [{"to": "31600000001", "reason": "optout"}]});
    assert_eq!(
        check(&answer, Dialect::default()),
        ["bc-1:31600000001 failure failed botsquad:optout"]
    );
    assert_eq!(statistics(&answer).pending, Some(1));
}

#[test]
fn the_servers_numbers_are_kept_and_judged() {
    for (numbers, pending, disagree) in [
        (
            json!({"total": 3, "success": 1, "failure": 1, "pending": 1}),
            Some(1),
            false,
        ),
        (
            json!({"total": 3, "success": 1, "failure": 1, "pending": 2}),
            Some(2),
            true,
        ),
        (
            json!({"total": "3", "success": "3", "failure": 0}),
            Some(0),
            false,
        ),
        (json!({"total": 1, "success": 1, "failure": 1}), None, false),
        (
            json!({"success": u64::MAX, "failure": 1, "pending": -1}),
            None,
            false,
        ),
        (json!({}), None, false),
    ] {
        let statistics = statistics(&json!({ "statistics": numbers }));
        assert_eq!(
            (statistics.pending, statistics.disagree()),
            (pending, disagree),
            "{numbers}"
        );
    }
    let cancelled = statistics(&json!({"statistics": {"cancelled": 2}})).cancelled;
    assert_eq!(cancelled, Some(2));
}

#[test]
fn a_dialect_changes_names_places_and_words() {
    let mut fields = Aliases::default();
    fields.set(AnswerField::Statuses, vec!["/data/users".to_owned()]);
    fields.set(
        AnswerField::To,
        vec!["/contact/phone".to_owned(), "msisdn".to_owned()],
    );
    fields.set(AnswerField::Status, vec!["state".to_owned()]);
    fields.set(AnswerField::Reason, vec!["/why/code".to_owned()]);
    let dialect = Dialect {
        fields,
        words: [("opened".to_owned(), Status::Read)].into(),
        success_at: Status::Delivered,
    };
    let answer = json!({"data": {"users": [
        {"contact": {"phone": "31600000001"}, "state": "SUCCESS"},
        {"msisdn": "31600000002", "state": "Opened"},
        {"msisdn": "31600000003", "state": "failure", "why": {"code": 131_026}},
    ]}});
    assert_eq!(
        check(&answer, dialect),
        [
            "bc-1:31600000001 SUCCESS delivered -",
            "bc-1:31600000002 Opened read -",
            "bc-1:31600000003 failure failed meta:131026",
        ]
    );
}

#[test]
fn a_pointer_steps_into_arrays_everywhere() {
    let mut fields = Aliases::default();
    let places = [
        (AnswerField::Statuses, "/0/lists/1"),
        (AnswerField::Statistics, "/0/a~1b"),
        (AnswerField::Id, "/1"),
        (AnswerField::To, "/to/0"),
    ];
    for (field, place) in places {
        fields.set(field, vec![place.to_owned()]);
    }
    let dialect = Dialect {
        fields,
        ..Dialect::default()
    };
    let list = json!([{"to": ["31600000001"], "status": "success"}]);
    let text = json!([{"lists": [7, list], "a/b": {"total": 1}}, "bc-9"]).to_string();
    let answer = ListedAnswer::open(&text, &dialect).unwrap();
    assert_eq!(answer.statistics.total, Some(1));
    assert_eq!(answer.id.as_deref(), Some("bc-9"));
    assert_eq!(answer.items("bc-9", &dialect).count(), 1);
    for place in [
        "/00/lists/1",
        "/+0/lists/1",
        "/2",
        "/-",
        "/0/lists/1/0/to/x",
    ] {
        let mut dialect = dialect.clone();
        let place = vec![place.to_owned()];
        dialect.fields.set(AnswerField::Statuses, place.clone());
        dialect.fields.set(AnswerField::Statistics, place.clone());
        assert!(ListedAnswer::open(&text, &dialect).is_err(), "{place:?}");
    }
}

#[test]
fn what_is_no_answer_says_why() {
    let parse = |text: &str, hints: &Hints| {
        let parsed = Provider::Botsquad.parse(text.as_bytes(), None, hints);
        parsed.unwrap_err().to_string()
    };
    let known = hints(Dialect::default());
    assert!(parse("<!doctype html>", &known).starts_with("not JSON: it is HTML"));
    assert!(parse("{\"statuses\":", &known).starts_with("not JSON"));
    for text in [
        "{}",
        "[]",
        "7",
        "{\"statuses\":null}",
        "{\"statistics\":7}",
        "{\"statuses\":{\"a\":{}},\"failures\":[]}",
        "{\"failures\":\"none\"}",
        "{\"statistics\":{\"total\":1},\"recipients\":[]}",
    ] {
        let error = parse(text, &known);
        assert!(error.starts_with("no known shape"), "{text}: {error}");
        assert!(error.contains("in the source's fields"), "{text}: {error}");
    }
    let unknown = Hints::default();
    let error = parse("{\"statuses\":[]}", &unknown);
    assert!(error.contains("no id of the broadcast"), "{error}");
    // Where the answer says it, nothing else has to.
    let text = r#"{"broadcast_id":7,"statuses":[{"to":"31600000001","status":"success"}]}"#;
    let parsed = Provider::Botsquad
        .parse(text.as_bytes(), None, &unknown)
        .unwrap();
    let Item::Report(report) = &parsed.items[0] else {
        panic!("{parsed:?}");
    };
    assert_eq!(report.message.as_deref(), Some("7:31600000001"));
}

fn read_sent(request: &Value, response: &Value) -> Result<SentAll, SentFault> {
    let exchange = Exchange {
        request,
        response,
        http_status: None,
    };
    Provider::Botsquad.read_sent(exchange, &Hints::default())
}

#[test]
fn a_broadcast_that_is_refused_is_a_failure_for_each_of_its_users() {
    let request = json!({"template": {"name": "spring"},
        "users": [{"phone": "+31600000001"}, "31600000002", {"to": "31600000001"}]});
    let refused = read_sent(&request, &json!({"error": {"message": "no such template"}})).unwrap();
    let facts: Vec<String> = refused
        .iter()
        .map(|sent| {
            let Sent {
                id,
                registration,
                result,
            } = sent.as_ref().unwrap();
            let [error] = result.errors() else {
                panic!("{result:?}")
            };
            let to = registration.recipient.as_deref().unwrap();
            format!(
                "{id:?} {to} {} {:?}",
                error.key,
                error.title.as_deref().unwrap()
            )
        })
        .collect();
    let why = "meta:send_refused \"no such template\"";
    let expected = ["+31600000001", "31600000002", "31600000001"];
    assert_eq!(facts, expected.map(|to| format!("None {to} {why}")));
}

#[test]
fn a_send_has_a_message_for_each_user_with_its_own_parameters() {
    let request = json!({
        "template": {"name": "spring", "language": {"code": "nl"}, "components": [
            {"type": "body", "parameters": [
                {"type": "text", "text": "{{ name }}"}, {"type": "text", "text": "{{city}}!"}]}]},
        "params": {"name": "friend", "city": "Delft"},
        "users": [{"phone": "+31600000001", "params": {"name": "Ana"}}, "31600000002",
            {"to": "31600000001"}],
    });
    let sent = read_sent(&request, &json!({"id": "bc-1"})).unwrap();
    let facts: Vec<String> = sent
        .iter()
        .map(|sent| {
            let Sent {
                id,
                registration: facts,
                ..
            } = sent.as_ref().unwrap();
            let template = facts.template.as_ref().unwrap().described();
            let id = id.as_deref().unwrap();
            format!("{id} {} {template}", facts.broadcast.as_ref().unwrap())
        })
        .collect();
    assert_eq!(
        facts,
        [
            "bc-1:31600000001 bc-1 spring (nl): Ana, Delft!",
            "bc-1:31600000002 bc-1 spring (nl): friend, Delft!",
            "bc-1:31600000001.2 bc-1 spring (nl): friend, Delft!",
        ]
    );
    let field = |request, response| read_sent(&request, &response).unwrap_err().field;
    assert_eq!(field(request.clone(), json!({})), "/response/id");
    assert_eq!(
        field(json!({"users": []}), json!({"id": 1})),
        "/request/users"
    );
    let unknown = json!({"users": ["31600000001", {"name": "Ana"}]});
    assert_eq!(field(unknown, json!({"id": 1})), "/request/users/1");
}

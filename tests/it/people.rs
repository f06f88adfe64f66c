//! A person who has another number or user id now is found and erased by either.

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::admin::{EraseOptions, ErasePerson};
use tickrelay::store::Prunable;

use crate::support::cli::Folder;
use crate::support::{TestApp, cloud, only};
use crate::upkeep::prune;

const OLD: &str = "ES.13490000000000000007";
const NEW: &str = "ES.13490000000000000008";
const NUMBER: &str = "34600000007";

/// A webhook with inbound messages alone.
fn inbound(messages: &[Value]) -> String {
    let mut body: Value = serde_json::from_str(&cloud::webhook(&[])).unwrap();
    let value = body["entry"][0]["changes"][0]["value"]
        .as_object_mut()
        .unwrap();
    value.remove("statuses");
    value.insert("messages".to_owned(), messages.into());
    body.to_string()
}

fn changed_id(from: &str, to: &str) -> Value {
    json!({"id": "wamid.in", "timestamp": "1760000000", "type": "system", "system":
        {"type": "user_changed_user_id", "previous_user_id": from, "user_id": to}})
}

fn changed_number(from: &str, to: &str) -> Value {
    json!({"from": from, "id": "wamid.in", "timestamp": "1760000000", "type": "system",
        "system": {"type": "user_changed_number", "wa_id": to, "body": "changed"}})
}

fn to(id: &str, who: &Value) -> Value {
    let mut status = cloud::with(cloud::status(id, "sent", 1_760_000_000), who);
    if who.get("recipient_id").is_none() {
        status.as_object_mut().unwrap().remove("recipient_id");
    }
    status
}

/// One message to each of the names, and to another person.
fn statuses() -> String {
    cloud::webhook(&[
        to("wamid.old", &json!({"recipient_user_id": OLD})),
        to("wamid.new", &json!({"recipient_user_id": NEW})),
        to("wamid.number", &json!({"recipient_id": NUMBER})),
        to("wamid.other", &json!({"recipient_id": "34600000099"})),
    ])
}

fn links() -> String {
    // The second goes from a user id to a number: the three are one person.
    inbound(&[
        changed_id(OLD, NEW),
        changed_number(NEW, &format!("+{NUMBER}")),
        json!({"from": "34600000099", "id": "w", "type": "system",
            "system": {"type": "customer_identity_changed", "wa_id": NUMBER}}),
    ])
}

#[actix_web::test]
async fn a_person_is_found_by_the_name_before_and_the_one_after() {
    let folder = Folder::new();
    let service = folder.serve();
    service.post(statuses()).await;
    let found = async |term: &str| -> Vec<String> {
        let answer = folder.done(&["message", "show", term, "--json"]).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let id = |row: &Value| row["provider_message_id"].as_str().unwrap().to_owned();
        let mut ids: Vec<String> = answer["found"].as_array().unwrap().iter().map(id).collect();
        ids.sort();
        ids
    };
    // The control: nothing links them yet.
    assert_eq!(found(OLD).await, ["wamid.old"]);
    service.post(links()).await;
    service.post(links()).await;
    for name in [OLD, NEW, NUMBER, "+34 600 000 007"] {
        assert_eq!(
            found(name).await,
            ["wamid.new", "wamid.number", "wamid.old"],
            "{name}"
        );
    }
    assert_eq!(found("34600000099").await, ["wamid.other"]);
}

/// Names in a chain, each link given the other way round than the one before.
const CHAIN: [&str; 5] = [
    OLD,
    NEW,
    NUMBER,
    "ES.ENT.13490000000000000009",
    "34600000008",
];

/// A webhook for each link of the chain, the last first.
fn chain() -> Vec<String> {
    let with_number = |id: &str, number: &str| {
        let who = json!({"recipient_id": number, "recipient_user_id": id});
        cloud::webhook(&[to("wamid.with", &who)])
    };
    vec![
        // From a report that has both.
        with_number(CHAIN[3], CHAIN[4]),
        // From the contacts of a message to us.
        {
            let mut body: Value = serde_json::from_str(&inbound(&[json!({"from": CHAIN[2],
                "id": "wamid.in", "type": "text", "text": {"body": "Hi"}})]))
            .unwrap();
            body["entry"][0]["changes"][0]["value"]["contacts"] =
                json!([{"wa_id": CHAIN[2], "user_id": CHAIN[3]}]);
            body.to_string()
        },
        inbound(&[changed_number(NEW, NUMBER)]),
        inbound(&[changed_id(OLD, NEW)]),
    ]
}

#[actix_web::test]
async fn each_way_to_look_for_a_person_follows_the_whole_chain_from_each_name() {
    let folder = Folder::new();
    let service = folder.serve();
    let each = CHAIN.iter().enumerate().map(|(place, name)| {
        let field = if name.starts_with("ES.") {
            "recipient_user_id"
        } else {
            "recipient_id"
        };
        to(&format!("wamid.{place}"), &json!({ field: name }))
    });
    service
        .post(cloud::webhook(&each.collect::<Vec<_>>()))
        .await;
    service
        .post(cloud::webhook(&[to(
            "wamid.other",
            &json!({"recipient_id": "34600000099"}),
        )]))
        .await;
    for link in chain() {
        service.post(link).await;
    }
    let all = [
        "wamid.0",
        "wamid.1",
        "wamid.2",
        "wamid.3",
        "wamid.4",
        "wamid.with",
    ];
    let ids = |rows: &Value| {
        let id = |row: &Value| row["provider_message_id"].as_str().unwrap().to_owned();
        let mut ids: Vec<String> = rows.as_array().unwrap().iter().map(id).collect();
        ids.sort();
        ids
    };
    for name in CHAIN {
        let shown = folder.done(&["message", "show", name, "--json"]).await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(ids(&shown["found"]), all, "show {name}");
        let list = ["message", "list", "--recipient", name, "--json"];
        let listed: Value = serde_json::from_str(&folder.done(&list).await).unwrap();
        assert_eq!(ids(&listed["data"]), all, "list {name}");
    }
    for name in CHAIN {
        let counted = folder.done(&["erase", name, "--dry-run", "--json"]).await;
        let counted: Value = serde_json::from_str(&counted).unwrap();
        assert_eq!(
            counted["removed"]["messages"],
            all.len(),
            "erase {name}: {counted}"
        );
    }
}

#[actix_web::test]
async fn the_api_follows_the_whole_chain_from_each_name() {
    let app = TestApp::boot().await;
    for (place, name) in CHAIN.iter().enumerate() {
        let who = json!({"recipient_id": name});
        app.report(&[to(&format!("wamid.{place}"), &who)]).await;
    }
    let caller = app.admin().await;
    let found = async |name: &str| {
        let path = format!("/messages?recipient={name}");
        caller.get(&path).await.with(200)["data"]
            .as_array()
            .unwrap()
            .len()
    };
    // The control: nothing links them yet.
    assert_eq!(found(OLD).await, 1);
    for link in chain() {
        assert_eq!(app.post("cloud", link).await, 200);
    }
    for name in CHAIN {
        assert_eq!(found(name).await, CHAIN.len() + 1, "{name}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_search_follows_a_person_through_the_sources_that_may_be_seen() {
    let app = TestApp::boot().await;
    assert_eq!(app.post("cloud", statuses()).await, 200);
    assert_eq!(app.post("d360", links()).await, 200);
    let found = async |caller: &crate::support::api::Caller| -> usize {
        let path = format!("/messages?recipient={OLD}");
        caller.get(&path).await.with(200)["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(found(&app.admin().await).await, 3);
    // What another source reported of people is none of this one's business.
    let narrow = app
        .caller_with(Role::Support, |token| {
            token.sources = vec!["cloud".to_owned()];
        })
        .await;
    assert_eq!(found(&narrow).await, 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_person_is_erased_by_either_name() {
    for name in [OLD, NUMBER] {
        let app = TestApp::boot().await;
        assert_eq!(app.post("cloud", statuses()).await, 200);
        assert_eq!(app.post("cloud", links()).await, 200);
        let options = EraseOptions {
            dry_run: false,
            vacuum: false,
        };
        let person = name.to_owned();
        let erase = ErasePerson { person, options };
        let erased = app.order(erase).await;
        assert_eq!((erased.messages, erased.bodies), (3, 2), "{name}");
        let left = only(app.messages().await).provider_message_id;
        assert_eq!(left.as_deref(), Some("wamid.other"));
        assert!(app.tables().name_pairs_seen_ms().is_empty());
        app.stop().await;
    }
}

#[actix_web::test]
async fn links_are_forgotten_with_the_messages() {
    let app = TestApp::boot().await;
    assert_eq!(app.post("cloud", links()).await, 200);
    let seen_ms = app.tables().name_pairs_seen_ms();
    assert_eq!(seen_ms.len(), 2);
    let newest = seen_ms.into_iter().max().unwrap();
    assert_eq!(prune(&app, Prunable::People, newest).await, 0);
    assert_eq!(prune(&app, Prunable::People, newest + 1).await, 2);
    app.stop().await;
}

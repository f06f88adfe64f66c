//! What an erasure leaves to others: their messages, where one of the person's was reported of both.

use super::{erase, status, statuses};
use crate::support::{TestApp, fields};

const PERSON: &str = "34622000001";
const OTHER: &str = "34622000002";

fn to(number: &str) -> serde_json::Value {
    serde_json::json!({ "recipient_id": number })
}

async fn report(app: &TestApp, id: &str, recipient: &serde_json::Value) {
    let body = statuses(&[status(id, recipient)]);
    assert_eq!(app.post("cloud", body).await, 200);
}

async fn register(app: &TestApp, id: &str, number: &str) {
    let message = serde_json::json!({
        "msId": id, "source": "cloud", "mobileNo": format!("+{number}")
    });
    let answer = app.admin().await.post("/messages", &message).await;
    assert!(answer.status < 300, "{answer:?}");
}

async fn left(app: &TestApp) -> String {
    let ids = fields(&app.messages().await, ["provider_message_id"]);
    let mut ids = ids.concat();
    ids.sort();
    ids.join(" ")
}

#[actix_web::test]
async fn a_message_reported_of_two_numbers_costs_the_other_no_message_but_that() {
    // In each form, whatever is read first.
    for form in [
        "one id, two recipients",
        "registered first",
        "reported first",
    ] {
        for person_first in [true, false] {
            let app = TestApp::boot().await;
            let mut numbers = [PERSON, OTHER];
            if !person_first {
                numbers.reverse();
            }
            let [first, second] = numbers;
            let other =
                serde_json::json!({ "recipient_id": OTHER, "recipient_user_id": "ES.22000002" });
            report(&app, "wamid.other-1", &other).await;
            match form {
                "one id, two recipients" => {
                    report(&app, "wamid.shared", &to(first)).await;
                    report(&app, "wamid.shared", &to(second)).await;
                }
                "registered first" => {
                    register(&app, "wamid.shared", first).await;
                    report(&app, "wamid.shared", &to(second)).await;
                }
                _ => {
                    report(&app, "wamid.shared", &to(first)).await;
                    register(&app, "wamid.shared", second).await;
                }
            }
            report(&app, "wamid.person", &to(PERSON)).await;
            report(&app, "wamid.other-2", &other).await;
            let found = erase(&app, PERSON, true).await.unwrap();
            assert_eq!(found, erase(&app, PERSON, false).await.unwrap());
            let kept = left(&app).await.replace(" wamid.shared", "");
            assert_eq!(
                kept, "wamid.other-1 wamid.other-2",
                "{form}, {person_first}"
            );
            app.stop().await;
        }
    }
}

/// The control: a person's number and user id lead to each other, and from one number to the next.
#[actix_web::test]
async fn a_number_and_a_user_id_reported_together_are_one_person() {
    let user = "ES.13491208655302741918";
    let both =
        |number: &str| serde_json::json!({ "recipient_id": number, "recipient_user_id": user });
    for name in [PERSON, user] {
        let app = TestApp::boot().await;
        report(&app, "wamid.by-number", &to(PERSON)).await;
        report(
            &app,
            "wamid.by-id",
            &serde_json::json!({ "recipient_user_id": user }),
        )
        .await;
        report(&app, "wamid.by-both", &both(PERSON)).await;
        report(&app, "wamid.other", &to(OTHER)).await;
        erase(&app, name, false).await.unwrap();
        assert_eq!(left(&app).await, "wamid.other", "{name}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_body_in_latin_1_that_begins_like_a_compressed_one_is_searched() {
    let app = TestApp::boot().await;
    let body = |number: &str| {
        let text = format!("{{\n  \"from\": \"{number}\",\n  \"name\": \"Jos");
        [text.as_bytes(), b"\xe9\"\n}"].concat()
    };
    for number in [PERSON, OTHER] {
        app.post("cloud", body(number)).await;
    }
    let erased = erase(&app, PERSON, false).await.unwrap();
    assert_eq!((erased.bodies, erased.unread), (1, 1));
    assert_eq!(app.bodies().await, [body(OTHER)]);
    app.stop().await;
}

//! Wrong credentials are slowed, right ones never, and which address they are counted for.

use tickrelay::clock::Clock;
use tickrelay::providers::Provider;
use tickrelay::providers::authentication::Method;

use crate::support::answer::{Answer, HUB, check, post, signed};
use crate::support::{API_KEY, APP_SECRET, TestApp, cloud_status, hub_signature, only, source};

/// Wrong ones of an address within a minute that are answered with their reason.
const FEW: usize = 20;

const T0_MS: i64 = 1_760_000_000_000;

/// A service that trusts these proxies, whose clock stands, so that no minute ends by itself.
async fn boot(trusted: &[&str]) -> (TestApp, tickrelay::clock::Hand) {
    let (clock, hand) = Clock::manual(T0_MS);
    let trusted: Vec<_> = trusted.iter().map(|net| net.parse().unwrap()).collect();
    let app = TestApp::boot_with(clock, |config| {
        config.server.trusted_proxies = trusted;
        let mut token = source("token", Provider::Infobip);
        token.authentication.methods = vec![Method::UrlToken("t0ken".into())];
        let mut basic = source("basic", Provider::Infobip);
        basic.authentication.methods = vec![Method::Basic {
            username: "relay".to_owned(),
            password: "a-password".into(),
        }];
        config.sources.extend([token, basic]);
    })
    .await;
    (app, hand)
}

/// Sends a wrong password, with what a client wrote into `X-Forwarded-For`.
async fn wrong(app: &TestApp, forwarded_for: &str) -> Answer {
    let request = post(app, "infobip", "{}").header("x-api-key", "a-guess");
    Answer::to(request.header("X-Forwarded-For", forwarded_for)).await
}

/// Uses up what an address has, and fails unless the next one is 429.
async fn use_up(app: &TestApp, forwarded_for: &str) {
    for _ in 0..FEW {
        assert_eq!(wrong(app, forwarded_for).await.status, 401);
    }
    let answer = wrong(app, forwarded_for).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "60"));
}

/// One request with right credentials of each kind, each of which must be taken.
async fn check_right_ones(app: &TestApp, number: usize) {
    let body = cloud_status(&format!("wamid.{number}"), "sent", 1_760_000_000);
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    check(app, signed(app, HUB, &signature, &body), 200).await;
    let empty = r#"{"results":[]}"#;
    check(
        app,
        post(app, "infobip", empty).header("x-api-key", API_KEY),
        200,
    )
    .await;
    check(app, post(app, "token/t0ken", empty), 200).await;
    let basic = post(app, "basic", empty).basic_auth("relay", Some("a-password"));
    check(app, basic, 200).await;
    let handshake = "cloud?hub.mode=subscribe&hub.challenge=7&hub.verify_token=test-verify-token";
    let handshake = app.http.get(format!("{}/webhooks/{handshake}", app.url));
    let answer = Answer::to(handshake).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "7"));
}

#[actix_web::test]
async fn wrong_credentials_of_every_kind_are_slowed_and_right_ones_are_taken_all_the_while() {
    let (app, hand) = boot(&[]).await;
    let handshake = "cloud?hub.mode=subscribe&hub.challenge=7&hub.verify_token=a-guess";
    let guesses = || {
        [
            post(&app, "infobip", "{}").header("x-api-key", "a-guess"),
            post(&app, "infobip", "{}"),
            post(&app, "token/a-guess", "{}"),
            post(&app, "token", "{}"),
            post(&app, "basic", "{}").basic_auth("relay", Some("a-guess")),
            signed(&app, HUB, &hub_signature("a-guess", b"{}"), "{}"),
            app.http.get(format!("{}/webhooks/{handshake}", app.url)),
        ]
    };
    let mut statuses = Vec::new();
    for round in 0..6 {
        for guess in guesses() {
            statuses.push(Answer::to(guess).await.status);
            check_right_ones(&app, round).await;
        }
    }
    let (few, many) = statuses.split_at(FEW);
    assert!(
        few.iter().all(|status| [401, 403].contains(status)),
        "{few:?}"
    );
    assert!(many.iter().all(|status| *status == 429), "{many:?}");
    hand.advance(std::time::Duration::from_mins(1));
    assert_eq!(wrong(&app, "-").await.status, 401, "a minute later");
    app.stop().await;
}

/// The control of what follows: who believed every `X-Forwarded-For` would not see them come.
#[actix_web::test]
async fn an_address_that_a_client_makes_up_is_believed_of_trusted_proxies_alone() {
    let (app, _hand) = boot(&[]).await;
    for number in 0..FEW {
        assert_eq!(wrong(&app, &format!("192.0.2.{number}")).await.status, 401);
    }
    assert_eq!(wrong(&app, "192.0.2.99").await.status, 429);
    app.stop().await;
    let (app, _hand) = boot(&["127.0.0.0/8"]).await;
    for number in 0..2 * FEW {
        assert_eq!(wrong(&app, &format!("192.0.2.{number}")).await.status, 401);
    }
    app.stop().await;
}

#[actix_web::test]
async fn behind_a_trusted_proxy_each_client_is_counted_for_itself() {
    let (app, _hand) = boot(&["127.0.0.1/32", "10.0.0.0/8"]).await;
    // Through two of our proxies, and with an address that the client made up in front.
    use_up(&app, "203.0.113.1, 192.0.2.1, 10.1.1.1").await;
    assert_eq!(wrong(&app, "203.0.113.9, 192.0.2.1").await.status, 429);
    assert_eq!(wrong(&app, "192.0.2.1, 192.0.2.2").await.status, 401);
    // What is no address is counted for the proxy that passed it on.
    use_up(&app, "nonsense").await;
    assert_eq!(wrong(&app, "192.0.2.3, nonsense").await.status, 429);
    assert_eq!(wrong(&app, "192.0.2.3").await.status, 401);
    check_right_ones(&app, 1).await;
    app.stop().await;
}

#[actix_web::test]
async fn the_audit_says_from_where_a_change_was_asked_for() {
    for (trusted, expected) in [(&["127.0.0.0/8"][..], "192.0.2.1"), (&[], "127.0.0.1")] {
        let (app, _hand) = boot(trusted).await;
        let admin = app.admin().await;
        let admin = admin.header("X-Forwarded-For", "203.0.113.7, 192.0.2.1");
        let new = serde_json::json!({"name": "crm", "url": "http://127.0.0.1:9/"});
        admin.post("/subscribers", &new).await.with(201);
        let mut audit = app.audit().await;
        audit.retain(|it| it.change.action == "subscriber.added");
        assert_eq!(only(audit).change.detail["address"], expected);
        app.stop().await;
    }
}

//! Who is let in, what each role may, and what is kept of a token.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tickrelay::access::token::NewToken;
use tickrelay::access::{Permission, Role, TABLE};
use tickrelay::admin::{CreateToken, Failure, RevokeToken};
use tickrelay::clock::Clock;
use tickrelay::model::Word as _;
use tickrelay::web::api::endpoints;

use crate::support::api::Caller;
use crate::support::{TestApp, key};

#[actix_web::test]
async fn each_role_may_what_the_table_says_on_every_route() {
    let app = TestApp::boot().await;
    for &role in Role::ALL {
        let caller = app.caller(role).await;
        for endpoint in endpoints() {
            let path = endpoint.path.replace("{name}", "none");
            let path = path.replace("{id}", "0").replace("{key}", "none");
            let answer = caller
                .ask(endpoint.method.as_str().parse().unwrap(), &path, None)
                .await;
            let is_allowed = answer.status != 403;
            let mut rules = TABLE.iter();
            let rule = rules.find(|rule| rule.permission == endpoint.permission);
            let expected = role.may(endpoint.permission) && !rule.unwrap().is_local;
            assert_eq!(
                is_allowed, expected,
                "{role} {} {path}: {answer:?}",
                endpoint.method
            );
            assert!(answer.status < 500, "{answer:?}");
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn no_route_is_open_to_anybody() {
    let (clock, hand) = Clock::manual(1_760_000_000_000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    for endpoint in endpoints() {
        let path = endpoint.path.replace(['{', '}'], "");
        let method = endpoint.method.as_str().parse().unwrap();
        app.anyone().ask(method, &path, None).await.problem(401);
        hand.advance(Duration::from_mins(1));
    }
    app.stop().await;
}

#[test]
fn every_permission_guards_a_route_or_is_the_command_lines() {
    let of_cli = [Permission::ManageTokens, Permission::Erase];
    for rule in TABLE {
        let permission = rule.permission;
        let guards = endpoints()
            .iter()
            .any(|endpoint| endpoint.permission == permission);
        assert!(guards || of_cli.contains(&permission), "{permission:?}");
    }
}

/// The statuses of a GET and a POST as a client, a proxy without settings, and a page of
/// another site send them from this machine.
async fn statuses(app: &TestApp, caller: &Caller) -> Vec<u16> {
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    let mut statuses = Vec::new();
    for (name, value) in [
        ("Accept", "*/*"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("Forwarded", "for=127.0.0.1"),
        ("Host", "localhost"),
        ("Host", "relay.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let caller = caller.clone().header(name, value);
        statuses.push(caller.get("/subscribers").await.status);
        statuses.push(caller.post("/subscribers", &new).await.status);
    }
    let address = app.url.trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let request = format!("GET /api/v1/subscribers HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    statuses.push(answer[9..12].parse().unwrap());
    statuses
}

#[actix_web::test]
async fn without_a_token_nobody_is_answered_whatever_tokens_there_are() {
    let (clock, hand) = Clock::manual(1_760_000_000_000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let anyone = app.anyone();
    // None yet, one that holds, one that was revoked: no rule depends on it.
    for step in 0..3 {
        match step {
            1 => drop(app.token(Role::Admin, |_| {}).await),
            2 => drop(app.order(RevokeToken { id: key(1) }).await),
            _ => {}
        }
        assert_eq!(statuses(&app, &anyone).await, [401; 15], "step {step}");
        hand.advance(Duration::from_mins(1));
        let answer = anyone.get("/subscribers").await;
        answer.problem(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        let makes_one = "`tickrelay token create --role admin --name NAME` makes one";
        assert!(answer.text.contains(makes_one), "{answer:?}");
        hand.advance(Duration::from_mins(1));
    }
    assert!(app.store.subscribers().borrow().is_empty());
    assert!(app.audited("subscriber").await.is_empty());
    // The control: with a token the same requests are taken.
    let statuses = statuses(&app, &app.admin().await).await;
    assert_eq!(statuses[..2], [200, 201]);
    assert_eq!(statuses[2..14], [200, 409].repeat(6));
    app.stop().await;
}

#[actix_web::test]
async fn the_page_to_try_the_api_on_is_shown_in_no_frame_and_knows_nothing() {
    let app = TestApp::boot().await;
    let anyone = app.anyone();
    app.subscribe("crm-of-acme", "http://127.0.0.1:9/").await;
    for file in [
        "",
        "index.html",
        "swagger-initializer.js",
        "swagger-ui-bundle.js",
        "swagger-ui.css",
    ] {
        let answer = anyone.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("; script-src 'self'; "), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), value, "{file}");
        }
        for text in ["crm-of-acme", "infobip", app.path().to_str().unwrap()] {
            assert!(!answer.text.contains(text), "{file} knows {text}");
        }
        // The policy lets no script run that stands in the page.
        let inline = answer.text.contains("<script>") && file.ends_with("html");
        assert!(!inline, "{file}");
    }
    anyone.get("/docs/../api.rs").await.problem(404);
    anyone.get("/docs/none").await.problem(404);
    anyone.post("/docs/", &json!({})).await.problem(405);
    app.stop().await;
}

#[actix_web::test]
async fn every_file_that_the_page_loads_is_served_as_what_it_is() {
    let app = TestApp::boot().await;
    let anyone = app.anyone();
    let page = anyone.get("/docs/").await;
    let mut loaded = Vec::new();
    for (attribute, rest) in ["src=\"", "href=\""].into_iter().flat_map(|attribute| {
        page.text
            .split(attribute)
            .skip(1)
            .map(move |rest| (attribute, rest))
    }) {
        let (file, _) = rest.split_once('"').unwrap();
        let answer = anyone.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{attribute}{file}");
        loaded.push((file.to_owned(), answer.header("content-type").to_owned()));
    }
    loaded.sort();
    let loaded: Vec<_> = loaded
        .iter()
        .map(|(file, is)| (&file[..], &is[..]))
        .collect();
    let script = "text/javascript; charset=utf-8";
    assert_eq!(
        loaded,
        [
            ("../openapi.json", "application/json"),
            ("favicon-32x32.png", "image/png"),
            ("swagger-initializer.js", script),
            ("swagger-ui-bundle.js", script),
            ("swagger-ui.css", "text/css; charset=utf-8"),
        ]
    );
    let settings = anyone.get("/docs/swagger-initializer.js").await.text;
    for setting in ["url: \"../openapi.json\"", "persistAuthorization: false"] {
        assert!(settings.contains(setting), "{settings}");
    }
    let bundle = anyone.get("/docs/swagger-ui-bundle.js").await.text;
    assert!(bundle.contains("SwaggerUIBundle"), "{} bytes", bundle.len());
    // What only a debugger of Swagger UI itself would ask for is not in the binary.
    anyone
        .get("/docs/swagger-ui-bundle.js.map")
        .await
        .problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn a_token_holds_until_it_expires_or_is_revoked() {
    let (clock, hand) = Clock::manual(1_760_000_000_000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let lasting = app.caller(Role::Admin).await;
    let brief = app
        .caller_with(Role::Support, |token| {
            token.expires_at_ms = Some(1_760_000_000_000 + 60_000);
        })
        .await;
    brief.get("/subscribers").await.with(200);
    hand.advance(Duration::from_mins(1));
    brief.get("/subscribers").await.problem(401);
    lasting.get("/subscribers").await.with(200);
    let late = NewToken {
        name: "late".to_owned(),
        role: Role::Support,
        owner: None,
        sources: Vec::new(),
        expires_at_ms: Some(1_760_000_000_000),
    };
    match app.perform(CreateToken(late)).await {
        Err(Failure::Invalid(faults)) => assert_eq!(faults[0].field, "/expires_at"),
        _ => panic!("a token is made that has expired"),
    }
    let app = app.restart().await;
    let lasting = app.anyone().header("Authorization", "Bearer tr_nonsense");
    lasting.get("/subscribers").await.problem(401);
    let tokens = app.store.tokens();
    let mut first = tokens.iter();
    let first = first.find(|it| it.token_id.to_string() == "1").unwrap();
    assert_eq!(first.last_used_ms, Some(1_760_000_060_000));
    for token in &tokens {
        let id = token.token_id;
        app.order(RevokeToken { id }).await;
    }
    lasting.get("/subscribers").await.problem(401);
    app.anyone().get("/subscribers").await.problem(401);
    app.stop().await;
}

#[actix_web::test]
async fn a_revoked_token_is_refused_at_once() {
    let app = TestApp::boot().await;
    let (admin, other) = (app.caller(Role::Admin).await, app.caller(Role::Admin).await);
    admin.get("/subscribers").await.with(200);
    app.order(RevokeToken { id: key(1) }).await;
    admin.get("/subscribers").await.problem(401);
    other.get("/subscribers").await.with(200);
    app.stop().await;
}

#[actix_web::test]
async fn many_failures_are_put_off_and_a_good_token_is_not() {
    let (clock, hand) = Clock::manual(1_760_000_000_000);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let admin = app.caller(Role::Admin).await;
    let stranger = app.anyone().header("Authorization", "Bearer tr_no");
    for _ in 0..20 {
        stranger.get("/subscribers").await.problem(401);
    }
    let answer = stranger.get("/subscribers").await;
    answer.problem(429);
    assert_eq!(answer.header("retry-after"), "60");
    // A client without a token still reads how to make one.
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("tickrelay token create"), "{detail}");
    admin.get("/subscribers").await.with(200);
    hand.advance(Duration::from_mins(1));
    stranger.get("/subscribers").await.problem(401);
    app.stop().await;
}

#[actix_web::test]
async fn an_integrator_sees_and_changes_its_owners_subscribers_alone() {
    let app = TestApp::boot().await;
    let acme = app.caller(Role::Integrator).await;
    let beta = app
        .caller_with(Role::Integrator, |token| {
            token.owner = Some("beta".to_owned());
        })
        .await;
    app.subscribe("operators", "http://127.0.0.1:9/").await;
    let new = |name: &str| json!({"name": name, "url": "http://127.0.0.1:9/"});
    let added = acme.post("/subscribers", &new("crm")).await.with(201);
    assert_eq!(added["owner"], "acme");
    let foreign = json!({"name": "x", "url": "http://127.0.0.1:9/", "owner": "beta"});
    assert_eq!(
        acme.post("/subscribers", &foreign).await.problem(422),
        ["/owner"]
    );
    for name in ["crm", "operators"] {
        let path = format!("/subscribers/{name}");
        for (method, path, body) in [
            (Method::GET, path.clone(), None),
            (Method::PATCH, path.clone(), Some("{}".to_owned())),
            (Method::DELETE, path.clone(), None),
            (Method::GET, format!("{path}/health"), None),
            (Method::POST, format!("{path}/pause"), None),
            (Method::POST, format!("{path}/resume"), None),
            (Method::POST, format!("{path}/rotate-secret"), None),
            (Method::POST, format!("{path}/test"), None),
        ] {
            beta.ask(method, &path, body).await.problem(404);
        }
    }
    assert_eq!(beta.all("/subscribers", 50).await.len(), 0);
    assert_eq!(acme.all("/subscribers", 50).await.len(), 1);
    acme.patch("/subscribers/crm", &json!({"concurrency": 2}))
        .await
        .with(200);
    assert_eq!(app.store.subscriber("operators").unwrap().concurrency, 8);
    app.stop().await;
}

#[actix_web::test]
async fn a_token_of_some_sources_adds_no_subscriber_of_others() {
    let app = TestApp::boot().await;
    let limited = app
        .caller_with(Role::Integrator, |token| {
            token.sources = vec!["cloud".to_owned()];
        })
        .await;
    let new = |sources: serde_json::Value| json!({"name": "crm", "url": "http://127.0.0.1:9/", "filter": {"sources": sources}});
    let answer = limited.post("/subscribers", &new(json!([]))).await;
    assert_eq!(answer.problem(422), ["/filter/sources"]);
    let answer = limited
        .post("/subscribers", &new(json!(["cloud", "infobip"])))
        .await;
    assert_eq!(answer.problem(422), ["/filter/sources/1"]);
    // One that it does not see is answered like one that is not there, and no other is named.
    let none = limited
        .post("/subscribers", &new(json!(["cloud", "none"])))
        .await;
    assert_eq!(answer.text.replace("infobip", "none"), none.text);
    assert!(none.text.contains("this token sees: cloud") && !none.text.contains("onprem"));
    limited
        .post("/subscribers", &new(json!(["cloud"])))
        .await
        .with(201);
    let widen = json!({"filter": {"sources": ["infobip"]}});
    assert_eq!(
        limited.patch("/subscribers/crm", &widen).await.problem(422),
        ["/filter/sources/0"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn no_secret_stands_in_the_store() {
    let app = TestApp::boot().await;
    let token = app.token(Role::Admin, |_| {}).await;
    let admin = app
        .anyone()
        .header("Authorization", &format!("Bearer {token}"));
    let new = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    let admin = admin.header("Idempotency-Key", "k-1");
    let added = admin.post("/subscribers", &new).await.with(201);
    let secret = added["secret"].as_str().unwrap().to_owned();
    let path = app.path();
    for file in [path.clone(), path.with_extension("db-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        for text in [&token, &secret] {
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "{text} is in the store");
        }
    }
    app.stop().await;
}

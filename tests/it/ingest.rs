//! Bytes in, answer out: what is taken, what is refused, and that 200 means stored.

use futures_util::future::join_all;
use futures_util::stream;
use reqwest::Method as Verb;
use tickrelay::clock::Clock;
use tickrelay::model::{Status, TypeRule};
use tickrelay::store::WebhookOutcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::answer::{Answer, HUB, check, check_taken, post, signed};
use crate::support::receiver::Receiver;
use crate::support::{
    API_KEY, APP_SECRET, TestApp, cloud_status, hub_signature, only, until_async,
};

fn a_status() -> String {
    cloud_status("wamid.1", "sent", 1_760_000_000)
}

// URLs and methods.

#[actix_web::test]
async fn an_unknown_source_is_not_found() {
    let app = TestApp::boot().await;
    for path in ["nobody", "Cloud", "cloud%20", "a/b/c", ""] {
        let body = a_status();
        let signature = hub_signature(APP_SECRET, body.as_bytes());
        check(&app, post(&app, path, body).header(HUB, signature), 404).await;
    }
}

#[actix_web::test]
async fn other_methods_are_not_allowed() {
    let app = TestApp::boot().await;
    for verb in [Verb::PUT, Verb::PATCH, Verb::DELETE, Verb::OPTIONS] {
        let url = format!("{}/webhooks/cloud", app.url);
        let answer = check(&app, app.http.request(verb, url), 405).await;
        assert_eq!(answer.header("allow"), "GET, POST");
    }
    let head = Answer::to(app.http.head(format!("{}/webhooks/cloud", app.url))).await;
    assert_eq!(head.status, 405);
}

#[actix_web::test]
async fn every_part_of_the_service_refuses_with_the_same_document() {
    let app = TestApp::boot().await;
    for (verb, path, expected) in [
        (Verb::GET, "/nothing", 404),
        (Verb::POST, "/livez", 405),
        (Verb::DELETE, "/metrics", 405),
        (Verb::GET, "/webhooks/nobody", 404),
        (Verb::POST, "/webhooks/cloud", 401),
        (Verb::GET, "/api/v1/nothing", 404),
        (Verb::GET, "/api/v1/subscribers", 401),
    ] {
        let request = app.http.request(verb, format!("{}{path}", app.url));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, expected, "{path}");
        answer.check_problem();
    }
}

#[actix_web::test]
async fn get_and_head_are_not_allowed_on_an_infobip_source() {
    let app = TestApp::boot().await;
    let url = format!("{}/webhooks/infobip", app.url);
    for verb in [Verb::GET, Verb::HEAD] {
        let answer = Answer::to(app.http.request(verb, &url)).await;
        assert_eq!(answer.status, 405);
        assert!(answer.header("allow").contains("POST"));
    }
}

const INFOBIP_BODY: &str =
    r#"{"results":[{"messageId":"demo-0001","status":{"groupName":"DELIVERED"}}]}"#;

// Bodies.

#[actix_web::test]
async fn a_body_sent_in_chunks_is_read() {
    let app = TestApp::boot().await;
    let chunks: Vec<std::io::Result<Vec<u8>>> = INFOBIP_BODY
        .as_bytes()
        .chunks(7)
        .map(|chunk| Ok(chunk.to_vec()))
        .collect();
    let body = reqwest::Body::wrap_stream(stream::iter(chunks));
    check(
        &app,
        post(&app, "infobip", body).header("x-api-key", API_KEY),
        200,
    )
    .await;
    assert_eq!(app.report_count().await, 1);
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_kept_and_acknowledged() {
    let app = TestApp::boot().await;
    for body in ["", "{", "no JSON", "<a/>", "\u{0}"] {
        check(
            &app,
            post(&app, "infobip", body).header("x-api-key", API_KEY),
            200,
        )
        .await;
        let newest = app.webhooks().await.remove(0);
        assert_eq!(newest.outcome, WebhookOutcome::Unparsed);
        let kept = app.webhook(newest.webhook_id).await.body;
        assert_eq!(kept.as_deref(), Some(body.as_bytes()));
    }
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.server.body_limit_bytes = 1024;
    })
    .await;
    for (length, expected) in [(1024, 200), (1025, 413)] {
        let body = " ".repeat(length);
        let signature = hub_signature(APP_SECRET, body.as_bytes());
        check(&app, signed(&app, HUB, &signature, &body), expected).await;
    }
}

#[actix_web::test]
async fn a_body_of_sixteen_mebibytes_and_one_byte_is_too_large() {
    let app = TestApp::boot().await;
    let limit = 16 << 20;
    let request = |body: reqwest::Body| post(&app, "infobip", body).header("x-api-key", API_KEY);
    let padded = |length: usize| {
        let frame = r#"{"results":[],"pad":""}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    check_taken(|| request(padded(limit).into())).await;
    check(&app, request(padded(limit + 1).into()), 413).await;
    // Without an announced length it is found out on the way.
    let chunks: Vec<std::io::Result<Vec<u8>>> = padded(limit + 1)
        .into_bytes()
        .chunks(1 << 20)
        .map(|chunk| Ok(chunk.to_vec()))
        .collect();
    check(
        &app,
        request(reqwest::Body::wrap_stream(stream::iter(chunks))),
        413,
    )
    .await;
}

#[actix_web::test]
async fn a_body_that_ends_before_its_announced_length_is_not_acknowledged() {
    let app = TestApp::boot().await;
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /webhooks/infobip HTTP/1.1\r\nHost: x\r\nx-api-key: {API_KEY}\r\n\
         Content-Length: 4096\r\n\r\n{{\"results\":["
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(app.webhooks().await.len(), 0);
}

#[actix_web::test]
async fn a_body_of_a_thousand_statuses_is_stored_whole() {
    let app = TestApp::boot().await;
    // Just under the three megabytes that Meta announces as its most.
    let echo = "e".repeat(2_800);
    let statuses: Vec<String> = (0..1000)
        .map(|n| {
            format!(
                r#"{{"id":"wamid.{n}","status":"sent","timestamp":"1760000000","recipient_id":"34600000001","biz_opaque_callback_data":"{echo}"}}"#
            )
        })
        .collect();
    let body = a_status();
    let (head, rest) = body.split_once("\"statuses\":[").unwrap();
    let tail = rest.split_once(']').unwrap().1;
    let body = format!("{head}\"statuses\":[{}]{tail}", statuses.join(","));
    assert!(body.len() > 2_900_000);
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    check_taken(|| signed(&app, HUB, &signature, &body)).await;
    assert_eq!(app.report_count().await, 1000);
}

#[actix_web::test]
async fn a_batch_of_ten_thousand_reports_is_stored_whole() {
    let app = TestApp::boot().await;
    let results: Vec<String> = (0..10_000)
        .map(|n| {
            format!(
                r#"{{"messageId":"ib-{n}","to":"385990001122","doneAt":"2026-02-11T08:15:32.904+0000","status":{{"groupId":3,"groupName":"DELIVERED","id":5}}}}"#
            )
        })
        .collect();
    let body = format!(r#"{{"results":[{}]}}"#, results.join(","));
    check_taken(|| post(&app, "infobip", body.clone()).header("x-api-key", API_KEY)).await;
    assert_eq!(app.report_count().await, 10_000);
    let mut messages = app.messages().await;
    messages.retain(|it| it.status == Some(Status::Delivered));
    assert_eq!(messages.len(), 10_000);
}

// What the store makes of it.

#[actix_web::test]
async fn fifty_identical_webhooks_at_once_make_one_report() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let answers = join_all((0..50).map(|_| app.post("cloud", a_status()))).await;
    assert_eq!(answers, [200; 50]);
    assert_eq!(only(app.reports().await).repeats, 49);
    assert_eq!(app.forwards().await.len(), 1);
    let mut kept = app.webhooks().await;
    kept.retain(|it| it.body_bytes.is_some());
    assert_eq!(kept.len(), 1);
    app.settled().await;
    assert_eq!(receiver.count(), 1);
}

#[actix_web::test]
async fn a_report_of_an_unannounced_message_is_joined_later() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.post("cloud", a_status()).await;
    app.settled().await;
    let delivered = cloud_status("wamid.1", "delivered", 1_760_000_002);
    let notified =
        r#""biz_opaque_callback_data":"{\"message\":\"Hello\",\"type\":\"regular\"}","status""#;
    app.post("cloud", delivered.replace("\"status\"", notified))
        .await;
    app.settled().await;
    let notified: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| {
            (
                request.json()["message"].clone(),
                request.json()["type"].clone(),
            )
        })
        .collect();
    assert_eq!(
        notified,
        [
            ("".into(), "Template-Message".into()),
            ("Hello".into(), "Regular-Message".into()),
        ]
    );
    assert_eq!(only(app.messages().await).type_rule, TypeRule::Echo);
}

#[actix_web::test]
async fn a_webhook_refused_by_the_store_makes_one_report_later() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.store.disk_reserve_bytes = u64::MAX;
    })
    .await;
    let body = a_status();
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    let answer = check(&app, signed(&app, HUB, &signature, &body), 503).await;
    assert_eq!(answer.header("retry-after"), "5");
    let ready = Answer::to(app.http.get(format!("{}/readyz", app.url))).await;
    assert_eq!(ready.status, 503);
    let app = app
        .restart_with(|config| config.store.disk_reserve_bytes = 0)
        .await;
    for _ in 0..2 {
        check(&app, signed(&app, HUB, &signature, &body), 200).await;
    }
    assert_eq!(app.report_count().await, 1);
}

#[actix_web::test]
async fn a_slow_store_is_answered_while_it_is_still_slow() {
    let app = TestApp::boot().await;
    let other_process = app.tables();
    let lock = other_process.lock();
    let post = |id: &'static str| {
        let body = cloud_status(id, "sent", 1_760_000_000);
        let signature = hub_signature(APP_SECRET, body.as_bytes());
        let request = signed(&app, HUB, &signature, &body);
        async move { Answer::to(request).await }
    };
    // The later ones wait behind the first, and would for as long as the store is locked: that all
    // are answered meanwhile is the work of the service's own timer, of three seconds.
    let answers = join_all(["wamid.1", "wamid.2", "wamid.3"].map(post)).await;
    for answer in answers {
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    }
    drop(lock);
    for id in ["wamid.1", "wamid.2", "wamid.3"] {
        // What was given up on may still be waiting its turn: either way it counts once.
        let answer = post(id).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    until_async("each is stored once", async || {
        app.report_count().await == 3
    })
    .await;
}

#[actix_web::test]
async fn a_shutdown_in_mid_request_acknowledges_only_what_is_stored() {
    let app = TestApp::boot().await;
    let (http, url) = (app.http.clone(), app.url.clone());
    // Each sender goes on until the service is gone; many are in mid-request just then.
    let sender = move |number: usize| {
        let (http, url) = (http.clone(), url.clone());
        actix_web::rt::spawn(async move {
            let mut acknowledged = Vec::new();
            for count in 0.. {
                let id = format!("wamid.{number}-{count}");
                let body = cloud_status(&id, "sent", 1_760_000_000);
                let request = http
                    .post(format!("{url}/webhooks/cloud"))
                    .header(HUB, hub_signature(APP_SECRET, body.as_bytes()))
                    .body(body);
                match request.send().await {
                    Ok(answer) if answer.status() == 200 => acknowledged.push(id),
                    Ok(answer) => assert_eq!(answer.status(), 503),
                    Err(_) => break,
                }
            }
            acknowledged
        })
    };
    let senders: Vec<_> = (0..32).map(sender).collect();
    let under_way = async || app.report_count().await > 100;
    until_async("webhooks are under way", under_way).await;
    let app = app.restart().await;
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    assert!(acknowledged.len() > 100);
    for id in acknowledged {
        let timeline = app.timeline(&id).await;
        assert!(
            timeline.is_some_and(|it| !it.reports.is_empty()),
            "{id} was acknowledged and is not stored"
        );
    }
}

#[actix_web::test]
async fn a_webhook_that_names_ten_thousand_fields_adds_few_names() {
    let app = TestApp::boot().await;
    let changes: Vec<String> = (0..10_000)
        .map(|index| format!(r#"{{"field":"f{index}","value":{{}}}}"#))
        .collect();
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{}]}}]}}"#,
        changes.join(",")
    );
    assert_eq!(app.post("cloud", body).await, 200);
    let ignored = app.tables().ignored();
    assert_eq!(ignored.iter().sum::<usize>(), 10_000);
    assert!(ignored.len() <= 65, "{ignored:?}");
    let detail = only(app.webhooks().await).outcome_detail.unwrap();
    assert!(detail.ends_with("more") && detail.len() < 300, "{detail}");
    let metrics = app
        .http
        .get(format!("{}/metrics", app.url))
        .send()
        .await
        .unwrap();
    let series = metrics.text().await.unwrap();
    assert!(series.matches("tickrelay_ignored_total{").count() <= 101);
    app.stop().await;
}

#[actix_web::test]
async fn a_group_of_two_thousand_is_stored_whole() {
    let app = TestApp::boot().await;
    let statuses: Vec<String> = (0..4_000)
        .map(|index| {
            let (status, member) = (["delivered", "read"][index % 2], index / 2);
            format!(
                r#"{{"id":"wamid.group","status":"{status}","timestamp":"1760000005","recipient_id":"g1","recipient_type":"group","recipient_participant_id":"3460000{member:04}"}}"#
            )
        })
        .collect();
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"34910000000","phone_number_id":"4400"}},"statuses":[{}]}}}}]}}]}}"#,
        statuses.join(",")
    );
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    check_taken(|| signed(&app, HUB, &signature, &body)).await;
    assert_eq!(app.report_count().await, 4_000);
    app.stop().await;
}

//! What stands around a webhook and changes nothing about it: a slash, an `Upgrade`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::answer::{Answer, HUB, check};
use crate::support::traffic::request;
use crate::support::{APP_SECRET, PATIENCE, TestApp, cloud_status, hub_signature};

/// Sends these bytes on one connection and reads until so many answers came or it ends.
async fn answers(app: &TestApp, bytes: &[u8], count: usize) -> Vec<String> {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    let read = async {
        while String::from_utf8_lossy(&said).matches("\r\n\r\n").count() < count {
            if stream.read_buf(&mut said).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    let answers = said.split_inclusive("\r\n\r\n");
    answers.map(str::to_owned).collect()
}

/// The messages of which there are reports.
async fn messages(app: &TestApp) -> Vec<String> {
    let messages = app.messages().await.into_iter().rev();
    messages.map(|it| it.provider_message_id.unwrap()).collect()
}

/// Headers that ask for another protocol; whether more may follow on the connection.
const UPGRADES: [(&str, bool); 11] = [
    ("Upgrade: websocket", false),
    ("Upgrade: WebSocket\r\nConnection: Upgrade", false),
    (
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade",
        false,
    ),
    ("Upgrade: h2c, websocket", true),
    ("Upgrade: h2c", true),
    (
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        true,
    ),
    ("Upgrade: TLS/1.0\r\nConnection: Upgrade", true),
    ("Upgrade: \r\nConnection: upgrade", true),
    ("Upgrade: a/1 b, \"c\"", true),
    ("Connection: Upgrade", true),
    ("Connection: close, upgrade\r\nUpgrade: h2c", false),
];

#[actix_web::test]
async fn a_webhook_that_asks_for_another_protocol_is_read_by_its_length() {
    let app = TestApp::boot().await;
    let mut expected = Vec::new();
    for (number, (headers, goes_on)) in UPGRADES.into_iter().enumerate() {
        let (first, second) = (2 * number, 2 * number + 1);
        let with = |number| {
            let line = format!("HTTP/1.1\r\n{headers}");
            request(number).replacen("HTTP/1.1", &line, 1)
        };
        // What stands behind the body is the next request, or dropped; never part of the body.
        let both = with(first) + &request(second);
        let said = answers(&app, both.as_bytes(), 2).await;
        assert!(said[0].starts_with("HTTP/1.1 200"), "{headers}: {said:?}");
        expected.push(format!("wamid.{first:09}"));
        assert_eq!(said.len() == 2, goes_on, "{headers}: {said:?}");
        if goes_on {
            assert!(said[1].starts_with("HTTP/1.1 200"), "{headers}: {said:?}");
            expected.push(format!("wamid.{second:09}"));
        } else if !headers.contains("close") {
            // An unexpected one is reported.
            let closes = said[0].to_lowercase().contains("connection: close");
            assert!(closes, "{headers}: {said:?}");
        }
        // The older protocol says nothing else.
        let old = with(first).replacen("HTTP/1.1", "HTTP/1.0", 1);
        let said = answers(&app, old.as_bytes(), 1).await;
        assert!(said[0].contains(" 200 OK"), "{headers}: {said:?}");
    }
    assert_eq!(messages(&app).await, expected);
    app.stop().await;
}

#[actix_web::test]
async fn a_body_in_chunks_and_one_that_is_asked_for_may_ask_for_another_protocol_too() {
    let app = TestApp::boot().await;
    let body = cloud_status("wamid.chunked", "sent", 1_760_000_000);
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    let head = format!(
        "POST /webhooks/cloud HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\n{HUB}: {signature}\r\n"
    );
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let said = answers(&app, chunked.as_bytes(), 1).await;
    assert!(said[0].starts_with("HTTP/1.1 200"), "{said:?}");

    let body = cloud_status("wamid.asked", "sent", 1_760_000_000);
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    let length = body.len();
    let asked = format!(
        "POST /webhooks/cloud HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n\
         Expect: 100-continue\r\nContent-Length: {length}\r\n{HUB}: {signature}\r\n\r\n{body}"
    );
    let said = answers(&app, asked.as_bytes(), 2).await;
    assert!(said[0].starts_with("HTTP/1.1 100"), "{said:?}");
    assert!(said[1].starts_with("HTTP/1.1 200"), "{said:?}");

    for method in ["CONNECT", "PUT"] {
        let odd = format!(
            "{method} /webhooks/cloud HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        let said = answers(&app, odd.as_bytes(), 1).await;
        assert!(said[0].starts_with("HTTP/1.1 4"), "{method}: {said:?}");
    }
    assert_eq!(messages(&app).await, ["wamid.chunked", "wamid.asked"]);
    app.stop().await;
}

#[actix_web::test]
async fn one_slash_at_the_end_is_the_same_url_and_two_are_none() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        let mut token = crate::support::source("token", tickrelay::providers::Provider::Infobip);
        token.authentication.methods =
            vec![tickrelay::providers::authentication::Method::UrlToken(
                "t0ken".into(),
            )];
        token.verify_tokens = vec!["test-verify-token".into()];
        config.sources.push(token);
    })
    .await;
    let query = "hub.mode=subscribe&hub.challenge=7&hub.verify_token=test-verify-token";
    let empty = r#"{"results":[]}"#;
    let cases = [
        ("cloud", 200, 200),
        ("cloud/", 200, 200),
        ("clou%64/", 200, 200),
        ("cloud//", 404, 404),
        ("/cloud/", 404, 404),
        ("cloud/%2F", 401, 401),
        ("token/t0ken", 200, 200),
        ("token/t0ken/", 200, 200),
        ("token/t0k%65n/", 200, 200),
        ("token/", 401, 401),
        ("token//t0ken", 404, 404),
        ("token/t0ken//", 404, 404),
        ("token/t0ken/more", 404, 404),
        ("", 404, 404),
        ("/", 404, 404),
    ];
    for (path, get, posted) in cases {
        let url = format!("{}/webhooks/{path}", app.url);
        let handshake = Answer::to(app.http.get(format!("{url}?{query}"))).await;
        assert_eq!(handshake.status, get, "{path}: {}", handshake.body);
        assert_eq!(handshake.body == "7", get == 200, "{path}");
        for query in ["", "?type=regular&sender=%2B34910000000"] {
            let signature = hub_signature(APP_SECRET, empty.as_bytes());
            let request = app.http.post(format!("{url}{query}"));
            check(&app, request.header(HUB, signature).body(empty), posted).await;
        }
    }
    app.stop().await;
}

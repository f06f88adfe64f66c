//! Who is believed: every proof of origin a source can ask for, over HTTP.

mod edges;
mod partners;
mod wrong;

use hmac::{Hmac, Mac};
use reqwest::RequestBuilder;
use sha2::Sha256;
use tickrelay::clock::Clock;
use tickrelay::providers::Provider;
use tickrelay::providers::authentication::{Algorithm, Content, Encoding, Method, Signature};

use crate::support::answer::{Answer, HUB, check, post, signed};
use crate::support::{API_KEY, APP_SECRET, TestApp, cloud_status, hub_signature, source};

fn a_status() -> String {
    cloud_status("wamid.1", "sent", 1_760_000_000)
}

// Meta's signature.

#[actix_web::test]
async fn a_right_signature_is_accepted() {
    let app = TestApp::boot().await;
    let body = a_status();
    check(
        &app,
        signed(
            &app,
            HUB,
            &hub_signature(APP_SECRET, body.as_bytes()),
            &body,
        ),
        200,
    )
    .await;
    assert_eq!(app.report_count().await, 1);
}

#[actix_web::test]
async fn an_upper_case_signature_is_accepted() {
    let app = TestApp::boot().await;
    let body = a_status();
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    let hex = signature.strip_prefix("sha256=").unwrap().to_uppercase();
    check(
        &app,
        signed(&app, HUB, &format!("sha256={hex}"), &body),
        200,
    )
    .await;
}

#[actix_web::test]
async fn a_reserialised_body_is_refused() {
    let app = TestApp::boot().await;
    let body = a_status();
    let signature = hub_signature(APP_SECRET, body.as_bytes());
    let with_blanks = body.replace("\":", "\": ");
    check(&app, signed(&app, HUB, &signature, &with_blanks), 401).await;
}

#[actix_web::test]
async fn a_request_without_a_signature_is_refused() {
    let app = TestApp::boot().await;
    check(&app, post(&app, "cloud", a_status()), 401).await;
}

#[actix_web::test]
async fn the_old_sha1_signature_alone_is_refused() {
    let app = TestApp::boot().await;
    let body = a_status();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha1={}", hex::encode(mac.finalize().into_bytes()));
    check(
        &app,
        signed(&app, "X-Hub-Signature", &signature, &body),
        401,
    )
    .await;
    check(&app, signed(&app, HUB, &signature, &body), 401).await;
}

#[actix_web::test]
async fn a_malformed_signature_is_refused() {
    let app = TestApp::boot().await;
    let body = a_status();
    let right = hub_signature(APP_SECRET, body.as_bytes());
    let hex = right.strip_prefix("sha256=").unwrap();
    let malformed = [
        String::new(),
        "sha256=".to_owned(),
        hex.to_owned(),
        right[..right.len() - 1].to_owned(),
        format!("{right}00"),
        format!("sha256={}", "xy".repeat(32)),
        format!("sha512={hex}"),
    ];
    for signature in malformed {
        check(&app, signed(&app, HUB, &signature, &body), 401).await;
    }
}

#[actix_web::test]
async fn a_wrong_signature_is_refused() {
    let app = TestApp::boot().await;
    let body = a_status();
    let signature = hub_signature("another secret", body.as_bytes());
    let answer = check(&app, signed(&app, HUB, &signature, &body), 401).await;
    assert!(!answer.body.contains(APP_SECRET));
}

#[actix_web::test]
async fn the_second_of_two_app_secrets_is_accepted() {
    let secrets = vec!["retired".into(), "in use".into()];
    let app = boot_with_method(Method::Signature(Signature::hub_sha256(secrets))).await;
    for (secret, expected) in [("retired", 200), ("in use", 200), ("neither", 401)] {
        let body = a_status();
        let request =
            post(&app, "other", body.clone()).header(HUB, hub_signature(secret, body.as_bytes()));
        check(&app, request, expected).await;
    }
}

/// The service with one more source, `other`, of Infobip's format.
async fn boot_with_method(method: Method) -> TestApp {
    let mut other = source("other", Provider::Infobip);
    other.authentication.methods = vec![method];
    TestApp::boot_with(Clock::system(), |config| config.sources.push(other)).await
}

// Meta's handshake.

fn handshake(app: &TestApp, query: &str) -> RequestBuilder {
    app.http.get(format!("{}/webhooks/cloud?{query}", app.url))
}

#[actix_web::test]
async fn the_handshake_echoes_the_challenge() {
    let app = TestApp::boot().await;
    let queries = [
        "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=test-verify-token",
        "hub.verify_token=test-verify-token&hub.challenge=1158201444&hub.mode=subscribe",
    ];
    for query in queries {
        let answer = Answer::to(handshake(&app, query)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "1158201444"));
        assert!(answer.header("content-type").starts_with("text/plain"));
    }
}

#[actix_web::test]
async fn the_handshake_decodes_the_token() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.sources[0].verify_tokens = vec!["t+%&=k n".into()];
    })
    .await;
    let query = "hub.mode=subscribe&hub.challenge=7&hub.verify_token=t%2B%25%26%3Dk%20n";
    let answer = Answer::to(handshake(&app, query)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "7"));
}

#[actix_web::test]
async fn a_handshake_with_a_wrong_token_is_refused() {
    let app = TestApp::boot().await;
    let query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wrong";
    let answer = check(&app, handshake(&app, query), 403).await;
    assert!(!answer.body.contains("1158201444"));
}

#[actix_web::test]
async fn a_handshake_without_a_mode_is_refused() {
    let app = TestApp::boot().await;
    let queries = [
        "",
        "hub.challenge=1158201444&hub.verify_token=test-verify-token",
        "hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token=test-verify-token",
        "hub.mode=subscribe&hub.verify_token=test-verify-token",
        "hub.mode=subscribe&hub.challenge=%3Cscript%3E%20&hub.verify_token=test-verify-token",
    ];
    for query in queries {
        let answer = check(&app, handshake(&app, query), 400).await;
        assert!(!answer.body.contains("1158201444") && !answer.body.contains('<'));
    }
}

#[actix_web::test]
async fn a_handshake_needs_the_same_url_as_a_webhook() {
    const QUERY: &str =
        "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=test-verify-token";
    for (wanted, cases) in [
        (
            Some("tok"),
            [("/tok", 200), ("", 401), ("/wrong", 401)].as_slice(),
        ),
        (None, [("", 200), ("/stray", 401)].as_slice()),
    ] {
        let app = TestApp::boot_with(Clock::system(), |config| {
            let token = wanted.map(|token| Method::UrlToken(token.into()));
            config.sources[0].authentication.methods.extend(token);
        })
        .await;
        for (end, status) in cases {
            let url = format!("{}/webhooks/cloud{end}?{QUERY}", app.url);
            let answer = Answer::to(app.http.get(url)).await;
            assert_eq!(answer.status, *status, "{wanted:?} at {end:?}");
            assert_eq!(answer.body == "1158201444", *status == 200, "{end:?}");
        }
    }
}

// Other proofs of origin.

fn with_header(app: &TestApp, value: Option<&str>) -> RequestBuilder {
    let request = post(app, "d360", a_status());
    match value {
        Some(value) => request.header("x-api-key", value),
        None => request,
    }
}

#[actix_web::test]
async fn a_right_shared_header_is_accepted() {
    let app = TestApp::boot().await;
    check(&app, with_header(&app, Some(API_KEY)), 200).await;
}

#[actix_web::test]
async fn a_wrong_shared_header_is_refused() {
    let app = TestApp::boot().await;
    for value in ["", "wrong", "test-api-ke", "test-api-key2", "TEST-API-KEY"] {
        check(&app, with_header(&app, Some(value)), 401).await;
    }
}

#[actix_web::test]
async fn a_missing_shared_header_is_refused() {
    let app = TestApp::boot().await;
    check(&app, with_header(&app, None), 401).await;
}

#[actix_web::test]
async fn basic_authentication_wants_user_and_password() {
    let app = boot_with_method(Method::Basic {
        username: "infobip".to_owned(),
        password: "p:ss".into(),
    })
    .await;
    let request = || post(&app, "other", r#"{"results":[]}"#);
    check(&app, request().basic_auth("infobip", Some("p:ss")), 200).await;
    check(&app, request().basic_auth("infobip", Some("wrong")), 401).await;
    check(&app, request().basic_auth("other", Some("p:ss")), 401).await;
    let answer = check(&app, request(), 401).await;
    assert!(answer.header("www-authenticate").starts_with("Basic"));
}

#[actix_web::test]
async fn a_wrong_token_in_the_url_is_refused() {
    let app = boot_with_method(Method::UrlToken("t0ken-of-the-url".into())).await;
    let request = |path: &str| post(&app, path, r#"{"results":[]}"#);
    check(&app, request("other/t0ken-of-the-url"), 200).await;
    check(&app, request("other/t0ken-of-the-url?type=regular"), 200).await;
    // A misspelt default costs no report.
    check(&app, request("other/t0ken-of-the-url?type=rglr"), 200).await;
    check(&app, request("other/t0ken-of-the-ur"), 401).await;
    check(&app, request("other/"), 401).await;
    check(&app, request("other//"), 404).await;
    check(&app, request("other/t0ken-of-the-url/"), 200).await;
    check(&app, request("other"), 401).await;
    check(&app, request("other?token=t0ken-of-the-url"), 401).await;
    // A token where none is wanted is another URL than the one that was given out.
    check(
        &app,
        request("infobip/t0ken").header("x-api-key", API_KEY),
        401,
    )
    .await;
}

// Infobip's signatures.

const INFOBIP_SECRET: &str = "infobip-demo-secret";
const INFOBIP_BODY: &str =
    r#"{"results":[{"messageId":"demo-0001","status":{"groupName":"DELIVERED"}}]}"#;

/// A source as one notification profile signs.
async fn boot_with_hmac(encoding: Encoding, timestamp_header: Option<&str>) -> TestApp {
    boot_with_method(Method::Signature(Signature {
        header: "X-Ib-Signature".to_owned(),
        algorithm: Algorithm::Sha256,
        encoding,
        prefix: None,
        secrets: vec![INFOBIP_SECRET.into()],
        timestamp_header: timestamp_header.map(str::to_owned),
        content: Content::Body,
    }))
    .await
}

fn infobip_mac(parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(INFOBIP_SECRET.as_bytes()).unwrap();
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().to_vec()
}

fn infobip_signed(app: &TestApp, signature: &str) -> RequestBuilder {
    post(app, "other", INFOBIP_BODY).header("x-ib-signature", signature)
}

#[actix_web::test]
async fn an_infobip_hmac_over_the_raw_body_is_accepted() {
    let app = boot_with_hmac(Encoding::Hex, None).await;
    let signature = "9d46a623407bafd751fcb3f3ffff7bd8e8d480a270c36250785eb64ecd90a667";
    check(&app, infobip_signed(&app, signature), 200).await;
    assert_eq!(app.report_count().await, 1);
}

#[actix_web::test]
async fn a_wrong_or_missing_infobip_hmac_is_refused() {
    let app = boot_with_hmac(Encoding::Hex, None).await;
    check(&app, post(&app, "other", INFOBIP_BODY), 401).await;
    check(
        &app,
        infobip_signed(&app, &hex::encode(infobip_mac(&["{}"]))),
        401,
    )
    .await;
    check(&app, infobip_signed(&app, "9d46"), 401).await;
}

#[actix_web::test]
async fn an_infobip_hmac_in_base64_is_accepted() {
    let app = boot_with_hmac(Encoding::Base64, None).await;
    let signature = "nUamI0B7r9dR/LPz//972OjUgKJww2JQeF62Ts2Qpmc=";
    check(&app, infobip_signed(&app, signature), 200).await;
}

#[actix_web::test]
async fn an_upper_case_hex_signature_is_accepted() {
    let app = boot_with_hmac(Encoding::Hex, None).await;
    let signature = hex::encode_upper(infobip_mac(&[INFOBIP_BODY]));
    check(&app, infobip_signed(&app, &signature), 200).await;
}

#[actix_web::test]
async fn a_signature_with_its_algorithm_before_it_is_accepted() {
    let app = boot_with_hmac(Encoding::Hex, None).await;
    let signature = format!("sha256={}", hex::encode(infobip_mac(&[INFOBIP_BODY])));
    check(&app, infobip_signed(&app, &signature), 200).await;
}

#[actix_web::test]
async fn a_body_written_again_does_not_fit_its_signature() {
    let app = boot_with_hmac(Encoding::Hex, None).await;
    let signature = hex::encode(infobip_mac(&[INFOBIP_BODY]));
    let respaced = INFOBIP_BODY.replace(":[", ": [");
    let request = post(&app, "other", respaced).header("X-Ib-Signature", signature);
    check(&app, request, 401).await;
}

#[actix_web::test]
async fn a_signature_over_time_and_body_is_no_signature_of_the_body() {
    let stamp = "1767225600000";
    let over_both = "4d0c75a5f76f4ad0088c7febacb095ccbbdd043d8fb5a8aa291cf0076210be38";
    let over_body = hex::encode(infobip_mac(&[INFOBIP_BODY]));
    let app = boot_with_hmac(Encoding::Hex, Some("X-Ib-Timestamp")).await;
    let stamped = |signature: &str| infobip_signed(&app, signature).header("x-ib-timestamp", stamp);
    check(&app, stamped(over_both), 200).await;
    check(&app, stamped(&over_body), 401).await;
    check(&app, infobip_signed(&app, over_both), 401).await;
    check(&app, infobip_signed(&app, &over_body), 401).await;
}

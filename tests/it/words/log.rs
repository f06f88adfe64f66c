//! The log: one warning for an outage, and a configuration that is read again on SIGHUP.

use rustix::process::{Signal, kill_process};

use crate::support::receiver::{Receiver, Reply};
use crate::support::service::{Home, Service};
use crate::support::{APP_SECRET, client, cloud, hub_signature, until};

const T0: i64 = 1_760_000_000;

/// Posts a webhook as Meta would with this secret; the answer's status.
async fn post(service: &Service, secret: &str, id: &str) -> u16 {
    let body = cloud::webhook(&[cloud::status(id, "sent", T0)]);
    let request = client()
        .post(format!("http://{}/webhooks/cloud", service.address))
        .header(
            "X-Hub-Signature-256",
            hub_signature(secret, body.as_bytes()),
        )
        .header("Content-Type", "application/json")
        .body(body);
    request.send().await.unwrap().status().as_u16()
}

#[actix_web::test]
async fn an_outage_is_one_warning_however_many_attempts_fail() {
    let home = Home::new()
        .set("log.filter=info")
        .set("forward.schedule=10ms,10ms,10ms");
    let mut service = home.start();
    let down = Receiver::scripted(|_, _| Reply::status(500));
    service.subscribe("crm", &down.url);
    for message in 0..8 {
        let id = format!("wamid.{message}");
        assert_eq!(post(&service, APP_SECRET, &id).await, 200);
    }
    until("many attempts failed", || down.count() >= 8).await;
    kill_process(service.process(), Signal::TERM).unwrap();
    let (_, log) = service.end();
    let warnings = log
        .lines()
        .filter(|line| line.contains("\"WARN\"") && line.contains("crm"));
    let warnings: Vec<&str> = warnings.collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}\n{log}");
    let first = warnings[0];
    assert!(
        first.contains("forward.attempted") && first.contains("http_5xx"),
        "{first}"
    );
    assert!(first.contains("\"next\":\"retry at 20"), "{first}");
    for rust in ["RetryAt", "PutOff", "Some(", "Untouched"] {
        assert!(!log.contains(rust), "{rust}: {log}");
    }
}

#[actix_web::test]
async fn sighup_reads_secrets_and_the_filter_again_and_says_what_needs_a_restart() {
    let home = Home::new();
    let mut service = home.start();
    let old_secret = APP_SECRET;
    assert_eq!(post(&service, old_secret, "wamid.1").await, 200);
    let file = home.file("tickrelay.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let new_secret = "another-secret-of-the-app";
    // What is wrong changes nothing.
    std::fs::write(&file, format!("{text}colour = 1\n")).unwrap();
    kill_process(service.process(), Signal::HUP).unwrap();
    assert_eq!(post(&service, old_secret, "wamid.2").await, 200);
    assert_eq!(post(&service, new_secret, "wamid.3").await, 401);
    let changed = text
        .replace(old_secret, new_secret)
        .replace("warn,tickrelay::server=info", "info")
        .replace("allow_http = true", "allow_http = true\ntimeout = \"3s\"");
    std::fs::write(&file, changed).unwrap();
    kill_process(service.process(), Signal::HUP).unwrap();
    let mut is_taken = false;
    for _ in 0..600 {
        if post(&service, new_secret, "wamid.4").await == 200 {
            is_taken = true;
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(is_taken);
    assert_eq!(post(&service, old_secret, "wamid.5").await, 401);
    kill_process(service.process(), Signal::TERM).unwrap();
    let (status, log) = service.end();
    assert!(status.success(), "{status}: {log}");
    for said in [
        "config.not_reloaded",
        "unknown key: known here are",
        "config.reloaded: the rest holds from the next start on",
        "\"applied\":\"source.cloud, log.filter\"",
        "\"needs_restart\":\"forward.timeout\"",
        // The new filter lets it through.
        "\"stopped\"",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert!(!log.contains(new_secret), "{log}");
}

//! The write-ahead log: it starts over under load, and says who keeps it from doing so.

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Signal, kill_process};
use tokio::task::JoinSet;

use crate::support::service::Home;
use crate::support::shim::{self, Disk};
use crate::support::{APP_SECRET, PATIENCE, client, cloud, hub_signature};

const MIB: u64 = 1024 * 1024;
/// Statuses in a webhook.
const BATCH: usize = 500;

fn body(number: usize) -> String {
    let status = |index| {
        let id = format!("wamid.{number}.{index}");
        cloud::status(&id, "sent", 1_760_000_000)
    };
    cloud::webhook(&(0..BATCH).map(status).collect::<Vec<_>>())
}

#[actix_web::test]
async fn it_starts_over_while_webhooks_never_pause_and_names_who_keeps_it() {
    let home = Home::new()
        .set("store.wal_limit=16MiB")
        .set("log.filter=info");
    let mut service = home.start();
    let address = service.address;
    let wal = home.file("tickrelay.db-wal");
    let size = || wal.metadata().map_or(0, |about| about.len());
    let http = client();
    let mut next = 0;
    let mut load = JoinSet::new();
    let mut post = |load: &mut JoinSet<u16>| {
        let body = body(next);
        next += 1;
        let request = http
            .post(format!("http://{address}/webhooks/cloud"))
            .header(
                "X-Hub-Signature-256",
                hub_signature(APP_SECRET, body.as_bytes()),
            )
            .body(body);
        load.spawn(async move { request.send().await.unwrap().status().as_u16() });
    };

    // Two are under way at any time, so the writer has no idle moment to catch up in.
    let mut largest = 0;
    post(&mut load);
    while home.store().metadata().unwrap().len() < 40 * MIB {
        post(&mut load);
        assert_eq!(load.join_next().await.unwrap().unwrap(), 200);
        largest = largest.max(size());
    }
    assert!(largest < 32 * MIB, "the WAL grew to {} MiB", largest / MIB);

    let reader =
        Connection::open_with_flags(home.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM source")
        .unwrap();
    let pinned = size() + 24 * MIB;
    while size() < pinned {
        post(&mut load);
        assert_eq!(load.join_next().await.unwrap().unwrap(), 200);
    }
    let shown = async || {
        let page = client().get(format!("http://{address}/metrics")).send();
        let page = page.await.unwrap().text().await.unwrap();
        let value = |line: &str| line.strip_prefix("tickrelay_wal_bytes ")?.parse().ok();
        page.lines().find_map(value).unwrap_or(0.0_f64)
    };
    #[expect(clippy::cast_precision_loss, reason = "a few MiB")]
    let limit = 16.0 * MIB as f64;
    // The alarm is raised with the figure that the metric shows.
    tokio::time::timeout(PATIENCE, async {
        while shown().await <= limit {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    drop(reader);
    // By the metric: the file is small a moment before the service has looked and said so.
    tokio::time::timeout(PATIENCE, async {
        while shown().await > limit {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    assert!(size() <= 16 * MIB);
    while let Some(answer) = load.join_next().await {
        assert_eq!(answer.unwrap(), 200);
    }
    kill_process(service.process(), Signal::TERM).unwrap();
    let (status, log) = service.end();
    assert!(status.success(), "{log}");
    let alarm = log.lines().find(|line| line.contains("store.wal_pinned"));
    // This process by number and name, and when it let go.
    let named = format!("{} (", std::process::id());
    assert!(alarm.is_some_and(|line| line.contains(&named)), "{log}");
    assert!(log.contains("store.wal_free_again"), "{log}");
    let stored = Connection::open(home.store()).unwrap();
    let count = |sql: &str| -> usize { stored.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM report"), next * BATCH);
}

#[actix_web::test]
async fn a_checkpoint_that_fails_costs_no_webhook_and_is_tried_again_without_haste() {
    let (home, switch) = shim::with_switch();
    let service = home.start();
    let address = service.address;
    let http = client();
    let post = async |number: usize| {
        let body = body(number);
        let signature = hub_signature(APP_SECRET, body.as_bytes());
        let url = format!("http://{address}/webhooks/cloud");
        let request = http.post(url).header("X-Hub-Signature-256", signature);
        assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    };
    let failures = async || -> u64 {
        let page = http.get(format!("http://{address}/metrics")).send();
        let page = page.await.unwrap().text().await.unwrap();
        let count = |line: &str| {
            line.strip_prefix("tickrelay_checkpoint_failures_total ")?
                .parse()
                .ok()
        };
        page.lines().find_map(count).unwrap()
    };
    let wal = home.file("tickrelay.db-wal");
    let mut next = 0;
    switch.set(Disk::FailsToCheckpoint);
    while failures().await < 2 || wal.metadata().unwrap().len() < 24 * MIB {
        post(next).await;
        next += 1;
    }
    // Two for each 8 MiB: the checkpointer's, and the writer's for the rest.
    let tried = failures().await;
    assert!(tried < 16, "{tried} failures");
    let small = home.store().metadata().unwrap().len();
    switch.set(Disk::Works);
    while home.store().metadata().unwrap().len() < small + 8 * MIB {
        post(next).await;
        next += 1;
    }
    service.stop();
    let stored = Connection::open(home.store()).unwrap();
    let reports = stored.query_row("SELECT count(*) FROM report", [], |row| row.get(0));
    assert_eq!(reports, Ok(next * BATCH));
}

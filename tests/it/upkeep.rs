//! Looking after a store: what is old goes, what could not be read is read again.

use std::time::Duration;

use tickrelay::admin::{
    Failure, PauseSubscriber, RemoveSubscriber, ReprocessWebhooks, ResumeSubscriber,
};
use tickrelay::clock::Clock;
use tickrelay::model::Status;
use tickrelay::store::{Prunable, PruneStep, ReprocessSelection, Reread, WebhookOutcome};

use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{Tables, TestApp, cloud_status, fields, key, until, until_async};

const START_MS: i64 = 1_760_000_100_000;
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// Removes a little of what is older, as the service does; returns how many rows.
pub(crate) async fn prune(app: &TestApp, what: Prunable, before_ms: i64) -> usize {
    let step = PruneStep {
        what,
        before_ms,
        behind: None,
    };
    app.store.step(step).await.unwrap().removed
}

#[actix_web::test]
async fn what_is_old_is_pruned_and_what_is_pending_is_kept() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.retention.webhooks_days = 8;
        config.retention.attempts_days = 8;
        config.retention.messages_days = 10;
        config.forward.max_age = 1000 * DAY;
    })
    .await;
    let (receiver, slow) = (Receiver::start(), Receiver::start());
    app.subscribe("crm", &receiver.url).await;
    app.subscribe("gone", &receiver.url).await;
    app.post("cloud", cloud_status("wamid.old", "sent", 1_760_000_000))
        .await;
    app.settled().await;
    let name = "gone".to_owned();
    app.order(RemoveSubscriber { name }).await;
    let name = "crm".to_owned();
    app.order(PauseSubscriber { name }).await;
    app.subscribe("slow", &slow.url).await;
    app.perform(PauseSubscriber {
        name: "slow".to_owned(),
    })
    .await
    .unwrap();
    app.post("cloud", cloud_status("wamid.owed", "sent", 1_760_000_000))
        .await;
    let payloads = || app.tables().count("payload");
    let webhooks = async || app.webhooks().await.len();
    let attempts = async || app.attempts().await.len();
    assert_eq!((webhooks().await, attempts().await, payloads()), (2, 2, 2));

    // After a jump pruning is put off: the clock may come back.
    hand.advance(8 * DAY);
    until_async("webhooks and attempts are pruned", async || {
        hand.advance(HOUR);
        webhooks().await == 0 && attempts().await == 0 && payloads() == 1
    })
    .await;
    let messages = async || app.messages().await.len();
    let others = async || (app.reports().await.len(), app.forwards().await.len());
    assert_eq!((messages().await, others().await), (2, (2, 4)));

    // A subscriber that was removed is in no answer, and goes with its last forward.
    until_async("what was settled is pruned", async || {
        hand.advance(HOUR);
        messages().await == 1 && app.tables().count("subscriber") == 2
    })
    .await;
    assert_eq!((others().await, payloads()), ((1, 2), 1));

    app.perform(ResumeSubscriber {
        name: "slow".to_owned(),
    })
    .await
    .unwrap();
    until("what was queued arrives", || slow.count() == 1).await;
    assert_eq!(slow.received()[0].json()["msId"], "wamid.owed");
    app.stop().await;
}

#[actix_web::test]
async fn a_kind_of_row_that_cannot_be_pruned_holds_no_other_back() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |config| {
        config.retention.webhooks_days = 8;
        config.retention.messages_days = 8;
    })
    .await;
    app.post("cloud", cloud_status("wamid.old", "sent", 1_760_000_000))
        .await;
    app.tables().refuse_removals("webhook");
    hand.advance(8 * DAY);
    until_async("messages are pruned", async || {
        hand.advance(HOUR);
        app.messages().await.is_empty()
    })
    .await;
    assert_eq!(app.webhooks().await.len(), 1);
    app.stop().await;
}

async fn reprocess(app: &TestApp, selection: ReprocessSelection, dry_run: bool) -> Vec<Reread> {
    let request = ReprocessWebhooks { selection, dry_run };
    app.perform(request).await.unwrap().webhooks
}

#[actix_web::test]
async fn a_webhook_that_can_be_read_at_last_becomes_reports_once() {
    let (clock, hand) = Clock::manual(START_MS);
    let app = TestApp::boot_with(clock, |_| {}).await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.post("cloud", cloud_status("wamid.1", "sent", 1_760_000_000))
        .await;
    assert_eq!(app.post("cloud", "{not json").await, 200);
    let readable = cloud_status("wamid.1", "read", 1_760_000_010);
    app.tables().replace_unparsed(&readable);
    app.settled().await;
    hand.advance(DAY);

    let everything = || ReprocessSelection::default();
    let found = reprocess(&app, everything(), true).await;
    let [reread] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (reread.before, reread.after),
        (WebhookOutcome::Unparsed, WebhookOutcome::Processed)
    );
    assert_eq!((reread.unreadable_before, reread.unreadable), (1, 0));
    assert_eq!(
        reread.found[0].provider_message_id.as_deref(),
        Some("wamid.1")
    );
    assert_eq!(reread.found[0].provider_status, "read");
    assert_eq!(reread.forwards, 1);
    assert_eq!(app.reports().await.len(), 1);
    assert_eq!(receiver.count(), 1, "a dry run sends nothing");

    assert_eq!(reprocess(&app, everything(), false).await, found);
    until("the read is forwarded", || receiver.count() == 2).await;
    assert_eq!(receiver.statuses(), ["sent", "read"]);
    let read = app.reports().await.pop().unwrap();
    assert_eq!(
        (read.status, read.received_at_ms),
        (Some(Status::Read), START_MS)
    );
    let since_ms = app.forwards().await[0].pending_since_ms;
    assert_eq!(since_ms, START_MS + 86_400_000);

    assert_eq!(reprocess(&app, everything(), false).await, []);
    let all = ReprocessSelection {
        all: true,
        ..ReprocessSelection::default()
    };
    assert_eq!(reprocess(&app, all, false).await, []);
    app.settled().await;
    assert_eq!(receiver.count(), 2);
    assert_eq!(fields(&app.reports().await, ["repeats"]), [["0"], ["0"]]);
    app.stop().await;
}

#[actix_web::test]
async fn a_word_that_was_unknown_and_is_understood_now_is_forwarded() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    app.post("cloud", cloud_status("wamid.1", "delivered", 1_760_000_000))
        .await;
    app.tables().forget_statuses();
    app.subscribe("crm", &receiver.url).await;
    let one = ReprocessSelection {
        webhook_ids: vec![key(1)],
        ..ReprocessSelection::default()
    };
    let found = reprocess(&app, one, false).await;
    assert_eq!(found[0].found.len(), 1);
    until("it is forwarded", || receiver.statuses() == ["delivered"]).await;
    assert_eq!(app.reports().await.len(), 1);
    let missing = ReprocessWebhooks {
        selection: ReprocessSelection {
            webhook_ids: vec![key(7)],
            ..ReprocessSelection::default()
        },
        dry_run: false,
    };
    assert!(matches!(
        app.perform(missing).await,
        Err(Failure::Refused(_))
    ));
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_shows_what_a_second_reading_finds() {
    let folder = Folder::new();
    let service = folder.serve();
    service
        .post(cloud_status("wamid.1", "sent", 1_760_000_000))
        .await;
    service.post("{not json").await;
    let readable = cloud_status("wamid.1", "read", 1_760_000_010);
    Tables::at(&folder.path("tickrelay.db")).replace_unparsed(&readable);
    for (arguments, found) in [
        (&["reprocess", "--since", "1h", "--dry-run"][..], true),
        (&["reprocess", "2"], true),
        (&["reprocess"], false),
    ] {
        let data = folder.done(arguments).await;
        assert_eq!(data.contains("unparsed → processed"), found, "{data}");
        assert_eq!(data.contains("wamid.1: read → read"), found, "{data}");
    }
    let answer = folder.run(&["reprocess", "--source", "nobody"]).await;
    assert_eq!((answer.exit, answer.data.as_str()), (1, ""));
}

#[actix_web::test]
async fn a_dry_run_without_a_service_writes_nothing() {
    let folder = Folder::new();
    let service = folder.serve();
    let body = cloud_status("wamid.1", "sent", 1_760_000_000);
    service.post(body).await;
    drop(service);
    let files = ["tickrelay.db", "tickrelay.db-wal"];
    let written = || files.map(|name| std::fs::read(folder.path(name)).ok());
    let before = written();
    folder.done(&["reprocess", "--all", "--dry-run"]).await;
    folder.done(&["erase", "34600000001", "--dry-run"]).await;
    assert!(written() == before, "a dry run wrote into the store");
    // The control: the same without the flag.
    folder.done(&["reprocess", "--all"]).await;
    assert!(written() != before);
}

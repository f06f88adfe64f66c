//! Answers in other words than the known ones, and answers that are read again.

use serde_json::json;
use tickrelay::admin::ReprocessWebhooks;
use tickrelay::model::Status;
use tickrelay::store::ReprocessSelection;

use super::{ask_again, asked, boot, boot_with, messages, poll};
use crate::support::botsquad::{Api, statuses};
use crate::support::fields;
use crate::support::receiver::Receiver;

#[actix_web::test]
async fn a_dialect_is_understood_and_an_unknown_word_kept_shown_and_counted() {
    let api = Api::start();
    let (app, hand) = boot_with(&api, |pulled| {
        let options = &mut pulled.options;
        let fields = [
            ("statuses", "/data/users"),
            ("to", "/contact/phone"),
            ("statistics", "/data/counts"),
            ("pending", "todo"),
        ];
        let fields = fields.map(|(part, name)| (part, vec![name.to_owned()]));
        options.names.insert("fields", fields.into());
        let opened = [("opened".to_owned(), Status::Read)];
        options.statuses.insert("statuses", opened.into());
        options.status.insert("success_at", Status::Delivered);
    })
    .await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    let entry = |to: &str, status: &str| json!({"contact": {"phone": to}, "status": status});
    let answer = |last: &str, todo: u64| {
        json!({"data": {"counts": {"todo": todo}, "users": [entry("31600000001", "success"),
            entry("31600000002", "Opened"), entry("31600000003", last)]}})
    };
    api.answer("bc-1", answer("Zapped", 1));
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    let names = ["provider_status", "status", "oddities"];
    let mut words = fields(&app.reports().await, names);
    words.sort();
    assert_eq!(
        words,
        [
            ["Opened", "read", "[]"],
            ["Zapped", "-", r#"["unknown-status"]"#],
            ["success", "delivered", "[]"]
        ]
    );
    let counted = "tickrelay_reports_total{source=\"bq\",outcome=\"other\"}";
    assert!((app.metric(counted).await - 1.0).abs() < f64::EPSILON);
    // An unexplained status may change yet.
    assert_eq!(app.poll("bc-1", "state").await, "open");
    api.answer("bc-1", answer("failure", 0));
    ask_again(&app, &hand, "bc-1").await;
    assert_eq!(app.poll("bc-1", "state").await, "done");
    app.settled().await;
    let mut reported = receiver.statuses();
    reported.sort();
    assert_eq!(reported, ["delivered", "failed", "read"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_stored_answer_read_again_brings_what_it_lacked_and_nothing_else() {
    let api = Api::start();
    let (app, _hand) = boot(&api).await;
    let mut answer = statuses(&[("31600000001", "success"), ("31600000002", "Zapped")]);
    answer.as_object_mut().unwrap().remove("id");
    api.answer("bc-1", answer);
    poll(&app, "bc-1").await;
    asked(&app, "bc-1", 1).await;
    let again = || ReprocessWebhooks {
        selection: ReprocessSelection {
            all: true,
            ..ReprocessSelection::default()
        },
        dry_run: false,
    };
    let before = messages(&app).await;
    app.order(again()).await;
    assert_eq!(messages(&app).await, before);
    let app = app
        .restart_with(|config| {
            let pulled = config.sources.last_mut().unwrap().pulled.as_mut().unwrap();
            let statuses = pulled.options.statuses.entry("statuses").or_default();
            statuses.insert("zapped".to_owned(), Status::Failed);
        })
        .await;
    app.order(again()).await;
    let after = messages(&app).await;
    assert_eq!(after[1][..2], ["bc-1:31600000002", "failed"]);
    assert_eq!(app.reports().await.len(), 2);
    app.stop().await;
}

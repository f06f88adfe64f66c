//! What is counted and looked up of messages, their errors and the webhooks that brought them.

use std::time::Duration;

use super::filters::{of_owner, of_source};
use super::{
    SECOND_MS, START_MS, Subject, each_engine, error, failed, report, report_with, sorted,
};
use crate::model::{Status, Word as _};
use crate::store::overview::{UnknownError, WebhookRecord};
use crate::store::query::{
    ErrorExistsQuery, MessageCountQuery, Scope, UnknownErrorQuery, UnseenWebhookQuery,
    WebhookQuery, WebhookReportQuery, Window,
};
use crate::store::timeline::ReportRecord;
use crate::store::{Prunable, PruneStep};

each_engine!(
    messages_are_counted_by_source_and_status_within_a_time_and_a_scope,
    an_error_exists_once_a_message_failed_with_it,
    errors_without_an_explanation_are_counted_the_most_frequent_first,
    a_search_that_is_out_of_time_says_how_far_it_came_and_goes_on_from_there,
    a_webhook_has_the_reports_that_it_brought_first,
    a_webhook_is_unseen_out_of_the_scope_and_once_it_is_gone,
);

async fn messages_are_counted_by_source_and_status_within_a_time_and_a_scope(subject: Subject) {
    subject.partner().await;
    subject
        .commit(vec![
            report("a", Status::Sent, 0),
            report("b", Status::Sent, 0),
            report("c", Status::Sent, 0),
            report("c", Status::Read, 1),
        ])
        .await;
    subject.advance(SECOND_MS);
    let unclear = report_with(("e", Status::Sent, 0), |report| report.status = None);
    subject
        .commit_by("second", vec![failed("d", 131_026), unclear])
        .await;
    let counted = async |(since, until): (i64, i64), scope| {
        let query = MessageCountQuery {
            since_ms: START_MS + since * SECOND_MS,
            until_ms: START_MS + until * SECOND_MS,
            scope,
        };
        let counts = subject.read(query).await.into_iter();
        let counts = counts.map(|count| {
            let status = count.status.map_or("none", Status::as_str);
            format!("{}/{status}/{}", count.source, count.messages)
        });
        sorted(counts).join(" ")
    };
    let first = "cloud/read/1 cloud/sent/2";
    let second = "second/failed/1 second/none/1";
    let both = format!("{first} {second}");
    assert_eq!(counted((0, 2), Scope::default()).await, both);
    assert_eq!(counted((0, 1), Scope::default()).await, first);
    assert_eq!(counted((1, 2), Scope::default()).await, second);
    assert_eq!(counted((2, 3), Scope::default()).await, "");
    assert_eq!(counted((0, 2), of_source("cloud")).await, first);
    assert_eq!(counted((0, 2), of_owner("acme")).await, "second/failed/1");
}

async fn an_error_exists_once_a_message_failed_with_it(subject: Subject) {
    let exists = async |error: &str| {
        let error = error.to_owned();
        subject.read(ErrorExistsQuery { error }).await
    };
    assert!(!exists("meta:131026").await);
    subject.commit(vec![failed("a", 131_026)]).await;
    for (error, is_known) in [
        ("meta:131026", true),
        ("131026", true),
        ("meta:131047", false),
        ("131047", false),
        ("other:131026", false),
    ] {
        assert_eq!(exists(error).await, is_known, "{error}");
    }
}

/// Numbers that no provider's catalogue has.
const UNKNOWN: [i64; 2] = [999_998, 999_999];

impl Subject {
    /// All that is found, page by page, and on how many pages.
    async fn unknown_errors(&self) -> (Vec<UnknownError>, usize) {
        let (mut found, mut pages): (Vec<UnknownError>, usize) = (Vec::new(), 0);
        let mut behind = None;
        loop {
            let page = self.read(UnknownErrorQuery { behind }).await;
            assert_eq!(page.next, page.reached.map(|reached| reached.place));
            pages += 1;
            for error in page.rows {
                let mut known = found.iter_mut();
                match known.find(|known| known.error_key == error.error_key) {
                    Some(known) => known.absorb(&error),
                    None => found.push(error),
                }
            }
            behind = page.next;
            if behind.is_none() {
                return (found, pages);
            }
        }
    }
}

async fn errors_without_an_explanation_are_counted_the_most_frequent_first(subject: Subject) {
    let [rare, frequent] = UNKNOWN;
    subject
        .commit(vec![
            failed("a", rare),
            failed("b", frequent),
            failed("c", 131_026),
        ])
        .await;
    subject.advance(SECOND_MS);
    // An error counts wherever it stands among those of a report.
    let second_error = report_with(("d", Status::Failed, 0), |report| {
        report.errors.extend([error(131_026), error(frequent)]);
    });
    subject.commit(vec![second_error]).await;
    let (found, pages) = subject.unknown_errors().await;
    assert_eq!(pages, 1);
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.code, it.reports, it.first_seen_ms, it.last_seen_ms))
        .collect();
    let expected = [
        (Some(frequent), 2, START_MS, START_MS + SECOND_MS),
        (Some(rare), 1, START_MS, START_MS),
    ];
    assert_eq!(found, expected);
}

/// Each search is a step further, however short its time.
async fn a_search_that_is_out_of_time_says_how_far_it_came_and_goes_on_from_there(
    mut subject: Subject,
) {
    const REPORTS: u64 = 900;
    let [code, _] = UNKNOWN;
    let failures = (0..REPORTS).map(|number| failed(&format!("m{number}"), code));
    subject.commit(failures.collect()).await;
    subject.options.list_budget = Duration::ZERO;
    let subject = subject.opened_again().await;
    let (found, _) = subject.unknown_errors().await;
    let found: Vec<_> = found.iter().map(|it| (it.code, it.reports)).collect();
    assert_eq!(found, [(Some(code), REPORTS)], "none twice, none left out");
}

impl Subject {
    /// The webhooks, the newest first.
    pub(super) async fn webhooks(&self) -> Vec<WebhookRecord> {
        let query = WebhookQuery {
            window: Window::newest(10),
            ..WebhookQuery::default()
        };
        self.read(query).await.rows
    }
}

async fn a_webhook_has_the_reports_that_it_brought_first(subject: Subject) {
    subject.subscriber("crm").await;
    let sent = || report("a", Status::Sent, 1);
    let of_other = || report("b", Status::Sent, 2);
    let delivered = report("a", Status::Delivered, 3);
    subject.commit(vec![sent(), of_other()]).await;
    subject.commit(vec![sent(), delivered]).await;
    subject.commit(vec![of_other()]).await;
    let mut found = Vec::new();
    for webhook in subject.webhooks().await {
        let reports = subject.read(WebhookReportQuery { webhook }).await;
        assert!(reports.iter().all(|report| report.forwards.len() == 1));
        let seconds = reports.iter().map(second);
        found.push(seconds.collect::<Vec<_>>());
    }
    assert_eq!(found, [vec![], vec![3], vec![1, 2]], "the newest first");
}

/// For how many seconds after the start it is reported.
fn second(report: &ReportRecord) -> i64 {
    (report.at_ms() - START_MS) / SECOND_MS
}

async fn a_webhook_is_unseen_out_of_the_scope_and_once_it_is_gone(subject: Subject) {
    let first = subject.commit(vec![report("a", Status::Sent, 0)]).await;
    subject.advance(SECOND_MS);
    let second = subject
        .commit_by("second", vec![report("a", Status::Sent, 0)])
        .await;
    let [first, second] = [first.webhook_id, second.webhook_id];
    let unseen = async |webhook_ids, scope| {
        let query = UnseenWebhookQuery { webhook_ids, scope };
        subject.read(query).await
    };
    let both = || vec![first, second];
    assert_eq!(unseen(both(), Scope::default()).await, None);
    assert_eq!(unseen(both(), of_source("cloud")).await, Some(second));
    assert_eq!(unseen(both(), of_source("second")).await, Some(first));
    assert_eq!(unseen(vec![second], of_source("second")).await, None);
    assert_eq!(unseen(Vec::new(), Scope::default()).await, None);
    let prune = PruneStep {
        what: Prunable::Webhooks,
        before_ms: subject.now_ms(),
        behind: None,
    };
    assert_eq!(subject.step(prune).await.removed, 1);
    assert_eq!(unseen(both(), Scope::default()).await, Some(first));
}

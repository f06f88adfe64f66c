//! Broadcasts and their polls: what is listed, counted and looked up of them.

use super::filters::{of_owner, of_source};
use super::intake::registering;
use super::{SECOND_MS, START_MS, Subject, arrival, each_engine, error, report, report_with};
use crate::model::{Report, Status};
use crate::providers::{Item, Provider};
use crate::store::change::OpenPoll;
use crate::store::poll::{PollCounts, PollGaveUp, PollOverview, PollRecord, PollState};
use crate::store::query::{
    BroadcastDetail, BroadcastDetailQuery, BroadcastQuery, KnownReportQuery, ListPlace,
    OpenPollQuery, PollOverviewQuery, PollQuery, ReportName, Scope, UnreportedQuery, Window,
};
use crate::store::step::{CountPoll, SettlePoll};
use crate::store::{Arrival, Registering, Registrations};

each_engine!(
    a_broadcast_counts_its_messages_of_one_source_by_how_they_ended,
    a_broadcast_shows_its_messages_page_by_page_in_the_order_of_arrival,
    a_list_of_polls_has_those_of_its_source_and_an_overview_counts_them,
    open_polls_are_found_by_due_time_and_no_more_than_the_limit,
    the_counts_of_a_poll_are_kept_and_change_nothing_else_of_it,
    a_message_of_a_broadcast_is_unreported_until_it_is_more_than_queued,
    a_report_is_known_where_reading_it_again_changes_nothing,
);

/// A report of a message of that broadcast.
fn of_broadcast(broadcast: &str, message: &str, status: Status) -> Item {
    report_with((message, status, 0), |report| {
        report.broadcast = Some(broadcast.to_owned());
        if status == Status::Failed {
            report.errors.push(error(131_026));
        }
    })
}

impl Subject {
    /// One message a second. One source has two broadcasts, another one has one. The last message
    /// is in none.
    async fn six_messages(&self) {
        for (source, broadcast, message, status) in [
            ("cloud", "spring", "a", Status::Sent),
            ("cloud", "summer", "b", Status::Read),
            ("second", "spring", "c", Status::Delivered),
            ("cloud", "spring", "d", Status::Failed),
            ("cloud", "spring", "e", Status::Delivered),
        ] {
            let report = of_broadcast(broadcast, message, status);
            self.commit_by(source, vec![report]).await;
            self.advance(SECOND_MS);
        }
        self.commit(vec![report("f", Status::Sent, 0)]).await;
    }

    async fn broadcasts_by(&self, source: Option<&str>, scope: Scope) -> Vec<String> {
        let query = BroadcastQuery {
            source: source.map(str::to_owned),
            scope,
            window: Window::newest(10),
        };
        let rows = self.read(query).await.rows.into_iter();
        let names = rows.map(|row| format!("{}/{}", row.source, row.id));
        names.collect()
    }

    async fn spring(&self, source: Option<&str>, behind: Option<ListPlace>) -> BroadcastDetail {
        let query = BroadcastDetailQuery {
            id: "spring".to_owned(),
            source: source.map(str::to_owned),
            scope: Scope::default(),
            window: Window { behind, limit: 2 },
        };
        self.read(query).await
    }
}

async fn a_broadcast_counts_its_messages_of_one_source_by_how_they_ended(subject: Subject) {
    subject.partner().await;
    subject.six_messages().await;
    let all = ["second/spring", "cloud/summer", "cloud/spring"];
    assert_eq!(subject.broadcasts_by(None, Scope::default()).await, all);
    for (source, scope, expected) in [
        (Some("cloud"), Scope::default(), &all[1..]),
        (Some("none"), Scope::default(), &all[..0]),
        (None, of_source("second"), &all[..1]),
        (Some("cloud"), of_source("second"), &all[..0]),
        (None, of_owner("acme"), &all[..1]),
    ] {
        let found = subject.broadcasts_by(source, scope).await;
        assert_eq!(found, expected, "{source:?}");
    }
    let mut broadcasts = subject.spring(None, None).await.broadcasts;
    broadcasts.sort_by(|one, other| one.source.cmp(&other.source));
    let found = broadcasts.iter().map(|it| {
        let counts = it.counts;
        let ended = (counts.success, counts.failure);
        (it.source.as_str(), counts.total, ended, counts.pending)
    });
    let expected = [("cloud", 3, (1, 1), 1), ("second", 1, (1, 0), 0)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(
        (
            broadcasts[0].first_report_at_ms,
            broadcasts[0].last_report_at_ms
        ),
        (START_MS, START_MS + 4 * SECOND_MS)
    );
}

async fn a_broadcast_shows_its_messages_page_by_page_in_the_order_of_arrival(subject: Subject) {
    subject.six_messages().await;
    let several = subject.spring(None, None).await;
    assert!(several.messages.rows.is_empty(), "it is not said of which");
    let (mut found, mut behind) = (Vec::new(), None);
    loop {
        let detail = subject.spring(Some("cloud"), behind).await;
        assert_eq!(detail.broadcasts.len(), 1);
        let page = detail.messages;
        assert!(page.rows.len() <= 2);
        found.extend(page.rows);
        behind = page.next;
        if behind.is_none() {
            break;
        }
        // What comes meanwhile comes last.
        let more = of_broadcast("spring", "g", Status::Queued);
        subject.commit(vec![more]).await;
    }
    let ids = found.iter().map(|row| row.provider_message_id.as_deref());
    let expected = ["a", "d", "e", "g"].map(Some);
    assert_eq!(ids.collect::<Vec<_>>(), expected);
    assert_eq!(found[1].status, Some(Status::Failed));
    let key = found[1].error.as_ref().map(|error| &*error.error_key);
    assert_eq!(key, Some("meta:131026"));
}

impl Subject {
    async fn poll(&self, source: &str, broadcast: &str) -> PollRecord {
        let open = OpenPoll {
            source: source.into(),
            provider: Provider::Botsquad,
            broadcast: broadcast.to_owned(),
        };
        self.make(open).await
    }

    async fn settle_poll(&self, poll: PollRecord) {
        let was_due_ms = self.now_ms();
        self.step(SettlePoll { poll, was_due_ms }).await;
    }

    async fn polls_by(&self, source: Option<&str>) -> Vec<PollRecord> {
        let query = PollQuery {
            source: source.map(str::to_owned),
            window: Window::newest(10),
        };
        self.read(query).await.rows
    }
}

async fn a_list_of_polls_has_those_of_its_source_and_an_overview_counts_them(subject: Subject) {
    let failing = PollRecord {
        failures: 1,
        error_code: Some("http".to_owned()),
        error_detail: Some("it answered 500".to_owned()),
        ..subject.poll("bots", "failing").await
    };
    let done = PollRecord {
        state: PollState::Done,
        answered_at_ms: Some(START_MS),
        ..subject.poll("bots", "done").await
    };
    let gone = PollRecord {
        state: PollState::GaveUp,
        gave_up: Some(PollGaveUp::Gone),
        ..subject.poll("bots", "gone").await
    };
    for poll in [&failing, &done, &gone] {
        subject.settle_poll(poll.clone()).await;
    }
    let open = subject.poll("bots", "open").await;
    let other = subject.poll("others", "open").await;
    let of_bots = [&open, &gone, &done, &failing].map(Clone::clone);
    assert_eq!(subject.polls_by(Some("bots")).await, of_bots);
    assert_eq!(subject.polls_by(Some("others")).await, [other]);
    assert!(subject.polls_by(Some("none")).await.is_empty());
    assert_eq!(subject.polls_by(None).await.len(), 5);
    let overview = subject.read(PollOverviewQuery).await;
    let of_bots = PollOverview {
        source: "bots".to_owned(),
        open: 2,
        failing: 1,
        done: 1,
        gave_up: 1,
        answered_at_ms: Some(START_MS),
        trouble: Some(("http".to_owned(), "it answered 500".to_owned())),
    };
    let of_others = PollOverview {
        source: "others".to_owned(),
        open: 1,
        ..PollOverview::default()
    };
    assert_eq!(overview, [of_bots, of_others]);
}

async fn open_polls_are_found_by_due_time_and_no_more_than_the_limit(subject: Subject) {
    for (broadcast, second) in [("third", 3), ("first", 1), ("fourth", 4), ("second", 2)] {
        let mut poll = subject.poll("bots", broadcast).await;
        poll.due_at_ms = START_MS + second * SECOND_MS;
        subject.settle_poll(poll).await;
    }
    let mut done = subject.poll("bots", "done").await;
    done.state = PollState::Done;
    subject.settle_poll(done).await;
    subject.poll("others", "open").await;
    let open = async |limit| {
        let source = "bots".to_owned();
        let found = subject.read(OpenPollQuery { source, limit }).await;
        let found = found.into_iter().map(|poll| poll.broadcast);
        found.collect::<Vec<_>>()
    };
    assert_eq!(open(10).await, ["first", "second", "third", "fourth"]);
    assert_eq!(open(2).await, ["first", "second"]);
}

/// Taken twice, the step leaves the same.
async fn the_counts_of_a_poll_are_kept_and_change_nothing_else_of_it(subject: Subject) {
    let other = subject.poll("bots", "other").await;
    let poll = subject.poll("bots", "b-1").await;
    let counts = PollCounts {
        total: Some(9),
        success: Some(3),
        failure: Some(1),
        pending: Some(5),
    };
    let counted = PollRecord {
        counts,
        ..poll.clone()
    };
    for _ in 0..2 {
        let poll_id = poll.poll_id;
        subject.step(CountPoll { poll_id, counts }).await;
        let polls = subject.polls_by(None).await;
        assert_eq!(polls, [counted.clone(), other.clone()]);
    }
}

async fn a_message_of_a_broadcast_is_unreported_until_it_is_more_than_queued(subject: Subject) {
    let register = |message: &str, broadcast: &str| {
        let mut registering = Registering {
            source: "bots".into(),
            provider: Provider::Botsquad,
            ..registering(message)
        };
        registering.registration.broadcast = Some(broadcast.to_owned());
        registering
    };
    let messages = vec![
        register("a", "b-1"),
        register("b", "b-1"),
        register("c", "b-2"),
    ];
    let registered = subject.store.commit(Registrations { messages }).await;
    assert_eq!(registered.unwrap().len(), 3);
    let unreported = |source: &str, broadcast: &str| {
        let (source, broadcast) = (source.to_owned(), broadcast.to_owned());
        subject.read(UnreportedQuery { source, broadcast })
    };
    assert_eq!(unreported("bots", "b-1").await, 2);
    subject
        .commit_by("cloud", vec![of_broadcast("b-1", "a", Status::Sent)])
        .await;
    assert_eq!(unreported("bots", "b-1").await, 2, "of another source");
    let [sent, queued] = [("a", Status::Sent), ("b", Status::Queued)]
        .map(|(message, status)| of_broadcast("b-1", message, status));
    let answer = Arrival {
        source: "bots".into(),
        provider: Provider::Botsquad,
        ..arrival(subject.now_ms(), vec![sent, queued])
    };
    subject.store.commit(answer).await.unwrap();
    assert_eq!(unreported("bots", "b-1").await, 1);
    assert_eq!(unreported("bots", "b-2").await, 1);
    assert_eq!(unreported("bots", "b-3").await, 0);
}

fn name_of(item: &Item, has_status: bool) -> ReportName {
    let Item::Report(report) = item else {
        panic!("{item:?} is no report");
    };
    ReportName {
        message: report.message.clone().unwrap(),
        identity: report.identity().0,
        has_status,
    }
}

/// One that has a status by now is read again where it had none.
async fn a_report_is_known_where_reading_it_again_changes_nothing(subject: Subject) {
    let sent = || report("a", Status::Sent, 0);
    let click = || report_with(("b", Status::Sent, 0), without_status);
    let names = vec![
        name_of(&report("a", Status::Read, 1), true),
        name_of(&sent(), true),
        name_of(&sent(), false),
        name_of(&click(), true),
        name_of(&click(), false),
        name_of(&report("c", Status::Sent, 0), true),
    ];
    subject.commit(vec![sent(), click()]).await;
    for (source, expected) in [
        ("cloud", [false, true, true, false, true, false]),
        ("second", [false; 6]),
    ] {
        let query = KnownReportQuery {
            source: source.to_owned(),
            reports: names.clone(),
        };
        assert_eq!(subject.read(query).await, expected, "{source}");
    }
}

fn without_status(report: &mut Report) {
    report.status = None;
}

//! How a broadcast is counted, as [`MessageProgress`] states it.

use std::collections::BTreeSet;

use super::{START_MS, Subject, arrival, each_engine, report};
use crate::model::{Status, Word as _};
use crate::plan::{BroadcastCounts, MessageProgress};
use crate::providers::{Item, Provider};
use crate::store::Arrival;
use crate::store::query::{BroadcastDetailQuery, Scope, Window};

each_engine!(a_broadcast_is_counted_by_how_far_each_of_its_messages_is);

async fn a_broadcast_is_counted_by_how_far_each_of_its_messages_is(subject: Subject) {
    let statuses = || Status::ALL.iter().copied().map(Some).chain([None]);
    for provider in [Provider::MetaCloud, Provider::Botsquad] {
        let source = provider.as_str();
        let of_broadcast = |status: Option<Status>| {
            let mut item = report(&format!("{status:?}"), Status::Sent, 0);
            if let Item::Report(report) = &mut item {
                report.status = status;
                report.broadcast = Some("spring".to_owned());
            }
            item
        };
        let items = statuses().map(of_broadcast).collect();
        let arrival = Arrival {
            source: source.into(),
            provider,
            ..arrival(START_MS, items)
        };
        subject.store.commit(arrival).await.unwrap();
        let query = BroadcastDetailQuery {
            id: "spring".to_owned(),
            source: Some(source.to_owned()),
            scope: Scope::default(),
            window: Window::newest(10),
        };
        let detail = subject.store.read(query).await.unwrap();
        let found = detail.messages.rows.iter().map(|message| message.status);
        let found: BTreeSet<_> = found.collect();
        assert_eq!(found, statuses().collect());
        let mut expected = BroadcastCounts::default();
        for status in statuses() {
            expected.total += 1;
            let ends_at_sent = provider.definition().ends_at_sent;
            match MessageProgress::of(status, ends_at_sent) {
                MessageProgress::Success => expected.success += 1,
                MessageProgress::Failure => expected.failure += 1,
                MessageProgress::Pending => expected.pending += 1,
            }
        }
        assert_eq!(detail.broadcasts[0].counts, expected, "{source}");
    }
}

//! How a list is read page by page.

use super::{Subject, each_engine, report};
use crate::model::Status;
use crate::store::query::{ListPlace, MessageQuery, Window};

each_engine!(a_list_goes_on_behind_its_last_row_and_ends_with_no_next);

impl Subject {
    /// The ids on a page of two messages, and the place behind which the next page begins.
    async fn page(&self, behind: Option<ListPlace>) -> (Vec<String>, Option<ListPlace>) {
        let query = MessageQuery {
            window: Window { behind, limit: 2 },
            ..MessageQuery::default()
        };
        let listing = self.store.read(query).await.unwrap();
        assert_eq!(listing.reached, None);
        let rows = listing.rows.into_iter();
        let ids = rows.filter_map(|row| row.provider_message_id);
        (ids.collect(), listing.next)
    }
}

async fn a_list_goes_on_behind_its_last_row_and_ends_with_no_next(subject: Subject) {
    assert_eq!(subject.page(None).await, (Vec::new(), None));
    for id in ["a", "b", "c", "d"] {
        subject.commit(vec![report(id, Status::Sent, 0)]).await;
    }
    let (ids, next) = subject.page(None).await;
    assert_eq!(ids, ["d", "c"]);
    // What comes meanwhile moves nothing, and a place that was shown is read as the same.
    subject.commit(vec![report("e", Status::Sent, 0)]).await;
    let read: ListPlace = next.unwrap().to_string().parse().unwrap();
    assert_eq!(Some(read), next);
    let (ids, next) = subject.page(next).await;
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(next, None, "the last page is full, and nothing is left");
}

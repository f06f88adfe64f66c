//! After a loss the store acknowledges nothing, and ends nothing but itself.

use std::sync::Arc;

use tempfile::TempDir;

use super::changes::Changing;
use super::loss::{CUT, UNSYNCED};
use crate::access::Role;
use crate::access::token::NewToken;
use crate::clock::Clock;
use crate::store::change::InsertToken;
use crate::store::{ChangeRecord, Error, Loss, Options, Store};

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::of_test(folder.path());
    let store = Store::open(&options, Clock::system(), Arc::default()).unwrap();
    (folder, store)
}

/// Nothing is begun any more, and the end says why.
async fn check_lost(store: &Store, loss: Loss) {
    assert_eq!(store.lost().await, loss);
    let refused = store.sqlite().writer.refuse_early();
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    let begun = store
        .sqlite()
        .run(|_| -> Result<(), Error> { panic!("it was begun") });
    let begun = begun.await;
    assert!(
        matches!(begun, Err(Error::Closed | Error::Unconfirmed)),
        "{begun:?}"
    );
    assert!(!store.health().commit_ok);
    assert_eq!(store.close().await, Err(loss));
}

#[tokio::test]
async fn what_was_under_way_at_a_loss_is_not_acknowledged_and_nothing_is_begun_after_it() {
    let (_folder, store) = open();
    // The control: without a loss it is.
    store.sqlite().run(|_| Ok(())).await.unwrap();
    assert!(store.health().commit_ok);
    let report = |core: &mut super::writer::Core| {
        core.shared.loss.report(UNSYNCED);
        core.shared.loss.report(CUT);
        Ok(())
    };
    let answer = store.sqlite().run(report).await;
    assert!(matches!(answer, Err(Error::Unconfirmed)), "{answer:?}");
    check_lost(&store, UNSYNCED).await;
}

#[tokio::test]
async fn a_writer_that_panics_leaves_its_asker_in_doubt_and_the_process_alone() {
    let (_folder, store) = open();
    let answer = store
        .sqlite()
        .run(|_| -> Result<(), Error> { panic!("a bug") });
    let answer = answer.await;
    assert!(matches!(answer, Err(Error::Unconfirmed)), "{answer:?}");
    check_lost(&store, Loss::Panicked).await;
}

#[tokio::test]
async fn tokens_that_cannot_be_read_after_a_change_admit_no_client() {
    let (_folder, store) = open();
    let token = NewToken {
        name: "admin".to_owned(),
        role: Role::Admin,
        owner: None,
        sources: Vec::new(),
        expires_at_ms: None,
    };
    let insert = InsertToken { new: token };
    let made = store.change(insert, |(_, text)| (text, ChangeRecord::default()));
    let text = made.await.unwrap();
    assert!(store.find_token(&text).is_some());
    let change = |changing: &mut Changing<'_>| {
        let sql = "ALTER TABLE token RENAME COLUMN role TO gone";
        changing.connection.execute_batch(sql).unwrap();
        changing.after.tokens();
        Ok(())
    };
    let changed = store
        .sqlite()
        .run(move |core| core.conduct(change, |()| ((), ChangeRecord::default())));
    let changed = changed.await;
    assert!(matches!(changed, Err(Error::Unconfirmed)), "{changed:?}");
    assert!(store.find_token(&text).is_none());
    check_lost(&store, Loss::Tokens).await;
}

#[tokio::test]
async fn a_store_that_ends_well_says_so() {
    let (_folder, store) = open();
    assert_eq!(store.close().await, Ok(()));
}

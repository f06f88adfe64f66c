//! The power goes while the service runs: whatever the disk makes of what was not synced, the
//! store opens, is intact, and holds every webhook that was answered 200 before that moment.
//!
//! The true service runs with a library beneath it (`tests/shim/record.c`) that writes down
//! each write, sync and change of a name in the folder of its store, and each HTTP answer as
//! it leaves, in one order. From this record the files are built as they may be found at any
//! moment: what a sync covered is there; of the rest, writes are lost, kept out of order, or
//! torn at sectors of 512 bytes. The recorder is checked too: replayed in full, the record
//! makes the very files that are there.
//!
//! What this proves: the service asks for each sync that its answers rely on, on the right
//! file and before the answer, and recovers from anything that the lack of a sync allows.
//!
//! What it does not prove: that the disk does what a sync asks (one that lies about its cache
//! loses what it likes, as the last test shows), that a sector is written whole or not at all,
//! that what a disk holds stays readable, and that the file system keeps its own promises.
//! Names change in the order in which they were changed, as on ext4, XFS and Btrfs.
//!
//! `POWER_CUTS=1000` asks for more cuts.

mod checker;
mod disk;
mod record;
mod trial;

use checker::Fault;
use disk::Syncs;
use trial::{Plan, Trial};

use crate::support::shim;

/// Cuts in the test suite.
const CUTS: usize = 50;

#[allow(
    clippy::disallowed_methods,
    reason = "the one setting of these tests that comes from the environment"
)]
fn plan() -> Plan {
    let cuts = std::env::var("POWER_CUTS").map_or(CUTS, |cuts| cuts.parse().unwrap());
    Plan {
        // Enough for several checkpoints.
        webhooks: if cuts > CUTS { 4_000 } else { 1_200 },
        durability: "full",
        syncs: Syncs::Count,
        cuts,
    }
}

#[actix_web::test]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let library = shim::library();
    let faults = Trial::run(plan(), library).await.cut().await;
    assert!(faults.is_empty(), "{faults:?}");
}

#[actix_web::test]
async fn a_store_that_leaves_syncs_to_the_system_is_caught_losing_but_stays_whole() {
    let library = shim::library();
    let plan = Plan {
        durability: "os",
        cuts: CUTS,
        ..plan()
    };
    let faults = Trial::run(plan, library).await.cut().await;
    assert!(faults.count(Fault::Lost) > 0, "{faults:?}");
    assert_eq!(faults.count(Fault::Corrupt), 0, "{faults:?}");
    assert_eq!(faults.count(Fault::Closed), 0, "{faults:?}");
}

/// Fails unless cuts of a service whose syncs came to nothing lose and corrupt.
async fn check_caught(syncs: Syncs) {
    let plan = Plan {
        syncs,
        cuts: CUTS,
        ..plan()
    };
    let faults = Trial::run(plan, shim::library()).await.cut().await;
    assert!(faults.count(Fault::Lost) > 0, "{faults:?}");
    let broken = faults.count(Fault::Corrupt) + faults.count(Fault::Closed);
    assert!(broken > 0, "{faults:?}");
}

#[actix_web::test]
async fn a_disk_that_ignores_syncs_is_caught_losing_and_corrupting() {
    check_caught(Syncs::AreIgnored).await;
}

#[actix_web::test]
async fn a_service_that_omits_its_syncs_is_caught_losing_and_corrupting() {
    check_caught(Syncs::AreOmitted).await;
}

//! What the world does to a service: a disk that is full, read-only, damaged or does not sync,
//! a clock that jumps, names that do not resolve, subscribers and clients that mean harm.
//!
//! Expected of each: no webhook is answered 200 that is not stored, the process neither ends
//! nor grows without bound, nobody else suffers, and once the fault is gone all is as before,
//! without hands. Where a check could pass because nothing happened, a control shows that it
//! would not.
//!
//! `FAULTS=long` asks for ten thousand connections instead of one to three thousand, for damage to
//! every page of a store instead of each table's and index's first, for a backlog that is
//! larger than a lane's memory, for more webhooks on a failing disk, and for more jumps.

mod amplified;
mod bodies;
mod clients;
mod clock;
mod connections;
mod cut;
mod disk;
mod displaced;
mod files;
mod held;
mod jumps;
mod pages;
mod stops;
mod subscribers;
mod unbounded;

/// What the service may hold under every fault, in bytes.
const MEMORY: usize = 256 * 1024 * 1024;

/// Whether the long form is requested.
#[allow(
    clippy::disallowed_methods,
    reason = "the one setting of these tests that comes from the environment"
)]
fn is_long() -> bool {
    std::env::var("FAULTS").is_ok_and(|form| form == "long")
}

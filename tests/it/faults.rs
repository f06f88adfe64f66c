//! What the world does to a service: a disk that is full, read-only, damaged or does not sync,
//! a clock that jumps, names that do not resolve, subscribers and clients that mean harm.
//!
//! Expected of each: no webhook is answered 200 that is not stored, the process neither ends
//! nor grows without bound, nobody else suffers, and once the fault is gone all is as before,
//! without hands. Where a check could pass because nothing happened, a control shows that it
//! would not.
//!
//! `FAULTS=long` asks for ten times as many idle connections.

mod clients;
mod clock;
mod disk;
mod subscribers;

/// What the service may hold under every fault, in bytes.
const MEMORY: usize = 256 * 1024 * 1024;

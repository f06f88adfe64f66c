//! Invented traffic: signed webhooks of messages that never were, the load that they make, the demo.
//!
//! For looking at the service, testing an endpoint or sizing a machine, and for the benchmark.
//! [`TrafficGenerator`] is pure: the same seed gives the same webhooks, and [`load`] sends them. So is
//! `history`, of weeks that are past, and `fill` takes it into a new store. Nothing here is part of the
//! line that a true webhook takes.

pub(crate) mod bodies;
pub(crate) mod demo;
pub(crate) mod fill;
pub(crate) mod history;
mod http;
pub mod load;
mod message;
mod traffic;

pub use http::{Connection, Incoming};
pub use message::{InventedMessage, Tick};
pub use traffic::{Mishaps, Scenario, TrafficGenerator, Webhook};

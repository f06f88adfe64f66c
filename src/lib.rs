//! tickrelay relays the ticks of WhatsApp messages from the providers to your systems.
//!
//! The line through the house, in reading order: [`config`] says who may send, a webhook's
//! bytes come in over [`web`], [`ingest`] hands them to the one of [`providers`] that says what
//! they mean, [`store`] writes them down with what [`mod@plan`] makes of them, and [`forward`]
//! sends the pending forwards. [`catalogue`] knows what an error means in plain words, [`clock`]
//! gives the time, [`server`] builds the whole, and [`admin`] holds the operator's requests.
//! [`access`] holds roles and permissions, [`duties`] are the loops beside the line, and [`cli`] is
//! the command line. [`play`] invents traffic for demos, tests and measurements.

pub mod access;
pub mod admin;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod duties;
pub mod files;
pub mod forward;
pub mod ingest;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod play;
pub mod providers;
pub mod server;
pub mod store;
pub mod web;

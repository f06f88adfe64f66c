//! tickrelay relays the ticks of WhatsApp messages from the providers to your systems.
//!
//! The line through the house, in reading order: [`config`] says which sources may send, and a
//! webhook's bytes come in over [`web`]. [`ingest`] hands them to the one of [`providers`] that
//! says what they mean. [`store`] writes them down with what [`mod@plan`] makes of them, and
//! [`forward`] sends the pending forwards. All of them share the nouns of [`model`].
//!
//! Beside the line, [`catalogue`] explains errors in plain words, [`clock`] gives the time,
//! [`files`] bounds the open files, and [`metrics`] counts. [`access`] holds roles and permissions,
//! [`admin`] the operator's requests, and [`duties`] the loops. [`server`] builds the whole, and
//! [`cli`] is the command line. [`play`] invents traffic for demos, tests and measurements.

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

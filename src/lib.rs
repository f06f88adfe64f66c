//! tickrelay relays the ticks of WhatsApp messages from the providers to your systems.
//!
//! The line through the house, in reading order: [`config`] says who may send, a webhook's
//! bytes come in over [`web`], [`receive`] hands them to the [`provider`] that says what they
//! mean, [`store`] writes them down with what [`mod@plan`] makes of them, and [`forward`] sends
//! on what is owed. [`catalogue`] knows what an error means in plain words, [`clock`] tells the
//! time, [`server`] builds the whole, [`operations`] is what an operator may ask of it,
//! [`access`] says who may, [`replay`] sends again what is to be, [`watch`] tells what is wrong with it, and
//! [`cli`] is how people ask. [`simulate`] plays the providers for those who test or measure.

pub mod access;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod files;
pub mod forward;
pub mod housekeeping;
pub mod metrics;
pub mod model;
pub mod operations;
pub mod plan;
pub mod poll;
pub mod provider;
pub mod receive;
pub mod replay;
pub mod server;
pub mod simulate;
pub mod store;
pub mod watch;
pub mod web;

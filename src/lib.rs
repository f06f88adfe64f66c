//! tickrelay relays the ticks of WhatsApp messages from the providers to whoever needs them.
//!
//! The line through the house, in reading order: [`config`] says who may send, a webhook's
//! bytes come in, [`provider`] says what they mean, [`catalogue`] what an error means in plain
//! words, and [`forward`] sends on what is owed. [`clock`] tells the time.

pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod forward;
pub mod model;
pub mod provider;

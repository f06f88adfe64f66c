//! Answers as a Botsquad-like API might give them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tickrelay::providers::Provider;

fuzz_target!(|body: &[u8]| tickrelay_fuzz::parse(Provider::Botsquad, body));

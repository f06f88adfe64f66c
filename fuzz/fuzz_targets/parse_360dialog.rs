//! Bodies as 360dialog might send them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tickrelay::providers::Provider;

fuzz_target!(|body: &[u8]| tickrelay_fuzz::parse(Provider::Dialog360, body));

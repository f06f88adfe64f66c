//! The name of a provider, a line feed, a body as it might send it. Without a name every provider
//! reads it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tickrelay::providers::Provider;

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == b'\n');
    let (name, body) = data.split_at(at.unwrap_or_default());
    let named = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    match named {
        Some(provider) => tickrelay_fuzz::parse(provider, &body[1..]),
        None => Provider::ALL
            .into_iter()
            .for_each(|provider| tickrelay_fuzz::parse(provider, data)),
    }
});

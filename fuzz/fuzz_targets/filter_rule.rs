//! A rule of a filter as an operator types it: what is read is written and read again as the
//! same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tickrelay::model::Rule;

fuzz_target!(|text: &str| {
    if let Ok(rule) = text.parse::<Rule>() {
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
});

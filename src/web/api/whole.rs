//! Whole numbers with the range that they truly have, so that an error names that range.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(Within)
    }
}

struct Within<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Within<LEAST, MOST> {
    type Value = Whole<LEAST, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        let fits = u32::try_from(number).ok();
        fits.filter(|number| (LEAST..=MOST).contains(number))
            .map(Whole)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::Whole;

    #[test]
    fn a_number_out_of_its_range_is_refused_with_the_range() {
        let read = |value| from_value::<Whole<1, 256>>(value);
        assert_eq!(read(json!(1)).unwrap().0, 1);
        assert_eq!(read(json!(256)).unwrap().0, 256);
        for wrong in [
            json!(0),
            json!(257),
            json!(-1),
            json!(70_000),
            json!(u64::MAX),
            json!(1.5),
            json!("5"),
            json!(null),
        ] {
            let error = read(wrong.clone()).unwrap_err().to_string();
            assert!(
                error.ends_with("expected a whole number from 1 to 256"),
                "{wrong}: {error}"
            );
        }
    }
}

//! Whole numbers with the range that they truly have, so that an error names that range.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::quoted;

/// A whole number from `LEAST` to `MOST`, which is `USUAL` where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Whole<const LEAST: u32, const MOST: u32, const USUAL: u32 = LEAST>(u32);

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> Whole<LEAST, MOST, USUAL> {
    /// The number of the range that is nearest.
    #[must_use]
    pub fn nearest(number: u32) -> Self {
        Self(number.clamp(LEAST, MOST))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> Default for Whole<LEAST, MOST, USUAL> {
    fn default() -> Self {
        Self::nearest(USUAL)
    }
}

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> fmt::Display
    for Whole<LEAST, MOST, USUAL>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> FromStr for Whole<LEAST, MOST, USUAL> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(LEAST..=MOST)(text).map(Self)
    }
}

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> PartialSchema
    for Whole<LEAST, MOST, USUAL>
{
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        number.minimum(Some(LEAST)).maximum(Some(MOST)).into()
    }
}

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> ToSchema for Whole<LEAST, MOST, USUAL> {
    fn name() -> Cow<'static, str> {
        format!("WholeFrom{LEAST}To{MOST}").into()
    }
}

impl<const LEAST: u32, const MOST: u32, const USUAL: u32> From<Whole<LEAST, MOST, USUAL>> for u32 {
    fn from(Whole(number): Whole<LEAST, MOST, USUAL>) -> Self {
        number
    }
}

/// The largest there is for a number that is larger.
impl<const LEAST: u32, const MOST: u32, const USUAL: u32> From<Whole<LEAST, MOST, USUAL>> for u16 {
    fn from(Whole(number): Whole<LEAST, MOST, USUAL>) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }
}

/// The nearest number of the range.
impl<const LEAST: u32, const MOST: u32, const USUAL: u32> From<u32> for Whole<LEAST, MOST, USUAL> {
    fn from(number: u32) -> Self {
        Self::nearest(number)
    }
}

/// The nearest number of the range.
impl<const LEAST: u32, const MOST: u32, const USUAL: u32> From<u16> for Whole<LEAST, MOST, USUAL> {
    fn from(number: u16) -> Self {
        Self::nearest(number.into())
    }
}

/// Reads a whole number within bounds.
pub(crate) fn number<T>(bounds: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                let (low, high) = (bounds.start(), bounds.end());
                format!(
                    "{text} is not a whole number from {low} to {high}",
                    text = quoted(text)
                )
            })
    }
}

impl<'de, const LEAST: u32, const MOST: u32, const USUAL: u32> Deserialize<'de>
    for Whole<LEAST, MOST, USUAL>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_u64(Within::<LEAST, MOST>)
            .map(Self)
    }
}

struct Within<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Within<LEAST, MOST> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        let fits = u32::try_from(number).ok();
        fits.filter(|number| (LEAST..=MOST).contains(number))
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

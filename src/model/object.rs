//! Objects of JSON that are written as objects: serde takes a list of their values for one too.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A field that is an object.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Written::deserialize(deserializer).map(|Written(object)| object)
}

/// A field that is an object, or null.
pub(crate) fn maybe_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let found: Option<Written<T>> = Option::deserialize(deserializer)?;
    Ok(found.map(|Written(object)| object))
}

/// A field that is a list of objects.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let found: Vec<Written<T>> = Vec::deserialize(deserializer)?;
    Ok(found.into_iter().map(|Written(object)| object).collect())
}

/// What was written as an object.
struct Written<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(AsObject(deserializer)).map(Self)
    }
}

/// Requests a map where a struct is wanted.
struct AsObject<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AsObject<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::model::Filter;

    #[test]
    fn a_list_is_no_object() {
        let check = |filter, readable: bool| {
            let read: Result<Filter, _> = serde_json::from_value(filter);
            assert_eq!(read.is_ok(), readable, "{read:?}");
        };
        check(json!({"rules": [{"statuses": ["sent"]}]}), true);
        check(json!({"rules": [[null, ["sent"], []]]}), false);
        check(json!({"rules": [[]]}), false);
        check(json!({"rules": [null]}), false);
    }
}

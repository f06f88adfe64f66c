//! A value of the model as a column has it: a number, a text, or JSON in a text.

use rusqlite::Row;
use rusqlite::types::{Type, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// A value as its column has it.
pub(super) fn cell(value: &impl Serialize) -> rusqlite::Result<Value> {
    let value = serde_json::to_value(value).map_err(unreadable)?;
    Ok(match value {
        Json::Null => Value::Null,
        Json::Bool(is_so) => is_so.into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().into(),
        },
        Json::String(text) => text.into(),
        json => json.to_string().into(),
    })
}

/// What a column holds, as [`cell`] wrote it.
pub(super) fn kept<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let read = match row.get::<_, Value>(column)? {
        Value::Null => serde_json::from_value(Json::Null),
        Value::Integer(number) => serde_json::from_value(number.into())
            .or_else(|error| serde_json::from_value((number != 0).into()).map_err(|_| error)),
        Value::Real(number) => serde_json::from_value(number.into()),
        // What is no text is kept as JSON.
        Value::Text(text) => serde_json::from_value(Json::String(text.clone()))
            .or_else(|error| serde_json::from_str(&text).map_err(|_| error)),
        Value::Blob(_) => {
            return Err(rusqlite::Error::InvalidColumnType(
                0,
                column.to_owned(),
                Type::Blob,
            ));
        }
    };
    read.map_err(unreadable)
}

/// A column that holds something else than it should.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

//! Reading on after a mistake, so that every mistake is reported.
//!
//! A field that is wrong is taken out; one that must be there gets something that it can be read as.
//! What is read so is never carried out: it is only looked through for what else is wrong.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Read, misfit, words};
use crate::admin::Fault;

/// The most faults that one answer names.
const FAULTS: usize = 50;

/// Reads a value again and again, each time without what was wrong, until nothing more is.
pub(super) fn repaired<T: DeserializeOwned>(mut value: Value, mut faults: Vec<Fault>) -> Read<T> {
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    while faults.len() < FAULTS {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(value) => {
                return Read {
                    value: Some(value),
                    faults,
                };
            }
            Err(error) => error,
        };
        let found = misfit(&error);
        let text = error.inner().to_string();
        let place = found.field.clone();
        let is_known = faults.iter().any(|fault| fault.field == place);
        if !is_known {
            faults.push(found);
        }
        if place.is_empty() || tried.len() > 4 * FAULTS {
            break;
        }
        // An optional field is as good as left out; a required one gets what it can be read as.
        // What belongs into an object hangs on its type: without that nothing is said of the rest.
        // A list in its place has that first.
        let typed = place.strip_suffix("/type").or(place.strip_suffix("/0"));
        let taken = match typed {
            Some(object) if text.starts_with("unknown variant") => object,
            _ => &place,
        };
        let removed =
            !text.starts_with("missing field `") && !is_known && remove(&mut value, taken);
        if !removed {
            let attempt = tried.entry(place.clone()).or_default();
            let Some(stand_in) = stand_in(*attempt, &text) else {
                break;
            };
            *attempt += 1;
            if !put(&mut value, &place, stand_in) {
                break;
            }
        }
    }
    Read {
        value: None,
        faults,
    }
}

/// What a field that must be there may be read as.
fn stand_in(attempt: usize, text: &str) -> Option<Value> {
    if let Some(first) = words::expected(text)
        .first()
        .filter(|_| text.starts_with("unknown variant"))
    {
        return (attempt < 8).then(|| json!(first));
    }
    let all = [
        json!("x"),
        json!("1s"),
        json!("2026-01-01T00:00:00Z"),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
    ];
    all.get(attempt).cloned()
}

/// Takes a member out of its object.
fn remove(value: &mut Value, place: &str) -> bool {
    let Some((parent, name)) = place.rsplit_once('/') else {
        return false;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|parent| parent.remove(&name).is_some())
}

/// Writes a member of an object or an element of a list.
fn put(value: &mut Value, place: &str, new: Value) -> bool {
    if let Some(old) = value.pointer_mut(place) {
        *old = new;
        return true;
    }
    let Some((parent, name)) = place.rsplit_once('/') else {
        return false;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|parent| {
        parent.insert(name, new);
        true
    })
}

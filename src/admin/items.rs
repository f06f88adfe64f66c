//! A body of many things: each is read for itself, so that one that cannot be read costs no other.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Fault;

/// Reads one JSON object, or an array: the text of each element, and whether it was one alone.
///
/// # Errors
/// When the text as a whole is no JSON, or more than `most` stand in it.
pub(crate) fn read(bytes: &[u8], most: usize) -> Result<(Vec<String>, bool), Fault> {
    let text = text(bytes)?;
    let no_json = |error: serde_json::Error| super::json::no_json(&error);
    if !text.trim_start().starts_with('[') {
        let whole: &RawValue = serde_json::from_str(text).map_err(no_json)?;
        return Ok((vec![whole.get().to_owned()], true));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let elements = json.deserialize_seq(FirstElements(most)).map_err(no_json)?;
    json.end().map_err(no_json)?;
    let texts = elements.into_iter().map(|element| element.get().to_owned());
    Ok((few(texts, most)?, false))
}

/// Reads one thing a line; blank lines are none.
///
/// # Errors
/// When the text is no UTF-8, or more than `most` stand in it.
pub(crate) fn read_lines(bytes: &[u8], most: usize) -> Result<(Vec<String>, bool), Fault> {
    let lines = text(bytes)?.lines().filter(|line| !line.trim().is_empty());
    Ok((few(lines.map(str::to_owned), most)?, false))
}

/// An array's elements, as far as they are not one too many.
struct FirstElements(usize);

impl<'de> Visitor<'de> for FirstElements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() <= self.0 {
                elements.push(element);
            }
        }
        Ok(elements)
    }
}

/// All of them, unless they are too many to be dealt with at once.
fn few(texts: impl Iterator<Item = String>, most: usize) -> Result<Vec<String>, Fault> {
    let texts: Vec<String> = texts.take(most.saturating_add(1)).collect();
    if texts.len() > most {
        let detail = format!("they are too many: send at most {most} at once");
        return Err(Fault::new("", detail));
    }
    Ok(texts)
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(super::json::no_text)
}

//! A body of many things: each is read for itself, so that one that cannot be read costs no other.

use serde_json::value::RawValue;

use super::Fault;

/// Reads one JSON object, or an array: the text of each element, and whether it was one alone.
///
/// # Errors
/// When the text as a whole is no JSON.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<String>, bool), Fault> {
    let text = text(bytes)?;
    let no_json = |error: serde_json::Error| fault(format!("it is no JSON: {error}"));
    if !text.trim_start().starts_with('[') {
        let whole: &RawValue = serde_json::from_str(text).map_err(no_json)?;
        return Ok((vec![whole.get().to_owned()], true));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(no_json)?;
    let texts = elements.into_iter().map(|element| element.get().to_owned());
    Ok((texts.collect(), false))
}

/// Reads one thing a line; blank lines are none.
///
/// # Errors
/// When the text is no UTF-8.
pub(crate) fn read_lines(bytes: &[u8]) -> Result<(Vec<String>, bool), Fault> {
    let lines = text(bytes)?.lines().filter(|line| !line.trim().is_empty());
    Ok((lines.map(str::to_owned).collect(), false))
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| fault(format!("it is no UTF-8: {error}")))
}

fn fault(detail: String) -> Fault {
    Fault {
        field: String::new(),
        detail,
    }
}

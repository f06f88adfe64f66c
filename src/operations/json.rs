//! Reading JSON that somebody wrote by hand, so that what is wrong is told by its place.

use serde::de::DeserializeOwned;

use super::Fault;

/// Reads a whole text as JSON of that shape.
///
/// # Errors
/// The first field that is not as it must be; `""` for a text that is no JSON.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if inner.classify() != serde_json::error::Category::Data {
            return fault("", format!("it is no JSON: {inner}"));
        }
        let (pointer, detail) = (pointer(error.path()), told(inner));
        // Of a field that is unknown the path ends at the field itself.
        let name = named(&detail).filter(|_| !detail.starts_with("unknown"));
        let name = name.map_or_else(String::new, |name| format!("/{}", escape(name)));
        fault(format!("{pointer}{name}"), detail)
    })?;
    let end = json.end();
    end.map_err(|error| fault("", format!("it is no JSON: {error}")))?;
    Ok(parsed)
}

/// The error without its place, which the pointer tells better.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The field that serde speaks of where its path ends at what holds the field.
pub(crate) fn named(detail: &str) -> Option<&str> {
    ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| detail.strip_prefix(start)?.split('`').next())
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment as Part;
    path.iter()
        .filter_map(|part| match part {
            Part::Seq { index } => Some(format!("/{index}")),
            Part::Map { key } => Some(format!("/{}", escape(key))),
            Part::Enum { .. } | Part::Unknown => None,
        })
        .collect()
}

/// As RFC 6901 has it.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn fault(field: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault {
        field: field.into(),
        detail: detail.into(),
    }
}

//! How large what is registered may be, and how a field that cannot be as it is is named.

use crate::model::{Fault, Registration};

/// The longest id, number, name or language, in bytes.
pub(super) const LONGEST_NAME: usize = 512;
/// The longest text, in bytes; WhatsApp's own limit is far below.
const LONGEST_TEXT: usize = 64 * 1024;
/// The most that parameters or metadata may have, in bytes of JSON.
const LONGEST_JSON: usize = 16 * 1024;
/// The longest time to live: a year, in seconds.
const LONGEST_TTL: i64 = 366 * 24 * 3600;

/// Checks the lengths of a registration's fields; `place` says where a field was.
pub(super) fn limit(sent: &Registration, place: impl Fn(&str) -> String) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let template = sent.template.as_ref();
    for (field, text, most) in [
        ("/message", sent.text.as_ref(), LONGEST_TEXT),
        ("/mobileNo", sent.recipient.as_ref(), LONGEST_NAME),
        ("/connectedWhatsAppNo", sent.sender.as_ref(), LONGEST_NAME),
        ("/broadcastId", sent.broadcast.as_ref(), LONGEST_NAME),
        ("/template/name", template.map(|it| &it.name), LONGEST_NAME),
        (
            "/template/language",
            template.and_then(|it| it.language.as_ref()),
            LONGEST_NAME,
        ),
        ("/metadata", sent.metadata.as_ref(), LONGEST_JSON),
    ] {
        // An empty text is a text.
        let text = text.filter(|text| field != "/message" || !text.is_empty());
        faults.extend(text.and_then(|text| too_long(&place(field), text, most)));
    }
    let parameters = template.map(|template| serde_json::to_string(&template.parameters));
    if let Some(Ok(parameters)) = parameters {
        faults.extend(too_long(
            &place("/template/parameters"),
            &parameters,
            LONGEST_JSON,
        ));
    }
    if sent.ttl_s.is_some_and(|seconds| seconds > LONGEST_TTL) {
        let detail = format!("ttl is at most {LONGEST_TTL} seconds");
        faults.push(Fault::new(place("/ttl"), detail));
    }
    faults.is_empty().then_some(()).ok_or(faults)
}

pub(super) fn too_long(field: &str, text: &str, most: usize) -> Option<Fault> {
    if (1..=most).contains(&text.len()) {
        return None;
    }
    let name = field.rsplit('/').next().unwrap_or(field);
    let detail = format!("{name} has 1 to {most} bytes");
    Some(Fault::new(field, detail))
}

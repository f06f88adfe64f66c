//! Which channel a send goes by: only those by WhatsApp are registered, any other is refused and says
//! so.
//!
//! The Messages API names the channel. The older sends name none, and those of Viber and RCS have the
//! very members of WhatsApp's beside their own: sender, recipient and the rest of the content show it.

use serde_json::Value;

use super::super::json::{object, text};
use super::super::send_receipt::SentFault;
use super::party::{is_address, is_number, is_profile};

/// The one channel whose sends are registered.
const WHATSAPP: &str = "WHATSAPP";

/// Members of a content that no send by WhatsApp has, with whose they are. WhatsApp's URL names the
/// kind of a content, which therefore has no `type`.
const OF_CONTENT: [(&str, &str); 14] = [
    ("type", "RCS"),
    ("suggestions", "RCS"),
    ("file", "RCS"),
    ("thumbnail", "RCS"),
    ("orientation", "RCS"),
    ("cardWidth", "RCS"),
    ("imageUrl", "Viber"),
    ("button", "Viber"),
    ("buttonText", "Viber"),
    ("buttonUrl", "Viber"),
    ("buttonTitle", "Viber"),
    ("thumbnailUrl", "Viber"),
    ("mediaDuration", "Viber"),
    ("subject", "e-mail"),
];

/// The same of a message.
const OF_MESSAGE: [(&str, &str); 5] = [
    ("validityPeriodTimeUnit", "SMS, Viber or RCS"),
    ("label", "Viber"),
    ("trackingData", "Viber"),
    ("applySessionRate", "Viber"),
    ("toPrimaryDeviceOnly", "Viber"),
];

pub(super) fn is_whatsapp(channel: Option<&str>) -> bool {
    channel.is_some_and(|channel| channel.trim().eq_ignore_ascii_case(WHATSAPP))
}

/// Why a message of the request cannot be registered: it is none, or goes another way.
///
/// Sends with destinations are those of the Messages API, which names the channel, and of SMS,
/// Viber and others, which do not.
pub(super) fn misfit(message: &Value, pointer: &str, has_destinations: bool) -> Option<SentFault> {
    let channel = text(message, "channel");
    if (channel.is_some() || has_destinations) && !is_whatsapp(channel.as_deref()) {
        let detail = match channel {
            Some(channel) => {
                let channel: String = channel.trim().chars().take(32).collect();
                format!("this send goes by {channel}: only those by WHATSAPP are registered")
            }
            None => "a send with destinations names its channel, which must be WHATSAPP".into(),
        };
        return Some(SentFault::new(format!("{pointer}/channel"), detail));
    }
    if channel.is_none()
        && let Some(fault) = by_parties(message, pointer).or_else(|| by_members(message, pointer))
    {
        return Some(fault);
    }
    let parts = ["content", "template"];
    if !parts.iter().any(|part| object(message, part).is_some()) {
        let detail = "a message has a content or a template";
        return Some(SentFault::new(pointer, detail));
    }
    None
}

/// Whom WhatsApp does not send from or to.
fn by_parties(message: &Value, pointer: &str) -> Option<SentFault> {
    let senders = ["from", "sender"].map(|name| (name, "from", "no phone number"));
    let wrong = |name: &str, party: &str| match name {
        "to" => is_address(party) || is_profile(party),
        _ => !is_number(party),
    };
    senders
        .into_iter()
        .chain([("to", "to", "an address or a profile of another channel")])
        .find_map(|(name, way, what)| {
            let party = text(message, name).filter(|party| wrong(name, party))?;
            let party: String = party.chars().take(32).collect();
            let detail = format!(
                "WhatsApp does not send {way} {party:?}, which is {what}: only sends by WhatsApp \
                 are registered"
            );
            Some(SentFault::new(format!("{pointer}/{name}"), detail))
        })
}

/// A member that only another channel's sends have.
fn by_members(message: &Value, pointer: &str) -> Option<SentFault> {
    let content = object(message, "content").unwrap_or(&Value::Null);
    let is_said = |of: &Value, name: &str| of.get(name).is_some_and(|it| !it.is_null());
    let of_content = OF_CONTENT.iter().map(|mark| (content, "/content", mark));
    let of_message = OF_MESSAGE.iter().map(|mark| (message, "", mark));
    let (_, place, (name, channel)) = of_content
        .chain(of_message)
        .find(|(of, _, (name, _))| is_said(of, name))?;
    let detail = format!(
        "only sends by {channel} have {name}: only those by WhatsApp are registered, leave this one \
         out"
    );
    Some(SentFault::new(format!("{pointer}{place}/{name}"), detail))
}

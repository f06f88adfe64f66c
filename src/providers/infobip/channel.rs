//! Which channel a report is of: one URL often gets those of all channels of an account.

use serde_json::Value;

use super::super::Hints;
use super::super::json::{object, text};
use super::party::{Parties, is_address, is_name, is_number, is_profile, is_user_id};
use super::word;
use crate::model::{ReportError, UNKNOWN_CHANNEL, WHATSAPP, digits, is_channel_name};

/// The channel in the provider's word and lower case; `None` for WhatsApp.
///
/// A report that names none is WhatsApp's unless it has what only other channels have. What the
/// error says is no sign: WhatsApp reports carry the general codes too.
pub(super) fn of(element: &Value, parties: &Parties, hints: &Hints) -> Option<String> {
    if let Some(channel) = word(element, "channel") {
        let channel = channel.to_ascii_lowercase();
        let channel = match channel.as_str() {
            name if is_channel_name(name) => channel,
            _ => UNKNOWN_CHANNEL.to_owned(),
        };
        return (channel != WHATSAPP).then_some(channel);
    }
    of_members(element, parties)
        .or_else(|| is_foreign(parties, hints).then_some(UNKNOWN_CHANNEL))
        .map(str::to_owned)
}

/// The channel by members that only its reports have.
fn of_members(element: &Value, parties: &Parties) -> Option<&'static str> {
    let has = |name| text(element, name).is_some();
    let price = object(element, "price").unwrap_or(&Value::Null);
    let is_rcs = object(element, "conversation").is_some()
        || word(element, "interactionType").is_some()
        || word(price, "trafficType").is_some();
    let is_email = |party: &Option<String>| party.as_deref().is_some_and(is_address);
    if is_rcs {
        Some("rcs")
    } else if is_email(&parties.business) || is_email(&parties.user) {
        // Its reports count their parts as those of SMS do.
        Some("email")
    } else if object(element, "voiceCall").is_some() {
        Some("voice")
    } else if has("mmsCount") {
        Some("mms")
    } else if has("smsCount") || (has("mccMnc") && !is_from_a_name(element)) {
        Some("sms")
    } else if has("mccMnc")
        || object(element, "platform").is_some()
        || has("campaignReferenceId")
        || has("networkId")
    {
        // Reports of SMS, Viber and RCS have these, and none of WhatsApp. From a name they have one
        // form, the third version's, which does not show which of them it is.
        Some(UNKNOWN_CHANNEL)
    } else {
        None
    }
}

/// Whether the third version's form names a sender by words, as SMS, Viber and RCS do.
fn is_from_a_name(element: &Value) -> bool {
    text(element, "sender").is_some_and(|sender| is_name(&sender))
}

/// Whether a report that names no channel has the form of an SMS: beside a message of WhatsApp it is
/// that of its fallback, for Viber and RCS stand in where the channel is named.
pub(super) fn has_form_of_sms(element: &Value) -> bool {
    let has = |name| text(element, name).is_some();
    word(element, "channel").is_none() && (has("smsCount") || has("mccMnc"))
}

/// Whether a party is one that WhatsApp does not have: a sender that is no phone number, as the
/// names of SMS and Viber and the pages of Messenger, or a recipient by a profile's number there.
fn is_foreign(parties: &Parties, hints: &Hints) -> bool {
    let is_sender = |sender: &str| {
        is_number(sender) || hints.senders.contains(&digits(sender)) || is_user_id(sender)
    };
    parties.business.as_deref().is_some_and(|it| !is_sender(it))
        || parties.user.as_deref().is_some_and(is_profile)
}

/// What a delivery on another channel means for the message of WhatsApp under the same id.
pub(super) fn fallback(channel: &str) -> ReportError {
    let key = match channel {
        "sms" => "infobip:sms_fallback",
        _ => "infobip:channel_fallback",
    };
    let by = match channel {
        UNKNOWN_CHANNEL => "another channel".to_owned(),
        channel => format!("{} fallback", name(channel)),
    };
    let mut error = ReportError::named(key, &format!("Delivered by {by}"));
    let details = "WhatsApp did not deliver the message; this report does not say why";
    error.details = Some(details.to_owned());
    error
}

/// What people call a channel.
fn name(channel: &str) -> String {
    match channel.split('_').next() {
        Some("viber") => "Viber".to_owned(),
        Some("kakao") => "Kakao".to_owned(),
        Some("line") => "LINE".to_owned(),
        Some("email") => "e-mail".to_owned(),
        Some("messenger") => "Messenger".to_owned(),
        Some("sms" | "mms" | "rcs") => channel.to_ascii_uppercase(),
        _ => channel.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channel(element: &Value) -> Option<String> {
        let hints = Hints {
            senders: vec!["12".to_owned()],
            ..Hints::default()
        };
        let parties = Parties {
            business: text(element, "sender"),
            user: text(element, "to"),
        };
        of(element, &parties, &hints)
    }

    #[test]
    fn a_report_names_its_channel_or_is_identified_by_its_members() {
        for (element, expected) in [
            (json!({}), None),
            (json!({"channel": "WhatsApp", "mccMnc": 21910}), None),
            (json!({"channel": "WHATSAPP", "sender": "ShopHR"}), None),
            (json!({"channel": "Sms"}), Some("sms")),
            (
                json!({"channel": "VIBER_BM", "sender": "385910009999"}),
                Some("viber_bm"),
            ),
            (json!({"channel": "RCS", "mccMnc": "21910"}), Some("rcs")),
            (json!({"channel": "ana & co"}), Some("unknown")),
            (json!({"channel": " ", "smsCount": 1}), Some("sms")),
            (json!({"channel": 7, "mccMnc": 21910}), Some("sms")),
            (json!({"mccMnc": null, "smsCount": ""}), None),
            // SMS, Viber and RCS share this form.
            (
                json!({"sender": "ShopHR", "mccMnc": 21910}),
                Some("unknown"),
            ),
            (
                json!({"sender": "ShopHR", "mccMnc": "21910", "platform": {"entityId": "e"}}),
                Some("unknown"),
            ),
            (
                json!({"sender": "Ana", "mccMnc": "1", "smsCount": 1}),
                Some("sms"),
            ),
            (json!({"sender": "600600", "mccMnc": "21910"}), Some("sms")),
            (json!({"from": "ShopHR", "mccMnc": "21910"}), Some("sms")),
            (
                json!({"mccMnc": null, "platform": {"entityId": "e"}}),
                Some("unknown"),
            ),
            (json!({"campaignReferenceId": "c"}), Some("unknown")),
            (json!({"networkId": 12}), Some("unknown")),
            (json!({"platform": {}, "campaignReferenceId": " "}), None),
            (
                json!({"interactionType": "BASIC", "mccMnc": "21910"}),
                Some("rcs"),
            ),
            (json!({"price": {"trafficType": "BASIC"}}), Some("rcs")),
            (json!({"conversation": {}, "price": {}}), None),
            (json!({"mmsCount": 1, "mccMnc": "21910"}), Some("mms")),
            (json!({"voiceCall": {"duration": 3}}), Some("voice")),
            (
                json!({"to": "ana@shop.example", "smsCount": 1}),
                Some("email"),
            ),
            (json!({"sender": "Shop <shop@shop.example>"}), Some("email")),
        ] {
            assert_eq!(channel(&element).as_deref(), expected, "{element}");
        }
    }

    #[test]
    fn a_party_that_whatsapp_does_not_have_is_of_another_channel() {
        for (element, is_foreign) in [
            (
                json!({"sender": "385910009999", "to": "385990001122"}),
                false,
            ),
            (json!({"sender": "+385 91 000 9999"}), false),
            (json!({"sender": "00385910009999"}), false),
            (json!({"sender": "6834001"}), false),
            (json!({"sender": "12", "to": "HR.1349"}), false),
            (json!({"sender": "HR.1349"}), false),
            (json!({"sender": "", "to": "ana.anic"}), false),
            (json!({"sender": "ShopHR"}), true),
            (json!({"sender": "600600"}), true),
            (json!({"sender": "10223344556677889"}), true),
            (
                json!({"sender": "102233445566778", "to": "7788990011223344"}),
                true,
            ),
            (json!({"to": "17841400000000000"}), true),
            (json!({"to": "1111111111111111111111111"}), false),
        ] {
            let expected = is_foreign.then_some("unknown");
            assert_eq!(channel(&element).as_deref(), expected, "{element}");
        }
    }

    #[test]
    fn a_fallback_is_called_as_people_call_the_channel() {
        for (channel, title) in [
            ("sms", "Delivered by SMS fallback"),
            ("viber_bm", "Delivered by Viber fallback"),
            ("email", "Delivered by e-mail fallback"),
            ("zalo", "Delivered by zalo fallback"),
            ("unknown", "Delivered by another channel"),
        ] {
            assert_eq!(fallback(channel).title.as_deref(), Some(title));
        }
    }
}

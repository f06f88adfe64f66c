//! What a status says of its price, and what that proves about the message's type.

use serde_json::Value;

use super::super::json;
use super::time::milliseconds;
use crate::model::{MessageType, Pricing};

/// The members of `pricing` that have columns.
const KNOWN: [&str; 4] = ["billable", "pricing_model", "type", "category"];

/// What the other members may have together, in bytes of JSON.
const LONGEST_OTHER: usize = 4096;

/// Reads `pricing` and `conversation`; either may be missing, as may anything in them.
pub(super) fn read(status: &Value, oddities: &mut Vec<&'static str>) -> Pricing {
    let conversation = json::object(status, "conversation");
    // Meta's example of a group status has the one inside the other.
    let pricing =
        json::object(status, "pricing").or_else(|| json::object(conversation?, "pricing"));
    let price = |name| json::text(pricing?, name);
    Pricing {
        category: price("category").as_deref().map(normalise),
        model: price("pricing_model"),
        kind: price("type"),
        billable: pricing.and_then(|pricing| json::boolean(pricing, "billable")),
        conversation_id: conversation.and_then(|conversation| json::text(conversation, "id")),
        conversation_origin: conversation
            .and_then(|conversation| json::object(conversation, "origin"))
            .and_then(|origin| json::text(origin, "type"))
            .as_deref()
            .map(normalise),
        conversation_expires_ms: conversation
            .and_then(|conversation| json::number(conversation, "expiration_timestamp"))
            .and_then(milliseconds),
        other: pricing.and_then(|pricing| other(pricing, oddities)),
        ..Pricing::default()
    }
}

/// What Meta may add to a price one day: the charge itself, for one.
fn other(pricing: &Value, oddities: &mut Vec<&'static str>) -> Option<String> {
    let members = pricing.as_object()?.iter();
    let other: serde_json::Map<String, Value> = members
        .filter(|(name, value)| !KNOWN.contains(&name.as_str()) && !json::is_absent(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if other.is_empty() {
        return None;
    }
    let text = Value::Object(other).to_string();
    if text.len() > LONGEST_OTHER {
        oddities.push("pricing-too-long");
        return None;
    }
    Some(text)
}

/// One spelling for `authentication_international` (an origin) and
/// `authentication-international` (the same as a category).
fn normalise(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace('_', "-")
}

/// The type that the price proves, when it proves one.
///
/// Meta prices only templates as marketing, utility and authentication, also inside the
/// 24 h window. With conversation pricing (until June 2025) the category was that of the
/// conversation, which a template had opened: most of its messages, though not all, were
/// templates. `business_initiated` and `user_initiated` (until June 2023) say only who
/// wrote first, a free entry point and a referral only where the user came from.
pub(super) fn evidence(pricing: &Pricing) -> Option<MessageType> {
    let says = |fact: &Option<String>, word: &str| {
        fact.as_deref()
            .is_some_and(|fact| fact.trim().eq_ignore_ascii_case(word))
    };
    if says(&pricing.kind, "free_entry_point") {
        return None;
    }
    if says(&pricing.model, "NBP") {
        // Notifications were the templates, and they alone were billed.
        return (pricing.billable == Some(true)).then_some(MessageType::Template);
    }
    let category = pricing.category.as_ref();
    match category.or(pricing.conversation_origin.as_ref())?.as_str() {
        "marketing"
        | "marketing-lite"
        | "utility"
        | "authentication"
        | "authentication-international"
        | "group-marketing"
        | "group-utility" => Some(MessageType::Template),
        "service" | "group-service" | "general-purpose-ai" => Some(MessageType::Regular),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_price_proves_the_type_or_nothing() {
        let template = Some(MessageType::Template);
        let regular = Some(MessageType::Regular);
        let pmp = |category: &str, kind: &str| json!({"pricing": {"pricing_model": "PMP", "type": kind, "category": category}});
        let cbp = |category: &str| {
            json!({"pricing": {"pricing_model": "CBP", "category": category},
                   "conversation": {"id": "c", "origin": {"type": category}}})
        };
        let cases = [
            (pmp("marketing", "regular"), template),
            (pmp("marketing_lite", "regular"), template),
            (pmp("utility", "free_customer_service"), template),
            (pmp("authentication", "regular"), template),
            (pmp("authentication-international", "regular"), template),
            (pmp("Authentication_International", "regular"), template),
            (pmp("group_marketing", "regular"), template),
            (pmp("group_utility", "regular"), template),
            (pmp("service", "free_customer_service"), regular),
            (pmp("group_service", "regular"), regular),
            (pmp("general_purpose_ai", "regular"), regular),
            (pmp("referral_conversion", "free_entry_point"), None),
            (pmp("marketing", "free_entry_point"), None),
            (pmp("brand_new", "regular"), None),
            (cbp("marketing"), template),
            (cbp("service"), regular),
            (cbp("business_initiated"), None),
            (cbp("user_initiated"), None),
            (cbp("referral_conversion"), None),
            (
                json!({"pricing": {"pricing_model": "NBP", "billable": true}}),
                template,
            ),
            (
                json!({"pricing": {"pricing_model": "NBP", "billable": false}}),
                None,
            ),
            (
                json!({"pricing": {"pricing_model": "CBP", "billable": true}}),
                None,
            ),
            (
                json!({"conversation": {"id": "c", "origin": {"type": "utility"}}}),
                template,
            ),
            (
                json!({"conversation": {"id": "c", "pricing": {"category": "group_service"}}}),
                regular,
            ),
            (json!({"conversation": {"id": "c"}}), None),
            (json!({}), None),
        ];
        for (status, expected) in cases {
            assert_eq!(
                evidence(&read(&status, &mut Vec::new())),
                expected,
                "{status}"
            );
        }
    }

    fn read_all(status: &Value) -> Pricing {
        let mut oddities = Vec::new();
        let pricing = read(status, &mut oddities);
        assert!(oddities.is_empty(), "{status}: {oddities:?}");
        pricing
    }

    #[test]
    fn what_is_new_in_a_price_is_kept_and_proves_nothing() {
        let cases = [
            (
                json!({"charged": {"amount": "0.02", "currency": "EUR"}}),
                Some(r#"{"charged":{"amount":"0.02","currency":"EUR"}}"#),
            ),
            (
                json!({"billable": true, "type": "brand_new", "z": 1, "a": false}),
                Some(r#"{"a":false,"z":1}"#),
            ),
            (
                json!({"type": "regular", "x": null, "y": "", "l": [], "o": {}}),
                None,
            ),
            (json!({"category": "meta_business_agent"}), None),
        ];
        for (price, expected) in cases {
            let pricing = read_all(&json!({ "pricing": price }));
            assert_eq!(pricing.other.as_deref(), expected, "{price}");
            assert_eq!(evidence(&pricing), None, "{price}");
        }
        let mut oddities = Vec::new();
        let long = json!({"pricing": {"x": "y".repeat(LONGEST_OTHER)}});
        assert_eq!(read(&long, &mut oddities).other, None);
        assert_eq!(oddities, ["pricing-too-long"]);
    }

    #[test]
    fn price_and_conversation_are_kept_as_columns() {
        let pricing = read_all(&json!({
            "pricing": {"billable": "true", "pricing_model": "PMP", "type": "regular",
                        "category": "authentication_international"},
            "conversation": {"id": "c1", "expiration_timestamp": 1_664_700_000,
                             "origin": {"type": "authentication_international"}},
        }));
        let expected = Pricing {
            category: Some("authentication-international".to_owned()),
            model: Some("PMP".to_owned()),
            kind: Some("regular".to_owned()),
            billable: Some(true),
            conversation_id: Some("c1".to_owned()),
            conversation_origin: Some("authentication-international".to_owned()),
            conversation_expires_ms: Some(1_664_700_000_000),
            ..Pricing::default()
        };
        assert_eq!(pricing, expected);
    }
}

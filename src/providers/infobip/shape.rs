//! The kind of an element, by the members it has: most of Infobip's formats do not name it.

use std::borrow::Cow;

use serde_json::Value;

use super::super::json::{number, object, present};
use super::word;

/// The name under which a shape is counted that we have never seen.
pub(super) const UNKNOWN: &str = "unknown-shape";

/// What an element is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A delivery report of any channel's API.
    Delivery,
    /// A seen report.
    Seen,
    /// A deleted report; gone from Infobip's documentation, still in old receivers.
    Deleted,
    /// A click on a tracked link in a message.
    Click,
    /// A notice about the account: a template's state, a person's wish.
    Account,
    /// No report of a message; the name it is counted under.
    Other(Cow<'static, str>),
}

impl Shape {
    /// The shape of an element; the first rule that fits wins.
    ///
    /// The order matters: only the Messages API says what it sends (`event`), a seen report
    /// may come to carry a `status`, and an inbound message must not be taken for a report.
    pub(super) fn of(element: &Value) -> Self {
        if let Some(event) = word(element, "event") {
            match event.to_ascii_uppercase().as_str() {
                "DELIVERY" => return Self::Delivery,
                "SEEN" => return Self::Seen,
                "MO" => return Self::other("inbound"),
                "TYPING_STARTED" | "TYPING_STOPPED" => return Self::other("typing"),
                _ => {}
            }
        }
        let has = |name| has(element, name);
        let nested = |name| {
            let member = present(element, name);
            member.is_some_and(|member| member.is_object() || member.is_array())
        };
        // A mark of time that is none, as `false` or 0, marks nothing.
        let at = |name| has(name) && !matches!(element.get(name), Some(Value::Bool(_)));
        let at = |name| at(name) && number(element, name) != Some(0.0);
        if at("deletedAt") {
            Self::Deleted
        } else if at("seenAt") {
            Self::Seen
        } else if has("receivedAt") || nested("message") || has("integrationType") {
            Self::other("inbound")
        } else if object(element, "status").is_some() || has("doneAt") {
            Self::Delivery
        } else {
            Self::notification(element)
        }
    }

    /// The shape of an element without a status: clicks and the notices of an account.
    fn notification(element: &Value) -> Self {
        let has = |name| has(element, name);
        if TEMPLATE.into_iter().any(has) && has("change") {
            return Self::Account;
        }
        if let Some(kind) = word(element, "notificationType") {
            // E-mail has a notice of the same name and of another shape.
            return if ["geoLocation", "eventId", "domain"].into_iter().any(has) {
                Self::other("email-tracking")
            } else if kind.eq_ignore_ascii_case("CLICKED") {
                Self::Click
            } else {
                Self::Other(name(&format!("notification:{kind}")).into())
            };
        }
        let content = object(element, "content");
        let name = match content.and_then(|content| word(content, "type")) {
            Some("user_identity_changed") => "identity-change",
            Some("payment") => "payment",
            _ if content.is_some_and(|content| word(content, OPT_OUT).is_some()) => {
                return Self::Account;
            }
            _ if has("capabilityCheckResult") => "rcs-capability",
            _ => UNKNOWN,
        };
        Self::other(name)
    }

    const fn other(name: &'static str) -> Self {
        Self::Other(Cow::Borrowed(name))
    }
}

fn has(element: &Value, name: &str) -> bool {
    present(element, name).is_some()
}

/// The members that name a template.
const TEMPLATE: [&str; 2] = ["messageTemplateId", "messageTemplateName"];

/// The member that shows a user's stop or resume of marketing messages.
pub(super) const OPT_OUT: &str = "notificationMessagesStatus";

/// A foreign word made fit for a metric's label: printable ASCII, 64 characters at most.
fn name(text: &str) -> String {
    let printable = text.chars().filter(|c| matches!(c, ' '..='~'));
    printable.take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides_the_shape() {
        let other = Shape::other;
        let cases = [
            (json!({"event": "delivery", "seenAt": "x"}), Shape::Delivery),
            (json!({"event": "SEEN", "status": {}}), Shape::Seen),
            (json!({"event": "SEEN", "seenAt": ""}), Shape::Seen),
            (json!({"event": " ", "doneAt": "x"}), Shape::Delivery),
            (json!({"event": "MO", "content": []}), other("inbound")),
            (json!({"event": "TYPING_STARTED"}), other("typing")),
            (json!({"event": "NEW", "doneAt": "x"}), Shape::Delivery),
            (json!({"deletedAt": "x", "seenAt": "x"}), Shape::Deleted),
            (json!({"deletedAt": null, "seenAt": "x"}), Shape::Seen),
            (json!({"seenAt": "x", "status": {}}), Shape::Seen),
            (json!({"receivedAt": "x", "status": {}}), other("inbound")),
            (json!({"message": {"type": "TEXT"}}), other("inbound")),
            (
                json!({"message": "text", "status": {"id": 5}}),
                Shape::Delivery,
            ),
            (json!({"message": {}, "doneAt": "x"}), Shape::Delivery),
            (json!({"message": [], "doneAt": "x"}), Shape::Delivery),
            (json!({"integrationType": "WHATSAPP"}), other("inbound")),
            (json!({"doneAt": "x", "status": null}), Shape::Delivery),
            (json!({"status": {}}), other(UNKNOWN)),
            (json!({"status": "DELIVERED"}), other(UNKNOWN)),
            (json!({"messageId": "x"}), other(UNKNOWN)),
            (json!({}), other(UNKNOWN)),
        ];
        for (element, expected) in cases {
            assert_eq!(Shape::of(&element), expected, "{element}");
        }
    }

    #[test]
    fn an_empty_member_marks_nothing() {
        let marks = [
            "event",
            "deletedAt",
            "seenAt",
            "receivedAt",
            "message",
            "integrationType",
            "notificationType",
            "content",
            "messageTemplateId",
            "change",
            "capabilityCheckResult",
        ];
        for mark in marks {
            for empty in [json!(""), json!(" "), json!(null), json!({}), json!([])] {
                let element = json!({"messageId": "m", "doneAt": "x", mark: empty});
                assert_eq!(Shape::of(&element), Shape::Delivery, "{element}");
                let element = json!({"messageId": "m", mark: empty});
                assert_eq!(Shape::of(&element), Shape::other(UNKNOWN), "{element}");
            }
        }
        for mark in ["deletedAt", "seenAt"] {
            for none in [json!(false), json!(0), json!(0.0), json!("0")] {
                let element = json!({"doneAt": "x", mark: none});
                assert_eq!(Shape::of(&element), Shape::Delivery, "{element}");
            }
        }
    }

    #[test]
    fn notifications_have_names() {
        let long = "x".repeat(80);
        let cases = [
            (json!({"notificationType": "CLICKED"}), Shape::Click),
            (
                json!({"notificationType": "CLICKED", "geoLocation": {"city": "x"}}),
                Shape::other("email-tracking"),
            ),
            (
                json!({"notificationType": "OPENED\n"}),
                Shape::other("notification:OPENED"),
            ),
            (
                json!({"notificationType": long}),
                Shape::Other(format!("notification:{}", "x".repeat(51)).into()),
            ),
            (
                json!({"content": {"type": "user_identity_changed"}}),
                Shape::other("identity-change"),
            ),
            (
                json!({"content": {"notificationMessagesStatus": "stop"}}),
                Shape::Account,
            ),
            (
                json!({"content": {"type": "payment"}}),
                Shape::other("payment"),
            ),
            (
                json!({"messageTemplateId": 1, "change": {"type": "x"}}),
                Shape::Account,
            ),
            (
                json!({"messageTemplateName": "order", "change": "PAUSED"}),
                Shape::Account,
            ),
            (
                json!({"capabilityCheckResult": "x"}),
                Shape::other("rcs-capability"),
            ),
            (json!({"content": {}}), Shape::other(UNKNOWN)),
        ];
        for (element, expected) in cases {
            assert_eq!(Shape::of(&element), expected, "{element}");
        }
    }
}

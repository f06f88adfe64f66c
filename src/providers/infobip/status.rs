//! What a delivery report's `status` means, by Infobip's six groups and their exceptions.

use serde_json::Value;

use super::super::json::integer;
use super::word;
use crate::model::{Status, Word as _};

/// The general statuses of every Infobip product, in the order of their numbers.
///
/// The groups are stable while names within them change, share ids and even begin like
/// another group's (`UNDELIVERABLE_REJECTED_PLATFORM` is a `REJECTED`), so the group decides
/// and the id only refines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "UPPERCASE")]
pub(super) enum Group {
    /// 0: taken in by the API; only in old answers.
    Accepted,
    /// 1: on its way.
    Pending,
    /// 2: could not be delivered; final.
    Undeliverable,
    /// 3: delivered to the handset, or to the hop before it.
    Delivered,
    /// 4: ran out of time; final.
    Expired,
    /// 5: refused, mostly before it was sent; final.
    Rejected,
}

impl Group {
    /// Whether a message in this group will not arrive.
    pub(super) const fn is_failure(self) -> bool {
        matches!(self, Self::Undeliverable | Self::Expired | Self::Rejected)
    }

    fn from_id(id: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    fn from_word(name: &str) -> Option<Self> {
        Self::of_word(&name.to_ascii_uppercase())
    }

    /// Reads the group of a `status`: its name where we know it, else its number, else the
    /// beginning of the status's own name. The flag says that name and number disagree.
    pub(super) fn of(status: &Value) -> (Option<Self>, bool) {
        let id = integer(status, "groupId");
        let by_id = id.and_then(Self::from_id);
        if let Some(by_name) = word(status, "groupName").and_then(Self::from_word) {
            return (Some(by_name), id.is_some() && by_id != Some(by_name));
        }
        let by_status = || match word(status, "name")? {
            "MESSAGE_ACCEPTED" => Some(Self::Accepted),
            name => Self::from_word(name.split('_').next()?),
        };
        // A number that we do not know is another group, whatever the status is called.
        (if id.is_some() { by_id } else { by_status() }, false)
    }

    /// What this group means for a message, refined by the status's id, or by its name
    /// where there is no id.
    pub(super) fn meaning(self, status: &Value) -> Status {
        let id = integer(status, "id");
        let is = |ids: &[i64], names: &[&str]| match id {
            Some(id) => ids.contains(&id),
            None => word(status, "name").is_some_and(|name| names.contains(&name)),
        };
        match self {
            Self::Accepted => Status::Queued,
            // Accepted or waiting for its hour; every other pending was handed on already.
            Self::Pending => {
                if is(
                    &[1, 26, 200],
                    &["PENDING_TIME_VIOLATION", "PENDING_ACCEPTED"],
                ) {
                    Status::Queued
                } else {
                    Status::Sent
                }
            }
            // At the operator is not on the handset: another report follows.
            Self::Delivered => {
                if is(&[2], &["DELIVERED_TO_OPERATOR"]) {
                    Status::Sent
                } else {
                    Status::Delivered
                }
            }
            Self::Undeliverable | Self::Expired | Self::Rejected => Status::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Every status of Infobip's list that a message can have, with its group.
    const TABLE: [(i64, i64, &str, Status); 43] = [
        (0, 0, "MESSAGE_ACCEPTED", Status::Queued),
        (1, 1, "PENDING_TIME_VIOLATION", Status::Queued),
        (3, 1, "PENDING_WAITING_DELIVERY", Status::Sent),
        (7, 1, "PENDING_ENROUTE", Status::Sent),
        (26, 1, "PENDING_ACCEPTED", Status::Queued),
        (200, 1, "PENDING_ACCEPTED", Status::Queued),
        (4, 2, "UNDELIVERABLE_REJECTED_OPERATOR", Status::Failed),
        (9, 2, "UNDELIVERABLE_NOT_DELIVERED", Status::Failed),
        (31, 2, "UNDELIVERABLE_NOT_SENT", Status::Failed),
        (66, 2, "UNDELIVERABLE_NO_DESTINATION", Status::Failed),
        (96, 2, "NO_ANSWER", Status::Failed),
        (97, 2, "BUSY", Status::Failed),
        (98, 2, "CANCELLED", Status::Failed),
        (2, 3, "DELIVERED_TO_OPERATOR", Status::Sent),
        (5, 3, "DELIVERED_TO_HANDSET", Status::Delivered),
        (15, 4, "EXPIRED_EXPIRED", Status::Failed),
        (22, 4, "EXPIRED_UNKNOWN", Status::Failed),
        (29, 4, "EXPIRED_DLR_UNKNOWN", Status::Failed),
        (87, 4, "SIGNALS_BLOCKED", Status::Failed),
        (87, 5, "SIGNALS_BLOCKED", Status::Failed),
        (6, 5, "REJECTED_NETWORK", Status::Failed),
        (8, 5, "REJECTED_PREFIX_MISSING", Status::Failed),
        (10, 5, "REJECTED_DND", Status::Failed),
        (11, 5, "REJECTED_SOURCE", Status::Failed),
        (12, 5, "REJECTED_NOT_ENOUGH_CREDITS", Status::Failed),
        (13, 5, "REJECTED_SENDER", Status::Failed),
        (14, 5, "REJECTED_DESTINATION_BLOCKLISTED", Status::Failed),
        (16, 5, "REJECTED_NOT_REACHABLE", Status::Failed),
        (17, 5, "REJECTED_PREPAID_PACKAGE_EXPIRED", Status::Failed),
        (18, 5, "REJECTED_DESTINATION_NOT_REGISTERED", Status::Failed),
        (19, 5, "REJECTED_ROUTE_NOT_AVAILABLE", Status::Failed),
        (20, 5, "REJECTED_FLOODING_FILTER", Status::Failed),
        (21, 5, "REJECTED_SYSTEM_ERROR", Status::Failed),
        (23, 5, "REJECTED_DUPLICATE_MESSAGE_ID", Status::Failed),
        (24, 5, "REJECTED_INVALID_UDH", Status::Failed),
        (25, 5, "REJECTED_MESSAGE_TOO_LONG", Status::Failed),
        (51, 5, "MISSING_TO", Status::Failed),
        (52, 5, "REJECTED_DESTINATION", Status::Failed),
        (56, 5, "REJECTED_INVALID_NOTIFY_URL", Status::Failed),
        (65, 5, "REJECTED_NO_APPLICATION", Status::Failed),
        (77, 5, "REJECTED_MESSAGE_TEXT_TOO_LONG", Status::Failed),
        (99, 5, "REJECTED", Status::Failed),
        (100, 5, "UNDELIVERABLE_REJECTED_PLATFORM", Status::Failed),
    ];

    #[test]
    fn every_known_status_has_its_meaning() {
        for (id, group_id, name, expected) in TABLE {
            let group_name = Group::from_id(group_id).unwrap().as_str();
            let full =
                json!({"groupId": group_id, "groupName": group_name, "id": id, "name": name});
            for missing in ["", "groupId", "groupName", "id", "name"] {
                let mut status = full.clone();
                status.as_object_mut().unwrap().remove(missing);
                let (group, conflict) = Group::of(&status);
                assert!(!conflict, "{status}");
                assert_eq!(group.unwrap().meaning(&status), expected, "{status}");
            }
        }
    }

    #[test]
    fn the_group_is_found_in_whatever_names_it() {
        let cases = [
            (json!({"groupId": "3"}), Some(Group::Delivered), false),
            (
                json!({"groupName": " Delivered "}),
                Some(Group::Delivered),
                false,
            ),
            (
                json!({"name": "EXPIRED_EXPIRED"}),
                Some(Group::Expired),
                false,
            ),
            (
                json!({"name": "MESSAGE_ACCEPTED"}),
                Some(Group::Accepted),
                false,
            ),
            (json!({"name": "SIGNALS_BLOCKED"}), None, false),
            (
                json!({"groupId": 0, "groupName": "OK"}),
                Some(Group::Accepted),
                false,
            ),
            (
                json!({"groupId": 3, "groupName": "REJECTED"}),
                Some(Group::Rejected),
                true,
            ),
            (
                json!({"groupId": 9, "groupName": "PENDING"}),
                Some(Group::Pending),
                true,
            ),
            (
                json!({"groupId": 9, "name": "DELIVERED_TWICE"}),
                None,
                false,
            ),
            (json!({"groupId": -1}), None, false),
            (json!({}), None, false),
        ];
        for (status, group, conflict) in cases {
            assert_eq!(Group::of(&status), (group, conflict), "{status}");
        }
    }
}

//! What a source's API calls things, and what its words mean.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::json::{Node, scalar};
use super::super::pull::{PullForm, PullOptions, PullSetting};
use crate::model::Status;

/// How one Botsquad-like API speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    /// What it calls each part of its answers.
    pub(super) fields: Aliases,
    /// Words for statuses beside, or in place of, the three that are known; in lower case.
    pub(super) words: BTreeMap<String, Status>,
    /// What `success` means.
    ///
    /// Sent unless said otherwise: Botsquad calls it the status of the sending. Of a message that
    /// was sent it is true in any case, and a reported status cannot be taken back.
    pub(super) success_at: Status,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            fields: Aliases::default(),
            words: BTreeMap::new(),
            success_at: Status::Sent,
        }
    }
}

/// The settings of a source that say how its API speaks.
pub(super) const SETTINGS: &[PullSetting] = &[
    PullSetting {
        path: "source.success_at",
        meaning: " What the API's word `success` means.\n",
        form: PullForm::Status([Status::Sent, Status::Delivered]),
    },
    PullSetting {
        path: "source.fields",
        meaning: " What the API calls things, where it differs: a name, a JSON pointer as in `/data/users`, or a\n list of which the first that is there counts.\n",
        form: PullForm::Names(&AnswerField::NAMES),
    },
    PullSetting {
        path: "source.statuses",
        meaning: " What more words mean.\n",
        form: PullForm::Statuses,
    },
];

impl Dialect {
    /// What [`SETTINGS`] of a source say.
    pub(super) fn of(options: &PullOptions) -> Self {
        let mut dialect = Self::default();
        if let Some(status) = options.status.get("success_at") {
            dialect.success_at = *status;
        }
        for field in AnswerField::ALL.iter().copied() {
            let names = options.names.get("fields");
            if let Some(names) = names.and_then(|names| names.get(field.as_str())) {
                dialect.fields.set(field, names.clone());
            }
        }
        dialect.words = options
            .statuses
            .get("statuses")
            .cloned()
            .unwrap_or_default();
        dialect
    }

    /// The settings that make this dialect.
    #[cfg(test)]
    pub(super) fn options(self) -> PullOptions {
        let names = self.fields.0.into_iter();
        let names = names.map(|(field, names)| (field.as_str(), names));
        PullOptions {
            status: [("success_at", self.success_at)].into(),
            names: [("fields", names.collect())].into(),
            statuses: [("statuses", self.words)].into(),
        }
    }

    /// The status that a word means; `None` for an unknown word.
    pub(super) fn summary(&self, word: &str) -> Option<Status> {
        let word = word.trim().to_lowercase();
        let known = || match word.as_str() {
            "success" => Some(self.success_at),
            "failure" => Some(Status::Failed),
            "pending" => Some(Status::Queued),
            _ => None,
        };
        self.words.get(&word).copied().or_else(known)
    }
}

/// A part of an answer or of a send.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray, strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum AnswerField {
    /// Of an entry, and of a targeted user: the number.
    To,
    /// Of an entry: its status.
    Status,
    /// Of an entry: why it failed.
    Reason,
    /// Of an entry: more about why it failed.
    Details,
    /// The broadcast's id.
    Id,
    /// The list of all entries.
    Statuses,
    /// The older list of those that failed.
    Failures,
    /// The object of counters.
    Statistics,
    /// Of the counters: all users.
    Total,
    /// Of the counters: those that succeeded.
    Success,
    /// Of the counters: those that failed.
    Failure,
    /// Of the counters: those still to come.
    Pending,
    /// Of the counters: the deprecated one.
    Cancelled,
}

impl AnswerField {
    /// Every field, in the order of the example configuration.
    pub(super) const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The key of each, as in [`Self::ALL`], with its usual names.
    const NAMES: [(&'static str, &'static [&'static str]); Self::ALL.len()] = {
        let none: &'static [&'static str] = &[];
        let mut names = [("", none); Self::ALL.len()];
        let mut index = 0;
        while index < names.len() {
            let field = Self::ALL[index];
            names[index] = (field.as_str(), field.usual());
            index += 1;
        }
        names
    };

    /// The key in the configuration; the setting's names are a constant, so this is one too.
    pub(super) const fn as_str(self) -> &'static str {
        <Self as strum::VariantNames>::VARIANTS[self as usize]
    }

    /// What it is called unless the configuration says otherwise.
    pub(super) const fn usual(self) -> &'static [&'static str] {
        match self {
            Self::To => &["to", "phone", "user", "number", "wa_id"],
            Self::Status => &["status"],
            Self::Reason => &["reason", "error", "code", "message"],
            Self::Details => &["details"],
            Self::Id => &["id", "broadcast_id"],
            Self::Statuses => &["statuses"],
            Self::Failures => &["failures"],
            Self::Statistics => &["statistics"],
            Self::Total => &["total"],
            Self::Success => &["success"],
            Self::Failure => &["failure"],
            Self::Pending => &["pending"],
            Self::Cancelled => &["cancelled"],
        }
    }
}

/// The names under which each field is looked for, the first that is there counts: a member's
/// name, or a JSON pointer that begins with a slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Aliases(BTreeMap<AnswerField, Vec<String>>);

impl Aliases {
    /// Sets what a field is called, in place of what is usual.
    pub(super) fn set(&mut self, field: AnswerField, names: Vec<String>) {
        self.0.insert(field, names);
    }

    /// The first of a field's places of which something is made.
    pub(super) fn first<T>(
        &self,
        field: AnswerField,
        value: &Value,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let at = |name: &str| {
            let found = if name.starts_with('/') {
                value.pointer(name)
            } else {
                value.get(name)
            };
            found.and_then(&read)
        };
        match self.0.get(&field) {
            Some(names) => names.iter().find_map(|name| at(name)),
            None => field.usual().iter().find_map(|name| at(name)),
        }
    }

    /// The first of a field's places that holds a plain text or number.
    pub(super) fn text(&self, field: AnswerField, value: &Value) -> Option<String> {
        self.first(field, value, scalar)
    }

    /// The first of a field's places in an answer that is not read yet; an empty one is nothing.
    pub(super) fn find<'a>(&self, field: AnswerField, body: &Node<'a>) -> Option<Node<'a>> {
        let at = |name: &str| {
            let found = match name.strip_prefix('/') {
                Some(path) => path
                    .split('/')
                    .try_fold(body.clone(), |node, part| step(&node, part)),
                None => body.get(name),
            };
            found.filter(|node| !node.is_absent())
        };
        match self.0.get(&field) {
            Some(names) => names.iter().find_map(|name| at(name)),
            None => field.usual().iter().find_map(|name| at(name)),
        }
    }
}

/// The member or the element that a part of a JSON pointer names.
fn step<'a>(node: &Node<'a>, part: &str) -> Option<Node<'a>> {
    if let Some(elements) = node.elements() {
        // As serde_json's own pointers: digits alone, and no zero before others.
        let is_index = part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'));
        let index: usize = part.parse().ok().filter(|_| is_index)?;
        return elements.get(index).cloned();
    }
    node.get(&part.replace("~1", "/").replace("~0", "~"))
}

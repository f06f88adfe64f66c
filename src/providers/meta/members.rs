//! The members of a part of a body, in which what is empty is absent.

use std::borrow::Cow;

use super::super::json::{self, Member, Node};
use super::NAME_LIMIT;

/// An object's members, scanned once because each is looked up by name several times.
pub(super) struct Members<'n, 'a>(pub(super) Cow<'n, [Member<'a>]>);

impl<'n, 'a> Members<'n, 'a> {
    pub(super) fn of(node: &'n Node<'a>) -> Option<Self> {
        node.members().map(Self)
    }

    /// The member of that name, of several the last; an empty one is absent.
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let (_, node) = self.0.iter().rev().find(|(key, _)| key == name)?;
        (!node.is_absent()).then_some(node)
    }

    /// The trimmed text of a string or number, of any other member its JSON; an empty one is
    /// absent.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        let node = self.get(name)?;
        let start = || node.text().chars().take(NAME_LIMIT).collect::<String>();
        let word = match node.text().as_bytes().first() {
            Some(b'{' | b'[') => start(),
            _ => json::scalar(&node.value().ok()?)?.trim().to_owned(),
        };
        (!matches!(word.as_str(), "" | "[]")).then_some(word)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

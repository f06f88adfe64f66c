//! Opening a body in one go, where it is as it should be.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Node;

/// What is opened in one go, in members and elements; opened step by step, the rest takes no
/// memory at the same time.
const OPENED: usize = 16_384;
/// What an object counts for there beside its members.
const OBJECT: usize = 8;

/// Opens what is there, and in it the members of these names.
pub(super) fn open<'de, D: Deserializer<'de>>(
    json: D,
    names: &[&str],
) -> Result<Node<'de>, D::Error> {
    let left = Cell::new(OPENED);
    MemberSeed { names, left: &left }.deserialize(json)
}

/// Opens an object or array, and in it the members of these names; fails on anything odd, and
/// when it would be more than is `left`.
#[derive(Clone, Copy)]
struct MemberSeed<'n> {
    names: &'n [&'n str],
    left: &'n Cell<usize>,
}

impl MemberSeed<'_> {
    fn count<E: serde::de::Error>(self, more: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(more);
        self.left.set(left.ok_or_else(|| E::custom("too much"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for MemberSeed<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Node<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberSeed<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        self.count(OBJECT)?;
        let mut members = Vec::with_capacity(8);
        while let Some(Name(name)) = map.next_key()? {
            self.count(1)?;
            let node = if self.names.contains(&name.as_ref()) {
                map.next_value_seed(self)?
            } else {
                Node::Slice(map.next_value::<&RawValue>()?.get())
            };
            members.push((name, node));
        }
        Ok(Node::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(self)? {
            self.count(1)?;
            elements.push(element);
        }
        Ok(Node::Array(elements))
    }
}

/// A member's name, borrowed when there is no escape in it.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

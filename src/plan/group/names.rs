//! Who is known by which names: the pairs that a source gave together, and where they lead.

use std::collections::{BTreeSet, HashMap};

use super::keys::{Keys, MessageKeys};
use super::places::GivenNames;
use crate::model::NameLinkKey;

/// The most names that one name leads to. What is named along with more is no name of a person but
/// something in its place.
pub(crate) const MOST_NAMES: usize = 64;
/// A repeated link is noted again after so long, in ms: most reports repeat a known one.
const NOTED_MS: i64 = 3_600_000;

/// Names by the names that they were given along with.
type Neighbours = HashMap<String, BTreeSet<String>>;

/// The names of people, as far as a group leads to them.
#[derive(Debug, Default)]
pub(crate) struct KnownPeople {
    /// The pairs of names that are linked, by their places.
    pub(crate) links: Vec<Option<NameLink>>,
    /// The places of those that are new, in the order in which they were made.
    pub(super) new: Vec<usize>,
    /// Of each source.
    neighbours: Vec<Neighbours>,
    /// The pairs of the group that are not linked as yet, of each source.
    together: Vec<Neighbours>,
}

/// A pair of names that is linked.
#[derive(Debug, Clone)]
pub(crate) struct NameLink {
    /// Its key; `None` when the group makes it.
    pub(crate) key: Option<NameLinkKey>,
    /// When it was given first, ms since 1970 UTC.
    pub(crate) first_ms: i64,
    /// When it was given last, ms since 1970 UTC, to an hour.
    pub(crate) last_ms: i64,
    /// Whether that is to be written.
    pub(super) is_changed: bool,
}

impl NameLink {
    /// One of that key, as stored.
    pub(crate) const fn stored(key: NameLinkKey, (first_ms, last_ms): (i64, i64)) -> Self {
        Self {
            key: Some(key),
            first_ms,
            last_ms,
            is_changed: false,
        }
    }
}

impl KnownPeople {
    /// Reads the neighbours of every name that the group may lead to, once for each: `read` gives the
    /// first [`MOST_NAMES`] of a name at the place of a source. The links and messages are to be known by then.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn follow<E>(
        &mut self,
        keys: &Keys<'_>,
        is_known: impl Fn(usize) -> bool,
        mut read: impl FnMut(usize, &str) -> Result<BTreeSet<String>, E>,
    ) -> Result<(), E> {
        self.neighbours
            .resize_with(keys.sources.len(), Neighbours::new);
        self.together
            .resize_with(keys.sources.len(), Neighbours::new);
        let mut from: Vec<(usize, &str)> = Vec::new();
        for (pair, link) in keys.links.iter().zip(&self.links) {
            if link.is_none() {
                join(&mut self.together[pair.source], &pair.name, &pair.other);
                from.extend([(pair.source, &*pair.name), (pair.source, &*pair.other)]);
            }
        }
        for (place, message) in keys.messages.iter().enumerate() {
            if is_known(place) || message.reports > 1 {
                from.extend(message.members.iter().map(|name| (message.source, &**name)));
            }
        }
        for (source, name) in from {
            let mut names = BTreeSet::from([name.to_owned()]);
            let mut unread = vec![name.to_owned()];
            while let Some(name) = unread.pop() {
                if !self.neighbours[source].contains_key(&name) {
                    let found = read(source, &name)?;
                    self.neighbours[source].insert(name.clone(), found);
                }
                let others = self.all_neighbours(source, &name);
                reach(&mut names, &mut unread, others);
            }
        }
        Ok(())
    }

    /// The people for which the group may give a new name, each with its source and all its names.
    pub(crate) fn newly_named(&self, keys: &Keys<'_>) -> Vec<(usize, BTreeSet<String>)> {
        let mut people: Vec<(usize, BTreeSet<String>)> = Vec::new();
        for (pair, link) in keys.links.iter().zip(&self.links) {
            let is_known = |(source, names): &(usize, BTreeSet<String>)| {
                *source == pair.source && names.contains(&pair.name)
            };
            if link.is_none() && !people.iter().any(is_known) {
                people.push((pair.source, self.all_names(pair.source, &pair.name)));
            }
        }
        people
    }

    /// Every name that the members of a message's group may have by the end of the group of work.
    pub(crate) fn names_of_members(&self, message: &MessageKeys<'_>) -> BTreeSet<String> {
        let members = message.members.iter();
        let names = members.map(|name| self.all_names(message.source, name));
        names.flatten().collect()
    }

    fn all_names(&self, source: usize, name: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::from([name.to_owned()]);
        let mut unread = vec![name.to_owned()];
        while let Some(name) = unread.pop() {
            let others = self.all_neighbours(source, &name);
            reach(&mut names, &mut unread, others);
        }
        names
    }

    /// The names that are, or will be, given along with this one.
    fn all_neighbours(&self, source: usize, name: &str) -> impl Iterator<Item = &String> {
        let linked = self.neighbours[source].get(name).into_iter().flatten();
        let together = self.together[source].get(name).into_iter().flatten();
        linked.take(MOST_NAMES).chain(together)
    }

    /// The person with one of these names: each leads to those that were named along with it.
    pub(super) fn person<'n>(
        &self,
        source: usize,
        names: impl Iterator<Item = &'n str>,
    ) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = names.map(str::to_owned).collect();
        let mut unread: Vec<String> = names.iter().cloned().collect();
        while let Some(name) = unread.pop() {
            let linked = self.neighbours.get(source).and_then(|all| all.get(&name));
            reach(
                &mut names,
                &mut unread,
                linked.into_iter().flatten().take(MOST_NAMES),
            );
        }
        names
    }

    /// Remembers that these names are one person's; whether that was news.
    pub(super) fn link(&mut self, keys: &Keys<'_>, given: &GivenNames, at_ms: i64) -> bool {
        let mut is_news = false;
        for place in &given.links {
            if let Some(link) = &mut self.links[*place] {
                if link.last_ms.saturating_add(NOTED_MS) <= at_ms {
                    link.last_ms = at_ms;
                    link.is_changed = true;
                }
                continue;
            }
            let pair = &keys.links[*place];
            let neighbours = &mut self.neighbours[pair.source];
            // A name that was given along with so many identifies no person.
            let is_anybody = |name| {
                neighbours
                    .get(name)
                    .is_some_and(|it| it.len() >= MOST_NAMES)
            };
            if is_anybody(&pair.name) || is_anybody(&pair.other) {
                continue;
            }
            join(neighbours, &pair.name, &pair.other);
            self.links[*place] = Some(NameLink {
                key: None,
                first_ms: at_ms,
                last_ms: at_ms,
                is_changed: true,
            });
            self.new.push(*place);
            is_news = true;
        }
        is_news
    }
}

fn join(neighbours: &mut Neighbours, name: &str, other: &str) {
    for (name, other) in [(name, other), (other, name)] {
        let others = neighbours.entry(name.to_owned()).or_default();
        others.insert(other.to_owned());
    }
}

/// Goes one step further, as far as there is room.
fn reach<'n>(
    names: &mut BTreeSet<String>,
    unread: &mut Vec<String>,
    others: impl Iterator<Item = &'n String>,
) {
    for other in others {
        if names.len() < MOST_NAMES && names.insert(other.clone()) {
            unread.push(other.clone());
        }
    }
}

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

/// How far the names are read to which a group leads. An engine reads them round by round: each is one set of
/// names, whose neighbours it may read at once.
pub(crate) struct NameRounds<'k> {
    /// The names from which a walk is not at its end, each with the place of its source.
    open: Vec<(usize, &'k str)>,
    /// Those from which it is.
    ended: Vec<(usize, &'k str)>,
    /// Whether a walk ended for want of room.
    is_cut: bool,
}

impl KnownPeople {
    /// Where the rounds begin in which the neighbours of every name are read to which the group may lead. The
    /// links and messages are to be known by then.
    pub(crate) fn rounds<'k>(
        &mut self,
        keys: &'k Keys<'_>,
        is_known: impl Fn(usize) -> bool,
    ) -> NameRounds<'k> {
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
        NameRounds {
            open: from,
            ended: Vec::new(),
            is_cut: false,
        }
    }

    /// The names whose neighbours are read in the next round, each with the place of its source; none when all
    /// are known. Each round leads every walk one name further at least, and a walk has [`MOST_NAMES`] at most:
    /// so many rounds there are at most. Two or three are usual.
    pub(crate) fn unread(&mut self, rounds: &mut NameRounds<'_>) -> BTreeSet<(usize, String)> {
        let mut unread = BTreeSet::new();
        let NameRounds {
            open,
            ended,
            is_cut,
        } = rounds;
        open.retain(|(source, first)| {
            let names = self.all_names(*source, first);
            *is_cut |= names.len() >= MOST_NAMES;
            let read = &self.neighbours[*source];
            let left = names.into_iter().filter(|name| !read.contains_key(name));
            let mut is_open = false;
            for name in left {
                is_open = true;
                unread.insert((*source, name));
            }
            if !is_open {
                ended.push((*source, *first));
            }
            is_open
        });
        if unread.is_empty() && *is_cut {
            self.forget_unreached(ended);
        }
        unread
    }

    /// Takes in the first [`MOST_NAMES`] neighbours of a name.
    pub(crate) fn read(&mut self, source: usize, name: String, neighbours: BTreeSet<String>) {
        self.neighbours[source].insert(name, neighbours);
    }

    /// Forgets what no walk leads to. While a name was unread, what stands behind it took no room, so a walk
    /// that ends for want of room may have gone too far elsewhere.
    fn forget_unreached(&mut self, walks: &[(usize, &str)]) {
        let mut reached = vec![BTreeSet::new(); self.neighbours.len()];
        for (source, first) in walks {
            reached[*source].extend(self.all_names(*source, first));
        }
        for (neighbours, reached) in self.neighbours.iter_mut().zip(reached) {
            neighbours.retain(|name, _| reached.contains(name));
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::keys::NamePair;
    use super::*;
    use crate::providers::Provider;

    /// Who was named along with whom, as an engine finds it.
    fn stored(pairs: &[(usize, usize)]) -> Neighbours {
        let mut stored = Neighbours::new();
        for (name, other) in pairs {
            join(&mut stored, &name.to_string(), &other.to_string());
        }
        stored
    }

    fn of(stored: &Neighbours, name: &str) -> BTreeSet<String> {
        let others = stored.get(name).into_iter().flatten();
        others.take(MOST_NAMES).cloned().collect()
    }

    /// What is read by rounds for a group that links these pairs, and in how many rounds; and what is read where
    /// each name is read when a walk comes to it.
    fn both_ways(stored: &Neighbours, group: &[(usize, usize)]) -> (Neighbours, usize, Neighbours) {
        let source: Arc<str> = "cloud".into();
        let mut keys = Keys::default();
        keys.sources.push((&source, Provider::USUAL));
        let pair = |(name, other): &(usize, usize)| NamePair {
            source: 0,
            name: name.to_string(),
            other: other.to_string(),
        };
        keys.links.extend(group.iter().map(pair));
        let known = || KnownPeople {
            links: vec![None; group.len()],
            ..KnownPeople::default()
        };
        let mut by_rounds = known();
        let mut rounds = by_rounds.rounds(&keys, |_| false);
        let mut count = 0;
        loop {
            let unread = by_rounds.unread(&mut rounds);
            if unread.is_empty() {
                break;
            }
            count += 1;
            for (source, name) in unread {
                let found = of(stored, &name);
                by_rounds.read(source, name, found);
            }
        }
        let mut one_by_one = known();
        for (source, first) in one_by_one.rounds(&keys, |_| false).open {
            let mut names = BTreeSet::from([first.to_owned()]);
            let mut unread = vec![first.to_owned()];
            while let Some(name) = unread.pop() {
                let is_read = one_by_one.neighbours[source].contains_key(&name);
                if !is_read {
                    one_by_one.read(source, name.clone(), of(stored, &name));
                }
                let others = one_by_one.all_neighbours(source, &name);
                reach(&mut names, &mut unread, others);
            }
        }
        let mut read = [by_rounds, one_by_one].map(|mut people| people.neighbours.remove(0));
        (
            std::mem::take(&mut read[0]),
            count,
            std::mem::take(&mut read[1]),
        )
    }

    #[test]
    fn the_neighbours_of_all_names_of_a_person_are_read_in_few_rounds() {
        let chain: Vec<(usize, usize)> = (0..100).map(|name| (name, name + 1)).collect();
        let star: Vec<(usize, usize)> = (1..100).map(|name| (0, name)).collect();
        for (what, pairs, group, most) in [
            (
                "a pair and what one of them is known by",
                &[(2, 3), (3, 4)][..],
                &[(1, 2)][..],
                3,
            ),
            ("nothing is linked", &[], &[], 0),
            ("a new pair", &[], &[(1, 2)], 1),
            (
                "a chain longer than a person",
                &chain,
                &[(0, 1)],
                MOST_NAMES,
            ),
            ("a placeholder", &star, &[(0, 200), (7, 8)], 3),
        ] {
            let (read, rounds, expected) = both_ways(&stored(pairs), group);
            assert_eq!(read, expected, "{what}");
            assert!(rounds <= most, "{what}: {rounds} rounds");
        }
    }

    #[test]
    fn rounds_read_the_same_whatever_leads_where() {
        // The same numbers in every run.
        let mut seed: usize = 7;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let names = 2 + next(150);
            let mut pairs = |count: usize| -> Vec<(usize, usize)> {
                let pairs = (0..count).map(|_| (next(names), next(names)));
                pairs.filter(|(name, other)| name != other).collect()
            };
            let known = stored(&pairs(names));
            let group = pairs(3);
            let (read, rounds, expected) = both_ways(&known, &group);
            assert_eq!(read, expected, "{known:?} {group:?}");
            assert!(rounds <= MOST_NAMES, "{rounds} rounds");
        }
    }
}

//! A disk with a volatile cache: what it may hold after the power goes.
//!
//! What a sync covers is there. Of what was done to a file since, each sector of 512 bytes
//! holds one of the contents that it had since; names are changed in order, up to some
//! point, as a journalling file system does.

use std::collections::{BTreeMap, HashMap};

use rand::RngExt;
use rand::rngs::StdRng;

use super::record::{Event, FileId};

const SECTOR: usize = 512;

/// Whether a sync is worth anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syncs {
    Count,
    /// As if the service had requested none.
    AreIgnored,
    /// The service's own calls do nothing, so that it does ask for none.
    AreOmitted,
}

/// The disk as of the events so far.
pub(super) struct Disk {
    syncs: Syncs,
    files: HashMap<FileId, File>,
    names: BTreeMap<String, FileId>,
    pending_names: Vec<(usize, Naming)>,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<(usize, Change)>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone)]
enum Naming {
    Bind(String, FileId),
    Unlink(String),
    Rename(String, String, FileId),
}

/// What becomes of the changes to a file that no sync covers.
#[derive(Debug, Clone, Copy)]
enum LaneAction {
    AllKept,
    AllLost,
    /// Each write is kept whole or lost whole.
    SomeLost,
    /// Each sector for itself.
    Torn,
    /// Kept in order up to this many, that one torn, the rest lost.
    CutOff(usize),
}

impl Disk {
    pub(super) fn new(syncs: Syncs) -> Self {
        Self {
            syncs,
            files: HashMap::new(),
            names: BTreeMap::new(),
            pending_names: Vec::new(),
        }
    }

    /// Event `number` happens.
    pub(super) fn apply(&mut self, number: usize, event: &Event) {
        match event {
            Event::Create { file, name } => self.rename(number, Naming::Bind(name.clone(), *file)),
            Event::Write {
                file,
                offset,
                bytes,
            } => {
                let (offset, bytes) = (*offset, bytes.clone());
                self.change(number, *file, Change::Write { offset, bytes });
            }
            Event::Truncate { file, length } => {
                self.change(number, *file, Change::Truncate(*length));
            }
            Event::Unlink { name } => self.rename(number, Naming::Unlink(name.clone())),
            Event::Rename { file, from, to } => {
                self.rename(number, Naming::Rename(from.clone(), to.clone(), *file));
            }
            Event::Sync { file, covers } if self.syncs == Syncs::Count => {
                self.files.entry(*file).or_default().sync(*covers);
            }
            Event::SyncNames { covers } if self.syncs == Syncs::Count => {
                let until = self.pending_names.partition_point(|(at, _)| at < covers);
                for (_, naming) in self.pending_names.drain(..until) {
                    naming.apply(&mut self.names);
                }
            }
            Event::Sync { .. } | Event::SyncNames { .. } | Event::Answer { .. } => {}
        }
    }

    fn change(&mut self, number: usize, file: FileId, change: Change) {
        let file = self.files.entry(file).or_default();
        file.pending.push((number, change));
    }

    fn rename(&mut self, number: usize, naming: Naming) {
        self.pending_names.push((number, naming));
    }

    /// From here on what happened so far is on the disk, synced or not.
    pub(super) fn settle(&mut self) {
        for (_, naming) in self.pending_names.drain(..) {
            naming.apply(&mut self.names);
        }
        for file in self.files.values_mut() {
            file.sync(usize::MAX);
        }
    }

    /// The files as the service sees them, nothing lost.
    pub(super) fn cached(&self) -> BTreeMap<String, Vec<u8>> {
        self.contents(self.pending_names.len(), |file| {
            let mut contents = file.synced.clone();
            for (_, change) in &file.pending {
                change.apply(&mut contents);
            }
            contents
        })
    }

    /// The files as they may be found after the power went.
    pub(super) fn cut(&self, random: &mut StdRng) -> BTreeMap<String, Vec<u8>> {
        let names = random.random_range(0..=self.pending_names.len());
        self.contents(names, |file| file.cut(random))
    }

    fn contents(
        &self,
        pending_names: usize,
        mut contents: impl FnMut(&File) -> Vec<u8>,
    ) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.names.clone();
        for (_, naming) in &self.pending_names[..pending_names] {
            naming.apply(&mut names);
        }
        let empty = File::default();
        names
            .into_iter()
            .map(|(name, file)| (name, contents(self.files.get(&file).unwrap_or(&empty))))
            .collect()
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, FileId>) {
        match self {
            Self::Bind(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate(length) => contents.resize(*length, 0),
        }
    }
}

impl File {
    fn sync(&mut self, covers: usize) {
        let until = self.pending.partition_point(|(at, _)| *at < covers);
        for (_, change) in self.pending.drain(..until) {
            change.apply(&mut self.synced);
        }
    }

    fn cut(&self, random: &mut StdRng) -> Vec<u8> {
        let action = match random.random_range(0..8) {
            0 => LaneAction::AllKept,
            1 => LaneAction::AllLost,
            2 | 3 => LaneAction::SomeLost,
            4 | 5 => LaneAction::Torn,
            _ => LaneAction::CutOff(random.random_range(0..=self.pending.len())),
        };
        // A file may have grown by bytes that never came; they read as zeros.
        let grows = random.random();
        let (mut found, mut cached) = (self.synced.clone(), self.synced.clone());
        for (index, (_, change)) in self.pending.iter().enumerate() {
            change.apply(&mut cached);
            let whole: bool = random.random();
            let mut kept = || match action {
                LaneAction::AllKept => true,
                LaneAction::AllLost => false,
                LaneAction::SomeLost => whole,
                LaneAction::Torn => random.random(),
                LaneAction::CutOff(at) if index == at => random.random(),
                LaneAction::CutOff(at) => index < at,
            };
            match change {
                Change::Truncate(length) => {
                    if kept() {
                        found.resize(*length, 0);
                    }
                }
                Change::Write { offset, bytes } => {
                    let end = offset + bytes.len();
                    for sector in offset / SECTOR..end.div_ceil(SECTOR) {
                        if kept() {
                            copy_sector(&cached, &mut found, sector);
                        }
                    }
                    if grows && found.len() < end {
                        found.resize(end, 0);
                    }
                }
            }
        }
        found
    }
}

fn copy_sector(from: &[u8], to: &mut Vec<u8>, sector: usize) {
    let start = sector * SECTOR;
    let end = from.len().min(start + SECTOR);
    if to.len() < end {
        to.resize(end, 0);
    }
    to[start..end].copy_from_slice(&from[start..end]);
}

//! The keys that seal secrets: where they are read, and how the first one is made.
//!
//! By default they stand in a file beside the store (`tickrelay.key`), which is made for a store
//! that holds nothing sealed yet. A key that is missing is looked for again while the service
//! runs.
//!
//! A key is synced, file and folder, before anything is sealed with it. It is looked for again in its file before
//! each sealing, so that nothing is sealed with a key that only memory has.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::backend;
use super::files::suffixed;
use super::options::resolve;
use crate::store::seal::{self, KeyId, KeyRing};
use crate::store::{Error, KeySource};

/// How long after the keys were read they are read again, at the soonest.
const READ_EVERY: Duration = Duration::from_millis(500);
/// How often it is read which keys are used while one is missing.
const USED_EVERY: Duration = Duration::from_secs(10);
/// Bytes that are read of a key's file: hundreds of keys.
const LARGEST_FILE: u64 = 64 * 1024;
/// What the first key's file is made with.
const PRIVATE: u32 = 0o600;
/// What the key's file begins with.
const HEADING: &str = "# Seals the secrets in the store beside this file. Without it they are lost: \
     keep a copy, apart from the store's backups.\n";

/// The keys of a store.
pub(super) struct RowKeys {
    /// In the order in which they count; one file beside the store unless the operator said more.
    sources: Vec<KeySource>,
    /// The configuration names none, so the file beside the store is ours to write.
    is_own: bool,
    ring: RwLock<Arc<KeyRing>>,
    read_at: Mutex<Instant>,
    /// Held while the keys are read, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
    watched: Mutex<Watched>,
}

/// What was found when it was last looked which keys are missing.
#[derive(Default)]
struct Watched {
    /// When, and which keys were at hand; none before the first time.
    looked: Option<(Instant, Vec<KeyId>)>,
    missing: BTreeSet<KeyId>,
}

impl RowKeys {
    /// Reads what keys there are; a file that is missing or unreadable is said and left out.
    pub(super) fn open(store: &Path, configured: &[KeySource]) -> Self {
        let sources = if configured.is_empty() {
            vec![KeySource::File(beside(store))]
        } else {
            configured.to_vec()
        };
        let (ring, troubles) = read(&sources);
        // A file of ours that is not there is made, or its keys are said to be missing.
        if !configured.is_empty() || std::fs::symlink_metadata(beside(store)).is_ok() {
            for trouble in troubles {
                tracing::warn!("{trouble}");
            }
        }
        warn_of_mode(&sources);
        Self {
            is_own: configured.is_empty(),
            sources,
            ring: RwLock::new(Arc::new(ring)),
            read_at: Mutex::new(Instant::now()),
            reading: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    /// The keys that are used and not at hand; each that goes or comes back is said once.
    ///
    /// Which are used is read when the keys at hand are others than before, and now and then while
    /// one is missing: what is sealed meanwhile is sealed with one that is at hand.
    ///
    /// # Errors
    /// Those of `used`.
    pub(super) fn look<E>(
        &self,
        used: impl FnOnce() -> Result<BTreeSet<KeyId>, E>,
    ) -> Result<Vec<KeyId>, E> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = self.ring();
        let is_known = watched.looked.as_ref().is_some_and(|(at, ids)| {
            let is_fresh = watched.missing.is_empty() || at.elapsed() < USED_EVERY;
            is_fresh && ring.ids().eq(ids.iter().copied())
        });
        if !is_known {
            let missing: BTreeSet<KeyId> =
                used()?.into_iter().filter(|id| !ring.has(*id)).collect();
            for key in missing.difference(&watched.missing) {
                let remedy = self.remedy();
                tracing::error!(
                    %key,
                    "store.key_missing: what it sealed cannot be opened, and a subscriber whose \
                     secrets must be read is sent nothing until it is back; {remedy}"
                );
            }
            for key in watched.missing.difference(&missing) {
                tracing::info!(%key, "store.key_not_missing: it is back, or nothing needs it any more");
            }
            watched.missing = missing;
            watched.looked = Some((Instant::now(), ring.ids().collect()));
        }
        Ok(watched.missing.iter().copied().collect())
    }

    /// Makes the first key where the store has nothing sealed and there is none: written, synced
    /// and in its place before anything is sealed with it.
    ///
    /// # Errors
    /// [`Error::Backend`] when the file cannot be written.
    pub(super) fn make_first(&self, store: &Path, has_sealed: bool) -> Result<(), Error> {
        let path = beside(store);
        // Nothing is made at the end of a link: it says that the keys are somewhere else.
        let is_there = std::fs::symlink_metadata(&path).is_ok();
        if has_sealed || !self.is_own || is_there {
            return Ok(());
        }
        write(&path, store, &[&seal::generate()])
            .map_err(|error| backend(format!("cannot write {}", path.display()), error))?;
        tracing::info!(key = %path.display(), "store.key_made");
        self.read_again();
        Ok(())
    }

    /// The keys as they were read last.
    pub(super) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for the keys again, unless that was done just now; says whether they are others.
    pub(super) fn refresh(&self) -> bool {
        {
            let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
            if read_at.elapsed() < READ_EVERY {
                return false;
            }
            *read_at = Instant::now();
        }
        self.read_again()
    }

    /// Reads the keys; says whether they are others.
    fn read_again(&self) -> bool {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (ring, _) = read(&self.sources);
        let is_new = !ring.ids().eq(self.ring().ids());
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        is_new
    }

    /// The keys to seal with, as they can be read now: what is sealed with a key that stands
    /// nowhere any more could not be opened after a restart.
    ///
    /// # Errors
    /// [`Error::KeyMissing`].
    pub(super) fn sealing(&self) -> Result<Arc<KeyRing>, Error> {
        self.read_again();
        let ring = self.ring();
        if ring.ids().next().is_none() {
            return Err(Error::KeyMissing(format!(
                "there is no key to seal secrets with: {}",
                self.remedy()
            )));
        }
        Ok(ring)
    }

    /// The file that we keep, where the configuration names no keys.
    fn own_file(&self) -> Option<&Path> {
        match self.sources.as_slice() {
            [KeySource::File(path)] if self.is_own => Some(path),
            _ => None,
        }
    }

    /// Puts a new key before the others into the file that we keep, and says which that is.
    ///
    /// # Errors
    /// [`Error::Unwritable`]; the file is as it was then.
    pub(super) fn add_new(&self) -> Result<Option<PathBuf>, Error> {
        let Some(path) = self.own_file() else {
            return Ok(None);
        };
        let add = || -> io::Result<PathBuf> {
            let new = seal::generate();
            // What is no list of keys, a link may lead to: it is not overwritten.
            let text = read_file(path).map_err(io::Error::other)?;
            let keys: Vec<&str> = [new.as_str()].into_iter().chain(key_lines(&text)).collect();
            write(path, path, &keys)
        };
        let written = add().map_err(|error| unwritten(path, error))?;
        self.read_again();
        Ok(Some(written))
    }

    /// Takes all keys but the first out of the file that we keep.
    ///
    /// # Errors
    /// [`Error::Unwritable`]; the file is as it was then.
    pub(super) fn drop_old(&self) -> Result<(), Error> {
        let Some(path) = self.own_file() else {
            return Ok(());
        };
        let drop_old = || -> io::Result<()> {
            let text = read_regular(path)?;
            let first: Vec<&str> = key_lines(&text).take(1).collect();
            write(path, path, &first).map(drop)
        };
        drop_old().map_err(|error| unwritten(path, error))?;
        self.read_again();
        Ok(())
    }

    /// What to do about a key that is missing.
    pub(super) fn remedy(&self) -> String {
        let places = self.sources.iter().map(|source| match source {
            KeySource::File(path) => format!("the file {}", path.display()),
            KeySource::Text(_) => "a variable or text in the configuration".to_owned(),
        });
        let places: Vec<String> = places.collect();
        format!("bring it back; keys are read from {}", places.join(", "))
    }
}

/// The lines of a key's file that are keys.
fn key_lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::Unwritable {
        attempted: format!("cannot write {}", path.display()),
        source: error.into(),
    }
}

/// The file of the keys of a store, where the configuration names none: `tickrelay.key`.
pub(super) fn beside(store: &Path) -> PathBuf {
    let path = store.with_extension("key");
    if path == store {
        return store.with_extension("key.key");
    }
    path
}

/// All keys that can be read, and why the others cannot.
fn read(sources: &[KeySource]) -> (KeyRing, Vec<String>) {
    let mut troubles = Vec::new();
    let mut texts = Vec::new();
    for source in sources {
        match source {
            KeySource::Text(text) => texts.push(text.expose().to_owned()),
            KeySource::File(path) => match read_file(path) {
                Ok(text) => texts.push(text),
                Err(error) => {
                    troubles.push(format!("cannot read the key {}: {error}", path.display()));
                }
            },
        }
    }
    let ring = KeyRing::parse(texts.iter().map(String::as_str)).unwrap_or_default();
    (ring, troubles)
}

/// The text of a key's file, when all in it are keys: one file that is not does not take away
/// the others.
fn read_file(path: &Path) -> Result<String, String> {
    let text = read_regular(path).map_err(|error| error.to_string())?;
    KeyRing::parse([text.as_str()]).map_err(|error| error.to_string())?;
    Ok(text)
}

/// The text of a regular file: reading a pipe would block, and a device has no end.
fn read_regular(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A pipe may have taken the file's place since anybody looked.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Says that others than its owner can read a key, as `ssh` does.
fn warn_of_mode(sources: &[KeySource]) {
    use std::os::unix::fs::PermissionsExt as _;
    for source in sources {
        let KeySource::File(path) = source else {
            continue;
        };
        let mode = std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
        if let Ok(mode) = mode
            && mode & 0o077 != 0
        {
            tracing::warn!(
                key = %path.display(),
                mode = format!("{mode:o}"),
                "others can read the key that seals the store's secrets: chmod 600"
            );
        }
    }
}

/// Puts keys into a file, the first seals: all of them or, after a crash, what was there before.
/// Where there is a link, the file that it leads to; says which file it is.
///
/// The file belongs to the owner of the one that it replaces, or of `model` where there is none:
/// `root` may write what another user's service reads.
fn write(path: &Path, model: &Path, keys: &[&str]) -> io::Result<PathBuf> {
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
    let path = resolve(path);
    let replaced = match std::fs::metadata(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        replaced => replaced.ok(),
    };
    let mode = replaced.as_ref().map_or(PRIVATE, |it| it.mode() & 0o777);
    let owner = match replaced {
        Some(replaced) => replaced,
        None => std::fs::metadata(model)?,
    };
    let unfinished = suffixed(&path, ".new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::File::options()
        .create_new(true)
        .write(true)
        .mode(PRIVATE)
        .open(&unfinished)?;
    file.write_all(HEADING.as_bytes())?;
    for key in keys {
        writeln!(file, "{key}")?;
    }
    let written = file.metadata()?;
    if written.uid() != owner.uid() || (written.gid() != owner.gid() && mode & 0o070 != 0) {
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    // Whatever the umask.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    sync_folder(&path)?;
    Ok(path)
}

/// Has the disk know which files are in the folder of this one.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

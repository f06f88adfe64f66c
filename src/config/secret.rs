//! Where secrets come from: in place, a variable of the environment, a file.
//!
//! A secret is a [`SecretString`] from here on and no message repeats one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::Environment;
use super::file::{FileValue, Table};
use crate::store::KeySource;
use crate::store::seal::KeyRing;

/// Reads the secrets of one configuration file.
pub(super) struct Secrets<'a> {
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
    pub(super) environment: Environment<'a>,
    /// The variables that the file names.
    pub(super) named: RefCell<BTreeSet<String>>,
}

impl Secrets<'_> {
    /// A secret that must be written; `None` after a fault.
    pub(super) fn required(&self, table: &Table<'_>, key: &str) -> Option<SecretString> {
        self.read(&table.wanted(key)?)
    }

    /// A secret that may be left out.
    pub(super) fn optional(&self, table: &Table<'_>, key: &str) -> Option<SecretString> {
        self.read(&table.get(key)?)
    }

    /// The secrets under the singular and the plural key together, in this order.
    pub(super) fn all(&self, table: &Table<'_>, one: &str, many: &str) -> Vec<SecretString> {
        let single = table.get(one).into_iter();
        let plural = table.get(many).map(|list| list.elements());
        single
            .chain(plural.into_iter().flatten())
            .filter_map(|item| self.read(&item))
            .collect()
    }

    /// A key that seals secrets. A file is read when the store is opened, and again while the key is
    /// missing, so that it may come back.
    pub(super) fn key(&self, item: &FileValue<'_>) -> Option<KeySource> {
        let place = item.is_table().then(|| item.table()).flatten();
        let file = place.and_then(|place| Some(place.get("file")?.as_str()?.to_owned()));
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            return Some(KeySource::File(self.folder.join(file)));
        }
        let text = self.read(item)?;
        Self::key_of(text.expose_secret())
            .map_err(|refusal| item.fault(refusal))
            .ok()
    }

    /// A key as it is given.
    pub(super) fn key_of(text: &str) -> Result<KeySource, String> {
        match KeyRing::parse([text]) {
            Ok(ring) if ring.ids().next().is_some() => Ok(KeySource::Text(text.to_owned().into())),
            Ok(_) => Err("the key is empty".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn read(&self, item: &FileValue<'_>) -> Option<SecretString> {
        let secret = match item.as_str() {
            Some(text) => text.to_owned(),
            None => self.fetch(item)?,
        };
        if secret.trim().is_empty() {
            item.fault("the secret is empty");
            return None;
        }
        Some(SecretString::from(secret))
    }

    /// A secret that stands elsewhere: `{ env = "NAME" }` or `{ file = "path" }`.
    fn fetch(&self, item: &FileValue<'_>) -> Option<String> {
        const SHAPES: &str = "write the secret as \"…\", { env = \"NAME\" } or { file = \"path\" }";
        let Some(table) = item.is_table().then(|| item.table()).flatten() else {
            item.fault(SHAPES);
            return None;
        };
        let (env, file) = (table.get("env"), table.get("file"));
        table.finish();
        let fetched = match (env, file) {
            (Some(env), None) => self.variable(env.as_str().unwrap_or_default()),
            (None, Some(file)) => self.file(file.as_str().unwrap_or_default()),
            _ => Err(SHAPES.to_owned()),
        };
        fetched.map_err(|refusal| item.fault(refusal)).ok()
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        // The operator may have put the secret itself here, so a bad name is not repeated.
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(legal) {
            return Err("env must be the name of an environment variable".to_owned());
        }
        self.named.borrow_mut().insert(name.to_owned());
        (self.environment.value)(name)
            .ok_or_else(|| format!("the environment variable {name} is not set"))
    }

    /// The content of a file, without the line end that editors put behind it.
    fn file(&self, path: &str) -> Result<String, String> {
        if path.is_empty() {
            return Err("file must be the path of a file".to_owned());
        }
        let path = self.folder.join(path);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    }
}

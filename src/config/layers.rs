//! From what was written to what it means: flag > environment > file > default.
//!
//! A wrong value becomes a fault and the default stands in until the end, where any fault ends it all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::file::{Document, Table};
use super::notation::Notation;
use super::secret::Secrets;
use super::setting::Decide;
use super::value::nearest;
use super::{Config, Flag, Inputs, LoadError, Loaded, Origin, combination, source, variables};

/// Resolves the text of a file together with the environment and the flags.
pub(super) fn resolve(content: &str, inputs: Inputs<'_>) -> Result<Loaded, LoadError> {
    let name = inputs.file.map(|file| file.display().to_string());
    let document = Document::new(name.unwrap_or_default(), content);
    let tree = document.parse();
    let root = Table::root(&document, &tree);
    let secrets = Secrets {
        folder: inputs.file.and_then(Path::parent).unwrap_or(Path::new("")),
        environment: inputs.environment,
        named: RefCell::default(),
    };
    let layers = Layers {
        inputs,
        document: &document,
        secrets: &secrets,
        origins: RefCell::default(),
    };
    let mut config = Config::of_sections(&layers, &root);
    config.sources = source::sources(&root, &secrets, &mut layers.origins.borrow_mut());
    root.finish();
    layers.refuse_unknown_flags();
    layers.refuse_unknown_variables();
    layers.refuse_combinations(&config);
    let origins = layers.origins.take();
    let faults = document.into_faults();
    if faults.is_empty() {
        Ok(Loaded { config, origins })
    } else {
        Err(LoadError::Invalid(faults))
    }
}

/// The places a setting may be decided in, and which one did.
pub(super) struct Layers<'a> {
    inputs: Inputs<'a>,
    document: &'a Document<'a>,
    secrets: &'a Secrets<'a>,
    origins: RefCell<BTreeMap<String, Origin>>,
}

impl Decide for Layers<'_> {
    fn decide<N: Notation>(
        &self,
        table: &Table<'_>,
        key: &str,
        notation: &N,
        default: N::Value,
    ) -> N::Value {
        // Read even when it is overridden, so that the key counts as known.
        let item = table.get(key);
        let path = table.path_of(key);
        let (origin, value) = match (self.outside(&path), item) {
            (Some((origin, text)), _) => {
                let is_seen = notation.is_secret() && matches!(origin, Origin::Flag(_));
                let parsed = if is_seen {
                    let variable = variables::variable(&path);
                    Err(format!(
                        "a flag shows a secret to every user of the machine: write it into the file, \
                         or give {variable}"
                    ))
                } else {
                    notation.parse(&text)
                };
                let fault = |refusal| self.document.fault(origin.clone(), &path, refusal);
                (origin.clone(), parsed.map_err(fault).ok())
            }
            (None, Some(item)) => (item.origin(), notation.read(&item, self.secrets)),
            (None, None) => (Origin::Default, None),
        };
        let value = value.unwrap_or(default);
        // What a flag or the environment gives is relative to the current folder.
        let value = match origin {
            Origin::File { .. } | Origin::Default => notation.beside(self.secrets.folder, value),
            Origin::Environment(_) | Origin::Flag(_) => value,
        };
        self.origins.borrow_mut().insert(path, origin);
        value
    }
}

impl Layers<'_> {
    /// What the flags, else the environment, say about a setting. An empty variable says nothing.
    fn outside(&self, path: &str) -> Option<(Origin, String)> {
        // The last flag wins, as everywhere on a command line.
        let flag = self.inputs.flags.iter().rfind(|flag| flag.key == path);
        if let Some(flag) = flag {
            return Some((Origin::Flag(flag.flag.clone()), flag.value.clone()));
        }
        variables::value(self.document, self.inputs.environment, path)
    }

    fn refuse_unknown_variables(&self) {
        let (origins, named) = (self.origins.borrow(), self.secrets.named.borrow());
        variables::refuse_unknown(self.document, self.inputs.environment, &origins, &named);
    }

    /// Refuses what is impossible together, unless one of both is wrong by itself.
    fn refuse_combinations(&self, config: &Config) {
        let origins = self.origins.borrow();
        for combination::Combination { keys, text } in combination::impossible(config) {
            if keys.iter().any(|key| self.document.has_fault(key)) {
                continue;
            }
            let decided = keys
                .iter()
                .filter_map(|key| Some((key, origins.get(*key)?)));
            let written = decided
                .clone()
                .find(|(_, origin)| **origin != Origin::Default);
            if let Some((key, origin)) = written.or_else(|| decided.clone().next()) {
                self.document.fault(origin.clone(), key, text);
            }
        }
    }

    fn refuse_unknown_flags(&self) {
        let origins = self.origins.borrow();
        for Flag { flag, key, .. } in self.inputs.flags {
            let settings = origins.keys().map(String::as_str);
            let mut settings = settings.filter(|path| !path.starts_with("source"));
            if settings.clone().any(|path| path == key) {
                continue;
            }
            let remedy = match nearest(key, &mut settings) {
                Some(meant) => format!("unknown setting: did you mean {meant}?"),
                None => "unknown setting: `tickrelay config show` lists them all".to_owned(),
            };
            self.document.fault(Origin::Flag(flag.clone()), key, remedy);
        }
    }
}

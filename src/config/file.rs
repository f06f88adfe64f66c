//! A TOML file, read key by key.
//!
//! Reading a key is what makes it known, so the reader is the schema: unread keys are
//! faults, with the nearest known key as the remedy. Faults are collected with their line
//! instead of ending the reading, so that one run of `config check` shows them all. No
//! fault repeats a line of the file, which may hold a secret.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::nearest;
use super::{Finding, Origin};
use crate::model::plain;

/// One file with what was found wrong in it so far.
pub(super) struct Document<'a> {
    name: String,
    text: &'a str,
    faults: RefCell<Vec<Finding>>,
    /// Full paths of the keys that were read.
    known: RefCell<BTreeSet<String>>,
    /// Keys that are written: the table's path, the key, its place.
    written: RefCell<Vec<(String, String, Origin)>>,
}

impl<'a> Document<'a> {
    /// `name` is how messages call the file, e.g. `tickrelay.toml`.
    pub(super) fn new(name: String, text: &'a str) -> Self {
        Self {
            name,
            text,
            faults: RefCell::default(),
            known: RefCell::default(),
            written: RefCell::default(),
        }
    }

    /// The file's tree; empty, with faults, when the syntax is broken.
    pub(super) fn parse(&self) -> DeTable<'a> {
        let (tree, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return tree.into_inner();
        }
        for error in errors {
            let origin = self.place(error.span().unwrap_or_default());
            self.fault(origin, "", format!("not TOML: {}", error.message()));
        }
        DeTable::new()
    }

    /// Notes that something is wrong.
    pub(super) fn fault(&self, origin: Origin, key: &str, text: impl Into<String>) {
        let fault = Finding {
            origin,
            key: key.to_owned(),
            text: plain(&text.into()),
        };
        let mut faults = self.faults.borrow_mut();
        // A table may be read more than once.
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    /// Whether something was found wrong with this setting, or with a part of it.
    pub(super) fn has_fault(&self, key: &str) -> bool {
        let faults = self.faults.borrow();
        faults.iter().any(|fault| {
            let rest = fault.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        })
    }

    /// Every fault in the order of the file; those of variables and flags come first.
    pub(super) fn into_faults(self) -> Vec<Finding> {
        for (table, key, origin) in self.written.take() {
            let path = join(&table, &key);
            if !self.known.borrow().contains(&path) {
                let text = self.remedy(&table, &key);
                self.fault(origin, &path, text);
            }
        }
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| match fault.origin {
            Origin::File { line, .. } => line,
            _ => 0,
        });
        faults
    }

    /// What to do about an unknown key: a neighbour's name, another section, or all names.
    fn remedy(&self, table: &str, key: &str) -> String {
        let known = self.known.borrow();
        let here: Vec<&str> = known
            .iter()
            .filter_map(|path| match path.rsplit_once('.') {
                Some((parent, name)) => (parent == table).then_some(name),
                None => table.is_empty().then_some(path.as_str()),
            })
            .collect();
        if let Some(meant) = nearest(key, here.iter().copied()) {
            return format!("unknown key: did you mean {meant}?");
        }
        let elsewhere = known.iter().find_map(|path| {
            let (section, name) = path.rsplit_once('.')?;
            (name == key && !section.starts_with("source")).then_some(section)
        });
        match elsewhere {
            Some(section) => format!("unknown key here: it belongs in [{section}]"),
            None => format!("unknown key: known here are {}", here.join(", ")),
        }
    }

    fn place(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or_default();
        Origin::File {
            file: self.name.clone(),
            line: 1 + before.matches('\n').count(),
        }
    }
}

/// One table of the file, or the lack of one, which reads as an empty table.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    entries: Option<&'a DeTable<'a>>,
    path: String,
    span: Range<usize>,
}

impl<'a> Table<'a> {
    /// The table that holds all others.
    pub(super) fn root(document: &'a Document<'a>, entries: &'a DeTable<'a>) -> Self {
        Self {
            document,
            entries: Some(entries),
            path: String::new(),
            span: 0..0,
        }
    }

    /// The same table, called by another name in messages.
    pub(super) fn called(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// The full path of a key of this table, e.g. `server.listen`.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Where the table begins.
    pub(super) fn origin(&self) -> Origin {
        self.document.place(self.span.clone())
    }

    /// Notes a fault of the table as a whole, such as a key that is missing.
    pub(super) fn fault(&self, text: impl Into<String>) {
        self.document.fault(self.origin(), &self.path, text);
    }

    /// The value of a key, if it is written.
    pub(super) fn get(&self, key: &str) -> Option<FileValue<'a>> {
        let path = self.path_of(key);
        self.document.known.borrow_mut().insert(path.clone());
        let value = self.entries?.get(key)?;
        Some(FileValue {
            document: self.document,
            path,
            value,
        })
    }

    /// Whether something is written, right or wrong; an empty array is nothing.
    pub(super) fn has(&self, key: &str) -> bool {
        let item = self.get(key);
        item.is_some_and(|item| !item.elements().is_empty())
    }

    /// The table behind a key; an empty one when nothing or something else stands there.
    pub(super) fn table(&self, key: &str) -> Table<'a> {
        self.get(key)
            .and_then(|item| item.table())
            .unwrap_or(Table {
                document: self.document,
                entries: None,
                path: self.path_of(key),
                span: self.span.clone(),
            })
    }

    /// The table behind a path, e.g. `store.retention`.
    pub(super) fn descend(&self, path: &str) -> Table<'a> {
        match path.split_once('.') {
            Some((first, rest)) => self.table(first).descend(rest),
            None => self.table(path),
        }
    }

    /// The parsed scalar of a key; `None` when it is not written or wrong.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.get(key)?.parsed(parse)
    }

    /// The value of a key that must be written; a fault where it is not.
    pub(super) fn wanted(&self, key: &str) -> Option<FileValue<'a>> {
        let item = self.get(key);
        if item.is_none() {
            self.fault(format!("{key} is missing"));
        }
        item
    }

    /// As [`Self::parsed`], for a key that must be written.
    pub(super) fn required<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.wanted(key)?.parsed(parse)
    }

    /// As [`Self::required`], for a text, which stands in quotes.
    pub(super) fn required_quoted<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.wanted(key)?.quoted("a text in quotes", parse)
    }

    /// Ends the reading: what was not read in the end is unknown.
    pub(super) fn finish(self) {
        let mut written = self.document.written.borrow_mut();
        for key in self.entries.into_iter().flat_map(DeTable::keys) {
            let origin = self.document.place(key.span());
            written.push((self.path.clone(), key.get_ref().to_string(), origin));
        }
    }
}

/// One value of the file.
pub(super) struct FileValue<'a> {
    document: &'a Document<'a>,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> FileValue<'a> {
    /// Where it stands.
    pub(super) fn origin(&self) -> Origin {
        self.document.place(self.value.span())
    }

    /// Notes that it is wrong.
    pub(super) fn fault(&self, text: impl Into<String>) {
        self.document.fault(self.origin(), &self.path, text);
    }

    /// Its text when it is a string, without a fault when it is not.
    pub(super) fn as_str(&self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// A string, number or boolean as text; a fault for all else.
    pub(super) fn text(&self) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.to_string()),
            DeValue::Boolean(yes) => Some(yes.to_string()),
            // What wants a number says which.
            DeValue::Float(number) => Some(number.as_str().to_owned()),
            DeValue::Integer(_) => {
                self.fault("write the number in decimal digits, without 0x, 0o or 0b".to_owned());
                None
            }
            DeValue::Datetime(_) => {
                self.fault("a date stands where a text or a number belongs".to_owned());
                None
            }
            DeValue::Array(_) | DeValue::Table(_) => {
                self.fault("write one text or number, without [ ] and { }".to_owned());
                None
            }
        }
    }

    /// Its text, parsed; a fault when that is refused.
    pub(super) fn parsed<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        parse(&self.text()?)
            .map_err(|refusal| self.fault(refusal))
            .ok()
    }

    /// As [`Self::parsed`], of `what` must be written in quotes: `1` is no name.
    pub(super) fn quoted<T>(
        &self,
        what: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let DeValue::String(text) = self.value.get_ref() else {
            let kind = self.value.get_ref().type_str();
            self.fault(format!("{kind} given where {what} is expected"));
            return None;
        };
        parse(text).map_err(|refusal| self.fault(refusal)).ok()
    }

    /// The elements of an array; a single value counts as an array of one.
    pub(super) fn elements(&self) -> Vec<FileValue<'a>> {
        let element = |(index, value)| FileValue {
            document: self.document,
            path: format!("{}[{index}]", self.path),
            value,
        };
        match self.value.get_ref() {
            DeValue::Array(values) => values.iter().enumerate().map(element).collect(),
            _ => vec![FileValue {
                document: self.document,
                path: self.path.clone(),
                value: self.value,
            }],
        }
    }

    /// The entries of a table whose keys are the operator's own words; a fault for all else.
    pub(super) fn entries(&self) -> Option<Vec<(String, FileValue<'a>)>> {
        let table = self.table()?;
        let keys = table.entries?.keys().map(|key| key.get_ref().to_string());
        Some(
            keys.filter_map(|key| Some((key.clone(), table.get(&key)?)))
                .collect(),
        )
    }

    /// The table it is; a fault for all else.
    pub(super) fn table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            let kind = self.value.get_ref().type_str();
            self.fault(format!("{kind} given where a table is expected: {{ … }}"));
            return None;
        };
        Some(Table {
            document: self.document,
            entries: Some(entries),
            path: self.path.clone(),
            span: self.value.span(),
        })
    }
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() {
        return key.to_owned();
    }
    format!("{table}.{key}")
}

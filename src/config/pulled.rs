//! Pulled sources, which send nothing and are polled: where, with what proof, how often, and how
//! their answers are read. Each key is a row, as in [`super::settings`].

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use toml::Value;
use url::Url;

use super::file::{FileValue, Table};
use super::header::fits_header;
use super::notation::{MASK, Notation, One, Optional, positive_time, shown, size};
use super::secret::Secrets;
use super::setting::{Decide, SettingRow, section};
use super::value::{header_name, text, word};
use crate::model::{Status, is_reserved_header, quoted};
use crate::providers::{ID, Provider, Pull, PullForm, PullOptions};

section! {
    /// How the broadcasts of a source that sends nothing are polled.
    PullSettings ["source"] with
        /// What the settings say that its provider alone has.
        options: PullOptions
    {
        /// The URL of a broadcast; `{id}` stands for its id, else it is the last segment.
        url: String = String::new(), One::new("a URL", url, shown),
            example("\"https://api.example.com/broadcast/{id}\"");

        /// The header that authenticates the poll.
        authorization: Option<PollHeader> = None,
            Optional(One::table("a header", header, PollHeader::show)),
            example("{ name = \"Authorization\", value = { env = \"POLL_AUTHORIZATION\" } }");

        /// The time from an answer with news to the next poll.
        every as poll_every: Duration = Duration::from_secs(30), positive_time();

        /// The longest time to the next poll after answers without news.
        at_most as poll_at_most: Duration = Duration::from_mins(15), positive_time();

        /// The age at which a broadcast is polled no more, whatever is pending.
        give_up_after as poll_for: Duration = Duration::from_hours(3 * 24), positive_time();

        /// The largest answer that is read.
        // A hundred thousand users, each twice with a reason, have about 30 MB.
        answer_limit_bytes as answer_limit: usize = 64 << 20, size(64 << 10..);
    }
}

/// A header that authenticates a poll.
#[derive(Debug, Clone)]
pub struct PollHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
}

impl PartialEq for PollHeader {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value.expose_secret() == other.value.expose_secret()
    }
}

impl Eq for PollHeader {}

impl PollHeader {
    fn show(&self) -> Value {
        let entries = [("name", self.name.as_str()), ("value", MASK)];
        let entries = entries.map(|(key, value)| (key.to_owned(), value.into()));
        Value::Table(entries.into_iter().collect())
    }
}

impl PullSettings {
    /// Reads the keys of a pulled source.
    pub(super) fn of(table: &Table<'_>, secrets: &Secrets<'_>, pull: &Pull) -> Self {
        table.wanted("url");
        let mut pulled = Self::read(secrets, table);
        pulled.options = options(table, pull);
        match table.get("poll_at_most") {
            Some(item) if pulled.at_most < pulled.every => {
                item.fault("is shorter than poll_every, which it is the upper bound of");
            }
            Some(_) => {}
            None => pulled.at_most = pulled.at_most.max(pulled.every),
        }
        pulled
    }

    /// Every setting that a polled source may have, whatever its provider.
    pub(super) fn all_rows() -> impl Iterator<Item = SettingRow> {
        static NONE: PullOptions = PullOptions::NONE;
        let own = all_pulls().flat_map(|pull| own_rows(pull, &NONE));
        Self::default().rows().into_iter().chain(own)
    }

    /// The keys that it alone has.
    pub(super) fn keys() -> impl Iterator<Item = &'static str> {
        Self::all_rows().map(|row| row.key())
    }

    /// What is set, as in the file.
    pub(super) fn settings(
        &self,
        pull: &'static Pull,
    ) -> impl Iterator<Item = (&'static str, Value)> {
        let own = own_rows(pull, &self.options);
        let rows = self.rows().into_iter().chain(own);
        rows.filter_map(|row| match (row.key(), row.value) {
            (_, Some(Value::Table(table))) if table.is_empty() => None,
            ("authorization", None) => Some(("unauthenticated", true.into())),
            (key, value) => Some((key, value?)),
        })
    }
}

/// An absolute URL with one `{id}`; where there is none it is the last segment.
fn url(given: &str) -> Result<String, String> {
    const SHAPE: &str =
        "is not the URL of a broadcast: write e.g. \"https://api.example.com/broadcast/{id}\"";
    let given = text(given)?;
    let given = match given.matches(ID).count() {
        0 if given.contains('?') => return Err(SHAPE.to_owned()),
        0 => format!("{}/{ID}", given.trim_end_matches('/')),
        _ => given,
    };
    // Not repeated: it may hold a password.
    let parsed = Url::parse(&given.replace(ID, "0")).map_err(|_| SHAPE.to_owned())?;
    let plain = ["http", "https"].contains(&parsed.scheme()) && parsed.fragment().is_none();
    if !plain || parsed.host_str().is_none_or(str::is_empty) {
        return Err(SHAPE.to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("holds a user name: give it as authorization".to_owned());
    }
    Ok(given)
}

fn header(secrets: &Secrets<'_>, item: &FileValue<'_>) -> Option<PollHeader> {
    let header = item.table()?;
    let name = header.parsed("name", own_header);
    let value = secrets.required(&header, "value");
    let value = value.filter(|value| fits_header(&header, "value", value.expose_secret()));
    header.finish();
    Some(PollHeader {
        name: name.unwrap_or_else(|| "Authorization".to_owned()),
        value: value?,
    })
}

/// The name of a header that a poll may set.
fn own_header(text: &str) -> Result<String, String> {
    let name = header_name(text)?;
    if is_reserved_header(&name.to_ascii_lowercase()) {
        return Err(format!(
            "{} is set by the connection: name the header that the provider's API wants, e.g. \
             \"Authorization\"",
            quoted(text)
        ));
    }
    Ok(name)
}

/// What the settings say that one provider's sources have.
fn options(table: &Table<'_>, pull: &Pull) -> PullOptions {
    let mut options = PullOptions::default();
    for setting in pull.settings {
        let key = setting.key();
        let Some(item) = table.get(key) else {
            continue;
        };
        match setting.form {
            PullForm::Status(of) => {
                let status = item.parsed(|text| one_of(of, text));
                options.status.extend(status.map(|status| (key, status)));
            }
            PullForm::Names(parts) => {
                let names = names(&item, parts);
                options.names.extend(names.map(|names| (key, names)));
            }
            PullForm::Statuses => {
                let statuses = statuses(&item);
                options
                    .statuses
                    .extend(statuses.map(|statuses| (key, statuses)));
            }
        }
    }
    options
}

/// The rows of the settings that one provider's sources have, with what they say.
fn own_rows<'a>(
    pull: &'static Pull,
    options: &'a PullOptions,
) -> impl Iterator<Item = SettingRow> + 'a {
    pull.settings.iter().map(|setting| {
        let key = setting.key();
        let (about, value) = match setting.form {
            PullForm::Status(of) => {
                let about = of.map(|status| format!("\"{status}\"")).join(" or ");
                (about, shown(options.status.get(key).unwrap_or(&of[0])))
            }
            PullForm::Names(_) => {
                let names = options.names.get(key).into_iter().flatten();
                let names = names.map(|(part, names)| ((*part).to_owned(), names.clone().into()));
                ("names by field".to_owned(), Value::Table(names.collect()))
            }
            PullForm::Statuses => {
                let words = options.statuses.get(key).into_iter().flatten();
                let words = words.map(|(word, status)| (word.clone(), shown(status)));
                ("statuses by word".to_owned(), Value::Table(words.collect()))
            }
        };
        SettingRow {
            path: setting.path,
            meaning: setting.meaning,
            about,
            value: Some(value),
            flag: None,
            example: None,
            reloaded: None,
        }
    })
}

/// How each polled provider is polled.
fn all_pulls() -> impl Iterator<Item = &'static Pull> {
    let definitions = Provider::ALL.into_iter().map(Provider::definition);
    definitions.filter_map(|definition| definition.pull)
}

fn one_of(of: [Status; 2], text: &str) -> Result<Status, String> {
    let status = text.parse().ok().filter(|status| of.contains(status));
    status.ok_or_else(|| {
        let [one, other] = of;
        format!("{} is neither \"{one}\" nor \"{other}\"", quoted(text))
    })
}

fn names(
    item: &FileValue<'_>,
    parts: &[(&'static str, &[&str])],
) -> Option<BTreeMap<&'static str, Vec<String>>> {
    let mut all = BTreeMap::new();
    let table = item.table()?;
    for (part, _) in parts {
        if let Some(item) = table.get(part) {
            let elements = item.elements();
            let names = elements.iter().filter_map(|name| name.parsed(text));
            let names: Vec<String> = names.collect();
            if names.is_empty() {
                item.fault("names nothing: give a name, a JSON pointer, or a list of them");
            }
            all.insert(*part, names);
        }
    }
    table.finish();
    Some(all)
}

fn statuses(item: &FileValue<'_>) -> Option<BTreeMap<String, Status>> {
    let read = |(word, item): (String, FileValue<'_>)| {
        let status = item.parsed(self::word)?;
        Some((word.trim().to_lowercase(), status))
    };
    Some(item.entries()?.into_iter().filter_map(read).collect())
}

/// Settings of sources, which the file alone may give.
impl Decide for Secrets<'_> {
    fn decide<N: Notation>(
        &self,
        table: &Table<'_>,
        key: &str,
        notation: &N,
        default: N::Value,
    ) -> N::Value {
        let item = table.get(key);
        item.and_then(|item| notation.read(&item, self))
            .unwrap_or(default)
    }
}

//! Pulled sources, which send nothing and are polled: where, with what proof, how often, and how
//! their answers are read. Each key is a row, as in [`super::settings`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
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
use crate::providers::botsquad::{Aliases, AnswerField, Dialect};

/// What stands for the broadcast's id in a URL.
const ID: &str = "{id}";

section! {
    /// How the broadcasts of a source that sends nothing are polled.
    PullSettings ["source"] {
        /// The URL of a broadcast; `{id}` stands for its id, else it is the last segment.
        url: String = String::new(), One::new("a URL", url, shown),
            example("\"https://api.example.com/broadcast/{id}\"");

        /// The header that authenticates the poll.
        authorization: Option<PollHeader> = None,
            Optional(One::table("a header", header, PollHeader::show)),
            example("{ name = \"Authorization\", value = { env = \"BOTSQUAD_AUTHORIZATION\" } }");

        /// The time from an answer with news to the next poll.
        every as poll_every: Duration = Duration::from_secs(30), positive_time();

        /// The longest time to the next poll after answers without news.
        at_most as poll_at_most: Duration = Duration::from_mins(15), positive_time();

        /// The age at which a broadcast is polled no more, whatever is pending.
        give_up_after as poll_for: Duration = Duration::from_hours(3 * 24), positive_time();

        /// The largest answer that is read.
        // A hundred thousand users, each twice with a reason, have about 30 MB.
        answer_limit_bytes as answer_limit: usize = 64 << 20, size(64 << 10..);

        /// What the API's word `success` means.
        success_at: Status = Status::Sent, One::new("\"sent\" or \"delivered\"", success, shown);

        /// What the API calls things, where it differs: a name, a JSON pointer as in `/data/users`, or a
        /// list of which the first that is there counts.
        fields: Aliases = Aliases::default(), One::table("names by field", fields, shown_fields);

        /// What more words mean.
        statuses: BTreeMap<String, Status> = BTreeMap::new(),
            One::table("statuses by word", statuses, shown_statuses);
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
    pub(super) fn of(table: &Table<'_>, secrets: &Secrets<'_>) -> Self {
        table.wanted("url");
        let mut pulled = Self::read(secrets, table);
        match table.get("poll_at_most") {
            Some(item) if pulled.at_most < pulled.every => {
                item.fault("is shorter than poll_every, which it is the upper bound of");
            }
            Some(_) => {}
            None => pulled.at_most = pulled.at_most.max(pulled.every),
        }
        pulled
    }

    /// The keys that it alone has.
    pub(super) fn keys() -> impl Iterator<Item = &'static str> {
        let rows = Self::default().rows().into_iter();
        rows.map(|row| row.key())
    }

    /// What is set, as in the file.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let rows = self.rows().into_iter();
        rows.filter_map(|row| match (row.key(), row.value) {
            (_, Some(Value::Table(table))) if table.is_empty() => None,
            ("authorization", None) => Some(("unauthenticated", true.into())),
            (key, value) => Some((key, value?)),
        })
    }

    /// The URL of one broadcast.
    #[must_use]
    pub fn url_of(&self, broadcast: &str) -> String {
        let mut encoded = String::with_capacity(broadcast.len());
        for byte in broadcast.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                // Writing into a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        self.url.replace(ID, &encoded)
    }

    /// How its answers are read.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        Dialect {
            fields: self.fields.clone(),
            words: self.statuses.clone(),
            success_at: self.success_at,
        }
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

fn success(text: &str) -> Result<Status, String> {
    match text.parse() {
        Ok(status @ (Status::Sent | Status::Delivered)) => Ok(status),
        _ => Err(format!(
            "{} is neither \"sent\" nor \"delivered\"",
            quoted(text)
        )),
    }
}

fn fields(_: &Secrets<'_>, item: &FileValue<'_>) -> Option<Aliases> {
    let mut aliases = Aliases::default();
    let table = item.table()?;
    for field in AnswerField::ALL {
        if let Some(item) = table.get(field.as_str()) {
            let elements = item.elements();
            let names = elements.iter().filter_map(|name| name.parsed(text));
            let names: Vec<String> = names.collect();
            if names.is_empty() {
                item.fault("names nothing: give a name, a JSON pointer, or a list of them");
            }
            aliases.set(field, names);
        }
    }
    table.finish();
    Some(aliases)
}

fn shown_fields(fields: &Aliases) -> Value {
    let names = fields.own();
    Value::Table(
        names
            .map(|(field, names)| (field.to_string(), names.to_vec().into()))
            .collect(),
    )
}

fn statuses(_: &Secrets<'_>, item: &FileValue<'_>) -> Option<BTreeMap<String, Status>> {
    let read = |(word, item): (String, FileValue<'_>)| {
        let status = item.parsed(self::word)?;
        Some((word.trim().to_lowercase(), status))
    };
    Some(item.entries()?.into_iter().filter_map(read).collect())
}

fn shown_statuses(statuses: &BTreeMap<String, Status>) -> Value {
    let words = statuses.iter();
    Value::Table(
        words
            .map(|(word, status)| (word.clone(), shown(status)))
            .collect(),
    )
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

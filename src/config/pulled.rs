//! Pulled sources, which send nothing and are polled: where, with what proof, how often, and how
//! their answers are read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::file::{Item, Table};
use super::header::fits_header;
use super::secret::Secrets;
use super::value::{header_name, positive_duration, size, text, word};
use crate::model::{Status, is_reserved_header, quoted};
use crate::providers::botsquad::{Aliases, Dialect, Field};

/// What stands for the broadcast's id in a URL.
const ID: &str = "{id}";

/// How the broadcasts of a source are polled.
#[derive(Debug, Clone)]
pub struct PullSettings {
    /// The URL, `{id}` in it where the broadcast's id belongs.
    pub url: String,
    /// The header that authenticates the poll: its name and value.
    pub authorization: Option<(String, SecretString)>,
    /// The time from an answer with news to the next poll.
    pub every: Duration,
    /// The longest time to the next poll after answers without news.
    pub at_most: Duration,
    /// The age at which a broadcast is polled no more, whatever is pending.
    pub give_up_after: Duration,
    /// The largest answer that is read, in bytes.
    pub answer_limit_bytes: usize,
    /// How its answers are read.
    pub dialect: Dialect,
}

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            authorization: None,
            every: Duration::from_secs(30),
            at_most: Duration::from_mins(15),
            give_up_after: Duration::from_hours(3 * 24),
            // A hundred thousand users, each twice with a reason, have about 30 MB.
            answer_limit_bytes: 64 << 20,
            dialect: Dialect::default(),
        }
    }
}

impl PullSettings {
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
}

/// Reads the keys of a pulled source.
pub(super) fn pulled(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<PullSettings> {
    let default = PullSettings::default();
    let url = table.required("url", url);
    let authorization = authorization(table, secrets);
    let time = |key, default| table.parsed(key, positive_duration).unwrap_or(default);
    let every = time("poll_every", default.every);
    let at_most = time("poll_at_most", default.at_most.max(every));
    if at_most < every
        && let Some(item) = table.get("poll_at_most")
    {
        item.fault("is shorter than poll_every, which it is the upper bound of");
    }
    let limit = table.parsed("answer_limit", |text| {
        usize::try_from(size(64 << 10)(text)?).map_err(|error| error.to_string())
    });
    let success_at = table.parsed("success_at", |text| match text.parse() {
        Ok(status @ (Status::Sent | Status::Delivered)) => Ok(status),
        _ => Err(format!(
            "{text} is neither \"sent\" nor \"delivered\"",
            text = quoted(text)
        )),
    });
    let dialect = Dialect {
        fields: fields(table),
        words: words(table),
        success_at: success_at.unwrap_or(default.dialect.success_at),
    };
    Some(PullSettings {
        url: url?,
        authorization,
        every,
        at_most,
        give_up_after: time("poll_for", default.give_up_after),
        answer_limit_bytes: limit.unwrap_or(default.answer_limit_bytes),
        dialect,
    })
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

fn authorization(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<(String, SecretString)> {
    let header = table.get("authorization")?.table()?;
    let name = header.parsed("name", own_header);
    let value = secrets.required(&header, "value");
    let value = value.filter(|value| fits_header(&header, "value", value.expose_secret()));
    header.finish();
    Some((name.unwrap_or_else(|| "Authorization".to_owned()), value?))
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

fn fields(table: &Table<'_>) -> Aliases {
    let mut aliases = Aliases::default();
    let Some(table) = table.get("fields").and_then(|item| item.table()) else {
        return aliases;
    };
    for field in Field::ALL {
        if let Some(item) = table.get(field.as_str()) {
            let elements = item.elements();
            let names: Vec<String> = elements
                .iter()
                .filter_map(|name| name.parsed(text))
                .collect();
            if names.is_empty() {
                item.fault("names nothing: give a name, a JSON pointer, or a list of them");
            }
            aliases.set(field, names);
        }
    }
    table.finish();
    aliases
}

fn words(table: &Table<'_>) -> BTreeMap<String, Status> {
    let entries = table.get("statuses").and_then(|item| item.entries());
    let read = |(word, item): (String, Item<'_>)| {
        let status = item.parsed(self::word)?;
        Some((word.trim().to_lowercase(), status))
    };
    entries.into_iter().flatten().filter_map(read).collect()
}

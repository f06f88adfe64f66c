//! How the values of settings are written, read and shown: addresses, sizes, times, words, lists.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::{RangeFrom, RangeInclusive, RangeToInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use toml::Value;

use super::ProxyUrl;
use super::file::FileValue;
use super::log_filter::log_filter;
use super::secret::Secrets;
use super::value::{self, spell_duration, spell_size};
use crate::model::{UnknownWord, quoted};
use crate::store::KeySource;

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// What a setting holds: one value, perhaps none, or many.
pub(super) trait Notation {
    /// The type of the setting.
    type Value;

    /// What may be written, for the reference.
    fn about(&self) -> String;

    /// From a variable or a flag; refusals name the remedy.
    fn parse(&self, text: &str) -> Result<Self::Value, String>;

    /// From the file; `None` after a fault.
    fn read(&self, item: &FileValue<'_>, secrets: &Secrets<'_>) -> Option<Self::Value>;

    /// As in the file; `None` when it is not set.
    fn show(&self, value: &Self::Value) -> Option<Value>;

    /// A path of the file is relative to its folder; all else is what it is.
    fn beside(&self, _folder: &Path, value: Self::Value) -> Self::Value {
        value
    }

    /// Whether it is a secret, which no flag may show to every user of the machine.
    fn is_secret(&self) -> bool;
}

type Parse<T> = Box<dyn Fn(&str) -> Result<T, String>>;

/// One value.
pub(super) struct One<T> {
    about: String,
    parse: Parse<T>,
    show: Box<dyn Fn(&T) -> Value>,
    /// An example of what stands in quotes, where any plain value would pass for it.
    quoted: Option<&'static str>,
    beside: fn(&Path, T) -> T,
    /// Reads it from the file, where it is no plain text.
    read: Option<fn(&Secrets<'_>, &FileValue<'_>) -> Option<T>>,
    is_secret: bool,
}

impl<T: 'static> One<T> {
    pub(super) fn new(
        about: impl Into<String>,
        parse: impl Fn(&str) -> Result<T, String> + 'static,
        show: impl Fn(&T) -> Value + 'static,
    ) -> Self {
        Self {
            about: about.into(),
            parse: Box::new(parse),
            show: Box::new(show),
            quoted: None,
            beside: |_, value| value,
            read: None,
            is_secret: false,
        }
    }

    /// A value that stands in the file alone, as a table.
    pub(super) fn table(
        about: &str,
        read: fn(&Secrets<'_>, &FileValue<'_>) -> Option<T>,
        show: fn(&T) -> Value,
    ) -> Self {
        let parse = |_: &str| Err("write it into the file, as a table".to_owned());
        Self {
            read: Some(read),
            ..Self::new(about, parse, show)
        }
    }

    /// Says with each refusal why.
    pub(super) fn because(self, reason: &'static str) -> Self {
        let parse = self.parse;
        let parse: Parse<T> =
            Box::new(move |text| parse(text).map_err(|refusal| format!("{refusal}: {reason}")));
        Self { parse, ..self }
    }
}

impl<T> Notation for One<T> {
    type Value = T;

    fn about(&self) -> String {
        self.about.clone()
    }

    fn parse(&self, text: &str) -> Result<T, String> {
        (self.parse)(text)
    }

    fn read(&self, item: &FileValue<'_>, secrets: &Secrets<'_>) -> Option<T> {
        match (self.read, self.quoted) {
            (Some(read), _) => read(secrets, item),
            (None, Some(example)) => item.quoted(&format!("a text like {example}"), &self.parse),
            (None, None) => item.parsed(&self.parse),
        }
    }

    fn show(&self, value: &T) -> Option<Value> {
        Some((self.show)(value))
    }

    fn beside(&self, folder: &Path, value: T) -> T {
        (self.beside)(folder, value)
    }

    fn is_secret(&self) -> bool {
        self.is_secret
    }
}

/// A value that need not be set.
pub(super) struct Optional<T>(pub(super) One<T>);

impl<T> Notation for Optional<T> {
    type Value = Option<T>;

    fn about(&self) -> String {
        self.0.about()
    }

    fn parse(&self, text: &str) -> Result<Option<T>, String> {
        self.0.parse(text).map(Some)
    }

    fn read(&self, item: &FileValue<'_>, secrets: &Secrets<'_>) -> Option<Option<T>> {
        self.0.read(item, secrets).map(Some)
    }

    fn show(&self, value: &Option<T>) -> Option<Value> {
        self.0.show(value.as_ref()?)
    }

    fn beside(&self, folder: &Path, value: Option<T>) -> Option<T> {
        value.map(|value| self.0.beside(folder, value))
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }
}

/// Many values: an array in the file, commas elsewhere.
pub(super) struct Many<T>(pub(super) One<T>);

impl<T> Notation for Many<T> {
    type Value = Vec<T>;

    fn about(&self) -> String {
        format!("a list of {}", self.0.about())
    }

    fn parse(&self, text: &str) -> Result<Vec<T>, String> {
        let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        let parsed: Vec<_> = parts.map(|part| self.0.parse(part)).collect();
        let refusals = parsed.iter().filter_map(|it| it.as_ref().err());
        let refusals: Vec<&str> = refusals.map(String::as_str).collect();
        if refusals.is_empty() {
            return Ok(parsed.into_iter().flatten().collect());
        }
        Err(refusals.join("; "))
    }

    fn read(&self, item: &FileValue<'_>, secrets: &Secrets<'_>) -> Option<Vec<T>> {
        let elements = item.elements();
        let values = elements.iter().filter_map(|it| self.0.read(it, secrets));
        Some(values.collect())
    }

    fn show(&self, values: &Vec<T>) -> Option<Value> {
        let shown = values.iter().filter_map(|value| self.0.show(value));
        // Without a key in the configuration there is one all the same, in a file of its own.
        let is_set = !(values.is_empty() && self.is_secret());
        is_set.then(|| Value::Array(shown.collect()))
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }
}

/// A value that stands in the file as it is displayed.
pub(super) fn shown(value: &impl Display) -> Value {
    Value::String(value.to_string())
}

/// An address with its port.
pub(super) fn address() -> One<SocketAddr> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            format!(
                "{} is not an address with a port: write e.g. \"127.0.0.1:8080\" or \"[::]:8080\"",
                quoted(text)
            )
        })
    };
    One::new("an address with a port", parse, shown)
}

/// Yes or no.
pub(super) fn switch() -> One<bool> {
    One::new("true or false", value::boolean, |yes| Value::Boolean(*yes))
}

/// A whole number within bounds.
pub(super) fn whole<T>(bounds: RangeInclusive<T>) -> One<T>
where
    T: FromStr + PartialOrd + Display + Copy + TryInto<i64> + 'static,
{
    let about = format!("a whole number from {} to {}", bounds.start(), bounds.end());
    One::new(about, value::number(bounds), |number| {
        Value::Integer((*number).try_into().unwrap_or(i64::MAX))
    })
}

/// A number of bytes.
pub(super) fn size<T>(least: RangeFrom<u64>) -> One<T>
where
    T: TryFrom<u64, Error: Display> + TryInto<u64> + Copy + 'static,
{
    let least = least.start;
    let about = match least {
        0 => "a size".to_owned(),
        least => format!("a size, at least {}", spell_size(least)),
    };
    let parse =
        move |text: &str| T::try_from(value::size(least)(text)?).map_err(|it| it.to_string());
    One::new(about, parse, |bytes| {
        shown(&spell_size((*bytes).try_into().unwrap_or(u64::MAX)))
    })
}

fn spelled(duration: &Duration) -> Value {
    shown(&spell_duration(*duration))
}

/// A span of time, zero included.
pub(super) fn time() -> One<Duration> {
    One::new("a time", value::duration, spelled)
}

/// A span of time up to a bound.
pub(super) fn time_within(most: RangeToInclusive<Duration>) -> One<Duration> {
    let longest = spell_duration(most.end);
    let about = format!("a time, at most {longest}");
    let parse = move |text: &str| match value::duration(text)? {
        long if long > most.end => Err(format!(
            "{} is too long: write {longest} or less",
            quoted(text)
        )),
        fits => Ok(fits),
    };
    One::new(about, parse, spelled)
}

/// A span of time that is longer than nothing.
pub(super) fn positive_time() -> One<Duration> {
    One::new("a time above zero", value::positive_duration, spelled)
}

/// A word of a closed set.
pub(super) fn word<T>(as_str: fn(T) -> &'static str) -> One<T>
where
    T: FromStr<Err = UnknownWord> + Copy + 'static,
{
    // Its refusal lists them all.
    let words = "".parse::<T>().err();
    let words = words.map_or_else(String::new, |unknown| unknown.expected);
    let words: Vec<String> = words.split(", ").map(|it| format!("\"{it}\"")).collect();
    One::new(words.join(" or "), value::word, move |word| {
        shown(&as_str(*word))
    })
}

/// Where the service is reached from outside: `http://` or `https://`, a host, perhaps a path.
pub(super) fn public_url() -> One<String> {
    let is_plain = |url: &url::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let parse = move |text: &str| match url::Url::parse(text) {
        Ok(url) if is_plain(&url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err(format!(
            "{} is not where providers reach this service: write e.g. \"https://relay.example.com\"",
            quoted(text)
        )),
    };
    One::new("a URL", parse, shown)
}

/// The URL of a proxy, shown without its password.
pub(super) fn proxy() -> One<ProxyUrl> {
    One::new("a URL", value::word, shown)
}

/// A network in CIDR notation.
pub(super) fn network() -> One<IpNet> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            format!(
                "{} is not a network: write e.g. \"127.0.0.0/8\" or \"fd00::/8\"",
                quoted(text)
            )
        })
    };
    One::new("networks", parse, shown)
}

/// A network; an address stands for itself.
pub(super) fn network_or_address() -> One<IpNet> {
    let parse = |text: &str| {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(address).ok_or_else(|| {
            format!(
                "{} is neither a network nor an address: write e.g. \"10.0.0.0/8\" or \"::1\"",
                quoted(text)
            )
        })
    };
    One::new("networks or addresses", parse, shown)
}

/// What the log holds.
pub(super) fn filter() -> One<String> {
    One {
        quoted: Some("\"info\""),
        ..One::new("levels, in general and by module", log_filter, shown)
    }
}

/// The file behind `sqlite://…`.
pub(super) fn store_url() -> One<PathBuf> {
    let show = |path: &PathBuf| shown(&format!("sqlite://{}", path.display()));
    One {
        quoted: Some("\"sqlite://tickrelay.db\""),
        beside: |folder, path| folder.join(path),
        ..One::new("sqlite:// and a path", value::store_path, show)
    }
}

/// The path of a file.
pub(super) fn file() -> One<PathBuf> {
    let parse = |text: &str| value::text(text).map(PathBuf::from);
    One {
        quoted: Some("\"ca.pem\""),
        beside: |folder, path| folder.join(path),
        ..One::new("a path", parse, |path| shown(&path.display()))
    }
}

/// A key that seals secrets.
pub(super) fn sealing_key() -> One<KeySource> {
    fn read(secrets: &Secrets<'_>, item: &FileValue<'_>) -> Option<KeySource> {
        secrets.key(item)
    }
    One {
        read: Some(read),
        is_secret: true,
        ..One::new("keys of 32 bytes in base64", Secrets::key_of, |_| {
            MASK.into()
        })
    }
}

//! What a setting's text means: durations, sizes, the store's URL, header names.
//!
//! Each function takes the text as it was written, in the file, a variable or a flag, and
//! answers a refusal in words that name the remedy.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(super) use crate::model::nearest;
pub(crate) use crate::model::{duration, number, spell_duration};
use crate::model::{measure, quoted, spell};

/// Units of size with their bytes, the largest first.
const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

/// A word of a closed set, e.g. [`crate::model::MessageType`].
pub(super) fn word<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Yes or no.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("{text} is neither true nor false", text = quoted(text)))
}

/// A span of time that is longer than nothing.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        positive => Ok(positive),
    }
}

/// A number of bytes such as `16MiB` or `1048576`, at least `least`.
pub(super) fn size(least: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let bytes = measure(text, &SIZES).ok_or_else(|| {
            format!("{text} is not a size: write bytes, or a whole number with KiB, MiB or GiB, e.g. \"16MiB\"", text = quoted(text))
        })?;
        if bytes < least {
            return Err(format!(
                "{text} is too small: at least {}",
                spell_size(least),
                text = quoted(text)
            ));
        }
        Ok(bytes)
    }
}

/// Writes a size so that [`size`] reads it back.
pub(super) fn spell_size(bytes: u64) -> String {
    spell(bytes, &SIZES)
}

/// The file behind `sqlite://…`, as it is written; the caller says what it is relative to.
pub(super) fn store_path(url: &str) -> Result<PathBuf, String> {
    let Some((scheme, path)) = url.split_once("://") else {
        return Err(format!(
            "{url} has no scheme: write \"sqlite://tickrelay.db\" or \"sqlite:///var/lib/tickrelay/tickrelay.db\"",
            url = quoted(url)
        ));
    };
    match scheme {
        "sqlite" if path.is_empty() || path.ends_with('/') => Err(format!(
            "{url} names no file: write \"sqlite://tickrelay.db\"",
            url = quoted(url)
        )),
        "sqlite" if path == ":memory:" => {
            Err("a store in memory would lose what it acknowledged: name a file".to_owned())
        }
        "sqlite" if path.contains('?') => Err(format!(
            "{url} carries options: the settings stand in [store], write the path alone",
            url = quoted(url)
        )),
        "sqlite" => Ok(PathBuf::from(path)),
        // The rest of such a URL may hold a password, so it is not repeated.
        "postgres" | "postgresql" => {
            Err("PostgreSQL is not built yet: write \"sqlite://tickrelay.db\"".to_owned())
        }
        _ => Err(format!(
            "unknown scheme {scheme}: write \"sqlite://tickrelay.db\"",
            scheme = quoted(scheme)
        )),
    }
}

/// The URL of a proxy, `http://` or `https://`; shown without the user and password in it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// The whole URL, user and password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProxyUrl {
    type Err = &'static str;

    /// Refuses without repeating the URL, which may hold a password.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        url.strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .map(|rest| rest.rsplit_once('@').map_or(rest, |(_, host)| host))
            .filter(|host| !host.is_empty() && !host.contains(char::is_whitespace))
            .map(|_| Self(url.to_owned()))
            .ok_or("is not the URL of a proxy: write http://host:port or https://host:port")
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.split_once("://"), self.0.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => write!(f, "{scheme}://***@{host}"),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// The name of an HTTP header: a token of RFC 9110.
pub(super) fn header_name(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(legal) {
        return Err(format!(
            "{text} is not the name of a header: write it without a colon, e.g. \"Authorization\"",
            text = quoted(text)
        ));
    }
    Ok(text.to_owned())
}

/// Any text that is not blank.
pub(super) fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: give a value or remove the key".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_written_alike() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("500ms", 500),
            ("15s", 15_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(duration(text), Ok(expected), "{text}");
            assert_eq!(spell_duration(expected), text);
        }
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("1KiB", 1024),
            ("16MiB", 16 << 20),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(size(0)(text), Ok(bytes), "{text}");
            assert_eq!(spell_size(bytes), text);
        }
    }

    #[test]
    fn what_is_no_measure_is_refused() {
        for text in [
            "",
            "s",
            "15",
            "-1s",
            "1.5h",
            "1 week",
            "99999999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        for text in ["", "MiB", "16MB", "-1", "99999999999999999999GiB"] {
            assert!(size(0)(text).is_err(), "{text:?}");
        }
    }
}

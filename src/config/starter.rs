//! The file that `tickrelay init` writes: short, valid as it is, its secrets generated.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};

use crate::providers::{Provider, Starter};

/// What stands in a starter for a secret that is generated.
const SECRET: &str = "{secret}";
/// What stands there for one that only the provider knows.
const FILL_IN: &str = "{fill-in}";

/// How a secret begins that only the provider knows; the rest is random, so that it cannot be
/// guessed before it is filled in.
pub(super) const PLACEHOLDER: &str = "fill-me-in-";

/// A configuration to start with; every call makes other secrets.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn starter() -> Result<String, SysError> {
    let mut text = HEAD.to_owned();
    for starter in starters() {
        text += &filled(starter.toml)?;
    }
    Ok(text)
}

/// What the file begins with, before its sources.
const HEAD: &str = r#"# tickrelay: where webhooks come from. Every other setting has a default; all of them
# stand in config.example.toml (`tickrelay config example`). After an edit run
# `tickrelay config check`.
#
# This file holds secrets. Instead of "…" a secret may be written as { env = "NAME" }
# or { file = "path" }.

[server]
listen = "127.0.0.1:8080"

[store]
url = "sqlite://tickrelay.db"
"#;

/// Those of the providers that are started with, in the order of the documentation.
pub(crate) fn starters() -> impl Iterator<Item = &'static Starter> {
    let providers = Provider::ALL.into_iter();
    providers.filter_map(|provider| provider.definition().starter.as_ref())
}

/// A starter with its secrets, each another one.
fn filled(toml: &str) -> Result<String, SysError> {
    let mut text = String::with_capacity(toml.len() + 256);
    let mut rest = toml;
    while let Some((before, mark, after)) = [SECRET, FILL_IN]
        .into_iter()
        .filter_map(|mark| rest.split_once(mark).map(|(a, b)| (a, mark, b)))
        .min_by_key(|(before, ..)| before.len())
    {
        text += before;
        if mark == FILL_IN {
            text += PLACEHOLDER;
        }
        text += &secret()?;
        rest = after;
    }
    Ok(text + rest)
}

/// 192 random bits in hexadecimal digits, which every dashboard and URL accepts.
fn secret() -> Result<String, SysError> {
    let mut bytes = [0_u8; 24];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(hex::encode(bytes))
}

//! What the operator decided: one TOML file, overridden by the environment and by flags.
//!
//! [`Config::load`] reads it all once and answers types that cannot be wrong, or every
//! fault with its place and remedy. Nothing else reads the environment, nothing is looked
//! up again later, and no secret leaves through `Debug`, an error or `config show`. What the
//! command line knows of it is in [`crate::cli`].

mod combination;
mod example;
mod file;
mod finding;
mod header;
mod layers;
mod log_filter;
mod notation;
mod pulled;
mod reload;
mod secret;
mod setting;
mod settings;
mod show;
mod source;
mod starter;
#[cfg(test)]
mod tests;
mod value;
mod variables;
mod warning;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;

use crate::model::{Choice, MessageType, UnknownWord, digits, plain};
use crate::providers::authentication::{Authentication, Method};
use crate::providers::{Hints, Provider};
pub use crate::store::{Durability, KeySource};
use crate::store::{EngineOptions, SqliteOptions, StoreFound};

pub use example::example;
pub use finding::{Finding, LoadError, Origin, Warning};
pub use pulled::{PollHeader, PullSettings};
pub use reload::Changes;
pub use setting::Reloaded;
pub(crate) use setting::SettingRow;
pub use settings::{Events, Forward, Log, Retention, Server, Store};
pub use starter::starter;
pub(crate) use starter::starters;
pub use value::ProxyUrl;
pub(crate) use value::{duration, number};
pub(crate) use variables::{PREFIX as VARIABLES, variables};

/// The environment; injected, so that tests need not set any variable.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The value of a variable; `None` where it is not set, or is no text.
    pub value: &'a dyn Fn(&str) -> Option<String>,
    /// The names of all variables that begin with `TICKRELAY_`.
    pub names: &'a [String],
}

impl Environment<'_> {
    /// The environment without a single variable.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            value: &|_| None,
            names: &[],
        }
    }
}

/// Everything that was decided. [`Default`] is what an empty file means.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// How webhooks are received.
    pub server: Server,
    /// Where everything is kept.
    pub store: Store,
    /// When rows are pruned.
    pub retention: Retention,
    /// How subscribers are called.
    pub forward: Forward,
    /// When the operator is notified of trouble in the service.
    pub events: Events,
    /// What the log looks like.
    pub log: Log,
    /// Where webhooks come from; their names are unique.
    pub sources: Vec<Source>,
    /// Another store, where 0.1 had it by default, which is not used.
    pub passed_over: Option<String>,
}

/// The form of a log line.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::EnumString,
)]
#[strum(serialize_all = "kebab-case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WHAT: &'static str = "log format";
}

/// `[[source]]`: a provider's account, whose webhooks come to `/webhooks/{name}`.
#[derive(Debug, Clone)]
pub struct Source {
    /// 1 to 64 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Whose format its webhooks have.
    pub provider: Provider,
    /// What a webhook must prove; no methods only when the configuration says so.
    pub authentication: Authentication,
    /// What Meta's GET handshake must present, any one of them.
    pub verify_tokens: Vec<SecretString>,
    /// The type of a message when no report shows it.
    pub default_type: MessageType,
    /// The business's number when no report names it, as it was written.
    pub sender: Option<String>,
    /// More numbers of the business.
    pub senders: Vec<String>,
    /// Whose tokens register messages of it and poll its broadcasts, beside those without an
    /// owner. They trust each other.
    pub owners: Vec<String>,
    /// How it is polled, for a provider that sends nothing.
    pub pulled: Option<PullSettings>,
}

impl Source {
    /// The secret last segment of its URL, if it has one: `/webhooks/{name}/{token}`.
    #[must_use]
    pub fn url_token(&self) -> Option<&SecretString> {
        self.authentication
            .methods
            .iter()
            .find_map(|method| match method {
                Method::UrlToken(token) => Some(token),
                _ => None,
            })
    }

    /// The callback URL to give to its provider; of a secret last segment the place alone is shown.
    #[must_use]
    pub fn callback_url(&self, public_url: &str) -> String {
        let token = self.url_token().map_or("", |_| "/{url_token}");
        format!("{public_url}/webhooks/{}{token}", self.name)
    }

    /// What the parser of its webhooks has to know.
    #[must_use]
    pub fn hints(&self) -> Hints {
        let numbers = self.sender.iter().chain(&self.senders);
        Hints {
            senders: numbers.map(|number| digits(number)).collect(),
            options: self
                .pulled
                .as_ref()
                .map_or_else(Arc::default, |pulled| Arc::new(pulled.options.clone())),
            broadcast: None,
        }
    }
}

/// What [`Config::load`] reads.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The file; without one everything has its default.
    pub file: Option<&'a Path>,
    /// What was said on the command line.
    pub flags: &'a [Flag],
    /// What the environment says: `TICKRELAY_STORE_URL` and so on.
    pub environment: Environment<'a>,
}

/// One setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag as messages call it, e.g. `--listen`.
    pub flag: String,
    /// The setting's full key, e.g. `server.listen`.
    pub key: String,
    /// Its value, written as in the file but without quotes; lists with commas.
    pub value: String,
}

/// A configuration and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// What was decided.
    pub config: Config,
    /// Who decided each setting, by its full key; sources as `source.{name}`.
    pub origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// [`Config::warnings`], each with its place.
    #[must_use]
    pub fn warnings(&self) -> Vec<Finding> {
        let warnings = self.config.warnings().into_iter();
        warnings
            .map(|Warning { key, text }| Finding {
                origin: self.origins.get(&key).cloned().unwrap_or(Origin::Default),
                key,
                text,
            })
            .collect()
    }
}

impl Loaded {
    /// Refuses to pass over a store where 0.1 had it by default, in the current folder: otherwise a
    /// new one would be begun, or an empty one read. Where both are, it is noted.
    fn check_store(&mut self, file: &Path) -> Result<(), LoadError> {
        let is_default = self.origins.get("store.url") == Some(&Origin::Default);
        let (new, old) = (&self.config.store, Store::default());
        let is_there = |store: &Store| store.engine().found() == StoreFound::Store;
        if !is_default || !is_there(&old) || is_same(&new.path, &old.path) {
            return Ok(());
        }
        let old = old.engine().location();
        if is_there(new) {
            self.config.passed_over = Some(old);
            return Ok(());
        }
        Err(LoadError::StoreElsewhere {
            file: file.to_owned(),
            new: new.engine().location(),
            old,
        })
    }

    /// Refuses a `ca_file` that would end the start.
    fn check_ca_file(&self) -> Result<(), LoadError> {
        let Some(path) = &self.config.forward.ca_file else {
            return Ok(());
        };
        let certificates =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let shown = path.display();
        let text = match certificates {
            Ok(certificates) => {
                let mut roots = RootCertStore::empty();
                if roots.add_parsable_certificates(certificates).0 > 0 {
                    return Ok(());
                }
                format!("{shown} holds no PEM certificate")
            }
            Err(error) => plain(&format!("cannot read {shown}: {error}")),
        };
        let key = "forward.ca_file".to_owned();
        Err(LoadError::Invalid(vec![Finding {
            origin: self.origins.get(&key).cloned().unwrap_or(Origin::Default),
            key,
            text,
        }]))
    }
}

impl Store {
    /// Which store it is, as its engine has to know it.
    #[must_use]
    pub fn engine(&self) -> EngineOptions {
        EngineOptions::Sqlite(SqliteOptions {
            path: self.path.clone(),
            durability: self.durability,
            wal_limit_bytes: self.wal_limit_bytes,
            disk_reserve_bytes: self.disk_reserve_bytes,
        })
    }
}

/// Whether both paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl Config {
    /// Reads the file, the environment and the flags; the later of these in the order
    /// default, file, environment, flag decides.
    pub fn load(inputs: Inputs<'_>) -> Result<Loaded, LoadError> {
        let Some(path) = inputs.file else {
            let loaded = layers::resolve("", inputs)?;
            loaded.check_ca_file()?;
            return Ok(loaded);
        };
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut loaded = layers::resolve(&text, inputs)?;
        loaded.check_ca_file()?;
        loaded.check_store(path)?;
        Ok(loaded)
    }

    /// The settings that have a flag of their own.
    pub(crate) fn flags() -> impl Iterator<Item = SettingRow> {
        let sections = Self::default().sections().into_iter();
        sections
            .flat_map(|section| section.rows)
            .filter(|row| row.flag.is_some())
    }

    /// The owners that each source names.
    #[must_use]
    pub fn owners(&self) -> Vec<(&str, &[String])> {
        let sources = self.sources.iter();
        sources
            .map(|source| (source.name.as_str(), source.owners.as_slice()))
            .collect()
    }

    /// The configuration as TOML with every secret shown as `***`, and as comments who
    /// decided each setting. What was left out of the sources is not repeated.
    #[must_use]
    pub fn show(&self, origins: &BTreeMap<String, Origin>) -> String {
        show::show(self, origins)
    }
}

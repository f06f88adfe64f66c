//! What the operator decided: one TOML file, overridden by the environment and by flags.
//!
//! [`Config::load`] reads it all once and answers types that cannot be wrong, or every
//! fault with its place and remedy. Nothing else reads the environment, nothing is looked
//! up again later, and no secret leaves through `Debug`, an error or `config show`. What the
//! command line knows of it is in [`crate::cli`].

mod combination;
mod file;
mod finding;
mod header;
mod log_filter;
mod polled;
mod reload;
mod resolve;
mod secret;
mod show;
mod source;
mod starter;
#[cfg(test)]
mod tests;
mod value;
mod variables;
mod warning;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;

use crate::model::{MessageType, UnknownWord, digits, plain};
use crate::providers::authentication::{Authentication, Method};
use crate::providers::{Hints, Provider};
pub use crate::store::{Durability, KeySource};
use crate::store::{StoreFound, absolute};

pub use finding::{Finding, LoadError, Origin, Warning};
pub use polled::Polled;
pub use reload::Changes;
pub use starter::starter;
pub use value::ProxyUrl;
pub(crate) use value::{duration, number};
pub(crate) use variables::PREFIX as VARIABLES;

/// Every key with its default and a comment: `config.example.toml`.
pub const EXAMPLE: &str = include_str!("../config.example.toml");

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
    /// Where everything is kept, and for how long.
    pub store: Store,
    /// How subscribers are called.
    pub forward: Forward,
    /// What counts as an event that the operator is notified of.
    pub events: Events,
    /// What the log looks like.
    pub log: Log,
    /// The inlets; their names are unique.
    pub sources: Vec<Source>,
}

/// `[server]`: how webhooks are received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where providers reach it, without a slash at the end; `None` when nobody said.
    pub public_url: Option<String>,
    /// Threads that serve HTTP.
    pub workers: usize,
    /// The largest body of a webhook, also when decompressed.
    pub body_limit_bytes: usize,
    /// How long a shutdown waits for what is in flight.
    pub shutdown_grace: Duration,
    /// The proxies whose `X-Forwarded-For` is believed; nobody's when empty.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            workers: 2,
            // Infobip's largest batch of reports, with an echo in each, has about 10 MB.
            body_limit_bytes: 16 << 20,
            shutdown_grace: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[store]`: where everything is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The SQLite file, from `url = "sqlite://…"`.
    pub path: PathBuf,
    /// What a commit waits for.
    pub durability: Durability,
    /// The write-ahead log beyond which checkpoints are forced.
    pub wal_limit_bytes: u64,
    /// Free space on the disk below which webhooks are refused with 503.
    pub disk_reserve_bytes: u64,
    /// How long a list is searched before it answers with what was found so far.
    pub list_budget: Duration,
    /// The keys that seal secrets, the first seals; a file beside the store when empty.
    pub keys: Vec<KeySource>,
    /// When rows are pruned.
    pub retention: Retention,
    /// Another store, where 0.1 had it by default, which is not used.
    pub passed_over: Option<PathBuf>,
}

impl Store {
    /// The longest time that a list may be searched: a read of the store is cut after 30 s.
    pub const MOST_LIST_BUDGET: Duration = Duration::from_secs(20);
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("tickrelay.db"),
            durability: Durability::Full,
            wal_limit_bytes: 256 << 20,
            disk_reserve_bytes: 256 << 20,
            list_budget: Duration::from_secs(5),
            keys: Vec::new(),
            retention: Retention::default(),
            passed_over: None,
        }
    }
}

/// `[store.retention]`: days after which rows are pruned, at least [`Retention::LEAST_DAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Raw webhooks.
    pub webhooks_days: u32,
    /// Attempts at forwarding.
    pub attempts_days: u32,
    /// Messages with their reports and forwards.
    pub messages_days: u32,
}

impl Retention {
    /// Meta redelivers for seven days, and what was pruned before that would be taken as new.
    pub const LEAST_DAYS: u32 = 8;
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            webhooks_days: 30,
            attempts_days: 30,
            messages_days: 400,
        }
    }
}

/// `[forward]`: how subscribers are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Whether `http://` targets are allowed beside `https://`.
    pub allow_http: bool,
    /// Networks that may be called although they are private, loopback or the like.
    pub allow_networks: Vec<IpNet>,
    /// The proxy all calls go through; those of the environment are never used.
    pub proxy: Option<ProxyUrl>,
    /// PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The limit on one whole attempt, from the look-up of the name to the last byte.
    pub timeout: Duration,
    /// The delay before each retry, counted from the attempt before it, jitter aside.
    pub schedule: Vec<Duration>,
    /// The age at which a forward is given up.
    pub max_age: Duration,
    /// How long a subscriber may fail without a single success before it is disabled.
    pub disable_after: Duration,
}

impl Default for Forward {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let hours = |hours: u64| minutes(hours * 60);
        Self {
            allow_http: false,
            allow_networks: Vec::new(),
            proxy: None,
            ca_file: None,
            timeout: Duration::from_secs(15),
            schedule: vec![
                Duration::from_secs(5),
                minutes(5),
                minutes(30),
                hours(2),
                hours(5),
                hours(10),
                hours(14),
                hours(20),
                hours(24),
            ],
            max_age: hours(8 * 24),
            disable_after: hours(5 * 24),
        }
    }
}

/// `[events]`: what the operator is notified of the service, in the log and by subscribers of the
/// kind `events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// How long lies between two tellings that the same thing began, at least.
    pub repeat_after: Duration,
    /// A source that is silent for less than this is not.
    pub silence: Duration,
    /// It is when it is silent for this many times its longest silence of eight days.
    pub silence_factor: u32,
    /// An error with fewer failures than this in ten to twenty minutes has not jumped.
    pub failures: u64,
    /// It has when its share is this many times that of the 24 hours before.
    pub failure_factor: u64,
    /// So many messages that fell silent within `repeat_after` are reported; none when 0.
    pub silent_messages: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            repeat_after: Duration::from_mins(10),
            silence: Duration::from_hours(1),
            silence_factor: 2,
            failures: 20,
            failure_factor: 5,
            silent_messages: 0,
        }
    }
}

/// `[log]`: what the log looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// What is logged, as `tracing_subscriber::filter::Targets` reads it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownWord {
                what: "log format",
                word: word.to_owned(),
                expected: "text, json",
            }),
        }
    }
}

/// `[[source]]`: an inlet, reachable as `/webhooks/{name}`.
#[derive(Debug, Clone)]
pub struct Source {
    /// 1 to 64 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Whose format its webhooks have.
    pub provider: Provider,
    /// What a webhook must prove; no methods only when that was asked for.
    pub authentication: Authentication,
    /// What Meta's GET handshake must present, any one of them.
    pub verify_tokens: Vec<SecretString>,
    /// The type of a message when nothing else tells it.
    pub default_type: MessageType,
    /// The business's number when no report tells it, as it was written.
    pub sender: Option<String>,
    /// More numbers of the business.
    pub senders: Vec<String>,
    /// Whose tokens register messages of it and poll its broadcasts, beside those without an
    /// owner. They trust each other.
    pub owners: Vec<String>,
    /// How it is asked, for a provider that sends nothing.
    pub polled: Option<Polled>,
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
            dialect: self
                .polled
                .as_ref()
                .map_or_else(Arc::default, |polled| Arc::new(polled.dialect.clone())),
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
    /// Refuses to pass over a store where 0.1 had it by default, in the current folder: a new one
    /// would be begun, or a question asked of none. Where both are, it is noted.
    fn check_store(&mut self, file: &Path) -> Result<(), LoadError> {
        let is_default = self.origins.get("store.url") == Some(&Origin::Default);
        let (new, old) = (&self.config.store.path, Store::default().path);
        if !is_default || StoreFound::at(&old) != StoreFound::Store || is_same(new, &old) {
            return Ok(());
        }
        if StoreFound::at(new) == StoreFound::Store {
            self.config.store.passed_over = Some(absolute(&old));
            return Ok(());
        }
        Err(LoadError::StoreElsewhere {
            file: file.to_owned(),
            new: absolute(new),
            old: absolute(&old),
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

/// Whether both paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl Config {
    /// Reads the file, the environment and the flags; the later of these in the order
    /// default, file, environment, flag decides.
    pub fn load(inputs: Inputs<'_>) -> Result<Loaded, LoadError> {
        let Some(path) = inputs.file else {
            let loaded = resolve::resolve("", inputs)?;
            loaded.check_ca_file()?;
            return Ok(loaded);
        };
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut loaded = resolve::resolve(&text, inputs)?;
        loaded.check_ca_file()?;
        loaded.check_store(path)?;
        Ok(loaded)
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

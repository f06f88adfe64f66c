//! From what was written to what it means: flag > environment > file > default.
//!
//! One line per setting says its key, its default and how its text is read. A wrong value
//! becomes a fault and the default stands in until the end, where any fault ends it all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::file::{Document, Table};
use super::log_filter::log_filter;
use super::secret::Secrets;
use super::value::{
    boolean, duration, nearest, network_or_address, number, positive_duration, public_url, size,
    spell_duration, store_path, text, word,
};
use super::{
    Config, Events, Flag, Forward, Inputs, LoadError, Loaded, Log, Origin, Retention, Server,
    Store, combination, source, variables,
};
use crate::model::quoted;
use crate::store::KeySource;

/// Settings that any plain value would pass for, and that stand in quotes: each with an example.
const TEXTS: [(&str, &str); 3] = [
    ("forward.ca_file", "\"ca.pem\""),
    ("log.filter", "\"info\""),
    ("store.url", "\"sqlite://tickrelay.db\""),
];

/// Resolves the text of a file together with the environment and the flags.
pub(super) fn resolve(content: &str, inputs: Inputs<'_>) -> Result<Loaded, LoadError> {
    let name = inputs.file.map(|file| file.display().to_string());
    let document = Document::new(name.unwrap_or_default(), content);
    let tree = document.parse();
    let root = Table::root(&document, &tree);
    let layers = Layers {
        inputs,
        document: &document,
        folder: inputs.file.and_then(Path::parent).unwrap_or(Path::new("")),
        origins: RefCell::default(),
    };
    let secrets = Secrets {
        folder: layers.folder,
        environment: inputs.environment,
        named: RefCell::default(),
    };
    let config = layers.config(&root, &secrets);
    root.finish();
    layers.refuse_unknown_flags();
    layers.refuse_unknown_variables(&secrets.named.take());
    layers.refuse_combinations(&config);
    let origins = layers.origins.take();
    let faults = document.into_faults();
    if faults.is_empty() {
        Ok(Loaded { config, origins })
    } else {
        Err(LoadError::Invalid(faults))
    }
}

/// The places a setting may be decided in, and who did.
struct Layers<'a> {
    inputs: Inputs<'a>,
    document: &'a Document<'a>,
    folder: &'a Path,
    origins: RefCell<BTreeMap<String, Origin>>,
}

impl Layers<'_> {
    fn config(&self, root: &Table<'_>, secrets: &Secrets<'_>) -> Config {
        let config = Config {
            server: self.server(root.table("server")),
            store: self.store(root.table("store"), secrets),
            forward: self.forward(root.table("forward")),
            events: self.events(root.table("events")),
            log: self.log(root.table("log")),
            sources: Vec::new(),
        };
        let mut origins = self.origins.borrow_mut();
        Config {
            sources: source::sources(root, secrets, &mut origins),
            ..config
        }
    }

    fn server(&self, table: Table<'_>) -> Server {
        let default = Server::default();
        let server = Server {
            listen: self.scalar(&table, "listen", default.listen, |text| {
                text.parse().map_err(|_| {
                    format!("{text} is not an address with a port: write e.g. \"127.0.0.1:8080\" or \"[::]:8080\"", text = quoted(text))
                })
            }),
            public_url: self.scalar(&table, "public_url", default.public_url, |text| {
                public_url(text).map(Some)
            }),
            workers: self.scalar(&table, "workers", default.workers, number(1..=256)),
            body_limit_bytes: self.scalar(&table, "body_limit", default.body_limit_bytes, |text| {
                usize::try_from(size(64 << 10)(text)?).map_err(|error| error.to_string())
            }),
            shutdown_grace: self.scalar(
                &table,
                "shutdown_grace",
                default.shutdown_grace,
                duration,
            ),
            trusted_proxies: self.list(
                &table,
                "trusted_proxies",
                default.trusted_proxies,
                network_or_address,
            ),
        };
        table.finish();
        server
    }

    fn store(&self, table: Table<'_>, secrets: &Secrets<'_>) -> Store {
        let default = Store::default();
        let path = self.scalar(&table, "url", default.path, store_path);
        let store = Store {
            path: self.anchored(&table, "url", path),
            durability: self.scalar(&table, "durability", default.durability, word),
            wal_limit_bytes: self.scalar(
                &table,
                "wal_limit",
                default.wal_limit_bytes,
                size(4 << 20),
            ),
            disk_reserve_bytes: self.scalar(
                &table,
                "disk_reserve",
                default.disk_reserve_bytes,
                size(0),
            ),
            list_budget: self.scalar(&table, "list_budget", default.list_budget, |text| {
                match duration(text)? {
                    long if long > Store::MOST_LIST_BUDGET => Err(format!(
                        "{} is too long: a read that takes 30 s is cut, and keeps the write-ahead log; write 20s or less",
                        spell_duration(long)
                    )),
                    budget => Ok(budget),
                }
            }),
            keys: self.keys(&table, secrets),
            retention: self.retention(table.table("retention")),
            passed_over: None,
        };
        table.finish();
        store
    }

    /// The keys that seal secrets. A flag would show them to every user of the machine.
    fn keys(&self, table: &Table<'_>, secrets: &Secrets<'_>) -> Vec<KeySource> {
        let item = table.get("key");
        let path = table.path_of("key");
        let outside = self.outside(&path);
        let origin = match (&outside, &item) {
            (Some((origin, _)), _) => origin.clone(),
            (None, Some(item)) => item.origin(),
            (None, None) => Origin::Default,
        };
        self.origins.borrow_mut().insert(path.clone(), origin);
        let (origin, text) = match outside {
            None => return secrets.keys(table, "key"),
            Some((origin @ Origin::Flag(_), _)) => {
                let text = "a flag shows a secret to every user of the machine: write it into the file, \
                            or give TICKRELAY_STORE_KEY";
                self.document.fault(origin, &path, text);
                return Vec::new();
            }
            Some(outside) => outside,
        };
        let parts = text.split(',').map(str::trim);
        let keys = parts.filter(|part| !part.is_empty()).filter_map(|part| {
            Secrets::key_of(part)
                .map_err(|refusal| self.document.fault(origin.clone(), &path, refusal))
                .ok()
        });
        keys.collect()
    }

    fn retention(&self, table: Table<'_>) -> Retention {
        let default = Retention::default();
        let days = |text: &str| {
            number(Retention::LEAST_DAYS..=36_500)(text).map_err(|refusal| {
                format!(
                    "{refusal}: a provider may deliver a webhook again for 7 days, and what is pruned by then would be taken as new"
                )
            })
        };
        let retention = Retention {
            webhooks_days: self.scalar(&table, "webhooks_days", default.webhooks_days, days),
            attempts_days: self.scalar(&table, "attempts_days", default.attempts_days, days),
            messages_days: self.scalar(&table, "messages_days", default.messages_days, days),
        };
        table.finish();
        retention
    }

    fn forward(&self, table: Table<'_>) -> Forward {
        let default = Forward::default();
        let ca_file = self.scalar(&table, "ca_file", None, |path| {
            text(path).map(|path| Some(PathBuf::from(path)))
        });
        let forward = Forward {
            allow_http: self.scalar(&table, "allow_http", default.allow_http, boolean),
            allow_networks: self.list(&table, "allow_networks", default.allow_networks, |text| {
                text.parse().map_err(|_| {
                    format!(
                        "{text} is not a network: write e.g. \"127.0.0.0/8\" or \"fd00::/8\"",
                        text = quoted(text)
                    )
                })
            }),
            proxy: self.scalar(&table, "proxy", default.proxy, |url| word(url).map(Some)),
            ca_file: ca_file.map(|path| self.anchored(&table, "ca_file", path)),
            timeout: self.scalar(&table, "timeout", default.timeout, positive_duration),
            schedule: self.list(&table, "schedule", default.schedule, positive_duration),
            max_age: self.scalar(&table, "max_age", default.max_age, positive_duration),
            disable_after: self.scalar(
                &table,
                "disable_after",
                default.disable_after,
                positive_duration,
            ),
        };
        table.finish();
        forward
    }

    fn events(&self, table: Table<'_>) -> Events {
        let default = Events::default();
        let events = Events {
            repeat_after: self.scalar(&table, "repeat_after", default.repeat_after, duration),
            silence: self.scalar(&table, "silence", default.silence, positive_duration),
            silence_factor: self.scalar(
                &table,
                "silence_factor",
                default.silence_factor,
                number(1..=1000),
            ),
            failures: self.scalar(
                &table,
                "failures",
                default.failures,
                number(1..=1_000_000_000),
            ),
            failure_factor: self.scalar(
                &table,
                "failure_factor",
                default.failure_factor,
                number(1..=1000),
            ),
            silent_messages: self.scalar(
                &table,
                "silent_messages",
                default.silent_messages,
                number(0..=1_000_000_000),
            ),
        };
        table.finish();
        events
    }

    fn log(&self, table: Table<'_>) -> Log {
        let default = Log::default();
        let log = Log {
            format: self.scalar(&table, "format", default.format, word),
            filter: self.scalar(&table, "filter", default.filter, log_filter),
        };
        table.finish();
        log
    }

    /// One setting with one value.
    fn scalar<T>(
        &self,
        table: &Table<'_>,
        key: &str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        // Asked for even when it is overridden, so that the key counts as known.
        let item = table.get(key);
        let path = table.path_of(key);
        let outside = self.outside(&path);
        let origin = match (&outside, &item) {
            (Some((origin, _)), _) => origin.clone(),
            (None, Some(item)) => item.origin(),
            (None, None) => Origin::Default,
        };
        self.origins.borrow_mut().insert(path.clone(), origin);
        let parsed = match (outside, item) {
            (Some((origin, text)), _) => parse(&text)
                .map_err(|refusal| self.document.fault(origin, &path, refusal))
                .ok(),
            (None, Some(item)) => match TEXTS.iter().find(|(key, _)| *key == path) {
                Some((_, example)) => item.quoted(&format!("a text like {example}"), parse),
                None => item.parsed(parse),
            },
            (None, None) => None,
        };
        parsed.unwrap_or(default)
    }

    /// One setting with many values: an array in the file, commas elsewhere.
    fn list<T>(
        &self,
        table: &Table<'_>,
        key: &str,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let item = table.get(key);
        let path = table.path_of(key);
        let (origin, values) = match (self.outside(&path), item) {
            (Some((origin, text)), _) => {
                let parts = text.split(',').map(str::trim);
                let parsed = parts.filter(|part| !part.is_empty()).filter_map(|part| {
                    parse(part)
                        .map_err(|refusal| self.document.fault(origin.clone(), &path, refusal))
                        .ok()
                });
                (origin.clone(), parsed.collect())
            }
            (None, Some(item)) => {
                let elements = item.elements().into_iter();
                let parsed = elements.filter_map(|element| element.parsed(&parse));
                (item.origin(), parsed.collect())
            }
            (None, None) => (Origin::Default, default),
        };
        self.origins.borrow_mut().insert(path, origin);
        values
    }

    /// What the flags, else the environment, say about a setting. An empty variable says nothing.
    fn outside(&self, path: &str) -> Option<(Origin, String)> {
        // The last flag wins, as everywhere on a command line.
        let flag = self.inputs.flags.iter().rfind(|flag| flag.key == path);
        if let Some(flag) = flag {
            return Some((Origin::Flag(flag.flag.clone()), flag.value.clone()));
        }
        variables::value(self.document, self.inputs.environment, path)
    }

    /// A path of the file, or by default, is relative to the file's folder; one that a flag or
    /// the environment gives is relative to the current one.
    fn anchored(&self, table: &Table<'_>, key: &str, path: PathBuf) -> PathBuf {
        match self.origins.borrow().get(&table.path_of(key)) {
            Some(Origin::File { .. } | Origin::Default) => self.folder.join(path),
            _ => path,
        }
    }

    fn refuse_unknown_variables(&self, named: &BTreeSet<String>) {
        let origins = self.origins.borrow();
        variables::refuse_unknown(self.document, self.inputs.environment, &origins, named);
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

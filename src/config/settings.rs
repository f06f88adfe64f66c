//! Every setting: one row with its meaning, its type, its default and how it is written.
//!
//! All else comes from these rows: the file, `TICKRELAY_…`, the flags, `config show`,
//! `config.example.toml` and `docs/configuration.md`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::file::Table;
use super::layers::Layers;
use super::notation::{
    Many, Optional, address, file, filter, network, network_or_address, positive_time, proxy,
    public_url, sealing_key, size, store_url, switch, time, time_within, whole, word,
};
use super::setting::{Decide, Reloaded, SettingRow, SettingSection, section, sections};
use super::{Config, Durability, KeySource, LogFormat, ProxyUrl};
use crate::model::Word as _;

/// Why rows are kept for a while.
const REDELIVERED: &str = "a provider may deliver a webhook again for 7 days, and what is pruned \
                           by then would be taken as new";

sections! {
    /// How webhooks are received.
    server: Server ["server"] {
        /// The address that receives webhooks. Put a server that speaks TLS in front of it.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), address(),
            flag("listen", "ADDRESS");

        /// The URL under which providers reach the service. With it `tickrelay source list` and the
        /// API show whole callback URLs.
        public_url: Option<String> = None, Optional(public_url()),
            example("\"https://relay.example.com\"");

        /// Threads that serve HTTP.
        workers: usize = 2, whole(1..=256);

        /// The largest body of a webhook, also when decompressed. A larger one is answered 413. A
        /// webhook with more than 32 768 entries in its lists is kept as unparsed.
        // Infobip's largest batch of reports, with an echo in each, has about 10 MB.
        body_limit_bytes as body_limit: usize = 16 << 20, size(64 << 10..);

        /// How long a shutdown waits for requests and attempts in flight.
        shutdown_grace: Duration = Duration::from_secs(10), time();

        /// The proxies in front of the service. Only their `X-Forwarded-For` decides which address
        /// the log and the audit name, and which one wrong credentials are counted for. Its last
        /// address that is none of these proxies counts.
        trusted_proxies: Vec<IpNet> = Vec::new(), Many(network_or_address()),
            example("[\"127.0.0.1\", \"10.0.0.0/8\"]");
    }

    /// Where everything is kept.
    store: Store ["store"] {
        /// The SQLite file that holds everything. It is beside the configuration file unless the path
        /// says otherwise; an absolute path has three slashes.
        path as url: PathBuf = PathBuf::from("tickrelay.db"), store_url(),
            flag("store", "URL"), example("\"sqlite:///var/lib/tickrelay/tickrelay.db\"");

        /// What a commit waits for. With `"full"` acknowledged webhooks survive a power cut. With
        /// `"os"` they survive only a crash of the process.
        durability: Durability = Durability::Full, word(Durability::as_str),
            flag("durability", "WORD");

        /// The size of the write-ahead log beyond which checkpoints are forced.
        wal_limit_bytes as wal_limit: u64 = 256 << 20, size(4 << 20..);

        /// The free disk space below which webhooks are answered 503. Providers send them again later.
        disk_reserve_bytes as disk_reserve: u64 = 256 << 20, size(0..);

        /// How long a list is searched. Then it answers with the rows found so far and says how far
        /// back it searched; its cursor goes on from there.
        list_budget: Duration = Duration::from_secs(5),
            time_within(..=Duration::from_secs(20))
                .because("a read that takes 30 s is cut, and keeps the write-ahead log");

        /// The key that seals secrets, as `openssl rand -base64 32` writes it. Without it the file
        /// `tickrelay.key` beside the store holds the key. Of several the first seals and all open.
        keys as key: Vec<KeySource> = Vec::new(), Many(sealing_key()),
            example("{ env = \"TICKRELAY_KEY\" }");
    }

    /// When rows are pruned. Never before 8 days have passed: a provider may deliver a webhook again
    /// for 7 days. When the clock is over a day ahead of what the store saw last, nothing is pruned or
    /// expired until it is set back or the service has run for 24 h.
    retention: Retention ["store.retention"] {
        /// Days after which raw webhooks are pruned.
        webhooks_days: u32 = 30, whole(8..=36_500).because(REDELIVERED);

        /// Days after which attempts are pruned.
        attempts_days: u32 = 30, whole(8..=36_500).because(REDELIVERED);

        /// Days after which messages, their reports and their forwards are pruned.
        messages_days: u32 = 400, whole(8..=36_500).because(REDELIVERED);
    }

    /// How subscribers are called.
    forward: Forward ["forward"] {
        /// Allow subscribers with http:// beside https://.
        allow_http: bool = false, switch(), flag("allow-http", "BOOL");

        /// Networks that may be called although they are private or loopback.
        allow_networks: Vec<IpNet> = Vec::new(), Many(network()),
            flag("allow-networks", "NETWORKS"), example("[\"10.20.0.0/16\"]");

        /// The proxy that every call goes through. `HTTP_PROXY` and similar variables are never used.
        proxy: Option<ProxyUrl> = None, Optional(proxy()),
            example("\"http://proxy.internal:3128\"");

        /// PEM certificates to trust beside the system's.
        ca_file: Option<PathBuf> = None, Optional(file()), example("\"internal-ca.pem\"");

        /// The limit on one whole attempt, from the look-up of the name to the last byte.
        timeout: Duration = Duration::from_secs(15), positive_time();

        /// The delay before each retry, counted from the attempt before it; 20 % more or less by
        /// chance.
        schedule: Vec<Duration> = [
            Duration::from_secs(5),
            Duration::from_mins(5),
            Duration::from_mins(30),
            Duration::from_hours(2),
            Duration::from_hours(5),
            Duration::from_hours(10),
            Duration::from_hours(14),
            Duration::from_hours(20),
            Duration::from_hours(24),
        ].to_vec(), Many(positive_time());

        /// The age at which a forward expires.
        max_age: Duration = Duration::from_hours(8 * 24), positive_time();

        /// How long a subscriber may fail without a single success before it is disabled.
        disable_after: Duration = Duration::from_hours(5 * 24), positive_time();
    }

    /// When the operator is notified of trouble in the service, in the log and by subscribers of the
    /// kind `events`.
    events: Events ["events"] {
        /// The least time between two notices that the same event began.
        repeat_after: Duration = Duration::from_mins(10), time();

        /// A source is silent when it sent nothing for this long, and for `silence_factor` times its
        /// longest silence of the last eight days.
        silence: Duration = Duration::from_hours(1), positive_time();

        /// See `silence`.
        silence_factor: u32 = 2, whole(1..=1000);

        /// An error jumped when it has this many failures within ten to twenty minutes, and
        /// `failure_factor` times the share of the reports that it had in the 24 hours before.
        failures: u64 = 20, whole(1..=1_000_000_000);

        /// See `failures`.
        failure_factor: u64 = 5, whole(1..=1000);

        /// Notify when the time to live of this many messages passed without a final report within
        /// `repeat_after`. With 0 never notify.
        silent_messages: u64 = 0, whole(0..=1_000_000_000);
    }

    /// What the log looks like.
    log: Log ["log"] {
        /// The form of a line: text for people, json for one object a line.
        format: LogFormat = LogFormat::Text, word(LogFormat::as_str), flag("log-format", "WORD");

        /// The level: off, error, warn, info, debug or trace. Modules may have their own, as in
        /// `"info,tickrelay=debug"`.
        filter: String = "info".to_owned(), filter(), flag("log-filter", "FILTER"),
            example("\"info,tickrelay=debug\""), reloaded(Reloaded::LogFilter);
    }
}

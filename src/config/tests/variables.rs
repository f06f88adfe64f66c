//! Who decides a setting: a flag, a variable or the file; and the variables that nobody knows.

use std::collections::BTreeMap;

use super::super::{Loaded, Origin};
use super::{resolve, resolve_with};

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let text = "server.listen = '127.0.0.1:2'\nforward.allow_networks = ['10.0.0.0/8']";
    let environment: &[(&str, &str)] = &[
        ("TICKRELAY_LISTEN", "127.0.0.1:3"),
        ("TICKRELAY_FORWARD_ALLOW_NETWORKS", "127.0.0.0/8, ::1/128"),
    ];
    let flags: &[(&str, &str, &str)] = &[("--listen", "server.listen", "127.0.0.1:4")];
    for (text, environment, flags, port, origin, networks) in [
        ("", &[][..], &[][..], 8080, "default", 0),
        (text, &[], &[], 2, "t.toml:1", 1),
        (text, environment, &[], 3, "TICKRELAY_LISTEN", 2),
        (text, environment, flags, 4, "--listen", 2),
        (text, &[("TICKRELAY_LISTEN", "")], &[], 2, "t.toml:1", 1),
    ] {
        let loaded = resolve_with(text, environment, flags).unwrap();
        assert_eq!(loaded.config.server.listen.port(), port);
        assert_eq!(loaded.origins["server.listen"].to_string(), origin);
        assert_eq!(loaded.config.forward.allow_networks.len(), networks);
    }
}

#[test]
fn a_wrong_variable_or_flag_is_called_by_its_name() {
    let error = resolve_with(
        "",
        &[("TICKRELAY_STORE_DURABILITY", "maybe")],
        &[
            ("--listen", "server.listen", "8080"),
            ("--set", "forward.timeot", "20s"),
        ],
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "--listen: server.listen: \"8080\" is not an address with a port: write e.g. \"127.0.0.1:8080\" or \"[::]:8080\"\n\
         TICKRELAY_STORE_DURABILITY: store.durability: unknown durability \"maybe\": expected one of full, os\n\
         --set: forward.timeot: unknown setting: did you mean forward.timeout?"
    );
}

/// Every setting with a value that is not its default, as a variable says it.
const OTHERS: [(&str, &str); 31] = [
    ("server.listen", "[::1]:1"),
    ("server.public_url", "https://relay.example"),
    ("server.workers", "3"),
    ("server.body_limit", "1MiB"),
    ("server.shutdown_grace", "1s"),
    ("server.trusted_proxies", "10.0.0.0/8,::1/128"),
    ("store.url", "sqlite://other.db"),
    ("store.durability", "os"),
    ("store.wal_limit", "5MiB"),
    ("store.disk_reserve", "1KiB"),
    ("store.list_budget", "7s"),
    ("store.key", "c2l4dGVlbiBieXRlcywgc2l4dGVlbiBieXRlcy4uLi4="),
    ("store.retention.webhooks_days", "9"),
    ("store.retention.attempts_days", "10"),
    ("store.retention.messages_days", "11"),
    ("forward.allow_http", "true"),
    ("forward.allow_networks", "127.0.0.0/8"),
    ("forward.proxy", "http://proxy:3128"),
    ("forward.ca_file", "ca.pem"),
    ("forward.timeout", "3s"),
    ("forward.schedule", "1s,2s"),
    ("forward.max_age", "1d"),
    ("forward.disable_after", "1h"),
    ("events.repeat_after", "1m"),
    ("events.silence", "2h"),
    ("events.silence_factor", "3"),
    ("events.failures", "4"),
    ("events.failure_factor", "6"),
    ("events.silent_messages", "7"),
    ("log.format", "json"),
    ("log.filter", "warn"),
];

#[test]
fn every_setting_is_decided_by_the_variable_of_its_section_and_key() {
    let usual = resolve("").unwrap();
    let variables = OTHERS.map(|(key, value)| {
        let name = key.replace('.', "_").to_ascii_uppercase();
        (format!("TICKRELAY_{name}"), value)
    });
    let environment: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let loaded = resolve_with("", &environment, &[]).unwrap();
    // The one list of settings, so that a new one is not forgotten here.
    let keys: Vec<&str> = loaded.origins.keys().map(String::as_str).collect();
    let mut expected = OTHERS.map(|(key, _)| key);
    expected.sort_unstable();
    assert_eq!(keys, expected);
    for ((key, origin), (name, _)) in OTHERS
        .iter()
        .map(|(key, _)| (key, &loaded.origins[*key]))
        .zip(&variables)
    {
        assert_eq!(origin, &Origin::Environment(name.clone()), "{key}");
    }
    let shown = |loaded: &Loaded| -> Vec<String> {
        let shown = loaded.config.show(&BTreeMap::new());
        let lines = shown.lines().filter(|line| !line.is_empty());
        let settings = lines.filter(|line| !line.starts_with('['));
        settings.map(str::to_owned).collect()
    };
    for (usual, other) in shown(&usual).iter().zip(shown(&loaded)) {
        assert_ne!(*usual, other);
    }
}

#[test]
fn the_variables_of_the_server_may_leave_their_section_out() {
    let port = |environment: &[(&str, &str)]| {
        resolve_with("", environment, &[]).map(|loaded| loaded.config.server.listen.port())
    };
    let (short, whole) = ("TICKRELAY_LISTEN", "TICKRELAY_SERVER_LISTEN");
    assert_eq!(port(&[(short, "127.0.0.1:3")]).unwrap(), 3);
    assert_eq!(port(&[(whole, "127.0.0.1:4")]).unwrap(), 4);
    let both = [(short, "127.0.0.1:3"), (whole, "127.0.0.1:3")];
    assert_eq!(port(&both).unwrap(), 3);
    let both = [(short, "127.0.0.1:3"), (whole, "127.0.0.1:4")];
    assert_eq!(
        port(&both).unwrap_err().to_string(),
        "TICKRELAY_SERVER_LISTEN: server.listen: says otherwise than TICKRELAY_LISTEN: remove one of them"
    );
}

#[test]
fn a_variable_that_nobody_knows_is_refused_with_the_nearest_name() {
    let text =
        "[[source]]\nname = 'a'\nprovider = 'infobip'\nurl_token = { env = 'TICKRELAY_TOKEN' }";
    let known = [("TICKRELAY_TOKEN", "a-long-url-token")];
    let refused = |name: &str| {
        let environment = [&known[..], &[(name, "")]].concat();
        let loaded = resolve_with(text, &environment, &[]);
        loaded.err().map(|error| error.to_string())
    };
    for name in [
        "TICKRELAY_BIN",
        "TICKRELAY_CI_REQUIRE",
        "TICKRELAY_CONFIG",
        "TICKRELAY_TOKEN",
        "TICKRELAY_STORE_URL",
        "LISEN",
    ] {
        assert_eq!(refused(name), None, "{name}");
    }
    for (name, remedy) in [
        ("TICKRELAY_LISEN", "did you mean TICKRELAY_LISTEN?"),
        (
            "TICKRELAY_FORWARD_TIMEOT",
            "did you mean TICKRELAY_FORWARD_TIMEOUT?",
        ),
        ("TICKRELAY_BINS", "a setting is TICKRELAY_ with its section"),
        (
            "TICKRELAY_TOKENS",
            "a setting is TICKRELAY_ with its section",
        ),
        ("TICKRELAY_SOURCE_NAME", "sources stand in the file alone"),
        (
            "TICKRELAY_SERVICE_HOST",
            "a setting is TICKRELAY_ with its section",
        ),
    ] {
        let refused = refused(name).expect(name);
        assert!(
            refused.starts_with(&format!("{name}: unknown variable: ")) && refused.contains(remedy),
            "{refused}"
        );
    }
    // Kubernetes sets such variables for a service of that name; nobody can take them away.
    let links = [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("TICKRELAY_SERVICE_HOST", "10.0.0.2"),
    ];
    assert!(resolve_with("", &links, &[]).is_ok());
}

#[test]
fn a_key_is_no_flag() {
    let flag = [("--set", "store.key", "hunter2")];
    let error = resolve_with("", &[], &flag).unwrap_err().to_string();
    assert!(
        error.contains("TICKRELAY_STORE_KEY") && !error.contains("hunter2"),
        "{error}"
    );
}

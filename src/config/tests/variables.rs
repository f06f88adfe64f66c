//! What decides a setting: a flag, a variable or the file; and unknown variables.

use std::collections::BTreeMap;

use toml::Value;

use super::super::{Loaded, Origin, SettingRow};
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

/// A value that is not the default, as a variable says it.
fn other(row: &SettingRow) -> String {
    let example = row.example.map(|text| format!("it = {text}"));
    let example = example.map(|text| text.parse::<toml::Table>().unwrap()["it"].clone());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (example, &row.value) {
        (Some(Value::Table(_)), _) => "c2l4dGVlbiBieXRlcywgc2l4dGVlbiBieXRlcy4uLi4=".to_owned(),
        (Some(Value::Array(parts)), _) => {
            let parts: Vec<String> = parts.iter().filter_map(text).collect();
            parts.join(",")
        }
        (Some(example), _) => text(&example).unwrap(),
        (None, Some(Value::Integer(number))) => (number + 1).to_string(),
        (None, Some(Value::Boolean(yes))) => (!yes).to_string(),
        (None, Some(Value::Array(parts))) => text(&parts[0]).unwrap(),
        (None, Some(Value::String(usual))) => {
            let digits = usual.find(|it: char| !it.is_ascii_digit()).unwrap();
            if let Ok(number) = usual[..digits].parse::<u64>() {
                return format!("{}{}", number + 1, &usual[digits..]);
            }
            // A word: the first of the others.
            let words = row.about.split('"').filter(|it| !it.is_empty());
            let mut words = words.filter(|it| !it.contains(' ') && it != usual);
            words.next().unwrap().to_owned()
        }
        (None, other) => panic!("give {} an example: {other:?}", row.path),
    }
}

#[test]
fn every_setting_is_decided_by_the_variable_of_its_section_and_key() {
    let usual = resolve("").unwrap();
    let sections = usual.config.sections().into_iter();
    let others: Vec<(&str, String, String)> = sections
        .flat_map(|section| section.rows)
        .map(|row| {
            let name = row.path.replace('.', "_").to_ascii_uppercase();
            (row.path, format!("TICKRELAY_{name}"), other(&row))
        })
        .collect();
    let environment: Vec<(&str, &str)> = others
        .iter()
        .map(|(_, name, value)| (name.as_str(), value.as_str()))
        .collect();
    let loaded = resolve_with("", &environment, &[]).unwrap();
    for (key, name, _) in &others {
        assert_eq!(
            loaded.origins[*key],
            Origin::Environment(name.clone()),
            "{key}"
        );
    }
    assert_eq!(loaded.origins.len(), others.len());
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
fn an_unknown_variable_is_refused_with_the_nearest_name() {
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
    // Kubernetes sets such variables for a service of that name; they cannot be removed.
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

//! The configuration as a whole: precedence, secrets, the example and what is shown.

mod documents;
mod refusals;
mod reload;
mod variables;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use secrecy::ExposeSecret;

use super::*;
use crate::providers::{Provider, PullForm};

const FILE: &str = "t.toml";

/// Variables for a test instead of those of the process.
fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| {
        let pair = pairs.iter().find(|(known, _)| *known == name);
        pair.map(|(_, value)| (*value).to_owned())
    }
}

fn resolve_with(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str, &str)],
) -> Result<Loaded, LoadError> {
    let flag = |(flag, key, value): &(&str, &str, &str)| Flag {
        flag: (*flag).to_owned(),
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    let flags: Vec<Flag> = flags.iter().map(flag).collect();
    layers::resolve(
        text,
        Inputs {
            file: Some(Path::new(FILE)),
            flags: &flags,
            environment: Environment {
                value: &variables(environment),
                names: &names(environment),
            },
        },
    )
}

/// The names of variables that are ours.
fn names(pairs: &[(&str, &str)]) -> Vec<String> {
    let names = pairs.iter().map(|(name, _)| (*name).to_owned());
    names.filter(|name| name.starts_with(VARIABLES)).collect()
}

fn resolve(text: &str) -> Result<Loaded, LoadError> {
    resolve_with(text, &[], &[])
}

fn source(text: &str) -> Source {
    resolve(text).unwrap().config.sources.remove(0)
}

/// The settings that are not the default, sources aside.
fn changed(config: &Config) -> Vec<&'static str> {
    config.differences(&Config::default())
}

#[test]
fn an_empty_file_is_the_default() {
    let config = resolve("").unwrap().config;
    assert!(changed(&config).is_empty());
    assert!(config.sources.is_empty());
    // The one thing that has no default is said.
    let keys: Vec<String> = config
        .warnings()
        .into_iter()
        .map(|warning| warning.key)
        .collect();
    assert_eq!(keys, ["source"]);
}

/// In the example what has no default stands behind a `#` without a blank.
fn uncommented_example() -> String {
    example().lines().fold(String::new(), |mut text, line| {
        let setting = line.strip_prefix('#');
        let setting = setting.filter(|rest| !rest.starts_with(' ') && !rest.is_empty());
        let _ = writeln!(text, "{}", setting.unwrap_or(line));
        text
    })
}

#[test]
fn the_example_is_the_default() {
    let loaded = resolve(&example()).unwrap();
    assert_eq!(changed(&loaded.config), Vec::<&str>::new());
}

#[test]
fn the_example_names_every_setting() {
    let written = example();
    let secrets = written.split("env = \"").skip(1);
    let secrets = secrets.filter_map(|rest| rest.split_once('"'));
    let mut environment: Vec<_> = secrets
        .map(|(name, _)| name)
        .filter(|name| *name != "TICKRELAY_KEY")
        .map(|name| (name, "s3cret"))
        .collect();
    environment.push((
        "TICKRELAY_KEY",
        "c2l4dGVlbiBieXRlcywgc2l4dGVlbiBieXRlcy4uLi4=",
    ));
    let loaded = resolve_with(&uncommented_example(), &environment, &[]).unwrap();
    for (key, origin) in &loaded.origins {
        assert!(matches!(origin, Origin::File { .. }), "{key}: {origin}");
    }
    let shown = written.matches("\n#[[source]]").count();
    assert_eq!(loaded.config.sources.len(), shown);
    for provider in Provider::ALL {
        let is_shown = written.contains(&format!("\"{provider}\""));
        assert!(is_shown, "{provider} has no example");
    }
    let mut sources = loaded.config.sources.iter();
    let source = sources.find(|source| source.pulled.is_some()).unwrap();
    let pulled = source.pulled.as_ref().unwrap();
    let usual = PullSettings::default();
    assert_eq!(
        (pulled.every, pulled.at_most, pulled.give_up_after),
        (usual.every, usual.at_most, usual.give_up_after)
    );
    assert_eq!(pulled.answer_limit_bytes, usual.answer_limit_bytes);
    for setting in source.provider.definition().pull.unwrap().settings {
        match setting.form {
            PullForm::Status([usual, _]) => {
                assert_eq!(pulled.options.status[setting.key()], usual);
            }
            PullForm::Names(parts) => {
                let names = &pulled.options.names[setting.key()];
                for (part, usual) in parts {
                    assert_eq!(names[part], *usual, "{part}");
                }
            }
            PullForm::Statuses => assert!(!pulled.options.statuses[setting.key()].is_empty()),
        }
    }
}

#[test]
fn a_source_that_is_asked_is_read_and_shown_without_its_secret() {
    let text = "[[source]]\nname = 'a'\nprovider = 'botsquad'\nurl = 'https://api.example.com/v1/'\n\
         authorization = { value = 'hunter2' }\npoll_every = '5s'\nsuccess_at = 'delivered'\n\
         fields = { to = ['/user/phone', 'wa_id'] }\nstatuses = { OptOut = 'failed' }";
    let loaded = resolve(text).unwrap();
    let pulled = loaded.config.sources[0].pulled.as_ref().unwrap();
    let pull = loaded.config.sources[0].provider.definition().pull.unwrap();
    assert_eq!(
        (pull.url)(&pulled.url, "bc/1 é"),
        "https://api.example.com/v1/bc%2F1%20%C3%A9"
    );
    let shown = loaded.config.show(&loaded.origins);
    for line in [
        "url = \"https://api.example.com/v1/{id}\"",
        "authorization = { name = \"Authorization\", value = \"***\" }",
        "poll_every = \"5s\"",
        "poll_for = \"3d\"",
        "success_at = \"delivered\"",
        "fields = { to = [\"/user/phone\", \"wa_id\"] }",
        "statuses = { optout = \"failed\" }",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(!shown.contains("unauthenticated") && !shown.contains("hunter2"));
    assert!(loaded.config.warnings().is_empty());
    // What is shown is what was written.
    let again = resolve(&shown.replace("***", "hunter2")).unwrap();
    let again = again.config.sources[0].pulled.as_ref().unwrap();
    assert_eq!(again, pulled);
}

#[test]
fn a_url_that_may_not_be_asked_is_warned_of() {
    let text = "[[source]]\nname = 'a'\nprovider = 'botsquad'\nunauthenticated = true\n\
         url = 'http://127.0.0.1/{id}'";
    let warnings = resolve(text).unwrap().config.warnings();
    assert!(
        warnings.iter().any(|warning| warning.key == "source.a"
            && warning
                .text
                .starts_with("url cannot be polled: http is not encrypted")),
        "{warnings:?}"
    );
}

#[test]
fn a_path_of_the_file_is_relative_to_its_folder() {
    let text = "store.url = 'sqlite://a.db'\nforward.ca_file = 'ca.pem'";
    let inputs = |flags| Inputs {
        file: Some(Path::new("/etc/tickrelay/t.toml")),
        flags,
        environment: Environment::empty(),
    };
    let config = layers::resolve(text, inputs(&[])).unwrap().config;
    assert_eq!(config.store.path, Path::new("/etc/tickrelay/a.db"));
    let ca_file = config.forward.ca_file.unwrap();
    assert_eq!(ca_file, Path::new("/etc/tickrelay/ca.pem"));

    let flags = [Flag {
        flag: "--store".to_owned(),
        key: "store.url".to_owned(),
        value: "sqlite://b.db".to_owned(),
    }];
    let config = layers::resolve(text, inputs(&flags)).unwrap().config;
    assert_eq!(config.store.path, Path::new("b.db"));
}

#[test]
fn methods_that_are_given_together_must_all_hold() {
    let source = source(
        "[[source]]\nname = 'a'\nprovider = 'infobip'\nurl_token = 't'\nsender = '+385 91 000'\n\
         senders = ['00385910001']\nheader = { name = 'X-Key', value = 'v' }\n\
         basic_auth = { username = 'u', password = 'p' }\n\
         hmac = { header = 'X-Sig', algorithm = 'HMAC_SHA_256', encoding = 'base64', secrets = ['s1', 's2'] }",
    );
    let methods = source.authentication.methods.iter();
    assert_eq!(
        methods.map(ToString::to_string).count(),
        4,
        "header, basic, signature, token"
    );
    assert_eq!(source.url_token().unwrap().expose_secret(), "t");
    assert_eq!(source.hints().senders, ["38591000", "385910001"]);
    assert_eq!(source.default_type, MessageType::Template);
}

#[test]
fn secrets_come_from_the_text_a_variable_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "from-file\n").unwrap();
    let file = folder.path().join(FILE);
    let text = "[[source]]\nname = 'a'\nprovider = 'meta-cloud'\napp_secret = 'in-place'\n\
                app_secrets = [{ env = 'APP' }, { file = 'secret' }]\nverify_token = { env = 'APP' }";
    std::fs::write(&file, text).unwrap();
    let loaded = Config::load(Inputs {
        file: Some(&file),
        flags: &[],
        environment: Environment {
            value: &variables(&[("APP", "from-env")]),
            names: &[],
        },
    });
    let source = loaded.unwrap().config.sources.remove(0);
    let Method::Signature(signature) = &source.authentication.methods[0] else {
        panic!("a meta-cloud source is signed");
    };
    let secrets = signature.secrets.iter();
    let secrets: Vec<&str> = secrets.map(ExposeSecret::expose_secret).collect();
    assert_eq!(secrets, ["in-place", "from-env", "from-file"]);
    assert_eq!(source.verify_tokens[0].expose_secret(), "from-env");
}

#[test]
fn a_ca_file_that_gives_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pem) = (folder.path().join(FILE), folder.path().join("ca.pem"));
    std::fs::write(&file, "[forward]\nca_file = 'ca.pem'").unwrap();
    let check = |expected: &str| {
        let inputs = Inputs {
            file: Some(&file),
            flags: &[],
            environment: Environment::empty(),
        };
        let error = Config::load(inputs).unwrap_err().to_string();
        let place = format!("{}:2: forward.ca_file: ", file.display());
        assert!(error.starts_with(&place), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check("No such file or directory");
    std::fs::write(&pem, "no certificate").unwrap();
    check("holds no PEM certificate");
}

#[test]
fn what_is_risky_is_warned_about() {
    let loaded = resolve(
        "[store]\ndurability = 'os'\n[forward]\nallow_http = true\nallow_networks = ['10.0.0.0/8', '::/0']\n\
         [server]\ntrusted_proxies = ['127.0.0.1', '0.0.0.0/0']\n\
         [[source]]\nname = 'open'\nprovider = 'infobip'\nunauthenticated = true\n\
         [[source]]\nname = 'mute'\nprovider = 'meta-cloud'\napp_secret = 'fifteen letters'\n\
         [[source]]\nname = 'short'\nprovider = 'infobip'\nurl_token = 't'\nheader = { name = 'X', value = 'v' }\n\
         basic_auth = { username = 'u', password = 'p' }\n\
         hmac = { header = 'S', algorithm = 'md5', encoding = 'hex', secret = 'sixteen letters.' }\n\
         [store.retention]\nwebhooks_days = 90\nmessages_days = 60\n",
    )
    .unwrap();
    let warnings: Vec<String> = loaded.warnings().iter().map(ToString::to_string).collect();
    let places = [
        "t.toml:2: store.durability: ",
        "t.toml:4: forward.allow_http: ",
        "t.toml:5: forward.allow_networks: ::/0 ",
        "t.toml:7: server.trusted_proxies: 0.0.0.0/0 ",
        "t.toml:24: store.retention.webhooks_days: webhooks_days = 90 is more than messages_days = 60",
        "t.toml:8: source.open: unauthenticated",
        "t.toml:12: source.mute: no verify_token",
        "t.toml:12: source.mute: app_secrets has 15 characters and may be guessed",
        "t.toml:16: source.short: header.value has 1 character",
        "t.toml:16: source.short: basic_auth.password has 1 character",
        "t.toml:16: source.short: url_token has 1 character",
    ];
    assert_eq!(warnings.len(), places.len(), "{warnings:?}");
    for (warning, place) in warnings.iter().zip(places) {
        assert!(warning.starts_with(place), "{warning}");
    }
}

#[test]
fn no_secret_is_shown_and_what_is_shown_can_be_read_again() {
    let text = "[forward]\nproxy = 'http://user:hunter2@proxy:3128'\n\
                [[source]]\nname = 'c'\nprovider = 'meta-cloud'\napp_secret = 'hunter2'\nverify_token = 'hunter2'\n\
                [[source]]\nname = 'i'\nprovider = 'infobip'\nurl_token = 'hunter2'\n\
                header = { name = 'X-Key', value = 'hunter2' }\nsender = '+1234567'\nsenders = ['2345678']\nowners = ['acme']\n\
                basic_auth = { username = 'u', password = 'hunter2' }\n\
                hmac = { header = 'X-Sig', algorithm = 'md5', encoding = 'hex', secret = 'hunter2', prefix = 'p' }\n\
                [[source]]\nname = 'o'\nprovider = '360dialog'\nunauthenticated = true\n";
    let loaded = resolve(text).unwrap();
    let shown = loaded.config.show(&loaded.origins);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert!(shown.contains("# t.toml:2"), "{shown}");

    // Only where a secret makes a URL does its veil have to be taken off first.
    let filled = shown.replace("url_token = \"***\"", "url_token = \"token\"");
    let again = resolve(&filled).expect(&filled);
    assert_eq!(again.config.sources.len(), 3);
    let origins = BTreeMap::new();
    assert_eq!(again.config.show(&origins), loaded.config.show(&origins));
    for key in loaded
        .origins
        .keys()
        .filter(|key| !key.starts_with("source."))
    {
        let name = key.rsplit('.').next().unwrap();
        assert!(shown.contains(name), "{key} is not shown");
    }
}

#[test]
fn an_owner_is_a_name_in_quotes() {
    let with = |owners: &str| {
        let source = "[[source]]\nname = 'a'\nprovider = 'infobip'\nurl_token = 'a-long-token'\n";
        resolve(&format!("{source}owners = {owners}\n"))
    };
    for owners in ["[1]", "['acme', true]"] {
        let error = with(owners).unwrap_err().to_string();
        let expected = "given where a name in quotes is expected";
        assert!(error.contains(expected), "{owners}: {error}");
    }
    let sources = with("['acme']").unwrap().config.sources;
    assert_eq!(sources[0].owners, ["acme"]);
}

#[test]
fn a_setting_that_is_a_text_stands_in_quotes() {
    for value in [
        "3",
        "true",
        "1.5",
        "2026-01-01",
        "['info']",
        "{ a = 'b' }",
        "0x1F",
    ] {
        for (section, key) in [("log", "filter"), ("store", "url"), ("forward", "ca_file")] {
            let error = resolve(&format!("[{section}]\n{key} = {value}\n")).unwrap_err();
            let error = error.to_string();
            let found = error.strip_prefix(&format!("t.toml:2: {section}.{key}: "));
            let (kind, rest) = found.unwrap().split_once(' ').unwrap();
            assert!(
                !kind.is_empty() && rest.starts_with("given where a text like \""),
                "{error}"
            );
        }
    }
    let source = |line: &str| format!("[[source]]\nname = 'a'\nprovider = 'infobip'\n{line}\n");
    for line in [
        "header = { name = 5, value = 'a-long-enough-secret' }",
        "basic_auth = { username = 5, password = 'a-long-enough-secret' }",
        "hmac = { header = 'x-s', prefix = 5, algorithm = 'md5', encoding = 'hex', secret = 's' }",
    ] {
        let error = resolve(&source(line)).unwrap_err().to_string();
        assert!(
            error.contains("integer given where a text in quotes is expected"),
            "{error}"
        );
    }
}

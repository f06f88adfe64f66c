//! A room per provider: no code outside `src/providers` and no SQL asks which provider it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::asked::{Rooms, asked};
use super::{is_test, none, sources};

/// Which places may name a provider nevertheless: the file, what is found there, and why.
const NAMED: &[(&str, &str, &str)] = &[
    (
        "src/admin/samples/case.rs",
        "a key (infobip:7008)",
        "shows how the key of an error is written",
    ),
    (
        "src/admin/wanted.rs",
        "(meta:131026)",
        "shows how the key of an error is written",
    ),
    (
        "src/model/filter.rs",
        "*=failed(131026,meta:131047)",
        "shows how the rule of a filter is written",
    ),
    (
        "src/play/demo/hints.rs",
        "explain 131026",
        "a command to try, with an error that the demo brings",
    ),
    (
        "src/web/api/errors.rs",
        "as in `meta:131026`",
        "shows how the key of an error is written",
    ),
];

/// Our own files, but for tests.
fn ours() -> BTreeMap<String, String> {
    let files = sources(&["src"]);
    let code = files.iter().filter(|(file, _)| !is_test(file, &files));
    code.map(|(file, text)| (file.clone(), text.clone()))
        .collect()
}

#[test]
fn no_code_outside_providers_asks_which_provider_it_is() {
    let mut faults = asked(&ours(), &Rooms::ours());
    for (file, what, reason) in NAMED {
        let is_it = |fault: &String| fault.starts_with(file) && fault.contains(what);
        let count = faults.len();
        faults.retain(|fault| !is_it(fault));
        if faults.len() == count || reason.is_empty() {
            faults.push(format!("{file}: {what} needs no reason any more"));
        }
    }
    none(&faults);
}

/// The last migration that asked for a provider by its name; a released one stays as it is.
const NAMED_A_PROVIDER: &str = "0017";

/// The name or the code that a statement holds beside its comments.
fn named_in_sql(text: &str, rooms: &Rooms) -> Option<String> {
    let lines = text.lines();
    let code = lines.map(|line| line.split("--").next().unwrap_or(line));
    let code = code.collect::<Vec<_>>().join("\n");
    let name = rooms.named(&code).map(str::to_owned);
    name.or_else(|| rooms.code_in(&code).map(|code| code.to_string()))
}

#[test]
fn no_sql_asks_which_provider_it_is() {
    let rooms = Rooms::ours();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/sqlite");
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let word = named_in_sql(&text, &rooms);
        if let Some(word) = word.filter(|_| name[..4] > *NAMED_A_PROVIDER) {
            faults.push(format!(
                "{name}: {word}: ask a column of the source instead"
            ));
        }
    }
    none(&faults);
    for named in [
        "WHERE provider = 'botsquad'",
        "error_key LIKE 'META:%'",
        "code = 131026",
    ] {
        assert!(named_in_sql(named, &rooms).is_some(), "{named}");
    }
    assert_eq!(named_in_sql("ends_at_sent -- as botsquad", &rooms), None);
}

/// What is found in a small crate whose module `web` has this text.
fn found(text: &str) -> Vec<String> {
    let files = [
        ("src/lib.rs", "pub mod providers;\npub mod web;"),
        (
            "src/providers.rs",
            "pub mod botsquad;\npub use botsquad::Answer;\n\
             pub enum Provider { Infobip, Botsquad }\nfn f() { g(Provider::Infobip, \"meta:1\") }",
        ),
        (
            "src/providers/botsquad.rs",
            "pub struct Answer;\npub fn f() {}",
        ),
        ("src/web.rs", text),
    ];
    let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
    asked(&files.into(), &Rooms::ours())
}

#[test]
fn a_question_which_provider_it_is_is_found_however_it_is_written() {
    for asking in [
        "fn f() { crate::providers::Provider::Infobip }",
        "use crate::providers::Provider as P; fn f() { P::Infobip }",
        "use crate::providers::Provider::{self, Botsquad};",
        "use crate::providers::{Provider::*};",
        "use crate::providers::Provider; fn f() { use Provider::*; }",
        "use crate::providers::Provider; type P = Provider; fn f() { P::Infobip }",
        "use crate::providers::botsquad; fn f() { botsquad::f() }",
        "use crate::providers::botsquad as polled; fn f() { polled::f() }",
        "use crate::providers::Answer;",
        "use crate::providers; fn f() { providers::Answer }",
        "fn f() { name == \"Infobip\" }",
        "fn f() { name == \"INFOBIP_KEY\" }",
        "fn f() { name == r#\"x-360dialog-signature\"# }",
        "fn f() { key == b\"infobip-status:8\" }",
        "fn f() { key == \"meta:131026\" }",
        "fn f() { key == \"app_secrets\" }",
        "fn f() { name == \"X-Hub-Signature-256\" }",
        "const SET: &str = \"cf- facebook-api- fly-\";",
        "fn f() { word == \"ACCOUNT_OFFBOARDED\" }",
        "fn f() { g(\"INCREASED_CAPABILITIES_ELIGIBILITY_\") }",
        "fn f(app_secrets: &str) {}",
        "fn f() { key == \"131026\" }",
        "fn f() { name.starts_with(\"bots\") }",
        "fn f() { name.strip_prefix(\"Info\") }",
        "fn f() { it.definition().title == title }",
        "fn f() { title == it.definition().title }",
        "fn f() { if it.definition().errors.name != title {} }",
        "fn f() { it.definition().name.eq(title) }",
        "fn f() { match it.definition().name { _ => {} } }",
        "use crate::providers::Provider; fn f() { Provider::ALL[4] }",
        "use crate::providers::Provider as P; fn f() { P::ALL.into_iter().nth(4) }",
        "fn f() { code == 131_026 }",
        "fn f() { code == 131026_i64 }",
        "fn f() { let example = g(); name == \"infobip\" }",
        "#[schema(example = \"infobip\")] struct S(bool); fn f() { \"infobip\" }",
        "macro_rules! f { () => { \"infobip\" } }",
    ] {
        assert!(!found(asking).is_empty(), "{asking}");
    }
    for harmless in [
        "/// As `botsquad::f`, of Infobip.\nfn f() {}",
        "// Infobip",
        "#[cfg(test)]\nmod tests { fn f() { Provider::Infobip } }",
        "#[schema(example = \"infobip\")]\nstruct S;",
        "use crate::providers::Provider; fn f() { Provider::ALL.map(Provider::definition) }",
        "fn f() { print(it.definition().title) }",
        "fn f() { name == \"account.limits_changed\" && state == \"paused\" }",
        "fn f() { let x = it.definition().ends_at_sent == true; }",
        "fn f(metadata: fs::Metadata) { metadata == \"a metadata\" && code == 100 }",
    ] {
        none(&found(harmless));
    }
}

//! The map of `src/`, each arrow of it: which module may name which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::map::Map;
use super::{is_test, none, sources};

/// Every module of the crate, and all others that it names. A row names rows above it alone, so all
/// arrows point one way. `play::demo` runs the whole service, which uses the rest of `play` for samples;
/// `play::fill` takes history in as the service would.
const MODULES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &[]),
    ("files", &[]),
    ("metrics", &[]),
    ("access", &["model"]),
    ("providers", &["model"]),
    ("catalogue", &["model", "providers"]),
    ("plan", &["model", "providers", "catalogue"]),
    (
        "store",
        &[
            "model",
            "clock",
            "metrics",
            "access",
            "providers",
            "catalogue",
            "plan",
        ],
    ),
    ("forward", &["model", "clock", "metrics", "store"]),
    ("config", &["model", "providers", "store", "forward"]),
    (
        "ingest",
        &[
            "model",
            "clock",
            "metrics",
            "providers",
            "catalogue",
            "plan",
            "store",
            "config",
        ],
    ),
    (
        "play",
        &["model", "clock", "providers", "catalogue", "config"],
    ),
    (
        "duties",
        &[
            "model",
            "clock",
            "metrics",
            "providers",
            "catalogue",
            "store",
            "forward",
            "config",
            "ingest",
        ],
    ),
    (
        "admin",
        &[
            "model",
            "clock",
            "access",
            "providers",
            "catalogue",
            "plan",
            "store",
            "forward",
            "config",
            "ingest",
            "play",
            "duties",
        ],
    ),
    (
        "web",
        &[
            "model",
            "clock",
            "files",
            "metrics",
            "access",
            "providers",
            "catalogue",
            "plan",
            "store",
            "config",
            "ingest",
            "admin",
        ],
    ),
    (
        "server",
        &[
            "model", "clock", "files", "metrics", "access", "store", "forward", "config", "ingest",
            "duties", "admin", "web",
        ],
    ),
    (
        "play::fill",
        &[
            "model",
            "clock",
            "metrics",
            "access",
            "providers",
            "plan",
            "store",
            "forward",
            "config",
            "ingest",
            "play",
            "duties",
            "admin",
            "server",
        ],
    ),
    (
        "play::demo",
        &[
            "play::fill",
            "model",
            "clock",
            "access",
            "providers",
            "catalogue",
            "plan",
            "store",
            "config",
            "play",
            "admin",
            "server",
        ],
    ),
    (
        "cli",
        &[
            "play::fill",
            "play::demo",
            "model",
            "clock",
            "access",
            "providers",
            "catalogue",
            "plan",
            "store",
            "forward",
            "config",
            "ingest",
            "play",
            "admin",
            "web",
            "server",
        ],
    ),
    ("main", &["cli"]),
];

pub(super) static HOUSE: LazyLock<Map> = LazyLock::new(|| {
    let mut files = sources(&["src"]);
    let all = files.clone();
    files.retain(|path, _| !is_test(path, &all));
    Map::read(&files, "tickrelay")
});

/// Where a crate differs from a table of its modules.
fn against(map: &Map, table: &[(&str, &[&str])]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut above = BTreeSet::new();
    for (module, named) in table {
        for name in named.iter().filter(|name| !above.contains(*name)) {
            faults.push(format!(
                "the table: {module} names {name}, which is no row above it"
            ));
        }
        above.insert(*module);
    }
    let modules = map.top_modules();
    for module in modules
        .iter()
        .filter(|module| !above.contains(module.as_str()))
    {
        faults.push(format!("the table: {module} has no row"));
    }
    let mut unused: BTreeSet<(&str, &str)> = table
        .iter()
        .flat_map(|(from, named)| named.iter().map(|to| (*from, *to)))
        .collect();
    let allowed = unused.clone();
    let rows: Vec<&str> = table.iter().map(|(module, _)| *module).collect();
    let arrows = map.row_arrows(&rows);
    for (from, to, place) in &arrows {
        let arrow = (from.as_str(), to.as_str());
        unused.remove(&arrow);
        if !allowed.contains(&arrow) {
            faults.push(format!("{place}: {from} must not name {to}"));
        }
    }
    let unused = unused.into_iter();
    faults.extend(unused.map(|(from, to)| format!("the table: {from} does not name {to}")));
    faults
}

#[test]
fn each_module_names_only_the_modules_that_the_map_says() {
    none(&against(&HOUSE, MODULES));
}

/// A small crate, with each way of naming that there is.
pub(super) fn invented(changes: &[(&str, &str)]) -> Map {
    let mut files: BTreeMap<String, String> = [
        ("src/main.rs", "fn main() { tickrelay::web::serve() }"),
        ("src/lib.rs", "pub mod model;\npub mod store;\npub mod web;"),
        // It only hands on its child's word.
        ("src/model.rs", "mod word;\npub use word::Word;\npub struct Noun;"),
        // A child names what its parent defines.
        ("src/model/word.rs", "use super::Noun;\npub struct Word(pub Noun);"),
        (
            "src/store.rs",
            "mod read;\nmod write;\npub(crate) use read::{Row as Line, rows};\n\
             fn open() -> crate::model::Word { read::open() }\n\
             #[cfg(test)]\nmod tests { use crate::web::serve; }",
        ),
        (
            "src/store/read.rs",
            "//! Not [`crate::web`].\n// crate::web::serve\nconst TEXT: &str = \"crate::web::serve\";\n\
             pub struct Row;\npub fn rows() {}\npub fn open() {}",
        ),
        ("src/store/write.rs", "use super::Line;\npub fn write(_: Line) {}"),
        (
            "src/web.rs",
            "use crate::{model as nouns, store::{self, rows}};\n\
             pub fn serve(_: nouns::Noun) { rows(); store::open() }",
        ),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .collect();
    for (path, text) in changes {
        let file = files.entry((*path).to_owned()).or_default();
        file.push('\n');
        file.push_str(text);
    }
    Map::read(&files, "tickrelay")
}

const INVENTED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("store", &["model"]),
    ("web", &["model", "store"]),
    ("main", &["web"]),
];

#[test]
fn a_name_leads_to_the_file_that_defines_it() {
    let arrows = invented(&[]).arrows();
    let arrows: BTreeSet<_> = arrows.iter().map(|it| (&it.from[..], &it.to[..])).collect();
    let expected = [
        ("src/main.rs", "src/web.rs"),
        ("src/store.rs", "src/model/word.rs"),
        ("src/store.rs", "src/store/read.rs"),
        ("src/store/write.rs", "src/store/read.rs"),
        ("src/web.rs", "src/model.rs"),
        ("src/web.rs", "src/store.rs"),
        ("src/web.rs", "src/store/read.rs"),
    ];
    assert_eq!(arrows, BTreeSet::from(expected));
    none(&against(&invented(&[]), INVENTED));
}

#[test]
fn an_arrow_against_the_map_is_found_however_it_is_written() {
    let place = "src/model/word.rs:3: model must not name web";
    for naming in [
        "use crate::web::serve;",
        "pub use crate::web;",
        "fn f() { crate::web::serve() }",
        "fn f() { super::super::web::serve() }",
        "use super::super::{web as other};",
        "macro_rules! f { () => { $crate::web::serve() } }",
        "mod inner { fn f() { super::super::super::web::serve() } }",
        "fn f() { self::super::super::web::serve() }",
        "mod inner { fn f() { super::self::super::super::web::serve() } }",
        "use {crate::web};",
        "use {crate::{web::{serve}}};",
        "use crate::r#web;",
        "fn f() { crate::r#web::serve() }",
        "use crate::{self as me}; fn f() { me::web::serve() }",
        "#[serde(with = \"crate::web::x\")] struct A;",
        "#[cfg_attr(unix, serde(default = r\"super::super::web::x\"))] struct A;",
        "struct A { #[cfg(test)] a: u8, b: crate::web::B }",
        "struct A { #[cfg(test)] #[serde(default)] pub(crate) a: u8, b: crate::web::B }",
        "enum A { #[cfg(test)] A, #[cfg(test)] C { a: u8 }, B(crate::web::B) }",
        "fn f() { match a { #[cfg(test)] 1 => 1, _ => crate::web::serve() } }",
        "fn f() { match a { #[cfg(test)] 1 => { 1 } _ => crate::web::serve() } }",
        "fn f() { #[cfg(test)] let a = 1; crate::web::serve() }",
    ] {
        let map = invented(&[("src/model/word.rs", naming)]);
        assert_eq!(against(&map, INVENTED), [place], "{naming}");
    }
    for harmless in [
        "#[cfg(test)]\nuse crate::web::serve;",
        "#[cfg(test)]\nimpl A<u8, u8> { fn f() { crate::web::serve() } }",
        "struct A { #[cfg(test)] a: crate::web::B, b: u8 }",
        "#[error(\"a web::serve that is no crate::\")] struct A;",
        "/// As [`crate::web::serve`].\nfn f() {}",
        "fn f() -> impl Iterator<Item = ()> + use<> { g() }",
    ] {
        let map = invented(&[("src/model/word.rs", harmless)]);
        none(&against(&map, INVENTED));
    }
}

#[test]
fn a_name_belongs_to_the_module_that_defines_it_whatever_hands_it_on() {
    let map = invented(&[
        ("src/store.rs", "pub use crate::model::Noun;"),
        ("src/web.rs", "use crate::store::Noun;"),
    ]);
    let table: &[(&str, &[&str])] = &[
        ("model", &[]),
        ("store", &["model"]),
        ("web", &["store"]),
        ("main", &["web"]),
    ];
    let named = "web must not name model";
    assert_eq!(
        against(&map, table),
        [1, 2, 3].map(|line| format!("src/web.rs:{line}: {named}"))
    );
}

#[test]
fn a_table_that_says_less_more_or_the_other_way_round_is_found() {
    let table: &[(&str, &[&str])] = &[
        ("store", &["model"]),
        ("model", &[]),
        ("main", &["web", "model"]),
    ];
    assert_eq!(
        against(&invented(&[]), table),
        [
            "the table: store names model, which is no row above it",
            "the table: main names web, which is no row above it",
            "the table: web has no row",
            "src/web.rs:1: web must not name model",
            "src/web.rs:2: web must not name model",
            "src/web.rs:1: web must not name store",
            "src/web.rs:2: web must not name store",
            "the table: main does not name model",
        ]
    );
}

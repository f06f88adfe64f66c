//! The map of `src/`, each arrow of it: which module may name which, and that no files name each
//! other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::map::{Map, circles};
use super::{is_test, none, sources};

/// Every module of the crate, and all others that it names. A row names rows above it alone, so all
/// arrows point one way. `play::demo` runs the whole service, which uses the rest of `play` for samples.
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
        "play::demo",
        &[
            "model",
            "clock",
            "access",
            "providers",
            "catalogue",
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
            "play::demo",
            "model",
            "clock",
            "access",
            "providers",
            "catalogue",
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

/// Folders whose files may still name each other in circles, each with why.
const CIRCLES: &[(&str, &str)] = &[(
    "src/store/sqlite/",
    "the statements are methods of one `Core`, which holds the connection that all of them need",
)];

static HOUSE: LazyLock<Map> = LazyLock::new(|| {
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

/// The circles that are in no folder of the list, each with the arrows that make it, and the
/// folders that have none any more.
fn turning(map: &Map, listed: &[(&str, &str)]) -> Vec<String> {
    let arrows = map.arrows();
    let mut faults = Vec::new();
    let mut open: BTreeSet<&str> = listed.iter().map(|(folder, _)| *folder).collect();
    for circle in circles(&arrows) {
        let home = listed.iter().find(|(folder, reason)| {
            !reason.is_empty() && circle.iter().all(|file| file.starts_with(folder))
        });
        if let Some((folder, _)) = home {
            open.remove(folder);
            continue;
        }
        faults.push(format!("a circle of {} files:", circle.len()));
        let inside = arrows
            .iter()
            .filter(|arrow| circle.contains(&arrow.from) && circle.contains(&arrow.to));
        faults.extend(inside.map(|arrow| {
            format!(
                "  {}:{}: {} of {}",
                arrow.from, arrow.line, arrow.name, arrow.to
            )
        }));
    }
    faults.extend(
        open.iter()
            .map(|folder| format!("{folder} has no circle any more")),
    );
    faults
}

#[test]
fn each_module_names_only_the_modules_that_the_map_says() {
    none(&against(&HOUSE, MODULES));
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    none(&turning(&HOUSE, CIRCLES));
}

/// A small crate, with each way of naming that there is.
fn invented(changes: &[(&str, &str)]) -> Map {
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
    none(&turning(&invented(&[]), &[]));
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
    ] {
        let map = invented(&[("src/model/word.rs", naming)]);
        assert_eq!(against(&map, INVENTED), [place], "{naming}");
    }
    for harmless in [
        "#[cfg(test)]\nuse crate::web::serve;",
        "/// As [`crate::web::serve`].\nfn f() {}",
        "fn f() -> impl Iterator<Item = ()> + use<> { g() }",
    ] {
        let map = invented(&[("src/model/word.rs", harmless)]);
        none(&against(&map, INVENTED));
    }
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

#[test]
fn a_circle_is_found_through_what_is_handed_on() {
    let back = [("src/store/read.rs", "use super::write::write;")];
    let map = invented(&back);
    let found = [
        "a circle of 2 files:",
        "  src/store/read.rs:7: super::write::write of src/store/write.rs",
        "  src/store/write.rs:1: super::Line of src/store/read.rs",
    ];
    assert_eq!(turning(&map, &[]), found);
    assert_eq!(
        turning(&map, &[("src/store/", "")]),
        [&found[..], &["src/store/ has no circle any more"]].concat()
    );
    none(&turning(&map, &[("src/store/", "a reason")]));
    assert_eq!(
        turning(&invented(&[]), &[("src/store/", "a reason")]),
        ["src/store/ has no circle any more"]
    );

    // A parent that uses what its child defines, and a child that uses what another one defines.
    let map = invented(&[
        ("src/web.rs", "mod page;\nfn f() { page::draw() }"),
        (
            "src/web/page.rs",
            "pub fn draw() { super::serve(crate::model::Noun) }",
        ),
    ]);
    none(&turning(&map, &[]));
}

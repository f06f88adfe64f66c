//! One word for one thing: no name in the source has a word that another one replaced, and no two
//! types have one name.
//!
//! Names are functions, types, variants, fields, modules, what is local to a function, and files.
//! Those of tests are sentences, and are not read.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use super::tokens::{is_for_tests, item_len, word};
use super::{is_test, none, sources};

/// Words that no name has as a part, each with the word for the thing.
const PARTS: &[(&str, &str)] = &[
    ("advice", "hints"),
    ("anew", "again"),
    ("ask", "fetch, request or poll"),
    ("asked", "fetched, requested or polled"),
    ("asks", "fetches, requests or polls"),
    ("crowd", "connection limit"),
    ("door", "lane inbox"),
    ("doors", "lane registry"),
    ("fallen", "unconfirmed"),
    ("fate", "lane action"),
    ("feed", "lane inbox"),
    ("hear", "apply or receive"),
    ("heard", "applied or received"),
    ("hears", "applies or receives"),
    ("histories", "forward reads"),
    ("inlet", "source"),
    ("inlets", "sources"),
    ("meter", "connection budget"),
    ("obey", "apply settings"),
    ("obeys", "applies settings"),
    ("overrides", "URL options"),
    ("owe", "enqueue"),
    ("owed", "pending"),
    ("owes", "enqueues"),
    ("pace", "rate limit, poll interval or send rate"),
    ("pulse", "traffic"),
    ("reception", "ingest"),
    ("scene", "config"),
    ("setback", "clock rollback"),
    ("shares", "body budget"),
    ("standing", "status history"),
    ("stirred", "notified"),
    ("tell", "notify"),
    ("tells", "notifies"),
    ("tending", "WAL maintenance"),
    ("told", "notified"),
    ("unheard", "unreported"),
    ("verdict", "settled"),
    ("weigh", "summarise"),
    ("weighs", "summarises"),
];

/// Whole names that nothing has, each with the name for the thing. As parts of others they are
/// right.
const NAMES: &[(&str, &str)] = &[
    ("Change", "ReportEffect, AuditEntry or EventTransition"),
    ("Gate", "BreakerPermit or LargeBodyQueue"),
    ("Held", "BodyPermit"),
    ("Meaning", "Summary"),
    ("Next", "RetryDecision"),
    ("Refusal", "IngestError or SkipReason"),
    ("Taken", "Drained or Accepted"),
    ("Turn", "BodyPermit"),
    ("bulk_id", "broadcast"),
    ("forget_key", "idempotency_abort"),
    ("weigh_answer", "summarise"),
];

/// Names of the lists that are right all the same, each with why.
const RIGHT: &[(&str, &str)] = &[
    (
        "Change",
        "what an operator changes in the store, and the purpose of such a request",
    ),
    ("Next", "when the next step of a duty is due"),
];

/// The words that a name is made of, in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        if letter != '_' {
            parts.last_mut().unwrap().extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    parts
}

/// Every name in the tokens, with its line; items for tests alone are left out.
fn names(stream: TokenStream, found: &mut Vec<(String, usize)>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        if is_for_tests(&tokens[index..]) {
            index += item_len(&tokens[index..]);
            continue;
        }
        match token {
            TokenTree::Group(group) => names(group.stream(), found),
            TokenTree::Ident(name) => found.push((word(name), name.span().start().line)),
            _ => {}
        }
        index += 1;
    }
}

/// The word for the thing, where the name has one that it replaced.
fn instead(name: &str) -> Option<&'static str> {
    let parts = parts(name);
    let has = |part: &str| parts.iter().any(|it| it == part);
    let of_part = PARTS.iter().find(|(part, _)| has(part));
    let of_name = || NAMES.iter().find(|(whole, _)| *whole == name);
    of_part.or_else(of_name).map(|(_, instead)| *instead)
}

/// The names in a file that a list has, each with its line and the word for the thing.
fn replaced(path: &str, text: &str) -> Vec<(String, usize, &'static str)> {
    let tokens: TokenStream = text
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut found = Vec::new();
    let modules = path.trim_start_matches("src/").trim_end_matches(".rs");
    found.extend(modules.split('/').map(|module| (module.to_owned(), 0)));
    names(tokens, &mut found);
    let found = found.into_iter();
    found
        .filter_map(|(name, line)| instead(&name).map(|instead| (name, line, instead)))
        .collect()
}

#[test]
fn no_name_has_a_word_that_another_one_replaced() {
    let sources = sources(&["src"]);
    let mut faults = Vec::new();
    let mut unused: BTreeSet<&str> = RIGHT.iter().map(|(name, _)| *name).collect();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path, &sources)) {
        for (name, line, instead) in replaced(path, text) {
            if RIGHT.iter().any(|(right, _)| *right == name) {
                unused.remove(name.as_str());
            } else {
                faults.push(format!("{path}:{line}: {name}: say {instead}"));
            }
        }
    }
    faults.extend(
        unused
            .iter()
            .map(|name| format!("{name} needs no reason any more")),
    );
    none(&faults);
}

/// Every type in the tokens of a file, with its line; of aliases those that stand in no other item.
fn types(stream: TokenStream, is_file: bool, found: &mut Vec<(String, usize)>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    for pair in tokens.windows(2) {
        if let [TokenTree::Ident(kind), TokenTree::Ident(name)] = pair {
            let mut kinds = ["struct", "enum", "trait", "union"].iter();
            let is_kind = kinds.any(|it| kind == it) || (is_file && kind == "type");
            // `enum identifier` in a macro of serde is none.
            if is_kind && word(name).starts_with(char::is_uppercase) {
                found.push((word(name), name.span().start().line));
            }
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            types(group.stream(), false, found);
        }
    }
}

/// Those of tests too: a reader who looks for a type finds one.
#[test]
fn no_type_has_the_name_of_another() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut faults = Vec::new();
    for (path, text) in sources(&["src"]) {
        let mut found = Vec::new();
        types(text.parse().unwrap(), true, &mut found);
        for (name, line) in found {
            let place = format!("{path}:{line}");
            if let Some(other) = known.insert(name.clone(), place.clone()) {
                faults.push(format!("{place}: {name} is a type of {other} too"));
            }
        }
    }
    none(&faults);
}

#[test]
fn a_replaced_word_is_found_in_every_kind_of_name() {
    let text = "//! A door in a comment.\n\
        mod inlet;\n\
        struct PulseRow { owed_ms: i64 }\n\
        enum State { Told, Shown }\n\
        fn r#tell(is_asked: bool) { let text = \"owed\"; }\n\
        type Taken = u8; fn is_taken() {}\n\
        #[cfg(test)]\n\
        mod tests { fn nobody_is_told() {} }\n";
    let found = replaced("src/store/doors.rs", text);
    let found = found.iter().map(|(name, line, _)| (&**name, *line));
    let found: Vec<(&str, usize)> = found.collect();
    let expected = [
        ("doors", 0),
        ("inlet", 2),
        ("PulseRow", 3),
        ("owed_ms", 3),
        ("Told", 4),
        ("tell", 5),
        ("is_asked", 5),
        ("Taken", 6),
    ];
    assert_eq!(found, expected);
    let fine = "struct Passport { turn: u8 } fn retold_storey() {}";
    assert!(replaced("src/store/outdoors.rs", fine).is_empty());
}

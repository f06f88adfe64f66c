//! A claim that every engine passes names each question, change, step and commit of the store.
//!
//! A claim that no engine runs is dead code, which the compiler refuses.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use super::tokens::{is_for_tests, is_punct, is_word, item_len, word};
use super::{none, sources};

/// What the contract takes in: each implementor is a struct that an engine answers or carries out.
const TRAITS: &[&str] = &["Query", "Change", "Step", "Commit"];

/// Where the contract is, the engines' own folder aside.
const CONTRACT: &str = "src/store/";
const ENGINES: &[&str] = &["src/store/sqlite.rs", "src/store/sqlite/"];
const CLAIMS: &[&str] = &["src/store/conformance.rs", "src/store/conformance/"];

/// Each struct that implements one of the traits, with its line: of a box it is what is in it.
fn implementors(stream: TokenStream) -> Vec<(String, usize)> {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let rest = &tokens[index..];
        let len = item_len(rest).max(1);
        let item = &rest[..len];
        index += len;
        if is_for_tests(rest) {
            continue;
        }
        let begin = item.iter().position(|token| is_word(Some(token), "impl"));
        let of = item.iter().position(|token| is_word(Some(token), "for"));
        let (Some(begin), Some(of)) = (begin, of) else {
            continue;
        };
        let is_ours = item[begin..of]
            .last()
            .is_some_and(|token| TRAITS.iter().any(|name| is_word(Some(token), name)));
        let mut names = item[of + 1..].iter().filter_map(|token| match token {
            TokenTree::Ident(name) => Some((word(name), name.span().start().line)),
            _ => None,
        });
        found.extend(names.next_back().filter(|_| is_ours));
    }
    found
}

/// The words of a claim, those in a `use` aside.
fn words(stream: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        index += 1;
        match token {
            TokenTree::Ident(first) if first == "use" => {
                let is_end = |token: &TokenTree| is_punct(Some(token), ';');
                let end = tokens[index..].iter().position(is_end);
                index = end.map_or(tokens.len(), |end| index + end);
            }
            TokenTree::Ident(name) => {
                found.insert(word(name));
            }
            TokenTree::Group(group) => words(group.stream(), found),
            _ => {}
        }
    }
}

/// Each struct of the contract that no claim names, with its place.
fn unclaimed(files: &BTreeMap<String, String>) -> Vec<String> {
    let parse = |path: &str, text: &str| -> TokenStream {
        text.parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let is_in = |path: &str, places: &[&str]| places.iter().any(|it| path.starts_with(it));
    let mut claimed = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| is_in(path, CLAIMS)) {
        words(parse(path, text), &mut claimed);
    }
    let mut faults = Vec::new();
    for (path, text) in files {
        if !path.starts_with(CONTRACT) || is_in(path, ENGINES) || is_in(path, CLAIMS) {
            continue;
        }
        let found = implementors(parse(path, text)).into_iter();
        let found = found.filter(|(name, _)| !claimed.contains(name));
        faults.extend(found.map(|(name, line)| format!("{path}:{line}: no claim names {name}")));
    }
    faults
}

#[test]
fn each_question_change_step_and_commit_of_the_store_has_a_claim() {
    let files = sources(&["src/store"]);
    none(&unclaimed(&files));
    // So many there are at least: the check reads them.
    let all = files.iter().filter(|(path, _)| {
        path.starts_with(CONTRACT) && !path.contains("/sqlite") && !path.contains("/conformance")
    });
    let all = all.flat_map(|(_, text)| implementors(text.parse().unwrap()));
    let all: BTreeSet<String> = all.map(|(name, _)| name).collect();
    for known in [
        "MessageQuery",
        "InsertSubscriber",
        "PruneStep",
        "Registrations",
        "Arrival",
    ] {
        assert!(all.contains(known), "{known} is not found");
    }
    assert!(all.len() > 70, "{} are found", all.len());
}

#[test]
fn what_no_claim_names_is_found() {
    let contract = "//! A comment of FirstQuery.\n\
        impl Query for FirstQuery { type Answer = u8; }\n\
        impl super::Step for SecondStep {\n    type Answer = ();\n}\n\
        impl Commit for Box<Third> { type Answer = (); }\n\
        impl fmt::Display for Fourth { }\n\
        impl<T> From<T> for Fifth { }\n\
        #[cfg(test)]\n\
        mod tests { impl Query for Sixth { } }\n\
        #[derive(Debug)]\n\
        pub struct Seventh;\n\
        impl Change for Seventh { type Answer = (); }\n";
    let of = |claims: &str| {
        let files = [
            ("src/store/query/some.rs", contract),
            ("src/store/sqlite/some.rs", "impl Query for Eighth { }"),
            ("src/store/conformance/some.rs", claims),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        unclaimed(&BTreeMap::from(files))
    };
    let place =
        |line: usize, name: &str| format!("src/store/query/some.rs:{line}: no claim names {name}");
    let all = [
        (2, "FirstQuery"),
        (3, "SecondStep"),
        (6, "Third"),
        (13, "Seventh"),
    ];
    let all = all.map(|(line, name)| place(line, name));
    // A comment, a text and a `use` name nothing.
    let silent = "//! FirstQuery\n\
        use crate::store::{SecondStep, Third};\n\
        const T: &str = \"Seventh\";\n";
    assert_eq!(of(silent), all);
    let claims = "async fn claim(s: Subject) { s.read(FirstQuery).await; s.commit(Third { x }); }";
    assert_eq!(of(claims), [all[1].clone(), all[3].clone()]);
}

//! What may not stand in `src/`, because a name in it would be hidden from the [map](super::map).

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};

use super::tokens::{
    is_attribute, is_for_tests, is_punct, is_word, item_len, leaves_of, path_from,
};
use super::{is_test, none, sources};

/// Attributes that bring a file or a macro to where the map does not look for it.
const ATTRIBUTES: &[&str] = &["path", "macro_use", "macro_export"];

/// Each place that hides a name.
fn hidden(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut places = Vec::new();
    for (file, text) in files {
        let stream: TokenStream = text.parse().unwrap();
        let mut found = Vec::new();
        if file == "src/lib.rs" {
            of_root(stream.clone(), &mut found);
        }
        of_tokens(stream, Within::default(), &mut found);
        let found = found.into_iter();
        places.extend(found.map(|(line, what)| format!("{file}:{line}: {what}")));
    }
    places
}

#[derive(Clone, Copy, Default)]
struct Within {
    a_macro: bool,
    /// The parentheses of `pub(crate)`.
    visibility: bool,
}

fn of_tokens(stream: TokenStream, within: Within, found: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let here = &tokens[index..];
        if is_for_tests(here) {
            index += item_len(here);
            continue;
        }
        let line = token.span().start().line;
        let mut forbid = |what: &str| found.push((line, what.to_owned()));
        index += 1;
        match token {
            TokenTree::Group(group) => {
                let before = &tokens[..index - 1];
                if is_attribute(&tokens[..index])
                    && let Some(word) = of_attribute(group.stream())
                {
                    forbid(&format!("#[{word}]: the map does not follow it"));
                }
                let is_macro = matches!(before, [.., word, sign, _]
                    if is_word(Some(word), "macro_rules") && is_punct(Some(sign), '!'));
                let inner = Within {
                    a_macro: within.a_macro || is_macro,
                    visibility: is_word(before.last(), "pub"),
                };
                of_tokens(group.stream(), inner, found);
            }
            TokenTree::Ident(word) if word == "use" && !is_punct(here.get(1), '<') => {
                let is_end = |token: &TokenTree| is_punct(Some(token), ';');
                let end = here.iter().position(is_end).unwrap_or(here.len());
                of_use(&here[1..end]).into_iter().for_each(&mut forbid);
                index += end - 1;
            }
            TokenTree::Ident(word) => {
                let (path, len) = path_from(here);
                let rest = &here[len..];
                index += len - 1;
                let is_rooted = matches!(path[0].as_str(), "crate" | "super" | "self");
                let leads_on = is_punct(rest.first(), ':') && is_punct(rest.get(1), ':');
                if word == "include" && is_punct(rest.first(), '!') {
                    forbid("include!: the map reads no such file");
                } else if word == "extern" && is_word(rest.first(), "crate") {
                    forbid("extern crate: a name for a crate that the map does not know");
                    index += 1;
                } else if is_rooted && leads_on && is_punct(rest.get(2), '$') {
                    forbid("a path that a macro puts together");
                } else if word == "crate" && len == 1 && !leads_on && !within.visibility {
                    forbid("the word crate alone: a macro may put a path together of it");
                } else if within.a_macro
                    && !within.visibility
                    && (word == "super" || (word == "self" && len > 1))
                {
                    forbid("a path in a macro that begins where the macro is used");
                }
            }
            _ => {}
        }
    }
}

/// What the paths of a `use` hide.
fn of_use(tree: &[TokenTree]) -> Vec<&'static str> {
    let mut leaves = Vec::new();
    leaves_of(&[], tree, &mut leaves);
    let hides = |path: &[String]| match path {
        // All variants of an enum: the enum itself is named.
        [.., it, all] if all == "*" && it.starts_with(char::is_uppercase) => None,
        [.., all] if all == "*" => Some("all of a module: name what is used"),
        [.., word] if word == "include" => Some("include!: the map reads no such file"),
        _ => None,
    };
    leaves.iter().filter_map(|leaf| hides(&leaf.path)).collect()
}

/// Which word of an attribute hides a name, that of `#[cfg_attr(…, path = "…")]` too.
fn of_attribute(stream: TokenStream) -> Option<&'static str> {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let word = ATTRIBUTES.iter().find(|word| is_word(tokens.first(), word));
    match &tokens[..] {
        [first, TokenTree::Group(group)] if is_word(Some(first), "cfg_attr") => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut parts = inner.split(|token| is_punct(Some(token), ','));
            parts.find_map(|part| of_attribute(part.iter().cloned().collect()))
        }
        _ => word.copied(),
    }
}

/// The root has no row, so what it defined or handed on would belong to no module.
fn of_root(stream: TokenStream, found: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut rest = &tokens[..];
    while let Some(first) = rest.first() {
        let line = first.span().start().line;
        rest = match rest {
            [sign, bang, TokenTree::Group(_), rest @ ..]
                if is_punct(Some(sign), '#') && is_punct(Some(bang), '!') =>
            {
                rest
            }
            [sign, TokenTree::Group(_), rest @ ..] if is_punct(Some(sign), '#') => rest,
            [public, word, TokenTree::Ident(_), end, rest @ ..]
                if is_word(Some(public), "pub")
                    && is_word(Some(word), "mod")
                    && is_punct(Some(end), ';') =>
            {
                rest
            }
            [_, rest @ ..] => {
                found.push((line, "the root holds modules alone".to_owned()));
                let is_end = |token: &TokenTree| is_punct(Some(token), ';');
                let end = rest
                    .iter()
                    .position(is_end)
                    .map_or(rest.len(), |end| end + 1);
                &rest[end..]
            }
            [] => rest,
        };
    }
}

#[test]
fn no_name_is_hidden_from_the_map() {
    let mut files = sources(&["src"]);
    let all = files.clone();
    files.retain(|path, _| !is_test(path, &all));
    none(&hidden(&files));
}

#[test]
fn what_would_hide_a_name_is_found() {
    let found =
        |file: &str, text: &str| hidden(&BTreeMap::from([(file.to_owned(), text.to_owned())]));
    for hiding in [
        "#[path = \"../web/serve.rs\"]\nmod serve;",
        "#[cfg_attr(unix, path = \"../web/serve.rs\")]\nmod serve;",
        "include!(\"../web/serve.rs\");",
        "fn f() { std::hint::black_box(include!(\"web.rs\")) }",
        "use std::include as read;",
        "extern crate self as me;",
        "extern crate tickrelay as me;",
        "use crate::*;",
        "use super::super::*;",
        "pub use crate::{model::{word::*}};",
        "#[macro_export]\nmacro_rules! f { () => {} }",
        "#[macro_use]\nmod inner;",
        "macro_rules! f { ($a:ident) => { crate::$a::f() } }",
        "macro_rules! f { ($a:ident) => { $crate::$a::f() } }",
        "macro_rules! f { ($($a:tt)*) => { crate $($a)* } }",
        "fn f() { g!(crate, web) }",
        "fn f() { g!(crate) }",
        "macro_rules! f { () => { super::web::f() } }",
        "macro_rules! f { () => { self::super::web::f() } }",
    ] {
        let places = found("src/model/word.rs", hiding);
        assert_eq!(places.len(), 1, "{hiding}: {places:?}");
    }
    for hiding in [
        "pub type Served = web::Served;",
        "pub fn f() { web::serve() }",
        "pub use web::serve;",
        "mod inner { pub use crate::web::serve; }",
    ] {
        let places = found("src/lib.rs", hiding);
        assert!(!places.is_empty(), "{hiding}");
    }
    for harmless in [
        "use crate::model::Status::*;",
        "pub(crate) fn f(self) -> u8 { include_str!(\"a.txt\").len() }",
        "macro_rules! f { () => { $crate::web::f() } }",
        "#[cfg(test)]\nmod tests { use super::*; }",
        "#[utoipa::path(get, path = \"/messages\")]\nfn f() {}",
    ] {
        none(&found("src/model/word.rs", harmless));
    }
    none(&found(
        "src/lib.rs",
        "//! All.\n#![allow(x)]\n/// One.\npub mod web;",
    ));
}

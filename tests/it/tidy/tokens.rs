//! How the checks read Rust: as tokens, so that comments and texts count for nothing.

use proc_macro2::{Delimiter, Ident, Literal, TokenStream, TokenTree};

pub(crate) fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Whether `#[cfg(test)]` begins here.
pub(crate) fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let Some(TokenTree::Group(attribute)) = tokens.get(1) else {
        return false;
    };
    is_punct(tokens.first(), '#')
        && attribute.delimiter() == Delimiter::Bracket
        && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// What an item begins with, its attributes and its `pub` aside.
const ITEMS: &[&str] = &[
    "async", "const", "enum", "extern", "fn", "impl", "mod", "static", "struct", "trait", "type",
    "union", "unsafe", "use",
];

/// How many tokens an item, a statement, a field, a variant or an arm has, with its attributes: until
/// its braces, its semicolon or, where it is no item, its comma.
///
/// Where braces or a comma stand within it, it ends too early, and more is read than need be.
pub(crate) fn item_len(tokens: &[TokenTree]) -> usize {
    let mut begin = 0;
    while is_punct(tokens.get(begin), '#') {
        begin += 2;
    }
    if is_word(tokens.get(begin), "pub") {
        begin += 1;
        begin += usize::from(is_group(tokens.get(begin), Delimiter::Parenthesis));
    }
    let is_macro =
        is_word(tokens.get(begin), "macro_rules") && is_punct(tokens.get(begin + 1), '!');
    // A field may be called `union`.
    let is_item = !is_punct(tokens.get(begin + 1), ':')
        && ITEMS.iter().any(|item| is_word(tokens.get(begin), item));
    let is_end = |token: &TokenTree| {
        is_group(Some(token), Delimiter::Brace)
            || is_punct(Some(token), ';')
            || (is_punct(Some(token), ',') && !is_item && !is_macro)
    };
    let rest = tokens.iter().skip(begin);
    let len = rest.clone().position(is_end).map(|end| begin + end + 1);
    len.unwrap_or(tokens.len())
}

/// Whether what follows is `pub`, or `pub(…)`.
pub(crate) fn is_public(before: &[TokenTree]) -> bool {
    let before = match before {
        [before @ .., TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => {
            before
        }
        before => before,
    };
    matches!(before.last(), Some(TokenTree::Ident(word)) if word == "pub")
}

/// The path that begins here, and how many tokens it has.
pub(crate) fn path_from(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut len = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(len) {
        path.push(self::word(word));
        len += 1;
        let leads_on = is_punct(tokens.get(len), ':') && is_punct(tokens.get(len + 1), ':');
        if !leads_on || !matches!(tokens.get(len + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        len += 2;
    }
    (path, len)
}

/// One name that a `use` brings.
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    pub(crate) name: String,
    pub(crate) line: usize,
}

pub(crate) fn leaves_of(prefix: &[String], tree: &[TokenTree], leaves: &mut Vec<Leaf>) {
    let parts = tree.split(|token| is_punct(Some(token), ','));
    for part in parts.filter(|part| !part.is_empty()) {
        let part = match part {
            [first, second, part @ ..] if is_punct(Some(first), ':') => {
                debug_assert!(is_punct(Some(second), ':'));
                part
            }
            part => part,
        };
        let (mut path, len) = path_from(part);
        path.splice(..0, prefix.iter().cloned());
        let line = part.first().map_or(0, |token| token.span().start().line);
        let rest = &part[len..];
        if let Some(TokenTree::Group(group)) = rest
            .iter()
            .find(|token| matches!(token, TokenTree::Group(_)))
        {
            let within: Vec<TokenTree> = group.stream().into_iter().collect();
            leaves_of(&path, &within, leaves);
            continue;
        }
        if rest.iter().any(|token| is_punct(Some(token), '*')) {
            path.push("*".to_owned());
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let renamed = match rest {
            [first, TokenTree::Ident(name), ..] if is_word(Some(first), "as") => Some(word(name)),
            _ => None,
        };
        if let Some(name) = renamed.or_else(|| path.last().cloned()) {
            leaves.push(Leaf { path, name, line });
        }
    }
}

/// The paths in a text that an attribute has; none in a number, or in prose that is no tokens.
pub(crate) fn paths_in(literal: &Literal) -> Vec<Vec<String>> {
    fn paths(stream: TokenStream, found: &mut Vec<Vec<String>>) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            if let TokenTree::Group(group) = token {
                paths(group.stream(), found);
            }
            let (path, len) = path_from(&tokens[index..]);
            if len > 0 {
                found.push(path);
            }
            index += len.max(1);
        }
    }
    let written = literal.to_string();
    let text = written
        .split_once('"')
        .and_then(|(_, text)| text.rsplit_once('"'));
    let mut found = Vec::new();
    if let Some(Ok(stream)) = text.map(|(text, _)| text.parse()) {
        paths(stream, &mut found);
    }
    found
}

/// A word without the `r#` that lets it be a keyword.
pub(crate) fn word(ident: &Ident) -> String {
    let word = ident.to_string();
    word.trim_start_matches("r#").to_owned()
}

pub(crate) fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

/// Whether the last of these is the brackets of an attribute.
pub(crate) fn is_attribute(tokens: &[TokenTree]) -> bool {
    let [before @ .., last] = tokens else {
        return false;
    };
    let before = match before {
        [before @ .., sign] if is_punct(Some(sign), '!') => before,
        before => before,
    };
    is_group(Some(last), Delimiter::Bracket) && is_punct(before.last(), '#')
}

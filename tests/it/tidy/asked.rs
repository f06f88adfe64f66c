//! What asks which provider it is: paths into a provider's folder or to its variant, names, codes and words of
//! a provider in literals, and comparisons of a definition's names.
//!
//! Read as tokens: paths are led to what they name, whatever a `use` calls it. Comments, documents and
//! items for tests alone are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Ident, Literal, TokenStream, TokenTree};
use tickrelay::providers::{Definition, Provider};

use super::map::{Map, is_for_tests, is_punct, item_len, module_of, path_from};

/// Where providers are defined, and nothing is asked of this test.
const HOME: &str = "src/providers";

/// The first number that is a code of a provider and nothing else; smaller ones are also counts and sizes.
const FIRST_CODE: i64 = 100_000;

/// A part of a name that is shorter than this one names no provider.
const SHORTEST_PART: usize = 4;

/// A part of a word, as of an event, that is shorter than this one may be anybody's.
const LONG_PART: usize = 12;

/// Methods that look for a part of a text.
const LOOKS_FOR: &[&str] = &[
    "starts_with",
    "ends_with",
    "contains",
    "strip_prefix",
    "strip_suffix",
    "split_once",
    "find",
];

/// Calls that pick one out of a list by its place.
const PICKS: &[&str] = &["get", "first", "last", "nth", "skip"];

/// All that names a provider.
pub(crate) struct Rooms {
    /// The names of folders, variants, words and catalogues, in lower case.
    names: BTreeSet<String>,
    /// What a provider alone calls things: its settings, headers and events, in lower case.
    words: BTreeSet<&'static str>,
    variants: BTreeSet<String>,
    folders: BTreeSet<String>,
    codes: BTreeSet<i64>,
}

impl Rooms {
    pub(crate) fn ours() -> Self {
        let definitions = Provider::ALL.map(Provider::definition);
        let names = definitions.iter().flat_map(|it| [it.name, it.errors.name]);
        let variants = Provider::ALL.map(|provider| format!("{provider:?}"));
        let folders = folders();
        let codes = definitions.iter().flat_map(|it| codes_of(it.errors.toml));
        Self {
            names: names
                .map(str::to_owned)
                .chain(folders.iter().cloned())
                .chain(variants.iter().map(|name| name.to_lowercase()))
                .collect(),
            words: words(&definitions),
            folders,
            codes: codes.collect(),
            variants: variants.into(),
        }
    }

    /// The name of a provider that a text has as a word, or as a part of one: `x-360dialog-signature`.
    /// A short name counts as a whole word alone, or `metadata` would hold one.
    pub(crate) fn named(&self, text: &str) -> Option<&str> {
        let words = words_of(text);
        let holds = |name: &&String| {
            words.iter().any(|word| {
                word == *name || (name.len() > SHORTEST_PART && word.contains(name.as_str()))
            }) || (name.contains('-') && text.to_lowercase().contains(name.as_str()))
        };
        let name = self.names.iter().find(holds).map(String::as_str);
        name.or_else(|| {
            let text = text.to_lowercase();
            let mut words = self.words.iter().copied();
            words.find(|word| text.contains(word))
        })
    }

    /// Whether a word of the code is a provider's; `meta` is also a word of macros.
    fn is_own(&self, word: &str) -> bool {
        self.named(word)
            .is_some_and(|name| name != word || name.len() > SHORTEST_PART)
    }

    /// The name that a text is only a part of: `bots`.
    fn part(&self, text: &str) -> Option<&str> {
        let text = text.to_lowercase();
        let is_part = |name: &&String| text.len() >= SHORTEST_PART && name.contains(&text);
        self.names.iter().find(is_part).map(String::as_str)
    }

    /// The word of a provider that a text is a long part of: `INCREASED_CAPABILITIES_`.
    fn part_of_word(&self, text: &str) -> Option<&str> {
        let text = text.to_lowercase();
        let is_long = text.len() >= LONG_PART && text.matches('_').count() >= 2;
        let mut words = self.words.iter().filter(|_| is_long);
        words.find(|word| word.contains(&text)).copied()
    }

    /// The code that a text holds as a word.
    pub(crate) fn code_in(&self, text: &str) -> Option<i64> {
        let numbers = text.split(|it: char| !it.is_ascii_alphanumeric());
        let mut numbers = numbers.filter_map(|number| number.parse().ok());
        numbers.find(|number| self.codes.contains(number))
    }
}

/// The modules that define a provider, from the rows of `src/providers.rs`.
fn folders() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(HOME);
    let text = fs::read_to_string(file.with_extension("rs")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let row = line.trim().strip_suffix("::DEFINITION,")?;
        row.split_once(" => ")
    });
    let folders = rows.filter_map(|(_, path)| path.split("::").next());
    let folders: Vec<&str> = folders.collect();
    assert_eq!(folders.len(), Provider::ALL.len(), "{folders:?}");
    folders.into_iter().map(str::to_owned).collect()
}

/// What the providers alone call things. A word of an event that is plain English, or that our own name of an
/// event ends with, is anybody's.
fn words(definitions: &[&'static Definition]) -> BTreeSet<&'static str> {
    let mut words: BTreeSet<&'static str> = BTreeSet::new();
    let lines = definitions.iter().flat_map(|it| it.events.lines);
    let ours: BTreeSet<&str> = lines
        .clone()
        .filter_map(|line| line.name.split_once('.'))
        .map(|(_, name)| name)
        .collect();
    let events = lines.flat_map(|line| line.words).copied();
    words.extend(events.filter(|word| word.contains('_') && !ours.contains(word)));
    for definition in definitions {
        let credentials = &definition.credentials;
        words.extend(credentials.signs_with.iter().chain(credentials.sets));
        words.extend(credentials.signature.iter().flat_map(|own| own.settings));
    }
    words
}

/// The codes of a catalogue that no other number is likely to be.
fn codes_of(toml: &str) -> Vec<i64> {
    let numbers = toml.split(|it: char| !it.is_ascii_digit());
    let numbers = numbers.filter_map(|number| number.parse().ok());
    numbers.filter(|number| *number >= FIRST_CODE).collect()
}

/// The words of a text in lower case: `BOTSQUAD_KEY` and `metaCloud` have two.
fn words_of(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in text.chars() {
        let begins = letter.is_uppercase() && was_lower;
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    words
}

/// Each place outside [`HOME`] that asks which provider it is, as `file:line: what`.
pub(crate) fn asked(files: &BTreeMap<String, String>, rooms: &Rooms) -> Vec<String> {
    let map = Map::read(files, "tickrelay");
    let mut faults = BTreeSet::new();
    for (file, line, path) in map.led() {
        if file.starts_with(HOME) {
            continue;
        }
        let [top, next, rest @ ..] = &path[..] else {
            continue;
        };
        let is_folder = top == "providers" && rooms.folders.contains(next);
        let is_variant = top == "providers"
            && next == "Provider"
            && rest
                .first()
                .is_some_and(|it| it == "*" || rooms.variants.contains(it));
        if is_folder || is_variant {
            faults.insert((file.to_owned(), line, path.join("::")));
        }
    }
    for (file, text) in files.iter().filter(|(file, _)| !file.starts_with(HOME)) {
        let mut reading = Reading {
            rooms,
            map: &map,
            found: Vec::new(),
        };
        let tokens: TokenStream = text.parse().unwrap();
        reading.read(&module_of(file), tokens);
        let found = reading.found.into_iter();
        faults.extend(found.map(|(line, what)| (file.clone(), line, what)));
    }
    let faults = faults.into_iter();
    faults
        .map(|(file, line, what)| format!("{file}:{line}: {what}"))
        .collect()
}

/// One file that is read token by token.
struct Reading<'a> {
    rooms: &'a Rooms,
    map: &'a Map,
    found: Vec<(usize, String)>,
}

impl Reading<'_> {
    fn read(&mut self, at: &[String], stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            let rest = &tokens[index..];
            if is_for_tests(rest) {
                index += item_len(rest);
                continue;
            }
            match token {
                // `#[doc = "…"]`, which a comment is, and `#[schema(example = "…")]`.
                TokenTree::Ident(word) if is_document(word, rest) => index += 2,
                TokenTree::Ident(word) if word == "mod" => {
                    if let [_, TokenTree::Ident(name), TokenTree::Group(body), ..] = rest {
                        let within = [at, &[name.to_string()]].concat();
                        self.read(&within, body.stream());
                        index += 2;
                    }
                }
                TokenTree::Ident(_) => {
                    let (path, len) = path_from(rest);
                    let line = token.span().start().line;
                    self.path((at, line), &path, &tokens[..index], &rest[len..]);
                    index += len - 1;
                }
                TokenTree::Group(group) => self.read(at, group.stream()),
                TokenTree::Literal(literal) => self.literal(literal),
                TokenTree::Punct(_) => {}
            }
            index += 1;
        }
    }

    fn path(
        &mut self,
        (at, line): (&[String], usize),
        path: &[String],
        before: &[TokenTree],
        rest: &[TokenTree],
    ) {
        let Some(last) = path.last() else { return };
        let mut fault = |what: String| self.found.push((line, what));
        if let Some(name) = path.iter().find(|name| self.rooms.is_own(name)) {
            fault(name.clone());
        }
        let led = self.map.lead(at, path);
        let is_list = led.is_some_and(|led| led == ["providers", "Provider", "ALL"]);
        if is_list && picks_one(rest) {
            fault(format!("{last} by its place"));
        }
        if LOOKS_FOR.contains(&last.as_str())
            && let Some(TokenTree::Group(arguments)) = rest.first()
        {
            for argument in arguments.stream() {
                let TokenTree::Literal(literal) = argument else {
                    continue;
                };
                if let Some(name) = text_of(&literal).and_then(|text| self.rooms.part(&text)) {
                    fault(format!("{literal} of {name}"));
                }
            }
        }
        if last == "definition" && compares(before, rest) {
            fault("a name of a definition, compared".to_owned());
        }
    }

    fn literal(&mut self, literal: &Literal) {
        let line = literal.span().start().line;
        let Some(text) = text_of(literal) else {
            let digits = literal.to_string().replace('_', "");
            let number = digits.trim_end_matches(|it: char| !it.is_ascii_digit());
            let number = number.split(['i', 'u']).next().unwrap_or(number);
            let code = number.parse().ok();
            if let Some(code) = code.filter(|code| self.rooms.codes.contains(code)) {
                self.found.push((line, format!("code {code}")));
            }
            return;
        };
        let code = self.rooms.code_in(&text).map(|code| code.to_string());
        let name = self.rooms.named(&text);
        let name = name.or_else(|| self.rooms.part_of_word(&text));
        let name = name.map(str::to_owned).or(code);
        if let Some(name) = name {
            self.found.push((line, format!("{name} in {literal}")));
        }
    }
}

/// Whether a text for the documents follows: an attribute's `doc = "…"` or `example = "…"`.
fn is_document(word: &Ident, rest: &[TokenTree]) -> bool {
    let is_text = matches!(rest.get(2), Some(TokenTree::Literal(_)));
    (word == "doc" || word == "example") && is_punct(rest.get(1), '=') && is_text
}

/// What a literal of text holds, its escapes as they are written; none for a number.
fn text_of(literal: &Literal) -> Option<String> {
    let written = literal.to_string();
    let begins = written.find(['"', '\''])?;
    let is_text = written[..begins].bytes().all(|it| b"bcr#".contains(&it));
    is_text
        .then(|| written[begins + 1..].trim_end_matches('#').to_owned())
        .map(|text| text[..text.len().saturating_sub(1)].to_owned())
}

/// Whether one of a list is picked by its place: `[4]`, `.get(4)`, `.into_iter().nth(4)`.
fn picks_one(mut rest: &[TokenTree]) -> bool {
    if matches!(rest.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
    {
        return true;
    }
    while let [
        TokenTree::Punct(dot),
        TokenTree::Ident(method),
        TokenTree::Group(_),
        more @ ..,
    ] = rest
        && dot.as_char() == '.'
    {
        if PICKS.contains(&method.to_string().as_str()) {
            return true;
        }
        rest = more;
    }
    false
}

/// Whether what follows `definition` is its name or title, and is compared with another text.
fn compares(before: &[TokenTree], rest: &[TokenTree]) -> bool {
    let is_end = |token: &TokenTree| {
        !matches!(token, TokenTree::Ident(_) | TokenTree::Group(_)) && !is_punct(Some(token), '.')
    };
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    let (chain, after) = rest.split_at(end);
    let words: Vec<String> = chain.iter().map(ToString::to_string).collect();
    let is_name = words.iter().any(|word| word == "name" || word == "title");
    let is_asked = words.iter().any(|word| {
        ["eq", "ne", "cmp", "eq_ignore_ascii_case"].contains(&&**word)
            || LOOKS_FOR.contains(&&**word)
    });
    let is_equal = |tokens: &[TokenTree]| {
        matches!(tokens, [TokenTree::Punct(first), TokenTree::Punct(second), ..]
            if "=!".contains(first.as_char()) && second.as_char() == '=')
    };
    let begin = before
        .iter()
        .rposition(|token| is_end(token) && !is_punct(Some(token), ':'))
        .map_or(0, |place| place.saturating_sub(1));
    let is_matched = before.iter().rev().take_while(|token| !is_end(token));
    let is_matched = is_matched
        .into_iter()
        .any(|token| token.to_string() == "match");
    is_name && (is_asked || is_equal(after) || is_equal(&before[begin..]) || is_matched)
}

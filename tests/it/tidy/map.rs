//! Which file of a crate names which: every `use` and every path, led to the file that defines the name.
//!
//! Read as tokens, so that comments and texts count for nothing. Items for tests alone are left
//! out. A name is followed through every `use` that hands it on; methods and fields are not seen.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// How many `use`s one name may be handed on by.
const MOST_HANDED_ON: usize = 16;

/// The files of a crate as modules, by their paths from its root.
#[derive(Default)]
pub(crate) struct Map {
    modules: BTreeMap<Vec<String>, Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// What a `use` named, by the name it has here.
    names: BTreeMap<String, Vec<String>>,
    mentions: Vec<Mention>,
    /// Every word outside of `use`.
    words: BTreeSet<String>,
}

struct Mention {
    path: Vec<String>,
    line: usize,
    /// The name under which a `use` hands it on to others.
    handed_on: Option<String>,
    is_use: bool,
}

/// One file names something of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) line: usize,
    pub(crate) name: String,
}

impl Map {
    /// Reads the files of a crate, by their paths from its package; `src/main.rs` is another crate,
    /// and names this one by `root`.
    pub(crate) fn read(files: &BTreeMap<String, String>, root: &str) -> Self {
        let mut map = Self::default();
        for (file, text) in files {
            let path = module_of(file);
            let tokens: TokenStream = text
                .parse()
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            if file == "src/main.rs" {
                let named = vec!["crate".to_owned()];
                map.module(&path, file).names.insert(root.to_owned(), named);
            }
            map.scan(&path, file, tokens);
        }
        map
    }

    fn module(&mut self, path: &[String], file: &str) -> &mut Module {
        let module = self.modules.entry(path.to_vec()).or_default();
        file.clone_into(&mut module.file);
        module
    }

    fn scan(&mut self, at: &[String], file: &str, stream: TokenStream) {
        self.module(at, file);
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            if is_for_tests(&tokens[index..]) {
                index += item_len(&tokens[index..]);
                continue;
            }
            let rest = &tokens[index + 1..];
            index += 1;
            match token {
                TokenTree::Group(group) => self.scan(at, file, group.stream()),
                TokenTree::Ident(word) if word == "use" && !is_punct(rest.first(), '<') => {
                    let end = rest.iter().position(|token| is_punct(Some(token), ';'));
                    let tree = &rest[..end.unwrap_or(rest.len())];
                    let is_public = is_public(&tokens[..index - 1]);
                    self.take_use(at, file, tree, is_public);
                    index += tree.len();
                }
                TokenTree::Ident(word) if word == "mod" => {
                    index += self.take_mod(at, file, rest);
                }
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let (path, len) = path_from(&tokens[index - 1..]);
                    let module = self.module(at, file);
                    module.words.extend(path.iter().cloned());
                    if path.len() > 1 {
                        module.mentions.push(Mention {
                            path,
                            line,
                            handed_on: None,
                            is_use: false,
                        });
                    }
                    index += len - 1;
                }
                _ => {}
            }
        }
    }

    /// A module declared here; returns how many tokens say it.
    fn take_mod(&mut self, at: &[String], file: &str, rest: &[TokenTree]) -> usize {
        let Some(TokenTree::Ident(name)) = rest.first() else {
            return 0;
        };
        self.module(at, file).children.insert(name.to_string());
        if let Some(TokenTree::Group(body)) = rest.get(1) {
            let within: Vec<String> = at.iter().cloned().chain([name.to_string()]).collect();
            self.scan(&within, file, body.stream());
        }
        2
    }

    fn take_use(&mut self, at: &[String], file: &str, tree: &[TokenTree], is_public: bool) {
        let mut leaves = Vec::new();
        leaves_of(&[], tree, &mut leaves);
        let module = self.module(at, file);
        for Leaf { path, name, line } in leaves {
            let handed_on = is_public.then(|| name.clone());
            if name != "_" && name != "*" {
                module.names.insert(name, path.clone());
            }
            module.mentions.push(Mention {
                path,
                line,
                handed_on,
                is_use: true,
            });
        }
    }

    /// A path as it is written in a module, from the crate's root; none when it leads elsewhere.
    fn rooted(&self, at: &[String], path: &[String], handed_on: usize) -> Option<Vec<String>> {
        let module = self.modules.get(at)?;
        let (first, rest) = path.split_first()?;
        let mut found = match first.as_str() {
            "crate" => Vec::new(),
            "self" => at.to_vec(),
            "super" => {
                let mut above = [at.split_last()?.1, rest].concat();
                let mut ups = at.len() - 1;
                while above.get(ups).is_some_and(|next| next == "super") {
                    above.remove(ups);
                    ups = ups.checked_sub(1)?;
                    above.remove(ups);
                }
                return Some(above);
            }
            child if module.children.contains(child) => [at, &path[..1]].concat(),
            name => {
                let named = module
                    .names
                    .get(name)
                    .filter(|named| named[..] != path[..1])?;
                let left = handed_on.checked_sub(1)?;
                self.rooted(at, named, left)?
            }
        };
        found.extend_from_slice(rest);
        Some(found)
    }

    /// The module that defines what a path from the root names, and whether it names that module.
    fn definer(&self, path: &[String], handed_on: usize) -> Option<(Vec<String>, bool)> {
        let mut at: Vec<String> = Vec::new();
        for (index, name) in path.iter().enumerate() {
            let module = self.modules.get(&at)?;
            if module.children.contains(name) {
                at.push(name.clone());
            } else if module.names.contains_key(name) {
                let left = handed_on.checked_sub(1)?;
                let Some(found) = self.rooted(&at, &path[index..], left) else {
                    // A foreign name, handed on here.
                    return Some((at, false));
                };
                return self.definer(&found, left);
            } else {
                return self.modules.contains_key(&at).then_some((at, false));
            }
        }
        self.modules.contains_key(&at).then_some((at, true))
    }

    /// Each file that names something which another one defines, once for each name.
    ///
    /// Within one folder two arrows do not count. A parent that only hands on what a child defines
    /// (`pub use`, and the name is not used in that file) does not depend on it. And a child may name
    /// what its parents define: a folder's shared words stand in the file above it. To name a module
    /// is to name nothing of it yet.
    pub(crate) fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (at, module) in &self.modules {
            for mention in &module.mentions {
                let Some((definer, is_module)) = self
                    .rooted(at, &mention.path, MOST_HANDED_ON)
                    .and_then(|path| self.definer(&path, MOST_HANDED_ON))
                else {
                    continue;
                };
                let is_handed_on = mention
                    .handed_on
                    .as_ref()
                    .is_some_and(|name| definer.starts_with(at) && !module.words.contains(name));
                let to = &self.modules[&definer].file;
                let is_within =
                    at.starts_with(&definer) || is_handed_on || (is_module && mention.is_use);
                if *to != module.file && !is_within {
                    arrows.insert(Arrow {
                        from: module.file.clone(),
                        to: to.clone(),
                        line: mention.line,
                        name: mention.path.join("::"),
                    });
                }
            }
        }
        arrows
    }

    /// What a path leads to, from the crate's root, through every `use` that hands it on; none when it
    /// leads elsewhere.
    pub(crate) fn lead(&self, at: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut found = self.rooted(at, path, MOST_HANDED_ON)?;
        for _ in 0..MOST_HANDED_ON {
            let is_module = |end: &usize| self.modules.contains_key(&found[..*end]);
            let module = (0..found.len()).rev().find(is_module)?;
            let named = self.modules[&found[..module]]
                .names
                .contains_key(&found[module]);
            let handed_on = named.then(|| self.rooted(&found[..module], &found[module..], 1));
            match handed_on.flatten() {
                Some(next) if next != found => found = next,
                _ => break,
            }
        }
        Some(found)
    }

    /// Each path of the crate with its file and line, and what it [leads](Self::lead) to.
    pub(crate) fn led(&self) -> impl Iterator<Item = (&str, usize, Vec<String>)> {
        self.modules.iter().flat_map(move |(at, module)| {
            let mentions = module.mentions.iter();
            mentions.filter_map(move |mention| {
                let path = self.lead(at, &mention.path)?;
                Some((module.file.as_str(), mention.line, path))
            })
        })
    }

    /// The modules right beneath the root.
    pub(crate) fn top_modules(&self) -> BTreeSet<String> {
        let tops = self.modules.keys().filter_map(|at| at.first());
        tops.cloned().collect()
    }

    /// Each of `rows` that names another one, as it is written, `pub use` too: the one, the other, and
    /// where. A row is a module with all beneath it that has no row of its own; a top module without
    /// one stands for itself.
    pub(crate) fn row_arrows(&self, rows: &[&str]) -> BTreeSet<(String, String, String)> {
        let row_of = |path: &[String]| {
            let ends = (1..=path.len()).rev();
            let mut rowed = ends.map(|end| path[..end].join("::"));
            let row = rowed.find(|name| rows.contains(&name.as_str()));
            row.or_else(|| path.first().cloned())
        };
        let mut arrows = BTreeSet::new();
        for (at, module) in &self.modules {
            for mention in &module.mentions {
                let path = self.rooted(at, &mention.path, MOST_HANDED_ON);
                let path =
                    path.filter(|path| self.modules.contains_key(&path[..path.len().min(1)]));
                let (Some(from), Some(to)) = (row_of(at), path.and_then(|path| row_of(&path)))
                else {
                    continue;
                };
                if from != to {
                    let place = format!("{}:{}", module.file, mention.line);
                    arrows.insert((from, to, place));
                }
            }
        }
        arrows
    }
}

/// Files that lead back to themselves, each circle whole and sorted.
pub(crate) fn circles(arrows: &BTreeSet<Arrow>) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|file| {
            let mut reached = BTreeSet::new();
            let mut open = vec![*file];
            while let Some(file) = open.pop() {
                let news = next.get(file).into_iter().flatten();
                open.extend(news.filter(|file| reached.insert(**file)));
            }
            (*file, reached)
        })
        .collect();
    let circle = |file: &str| -> Vec<String> {
        let there = reached[file].iter();
        let back =
            there.filter(|other| reached.get(*other).is_some_and(|them| them.contains(file)));
        back.map(|file| (*file).to_owned()).collect()
    };
    let circles: BTreeSet<_> = reached.keys().map(|file| circle(file)).collect();
    circles
        .into_iter()
        .filter(|circle| !circle.is_empty())
        .collect()
}

/// `src/a/b.rs` is the module `a::b`, `src/lib.rs` the root.
pub(crate) fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    if path == "lib" {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

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

/// How many tokens an item has, with its attributes: until its braces or its semicolon.
pub(crate) fn item_len(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| {
        let is_body =
            matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        is_body || is_punct(Some(token), ';')
    };
    tokens
        .iter()
        .position(is_end)
        .map_or(tokens.len(), |end| end + 1)
}

/// Whether what follows is `pub`, or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
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
        path.push(word.to_string());
        len += 1;
        let leads_on = is_punct(tokens.get(len), ':') && is_punct(tokens.get(len + 1), ':');
        if !leads_on || !matches!(tokens.get(len + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        len += 2;
    }
    (path, len.max(1))
}

/// One name that a `use` brings.
struct Leaf {
    path: Vec<String>,
    name: String,
    line: usize,
}

fn leaves_of(prefix: &[String], tree: &[TokenTree], leaves: &mut Vec<Leaf>) {
    let parts = tree.split(|token| is_punct(Some(token), ','));
    for part in parts.filter(|part| !part.is_empty()) {
        let (mut path, len) = path_from(part);
        path.splice(..0, prefix.iter().cloned());
        let line = part.first().map_or(0, |token| token.span().start().line);
        let rest = &part[len.min(part.len())..];
        if let Some(TokenTree::Group(group)) = rest
            .iter()
            .find(|token| matches!(token, TokenTree::Group(_)))
        {
            let within: Vec<TokenTree> = group.stream().into_iter().collect();
            leaves_of(&path, &within, leaves);
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if is_punct(part.last(), '*') {
            path.push("*".to_owned());
        }
        let renamed = match rest {
            [TokenTree::Ident(word), name, ..] if word == "as" => Some(name.to_string()),
            _ => None,
        };
        if let Some(name) = renamed.or_else(|| path.last().cloned()) {
            leaves.push(Leaf { path, name, line });
        }
    }
}

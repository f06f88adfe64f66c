//! Which file of a crate names which: every `use` and every path, led to the file that defines the name.
//!
//! Read as tokens, so that comments and texts count for nothing. Items for tests alone are left
//! out. A name is followed through every `use` that hands it on; methods and fields are not seen.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use super::tokens::{Leaf, is_attribute, is_public, leaves_of, paths_in, word};
pub(crate) use super::tokens::{is_for_tests, is_punct, item_len, path_from};

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
                TokenTree::Group(group) => {
                    if is_attribute(&tokens[..index]) {
                        self.take_texts(at, file, group.stream());
                    }
                    self.scan(at, file, group.stream());
                }
                TokenTree::Ident(first) if first == "use" && !is_punct(rest.first(), '<') => {
                    let end = rest.iter().position(|token| is_punct(Some(token), ';'));
                    let tree = &rest[..end.unwrap_or(rest.len())];
                    let is_public = is_public(&tokens[..index - 1]);
                    self.take_use(at, file, tree, is_public);
                    index += tree.len();
                }
                TokenTree::Ident(first) if first == "mod" => {
                    index += self.take_mod(at, file, rest);
                }
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    let (path, len) = path_from(&tokens[index - 1..]);
                    self.take_path(at, file, path, line);
                    index += len - 1;
                }
                _ => {}
            }
        }
    }

    fn take_path(&mut self, at: &[String], file: &str, path: Vec<String>, line: usize) {
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
    }

    /// The paths in the texts of an attribute: `#[serde(with = "crate::span")]`.
    fn take_texts(&mut self, at: &[String], file: &str, attribute: TokenStream) {
        if matches!(attribute.clone().into_iter().next(), Some(TokenTree::Ident(word)) if word == "doc")
        {
            return;
        }
        for token in attribute {
            match token {
                TokenTree::Group(group) => self.take_texts(at, file, group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    for path in paths_in(&literal) {
                        self.take_path(at, file, path, line);
                    }
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
        self.module(at, file).children.insert(word(name));
        if let Some(TokenTree::Group(body)) = rest.get(1) {
            let within: Vec<String> = at.iter().cloned().chain([word(name)]).collect();
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
            "self" | "super" => {
                let is_step = |word: &&String| matches!(word.as_str(), "self" | "super");
                let steps = path.iter().take_while(is_step).count();
                let ups = path[..steps].iter().filter(|word| *word == "super");
                let above = at.len().checked_sub(ups.count())?;
                return Some([&at[..above], &path[steps..]].concat());
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

    /// Each of `rows` that names another one, `pub use` too: the one, the other, and where. Both count,
    /// the row that the path names as it is written, and the row that defines what it leads to. A row
    /// is a module with all beneath it that has no row of its own; a top module without one stands for
    /// itself.
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
                let (Some(from), Some(path)) = (row_of(at), path) else {
                    continue;
                };
                let origin = self.definer(&path, MOST_HANDED_ON);
                let written = row_of(&path);
                let defined = origin.and_then(|(module, _)| row_of(&module));
                let place = format!("{}:{}", module.file, mention.line);
                for to in written.into_iter().chain(defined) {
                    if from != to {
                        arrows.insert((from.clone(), to, place.clone()));
                    }
                }
            }
        }
        arrows
    }
}

/// `src/a/b.rs` is the module `a::b`, `src/lib.rs` the root.
pub(crate) fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    if path == "lib" {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

//! What the providers' error codes mean, in words for a support agent who is no engineer.
//!
//! Data, not code: the words stand in the `errors.toml` of each provider's folder and are
//! compiled in. This file reads them once and finds things in them; it decides nothing about a
//! message. A code that is not in here is passed on raw.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::Error as _;

use crate::model::MessageType;
use crate::providers::Provider;

/// The data files, each with the scheme of its keys; providers may share one.
fn files() -> BTreeMap<&'static str, &'static str> {
    let catalogues = Provider::ALL.map(|provider| provider.definition().errors);
    catalogues.map(|errors| (errors.name, errors.toml)).into()
}

static ENTRIES: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the files are compiled in: they can be read, or the tests of this file fail"
    )]
    read(files()).expect("the catalogue's own files can be read")
});

/// What one error code of one provider means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// Joins [`ReportError::key`](crate::model::ReportError::key): `meta:131026`,
    /// `meta:structure_unavailable`, `infobip:7008`, `infobip-status:8`.
    pub key: String,
    /// The catalogue it stands in: `meta` (Cloud API and On-Premises alike, whose numbers do not
    /// collide), or that of another provider.
    pub provider: &'static str,
    /// The provider's number; `None` for an entry that is known by a word alone.
    pub code: Option<i64>,
    /// The provider's own name for it; lower case where the provider has published none.
    pub name: String,
    /// What happened: one or two sentences.
    pub meaning: String,
    /// What to do: one or two sentences.
    pub remedy: String,
    /// Who can fix it.
    pub fix: Fix,
    /// Whether sending the message again can help.
    pub resend: Resend,
    /// The type of message that this code proves, where it proves one.
    pub implies: Option<MessageType>,
    /// The WhatsApp code that comes nearest to another provider's error; our own judgement, and lossy.
    pub whatsapp_code: Option<i64>,
    /// Whether the provider's present documents list the code.
    ///
    /// When not, the words are read off its name or off other people's integrations.
    pub confirmed: bool,
    /// The longer story, in paragraphs with an empty line between them.
    pub article: Option<String>,
    /// Which set of words in the data files this is; several codes can share one.
    row: usize,
}

impl CatalogueEntry {
    /// One line for a timeline: what happened and who can fix it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.fix {
            Fix::Nobody => format!("{} There is nothing to fix.", self.meaning),
            fix => format!("{} Can be fixed by {}.", self.meaning, fix.who()),
        }
    }

    /// Whether no report brings it, but the provider's answer to a send that it refused.
    #[must_use]
    pub fn is_of_send(&self) -> bool {
        self.key.ends_with(":send_refused")
    }

    /// Whether `term`, in [`plain`] words, is this entry's key, its number or its word.
    fn is_called(&self, term: &str) -> bool {
        let word = self.key.split_once(':').map_or("", |(_, word)| word);
        let with_provider = format!("{}:{word}", self.provider);
        [self.key.as_str(), word, &with_provider]
            .into_iter()
            .any(|called| plain(called) == term)
    }
}

/// Who can fix an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Fix {
    /// The person who should have received the message.
    Recipient,
    /// The people who send, or the system that sends for them.
    Sender,
    /// The author of the templates and Flows, who has them approved.
    TemplateAuthor,
    /// The manager of the business account: billing, permissions, registration of numbers.
    Account,
    /// Meta, Infobip, or the mobile operator behind them.
    Provider,
    /// No party: it is a decision that stands, or no fault at all.
    Nobody,
}

impl Fix {
    /// The same in words that fit into a sentence after "by".
    #[must_use]
    pub const fn who(self) -> &'static str {
        match self {
            Self::Recipient => "the recipient",
            Self::Sender => "the sender of the messages",
            Self::TemplateAuthor => "the author of the template",
            Self::Account => "the account's manager",
            Self::Provider => "the provider",
            Self::Nobody => "nobody",
        }
    }
}

/// Whether sending the message again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Resend {
    /// The same message to the same person will not get through, or need not be sent.
    No,
    /// The trouble passes within seconds or minutes.
    Soon,
    /// The trouble passes by itself, but takes hours or days.
    Later,
    /// Not before the cause is put right.
    AfterFix,
}

impl Resend {
    /// The same as a sentence.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::No => "There is no point in sending it again.",
            Self::Soon => "Sending it again after a short pause may well work.",
            Self::Later => "Sending it again may work, but only after hours or days.",
            Self::AfterFix => "Sending it again helps only after the cause has been put right.",
        }
    }
}

/// The entry with exactly this key, if the catalogue knows it.
#[must_use]
pub fn find(key: &str) -> Option<&'static CatalogueEntry> {
    let at = ENTRIES.binary_search_by(|entry| entry.key.as_str().cmp(key));
    at.ok().and_then(|at| ENTRIES.get(at))
}

/// Every entry, ordered by the text of its key.
#[must_use]
pub fn all() -> &'static [CatalogueEntry] {
    &ENTRIES
}

/// The entries that a person may mean by `term`, the best first; empty when there is none.
///
/// A number, a key or a word (`131026`, `infobip:8`, `structure_unavailable`) finds what is
/// called so and nothing else. Any other term finds the entries that contain the beginnings of
/// all its words: first those in whose name they are, then those in whose name and meaning;
/// only if there is neither, those that have them in the remedy or the article. Within each,
/// key order. Case and punctuation do not count. Of codes that share one set of words the first
/// stands for all, unless their names were what was sought.
#[must_use]
pub fn search(term: &str) -> Vec<&'static CatalogueEntry> {
    let term = plain(term);
    if term.is_empty() {
        return Vec::new();
    }
    let called: Vec<_> = all()
        .iter()
        .filter(|entry| entry.is_called(&term))
        .collect();
    if !called.is_empty() {
        return called;
    }
    let mut hits = with_words(&term, |entry| entry.name.clone());
    let mut names = HashSet::new();
    hits.retain(|entry| names.insert((entry.row, &entry.name)));
    let mut seen: HashSet<_> = hits.iter().map(|entry| entry.row).collect();
    let mut add = |text: fn(&CatalogueEntry) -> String| {
        let more = with_words(&term, text).into_iter();
        hits.extend(more.filter(|entry| seen.insert(entry.row)));
        hits.is_empty()
    };
    if add(|entry| format!("{} {}", entry.name, entry.meaning)) {
        add(|entry| {
            let article = entry.article.as_deref().unwrap_or_default();
            format!(
                "{} {} {} {article}",
                entry.name, entry.meaning, entry.remedy
            )
        });
    }
    hits
}

/// The entries that are called exactly so: by their number, key, name or word.
#[must_use]
pub fn called(term: &str) -> Vec<&'static CatalogueEntry> {
    let term = plain(term);
    let is_meant = |entry: &&CatalogueEntry| entry.is_called(&term) || plain(&entry.name) == term;
    let called = all().iter().filter(is_meant);
    called.filter(|_| !term.is_empty()).collect()
}

/// Lower case, with one blank wherever there was anything but letters and digits.
fn plain(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").to_lowercase()
}

/// The entries where each word of `term`, in [`plain`] words, begins some word of the text.
fn with_words(
    term: &str,
    text: impl Fn(&CatalogueEntry) -> String,
) -> Vec<&'static CatalogueEntry> {
    let has_words = |entry: &&CatalogueEntry| {
        let text = plain(&text(entry));
        term.split(' ')
            .all(|wanted| text.split(' ').any(|word| word.starts_with(wanted)))
    };
    all().iter().filter(has_words).collect()
}

/// A data file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    error: Vec<CatalogueRow>,
    #[serde(default)]
    status: Vec<CatalogueRow>,
}

/// One set of words in a data file, for one code or for several; explained in Meta's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueRow {
    code: Option<i64>,
    codes: Option<BTreeMap<i64, String>>,
    range: Option<(i64, i64)>,
    word: Option<String>,
    name: Option<String>,
    meaning: String,
    remedy: String,
    fix: Fix,
    resend: Resend,
    implies: Option<MessageType>,
    whatsapp_code: Option<i64>,
    confirmed: Option<bool>,
    article: Option<String>,
}

impl CatalogueRow {
    /// What the row speaks of: each code or word, and the name of it.
    fn subjects(&self) -> Result<Vec<(EntryName, String)>, toml::de::Error> {
        let Self {
            code,
            codes,
            range,
            word,
            name,
            ..
        } = self;
        match (code, codes, range, word, name) {
            (Some(code), None, None, None, Some(name)) => {
                Ok(vec![(EntryName::Code(*code), name.clone())])
            }
            (None, Some(codes), None, None, None) => Ok(codes
                .iter()
                .map(|(code, name)| (EntryName::Code(*code), name.clone()))
                .collect()),
            (None, None, Some((first, last)), None, Some(name)) => Ok((*first..=*last)
                .map(|code| (EntryName::Code(code), name.clone()))
                .collect()),
            (None, None, None, Some(word), Some(name)) => {
                Ok(vec![(EntryName::Word(word.clone()), name.clone())])
            }
            _ => Err(toml::de::Error::custom(format!(
                "{:?}: an entry has a name with one of code, range and word, or else codes",
                self.meaning
            ))),
        }
    }

    /// The entries that the row stands for; `row` is a number that no other row has.
    fn entries(
        &self,
        provider: &'static str,
        scheme: &str,
        row: usize,
    ) -> Result<Vec<CatalogueEntry>, toml::de::Error> {
        let entry = |(subject, name): (EntryName, String)| {
            let (code, word) = match subject {
                EntryName::Code(code) => (Some(code), code.to_string()),
                EntryName::Word(word) => (None, word),
            };
            CatalogueEntry {
                key: format!("{scheme}:{word}"),
                provider,
                code,
                name,
                meaning: self.meaning.clone(),
                remedy: self.remedy.clone(),
                fix: self.fix,
                resend: self.resend,
                implies: self.implies,
                whatsapp_code: self.whatsapp_code,
                confirmed: self.confirmed.unwrap_or(true),
                article: self.article.as_deref().map(|text| text.trim().to_owned()),
                row,
            }
        };
        Ok(self.subjects()?.into_iter().map(entry).collect())
    }
}

/// What an entry is known by.
enum EntryName {
    Code(i64),
    Word(String),
}

/// Reads the data files into entries, ordered by key.
fn read(files: BTreeMap<&'static str, &str>) -> Result<Vec<CatalogueEntry>, toml::de::Error> {
    let mut entries = Vec::new();
    for (provider, text) in files {
        let file: File = toml::from_str(text)?;
        let errors = file.error.iter().map(|row| (row, provider.to_owned()));
        let statuses = file.status.iter();
        let statuses = statuses.map(|row| (row, format!("{provider}-status")));
        for (row, scheme) in errors.chain(statuses) {
            let number = entries.len();
            entries.extend(row.entries(provider, &scheme, number)?);
        }
    }
    entries.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(entries)
}

#[cfg(test)]
mod tests;

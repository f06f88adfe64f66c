//! The shipped fixtures, compiled in: what providers send, one behaviour a case.
//!
//! `fixtures/README.md` explains the format. Whether the service makes the right thing of
//! each is for the tests to say; here they are only sent.

use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::model::MessageType;
use crate::providers::{Hints, Item, Provider};

static FIXTURES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/fixtures");

/// One folder of fixtures.
pub(super) struct Case {
    /// Whose bodies these are.
    pub(super) provider: Provider,
    /// The folder's own name.
    pub(super) name: &'static str,
    /// What the case claims, in one sentence.
    pub(super) title: String,
    /// How its source differs from the provider's usual one.
    pub(super) source: Option<SourceChange>,
    /// How its requests differ from a plain POST of `application/json`.
    pub(super) request: RequestChange,
    /// What is posted, in this order.
    pub(super) bodies: Vec<CaseBody>,
}

/// `[source]` of a `case.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct SourceChange {
    pub(super) sender: Option<String>,
    pub(super) default_type: Option<MessageType>,
}

/// `[request]` of a `case.toml`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RequestChange {
    /// `""` sends none; `application/json` when `None`.
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    /// Without the question mark.
    pub(super) query: Option<String>,
}

/// A body of a case.
pub(super) struct CaseBody {
    /// Its file's name.
    pub(super) file: &'static str,
    pub(super) bytes: &'static [u8],
}

#[derive(Deserialize)]
struct Claim {
    title: String,
    source: Option<SourceChange>,
    #[serde(default)]
    request: RequestChange,
}

/// What is shown of a provider.
pub(super) struct Program {
    pub(super) provider: Provider,
    /// In the order of the show.
    pub(super) everyday: Vec<Case>,
    /// All others, by name.
    pub(super) odd: Vec<Case>,
}

impl Program {
    /// All cases of a provider.
    pub(super) fn of(provider: Provider) -> anyhow::Result<Self> {
        let shown = provider.definition().samples.everyday;
        let folder = FIXTURES
            .get_dir(provider.as_str())
            .with_context(|| format!("no fixtures of {provider} are compiled in"))?;
        let mut everyday = folder
            .dirs()
            .map(|folder| Case::read(provider, folder))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let place = |case: &Case| shown.iter().position(|name| *name == case.name);
        everyday.sort_by_key(|case| (place(case).unwrap_or(usize::MAX), case.name));
        let odd = everyday.split_off(everyday.partition_point(|case| place(case).is_some()));
        Ok(Self {
            provider,
            everyday,
            odd,
        })
    }

    /// Both sorts.
    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.everyday.iter().chain(&self.odd)
    }
}

impl Case {
    fn read(provider: Provider, folder: &'static Dir<'static>) -> anyhow::Result<Self> {
        let path = folder.path().display();
        let claim = folder
            .get_file(folder.path().join("case.toml"))
            .and_then(|file| file.contents_utf8())
            .with_context(|| format!("{path} has no case.toml"))?;
        let claim: Claim =
            toml::from_str(claim).with_context(|| format!("cannot read {path}/case.toml"))?;
        let mut bodies: Vec<(u32, CaseBody)> = folder
            .files()
            .filter_map(|file| {
                let number = file.path().file_stem()?.to_str()?.parse().ok()?;
                let body = CaseBody {
                    file: file.path().file_name()?.to_str()?,
                    bytes: file.contents(),
                };
                Some((number, body))
            })
            .collect();
        bodies.sort_by_key(|(number, _)| *number);
        let name = folder.path().file_name().and_then(|name| name.to_str());
        Ok(Self {
            provider,
            name: name.unwrap_or_default(),
            title: claim.title,
            source: claim.source,
            request: claim.request,
            bodies: bodies.into_iter().map(|(_, body)| body).collect(),
        })
    }

    /// The source its bodies go to: the provider's, or one of its own where it differs.
    pub(super) fn source_name(&self) -> String {
        match self.source {
            Some(_) => format!("{}-{}", self.provider, self.name),
            None => self.provider.to_string(),
        }
    }

    /// The query of its requests with its question mark, and their headers.
    pub(super) fn head(&self) -> (String, String) {
        let RequestChange {
            content_type,
            content_encoding,
            query,
        } = &self.request;
        let query = query
            .as_ref()
            .map_or(String::new(), |query| format!("?{query}"));
        let content_type = content_type.as_deref().unwrap_or("application/json");
        let headers = [
            ("Content-Type", content_type),
            (
                "Content-Encoding",
                content_encoding.as_deref().unwrap_or_default(),
            ),
        ];
        let headers = headers.iter().filter(|(_, value)| !value.is_empty());
        let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n"));
        (query, headers.collect())
    }

    /// What a body says, in the provider's own words.
    pub(super) fn words(&self, body: &CaseBody) -> String {
        let encoding = self.request.content_encoding.as_deref();
        // Who is recipient and who sender may need hints; the words do not.
        let parsed = self.provider.parse(body.bytes, encoding, &Hints::default());
        let Ok(parsed) = parsed else {
            return "something unreadable".to_owned();
        };
        let words: Vec<&str> = parsed
            .items
            .iter()
            .map(|item| match item {
                Item::Report(report) => report.provider_status.as_str(),
                Item::Ignored(what) => what,
                Item::Account(event) => &event.event,
                Item::SamePerson(_) => "a person's new number or id",
                Item::Unreadable(_) => "something unreadable",
            })
            .collect();
        if words.is_empty() {
            return "nothing".to_owned();
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_everyday_case_is_shipped_and_comes_first() {
        for provider in Provider::push() {
            let program = Program::of(provider).unwrap();
            let found: Vec<&str> = program.everyday.iter().map(|case| case.name).collect();
            assert_eq!(found, provider.definition().samples.everyday);
            for case in program.cases() {
                assert!(!case.bodies.is_empty(), "{provider}/{}", case.name);
            }
        }
    }

    #[test]
    fn a_case_that_differs_has_a_source_of_its_own() {
        let program = Program::of(Provider::Dialog360).unwrap();
        let names: Vec<String> = program.odd.iter().map(Case::source_name).collect();
        assert!(names.contains(&"360dialog-sender-of-the-source".to_owned()));
        assert!(names.contains(&"360dialog".to_owned()));
    }
}

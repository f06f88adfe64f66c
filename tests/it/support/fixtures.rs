//! The folders of `fixtures/`: what each claims, what it posts, and as whom.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tickrelay::config::Source;
use tickrelay::model::MessageType;
use tickrelay::providers::Provider;

use super::botsquad::{Answer, Api};
use super::{TestApp, source, until_async};

/// What the sources of Botsquad's cases ask.
static API: LazyLock<Api> = LazyLock::new(Api::start);

/// The broadcast that they ask for.
const BROADCAST: &str = "bc-1";

/// One folder: one behaviour.
pub(crate) struct Case {
    /// Where it is.
    pub(crate) folder: PathBuf,
    /// Whose bodies these are.
    pub(crate) provider: Provider,
    /// The folder's own name.
    pub(crate) name: String,
    /// What `case.toml` says.
    pub(crate) claim: Claim,
    /// What is posted, in this order.
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// The file `case.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    pub(crate) title: String,
    pub(crate) lines: Vec<u32>,
    #[serde(default)]
    source: SourceChange,
    #[serde(default)]
    request: RequestChange,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceChange {
    sender: Option<String>,
    default_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestChange {
    content_type: Option<String>,
    content_encoding: Option<String>,
    query: Option<String>,
}

/// Every case, by provider and name.
pub(crate) fn all() -> Vec<Case> {
    Provider::ALL
        .into_iter()
        .flat_map(|provider| {
            let folder = root().join(provider.as_str());
            listed(&folder)
                .into_iter()
                .map(move |folder| Case::read(provider, folder))
        })
        .collect()
}

/// The folder `fixtures/`.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What is in a folder, by name.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

impl Case {
    fn read(provider: Provider, folder: PathBuf) -> Self {
        let claim = std::fs::read_to_string(folder.join("case.toml")).unwrap();
        let number = |path: &Path| path.file_stem()?.to_str()?.parse::<u32>().ok();
        let mut bodies: Vec<(u32, PathBuf)> = listed(&folder)
            .into_iter()
            .filter_map(|path| Some((number(&path)?, path)))
            .collect();
        bodies.sort();
        Self {
            provider,
            name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            claim: toml::from_str(&claim)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display())),
            bodies: bodies
                .iter()
                .map(|(_, path)| std::fs::read(path).unwrap())
                .collect(),
            folder,
        }
    }

    /// `<provider>/<case>`, as the manifest spells it.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.provider, self.name)
    }

    /// A source of its own, so that the ids of two cases never meet.
    pub(crate) fn source(&self) -> Source {
        self.source_named(&self.source_name())
    }

    /// As [`Case::source`], under another name.
    pub(crate) fn source_named(&self, name: &str) -> Source {
        let change = &self.claim.source;
        let mut source = if self.provider.is_pulled() {
            API.source_with(name, |pulled| {
                pulled.url = pulled.url.replace("{id}", &place(name, "{id}"));
            })
        } else {
            source(name, self.provider)
        };
        if let Some(sender) = &change.sender {
            source.sender = Some(sender.clone());
        }
        if let Some(word) = &change.default_type {
            source.default_type = word.parse::<MessageType>().unwrap();
        }
        source
    }

    /// The name of [`Case::source`].
    pub(crate) fn source_name(&self) -> String {
        self.path().replace('/', "-")
    }

    /// Posts a body as the case describes the request, or has it polled where nothing is sent;
    /// fails on a 200 that says something.
    pub(crate) async fn post(&self, app: &TestApp, source: &str, body: &[u8]) -> u16 {
        if self.provider.is_pulled() {
            return answer(app, source, body).await;
        }
        let change = &self.claim.request;
        let query = change.query.as_deref().map_or(String::new(), |query| {
            assert!(!query.starts_with('?'), "{}", self.path());
            format!("?{query}")
        });
        let url = format!("{}/webhooks/{source}{query}", app.url);
        let mut request = super::authenticated(app.http.post(url), self.provider, body);
        match change.content_type.as_deref() {
            Some("") => {}
            content_type => {
                request = request.header(CONTENT_TYPE, content_type.unwrap_or("application/json"));
            }
        }
        if let Some(encoding) = &change.content_encoding {
            request = request.header("Content-Encoding", encoding);
        }
        let answer = request.body(body.to_vec()).send().await.unwrap();
        let status = answer.status().as_u16();
        let said = answer.bytes().await.unwrap();
        assert!(status != 200 || said.is_empty(), "{}", self.path());
        status
    }
}

/// Where the answer of a source's broadcast stands: each test has a thread, and its own answers.
fn place(source: &str, broadcast: &str) -> String {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    format!("{thread}-{source}-{broadcast}")
}

/// Has the source's broadcast polled, and answered so.
async fn answer(app: &TestApp, source: &str, body: &[u8]) -> u16 {
    let body = Answer::bytes(body).header("Content-Type", "application/json");
    API.answer(&place(source, BROADCAST), body);
    let polls = async || {
        let polls = app.polls().await.into_iter();
        polls
            .filter(|it| it.source == source)
            .map(|it| it.polls)
            .sum::<u64>()
    };
    let before = polls().await;
    let path = format!("/sources/{source}/broadcasts");
    let body = serde_json::json!({ "id": BROADCAST });
    let status = app.admin().await.post(&path, &body).await.status;
    until_async("it was asked for", async || polls().await > before).await;
    status
}

//! Every line of `docs/integrating.md` does what is written beside it: the true `curl` asks the true
//! service, in the order of the page.

use std::process::Command;

use serde_json::Value;

use crate::support::cli::Folder;
use crate::support::program::{root, runs};
use crate::support::receiver::Receiver;
use crate::support::{socket, until};

/// Where the page has the service and the subscriber.
const SERVICE: &str = "http://127.0.0.1:8080";
const SUBSCRIBER: &str = "http://127.0.0.1:3000/hook";
/// Stands for text that is another each time.
const ANY: char = '…';

/// One thing of the page, in its order.
#[derive(Debug)]
enum Block {
    /// A command for the shell.
    Curl(String),
    /// What it is answered.
    Answer(Answered),
    /// What the subscriber gets.
    Payload(Value),
    /// A part of a program of `examples/verify`.
    Program { file: &'static str, text: String },
}

/// An answer over HTTP.
#[derive(Debug, Default)]
struct Answered {
    status: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answered {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let body = body.trim();
        Ok(Self {
            status,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: match body {
                "" => Value::Null,
                json => serde_json::from_str(json).map_err(|error| format!("{error} in {json}"))?,
            },
        })
    }

    /// What of this is not so in the true answer.
    fn differs(&self, found: &Self) -> Option<String> {
        if self.status != found.status {
            return Some(format!("{} instead of {}", found.status, self.status));
        }
        let is_there = |(name, value): &&(String, String)| {
            let mut headers = found.headers.iter();
            headers.any(|(other, found)| name == other && fits(value, found))
        };
        let missing = self.headers.iter().find(|header| !is_there(header));
        if let Some(header) = missing {
            return Some(format!("no {header:?} in {:?}", found.headers));
        }
        differs(&self.body, &found.body, "")
    }
}

/// Where the true value has not what is shown: each key that is shown has to be there, and each
/// element of a list.
fn differs(shown: &Value, found: &Value, place: &str) -> Option<String> {
    match (shown, found) {
        (Value::Object(shown), Value::Object(found)) => shown.iter().find_map(|(key, shown)| {
            let place = format!("{place}/{key}");
            match found.get(key) {
                Some(found) => differs(shown, found, &place),
                None => Some(format!("{place} is not there")),
            }
        }),
        (Value::Array(shown), Value::Array(found)) => {
            if shown.is_empty() != found.is_empty() {
                return Some(format!("{place} has {} elements", found.len()));
            }
            let lacks = |shown: &&Value| found.iter().all(|it| differs(shown, it, "").is_some());
            let lacking = shown.iter().find(lacks)?;
            let first = differs(lacking, found.first()?, place)?;
            Some(format!("{place} has no {lacking}; {first}"))
        }
        (Value::String(shown), Value::String(found)) => {
            (!fits(shown, found)).then(|| format!("{place} is {found:?} instead of {shown:?}"))
        }
        _ => (shown != found).then(|| format!("{place} is {found} instead of {shown}")),
    }
}

/// Whether a text has all parts of the shown one, in their order.
fn fits(shown: &str, found: &str) -> bool {
    let Some((first, others)) = shown.split_once(ANY) else {
        return shown == found;
    };
    let (between, last) = others.rsplit_once(ANY).unwrap_or(("", others));
    let rest = found.strip_prefix(first);
    let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in between.split(ANY) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// The page as what it asks and promises.
fn read(page: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut parts = page.split("\n```");
    parts.next();
    // Every other part is between two fences.
    while let (Some(block), after) = (parts.next(), parts.next()) {
        after.ok_or("a block of code has no end")?;
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        let program = |file| Block::Program {
            file,
            text: text.to_owned(),
        };
        match language {
            "sh" => blocks.extend(commands(text)),
            "http" => blocks.push(Block::Answer(Answered::read(text)?)),
            "json" => {
                let payload = serde_json::from_str(text).map_err(|error| error.to_string())?;
                blocks.push(Block::Payload(payload));
            }
            "js" => blocks.push(program("verify.mjs")),
            "python" => blocks.push(program("verify.py")),
            "rust" => blocks.push(program("verify.rs")),
            other => return Err(format!("a block of {other:?}: nothing tries it")),
        }
    }
    Ok(blocks)
}

/// The commands of `curl` in a block, each with its further lines.
fn commands(block: &str) -> Vec<Block> {
    let mut commands = Vec::new();
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("curl ") {
            continue;
        }
        let mut command = line.to_owned();
        while command.ends_with('\\') || command.matches('\'').count() % 2 == 1 {
            let Some(more) = lines.next() else {
                break;
            };
            command.push('\n');
            command.push_str(more);
        }
        commands.push(Block::Curl(command));
    }
    commands
}

/// A service as the page's first chapter starts it, and which subscribers are notified.
struct Scene {
    folder: Folder,
    service: crate::support::cli::Service,
    receiver: Receiver,
    /// What the page has in variables of the shell.
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    async fn new() -> Self {
        let folder = Folder::new();
        folder.done(&["init", "--force"]).await;
        let config = std::fs::read_to_string(folder.path("tickrelay.toml")).unwrap();
        let config: toml::Table = config.parse().unwrap();
        let auth = &config["source"][1]["basic_auth"];
        let [user, password] = ["username", "password"].map(|key| auth[key].as_str().unwrap());
        let service = folder.serve_with(&[
            "--allow-http",
            "--allow-networks",
            "127.0.0.0/8",
            "--listen",
            "127.0.0.1:0",
        ]);
        let token = folder.done(&["token", "create", "--role", "admin"]).await;
        Self {
            variables: vec![
                ("TOKEN", token.trim().to_owned()),
                ("INFOBIP", format!("{user}:{password}")),
            ],
            receiver: Receiver::start(),
            folder,
            service,
        }
    }

    /// Waits until all that is queued is with its subscribers, or kept from them on purpose.
    async fn settled(&self) {
        let store = self.folder.path("tickrelay.db");
        let listed = |path: &str| {
            let mut page = socket::done(&store, ("GET", path), &Value::Null);
            page["data"].as_array_mut().map(std::mem::take).unwrap()
        };
        until("nothing is queued and no replay runs", || {
            // The replays first: what one queues before it ends is among the forwards then.
            let replays = listed("/replays?limit=100");
            let forwards = listed("/forwards?state=pending&limit=100");
            let is_queued = forwards.iter().any(|it| it["subscriber_state"] == "active");
            !is_queued && replays.iter().all(|it| it["state"] != "running")
        })
        .await;
    }

    /// Runs a command of the page.
    async fn run(&mut self, command: &str) -> Result<Answered, String> {
        self.settled().await;
        let command = self
            .here(command)
            .replacen("curl ", "curl -sS -i --noproxy '*' ", 1);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).envs(self.variables.clone());
        let output = tokio::task::spawn_blocking(move || shell.output());
        let output = output.await.unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let answered = Answered::read(&text)?;
        let body = &answered.body;
        for (name, id) in [
            ("FORWARD", &body["data"][0]["id"]),
            (
                "REPLAY",
                body.get("total").map_or(&Value::Null, |_| &body["id"]),
            ),
        ] {
            if let Some(id) = id.as_str() {
                self.variables.retain(|(known, _)| *known != name);
                self.variables.push((name, id.to_owned()));
            }
        }
        self.settled().await;
        Ok(answered)
    }

    /// The page's text with the addresses of this service and this subscriber.
    fn here(&self, text: &str) -> String {
        let text = text.replace(SERVICE, self.service.base());
        text.replace(SUBSCRIBER, &self.receiver.url)
    }
}

/// Does all that the page says.
async fn follow(page: &str) -> Result<usize, String> {
    let mut scene = Scene::new().await;
    let mut commands = 0;
    let mut last = (String::new(), Answered::default());
    for block in read(&scene.here(page))? {
        match block {
            Block::Curl(command) => {
                commands += 1;
                if command.contains(" --json ") {
                    return Err(format!("{command}: curl 7.81 has no --json"));
                }
                let answered = scene.run(&command).await;
                let answered = answered.map_err(|error| format!("{command}: {error}"))?;
                last = (command, answered);
            }
            Block::Answer(shown) => {
                if !last.0.starts_with("curl -i ") {
                    return Err(format!("{}: only -i prints a head", last.0));
                }
                if let Some(difference) = shown.differs(&last.1) {
                    return Err(format!("{}: {difference}", last.0));
                }
            }
            Block::Payload(shown) => {
                let received = scene.receiver.received();
                let got = received.last().ok_or("nothing was sent")?.json();
                if let Some(difference) = differs(&shown, &got, "") {
                    return Err(format!("the payload {got}: {difference}"));
                }
            }
            Block::Program { file, text } => {
                let path = root("examples/verify").join(file);
                if !std::fs::read_to_string(path).unwrap().contains(&text) {
                    return Err(format!("{file} has not: {text}"));
                }
            }
        }
    }
    Ok(commands)
}

fn page() -> String {
    std::fs::read_to_string(root("docs/integrating.md")).unwrap()
}

fn has_curl() -> bool {
    runs("curl", &["--version"], "install curl")
}

#[actix_web::test]
async fn each_line_does_what_is_written_beside_it() {
    if !has_curl() {
        return;
    }
    let page = page();
    let lines = page
        .lines()
        .filter(|line| line.trim_start().starts_with("curl "));
    assert_eq!(follow(&page).await, Ok(lines.count()));
}

#[actix_web::test]
async fn a_page_that_is_wrong_is_caught() {
    if !has_curl() {
        return;
    }
    // The first chapters are enough, and quicker.
    let page = page();
    let (page, _) = page.split_once("\n## 5.").unwrap();
    for (right, wrong, expected) in [
        (
            "/api/v1/subscribers/crm/test",
            "/api/v1/subscribers/crm/tests",
            "404",
        ),
        (
            "HTTP/1.1 201 Created",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 201 Created instead of",
        ),
        ("\"accepted\": true", "\"took\": true", "/took is not there"),
        (
            "\"resend\": \"after-fix\"",
            "\"resend\": \"soon\"",
            "/resend is \"after-fix\"",
        ),
        (
            "\"field\": \"/url\"",
            "\"field\": \"/uri\"",
            "/errors has no",
        ),
        (
            "content-type: application/problem+json",
            "content-type: text/plain",
            "no (\"content-type\"",
        ),
        (
            "const key = Buffer",
            "const k = Buffer",
            "verify.mjs has not",
        ),
        ("mac.update(body);", "mac.update(body)", "verify.rs has not"),
        ("```js", "```jsx", "nothing tries it"),
        ("curl -i ", "curl ", "only -i prints a head"),
        (
            "-H 'Content-Type: application/json' -d ",
            "--json ",
            "has no --json",
        ),
    ] {
        let wrong = page.replacen(right, wrong, 1);
        assert_ne!(wrong, page, "{right}");
        let caught = follow(&wrong).await.unwrap_err();
        assert!(caught.contains(expected), "{caught}");
    }
}

#[test]
fn a_text_fits_when_it_has_all_that_is_shown() {
    for (shown, found, expected) in [
        ("whsec_…", "whsec_x", true),
        ("whsec_…", "tr_x", false),
        ("…", "", true),
        ("a…c", "abc", true),
        ("a…c", "abcd", false),
        ("a", "ab", false),
        ("a…b…", "a-b-c", true),
        ("a…b…c", "a-c-c", false),
        ("…b}", "b}-b}", true),
        ("", "", true),
    ] {
        assert_eq!(fits(shown, found), expected, "{shown} {found}");
    }
}

//! Three sources, all that came by them, and a token of every kind that there can be; for each route
//! a call that is about one of the sources.

use std::cell::Cell;

use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::access::token::NewToken;
use tickrelay::admin::{ReplayOrder, StartReplay};
use tickrelay::clock::Clock;
use tickrelay::model::{MessageType, Word as _};
use tickrelay::providers::Provider;
use tickrelay::web::api::Endpoint;

use crate::support::api::Caller;
use crate::support::botsquad::Api;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, source};

/// A source with a subscriber of `acme`'s that gets it alone, and what came of one webhook.
pub(super) struct Place {
    /// The source that sends.
    pub(super) source: &'static str,
    /// The source that is polled, with the same owners.
    pub(super) asked: &'static str,
    pub(super) owners: &'static [&'static str],
    pub(super) subscriber: String,
    pub(super) forward: String,
    pub(super) webhook: i64,
    pub(super) replay: String,
}

/// The sources: of no owner, of one owner, of two.
pub(super) const PLACES: [(&str, &str, &[&str]); 3] = [
    ("nobodys", "nobodys-asked", &[]),
    ("acmes", "acmes-asked", &["acme"]),
    ("both", "both-asked", &["acme", "beta"]),
];

/// A token and what it says.
pub(super) struct Asker {
    pub(super) role: Role,
    pub(super) owner: Option<&'static str>,
    pub(super) sources: Vec<&'static str>,
    pub(super) http: Caller,
}

impl Asker {
    pub(super) fn sees_source(&self, name: &str) -> bool {
        self.sources.is_empty() || self.sources.contains(&name)
    }

    pub(super) fn is_narrowed(&self) -> bool {
        self.owner.is_some() || !self.sources.is_empty()
    }
}

pub(super) struct World {
    pub(super) app: TestApp,
    pub(super) _api: Api,
    pub(super) receiver: Receiver,
    pub(super) admin: Caller,
    pub(super) places: Vec<Place>,
    pub(super) askers: Vec<Asker>,
    pub(super) fresh: Cell<u32>,
}

/// What a call is about, which decides whether a token sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The subscriber of `acme`'s, its forwards, and the message that these are about.
    Subscriber,
    /// The source, and what came by it.
    Source,
    /// The source that is polled.
    Asked,
    /// Nothing of one source.
    All,
}

/// One call of the API.
pub(super) struct Call {
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) about: About,
    /// What is answered where what it is about is not seen; a list is answered 200 without it.
    pub(super) hidden: Hidden,
}

pub(super) enum Hidden {
    Status(u16),
    Unlisted(String),
}

fn infobip(place: &str) -> Value {
    json!({"results": [{
        "messageId": format!("m-{place}"), "bulkId": format!("b-{place}"), "to": "385990001122",
        "sender": "385910009999", "sentAt": "2026-02-11T08:15:30.000+0000",
        "doneAt": "2026-02-11T08:15:32.904+0000",
        "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "error": {"id": 0, "name": "NO_ERROR"},
    }]})
}

/// A notice about the account.
fn notice() -> Value {
    json!({"messageTemplateId": 1, "messageTemplateName": "hello", "change": {"status": "PAUSED"}})
}

fn exchange(id: &str) -> Value {
    json!({
        "request": {"from": "385910009999", "to": "385990001122", "messageId": id,
            "content": {"text": "Hello"}},
        "response": {"messageId": id, "to": "385990001122",
            "status": {"groupId": 1, "groupName": "PENDING", "id": 7, "name": "PENDING_ENROUTE"}},
    })
}

impl World {
    pub(super) async fn new() -> Self {
        let api = Api::start();
        let owned = |owners: &[&str]| owners.iter().map(|&it| it.to_owned()).collect();
        let app = TestApp::boot_with(Clock::system(), |config| {
            config.sources = PLACES
                .iter()
                .flat_map(|(sends, asked, owners)| {
                    let mut sources = [source(sends, Provider::Infobip), api.source(asked)];
                    for source in &mut sources {
                        source.owners = owned(owners);
                        source.default_type = MessageType::Regular;
                    }
                    sources
                })
                .collect();
        })
        .await;
        let receiver = Receiver::start();
        let admin = app.admin().await;
        let mut world = Self {
            app,
            _api: api,
            receiver,
            admin,
            places: Vec::new(),
            askers: Vec::new(),
            fresh: Cell::new(0),
        };
        for (sends, asked, owners) in PLACES {
            let place = world.place(sends, asked, owners).await;
            world.places.push(place);
        }
        world.invite().await;
        world
    }

    async fn place(
        &self,
        source: &'static str,
        asked: &'static str,
        owners: &'static [&'static str],
    ) -> Place {
        let subscriber = format!("of-{source}");
        self.subscribe(&subscriber, source, "*=delivered").await;
        let body = infobip(source).to_string();
        assert_eq!(self.app.post(source, body).await, 200);
        assert_eq!(self.app.post(source, notice().to_string()).await, 200);
        self.app.settled().await;
        let path = format!("/forwards?subscriber={subscriber}");
        let forwards = self.admin.all(&path, 10).await;
        let webhooks = self.admin.all("/webhooks", 10).await;
        Place {
            source,
            asked,
            owners,
            forward: forwards[0]["id"].as_str().unwrap().to_owned(),
            webhook: webhooks[0]["id"].as_i64().unwrap(),
            replay: self.replay(&subscriber).await,
            subscriber,
        }
    }

    /// A token of every role, owner and narrowing that there can be.
    async fn invite(&mut self) {
        let mut narrowings = vec![Vec::new()];
        narrowings.extend(PLACES.map(|(sends, asked, _)| vec![sends, asked]));
        for &role in Role::ALL {
            let owners: &[Option<&str>] = match role {
                Role::Integrator => &[Some("acme"), Some("beta")],
                _ => &[None],
            };
            for owner in owners {
                for sources in &narrowings {
                    let change = |new: &mut NewToken| {
                        new.owner = owner.map(str::to_owned);
                        new.sources = sources.iter().map(|&name| name.to_owned()).collect();
                    };
                    self.askers.push(Asker {
                        role,
                        owner: *owner,
                        sources: sources.clone(),
                        http: self.app.caller_with(role, change).await,
                    });
                }
            }
        }
    }

    fn fresh(&self) -> String {
        self.fresh.set(self.fresh.get() + 1);
        format!("fresh-{}", self.fresh.get())
    }

    async fn subscribe(&self, name: &str, source: &str, rule: &str) {
        self.app
            .subscribe_with(name, &self.receiver.url, |new| {
                new.owner = Some("acme".to_owned());
                new.filter.sources = vec![source.to_owned()];
                new.filter.rules = vec![rule.parse().unwrap()];
            })
            .await;
    }

    async fn replay(&self, subscriber: &str) -> String {
        let order = ReplayOrder {
            subscriber: subscriber.to_owned(),
            missed: true,
            ..ReplayOrder::default()
        };
        self.app.order(StartReplay(order)).await.uid.to_string()
    }

    /// A call of this route about what is at that place; it may be done, so what it changes is new.
    pub(super) async fn call(&self, endpoint: &Endpoint, place: &Place) -> Call {
        let (method, path) = (endpoint.method.as_str(), endpoint.path);
        let Place {
            source, subscriber, ..
        } = place;
        let mut target = subscriber.clone();
        if method != "GET" && path.starts_with("/subscribers/") {
            target = self.fresh();
            self.subscribe(&target, source, "*=failed").await;
        }
        if path.starts_with("/templates/") {
            let body = json!({"body": "Hello"});
            let template = self.admin.put("/templates/hello/en", &body).await;
            template.with(200);
        }
        let (about, hidden) = about(path, method, place);
        let body = self.body(method, path, place);
        let id = match path.split('/').nth(1).unwrap_or_default() {
            "forwards" => place.forward.clone(),
            "webhooks" => place.webhook.to_string(),
            "replays" => place.replay.clone(),
            "messages" => format!("m-{source}"),
            _ => format!("b-{source}"),
        };
        let name = match path.split('/').nth(1).unwrap_or_default() {
            "templates" => "hello",
            "sources" if path.ends_with("/broadcasts") => place.asked,
            "sources" => source,
            _ => &target,
        };
        let path = path.replace("{name}", name).replace("{id}", &id);
        Call {
            path: path
                .replace("{key}", "meta:131026")
                .replace("{language}", "en"),
            body,
            about,
            hidden,
        }
    }

    fn body(&self, method: &str, path: &str, place: &Place) -> Option<Value> {
        let Place {
            source, subscriber, ..
        } = place;
        match (method, path) {
            ("GET" | "DELETE", _) => None,
            ("POST", "/subscribers") => Some(json!({"name": self.fresh(),
                "url": self.receiver.url, "filter": {"sources": [source],
                "rules": [{"statuses": ["failed"]}]}})),
            ("POST", "/forwards/retry") => Some(json!({"ids": [place.forward]})),
            ("POST", "/webhooks/reprocess") => Some(json!({"source": source, "dry_run": true})),
            ("POST", "/replays") => Some(json!({"subscriber": subscriber, "missed": true})),
            ("POST", "/messages") => Some(json!({"source": source, "msId": self.fresh()})),
            ("POST", "/sources/{name}/broadcasts") => Some(json!({"id": self.fresh()})),
            ("POST", "/sources/{name}/sent") => Some(exchange(&self.fresh())),
            ("PUT", _) => Some(json!({"body": "Hello"})),
            _ => Some(json!({})),
        }
    }
}

/// What a route is about, and what is answered where that is not seen.
fn about(path: &str, method: &str, place: &Place) -> (About, Hidden) {
    let list = |about, marker: &str| (about, Hidden::Unlisted(format!("\"{marker}\"")));
    match (method, path) {
        ("GET", "/subscribers" | "/replays") => list(About::Subscriber, &place.subscriber),
        ("GET", "/forwards" | "/attempts") => list(About::Subscriber, &place.forward),
        ("GET", "/messages") => list(About::Subscriber, &format!("m-{}", place.source)),
        ("GET", "/broadcasts") => list(About::Subscriber, &format!("b-{}", place.source)),
        ("GET", "/webhooks" | "/sources" | "/stats" | "/account-events") => {
            list(About::Source, place.source)
        }
        ("POST", "/subscribers" | "/messages") => (About::Source, Hidden::Status(422)),
        ("POST", "/replays") => (About::Subscriber, Hidden::Status(422)),
        (_, "/sources/{name}/broadcasts") => (About::Asked, Hidden::Status(404)),
        _ => match path.split('/').nth(1).unwrap_or_default() {
            "subscribers" | "forwards" | "replays" | "messages" | "broadcasts" => {
                (About::Subscriber, Hidden::Status(404))
            }
            "webhooks" | "sources" => (About::Source, Hidden::Status(404)),
            "templates" | "errors" | "unknown-errors" | "audit" | "tokens" | "keys" | "jobs"
            | "erasures" => (About::All, Hidden::Status(404)),
            other => panic!("a new route: say what /{other} is about"),
        },
    }
}

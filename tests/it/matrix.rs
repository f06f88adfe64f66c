//! Role x owner x source x verb: every combination is tried over HTTP, and the table of permissions
//! says what each is answered.

mod world;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use tickrelay::access::{AccessRule, Permission, Reach, Role, TABLE};
use tickrelay::model::Word as _;
use tickrelay::web::api::{Endpoint, endpoints};

use self::world::{About, Asker, Call, Hidden, Place, World};
use crate::support::api::Answered;

impl World {
    /// Each answer that is not as the table has it.
    async fn differences(
        &self,
        table: &[AccessRule],
        is_tried: impl Fn(&Endpoint) -> bool,
    ) -> Tried {
        let mut tried = Tried::default();
        for endpoint in endpoints().iter().filter(|endpoint| is_tried(endpoint)) {
            let mut rules = table.iter();
            let rule = rules.find(|rule| rule.permission == endpoint.permission);
            for place in &self.places {
                for asker in &self.askers {
                    let call = self.call(endpoint, place).await;
                    let expected = expected(rule.unwrap(), asker, &call, place);
                    let found = self.answer(endpoint, asker, &call).await;
                    tried.count += 1;
                    tried.kinds.insert(expected.to_string());
                    if !expected.fits(&found) {
                        tried.differences.push(format!(
                            "{} of {:?} at {:?} asks {} {}: {expected} is expected, {found:?} found",
                            asker.role,
                            asker.owner,
                            asker.sources,
                            endpoint.method,
                            call.path
                        ));
                    }
                }
            }
        }
        tried
    }

    /// What is answered, and whether what the call is about is in it.
    async fn answer(&self, endpoint: &Endpoint, asker: &Asker, call: &Call) -> (u16, bool, String) {
        let method: Method = endpoint.method.as_str().parse().unwrap();
        let body = call.body.as_ref().map(Value::to_string);
        let Answered { status, text, .. } = asker.http.ask(method, &call.path, body).await;
        let Hidden::Unlisted(marker) = &call.hidden else {
            return (status, true, text);
        };
        if status != 200 || call.path == "/stats" {
            return (status, text.contains(marker), text);
        }
        let rows = Value::Array(asker.http.all(&call.path, 100).await);
        (status, rows.to_string().contains(marker), String::new())
    }
}

#[derive(Default)]
struct Tried {
    count: usize,
    /// The kinds of answers that were expected.
    kinds: BTreeSet<String>,
    differences: Vec<String>,
}

/// What the table has answered.
enum Expected {
    /// 2xx; of a list, with what it is about.
    Done,
    /// 200 without what it is about.
    Unlisted,
    Status(u16),
}

impl Expected {
    fn fits(&self, (status, is_listed, _): &(u16, bool, String)) -> bool {
        match self {
            Self::Done => (200..300).contains(status) && *is_listed,
            Self::Unlisted => *status == 200 && !is_listed,
            Self::Status(expected) => status == expected,
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("2xx"),
            Self::Unlisted => f.write_str("a list without it"),
            Self::Status(status) => write!(f, "{status}"),
        }
    }
}

/// The table, read once more by other code than the service's.
fn expected(rule: &AccessRule, asker: &Asker, call: &Call, place: &Place) -> Expected {
    // Everybody here comes over TCP.
    if rule.is_local || !rule.roles.contains(&asker.role) {
        return Expected::Status(403);
    }
    let is_seen = match call.about {
        About::All => true,
        About::Source => asker.sees_source(place.source),
        About::Asked => asker.sees_source(place.asked),
        About::Subscriber => {
            asker.sees_source(place.source) && asker.owner.is_none_or(|owner| owner == "acme")
        }
    };
    match (rule.reach, &call.hidden) {
        (Reach::Whole, _) if asker.is_narrowed() => Expected::Status(403),
        (Reach::Seen | Reach::Owned, Hidden::Status(status)) if !is_seen => {
            Expected::Status(*status)
        }
        (Reach::Seen | Reach::Owned, Hidden::Unlisted(_)) if !is_seen => Expected::Unlisted,
        (Reach::Owned, _) if asker.owner.is_some_and(|own| !place.owners.contains(&own)) => {
            Expected::Status(403)
        }
        _ => Expected::Done,
    }
}

#[actix_web::test]
async fn every_role_owner_source_and_verb_is_answered_as_the_table_has_it() {
    let world = World::new().await;
    // A job is seen by the caller that began it: `api::jobs` tries it.
    let is_tried = |endpoint: &Endpoint| endpoint.path != "/jobs/{id}";
    let tried = world.differences(TABLE, is_tried).await;
    assert_eq!(tried.count, (endpoints().len() - 1) * 3 * 20);
    let kinds = ["2xx", "403", "404", "422", "a list without it"];
    assert_eq!(tried.kinds, kinds.map(str::to_owned).into());
    assert!(
        tried.differences.is_empty(),
        "{}",
        tried.differences.join("\n")
    );
    world.app.settled().await;
    world.app.stop().await;
}

#[actix_web::test]
async fn a_table_that_the_service_does_not_keep_to_is_caught() {
    let world = World::new().await;
    let all = Role::ALL;
    let wrong = |permission: Permission, roles: Option<&'static [Role]>, reach: Option<Reach>| {
        let change = |rule: &AccessRule| {
            let is_meant = rule.permission == permission;
            AccessRule {
                roles: roles.filter(|_| is_meant).unwrap_or(rule.roles),
                reach: reach.filter(|_| is_meant).unwrap_or(rule.reach),
                ..*rule
            }
        };
        TABLE.iter().map(change).collect::<Vec<_>>()
    };
    for (permission, roles, reach) in [
        (Permission::RegisterMessages, Some(all), None),
        (Permission::RegisterMessages, None, Some(Reach::Seen)),
        (Permission::ReadPolls, None, Some(Reach::Seen)),
        (Permission::WriteTemplates, None, Some(Reach::Shared)),
        (Permission::ReadAudit, None, Some(Reach::Shared)),
        (Permission::ReadMessages, None, Some(Reach::Shared)),
        (Permission::ReadWebhooks, Some(&[Role::Admin]), None),
    ] {
        let table = wrong(permission, roles, reach);
        let tried = world.differences(&table, |it| it.permission == permission);
        let caught = !tried.await.differences.is_empty();
        assert!(caught, "{permission:?} {roles:?} {reach:?}");
    }
    world.app.settled().await;
    world.app.stop().await;
}

/// The matrix of `docs/api.md`, as the table makes it.
fn matrix() -> String {
    let mut lines = vec![
        "| who may | admin | integrator | support | analyst | a token narrowed by `--owner` or `--source` |"
            .to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(TABLE.iter().map(|rule| {
        let mark = |role| {
            if rule.roles.contains(&role) {
                " yes "
            } else {
                "  "
            }
        };
        let marks = Role::ALL.iter().copied().map(mark).collect::<Vec<_>>();
        let (marks, reach) = (marks.join("|"), rule.reach.as_str());
        format!("| {} |{marks}| {reach} |", rule.words)
    }));
    lines.join("\n") + "\n"
}

#[test]
fn the_page_of_the_api_has_the_matrix_of_the_table() {
    let path = crate::support::program::root("docs/api.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let start = page.find("| who may |").expect("the page has a matrix");
    let length = page[start..].find("\n\n").expect("something follows it") + 1;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let (before, after) = (&page[..start], &page[start + length..]);
        std::fs::write(&path, format!("{before}{}{after}", matrix())).unwrap();
        return;
    }
    assert_eq!(
        page[start..start + length],
        matrix(),
        "UPDATE_DOCS=1 cargo test --test it the_page_of_the_api"
    );
}

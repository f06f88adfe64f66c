//! Lists answer in time: what was found so far, how far back that is, and where to go on.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tickrelay::access::Role;
use tickrelay::clock::Clock;

use crate::support::cli::Folder;
use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud};

const T0: i64 = 1_760_000_000;
/// More than one page searches when a list has no time at all: 256 keys.
const MANY: usize = 700;
const RARE: &str = "34600000777";

/// Of many messages the oldest and one in the middle go to a number that no other goes to.
fn statuses() -> Vec<Value> {
    (0..MANY)
        .map(|number| {
            let status = cloud::failed(&format!("wamid.{number}"), T0);
            let is_rare = number == 0 || number == MANY / 2;
            let broadcast = json!({"biz_opaque_callback_data":
                json!({"broadcastId": format!("b-{}", number / 100)}).to_string()});
            let to = if is_rare { RARE } else { "34600000001" };
            let recipient = json!({"recipient_id": to});
            cloud::with(cloud::with(status, &recipient), &broadcast)
        })
        .collect()
}

/// A service whose lists may take as long as this, with many messages and forwards in it.
async fn filled(budget: Duration) -> TestApp {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.store.list_budget = budget;
    })
    .await;
    let (_nobody, url) = crate::support::nobody_listens();
    app.subscribe("crm", &url).await;
    app.report(&statuses()).await;
    app
}

/// All pages of a list, each `limit` rows at most.
async fn pages(app: &TestApp, path: &str, limit: usize) -> Vec<Value> {
    let caller = app.admin().await;
    let (mut pages, mut cursor, mut seen) = (Vec::new(), String::new(), BTreeSet::new());
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = caller
            .get(&format!("{path}{separator}limit={limit}{cursor}"))
            .await
            .with(200);
        let next = page["next_cursor"].as_str().map(str::to_owned);
        pages.push(page);
        let Some(next) = next else { return pages };
        assert!(seen.insert(next.clone()), "it goes on: {next}");
        cursor = format!("&cursor={next}");
    }
}

fn rows(pages: &[Value]) -> Vec<&Value> {
    let rows = |page: &'_ Value| page["data"].as_array().map(Vec::len);
    assert!(pages.iter().all(|page| rows(page).is_some()));
    pages
        .iter()
        .filter_map(|page| page["data"].as_array())
        .flatten()
        .collect()
}

const LISTS: [(&str, usize); 11] = [
    ("/messages?recipient=%2B34%20600%20000%20777", 2),
    ("/messages?provider_message_id=wamid.0", 1),
    ("/messages?error=131026", MANY),
    ("/messages?error=131047", 0),
    ("/messages?broadcast=b-0", 100),
    ("/messages?status=read", 0),
    ("/forwards?recipient=34600000777", 2),
    ("/forwards?message=wamid.0", 1),
    ("/forwards?state=pending", MANY),
    ("/forwards?state=delivered", 0),
    ("/broadcasts", 7),
];

/// The control: with time, the same lists are whole, and none says that it was cut.
#[actix_web::test]
async fn a_list_with_time_is_whole_and_says_nothing_of_it() {
    let app = filled(Duration::from_secs(5)).await;
    for (path, expected) in LISTS {
        let pages = pages(&app, path, 100).await;
        assert_eq!(rows(&pages).len(), expected, "{path}");
        assert_eq!(pages.len(), expected.div_ceil(100).max(1), "{path}");
        let cut = pages
            .iter()
            .find(|page| page.get("searched_back_to").is_some());
        assert!(cut.is_none(), "{path}: {cut:?}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_list_without_time_says_how_far_it_came_and_goes_on_from_there() {
    let app = filled(Duration::ZERO).await;
    for (path, expected) in LISTS {
        let pages = pages(&app, path, 100).await;
        let rows = rows(&pages);
        assert_eq!(rows.len(), expected, "{path}");
        let ids: BTreeSet<String> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), expected, "{path}: none comes twice");
    }
    let path = "/messages?recipient=34600000777";
    let pages = pages(&app, path, 100).await;
    let found: Vec<usize> = pages
        .iter()
        .map(|page| rows(std::slice::from_ref(page)).len())
        .collect();
    assert_eq!(
        found,
        [0, 1, 1],
        "256 keys at a time, and the next page goes on"
    );
    // All came in one webhook.
    let message = app.timeline("wamid.0").await.unwrap().message;
    let first_ms = message.first_report_at_ms;
    let cut = &pages[0]["searched_back_to"];
    let at = chrono::DateTime::parse_from_rfc3339(cut.as_str().unwrap()).unwrap();
    assert!((first_ms - at.timestamp_millis()).abs() < 60_000, "{cut}");
    assert!(pages[2].get("searched_back_to").is_none(), "{}", pages[2]);
    app.stop().await;
}

/// A cursor comes back from a client, so any number may stand in it.
#[actix_web::test]
async fn a_cursor_behind_every_row_gives_an_empty_page() {
    let app = filled(Duration::from_secs(5)).await;
    let caller = app.admin().await;
    for (path, list, end) in [
        ("/messages?", "messages", i64::MIN),
        ("/forwards?state=pending&", "forwards", i64::MIN),
        ("/broadcasts?", "broadcasts", i64::MIN),
        ("/broadcasts/b-0?", "broadcast", i64::MAX),
        ("/subscribers?", "subscribers", i64::MAX),
        ("/errors?", "errors", i64::MAX),
    ] {
        let cursor = URL_SAFE_NO_PAD.encode(format!("{list}:{end}"));
        let page = caller.get(&format!("{path}cursor={cursor}")).await;
        let page = page.with(200);
        let rows = page.get("data").or_else(|| page.get("statuses"));
        assert_eq!(rows, Some(&json!([])), "{path}: {page}");
        assert_eq!(page["next_cursor"], Value::Null, "{path}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_cut_list_shows_an_integrator_no_more_than_before() {
    let app = filled(Duration::ZERO).await;
    let nobodys = app
        .caller_with(Role::Integrator, |token| {
            token.owner = Some("nobody".to_owned());
        })
        .await;
    let page = nobodys.get("/messages").await.with(200);
    assert_eq!(page["data"], json!([]));
    assert!(page["next_cursor"].is_string(), "{page}");
    app.stop().await;
}

#[actix_web::test]
async fn the_command_line_says_how_far_a_list_came_and_goes_on_from_there() {
    let folder = Folder::new();
    let service = folder.serve();
    service.post(cloud::webhook(&statuses())).await;
    let path = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("[store]\n", "[store]\nlist_budget = \"0s\"\n");
    std::fs::write(&path, config).unwrap();
    // The budget is that of the service, where one runs.
    drop(service);
    let show = ["message", "show", "+34 600-000-777"];
    let cut = folder.run(&show).await;
    assert_eq!((cut.exit, cut.data.as_str()), (1, ""), "{cut:?}");
    let so_far = "nothing was reported of \"+34 600-000-777\" so far. Searched back to ";
    assert!(cut.talk.starts_with(so_far), "{cut:?}");
    let cursor = |talk: &str| {
        let word = talk.split("--cursor ").nth(1).expect("it names a cursor");
        word.split(' ').next().unwrap().to_owned()
    };
    let word = cursor(&cut.talk);
    let found = folder
        .run(&[&show[..], &["--cursor", &word]].concat())
        .await;
    assert!(
        found.exit == 0 && found.data.contains("wamid.350"),
        "{found:?}"
    );
    // A list as JSON is JSON alone: how far it came is said beside it.
    let list = folder
        .run(&["message", "list", "--status", "failed", "--json"])
        .await;
    assert_eq!(list.json()["data"].as_array().unwrap().len(), 50);
    assert!(
        list.talk.starts_with("There are more: --cursor "),
        "{list:?}"
    );
    let next = [
        "message",
        "list",
        "--status",
        "failed",
        "--cursor",
        &cursor(&list.talk),
    ];
    let next = folder.done(&next).await;
    assert!(
        next.contains("wamid.649") && !next.contains("wamid.650"),
        "{next}"
    );
    let none = folder.run(&["forward", "list", "--cursor", &word]).await;
    assert!(
        none.exit == 1 && none.talk.contains("cursor from next_cursor"),
        "{none:?}"
    );
}

/// Webhooks and forwards of which no more than 256 are counted without any time.
const COUNTED: usize = 300;

#[actix_web::test]
async fn what_is_counted_of_sources_and_subscribers_ends_in_time_too() {
    let app = TestApp::boot_with(Clock::system(), |config| {
        config.store.list_budget = Duration::ZERO;
    })
    .await;
    let receiver = Receiver::start();
    app.subscribe("crm", &receiver.url).await;
    app.post("infobip", "{}").await;
    for number in 0..COUNTED {
        let status = cloud::status(&format!("wamid.{number}"), "sent", T0);
        app.report(&[status]).await;
    }
    app.settled().await;
    let page = app.admin().await.get("/sources").await.with(200);
    let source = |name: &str| {
        let mut sources = page["data"].as_array().unwrap().iter();
        sources.find(|it| it["name"] == name).unwrap().clone()
    };
    assert_eq!(source("cloud")["webhooks_24h"], 256);
    assert_eq!(source("infobip")["last_seen_at"], Value::Null);
    assert!(page["searched_back_to"].is_string(), "{page}");
    // A copy on which no service runs: each command counts by its own settings.
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy.db");
    app.tables().copy_to(&copy);
    let store = format!("sqlite://{}", copy.display());
    let list = |noun: &'static str, budget: &'static str| {
        let budget = format!("store.list_budget={budget}");
        let store = store.clone();
        async move {
            let folder = Folder::new();
            let line = [noun, "list", "--store", &store, "--set", &budget];
            let answer = folder.run(&line).await;
            assert_eq!(answer.exit, 0, "{answer:?}");
            answer
        }
    };
    for noun in ["source", "subscriber"] {
        let cut = list(noun, "0s").await;
        assert!(cut.data.contains(" 256 "), "{cut:?}");
        let said = cut.talk.contains("Counted back to ");
        assert!(said && cut.talk.contains("store.list_budget"), "{cut:?}");
        // The control: with time all are counted, and nothing is said of it.
        let whole = list(noun, "20s").await;
        assert!(whole.data.contains(" 300 "), "{whole:?}");
        assert!(!whole.talk.contains("Counted"), "{whole:?}");
    }
    app.stop().await;
}

//! One owner can do nothing to another's messages: a token with an owner registers, polls and lists
//! broadcasts at the sources that name it, and nowhere else.

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tickrelay::access::Role;

use crate::retrying::T0;
use crate::support::api::Caller;
use crate::support::cli::Folder;
use crate::support::receiver::{Received, Receiver};
use crate::support::service::Home;
use crate::support::{TestApp, cloud};

fn registration_of(source: &str, id: &str, text: &str) -> Value {
    json!({"source": source, "msId": id, "message": text, "type": "Regular-Message"})
}

async fn integrator(app: &TestApp, owner: &str) -> Caller {
    app.caller_with(Role::Integrator, |new| new.owner = Some(owner.to_owned()))
        .await
}

/// What `beta` does to a message of acme's at `cloud`: what it is answered, and then what the
/// message says and what acme is notified of its failure.
async fn attack(owners: &[&str]) -> (Vec<u16>, Value, Vec<Value>) {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        config.sources[0].owners = owners.iter().map(|&it| it.to_owned()).collect();
    })
    .await;
    let receiver = Receiver::start();
    app.subscribe_with("crm", &receiver.url, |new| {
        new.owner = Some("acme".to_owned());
        new.filter.rules = vec!["Template-Message=failed".parse().unwrap()];
    })
    .await;
    app.report(&[cloud::status("wamid.1", "sent", T0)]).await;
    let beta = integrator(&app, "beta").await;
    let mut answers = Vec::new();
    // With the right recipient too, which is in many a log.
    for recipient in [None, Some("+34600000001")] {
        let mut message = registration_of("cloud", "wamid.1", "Owned by beta");
        message["mobileNo"] = json!(recipient);
        answers.push(beta.post("/messages", &message).await.status);
    }
    let sent = json!({
        "request": {"messaging_product": "whatsapp", "to": "34600000001", "type": "text",
            "text": {"body": "Owned by beta"}},
        "response": {"contacts": [{"input": "34600000001", "wa_id": "34600000001"}],
            "messages": [{"id": "wamid.1"}]},
    });
    answers.push(beta.post("/sources/cloud/sent", &sent).await.status);
    answers.push(beta.get("/messages/wamid.1").await.status);
    answers.push(beta.get("/messages/wamid.1/timeline").await.status);
    app.report(&[cloud::failed("wamid.1", T0 + 1)]).await;
    app.settled().await;
    let message = app.admin().await.get("/messages/wamid.1").await.with(200);
    let arrived = receiver.received();
    let payloads = arrived.iter().map(Received::json).collect();
    app.stop().await;
    (answers, message, payloads)
}

#[actix_web::test]
async fn an_owner_neither_reads_nor_changes_nor_hides_a_message_of_another() {
    for owners in [&[][..], &["acme"]] {
        let (answers, message, payloads) = attack(owners).await;
        assert_eq!(answers, [403, 403, 403, 404, 404], "{owners:?}");
        assert_eq!(
            (&message["type"], &message["text"], &message["registration"]),
            (&json!("Template-Message"), &Value::Null, &Value::Null)
        );
        assert_eq!(payloads.len(), 1, "acme is notified of the failure");
        assert_eq!(payloads[0]["message"], "");
    }
}

#[actix_web::test]
async fn without_the_rule_an_owner_takes_the_message_of_another() {
    // The control: owners of one source trust each other, and can do all of it.
    let (answers, message, payloads) = attack(&["acme", "beta"]).await;
    assert_eq!(answers, [200, 200, 200, 200, 200]);
    assert_eq!(
        (&message["type"], &message["text"]),
        (&json!("Regular-Message"), &json!("Owned by beta"))
    );
    assert_eq!(
        payloads,
        [] as [Value; 0],
        "acme is registration_of nothing"
    );
}

#[actix_web::test]
async fn an_owner_is_not_locked_out_by_what_another_registered_first() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        for source in &mut config.sources {
            source.owners = vec!["beta".to_owned()];
        }
    })
    .await;
    let beta = integrator(&app, "beta").await;
    beta.post("/messages", &registration_of("cloud", "wamid.1", "Beta's"))
        .await
        .with(201);
    beta.post(
        "/messages",
        &registration_of("infobip", "wamid.2", "Beta's"),
    )
    .await
    .with(201);
    // The operator gives the source to acme: what beta registered there is beta's no more.
    let app = app
        .restart_with(|config| config.sources[0].owners = vec!["acme".to_owned()])
        .await;
    let acme = integrator(&app, "acme").await;
    let beta = integrator(&app, "beta").await;
    beta.get("/messages/wamid.1").await.problem(404);
    let answer = acme
        .post("/messages", &registration_of("cloud", "wamid.1", "Acme's"))
        .await;
    assert_eq!(answer.with(200)["results"][0]["result"], "updated");
    let message = acme.get("/messages/wamid.1").await.with(200);
    assert_eq!(
        (&message["text"], &message["registration"]["owner"]),
        (&json!("Acme's"), &json!("acme"))
    );
    beta.get("/messages/wamid.1").await.problem(404);
    // The same id at another source is another message.
    acme.post("/messages", &registration_of("cloud", "wamid.2", "Acme's"))
        .await
        .with(201);
    let seen = acme.all("/messages?provider_message_id=wamid.2", 5).await;
    assert_eq!(
        (seen.len(), &seen[0]["source"], &seen[0]["text"]),
        (1, &json!("cloud"), &json!("Acme's"))
    );
    app.stop().await;
}

#[actix_web::test]
async fn what_is_refused_names_the_setting_and_costs_no_neighbour() {
    let app = TestApp::boot_with(tickrelay::clock::Clock::system(), |config| {
        config.sources[0].owners = vec!["acme".to_owned()];
    })
    .await;
    let acme = integrator(&app, "acme").await;
    let setting = "only owners = [\\\"acme\\\"] in its [[source]]";
    let refused = acme
        .post("/messages", &registration_of("infobip", "a", ""))
        .await;
    refused.problem(403);
    assert!(refused.text.contains(setting), "{}", refused.text);
    assert!(refused.text.contains("\\\"infobip\\\""), "{}", refused.text);
    // Of many each is answered for itself; where none is for the token, all of it is refused.
    let both = json!([
        registration_of("infobip", "a", ""),
        registration_of("cloud", "b", "")
    ]);
    let answer = acme.post("/messages", &both).await.with(200);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(
        (&results[0]["errors"][0]["field"], &results[1]["result"]),
        (&json!("/source"), &json!("created"))
    );
    let foreign = json!([
        registration_of("infobip", "a", ""),
        registration_of("d360", "b", "")
    ]);
    acme.post("/messages", &foreign).await.problem(403);
    // An admin registers at every source, whichever owners it names.
    let admin = app.admin().await;
    for source in ["cloud", "infobip"] {
        let answer = admin
            .post("/messages", &registration_of(source, "c", ""))
            .await;
        answer.with(201);
    }
    // What the operator registered of a message, an owner of its source may mend.
    let answer = acme
        .post("/messages", &registration_of("cloud", "c", "Mended"))
        .await;
    assert_eq!(answer.with(200)["results"][0]["result"], "updated");
    app.stop().await;
}

#[test]
fn the_start_warns_of_a_token_whose_owner_no_source_names() {
    let home = Home::new();
    let service = home.start();
    for (name, owner) in [("crm", Some("acme")), ("shop", Some("beta")), ("ops", None)] {
        let role = owner.map_or(Role::Admin, |_| Role::Integrator);
        let new = json!({ "name": name, "role": role, "owner": owner });
        service.ask("POST", "/tokens", &new);
    }
    service.ask("POST", "/tokens/2/revoke", &());
    service.stop();
    let log = || {
        let mut service = home.start();
        kill_process(service.process(), Signal::TERM).unwrap();
        service.end().1
    };
    let warned = log();
    let warning = r#"token 1 (crm) has the owner \"acme\", whom no source names"#;
    assert!(warned.contains(warning), "{warned}");
    assert_eq!(
        warned.matches("whom no source names").count(),
        1,
        "{warned}"
    );
    let file = home.file("tickrelay.toml");
    let config = std::fs::read_to_string(&file).unwrap() + "owners = [\"acme\"]\n";
    std::fs::write(&file, config).unwrap();
    let quiet = log();
    assert!(!quiet.contains("whom no source names"), "{quiet}");
}

#[actix_web::test]
async fn the_check_of_a_configuration_warns_of_what_it_takes_from_tokens() {
    let folder = Folder::new();
    let check = ["config", "check"];
    // A check makes no store, and needs none.
    assert!(!folder.done(&check).await.contains("acme"));
    assert!(!folder.path("tickrelay.db").exists());
    let create = ["token", "create", "--role", "integrator", "--owner", "acme"];
    folder.done(&create).await;
    let warning = "warning: source.owners: token 1 (integrator) has the owner \"acme\", whom no";
    let warned = folder.done(&check).await;
    assert!(warned.contains(warning), "without a service: {warned}");
    let _service = folder.serve();
    let warned = folder.done(&check).await;
    assert!(warned.contains(warning), "beside a service: {warned}");
    let file = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&file).unwrap() + "owners = [\"acme\"]\n";
    std::fs::write(&file, config).unwrap();
    let quiet = folder.done(&check).await;
    assert!(!quiet.contains("acme"), "{quiet}");
}

#[actix_web::test]
async fn a_token_is_warned_of_by_the_sources_that_it_sees() {
    let folder = Folder::new();
    let file = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&file).unwrap()
        + "owners = [\"acme\"]\n[[source]]\nname = \"shared\"\nprovider = \"infobip\"\n\
           url_token = \"a-token-of-the-folder\"\n[[source]]\nname = \"beta\"\n\
           provider = \"infobip\"\nurl_token = \"another-token-of-the-folder\"\n\
           owners = [\"beta\"]\n";
    std::fs::write(&file, config).unwrap();
    let powerless = "(shared) names";
    let curious = "no --source, so its subscribers may be sent the messages of other owners' \
                   sources (cloud)";
    for (id, sources, warnings) in [
        (1, &["--source", "shared"][..], &[powerless][..]),
        (2, &[], &[curious]),
        // The control: what is as it should be is not warned of.
        (3, &["--source", "beta"], &[]),
    ] {
        let create = ["token", "create", "--role", "integrator", "--owner", "beta"];
        let made = folder.run(&[&create, sources].concat()).await;
        let checked = folder.done(&["config", "check"]).await;
        let of_it = |text: &str| -> Vec<String> {
            let named = format!("token {id} (integrator) has");
            let lines = text.lines().filter(|line| line.contains(&named));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(of_it(&made.talk), of_it(&checked), "{made:?}");
        let found = of_it(&checked);
        assert_eq!(found.len(), warnings.len(), "{found:?}");
        for (line, warning) in found.iter().zip(warnings) {
            assert!(line.contains(warning), "{line}");
        }
    }
    let log = folder.log_of_start(&[]);
    assert!(log.contains(powerless) && log.contains("(cloud)"), "{log}");
}

#[actix_web::test]
async fn an_owner_lists_broadcasts_beside_a_source_that_is_polled_for_another() {
    let folder = Folder::new();
    let polled = |name: &str, owner: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nprovider = \"botsquad\"\nunauthenticated = true\n\
             url = \"http://127.0.0.1:9/{{id}}\"\nowners = [\"{owner}\"]\n"
        )
    };
    let file = folder.path("tickrelay.toml");
    let config = std::fs::read_to_string(&file).unwrap()
        + &polled("theirs", "beta")
        + &polled("ours", "acme");
    std::fs::write(&file, config).unwrap();
    let create = ["token", "create", "--role", "integrator", "--owner", "acme"];
    let token = folder.done(&create).await;
    let service = folder.serve();
    for source in ["theirs", "ours"] {
        let poll = ["broadcast", "poll", "b-1", "--source", source];
        folder.done(&poll).await;
    }
    let away = ["--url", service.base(), "--token", token.trim()];
    for (source, sources) in [
        (&[][..], &["ours"][..]),
        (&["--source", "ours"], &["ours"]),
        (&["--source", "theirs"], &[]),
    ] {
        let list = [&away[..], &["broadcast", "list", "--json"], source].concat();
        let listed = folder.run(&list).await;
        assert_eq!(listed.exit, 0, "{listed:?}");
        let listed = listed.json();
        let polls = listed["polls"].as_array().unwrap().iter();
        let found: Vec<&str> = polls.map(|it| it["source"].as_str().unwrap()).collect();
        assert_eq!(found, sources, "{listed}");
    }
}

//! What an error repeats of what was typed, and what it says of a body that cannot be read.

use serde_json::json;

use crate::support::TestApp;
use crate::support::cli::Folder;

/// What is typed where something is named: no error repeats more of it than two hundred characters.
#[actix_web::test]
async fn no_command_repeats_more_of_what_was_typed_than_is_needed() {
    let folder = Folder::new();
    folder.make_store().await;
    let word = "x".repeat(5_000);
    let set = |key: &str, value: &str| format!("{key}={value}");
    let lines: Vec<Vec<String>> = [&word]
        .into_iter()
        .flat_map(|long| {
            [
                vec!["config", "show", "--set", &set(long, "1")],
                vec![
                    "config",
                    "check",
                    "--set",
                    &set(&format!("server.{long}"), "1"),
                ],
                vec!["config", "show", "--set", &set("log.filter", long)],
                vec!["config", "show", "--set", &set("store.url", long)],
                vec!["config", "show", "--set", long],
                vec!["config", "show", "--config", long],
                vec!["config", "check", "--config", long],
                vec!["source", "list", "--config", long],
                vec!["serve", "--config", long],
                vec!["init", "--config", long],
                vec!["source", "list", "--store", &format!("sqlite://{long}")],
                vec!["source", "list", "--store", &format!("{long}://a")],
                vec!["serve", "--set", &set("forward.ca_file", long)],
                vec!["serve", "--set", &set("store.key", long)],
                vec!["erase", long, "--dry-run"],
                vec!["erase", &format!("ES.{long}"), "--yes"],
                vec!["message", "show", long],
                vec!["message", "list", "--source", long],
                vec!["message", "list", "--error", long],
                vec!["message", "list", "--cursor", long],
                vec!["message", "register", long],
                vec!["explain", long],
                vec!["forward", "show", long],
                vec!["forward", "list", "--subscriber", long],
                vec!["forward", "retry", long],
                vec!["webhook", "show", long],
                vec!["subscriber", "show", long],
                vec!["subscriber", "test", long],
                vec!["subscriber", "add", "--name", long, "--url", long],
                vec![
                    "subscriber",
                    "add",
                    "--name",
                    "a",
                    "--url",
                    "https://a.example",
                    "--type",
                    long,
                ],
                vec!["template", "show", long, long],
                vec!["template", "put", "a", long, "b"],
                vec!["broadcast", "poll", long, "--source", long],
                vec!["replay", "show", long],
                vec!["token", "create", "--name", long, "--role", long],
                vec![long.as_str()],
            ]
            .map(|line| line.into_iter().map(str::to_owned).collect())
        })
        .collect();
    for line in lines {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let answer = folder.run(&line).await;
        let shown: Vec<String> = line
            .iter()
            .map(|it| it.chars().take(30).collect())
            .collect();
        assert_ne!(answer.exit, 0, "{shown:?}");
        let signs = answer.talk.chars().filter(|letter| *letter == 'x').count();
        assert!(signs <= 450, "{shown:?}: {signs} in {}", answer.talk);
        let said = format!("{}{}", answer.data, answer.talk);
        assert!(!said.contains(&"x".repeat(201)), "{shown:?}: {said}");
    }
}

/// What an unreadable body is, where it is shown: at the webhook, in words of people.
#[actix_web::test]
async fn a_webhook_that_cannot_be_read_says_why_in_words_and_where() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    let bodies = [
        (
            "{a: 1}",
            "not JSON: a name is not in quotes (line 1, column 2)",
        ),
        (
            "{\"results\": [\n1,",
            "not JSON: it ends where a value belongs (line 2, column 2)",
        ),
        (
            "{\"a\": 1} x",
            "not JSON: something stands behind its end (line 1, column 10)",
        ),
        ("'a'", "not JSON: a value is missing (line 1, column 1)"),
        ("", "not JSON: the body is empty"),
        (
            "{\"results\": [{\"messageId\": \"a\", \"price\": 1e999}]}",
            "a report cannot be read: a number is out of all range (line 1, column 33 of it)",
        ),
    ];
    for (body, expected) in bodies {
        assert_eq!(app.post("infobip", body).await, 200);
        let page = admin.get("/webhooks?limit=1").await.with(200);
        let webhook = &page["data"][0];
        assert_eq!(
            (&webhook["outcome"], &webhook["outcome_detail"]),
            (&json!("unparsed"), &json!(expected)),
            "{body}"
        );
    }
    app.stop().await;
}

//! Every field of the API, from its own document, with values of every sort.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

/// What no caller should ever read.
const RUST: [&str; 24] = [
    "invalid type",
    "invalid value",
    "invalid digit",
    "unknown variant",
    "unknown field",
    "missing field",
    "duplicate field",
    "integer `",
    "string \"",
    "sequence",
    "expected ",
    " map",
    "struct ",
    "enum ",
    "u16",
    "u32",
    "i64",
    "usize",
    "Some(",
    "None",
    "at line",
    "EOF",
    "..=",
    "::",
];

/// Values of every sort; a field takes one of them at most, or says what it takes.
fn bad_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("☃"),
        json!("a\u{1b}[2J\nb"),
        json!("x".repeat(3000)),
        json!([]),
        json!([{}, 1, "x", null]),
        json!({}),
        json!({"x".repeat(3000): {"y": [1]}}),
    ]
}

/// An answer that refuses says it in words, and repeats little.
fn check_words(text: &str, asked: &str) {
    for word in RUST {
        assert!(!text.contains(word), "{word:?} in {text}\nfor {asked}");
    }
    assert!(!text.contains(&"x".repeat(201)), "{text}\nfor {asked}");
}

fn document() -> Value {
    serde_json::from_str(include_str!("../../../schema/openapi.json")).unwrap()
}

/// The schema behind a reference, or the first of those that it may be.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(place) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(&place[1..]).unwrap());
    }
    let several = schema["oneOf"].as_array().or(schema["allOf"].as_array());
    let several = several.into_iter().flatten();
    several
        .filter(|one| one["type"] != "null")
        .map(|one| resolved(document, one))
        .next()
        .unwrap_or(schema)
}

/// Every field of a body, two levels deep, as a body that has it alone.
fn bodies(document: &Value, schema: &Value) -> Vec<Value> {
    let mut bodies = Vec::new();
    let fields = |schema: &Value| -> Vec<(String, Value)> {
        let all = resolved(document, schema)["properties"]
            .as_object()
            .cloned();
        all.into_iter().flatten().collect()
    };
    for (name, schema) in fields(schema) {
        for bad in bad_values() {
            bodies.push(json!({ &name: bad.clone() }));
            for (inner, _) in fields(&schema) {
                bodies.push(json!({ &name: { inner: bad.clone() } }));
            }
        }
    }
    bodies
}

#[actix_web::test]
async fn no_field_of_the_api_is_answered_in_words_of_rust() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    app.subscribe("crm", "http://127.0.0.1:9/").await;
    let document = document();
    let (mut asked, mut refused) = (0, BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else {
                continue;
            };
            let url = path.trim_start_matches("/api/v1");
            let named = url.replace("{name}", "crm").replace("{id}", "1");
            let named = named.replace("{key}", "x").replace("{language}", "en");
            let parameters = operation["parameters"].as_array().cloned();
            for parameter in parameters.into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                for bad in ["", "-1", "1.5", "soon", "☃", &"x".repeat(3000)] {
                    let bad = url::form_urlencoded::byte_serialize(bad.as_bytes());
                    let bad = bad.collect::<String>().replace('+', "%20");
                    let url = match parameter["in"].as_str() {
                        Some("query") => format!("{named}?{name}={bad}"),
                        Some("path") if !bad.is_empty() => {
                            url.replace(&format!("{{{name}}}"), &bad)
                        }
                        _ => continue,
                    };
                    let body = (method != Method::GET).then(|| "{}".to_owned());
                    let answer = admin.ask(method.clone(), &url, body).await;
                    assert!(answer.status < 500, "{method} {url}: {answer:?}");
                    asked += 1;
                    if answer.status >= 400 {
                        check_words(&answer.text, &format!("{method} {url}"));
                        refused.insert(format!("{method} {path} {name}"));
                    }
                }
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            for body in bodies(&document, schema) {
                let text = body.to_string();
                let answer = admin.ask(method.clone(), &named, Some(text.clone())).await;
                assert!(answer.status < 500, "{method} {named} {text}: {answer:?}");
                asked += 1;
                if answer.status >= 400 {
                    check_words(&answer.text, &format!("{method} {named} {text}"));
                    refused.insert(format!("{method} {path} {text}"));
                }
            }
        }
    }
    assert!(
        asked > 1_000 && refused.len() > 500,
        "{asked}, {}",
        refused.len()
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_body_that_is_no_json_is_reported_where() {
    let app = TestApp::boot().await;
    let admin = app.admin().await;
    for body in [
        "",
        "{",
        "{\"name\"",
        "nothing",
        "{} {}",
        "[1",
        "\"\\ud800\"",
        "{\"a\":1e999}",
    ] {
        let answer = admin
            .ask(Method::POST, "/subscribers", Some(body.to_owned()))
            .await;
        answer.problem(422);
        check_words(&answer.text, body);
    }
    app.stop().await;
}

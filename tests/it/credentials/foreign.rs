//! Passwords with letters and signs outside ASCII, which each server escapes in its own way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tickrelay::access::Role;

use super::T0;
use super::echoes::{Echo, Form, excerpts_at};
use crate::support::{TestApp, client, cloud};

const PASSWORDS: [&str; 4] = [
    "Geheim€Wort€2026!",
    "Пароль-Секрет",
    "Grüße-an-Ægir",
    "schlüssel-😀-🔑-𝕊",
];

/// How the password is written by one who sends it back.
const FORMS: [(&str, Form); 9] = [
    ("plain", str::to_owned),
    ("json", |text| units(text, |unit| format!("\\u{unit:04x}"))),
    ("JSON", |text| units(text, |unit| format!("\\u{unit:04X}"))),
    ("capitals", |text| {
        units(&text.to_uppercase(), |unit| format!("\\u{unit:04x}"))
    }),
    ("braces", |text| {
        characters(text, |it| format!("\\u{{{it:x}}}"))
    }),
    ("decimal", |text| characters(text, |it| format!("&#{it};"))),
    ("hexadecimal", |text| {
        characters(text, |it| format!("&#x{it:x};"))
    }),
    ("percent", |text| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
    }),
    ("twice", |text| {
        units(text, |unit| format!("\\\\u{unit:04x}"))
    }),
];

/// Each character outside ASCII in that form, a half of a pair by itself.
fn units(text: &str, form: impl Fn(u16) -> String) -> String {
    let escaped = |unit: u16| match u8::try_from(unit) {
        Ok(ascii) if ascii.is_ascii() => char::from(ascii).to_string(),
        _ => form(unit),
    };
    text.encode_utf16().map(escaped).collect()
}

/// Each character outside ASCII in that form.
fn characters(text: &str, form: impl Fn(u32) -> String) -> String {
    let escaped = |it: char| match it {
        it if it.is_ascii() => it.to_string(),
        it => form(it.into()),
    };
    text.chars().map(escaped).collect()
}

/// A line for each form of the password that a request was proved with.
fn password_of(head: &str) -> String {
    let basic = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_it = name.eq_ignore_ascii_case("authorization");
        value.strip_prefix("Basic ").filter(|_| is_it)
    });
    let pair = STANDARD.decode(basic.unwrap_or_default()).unwrap();
    let pair = String::from_utf8(pair).unwrap();
    lines_of(pair.split_once(':').map_or("", |(_, password)| password))
}

fn lines_of(password: &str) -> String {
    let lines = FORMS.map(|(name, form)| format!("{name} is {}\n", form(password)));
    lines.concat()
}

/// Nothing of the password is in what is shown, and the rest is.
fn check(password: &str, shown: &str) {
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), FORMS.len(), "{shown}");
    for ((name, _), line) in FORMS.iter().zip(lines) {
        // A sign at its end may stay where letters alone were compared.
        let line = line.trim_end_matches(['!', ';']).trim_end_matches("%21");
        assert_eq!(line, format!("{name} is [redacted]"), "{password}: {shown}");
    }
}

#[actix_web::test]
async fn a_password_of_any_characters_is_hidden_however_it_is_escaped() {
    let app = TestApp::boot().await;
    let admin = app.caller(Role::Admin).await;
    let echo = Echo::start(password_of);
    for (at, password) in PASSWORDS.into_iter().enumerate() {
        let name = format!("crm-{at}");
        let subscriber = json!({
            "name": name, "url": echo.url,
            "auth": {"type": "basic", "username": "crm", "password": password},
        });
        admin.post("/subscribers", &subscriber).await.with(201);
        app.report(&[cloud::status(&format!("wamid.{at}"), "sent", T0)])
            .await;
        check(password, &excerpts_at(&app, &name).await[0]);
        let test = format!("/subscribers/{name}/test");
        let tested = admin.post(&test, &json!({"status": "sent"})).await;
        let body = &tested.with(200)["samples"][0]["response"]["body"];
        check(password, body.as_str().unwrap());
        admin.delete(&format!("/subscribers/{name}")).await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn an_answer_that_is_not_looked_through_reveals_such_a_password() {
    let echo = Echo::start(password_of);
    for password in PASSWORDS {
        let request = client().post(&echo.url).basic_auth("crm", Some(password));
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert_eq!(answer, lines_of(password));
    }
}

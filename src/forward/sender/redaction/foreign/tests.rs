//! Passwords with letters and signs outside ASCII, in every form that is looked for.

use super::super::tests::{each, hex, html, json, percent, wrapped};
use super::super::{REDACTED, Redaction, STANDARD};
use base64::Engine as _;

/// Passwords with letters and signs of several alphabets, also beyond the first 65 536 characters.
const FOREIGN: [&str; 5] = [
    "Geheim€Wort€2026!",
    "Пароль-Секрет",
    "Grüße an Ægir & Ødis",
    "秘密の合言葉です",
    "p😀a🔑s𝕊s",
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

/// As Python's `json.dumps` has it.
fn ascii_json(text: &str) -> String {
    units(text, |unit| format!("\\u{unit:04x}"))
}

/// A password of any characters in each form.
fn foreign_forms(secret: &str) -> Vec<(&'static str, String)> {
    let latin = |unit: u16| match u8::try_from(unit) {
        Ok(byte) => format!("\\x{byte:02x}"),
        Err(_) => format!("\\u{unit:04x}"),
    };
    let small = |byte: u8| match byte {
        letter if letter.is_ascii_alphanumeric() => char::from(letter).to_string(),
        byte => format!("%{byte:02x}"),
    };
    let named = secret.replace('€', "&euro;").replace('ü', "&uuml;");
    let named = named.replace('ß', "&szlig;").replace('Æ', "&AElig;");
    vec![
        ("plain", secret.to_owned()),
        ("json", ascii_json(secret)),
        ("JSON", units(secret, |it| format!("\\u{it:04X}"))),
        ("json twice", ascii_json(secret).replace('\\', "\\\\")),
        ("decimal", characters(secret, |it| format!("&#{it};"))),
        ("hex", characters(secret, |it| format!("&#x{it:x};"))),
        ("HEX", characters(secret, |it| format!("&#X{it:X};"))),
        ("halves", units(secret, |it| format!("&#{it};"))),
        ("braces", characters(secret, |it| format!("\\u{{{it:x}}}"))),
        ("zeros", characters(secret, |it| format!("\\u{{{it:06X}}}"))),
        ("eight", characters(secret, |it| format!("\\U{it:08x}"))),
        ("percent", percent(secret)),
        ("small percent", each(secret, small)),
        ("percent twice", percent(&percent(secret))),
        ("escape()", units(secret, |it| format!("%u{it:04X}"))),
        ("percent of json", percent(&ascii_json(secret))),
        ("json of html", json(&html(&ascii_json(secret)))),
        ("bytes", each(secret, |byte| format!("\\x{byte:02x}"))),
        ("Latin-1", units(secret, latin)),
        (
            "read as Latin-1",
            each(secret, |byte| format!("\\u{byte:04x}")),
        ),
        ("named", named),
        ("hex digits", hex(secret)),
    ]
}

fn of_password(secret: &str) -> Redaction {
    let mut redaction = Redaction::default();
    let pair = STANDARD.encode(format!("user:{secret}"));
    redaction.hide_value(&format!("Basic {pair}"));
    redaction
}

/// Without a sign at the end of a password, which may be left where letters alone are compared.
fn without_signs(shown: &str) -> String {
    let shown = shown.replace("%2521", "").replace("%21", "");
    shown.replace(['!', '&', '#', ';'], "")
}

#[test]
fn a_password_of_any_characters_is_found_in_every_form() {
    for secret in FOREIGN {
        let redaction = of_password(secret);
        for (name, form) in foreign_forms(secret) {
            let shown = redaction.apply(&format!("before {form} after"));
            let left = without_signs(&shown);
            assert_eq!(left, "before [redacted] after", "{name}: {form}");
        }
        let html = characters(secret, |it| format!("&#{it};"));
        for inner in [secret.to_owned(), ascii_json(secret), html] {
            let encoded = STANDARD.encode(format!("{{\"x\": \"{inner}\"}}"));
            let shown = redaction.apply(&encoded);
            let left: usize = shown.split(REDACTED).map(str::len).sum();
            assert!(shown.contains(REDACTED) && left < 24, "{inner}: {shown}");
        }
    }
}

#[test]
fn neither_case_nor_lines_hide_letters_of_any_alphabet() {
    for secret in &FOREIGN[..4] {
        let redaction = of_password(secret);
        let apart: String = secret.chars().flat_map(|letter| [letter, ' ']).collect();
        let capitals = secret.to_uppercase();
        for form in [
            ascii_json(&capitals),
            ascii_json(secret).to_uppercase(),
            ascii_json(&apart),
            capitals,
            secret.to_lowercase(),
            wrapped(secret, 3),
            apart,
        ] {
            let shown = redaction.apply(&format!("before {form} after"));
            let left: String = shown.chars().filter(|it| it.is_alphanumeric()).collect();
            assert_eq!(left, "beforeredactedafter", "{form}: {shown}");
        }
    }
}

#[test]
fn what_the_end_has_cut_of_any_characters_is_not_half_shown() {
    for secret in FOREIGN {
        let redaction = of_password(secret);
        for (name, form) in foreign_forms(secret) {
            for length in form.len() * 2 / 3..form.len() {
                let cut = String::from_utf8_lossy(&form.as_bytes()[..length]);
                let shown = redaction.apply(&format!("before {cut}"));
                let left = without_signs(&shown);
                let left = left.trim_end_matches(['%', '2', '5']);
                assert_eq!(left, "before [redacted]", "{name}: {cut}");
            }
        }
    }
}

#[test]
fn an_answer_loses_a_password_of_any_letters_and_other_words_stay() {
    let secret = FOREIGN[1];
    for (name, form) in foreign_forms(secret) {
        let answer = format!("{{\"a\": \"{form}\"}}");
        let shown = of_password(secret).apply_to_answer(answer.as_bytes());
        assert!(shown.is_some(), "{name}: {form}");
    }
    let others = "Пароль \\u041f\\u0430\\u0440 &#1055; &euro; \\ud83d, Grüße";
    assert_eq!(of_password(secret).apply(others), others);
    let shown = of_password(secret).apply_to_answer(others.as_bytes());
    assert_eq!(shown, None);
}

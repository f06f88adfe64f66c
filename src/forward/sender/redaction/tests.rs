//! Secrets in every form that is looked for, and what is none.

use super::*;

const TOKEN: &str = "s3cr/t+\"&<to>%41ken=";

fn redaction() -> Redaction {
    let mut redaction = Redaction::default();
    redaction.hide_value(&format!("Bearer {TOKEN}"));
    redaction
}

/// A text with that in its middle shows nothing of it.
fn check(form: &str) {
    let text = format!("before {form}, after");
    let shown = redaction().apply(&text);
    assert_eq!(shown, format!("before {REDACTED}, after"), "{text}");
}

pub(super) fn percent(text: &str) -> String {
    let encoded = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encoded).collect()
}

pub(super) fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn json(text: &str) -> String {
    serde_json::to_string(text)
        .unwrap()
        .trim_matches('"')
        .to_owned()
}

#[test]
fn a_secret_is_found_in_every_usual_form() {
    let php = json(TOKEN).replace('/', "\\/");
    let unicode = each(TOKEN, |byte| format!("\\u{byte:04x}"));
    let decimal = each(TOKEN, |byte| format!("&#{byte};"));
    let hexadecimal = each(TOKEN, |byte| format!("&#x{byte:X};"));
    for form in [
        TOKEN.to_owned(),
        json(TOKEN),
        php,
        unicode,
        html(TOKEN),
        decimal,
        hexadecimal,
        percent(TOKEN),
        percent(TOKEN).to_lowercase(),
        html(&json(TOKEN)),
        json(&html(TOKEN)),
        percent(&percent(TOKEN)),
        hex(TOKEN),
    ] {
        check(&form);
    }
}

pub(super) fn hex(text: &str) -> String {
    each(text, |byte| format!("{byte:02x}"))
}

/// Each byte in that form.
pub(super) fn each(text: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes()
        .fold(String::new(), |all, byte| all + &form(byte))
}

#[test]
fn a_secret_is_found_inside_what_was_encoded_with_it() {
    for before in ["", "a", "ab", "abc"] {
        let whole = format!("{before}{TOKEN}{before}");
        for encoded in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
            let shown = redaction().apply(&format!("before {encoded}"));
            let left = shown.replace("before ", "").replace(REDACTED, "");
            assert!(shown.contains(REDACTED) && left.len() <= 12, "{shown}");
        }
    }
}

#[test]
fn what_the_end_has_cut_is_no_secret_half_shown() {
    for form in [
        TOKEN.to_owned(),
        percent(TOKEN),
        html(TOKEN),
        STANDARD.encode(TOKEN),
    ] {
        for length in 8..form.len() {
            let text = format!("before {}", &form[..length]);
            let shown = redaction().apply(&text);
            // In base64 the last of it shares its bits with what would follow.
            let left = shown.strip_prefix(&format!("before {REDACTED}"));
            assert!(left.is_some_and(|left| left.len() <= 1), "{text}: {shown}");
        }
    }
}

#[test]
fn the_parts_of_a_value_are_secrets_too_and_short_ones_are_none() {
    let mut redaction = Redaction::default();
    redaction.hide_value("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    redaction.hide_value("sid=0123456789; lang=en");
    redaction.hide_value("1");
    redaction.hide_pair("proxy:gate");
    for (text, shown) in [
        ("Aladdin:open sesame", "[redacted]"),
        ("no user has open+sesame.", "no user has [redacted]."),
        ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "[redacted]"),
        ("sid is 0123456789", "sid is [redacted]"),
        ("the gate", "the [redacted]"),
        ("lang=en, 1 error", "lang=en, 1 error"),
        ("größer", "größer"),
    ] {
        assert_eq!(redaction.apply(text), shown);
    }
}

#[test]
fn a_url_that_opens_a_door_is_hidden_with_its_parts() {
    let mut redaction = Redaction::default();
    let url = "https://hooks.example/services/T000/abcdefgh1234?key=secret-one";
    redaction.hide_url(&url.parse().unwrap());
    for (text, shown) in [
        (url, "[redacted]"),
        ("POST /services/T000/abcdefgh1234", "POST [redacted]"),
        ("no abcdefgh1234 here", "no [redacted] here"),
        ("no secret-one", "no [redacted]"),
        ("hooks.example is down", "hooks.example is down"),
    ] {
        assert_eq!(redaction.apply(text), shown);
    }
}

/// A secret as a person's eyes see it: without what was redacted, and without what parts it.
fn left_of(shown: &str) -> String {
    let shown = shown.replace(REDACTED, " ");
    shown
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase()
}

const LONG: &str = "sk-live/4fQ9+aZ81_Kd7Xw2m=";

fn long() -> Redaction {
    let mut redaction = Redaction::default();
    redaction.hide_value(&format!("Bearer {LONG}"));
    redaction
}

/// Lines of so many characters.
pub(super) fn wrapped(text: &str, columns: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    let lines = letters.chunks(columns).map(String::from_iter);
    lines.collect::<Vec<_>>().join("\r\n")
}

#[test]
fn neither_case_nor_lines_nor_punctuation_hide_a_secret_from_us() {
    let colons = each(LONG, |byte| format!("{byte:02x}:"));
    let words = each(LONG, |byte| format!("{byte:02X} "));
    let named = LONG.replace('/', "&sol;").replace('+', "&plus;");
    let named = named.replace('_', "&lowbar;").replace('=', "&equals;");
    let encoded = STANDARD.encode(format!("{{\"authorization\": \"Bearer {LONG}\"}}"));
    for form in [
        LONG.to_uppercase(),
        LONG.to_lowercase(),
        each(LONG, |byte| format!("{} ", char::from(byte))),
        wrapped(LONG, 5),
        json(&wrapped(LONG.trim_end_matches('='), 5)),
        colons,
        words,
        named,
        LONG.trim_end_matches('=').to_owned(),
    ] {
        let shown = long().apply(&format!("before {form}, after"));
        assert!(shown.starts_with("before [redacted]"), "{form}: {shown}");
        assert_eq!(left_of(&shown), "beforeafter", "{form}: {shown}");
    }
    // The last letter shares its bits with what would follow.
    let small = STANDARD.encode(LONG).to_lowercase();
    assert_eq!(long().apply(&small), "[redacted]0=");
    for columns in [20, 30, 40] {
        let shown = long().apply(&wrapped(&encoded, columns));
        let joined: String = shown.split("\r\n").collect();
        let parts = joined.split(REDACTED);
        let decoded = parts.map(|part| STANDARD.decode(&part[..part.len() / 4 * 4]));
        let decoded: Vec<u8> = decoded.filter_map(Result::ok).flatten().collect();
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        assert!(shown.contains(REDACTED), "{shown}");
        assert!(decoded.starts_with("{\"authorization\""), "{decoded}");
        assert!(
            !decoded.contains("sk-live") && !decoded.contains("Xw2m"),
            "{decoded}"
        );
    }
}

#[test]
fn a_dump_shows_no_more_of_a_secret_than_a_line_has_at_its_edges() {
    let text = format!("Authorization: Bearer {LONG}\r\n");
    for turned in [false, true] {
        let lines: Vec<String> = (text.as_bytes().chunks(16).enumerate())
            .map(|(line, bytes)| {
                let words = bytes.chunks(2).map(|word| match *word {
                    [a, b] if turned => hex::encode([b, a]),
                    ref word => hex::encode(word),
                });
                let words: Vec<String> = words.collect();
                format!("{:08x}  {} \n", line * 16, words.join(" "))
            })
            .collect();
        let dump = lines.concat();
        let shown = long().apply(&dump);
        let mut longest = 0;
        for part in shown.split(REDACTED) {
            let digits: String = part
                .lines()
                .map(|line| line.get(10..).unwrap_or(line))
                .collect();
            let digits: String = digits.chars().filter(char::is_ascii_hexdigit).collect();
            for from in 0..LONG.len() {
                for until in from + 1..=LONG.len() {
                    if digits.contains(&hex(&LONG[from..until])) {
                        longest = longest.max(until - from);
                    }
                }
            }
        }
        assert!(
            shown.contains(REDACTED) && longest < 8,
            "{longest}: {shown}"
        );
    }
}

#[test]
fn a_long_piece_of_a_secret_is_one_and_a_word_is_none() {
    let masked = format!("Incorrect API key provided: {}****m=", &LONG[..16]);
    assert_eq!(
        long().apply(&masked),
        "Incorrect API key provided: [redacted]****m="
    );
    let masked = format!("key ...{} is unknown", &LONG[14..]);
    assert_eq!(long().apply(&masked), "key ...[redacted]= is unknown");
    // Seven letters and digits are no piece, nor are eleven without a digit.
    let mut words = Redaction::default();
    words.hide_value("Bearer authorization-of-crm-7");
    for text in [
        "the bearer authorization",
        "authorisation of crm",
        "crm 7, authoriz.",
    ] {
        let shown = words.apply(text);
        let is_piece = text.contains("authorization");
        assert_eq!(shown.contains(REDACTED), is_piece, "{shown}");
    }
}

#[test]
fn a_secret_with_a_quote_is_found_in_what_was_made_json_and_then_base64() {
    let secret = "an \"own\" secret/of 9 words";
    let mut redaction = Redaction::default();
    redaction.hide_value(secret);
    for before in ["", "a", "ab"] {
        let text = serde_json::json!({ format!("{before}x"): secret }).to_string();
        let shown = redaction.apply(&STANDARD.encode(text));
        assert!(shown.contains(REDACTED), "{shown}");
        let rest = shown.split(REDACTED).map(str::len).sum::<usize>();
        assert!(rest < 24, "{shown}");
    }
}

#[test]
fn a_large_answer_loses_a_secret_wherever_it_stands_and_nothing_else() {
    let filler = "31612345678 sent, ".repeat(WINDOW / 18);
    for before in [0, 1, WINDOW - 40, WINDOW - 9, WINDOW, WINDOW + 3] {
        for form in [
            LONG.to_owned(),
            json(LONG).replace('/', "\\/"),
            percent(LONG),
        ] {
            let start = filler.repeat(2)[..before].to_owned();
            let answer = format!("{start} {form} {filler}");
            let shown = long().apply_to_answer(answer.as_bytes()).unwrap();
            let shown = String::from_utf8(shown).unwrap();
            let rest = shown.strip_prefix(&start).unwrap();
            let rest = rest.strip_suffix(&filler).unwrap();
            assert!(rest.starts_with(" [redacted]"), "{before}: {rest}");
            // Punctuation at its end is no secret.
            assert!(["", "3d"].contains(&&*left_of(rest)), "{before}: {rest}");
        }
    }
    assert_eq!(long().apply_to_answer(filler.as_bytes()), None);
    assert_eq!(long().apply_to_answer(b""), None);
    // Half of it may be a number or a word that the answer is about.
    assert_eq!(long().apply_to_answer(&LONG.as_bytes()[..14]), None);
}

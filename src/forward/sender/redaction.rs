//! Keeps our credentials out of what an answer says: subscribers echo what they were sent.
//!
//! Pure. A secret is found as it is, JSON-escaped, HTML-escaped, percent-encoded, in hex and in
//! base64, also inside something longer that was encoded, and in up to three of these escapes one
//! over the other. What ends with the beginning of a secret was cut there, and loses that too. A
//! subscriber that wants to give away what it was told can always do so in a code of its own.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::plain::Plain;

/// What stands in the place of a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// A shorter text is no secret: to hide each `1` or `abc` would leave nothing to read.
const LEAST: usize = 4;
/// A part of a longer value is a secret of its own from this length on.
const LEAST_PART: usize = 8;
/// So many escapes, one over the other, are taken off.
const LAYERS: usize = 3;

/// What must not be shown, in each form that is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Redaction {
    needles: Vec<Vec<u8>>,
}

impl Redaction {
    /// Hides that text in every form; one that is too short is no secret.
    pub(super) fn hide(&mut self, secret: &str) {
        if secret.len() < LEAST {
            return;
        }
        let bytes = secret.as_bytes();
        self.add(bytes.to_vec());
        let mut plain = Plain::new(bytes);
        for _ in 1..LAYERS {
            plain = plain.unescaped();
            self.add(plain.bytes.clone());
        }
        self.add(hex(bytes, b"0123456789abcdef"));
        self.add(hex(bytes, b"0123456789ABCDEF"));
        for before in 0..3 {
            // Where it begins within three bytes decides how it looks in base64; what it shares
            // with its neighbours is left out.
            let mut aligned = vec![0; before];
            aligned.extend_from_slice(bytes);
            let (from, until) = ((before * 4).div_ceil(3), aligned.len() * 4 / 3);
            for encoded in [
                STANDARD_NO_PAD.encode(&aligned),
                URL_SAFE_NO_PAD.encode(&aligned),
            ] {
                let core = encoded.as_bytes().get(from..until);
                self.add(core.unwrap_or_default().to_vec());
            }
        }
    }

    /// Hides the value of a header, and those parts of it that are secrets by themselves: the
    /// token after its scheme, a password, a cookie.
    pub(super) fn hide_value(&mut self, value: &str) {
        self.hide(value);
        if let Some(pair) = value.strip_prefix("Basic ")
            && let Ok(pair) = STANDARD.decode(pair)
            && let Ok(pair) = String::from_utf8(pair)
        {
            self.hide_pair(&pair);
        }
        if let Some((scheme, credentials)) = value.split_once(' ')
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            self.hide(credentials);
        }
        let between = |text: char| text.is_whitespace() || text == ';' || text == ',';
        for part in value.split(between) {
            let inner = part.split_once('=').map_or("", |(_, inner)| inner);
            for part in [part, inner] {
                if part.len() >= LEAST_PART {
                    self.hide(part);
                }
            }
        }
    }

    /// Hides a user with its password, and the password alone.
    pub(super) fn hide_pair(&mut self, pair: &str) {
        self.hide(pair);
        if let Some((_, password)) = pair.split_once(':') {
            self.hide(password);
        }
    }

    /// Hides a whole URL, its path, and what in these may open a door.
    pub(super) fn hide_url(&mut self, url: &url::Url) {
        self.hide(url.as_str());
        let path_and_query = &url[url::Position::BeforePath..];
        self.hide(path_and_query);
        self.hide(url.path());
        for part in url.path().split('/') {
            if part.len() >= LEAST_PART {
                self.hide(part);
            }
        }
        self.hide_query(url);
    }

    /// Hides the values in the query of a URL.
    pub(super) fn hide_query(&mut self, url: &url::Url) {
        for (_, value) in url.query_pairs() {
            if value.len() >= LEAST_PART {
                self.hide(&value);
            }
        }
    }

    fn add(&mut self, needle: Vec<u8>) {
        if needle.len() >= LEAST && !self.needles.contains(&needle) {
            self.needles.push(needle);
        }
    }

    /// The text with every secret in it replaced.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        let mut plain = Plain::new(text.as_bytes());
        for _ in 0..=LAYERS {
            for needle in &self.needles {
                plain.find(needle, LEAST, &mut hidden);
            }
            let next = plain.unescaped();
            if next.bytes == plain.bytes {
                break;
            }
            plain = next;
        }
        if hidden.is_empty() {
            return text.to_owned();
        }
        hidden.sort_unstable();
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in hidden {
            if start > at || (start == 0 && at == 0) {
                shown.push_str(text.get(at..start).unwrap_or_default());
                shown.push_str(REDACTED);
            }
            at = at.max(end);
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        shown
    }
}

fn hex(bytes: &[u8], alphabet: &[u8; 16]) -> Vec<u8> {
    let digit = |value: u8| alphabet[usize::from(value & 15)];
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
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

    fn percent(text: &str) -> String {
        let encoded = |byte: u8| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        text.bytes().map(encoded).collect()
    }

    fn html(text: &str) -> String {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        text.replace('>', "&gt;").replace('"', "&quot;")
    }

    fn json(text: &str) -> String {
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

    fn hex(text: &str) -> String {
        each(text, |byte| format!("{byte:02x}"))
    }

    /// Each byte in that form.
    fn each(text: &str, form: impl Fn(u8) -> String) -> String {
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
}

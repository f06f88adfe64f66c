//! Keeps our credentials out of what an answer says: subscribers echo what they were sent.
//!
//! Pure. A secret is found as it is, JSON-escaped, HTML-escaped, percent-encoded, in hex and in
//! base64, also inside something longer that was encoded, and in up to three of these escapes one
//! over the other, whatever its alphabet. [`Pieces`] finds it too where its case, its punctuation
//! or its lines are others, and where only a piece of it is repeated. What ends with the beginning
//! of a secret was cut there, and loses that too. A subscriber can always give it away in a code of
//! its own.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::pieces::{Letters, Pieces, SecretPart, TextShape};
use super::plain::Plain;

/// What stands in the place of a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// A shorter text is no secret: to hide each `1` or `abc` would leave nothing to read.
const LEAST: usize = 4;
/// A part of a longer value is a secret of its own from this length on.
const LEAST_PART: usize = 8;
/// So many escapes, one over the other, are taken off.
const LAYERS: usize = 3;

/// So much of a large answer is looked through at once, in bytes.
const WINDOW: usize = 256 * 1024;
/// How many bytes an escaped letter of a secret may take where two windows meet.
const ESCAPED: usize = 24;

/// What must not be shown, in each form that is looked for.
#[derive(Debug, Clone)]
pub(super) struct Redaction {
    needles: Vec<Vec<u8>>,
    pieces: Pieces,
    /// Those with letters outside ASCII.
    foreign: Pieces,
}

impl Default for Redaction {
    fn default() -> Self {
        Self {
            needles: Vec::new(),
            pieces: Pieces::default(),
            foreign: Pieces::of(Letters::All),
        }
    }
}

impl Redaction {
    /// Hides that text in every form; one that is too short is no secret.
    pub(super) fn hide(&mut self, secret: &str) {
        self.hide_with(secret, SecretPart::Whole);
    }

    /// Hides that text and each long piece of it in every form.
    fn hide_pieces(&mut self, secret: &str) {
        self.hide_with(secret, SecretPart::Piece);
    }

    fn hide_with(&mut self, secret: &str, part: SecretPart) {
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
        self.pieces.add(bytes, part);
        if !secret.is_ascii() {
            self.hide_latin(secret);
            if secret
                .chars()
                .any(|it| !it.is_ascii() && it.is_alphanumeric())
            {
                self.foreign.add(bytes, part);
            }
        }
        self.hide_hex(bytes, part);
        for escaped in escaped(secret) {
            self.hide_base64(&escaped, part);
        }
    }

    /// Hides that text as those write it who know Latin-1 beside escapes, and as they read it.
    fn hide_latin(&mut self, secret: &str) {
        let mut bytes = Vec::with_capacity(secret.len());
        for character in secret.chars() {
            match u8::try_from(character) {
                Ok(byte) => bytes.push(byte),
                Err(_) => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        self.add(bytes);
        let read: String = secret.bytes().map(char::from).collect();
        self.foreign.add(read.as_bytes(), SecretPart::Whole);
        self.add(read.into_bytes());
    }

    /// Hides that text in hex, also as a dump of words that has each two bytes in turned order.
    fn hide_hex(&mut self, bytes: &[u8], part: SecretPart) {
        self.add(hex(bytes, b"0123456789abcdef"));
        self.add(hex(bytes, b"0123456789ABCDEF"));
        // Digits of a number may look like half of it.
        let part = match part {
            SecretPart::Whole => part,
            SecretPart::Piece | SecretPart::LongPiece => SecretPart::LongPiece,
        };
        self.pieces.add(&hex(bytes, b"0123456789abcdef"), part);
        for from in 0..2 {
            let (words, _) = bytes.get(from..).unwrap_or_default().as_chunks::<2>();
            let turned: Vec<u8> = words.iter().flat_map(|[a, b]| [*b, *a]).collect();
            self.pieces.add(&hex(&turned, b"0123456789abcdef"), part);
        }
    }

    fn hide_base64(&mut self, bytes: &[u8], part: SecretPart) {
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
                let core = encoded.as_bytes().get(from..until).unwrap_or_default();
                self.add(core.to_vec());
                self.pieces.add(core, part);
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
            self.hide_pieces(credentials);
        }
        let between = |text: char| text.is_whitespace() || text == ';' || text == ',';
        for part in value.split(between) {
            let inner = part.split_once('=').map_or("", |(_, inner)| inner);
            for part in [part, inner] {
                if part.len() >= LEAST_PART {
                    self.hide_pieces(part);
                }
            }
        }
    }

    /// Hides a user with its password, and the password alone.
    pub(super) fn hide_pair(&mut self, pair: &str) {
        self.hide(pair);
        if let Some((_, password)) = pair.split_once(':') {
            self.hide_pieces(password);
        }
    }

    /// Hides a whole URL, its path, and what in these may be a secret.
    pub(super) fn hide_url(&mut self, url: &url::Url) {
        self.hide(url.as_str());
        let path_and_query = &url[url::Position::BeforePath..];
        self.hide(path_and_query);
        self.hide(url.path());
        for part in url.path().split('/') {
            if part.len() >= LEAST_PART {
                self.hide_pieces(part);
            }
        }
        self.hide_query(url);
    }

    /// Hides the values in the query of a URL.
    pub(super) fn hide_query(&mut self, url: &url::Url) {
        for (_, value) in url.query_pairs() {
            if value.len() >= LEAST_PART {
                self.hide_pieces(&value);
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
            self.pieces.find(&plain, TextShape::Excerpt, &mut hidden);
            self.foreign.find(&plain, TextShape::Excerpt, &mut hidden);
            let next = plain.unescaped();
            if next.bytes == plain.bytes {
                break;
            }
            plain = next;
        }
        let shown = replaced(text.as_bytes(), hidden);
        let shown = shown.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        shown.unwrap_or_else(|| text.to_owned())
    }

    /// An answer with every secret in it replaced that has eight letters and digits or more, and
    /// every piece of sixteen; `None` for one that has none.
    ///
    /// It may be large: it is looked through once, a part at a time, and copied only for a secret.
    pub(super) fn apply_to_answer(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let longest = self.pieces.longest().max(self.foreign.longest());
        let shared = (longest * ESCAPED).min(WINDOW / 2);
        let mut hidden = Vec::new();
        let mut from = 0;
        loop {
            let until = answer.len().min(from + WINDOW);
            let mut found = Vec::new();
            let mut plain = Plain::new(&answer[from..until]);
            for _ in 0..=LAYERS {
                self.pieces.find(&plain, TextShape::Answer, &mut found);
                self.foreign.find(&plain, TextShape::Answer, &mut found);
                if !plain.has_escapes() {
                    break;
                }
                plain = plain.unescaped();
            }
            let placed = found.iter().map(|(start, end)| (from + start, from + end));
            hidden.extend(placed);
            if until == answer.len() {
                return replaced(answer, hidden);
            }
            from = until - shared;
        }
    }
}

/// The text with each of these parts replaced; `None` where there are none.
fn replaced(text: &[u8], mut hidden: Vec<(usize, usize)>) -> Option<Vec<u8>> {
    if hidden.is_empty() {
        return None;
    }
    hidden.sort_unstable();
    let mut shown = Vec::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in hidden {
        if start > at || (start == 0 && at == 0) {
            shown.extend_from_slice(&text[at..start]);
            shown.extend_from_slice(REDACTED.as_bytes());
        }
        at = at.max(end);
    }
    shown.extend_from_slice(&text[at..]);
    Some(shown)
}

/// A secret as it is, and as it may have been escaped before something else encoded it.
fn escaped(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.as_bytes().to_vec()];
    let json = serde_json::Value::from(secret).to_string();
    let json = json.strip_prefix('"').unwrap_or(&json);
    let json = json.strip_suffix('"').unwrap_or(json);
    let html = secret.replace('&', "&amp;").replace('<', "&lt;");
    let html = html.replace('>', "&gt;").replace('"', "&quot;");
    let percent = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let ascii = |form: &dyn Fn(char) -> String, text: &str| -> String {
        let escaped = |it: char| if it.is_ascii() { it.into() } else { form(it) };
        text.chars().map(escaped).collect()
    };
    let units = |it: char| -> String {
        let mut units = [0; 2];
        let units = it.encode_utf16(&mut units).iter();
        units.fold(String::new(), |all, unit| format!("{all}\\u{unit:04x}"))
    };
    let others = [
        ascii(&units, json),
        ascii(&|it| format!("&#{};", u32::from(it)), &html),
        ascii(&|it| format!("&#x{:x};", u32::from(it)), &html),
    ];
    for form in [json.to_owned(), json.replace('/', "\\/"), html, percent]
        .into_iter()
        .chain(others)
    {
        if !forms.contains(&form.as_bytes().to_vec()) {
            forms.push(form.into_bytes());
        }
    }
    forms
}

fn hex(bytes: &[u8], alphabet: &[u8; 16]) -> Vec<u8> {
    let digit = |value: u8| alphabet[usize::from(value & 15)];
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod foreign {
    mod tests;
}
#[cfg(test)]
mod tests;

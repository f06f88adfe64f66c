//! What a chat reads of failures: one sentence for all of one error, with the reason and who
//! can fix it.
//!
//! The body is what Rocket.Chat's and Slack's incoming webhooks both take: a JSON object with
//! `text`. What a provider wrote goes into it without the signs that would mention a user.

use std::fmt::Write as _;

use serde::Serialize;

use crate::catalogue::{self, Fix};
use crate::model::{AlertOptions, MessageKey, Wording, WordingError, digits, is_phone_number};

/// The names an operator's wording may use, in the order of [`Alert::values`].
const NAMES: [&str; 11] = [
    "count",
    "messages",
    "reason",
    "remedy",
    "who",
    "code",
    "title",
    "source",
    "message",
    "recipient",
    "link",
];
/// The names an operator's link may use.
const LINK_NAMES: [&str; 5] = ["subscriber", "source", "message", "code", "key"];

/// Digits in a row in a provider's words that may be a phone number; its error codes have six.
const SHORTEST_NUMBER: usize = 7;
/// The usual words.
const USUAL: &str = "Not delivered: {messages}. {reason} {who} (error {code}, source {source}, latest message {message}) {link}";

/// Failures of one error, as a chat reads of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alert {
    /// The chat's name.
    pub(crate) subscriber: String,
    /// How many failed.
    pub(crate) failures: u64,
    /// The catalogue's key of their error; empty when the provider gave none.
    pub(crate) error_key: String,
    /// The provider's own title of it, in the latest of them.
    pub(crate) title: Option<String>,
    /// The source of the latest.
    pub(crate) source: Option<String>,
    /// The provider's id of the latest.
    pub(crate) message: Option<String>,
    /// Whom the latest should have reached.
    pub(crate) recipient: Option<String>,
    /// Our key of the latest, by which it is found when the provider gave no id.
    pub(crate) message_key: Option<MessageKey>,
}

#[derive(Serialize)]
struct AlertBody<'a> {
    text: &'a str,
}

/// Whether these options can be used.
///
/// # Errors
/// Each that cannot, with its name and why.
pub(crate) fn check(options: &AlertOptions) -> Result<(), Vec<(&'static str, WordingError)>> {
    let mut faults = Vec::new();
    let mut look = |field, text: &Option<String>, names: &[&str]| {
        let read = text.as_deref().map(|text| Wording::new(text, names));
        faults.extend(read.and_then(Result::err).map(|error| (field, error)));
    };
    look("wording", &options.wording, &NAMES);
    look("link", &options.link, &LINK_NAMES);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

impl Alert {
    /// The payload's bytes.
    pub(crate) fn render(&self, options: &AlertOptions) -> Vec<u8> {
        let text = self.text(options);
        // A string alone: serialising cannot fail.
        serde_json::to_vec(&AlertBody { text: text.trim() }).unwrap_or_default()
    }

    fn text(&self, options: &AlertOptions) -> String {
        let wording = options.wording.as_deref().unwrap_or(USUAL);
        // What was stored was checked; the usual words stand in for what an older version let
        // through.
        let wording = Wording::new(wording, &NAMES).or_else(|_| Wording::new(USUAL, &NAMES));
        let values = self.values(self.link(options));
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        wording.map_or_else(|_| String::new(), |wording| wording.fill(&values))
    }

    /// In the order of [`NAMES`].
    fn values(&self, link: String) -> [String; NAMES.len()] {
        let entry = catalogue::find(&self.error_key);
        let code = self.error_key.rsplit_once(':');
        let code = code.map_or("unknown", |(_, code)| code);
        let title = self.title.as_deref().map(harmless);
        let title = title.as_deref().map(without_numbers);
        let title = title.or_else(|| entry.map(|entry| entry.name.clone()));
        let reason = entry.map(|entry| entry.meaning.clone());
        let reason = reason.or_else(|| title.as_deref().map(|title| format!("{title}.")));
        let who = entry.map(|entry| match entry.fix {
            Fix::Nobody => "There is nothing to fix.".to_owned(),
            fix => format!("Can be fixed by {}.", fix.who()),
        });
        let unknown = || "The provider gave no reason that is known here.".to_owned();
        [
            self.failures.to_string(),
            match self.failures {
                1 => "1 message".to_owned(),
                many => format!("{many} messages"),
            },
            reason.unwrap_or_else(unknown),
            entry.map(|entry| entry.remedy.clone()).unwrap_or_default(),
            who.unwrap_or_else(|| "Ask the provider.".to_owned()),
            code.to_owned(),
            title.unwrap_or_default(),
            harmless(self.source.as_deref().unwrap_or("unknown")),
            harmless(&self.message()),
            self.recipient.as_deref().map(masked).unwrap_or_default(),
            link,
        ]
    }

    /// By what support finds the latest message: the provider's id, unless that names the person.
    fn message(&self) -> String {
        let key = || self.message_key.map(|key| key.to_string());
        let number = self.recipient.as_deref().map(digits);
        let number = number.filter(|number| is_phone_number(number));
        let names = |id: &String| number.as_ref().is_some_and(|it| digits(id).contains(it));
        let id = self.message.clone().filter(|id| !names(id)).or_else(key);
        id.unwrap_or_else(|| "erased".to_owned())
    }

    fn link(&self, options: &AlertOptions) -> String {
        let link = options.link.as_deref();
        let Some(Ok(link)) = link.map(|link| Wording::new(link, &LINK_NAMES)) else {
            return String::new();
        };
        let code = self.error_key.rsplit_once(':').map_or("", |(_, code)| code);
        let source = self.source.as_deref().unwrap_or_default();
        let message = self.message();
        let values = [&*self.subscriber, source, &message, code, &self.error_key].map(escaped);
        link.fill(&values.each_ref().map(String::as_str))
    }
}

/// Without the signs that call people or make links in a chat, on one line.
pub(super) fn harmless(text: &str) -> String {
    let sign = |sign: char| match sign {
        '<' => '‹',
        '>' => '›',
        '@' => '＠',
        '[' => '［',
        ']' => '］',
        '`' => '´',
        sign if sign.is_control() => ' ',
        sign => sign,
    };
    text.chars().map(sign).collect()
}

/// What a provider wrote, with all but the last digits of what may be a phone number left out.
pub(super) fn without_numbers(text: &str) -> String {
    let is_digit = |sign: char| sign.is_ascii_digit();
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(start) = rest.find(is_digit) {
        let run = &rest[start..];
        let length = run.find(|sign| !is_digit(sign)).unwrap_or(run.len());
        kept.push_str(&rest[..start]);
        kept.push_str(&match length {
            0..SHORTEST_NUMBER => run[..length].to_owned(),
            _ => masked(&run[..length]),
        });
        rest = &run[length..];
    }
    kept + rest
}

/// The last digits of a number: enough to distinguish two customers, too few to call one.
pub(super) fn masked(recipient: &str) -> String {
    let number = digits(recipient);
    if !is_phone_number(&number) {
        return "…".to_owned();
    }
    format!("…{}", &number[number.len() - 3..])
}

/// As a part of a URL: everything but letters, digits and `-._~` by its bytes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(failures: u64) -> Alert {
        Alert {
            subscriber: "agents".to_owned(),
            failures,
            error_key: "meta:131026".to_owned(),
            title: Some("Message undeliverable".to_owned()),
            source: Some("cloud".to_owned()),
            message: Some("wamid.A=/".to_owned()),
            recipient: Some("+34600000001".to_owned()),
            message_key: Some(MessageKey::of(7)),
        }
    }

    fn text(alert: &Alert, wording: Option<&str>, link: Option<&str>) -> String {
        let body = alert.render(&AlertOptions {
            wording: wording.map(str::to_owned),
            link: link.map(str::to_owned),
            account_events: false,
        });
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        body["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn one_sentence_says_how_many_why_and_who_can_fix_it() {
        let usual = text(&alert(2), None, None);
        let reason = &catalogue::find("meta:131026").unwrap().meaning;
        assert_eq!(
            usual,
            format!(
                "Not delivered: 2 messages. {reason} Can be fixed by the recipient. \
                 (error 131026, source cloud, latest message wamid.A=/)"
            )
        );
        assert!(!usual.contains("600000001"), "{usual}");
        assert!(text(&alert(1), None, None).starts_with("Not delivered: 1 message. "));
    }

    #[test]
    fn the_operator_words_it_and_says_where_it_leads() {
        let link = "https://a.example/{source}/{message}?error={key}";
        assert_eq!(
            text(
                &alert(3),
                Some("{count}x {title} {recipient} {link}"),
                Some(link)
            ),
            "3x Message undeliverable …001 https://a.example/cloud/wamid.A%3D%2F?error=meta%3A131026"
        );
    }

    #[test]
    fn what_the_provider_wrote_mentions_no_user() {
        let unknown = Alert {
            error_key: "meta:999999".to_owned(),
            title: Some("<!channel> @all\nnow".to_owned()),
            ..alert(1)
        };
        assert_eq!(
            text(&unknown, Some("{reason} {who}"), None),
            "‹!channel› ＠all now. Ask the provider."
        );
        let named = Alert {
            title: Some("[Could](https://x.example) not reach +38123456789 `now` (470)".to_owned()),
            ..unknown
        };
        assert_eq!(
            text(&named, Some("{title}"), None),
            "［Could］(https://x.example) not reach +…789 ´now´ (470)"
        );
        let nothing = Alert::default();
        assert!(text(&nothing, None, None).contains("no reason that is known"));
    }

    #[test]
    fn an_id_that_is_made_of_the_number_gives_way_to_the_key() {
        let made = Alert {
            message: Some("bc-1:34600000001.2".to_owned()),
            ..alert(1)
        };
        let link = Some("https://a.example/{message}");
        assert_eq!(
            text(&made, Some("{message} {link}"), link),
            "7 https://a.example/7"
        );
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        let options = AlertOptions {
            wording: Some("{phone}".to_owned()),
            link: Some("https://a.example/{count}".to_owned()),
            account_events: false,
        };
        let faults = check(&options).unwrap_err();
        let faults: Vec<String> = faults
            .iter()
            .map(|(field, error)| format!("{field}: {error}"))
            .collect();
        assert!(faults[0].starts_with("wording: unknown placeholder {phone}: known are {count}"));
        assert!(faults[1].starts_with("link: unknown placeholder {count}: known are {subscriber}"));
        assert_eq!(check(&AlertOptions::default()), Ok(()));
    }
}

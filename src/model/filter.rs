//! Which reports a subscriber wants: by type, status and error, by source, by sender, by channel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    MessageType, SkipReason, Status, UnknownWord, WHATSAPP, Word as _, digits, is_wanted_channel,
    quoted,
};

/// One combination of type, statuses and errors; an empty list of any means any.
///
/// Errors are of failures: a rule that names errors lets nothing through but failed reports with
/// one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The type this rule is about; any when `None`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// The statuses it lets through; any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Status>,
    /// The errors of failed reports it lets through, as keys of the catalogue (`meta:131026`) or
    /// bare codes (`131026`); any report, failed or not, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl Rule {
    fn matches_type(&self, message_type: MessageType) -> bool {
        self.message_type
            .is_none_or(|wanted| wanted == message_type)
    }

    fn matches_status(&self, status: Status) -> bool {
        let is_named = self.statuses.is_empty() || self.statuses.contains(&status);
        is_named && (self.errors.is_empty() || status == Status::Failed)
    }

    fn matches_error(&self, keys: &[&str]) -> bool {
        let bare = |key: &str, wanted: &str| key.split_once(':').is_some_and(|it| it.1 == wanted);
        self.errors.is_empty()
            || self
                .errors
                .iter()
                .any(|wanted| keys.iter().any(|key| key == wanted || bare(key, wanted)))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message_type.map_or("*", MessageType::as_str))?;
        f.write_str("=")?;
        if !self.errors.is_empty() {
            return write!(f, "failed({})", self.errors.join(","));
        }
        if self.statuses.is_empty() {
            return f.write_str("*");
        }
        let statuses: Vec<&str> = self.statuses.iter().map(|status| status.as_str()).collect();
        f.write_str(&statuses.join(","))
    }
}

/// Why a rule could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There is no `=`.
    #[error(
        "rule {} has no '=': write TYPE=STATUS[,STATUS], e.g. Regular-Message=failed or *=read",
        quoted(.0)
    )]
    NoEquals(String),
    /// The errors stand behind something else than `failed`, or are not closed.
    #[error(
        "rule {}: errors stand behind failed alone, as in *=failed(131026,meta:131047)",
        quoted(.0)
    )]
    Errors(String),
    /// One of its words is unknown.
    #[error(transparent)]
    Word(#[from] UnknownWord),
}

impl FromStr for Rule {
    type Err = FilterError;

    /// Reads `TYPE=STATUS[,STATUS]` or `TYPE=failed(ERROR[,ERROR])`, `*` meaning any type or any
    /// status.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let (message_type, statuses) = text
            .split_once('=')
            .ok_or_else(|| FilterError::NoEquals(text.to_owned()))?;
        let message_type = match message_type.trim() {
            "*" => None,
            word => Some(word.parse()?),
        };
        if let Some((status, errors)) = statuses.split_once('(') {
            let errors = errors.trim_end().strip_suffix(')');
            let errors = errors.filter(|_| status.trim() == Status::Failed.as_str());
            let errors = errors.ok_or_else(|| FilterError::Errors(text.to_owned()))?;
            return Ok(Self {
                message_type,
                statuses: vec![Status::Failed],
                errors: errors.split(',').map(|it| it.trim().to_owned()).collect(),
            });
        }
        let statuses = match statuses.trim() {
            "*" => Vec::new(),
            list => list.split(',').map(str::parse).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            message_type,
            statuses,
            errors: Vec::new(),
        })
    }
}

/// Which reports a subscriber wants; the default wants all of WhatsApp.
///
/// A report passes when its channel, its source and its sender are wanted and one of the rules
/// matches (or there is no rule).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Alternatives; any report passes when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "super::object::objects")]
    pub rules: Vec<Rule>,
    /// Names of the wanted sources; any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The wanted senders, compared by their digits; any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<String>,
    /// The wanted channels in the provider's words (`whatsapp`, `sms`, `viber_bm`), or their first
    /// words (`viber` for `viber_bm`); `any` wants all. WhatsApp alone when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

/// A report as filters see it.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The channel it is of.
    pub channel: &'a str,
    /// The name of its source.
    pub source: &'a str,
    /// The business's number, when it is known.
    pub sender: Option<&'a str>,
    /// The type of its message.
    pub message_type: MessageType,
    /// Its status.
    pub status: Status,
    /// The catalogue's keys of its errors; none unless it failed.
    pub errors: &'a [&'a str],
}

impl Filter {
    /// Whether a report passes, and if not, which part of the filter refused it.
    ///
    /// # Errors
    /// The first part that refuses: channel, source, sender, type, status, error.
    pub fn admit(&self, offer: Offer<'_>) -> Result<(), SkipReason> {
        let is_wanted = |wanted: &String| is_wanted_channel(wanted, offer.channel);
        let admits_channel = match self.channels.as_slice() {
            [] => offer.channel == WHATSAPP,
            channels => channels.iter().any(is_wanted),
        };
        if !admits_channel {
            return Err(SkipReason::Channel);
        }
        if !self.sources.is_empty() && !self.sources.iter().any(|wanted| wanted == offer.source) {
            return Err(SkipReason::Source);
        }
        if !self.senders.is_empty() {
            let sender = offer.sender.map(digits);
            let wanted = |wanted: &String| Some(digits(wanted)) == sender;
            if !self.senders.iter().any(wanted) {
                return Err(SkipReason::Sender);
            }
        }
        if self.rules.is_empty() {
            return Ok(());
        }
        let mut reason = SkipReason::Type;
        for rule in &self.rules {
            if !rule.matches_type(offer.message_type) {
                continue;
            }
            if !rule.matches_status(offer.status) {
                if reason == SkipReason::Type {
                    reason = SkipReason::Status;
                }
                continue;
            }
            if rule.matches_error(offer.errors) {
                return Ok(());
            }
            reason = SkipReason::Error;
        }
        Err(reason)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.rules.iter().map(Rule::to_string).collect();
        if !self.sources.is_empty() {
            parts.push(format!("source in {}", self.sources.join(",")));
        }
        if !self.senders.is_empty() {
            parts.push(format!("sender in {}", self.senders.join(",")));
        }
        if !self.channels.is_empty() {
            parts.push(format!("channel in {}", self.channels.join(",")));
        }
        if parts.is_empty() {
            return f.pad("all");
        }
        f.pad(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        rules: &[&str],
        message_type: MessageType,
        status: Status,
        expected: Result<(), SkipReason>,
    ) {
        let filter = Filter {
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            ..Filter::default()
        };
        let answer = filter.admit(Offer {
            channel: WHATSAPP,
            source: "acme",
            sender: None,
            message_type,
            status,
            errors: &["meta:131026"],
        });
        assert_eq!(answer, expected, "{rules:?} {message_type} {status}");
    }

    #[test]
    fn a_rule_lets_its_combination_through_and_names_what_refused() {
        use MessageType::{Regular, Template};
        check(&[], Regular, Status::Sent, Ok(()));
        check(&["Template-Message=*"], Template, Status::Sent, Ok(()));
        check(
            &["Template-Message=*"],
            Regular,
            Status::Sent,
            Err(SkipReason::Type),
        );
        check(&["*=failed,read"], Regular, Status::Read, Ok(()));
        check(
            &["*=failed,read"],
            Regular,
            Status::Sent,
            Err(SkipReason::Status),
        );
        let both = ["template=*", "regular=failed"];
        check(&both, Regular, Status::Failed, Ok(()));
        check(&both, Regular, Status::Read, Err(SkipReason::Status));
        check(&both, Template, Status::Read, Ok(()));
    }

    #[test]
    fn a_rule_that_names_errors_lets_failures_with_one_of_them_through_and_nothing_else() {
        use MessageType::{Regular, Template};
        for errors in ["131026", "meta:131026", "1, meta:131026"] {
            let rule = format!("*=failed({errors})");
            check(&[&rule], Template, Status::Failed, Ok(()));
            for status in [Status::Sent, Status::Delivered, Status::Deleted] {
                check(&[&rule], Template, status, Err(SkipReason::Status));
            }
        }
        for errors in ["infobip:131026", "13102", "meta", "meta:1310267"] {
            let rule = format!("*=failed({errors})");
            check(&[&rule], Template, Status::Failed, Err(SkipReason::Error));
            check(&[&rule, "*=failed"], Template, Status::Failed, Ok(()));
        }
        let mixed = ["*=delivered", "Regular-Message=failed(131026)"];
        check(&mixed, Regular, Status::Failed, Ok(()));
        check(&mixed, Regular, Status::Delivered, Ok(()));
        check(&mixed, Template, Status::Failed, Err(SkipReason::Status));
    }

    #[test]
    fn sources_and_senders_are_compared_as_people_write_them() {
        let filter = Filter {
            sources: vec!["acme".to_owned()],
            senders: vec!["+385 91 000".to_owned()],
            ..Filter::default()
        };
        let admit = |source, sender| {
            filter.admit(Offer {
                channel: WHATSAPP,
                source,
                sender,
                message_type: MessageType::Template,
                status: Status::Read,
                errors: &[],
            })
        };
        assert_eq!(admit("acme", Some("38591000")), Ok(()));
        assert_eq!(admit("other", Some("38591000")), Err(SkipReason::Source));
        assert_eq!(admit("acme", Some("38591001")), Err(SkipReason::Sender));
        assert_eq!(admit("acme", None), Err(SkipReason::Sender));
    }

    #[test]
    fn a_channel_passes_where_it_is_wanted_and_without_a_word_whatsapp_alone() {
        for (wanted, channel, expected) in [
            (&[][..], "whatsapp", Ok(())),
            (&[], "sms", Err(SkipReason::Channel)),
            (&["viber"], "viber_bm", Ok(())),
            (&["viber"], "whatsapp", Err(SkipReason::Channel)),
            (&["viber", "whatsapp"], "whatsapp", Ok(())),
            (&["any"], "whatsapp", Ok(())),
            (&["any"], "email", Ok(())),
        ] {
            let filter = Filter {
                channels: wanted.iter().map(|word| (*word).to_owned()).collect(),
                ..Filter::default()
            };
            let answer = filter.admit(Offer {
                channel,
                source: "acme",
                sender: None,
                message_type: MessageType::Template,
                status: Status::Read,
                errors: &[],
            });
            assert_eq!(answer, expected, "{wanted:?} {channel}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_read_names_the_word() {
        let error = "Template-Message".parse::<Rule>().unwrap_err();
        assert!(error.to_string().contains("no '='"), "{error}");
        let error = "Template=seen".parse::<Rule>().unwrap_err();
        assert!(error.to_string().contains("\"seen\""), "{error}");
        for text in ["*=sent(131026)", "*=failed(131026", "*=sent,failed(1)"] {
            let error = text.parse::<Rule>().unwrap_err();
            assert!(error.to_string().contains("failed alone"), "{error}");
        }
        let rule: Rule = "regular = failed( 1, meta:2 )".parse().unwrap();
        assert_eq!(rule.to_string(), "Regular-Message=failed(1,meta:2)");
        let rule: Rule = "*=failed, read".parse().unwrap();
        assert_eq!(rule.to_string(), "*=failed,read");
    }
}

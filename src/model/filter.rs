//! Which reports a subscriber wants: by type and status, by source, by sender.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{MessageType, Status, UnknownWord, digits};

/// One combination of type and statuses; an empty list of either means any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The type this rule is about; any when `None`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// The statuses it lets through; any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Status>,
}

impl Rule {
    fn matches_type(&self, message_type: MessageType) -> bool {
        self.message_type
            .is_none_or(|wanted| wanted == message_type)
    }

    fn matches_status(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message_type.map_or("*", MessageType::as_str))?;
        f.write_str("=")?;
        if self.statuses.is_empty() {
            return f.write_str("*");
        }
        for (index, status) in self.statuses.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(status.as_str())?;
        }
        Ok(())
    }
}

/// Why a rule could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There is no `=`.
    #[error(
        "rule {0:?} has no '=': write TYPE=STATUS[,STATUS], e.g. Regular-Message=failed or *=read"
    )]
    NoEquals(String),
    /// One of its words is unknown.
    #[error(transparent)]
    Word(#[from] UnknownWord),
}

impl FromStr for Rule {
    type Err = FilterError;

    /// Reads `TYPE=STATUS[,STATUS]`, `*` meaning any on either side.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let (message_type, statuses) = text
            .split_once('=')
            .ok_or_else(|| FilterError::NoEquals(text.to_owned()))?;
        let message_type = match message_type.trim() {
            "*" => None,
            word => Some(word.parse()?),
        };
        let statuses = match statuses.trim() {
            "*" => Vec::new(),
            list => list.split(',').map(str::parse).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            message_type,
            statuses,
        })
    }
}

/// Which reports a subscriber wants; the default wants all.
///
/// A report passes when its source and its sender are wanted and one of the rules matches
/// (or there is no rule).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Alternatives; any report passes when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Names of the wanted sources; any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The wanted senders, compared by their digits; any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<String>,
}

/// Why a report does not go to a subscriber; the word stands on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The message's type is not wanted.
    Type,
    /// The status is not wanted (for this type).
    Status,
    /// The source is not wanted.
    Source,
    /// The sender is not wanted, or not known.
    Sender,
    /// A later status was already known.
    Superseded,
    /// A delivered or read was already known.
    Contradicts,
    /// The same status was already known.
    Repeated,
    /// It is none of the six statuses.
    NotAStatus,
}

impl Refusal {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Status => "status",
            Self::Source => "source",
            Self::Sender => "sender",
            Self::Superseded => "superseded",
            Self::Contradicts => "contradicts",
            Self::Repeated => "repeated",
            Self::NotAStatus => "not-a-status",
        }
    }

    /// One clause for the timeline: why this was not forwarded.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Type => "its filter does not want this type of message",
            Self::Status => "its filter does not want this status",
            Self::Source => "its filter does not want this source",
            Self::Sender => "its filter does not want this sender",
            Self::Superseded => "a later status was already known",
            Self::Contradicts => "the message had already been reported as delivered",
            Self::Repeated => "this status was already known",
            Self::NotAStatus => "it is none of the six statuses",
        }
    }
}

impl Filter {
    /// Whether a report passes, and if not, which part of the filter refused it.
    ///
    /// # Errors
    /// The first part that refuses: source, sender, type, status.
    pub fn admit(
        &self,
        source: &str,
        sender: Option<&str>,
        message_type: MessageType,
        status: Status,
    ) -> Result<(), Refusal> {
        if !self.sources.is_empty() && !self.sources.iter().any(|wanted| wanted == source) {
            return Err(Refusal::Source);
        }
        if !self.senders.is_empty() {
            let sender = sender.map(digits);
            let wanted = |wanted: &String| Some(digits(wanted)) == sender;
            if !self.senders.iter().any(wanted) {
                return Err(Refusal::Sender);
            }
        }
        if self.rules.is_empty() {
            return Ok(());
        }
        let mut of_type = self
            .rules
            .iter()
            .filter(|rule| rule.matches_type(message_type))
            .peekable();
        if of_type.peek().is_none() {
            return Err(Refusal::Type);
        }
        if of_type.any(|rule| rule.matches_status(status)) {
            Ok(())
        } else {
            Err(Refusal::Status)
        }
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
        expected: Result<(), Refusal>,
    ) {
        let filter = Filter {
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            ..Filter::default()
        };
        let answer = filter.admit("acme", None, message_type, status);
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
            Err(Refusal::Type),
        );
        check(&["*=failed,read"], Regular, Status::Read, Ok(()));
        check(
            &["*=failed,read"],
            Regular,
            Status::Sent,
            Err(Refusal::Status),
        );
        let both = ["template=*", "regular=failed"];
        check(&both, Regular, Status::Failed, Ok(()));
        check(&both, Regular, Status::Read, Err(Refusal::Status));
        check(&both, Template, Status::Read, Ok(()));
    }

    #[test]
    fn sources_and_senders_are_compared_as_people_write_them() {
        let filter = Filter {
            sources: vec!["acme".to_owned()],
            senders: vec!["+385 91 000".to_owned()],
            ..Filter::default()
        };
        let admit =
            |source, sender| filter.admit(source, sender, MessageType::Template, Status::Read);
        assert_eq!(admit("acme", Some("38591000")), Ok(()));
        assert_eq!(admit("other", Some("38591000")), Err(Refusal::Source));
        assert_eq!(admit("acme", Some("38591001")), Err(Refusal::Sender));
        assert_eq!(admit("acme", None), Err(Refusal::Sender));
    }

    #[test]
    fn a_rule_that_cannot_be_read_names_the_word() {
        let error = "Template-Message".parse::<Rule>().unwrap_err();
        assert!(error.to_string().contains("no '='"), "{error}");
        let error = "Template=seen".parse::<Rule>().unwrap_err();
        assert!(error.to_string().contains("\"seen\""), "{error}");
        let rule: Rule = "*=failed, read".parse().unwrap();
        assert_eq!(rule.to_string(), "*=failed,read");
    }
}

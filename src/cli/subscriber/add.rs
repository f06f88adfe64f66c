//! `tickrelay subscriber add`: from flags to a subscriber, its filter above all.

use clap::Args;

use crate::model::{
    ErrorFormat, Filter, MessageType, NumberFormat, PayloadOptions, Rule, Status, TimestampFormat,
    digits, is_phone_number,
};
use crate::store::NewSubscriber;

/// Lists are written with commas, or by repeating the flag.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(in crate::cli) struct Add {
    /// What to call it: a-z, 0-9 and '-'
    #[arg(long)]
    name: String,
    /// Where its payloads go
    #[arg(long)]
    url: String,
    /// Whose it is: what the tokens of those who may see and change it name as their owner
    #[arg(long, value_name = "WORD")]
    owner: Option<String>,
    /// Only this type of message: Template-Message or Regular-Message
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<MessageType>,
    /// Only these statuses: queued, sent, delivered, read, failed, deleted
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',')]
    statuses: Vec<Status>,
    /// Only what comes from these sources
    #[arg(long = "source", value_name = "NAME", value_delimiter = ',')]
    sources: Vec<String>,
    /// Only what was sent from these numbers
    #[arg(long = "sender", value_name = "NUMBER", value_delimiter = ',', value_parser = sender)]
    senders: Vec<String>,
    /// A type with its statuses, as in Regular-Message=failed,read or *=read; each one given,
    /// and --type with --status, lets more through
    #[arg(long = "rule", value_name = "TYPE=STATUS")]
    rules: Vec<Rule>,
    /// How errors are written: whatsapp_array, whatsapp_object or string
    #[arg(long, value_name = "WORD", default_value_t)]
    error_format: ErrorFormat,
    /// How numbers are written: plus, digits or as_received
    #[arg(long, value_name = "WORD", default_value_t)]
    phone_format: NumberFormat,
    /// How times are written: rfc3339, epoch_seconds or epoch_millis
    #[arg(long, value_name = "WORD", default_value_t)]
    timestamp_format: TimestampFormat,
    /// How many requests it may get at once
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Answer with a JSON object, the secret in it
    #[arg(long)]
    pub(super) json: bool,
}

fn sender(text: &str) -> Result<String, &'static str> {
    if is_phone_number(&digits(text)) {
        Ok(text.trim().to_owned())
    } else {
        Err("write a phone number with its country code, e.g. +385910009999")
    }
}

impl Add {
    /// What the flags mean.
    pub(super) fn subscriber(self) -> NewSubscriber {
        let mut rules = Vec::new();
        if self.types.is_empty() && !self.statuses.is_empty() {
            rules.push(Rule {
                message_type: None,
                statuses: self.statuses.clone(),
            });
        }
        rules.extend(self.types.iter().map(|message_type| Rule {
            message_type: Some(*message_type),
            statuses: self.statuses.clone(),
        }));
        rules.extend(self.rules);
        NewSubscriber {
            name: self.name,
            owner: self.owner,
            url: self.url,
            filter: Filter {
                rules,
                sources: self.sources,
                senders: self.senders,
            },
            options: PayloadOptions {
                error_format: self.error_format,
                phone_format: self.phone_format,
                timestamp_format: self.timestamp_format,
            },
            concurrency: self.concurrency,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Verb;
    use super::*;
    use crate::cli::{Cli, Command};

    fn filter(flags: &[&str]) -> Filter {
        let base = [
            "tickrelay",
            "subscriber",
            "add",
            "--name",
            "a",
            "--url",
            "b",
        ];
        let cli = Cli::try_parse_from([&base, flags].concat()).unwrap();
        match cli.command {
            Command::Subscriber(Verb::Add(add)) => add.subscriber().filter,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_become_a_filter() {
        let cases: [(&[&str], &str); 6] = [
            (&[], "all"),
            (&["--type", "template"], "Template-Message=*"),
            (&["--status", "failed,read"], "*=failed,read"),
            (
                &[
                    "--type",
                    "Regular-Message",
                    "--status",
                    "read",
                    "--status",
                    "sent",
                ],
                "Regular-Message=read,sent",
            ),
            (
                &[
                    "--type",
                    "template",
                    "--rule",
                    "Regular-Message=failed",
                    "--rule",
                    "*=read",
                ],
                "Template-Message=* Regular-Message=failed *=read",
            ),
            (
                &["--source", "a,b", "--sender", "+34 910 000 000"],
                "source in a,b sender in +34 910 000 000",
            ),
        ];
        for (flags, expected) in cases {
            assert_eq!(filter(flags).to_string(), expected, "{flags:?}");
        }
    }
}

//! What `subscriber add` and `subscriber update` can say of a subscriber alike.

use clap::Args;

use crate::cli::usage::within;
use crate::config::{duration, number};
use crate::model::{
    Credentials, ErrorFormat, Filter, MessageType, NumberFormat, Ordering, PayloadFormat,
    PayloadOptionsChange, Reports, Rule, SecretText, Setting, Status, TimestampFormat, digits,
    is_channel_name, is_phone_number, quoted, reason,
};
use crate::store::SubscriberChange;

/// Which reports; lists are written with commas, or by repeating the flag.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(super) struct FilterFlags {
    /// Only this type of message: Template-Message or Regular-Message
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<MessageType>,
    /// Only these statuses: queued, sent, delivered, read, failed, deleted
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',')]
    statuses: Vec<Status>,
    /// Of the failures only those with these errors: codes (131026) or keys of the catalogue
    /// (meta:131026). Alone it lets failures through and nothing else
    #[arg(long = "error", value_name = "CODE", value_delimiter = ',')]
    errors: Vec<String>,
    /// Only what comes from these sources
    #[arg(long = "source", value_name = "NAME", value_delimiter = ',')]
    sources: Vec<String>,
    /// Only what was sent from these numbers
    #[arg(long = "sender", value_name = "NUMBER", value_delimiter = ',', value_parser = sender)]
    senders: Vec<String>,
    /// Only these channels, in the provider's words: whatsapp, sms, viber (viber_bm too), rcs,
    /// email; any lets all through. WhatsApp alone, unless you say otherwise
    #[arg(long = "channel", value_name = "CHANNEL", value_delimiter = ',', value_parser = channel)]
    channels: Vec<String>,
    /// A type with its statuses, as in Regular-Message=failed,read, *=read or *=failed(131026);
    /// each one given, and --type with --status and --error, lets more through
    #[arg(long = "rule", value_name = "TYPE=STATUS")]
    rules: Vec<Rule>,
}

/// How its payloads look and how it is sent to.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(super) struct SendingFlags {
    /// Which new reports: changes (of a message's status, unless you say otherwise) or all (those
    /// too that came late or contradict what is known)
    #[arg(long, value_name = "WORD")]
    reports: Option<Reports>,
    /// Which keys a payload has: rocketchat (the eight, unless you say otherwise) or extended
    #[arg(long, value_name = "WORD")]
    format: Option<PayloadFormat>,
    /// How errors are written: whatsapp_array (unless you say otherwise), whatsapp_object or string
    #[arg(long, value_name = "WORD")]
    error_format: Option<ErrorFormat>,
    /// How numbers are written: plus (unless you say otherwise), digits or as_received
    #[arg(long, value_name = "WORD")]
    phone_format: Option<NumberFormat>,
    /// How times are written: rfc3339 (unless you say otherwise), epoch_seconds or epoch_millis
    #[arg(long, value_name = "WORD")]
    timestamp_format: Option<TimestampFormat>,
    /// What a later status of a message waits for: relaxed (an attempt of the earlier, unless you
    /// say otherwise) or strict (until the earlier is delivered or given up)
    #[arg(long, value_name = "WORD")]
    ordering: Option<Ordering>,
    /// How many requests it may get at once, 1 to 256: 8 unless you say otherwise
    #[arg(long, value_name = "NUMBER")]
    #[arg(value_parser = within(1..=256_u16))]
    concurrency: Option<u16>,
    /// How long a request may take, 100ms to 60s; default: as the configuration says
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    timeout: Option<Setting<u32>>,
    /// How many requests a second it may get; default: any number
    #[arg(long, value_name = "NUMBER", value_parser = rate_limit)]
    rate_limit: Option<Setting<u32>>,
    /// The waits between attempts, as in 5s,5m,2h; none: a single attempt; default: as the
    /// configuration says
    #[arg(long, value_name = "TIMES", value_parser = schedule)]
    schedule: Option<Setting<Schedule>>,
    /// A header of its own to send to it, as in 'X-Api-Key: …', or @FILE with one in each line;
    /// what it holds is never shown
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = headers)]
    headers: Vec<Pairs>,
    /// Send it this user and password, or what stands in @FILE
    #[arg(long, value_name = "USER:PASSWORD", value_parser = basic)]
    basic: Option<Credentials>,
    /// Send it this token, or what stands in @FILE
    #[arg(long, value_name = "TOKEN", value_parser = bearer, conflicts_with = "basic")]
    bearer: Option<Credentials>,
}

/// Headers with their values.
#[derive(Debug, Clone)]
struct Pairs(Vec<(String, SecretText)>);

/// What was given, or what stands in the file that was.
fn given(text: &str) -> Result<String, String> {
    let Some(path) = text.strip_prefix('@') else {
        return Ok(text.to_owned());
    };
    let text = std::fs::read_to_string(path);
    text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        .map_err(|error| format!("cannot read {}: {}", quoted(path), reason(&error)))
}

// What is wrong with a secret is identified by clap together with the argument; so all but its shape is
// left to the service, which never repeats it.

fn headers(text: &str) -> Result<Pairs, String> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned().into()))
    };
    let text = given(text)?;
    let pairs: Option<Vec<_>> = text.lines().map(pair).collect();
    pairs
        .map(Pairs)
        .ok_or_else(|| "write 'NAME: VALUE'".to_owned())
}

fn basic(text: &str) -> Result<Credentials, String> {
    let text = given(text)?;
    let (username, password) = text.split_once(':').ok_or("write USER:PASSWORD")?;
    Ok(Credentials::Basic {
        username: username.to_owned(),
        password: password.to_owned().into(),
    })
}

fn bearer(text: &str) -> Result<Credentials, String> {
    let token = given(text)?.into();
    Ok(Credentials::Bearer { token })
}

/// The waits between attempts, ms.
#[derive(Debug, Clone)]
struct Schedule(Vec<u64>);

/// The word that takes back what a subscriber has of its own.
const DEFAULT: &str = "default";

fn setting<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Setting<T>, String> {
    match text {
        DEFAULT => Ok(Setting::Usual),
        own => read(own).map(Setting::Own),
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let span = duration(text)?;
    u64::try_from(span.as_millis()).map_err(|_| format!("{} is too long", quoted(text)))
}

fn timeout(text: &str) -> Result<Setting<u32>, String> {
    // What is out of bounds is the service's to refuse, with all else that is wrong.
    let read = |text: &str| Ok(u32::try_from(milliseconds(text)?).unwrap_or(u32::MAX));
    setting(text, read)
}

fn rate_limit(text: &str) -> Result<Setting<u32>, String> {
    let read =
        |text: &str| number(1..=10_000)(text).map_err(|refusal| format!("{refusal}, or {DEFAULT}"));
    setting(text, read)
}

fn schedule(text: &str) -> Result<Setting<Schedule>, String> {
    setting(text, |text| match text {
        "none" => Ok(Schedule(Vec::new())),
        list => {
            let waits = list.split(',').map(|wait| milliseconds(wait.trim()));
            Ok(Schedule(waits.collect::<Result<_, _>>()?))
        }
    })
}

fn sender(text: &str) -> Result<String, &'static str> {
    if is_phone_number(&digits(text)) {
        Ok(text.trim().to_owned())
    } else {
        Err("write a phone number with its country code, e.g. +385910009999")
    }
}

fn channel(text: &str) -> Result<String, &'static str> {
    let name = text.trim().to_ascii_lowercase();
    if is_channel_name(&name) {
        Ok(name)
    } else {
        Err("write a channel as the provider names it, e.g. sms, viber or rcs, or any")
    }
}

impl FilterFlags {
    /// What the flags mean.
    pub(super) fn filter(self) -> Filter {
        let mut types: Vec<Option<MessageType>> = self.types.iter().copied().map(Some).collect();
        if types.is_empty() && !(self.statuses.is_empty() && self.errors.is_empty()) {
            types.push(None);
        }
        let mut rules = Vec::new();
        for message_type in types {
            let rule = |statuses, errors| Rule {
                message_type,
                statuses,
                errors,
            };
            if self.errors.is_empty() {
                rules.push(rule(self.statuses.clone(), Vec::new()));
                continue;
            }
            let mut others = self.statuses.clone();
            others.retain(|status| *status != Status::Failed);
            if !others.is_empty() {
                rules.push(rule(others, Vec::new()));
            }
            rules.push(rule(vec![Status::Failed], self.errors.clone()));
        }
        rules.extend(self.rules);
        Filter {
            rules,
            sources: self.sources,
            senders: self.senders,
            channels: self.channels,
        }
    }
}

impl SendingFlags {
    /// What the flags change.
    pub(super) fn change(self) -> SubscriberChange {
        SubscriberChange {
            reports: self.reports,
            options: PayloadOptionsChange {
                format: self.format,
                error_format: self.error_format,
                phone_format: self.phone_format,
                timestamp_format: self.timestamp_format,
            },
            ordering: self.ordering,
            concurrency: self.concurrency,
            timeout_ms: self.timeout,
            rate_limit: self.rate_limit,
            schedule_ms: self
                .schedule
                .map(|schedule| schedule.map(|Schedule(waits)| waits)),
            headers: self
                .headers
                .into_iter()
                .flat_map(|Pairs(pairs)| pairs)
                .map(|(name, value)| (name, Some(value)))
                .collect(),
            auth: self.basic.or(self.bearer).map(Setting::Own),
            ..SubscriberChange::default()
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
        let cases: [(&[&str], &str); 10] = [
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
            (&["--error", "131026,meta:1"], "*=failed(131026,meta:1)"),
            (
                &["--status", "failed,read", "--error", "1"],
                "*=read *=failed(1)",
            ),
            (
                &["--type", "template", "--error", "1", "--rule", "*=sent"],
                "Template-Message=failed(1) *=sent",
            ),
            (
                &["--source", "a,b", "--sender", "+34 910 000 000"],
                "source in a,b sender in +34 910 000 000",
            ),
            (&["--channel", "Viber,any"], "channel in viber,any"),
        ];
        for (flags, expected) in cases {
            assert_eq!(filter(flags).to_string(), expected, "{flags:?}");
        }
    }
}

//! What `subscriber add` and `subscriber update` can say of a subscriber alike.

use clap::Args;

use crate::model::settings::{self, settings};
use crate::model::{
    Credentials, Filter, MessageType, PayloadOptionsChange, Rule, SecretText, Setting, Status,
    SubscriberChange, digits, is_channel_name, is_phone_number, quoted, reason,
};

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
    /// Only failures with these error codes: 131026, or keys of the catalogue such as
    /// meta:131026. Alone it lets failures through and nothing else
    #[arg(long = "error", value_name = "CODE", value_delimiter = ',')]
    errors: Vec<String>,
    /// Only what comes from these sources
    #[arg(long = "source", value_name = "NAME", value_delimiter = ',')]
    sources: Vec<String>,
    /// Only what was sent from these numbers
    #[arg(long = "sender", value_name = "NUMBER", value_delimiter = ',', value_parser = sender)]
    senders: Vec<String>,
    /// Only these channels, in the provider's words: whatsapp, sms, viber (viber_bm too), rcs,
    /// email; any lets all through. Default: WhatsApp alone
    #[arg(long = "channel", value_name = "CHANNEL", value_delimiter = ',', value_parser = channel)]
    channels: Vec<String>,
    /// A type with its statuses, as in Regular-Message=failed,read, *=read or *=failed(131026);
    /// each one given, and --type with --status and --error, lets more through
    #[arg(long = "rule", value_name = "TYPE=STATUS")]
    rules: Vec<Rule>,
}

macro_rules! flags {
    (
        payload { $($(#[$p_doc:meta])* $p:ident: $p_type:ident, flag $p_value:tt $p_help:tt, shown as $p_shown:tt;)* }
        values { $(
            $(#[$v_doc:meta])* $v:ident: $v_type:ident, kept as $v_kept:ident: $v_kept_type:ty, column $v_column:tt,
            $(checked by $v_check:ident,)? flag $v_value:tt $v_help:tt, shown as $v_label:tt: $v_shown:tt;
        )* }
        own { $(
            $(#[$o_doc:meta])* $o:ident: $o_type:ident, kept as $o_kept:ident: $o_kept_type:ty, column $o_column:tt,
            $(checked by $o_check:ident,)? flag $o_value:tt $o_help:tt, shown as $o_label:tt: $o_shown:tt;
        )* }
    ) => {
        /// How its payloads look and how it is sent to.
        #[derive(Debug, Args)]
        #[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
        pub(super) struct SendingFlags {
            $(#[doc = $p_help] #[arg(long, value_name = $p_value)] $p: Option<settings::$p_type>,)*
            $(#[doc = $v_help] #[arg(long, value_name = $v_value)] $v: Option<settings::$v_type>,)*
            $(#[doc = $o_help] #[arg(long, value_name = $o_value)] $o: Option<Setting<settings::$o_type>>,)*
            /// A header of its own to send to it, as in 'X-Api-Key: …', or @FILE with one in each line;
            /// what it holds is never shown
            #[arg(long = "header", value_name = "NAME: VALUE", value_parser = headers)]
            headers: Vec<Pairs>,
            /// Send it this user and password, or the contents of @FILE
            #[arg(long, value_name = "USER:PASSWORD", value_parser = basic)]
            basic: Option<Credentials>,
            /// Send it this token, or the contents of @FILE
            #[arg(long, value_name = "TOKEN", value_parser = bearer, conflicts_with = "basic")]
            bearer: Option<Credentials>,
        }

        impl SendingFlags {
            /// What the flags change.
            pub(super) fn change(self) -> SubscriberChange {
                let headers = self.headers.into_iter().flat_map(|Pairs(pairs)| pairs);
                SubscriberChange {
                    options: PayloadOptionsChange { $($p: self.$p,)* },
                    $($v: self.$v,)*
                    $($o: self.$o,)*
                    headers: headers.map(|(name, value)| (name, Some(value))).collect(),
                    auth: self.basic.or(self.bearer).map(Setting::Own),
                    ..SubscriberChange::default()
                }
            }
        }
    };
}

settings!(flags);

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

// clap repeats the value in an error. So only the shape of a secret is checked here, and the rest is
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::SubscriberCommand;
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
            Command::Subscriber(SubscriberCommand::Add(add)) => add.subscriber().filter,
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

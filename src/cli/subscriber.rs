//! `tickrelay subscriber`: manage subscribers, their filters and their secrets.

mod add;
mod flags;
mod show;
mod test;
mod update;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::list::List;
use super::time::day_and_time;
use super::{Exit, Settings, Terminal, ask, page};
use crate::admin::{Answer, Request};
use crate::clock::Clock;
use crate::model::{Filter, Subscriber, SubscriberKind, SubscriberState};
use crate::store::overview::SubscriberOverview;

/// The verbs of `subscriber`.
#[derive(Debug, Subcommand)]
pub(super) enum SubscriberCommand {
    /// Add a subscriber; its secret is written to stdout, once
    Add(Box<add::Add>),
    /// Change the given settings of a subscriber
    Update(Box<update::Update>),
    /// List subscribers with their pending forwards
    List(SubscriberListArgs),
    /// Show one
    Show(show::Show),
    /// Pause a subscriber; its pending forwards are kept
    Pause(SubscriberNameArg),
    /// Resume a subscriber, its pending forwards included
    Resume(SubscriberNameArg),
    /// Remove a subscriber; its pending forwards are given up
    Remove(SubscriberNameArg),
    /// Rotate the secret; the new one is written to stdout, the old one signs too for 24 h
    RotateSecret(SubscriberRotateSecretArgs),
    /// Send sample payloads, any status with any error, and show request and response; exit 1
    /// unless all are accepted
    Test(Box<test::Test>),
}

#[derive(Debug, Args)]
pub(super) struct SubscriberNameArg {
    /// Its name
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct SubscriberRotateSecretArgs {
    /// Its name
    name: String,
    /// End the old secrets at once, as after a leak, instead of after 24 h. An attempt under way ends with
    /// the signature it began with
    #[arg(long)]
    now: bool,
    /// Answer with a JSON object, the secret in it
    #[arg(long)]
    json: bool,
}

/// The answer of `--json` where a secret is given.
#[derive(Serialize)]
struct SubscriberWithSecret<'a> {
    #[serde(flatten)]
    subscriber: &'a Subscriber,
    secret: &'a str,
    /// Until when the old secret signs too, ms since 1970 UTC.
    old_until_ms: Option<i64>,
}

#[derive(Debug, Args)]
pub(super) struct SubscriberListArgs {
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

impl SubscriberCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let json = match &self {
            Self::Add(add) => add.json,
            Self::Update(update) => update.json,
            Self::RotateSecret(rotate) => rotate.json,
            _ => false,
        };
        let request = match self {
            Self::List(list) => return list.run(settings, terminal),
            Self::Show(show) => return show.run(settings, terminal),
            Self::Test(test) => return test.run(settings, terminal),
            Self::Add(add) => Request::AddSubscriber(add.subscriber()),
            Self::Update(update) => update.request(),
            Self::Pause(SubscriberNameArg { name }) => Request::PauseSubscriber { name },
            Self::Resume(SubscriberNameArg { name }) => Request::ResumeSubscriber { name },
            Self::Remove(SubscriberNameArg { name }) => Request::RemoveSubscriber { name },
            Self::RotateSecret(SubscriberRotateSecretArgs { name, now, .. }) => {
                Request::RotateSecret { name, now }
            }
        };
        let updated = matches!(request, Request::UpdateSubscriber { .. });
        let added = matches!(request, Request::AddSubscriber(_));
        match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Subscriber(subscriber)) if json => terminal.json(&subscriber),
            Some(Answer::Subscriber(subscriber)) if updated => {
                show::changed(&subscriber, terminal)?;
                Ok(Exit::Done)
            }
            Some(Answer::Secret {
                subscriber,
                secret,
                old_until_ms,
            }) if json => terminal.json(&SubscriberWithSecret {
                subscriber: &subscriber,
                secret: &secret,
                old_until_ms,
            }),
            Some(answer) => show(answer, added, terminal),
            None => Ok(Exit::Refused),
        }
    }
}

/// The secret is the command's data; all else goes to stderr.
fn show(answer: Answer, added: bool, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    match answer {
        Answer::Secret {
            subscriber,
            secret,
            old_until_ms,
        } => {
            let name = &subscriber.name;
            if let Some(until_ms) = old_until_ms {
                let until = day_and_time(until_ms);
                writeln!(
                    terminal.talk,
                    "{name} has a new secret; until {until} both sign."
                )?;
            } else if !added {
                writeln!(
                    terminal.talk,
                    "{name} has a new secret; the old ones sign no more, but an attempt under way \
                     ends with the signature it began with."
                )?;
            } else {
                let wants = gets(&subscriber);
                writeln!(
                    terminal.talk,
                    "{name} is added: {} gets {wants}.",
                    subscriber.url
                )?;
            }
            writeln!(terminal.talk, "This secret is shown once:\n")?;
            writeln!(terminal.data, "{secret}")?;
            terminal.data.flush()?;
            writeln!(terminal.talk, "{}", next_step(&subscriber))?;
        }
        Answer::Subscriber(subscriber) => {
            let name = &subscriber.name;
            match subscriber.state {
                SubscriberState::Active => {
                    writeln!(
                        terminal.talk,
                        "{name} is active: its pending forwards are sent"
                    )?;
                }
                state => writeln!(
                    terminal.talk,
                    "{name} is {state}: its pending forwards are kept until it is resumed, \
                     or grows too old (forward.max_age)"
                )?,
            }
        }
        Answer::Removed { given_up } => {
            writeln!(
                terminal.talk,
                "removed; forwards given up with it: {given_up}"
            )?;
        }
        other => return Err(ask::unexpected(&other)),
    }
    Ok(Exit::Done)
}

/// What to do with the secret.
fn next_step(subscriber: &Subscriber) -> String {
    let name = &subscriber.name;
    let attempt = format!("Try it: tickrelay subscriber test {name}");
    if subscriber.kind == SubscriberKind::Chat {
        // A chat's server takes what has the right URL, and looks at no signature.
        return format!("\n{attempt}");
    }
    format!(
        "\nVerify each request with it as Standard Webhooks says (standardwebhooks.com has \
         libraries):\nwebhook-signature holds \"v1,\" and the base64 of HMAC-SHA256 over\n\
         {{webhook-id}}.{{webhook-timestamp}}.{{body}}, keyed with what follows whsec_, base64-decoded.\n\
         {attempt}"
    )
}

/// Its notifications, in words.
fn gets(subscriber: &Subscriber) -> String {
    let wants = wants(&subscriber.filter);
    match subscriber.kind {
        SubscriberKind::Callback => wants,
        SubscriberKind::Chat => format!("alerts of what failed among {wants}"),
        SubscriberKind::Events => "the events of the service".to_owned(),
    }
}

/// A filter in words.
fn wants(filter: &Filter) -> String {
    if *filter == Filter::default() {
        "every status of every message".to_owned()
    } else {
        filter.to_string()
    }
}

impl SubscriberListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let found = settings.reader()?.subscribers(Clock::system().now_ms())?;
        let rest = page::counted(found.reached);
        let list = List {
            columns: &[
                ("NAME", &|it: &SubscriberOverview| {
                    it.subscriber.name.clone()
                }),
                ("KIND", &|it| it.subscriber.kind.to_string()),
                ("STATE", &|it| it.subscriber.state.to_string()),
                ("PENDING", &|it| {
                    it.pending
                        .map_or_else(|| "?".to_owned(), |pending| pending.to_string())
                }),
                ("DELIVERED 24H", &|it| it.delivered_24h.to_string()),
                ("GAVE UP 24H", &|it| it.gave_up_24h.to_string()),
                ("WANTS", &|it| it.subscriber.filter.to_string()),
                ("URL", &|it| it.subscriber.url.clone()),
            ],
            nothing: "no subscriber yet: tickrelay subscriber add --name crm --url https://…",
        };
        list.show((&found.rows, rest), self.json, terminal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Exit;
    use super::super::tests::run;

    #[test]
    fn a_secret_is_given_as_json_with_the_url_in_its_normal_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}/t.db", folder.path().display());
        run(&["token", "create", "--role", "admin", "--store", &store]);
        let ask = |verb: &[&str]| {
            let (exit, data, talk) =
                run(&[&["subscriber"], verb, &["--json", "--store", &store]].concat());
            assert_eq!((exit, talk.as_str()), (Exit::Done, ""));
            let answer: serde_json::Value = serde_json::from_str(&data).unwrap();
            assert!(
                answer["secret"].as_str().unwrap().starts_with("whsec_"),
                "{data}"
            );
            answer
        };
        let added = ask(&["add", "--name", "crm", "--url", "https://Example\t.com/a b"]);
        assert_eq!(added["name"], "crm");
        assert_eq!(added["url"], "https://example.com/a%20b");
        assert!(added["old_until_ms"].is_null());

        let rotated = ask(&["rotate-secret", "crm"]);
        assert!(rotated["old_until_ms"].is_i64());
        assert_ne!(rotated["secret"], added["secret"]);
    }
}

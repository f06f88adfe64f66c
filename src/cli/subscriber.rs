//! `tickrelay subscriber`: manage subscribers, their filters and their secrets.

mod add;
mod flags;
mod show;
mod test;
mod update;

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{self, Client, Purpose};
use super::list::List;
use super::time::day_and_time;
use super::{Exit, Settings, Terminal};
use crate::model::{Filter, SubscriberKind, SubscriberState};
use crate::web::api::subscribers::{ListedSubscriberView, SecretView, SubscriberView};

/// The verbs of `subscriber`.
#[derive(Debug, Subcommand)]
pub(super) enum SubscriberCommand {
    /// Add a subscriber; its secret is written to stdout, once
    Add(Box<add::Add>),
    /// Change the given settings of a subscriber
    Update(Box<update::Update>),
    /// List subscribers with their pending forwards
    List(SubscriberListArgs),
    /// Show a subscriber's settings and state
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
    /// Answer with the API's JSON document, the secret in it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SubscriberListArgs {
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl SubscriberCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Add(add) => add.run(settings, terminal),
            Self::Update(update) => update.run(settings, terminal),
            Self::List(list) => list.run(settings, terminal),
            Self::Show(show) => show.run(settings, terminal),
            Self::Pause(named) => named.set(settings, "pause", terminal),
            Self::Resume(named) => named.set(settings, "resume", terminal),
            Self::Remove(named) => named.remove(settings, terminal),
            Self::RotateSecret(rotate) => rotate.run(settings, terminal),
            Self::Test(test) => test.run(settings, terminal),
        }
    }
}

impl SubscriberNameArg {
    /// Pauses or resumes it.
    fn set(
        &self,
        settings: &Settings,
        verb: &str,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let path = ["subscribers", &self.name, verb];
        let set = |client: &Client| client.post(&path, &());
        let subscriber: SubscriberView = client::with(settings, Purpose::Change, set)?;
        terminal.done = Some(changed(&subscriber.name));
        let (name, state) = (&subscriber.name, subscriber.state);
        if state == SubscriberState::Active {
            writeln!(
                terminal.talk,
                "{name} is active: its pending forwards are sent"
            )?;
        } else {
            writeln!(
                terminal.talk,
                "{name} is {state}: its pending forwards are kept until it is resumed, or grows too \
                 old (forward.max_age)"
            )?;
        }
        Ok(Exit::Done)
    }

    fn remove(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["subscribers", &self.name];
        let remove = |client: &Client| client.delete(&path);
        client::with(settings, Purpose::Change, remove)?;
        let removed = "the subscriber was removed, and its pending forwards are given up";
        terminal.done = Some(removed.to_owned());
        writeln!(terminal.talk, "{removed}")?;
        Ok(Exit::Done)
    }
}

impl SubscriberRotateSecretArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["subscribers", &self.name, "rotate-secret"];
        let rotate = |client: &Client| client.post(&path, &json!({ "now": self.now }));
        let with_secret: SecretView = client::with(settings, Purpose::Change, rotate)?;
        let name = &with_secret.subscriber.name;
        let old = with_secret.old_secret_until.map_or_else(
            || "the old secrets sign no more".to_owned(),
            |until| format!("the old one signs too until {}", day_and_time(until)),
        );
        terminal.done = Some(format!(
            "the secret of {name} was rotated, {old}, and the new one is not shown again: `tickrelay \
             subscriber rotate-secret {name}` gives another"
        ));
        if self.json {
            return terminal.json(&with_secret);
        }
        match with_secret.old_secret_until.map(day_and_time) {
            Some(until) => writeln!(
                terminal.talk,
                "{name} has a new secret; until {until} both sign."
            )?,
            None => writeln!(
                terminal.talk,
                "{name} has a new secret; the old ones sign no more, but an attempt under way ends with \
                 the signature it began with."
            )?,
        }
        show_secret(&with_secret, terminal)
    }
}

/// Sentence about a changed subscriber, and how to see the change.
fn changed(name: &str) -> String {
    format!("{name} was changed: `tickrelay subscriber show {name}` shows it")
}

/// The secret is what was asked for; all else is talk.
fn show_secret(with_secret: &SecretView, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    writeln!(terminal.talk, "This secret is shown once:\n")?;
    writeln!(terminal.data, "{}", with_secret.secret)?;
    terminal.data.flush()?;
    writeln!(terminal.talk, "{}", next_step(&with_secret.subscriber))?;
    Ok(Exit::Done)
}

/// What to do with the secret.
fn next_step(subscriber: &SubscriberView) -> String {
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

/// What it is notified of, in words.
fn gets(subscriber: &SubscriberView) -> String {
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
        let counts = [("counts", "true".to_owned())];
        let found = client::with(settings, Purpose::Read, |client| {
            let all = (usize::MAX, None);
            client.rows::<ListedSubscriberView>(&["subscribers"], &counts, all)
        })?;
        let list = List {
            columns: &[
                ("NAME", &|it: &ListedSubscriberView| {
                    it.subscriber.name.clone()
                }),
                ("KIND", &|it| it.subscriber.kind.to_string()),
                ("STATE", &|it| it.subscriber.state.to_string()),
                ("PENDING", &|it| number_or_unknown(it.pending)),
                ("DELIVERED 24H", &|it| number_or_unknown(it.delivered_24h)),
                ("GAVE UP 24H", &|it| number_or_unknown(it.gave_up_24h)),
                ("WANTS", &|it| it.subscriber.filter.to_string()),
                ("URL", &|it| it.subscriber.url.clone()),
            ],
            nothing: "no subscriber yet: tickrelay subscriber add --name crm --url https://…",
        };
        list.show_page(&found, self.json, terminal)
    }
}

/// A count, where there was time to count.
fn number_or_unknown(count: Option<u64>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
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
        assert!(added["old_secret_until"].is_null());

        let rotated = ask(&["rotate-secret", "crm"]);
        assert!(rotated["old_secret_until"].is_string());
        assert_ne!(rotated["secret"], added["secret"]);
    }
}

//! `tickrelay token`: who may use the management API, and what for.

use clap::{Args, Subcommand};

use super::client::{self, Client, Purpose};
use super::list::List;
use super::time::{day_and_time, stamp};
use super::usage::key;
use super::{Exit, Settings, Terminal, store};
use crate::access::Role;
use crate::clock::Clock;
use crate::model::TokenKey;
use crate::web::api::time::Time;
use crate::web::api::tokens::{CreatedTokenView, NewTokenView, TokenView};

/// The verbs of `token`.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token; it is written to stdout, once
    Create(TokenCreateArgs),
    /// List tokens, revoked and expired ones included
    List(TokenListArgs),
    /// Revoke a token now
    Revoke(TokenRevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct TokenCreateArgs {
    /// What its bearer may do: admin, integrator, support or analyst; docs/api.md has the table
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// What to call it: a-z, 0-9 and '-' [default: its role]
    #[arg(long)]
    name: Option<String>,
    /// Owner whose subscribers an integrator's token manages
    #[arg(long, value_name = "WORD")]
    owner: Option<String>,
    /// Only what concerns these sources; may be repeated, or written with commas
    #[arg(long = "source", value_name = "NAME", value_delimiter = ',')]
    sources: Vec<String>,
    /// How long it holds, as in 90d or 12h [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = crate::config::duration)]
    expires: Option<std::time::Duration>,
    /// Answer with the API's JSON document, the token in it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TokenListArgs {
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TokenRevokeArgs {
    /// Its id, as `token list` has it
    #[arg(value_parser = key::<TokenKey>)]
    id: TokenKey,
}

impl TokenCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Create(create) => create.run(settings, terminal),
            Self::List(list) => list.run(settings, terminal),
            Self::Revoke(revoke) => revoke.run(settings, terminal),
        }
    }
}

impl TokenCreateArgs {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        let expires_at = self.expires.map(|expires| {
            let expires_ms = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
            Time(now_ms.saturating_add(expires_ms))
        });
        let new = NewTokenView {
            name: self.name,
            role: self.role,
            owner: self.owner,
            sources: self.sources,
            expires_at,
        };
        let made = store::Making::begin(settings)?;
        let create = |client: &Client| client.post(&["tokens"], &new);
        let created = client::with(settings, Purpose::FirstToken, create);
        made.say(terminal)?;
        let created: CreatedTokenView = created?;
        let id = created.token.id;
        terminal.done = Some(format!(
            "token {id} was made, and its text is not shown again: `tickrelay token revoke {id}` ends it"
        ));
        for warning in &created.warnings {
            writeln!(terminal.talk, "warning: source.owners: {warning}")?;
        }
        if self.json {
            return terminal.json(&created);
        }
        let until = created.token.expires_at.map(|Time(ms)| day_and_time(ms));
        let until = until.map_or_else(
            || "until it is revoked".to_owned(),
            |until| format!("until {until}"),
        );
        let role = created.token.role;
        writeln!(
            terminal.talk,
            "token {id} is made: role {role}, {until}. It is shown once:\n"
        )?;
        writeln!(terminal.data, "{}", created.text)?;
        terminal.data.flush()?;
        writeln!(
            terminal.talk,
            "\nSend it as Authorization: Bearer tr_…; end it with `tickrelay token revoke {id}`."
        )?;
        Ok(Exit::Done)
    }
}

impl TokenListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let tokens = client::with(settings, Purpose::Read, |client| client.all(&["tokens"]))?;
        let now_ms = Clock::system().now_ms();
        let list = List {
            columns: &[
                ("ID", &|token: &TokenView| token.id.to_string()),
                ("NAME", &|token| token.name.clone()),
                ("ROLE", &|token| token.role.to_string()),
                ("OWNER", &|token| token.owner.clone().unwrap_or_default()),
                ("SOURCES", &|token| token.sources.join(",")),
                ("HOLDS", &|token| validity(token, now_ms)),
                ("LAST USED (UTC)", &|token| {
                    token.last_used_at.map(at).unwrap_or_default()
                }),
            ],
            nothing: "no token yet, so the management API answers no request; \
                      tickrelay token create --role admin --name NAME makes one",
        };
        list.show_page(&tokens, self.json, terminal)
    }
}

fn at(Time(ms): Time) -> String {
    stamp(ms)
}

fn validity(token: &TokenView, now_ms: i64) -> String {
    match (token.revoked_at, token.expires_at) {
        (Some(ended), _) => format!("revoked {}", at(ended)),
        (None, Some(end)) if end.0 <= now_ms => format!("expired {}", at(end)),
        (None, Some(end)) => format!("until {}", at(end)),
        (None, None) => "until revoked".to_owned(),
    }
}

impl TokenRevokeArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let id = self.id.to_string();
        let token: TokenView = client::with(settings, Purpose::Change, |client| {
            client.post(&["tokens", &id, "revoke"], &())
        })?;
        writeln!(
            terminal.talk,
            "token {} ({}) holds no more",
            token.id, token.name
        )?;
        Ok(Exit::Done)
    }
}

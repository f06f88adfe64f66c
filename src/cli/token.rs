//! `tickrelay token`: who may use the management API, and what for.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::list::List;
use super::time::{day_and_time, stamp};
use super::usage::key;
use super::{Exit, Settings, Terminal, ask, store};
use crate::access::token::{NewToken, TokenRecord};
use crate::access::{self, Role};
use crate::admin::{Answer, Request};
use crate::clock::Clock;
use crate::store::StoreFound;

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
    /// Of an integrator: whose subscribers it sees and changes
    #[arg(long, value_name = "WORD")]
    owner: Option<String>,
    /// Only what concerns these sources; may be repeated, or written with commas
    #[arg(long = "source", value_name = "NAME", value_delimiter = ',')]
    sources: Vec<String>,
    /// How long it holds, as in 90d or 12h [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = crate::config::duration)]
    expires: Option<std::time::Duration>,
    /// Answer with a JSON object, the token in it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TokenListArgs {
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TokenRevokeArgs {
    /// Its id, as `token list` has it
    #[arg(value_parser = key)]
    id: i64,
}

/// The answer of `token create --json`.
#[derive(Serialize)]
struct CreatedToken<'a> {
    #[serde(flatten)]
    token: &'a TokenRecord,
    /// `tr_…`
    text: &'a str,
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
        let config = settings.load()?.config;
        let path = config.store.path.clone();
        let was_there = StoreFound::at(&path) == StoreFound::Store;
        let now_ms = Clock::system().now_ms();
        let expires_at_ms = self.expires.map(|expires| {
            let expires_ms = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
            now_ms.saturating_add(expires_ms)
        });
        let request = Request::CreateToken(NewToken {
            name: self.name.unwrap_or_else(|| self.role.to_string()),
            role: self.role,
            owner: self.owner,
            sources: self.sources,
            expires_at_ms,
        });
        let answer = ask::perform_now(settings, request, terminal)?;
        if !was_there && StoreFound::at(&path) == StoreFound::Store {
            writeln!(terminal.talk, "{}", store::made(&path))?;
        }
        let (token, text) = match answer {
            Some(Answer::Token { token, text }) => (token, text),
            Some(other) => return Err(ask::unexpected(&other)),
            None => return Ok(Exit::Refused),
        };
        for warning in
            access::token_warnings(std::slice::from_ref(&token), &config.owners(), now_ms)
        {
            writeln!(terminal.talk, "warning: source.owners: {warning}")?;
        }
        if self.json {
            return terminal.json(&CreatedToken {
                token: &token,
                text: &text,
            });
        }
        let until = token.token.expires_at_ms.map(day_and_time);
        let until = until.map_or_else(
            || "until it is revoked".to_owned(),
            |until| format!("until {until}"),
        );
        let (id, role) = (token.token_id, token.token.role);
        writeln!(
            terminal.talk,
            "token {id} is made: role {role}, {until}. It is shown once:\n"
        )?;
        writeln!(terminal.data, "{text}")?;
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
        let tokens = match ask::perform_now(settings, Request::ListTokens, terminal)? {
            Some(Answer::Tokens(tokens)) => tokens,
            Some(other) => return Err(ask::unexpected(&other)),
            None => return Ok(Exit::Refused),
        };
        let now_ms = Clock::system().now_ms();
        let list = List {
            columns: &[
                ("ID", &|record: &TokenRecord| record.token_id.to_string()),
                ("NAME", &|record| record.token.name.clone()),
                ("ROLE", &|record| record.token.role.to_string()),
                ("OWNER", &|record| {
                    record.token.owner.clone().unwrap_or_default()
                }),
                ("SOURCES", &|record| record.token.sources.join(",")),
                ("HOLDS", &|record| standing(record, now_ms)),
                ("LAST USED (UTC)", &|record| {
                    record.last_used_ms.map(stamp).unwrap_or_default()
                }),
            ],
            nothing: "no token yet, so the management API answers nobody; \
                      tickrelay token create --role admin --name NAME makes one",
        };
        list.show((&tokens, None), self.json, terminal)
    }
}

fn standing(record: &TokenRecord, now_ms: i64) -> String {
    match (record.revoked_at_ms, record.token.expires_at_ms) {
        (Some(ms), _) => format!("revoked {}", stamp(ms)),
        (None, Some(ms)) if ms <= now_ms => format!("expired {}", stamp(ms)),
        (None, Some(ms)) => format!("until {}", stamp(ms)),
        (None, None) => "until revoked".to_owned(),
    }
}

impl TokenRevokeArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let request = Request::RevokeToken { id: self.id };
        match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Revoked(token)) => {
                writeln!(
                    terminal.talk,
                    "token {} ({}) holds no more",
                    token.token_id, token.token.name
                )?;
                Ok(Exit::Done)
            }
            Some(other) => Err(ask::unexpected(&other)),
            None => Ok(Exit::Refused),
        }
    }
}

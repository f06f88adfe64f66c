//! Who may do what: roles, permissions, and the one table that joins them.
//!
//! Pure. A [`Caller`] is a token's bearer or the command line; the table decides what it may do,
//! and its owner and sources narrow on what. The network address of a request decides nothing.

mod table;
pub mod token;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::table::{AccessRule, Permission, Reach, TABLE};
use self::token::TokenRecord;
use crate::model::{Choice, Subscriber, TokenKey, UnknownWord, quoted};

/// Why a caller elsewhere may not do what the socket alone answers.
pub(crate) const SOCKET_ALONE: &str = "this is answered on the service's own socket alone: run the \
     command on its machine, as the service's user and without --url and TICKRELAY_URL";

/// What a token's bearer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(
    utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::EnumString, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum Role {
    /// Runs the relay: may do everything.
    Admin,
    /// Builds a subscriber: sees and changes the subscribers of the token's owner alone.
    Integrator,
    /// Answers customers: sees everything, sends again, changes no set-up.
    Support,
    /// Counts and compares: sees everything but the providers' raw requests.
    Analyst,
}

impl Choice for Role {
    const WHAT: &'static str = "role";
}

impl Role {
    /// Whether the table gives this role that permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        permission
            .rule()
            .is_some_and(|rule| rule.roles.contains(&self))
    }
}

/// The client of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// By what way.
    pub way: Way,
    /// What it may do.
    pub role: Role,
    /// Whose subscribers it sees and changes; every owner's when `None`.
    pub owner: Option<String>,
    /// The sources it sees; all when empty.
    pub sources: Vec<String>,
    /// Where it calls from, for the audit; it decides nothing.
    pub address: Option<IpAddr>,
    /// The sources whose `owners` name its owner; of no meaning without one.
    pub owned: Vec<String>,
}

/// What the operator should know of tokens that hold and have an owner, where each source of the
/// configuration names these owners.
#[must_use]
pub fn token_warnings(
    tokens: &[TokenRecord],
    sources: &[(&str, &[String])],
    now_ms: i64,
) -> Vec<String> {
    let holds = |record: &&TokenRecord| {
        let expires_ms = record.token.expires_at_ms;
        record.revoked_at_ms.is_none() && expires_ms.is_none_or(|ms| ms > now_ms)
    };
    let tokens = tokens.iter().filter(holds);
    tokens
        .flat_map(|record| [powerless(record, sources), curious(record, sources)])
        .flatten()
        .collect()
}

/// Note on a token whose owner is named by no source that it sees.
fn powerless(record: &TokenRecord, sources: &[(&str, &[String])]) -> Option<String> {
    let token = &record.token;
    let owner = token.owner.as_ref()?;
    let is_seen =
        |name: &str| token.sources.is_empty() || token.sources.iter().any(|it| it == name);
    let names_it = |(name, owners): &(&str, &[String])| is_seen(name) && owners.contains(owner);
    if sources.iter().any(names_it) {
        return None;
    }
    let by = if token.sources.is_empty() {
        "whom no source names".to_owned()
    } else {
        let seen = token.sources.join(", ");
        format!("whom no source of its --source ({seen}) names")
    };
    Some(format!(
        "token {} ({}) has the owner {owner}, {by}: it registers no message and polls no \
         broadcast; if it should, write owners = [{owner}] into the [[source]] that it sends by",
        record.token_id,
        token.name,
        owner = quoted(owner)
    ))
}

/// Note on a token whose subscribers may receive what other owners send.
fn curious(record: &TokenRecord, sources: &[(&str, &[String])]) -> Option<String> {
    let token = &record.token;
    let owner = token.owner.as_ref()?;
    if !token.sources.is_empty() {
        return None;
    }
    let of_others = sources
        .iter()
        .filter(|(_, owners)| !owners.is_empty() && !owners.contains(owner));
    let names: Vec<&str> = of_others.map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "token {} ({}) has the owner {owner} and no --source, so its subscribers may be sent \
             the messages of other owners' sources ({}); if they should not, make another with \
             --source and revoke this one",
            record.token_id,
            token.name,
            names.join(", "),
            owner = quoted(owner)
        )
    })
}

/// By which listener a request came. Each listener names itself; no address is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The TCP port: only a token proves anything.
    Network,
    /// The Unix socket beside the store: only the store's owner can open it.
    Socket,
}

/// How a caller came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// The command line: its user may open the store.
    Cli,
    /// A token.
    Token {
        /// Its key.
        id: TokenKey,
        /// What people call it.
        name: String,
    },
}

impl Caller {
    /// The command line's, which may do everything.
    #[must_use]
    pub const fn cli() -> Self {
        Self {
            way: Way::Cli,
            role: Role::Admin,
            owner: None,
            sources: Vec::new(),
            address: None,
            owned: Vec::new(),
        }
    }

    /// A token's bearer, where each source of the configuration names these owners.
    #[must_use]
    pub fn bearer<'a>(
        token: TokenRecord,
        sources: impl IntoIterator<Item = (&'a str, &'a [String])>,
    ) -> Self {
        let TokenRecord {
            token_id, token, ..
        } = token;
        let owned = sources.into_iter().filter(|(_, owners)| {
            let own = token.owner.as_ref();
            own.is_some_and(|own| owners.contains(own))
        });
        Self {
            owned: owned.map(|(name, _)| name.to_owned()).collect(),
            address: None,
            way: Way::Token {
                id: token_id,
                name: token.name,
            },
            role: token.role,
            owner: token.owner,
            sources: token.sources,
        }
    }

    /// Whether it may do that at all; on what, the methods below say.
    ///
    /// # Errors
    /// Why not, in words for the caller.
    pub fn allow(&self, permission: Permission) -> Result<(), String> {
        if !self.role.may(permission) {
            return Err(format!(
                "the role {} may not do this; docs/api.md says what each role may",
                self.role
            ));
        }
        if permission.is_local() && self.way != Way::Cli {
            return Err(SOCKET_ALONE.to_owned());
        }
        let is_narrowed = self.owner.is_some() || !self.sources.is_empty();
        if is_narrowed && permission.reach() == Reach::Whole {
            let words = permission.rule().map_or("do this", |rule| rule.words);
            return Err(format!(
                "this token is narrowed by --source or --owner: only one that sees everything \
                 may {words}"
            ));
        }
        Ok(())
    }

    /// Whether it may register messages and poll broadcasts at a source that it sees.
    ///
    /// # Errors
    /// Why not, in words for the caller: the setting to change.
    pub fn allow_at(&self, source: &str) -> Result<(), String> {
        match &self.owner {
            Some(owner) if !self.owns(source) => Err(format!(
                "this token is of the owner {owner}, which the source {source} does not name: \
                 only owners = [{owner}] in its [[source]] lets it do this there",
                owner = quoted(owner),
                source = quoted(source)
            )),
            _ => Ok(()),
        }
    }

    /// Whether what is registered at a source is its own affair: it has no owner, or the source
    /// names it.
    #[must_use]
    pub fn owns(&self, source: &str) -> bool {
        self.owner.is_none() || self.owned.iter().any(|owned| owned == source)
    }

    /// What the audit calls it: `cli`, or the token with its key.
    #[must_use]
    pub fn called(&self) -> String {
        match &self.way {
            Way::Cli => "cli".to_owned(),
            Way::Token { id, name } => format!("token {id} ({name})"),
        }
    }

    /// Whether it sees a subscriber: its owner's alone when it has one, and only such as get
    /// nothing but the sources it sees.
    #[must_use]
    pub fn sees(&self, subscriber: &Subscriber) -> bool {
        let its_own = self.owner.is_none() || self.owner == subscriber.owner;
        its_own && self.sees_sources(&subscriber.filter.sources)
    }

    /// Whether it sees all that a filter with these sources lets through.
    #[must_use]
    pub fn sees_sources(&self, sources: &[String]) -> bool {
        self.sources.is_empty()
            || (!sources.is_empty() && sources.iter().all(|name| self.sources.contains(name)))
    }

    /// Whether it sees what came from this source.
    #[must_use]
    pub fn sees_source(&self, name: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|seen| seen == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_stands_in_the_table_once_and_an_admin_has_it() {
        for (index, rule) in TABLE.iter().enumerate() {
            let permission = rule.permission;
            assert!(rule.roles.contains(&Role::Admin), "{permission:?}");
            assert!(!rule.words.is_empty());
            assert_eq!(
                permission as usize, index,
                "{permission:?} stands elsewhere"
            );
        }
        assert_eq!(TABLE.len(), Permission::Erase as usize + 1);
    }

    #[test]
    fn a_token_with_an_owner_registers_where_a_source_names_it() {
        let check = |owner: Option<&str>, owners: &[&str], expected: bool| {
            let owners: Vec<String> = owners.iter().map(|it| (*it).to_owned()).collect();
            let record = TokenRecord {
                token_id: TokenKey::of(1),
                token: token::NewToken {
                    name: "crm".to_owned(),
                    role: Role::Integrator,
                    owner: owner.map(str::to_owned),
                    sources: Vec::new(),
                    expires_at_ms: None,
                },
                created_at_ms: 0,
                last_used_ms: None,
                revoked_at_ms: None,
            };
            let caller = Caller::bearer(record, [("cloud", owners.as_slice())]);
            let allowed = caller.allow_at("cloud");
            assert_eq!(allowed.is_ok(), expected, "{owner:?} {owners:?}");
            assert!(allowed.err().is_none_or(|why| why.contains("owners = [")));
            assert_eq!(caller.owns("other"), owner.is_none());
        };
        check(None, &[], true);
        check(None, &["acme"], true);
        check(Some("acme"), &[], false);
        check(Some("acme"), &["acme"], true);
        check(Some("acme"), &["beta", "acme"], true);
        check(Some("acme"), &["beta"], false);
    }

    #[test]
    fn a_caller_with_sources_sees_what_gets_nothing_else() {
        let check = |seen: &[&str], sources: &[&str], expected: bool| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let caller = Caller {
                sources: owned(seen),
                ..Caller::cli()
            };
            let sources: Vec<String> = owned(sources);
            assert_eq!(
                caller.sees_sources(&sources),
                expected,
                "{seen:?} {sources:?}"
            );
        };
        check(&[], &[], true);
        check(&[], &["a"], true);
        check(&["a"], &[], false);
        check(&["a"], &["a"], true);
        check(&["a"], &["a", "b"], false);
        check(&["a", "b"], &["b"], true);
    }
}

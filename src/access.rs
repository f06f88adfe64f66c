//! Who may do what: roles, permissions, and the one table that joins them.
//!
//! Pure. A [`Caller`] is a token's bearer or the command line; the table decides what it may do,
//! and its owner and sources narrow on what. The network address of a request decides nothing.

pub mod token;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{Subscriber, UnknownWord};

/// What a token's bearer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
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

impl Role {
    /// Every role, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Integrator, Self::Support, Self::Analyst];

    /// The word in the table, the CLI and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Integrator => "integrator",
            Self::Support => "support",
            Self::Analyst => "analyst",
        }
    }

    /// Whether the table gives this role that permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        TABLE
            .iter()
            .any(|(given, _, roles)| *given == permission && roles.contains(&self))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| UnknownWord {
                what: "role",
                word: word.to_owned(),
                expected: "admin, integrator, support, analyst",
            })
    }
}

/// Something that may be done; [`TABLE`] says in words what each one covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "the table beside it says it once, for the README too"
)]
pub enum Permission {
    ReadSubscribers,
    WriteSubscribers,
    ReadForwards,
    RetryForwards,
    ReadMessages,
    RegisterMessages,
    ReadTemplates,
    WriteTemplates,
    ReadWebhooks,
    ReadRawWebhooks,
    Reprocess,
    ReadSources,
    ReadErrors,
    ReadStats,
    ReadAudit,
    ManageTokens,
    Erase,
}

use Role::{Admin, Analyst, Integrator, Support};

/// Which role may do what, with what is meant; the README has the same table.
pub const TABLE: &[(Permission, &str, &[Role])] = &[
    (
        Permission::ReadSubscribers,
        "see subscribers and how they fare",
        &[Admin, Integrator, Support, Analyst],
    ),
    (
        Permission::WriteSubscribers,
        "add, change, pause, resume, test and remove subscribers, rotate their secrets",
        &[Admin, Integrator],
    ),
    (
        Permission::ReadForwards,
        "see forwards, their attempts and payloads",
        &[Admin, Integrator, Support, Analyst],
    ),
    (
        Permission::RetryForwards,
        "send forwards again, one or many",
        &[Admin, Integrator, Support],
    ),
    (
        Permission::ReadMessages,
        "find messages and broadcasts, read their timelines",
        &[Admin, Integrator, Support, Analyst],
    ),
    (
        Permission::RegisterMessages,
        "register what was sent",
        &[Admin, Integrator],
    ),
    (
        Permission::ReadTemplates,
        "see templates",
        &[Admin, Integrator, Support, Analyst],
    ),
    (
        Permission::WriteTemplates,
        "write and remove templates, which all share",
        &[Admin],
    ),
    (
        Permission::ReadWebhooks,
        "see the providers' requests, their bodies aside",
        &[Admin, Support, Analyst],
    ),
    (
        Permission::ReadRawWebhooks,
        "read the bodies of the providers' requests",
        &[Admin, Support],
    ),
    (
        Permission::Reprocess,
        "read stored requests again",
        &[Admin],
    ),
    (
        Permission::ReadSources,
        "see sources, their callback URLs and counts",
        &[Admin, Integrator, Support, Analyst],
    ),
    (
        Permission::ReadErrors,
        "look errors up in the catalogue",
        &[Admin, Integrator, Support, Analyst],
    ),
    (
        Permission::ReadStats,
        "see counts, queue and store",
        &[Admin, Support, Analyst],
    ),
    (Permission::ReadAudit, "see who changed what", &[Admin]),
    (
        Permission::ManageTokens,
        "create, list and revoke tokens (command line)",
        &[Admin],
    ),
    (
        Permission::Erase,
        "forget a person (command line)",
        &[Admin],
    ),
];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// By what way.
    pub way: Way,
    /// What it may do.
    pub role: Role,
    /// Whose subscribers it sees and changes; everybody's when `None`.
    pub owner: Option<String>,
    /// The sources it sees; all when empty.
    pub sources: Vec<String>,
    /// Where it calls from, for the audit; it decides nothing.
    pub address: Option<IpAddr>,
}

/// How a caller came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// The command line: its user may open the store.
    Cli,
    /// A token.
    Token {
        /// Its key.
        id: i64,
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
        }
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
        for (index, (permission, words, roles)) in TABLE.iter().enumerate() {
            assert!(roles.contains(&Role::Admin), "{permission:?}");
            assert!(!words.is_empty());
            let again = TABLE[index + 1..].iter().any(|row| row.0 == *permission);
            assert!(!again, "{permission:?} stands twice");
        }
        let last = Permission::Erase as usize;
        assert_eq!(TABLE.len(), last + 1);
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

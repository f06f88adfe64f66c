//! The table of permissions: what may be done, by which role, and what is left of it to a token that
//! is narrowed. Every check reads it; the matrix of `docs/api.md` and the test of every combination
//! come from it.

use super::Role::{self, Admin, Analyst, Integrator, Support};
use crate::model::Word as _;

/// Something that may be done; [`TABLE`] says in words what each one covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "the table beside it says it once, for the page too"
)]
pub enum Permission {
    ReadSubscribers,
    WriteSubscribers,
    ReadForwards,
    RetryForwards,
    ReadMessages,
    RegisterMessages,
    ReadPolls,
    ReadTemplates,
    WriteTemplates,
    ReadWebhooks,
    ReadRawWebhooks,
    Reprocess,
    ReadSources,
    ReadErrors,
    ReadUnknownErrors,
    ReadStats,
    ReadAudit,
    ReadTokens,
    ManageTokens,
    Erase,
}

impl Permission {
    /// Its line of the table; a test sees that there is one.
    pub(super) fn rule(self) -> Option<&'static AccessRule> {
        TABLE.iter().find(|rule| rule.permission == self)
    }

    /// Whether it is answered on the socket alone.
    pub(super) fn is_local(self) -> bool {
        self.rule().is_none_or(|rule| rule.is_local)
    }

    /// What is left of it to a token that is narrowed.
    #[must_use]
    pub fn reach(self) -> Reach {
        self.rule().map_or(Reach::Whole, |rule| rule.reach)
    }
}

const ALL_ROLES: &[Role] = Role::ALL;

/// What is left of a permission to a token that is narrowed by `--owner` or `--source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of it: it is the same for every token.
    Shared,
    /// What the token sees: its owner's subscribers, their forwards and messages; its sources.
    Seen,
    /// The sources that the token sees and, where it has an owner, that name it in `owners`.
    Owned,
    /// Nothing: it is about all of the service.
    Whole,
}

impl Reach {
    /// As the table of `docs/api.md` says it: prose for people, so `strum` derives none of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "all of it",
            Self::Seen => "what it sees",
            Self::Owned => "sources that name its owner",
            Self::Whole => "nothing",
        }
    }
}

/// A line of [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct AccessRule {
    /// What may be done.
    pub permission: Permission,
    /// The same in words, to follow "who may".
    pub words: &'static str,
    /// Who may.
    pub roles: &'static [Role],
    /// On what, for a token that is narrowed.
    pub reach: Reach,
    /// Whether it is answered on the socket alone, whatever token is sent elsewhere.
    pub is_local: bool,
}

const fn rule(
    permission: Permission,
    words: &'static str,
    roles: &'static [Role],
    reach: Reach,
) -> AccessRule {
    AccessRule {
        permission,
        words,
        roles,
        reach,
        is_local: false,
    }
}

/// What is answered on the socket alone: a stolen token must not be able to do it.
const fn local(permission: Permission, words: &'static str) -> AccessRule {
    AccessRule {
        is_local: true,
        ..rule(permission, words, &[Admin], Reach::Whole)
    }
}

/// Which role may do what, and on what: the one source of every check and of the table in `docs/api.md`.
#[rustfmt::skip]
pub const TABLE: &[AccessRule] = &[
    rule(Permission::ReadSubscribers, "see subscribers and their health", ALL_ROLES, Reach::Seen),
    rule(Permission::WriteSubscribers, "add, change, pause, resume, test and remove subscribers, rotate their secrets", &[Admin, Integrator], Reach::Seen),
    rule(Permission::ReadForwards, "see forwards, their attempts and payloads", ALL_ROLES, Reach::Seen),
    rule(Permission::RetryForwards, "send forwards again, one or many", &[Admin, Integrator, Support], Reach::Seen),
    rule(Permission::ReadMessages, "find messages and broadcasts, read their timelines", ALL_ROLES, Reach::Seen),
    rule(Permission::RegisterMessages, "register what was sent, have broadcasts polled", &[Admin, Integrator], Reach::Owned),
    rule(Permission::ReadPolls, "list the broadcasts that a source is polled for", ALL_ROLES, Reach::Owned),
    rule(Permission::ReadTemplates, "see templates", ALL_ROLES, Reach::Shared),
    rule(Permission::WriteTemplates, "write and remove templates, which all share", &[Admin], Reach::Whole),
    rule(Permission::ReadWebhooks, "see the providers' requests, their bodies aside", &[Admin, Support, Analyst], Reach::Seen),
    rule(Permission::ReadRawWebhooks, "read the bodies of the providers' requests", &[Admin, Support], Reach::Seen),
    rule(Permission::Reprocess, "read stored requests again", &[Admin], Reach::Seen),
    rule(Permission::ReadSources, "see sources, their callback URLs, counts and account events", ALL_ROLES, Reach::Seen),
    rule(Permission::ReadErrors, "look errors up in the catalogue", ALL_ROLES, Reach::Shared),
    rule(Permission::ReadUnknownErrors, "list reported error codes that the catalogue lacks", &[Admin, Support, Analyst], Reach::Whole),
    rule(Permission::ReadStats, "see counts, queue and store", &[Admin, Support, Analyst], Reach::Seen),
    rule(Permission::ReadAudit, "see who changed what", &[Admin], Reach::Whole),
    rule(Permission::ReadTokens, "list tokens and the ids of keys", &[Admin], Reach::Whole),
    local(Permission::ManageTokens, "create and revoke tokens, rotate keys (the local socket alone)"),
    local(Permission::Erase, "erase a person (the local socket alone)"),
];

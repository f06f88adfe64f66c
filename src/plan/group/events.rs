//! The account events of a group, as they are found again.

use std::collections::{HashMap, HashSet};

use super::keys::EventKeys;
use super::writes::FirstEvent;
use crate::model::About;

/// The account events of a group so far.
#[derive(Default)]
pub(super) struct EventIndex<'w> {
    /// By what makes each one.
    pub(super) by_identity: HashMap<EventIdentity<'w>, usize>,
    /// The first of each subject.
    pub(super) first: HashMap<(usize, &'w str, About), FirstEvent>,
    /// Limits of an account, with the times of their events, ms since 1970 UTC.
    pub(super) limits: HashMap<LimitsOf<'w>, Vec<(i64, usize)>>,
    /// The errors of channels that are gathered.
    pub(super) gathered: HashSet<(usize, &'w str)>,
}

/// What makes an account event one.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct EventIdentity<'w> {
    source: usize,
    subject: &'w str,
    field: &'w str,
    event: &'w str,
    identity_ms: i64,
    template_id: &'w str,
    account_id: &'w str,
}

impl<'w> EventIdentity<'w> {
    pub(super) fn of(keys: EventKeys<'w>) -> Self {
        let event = keys.event;
        Self {
            source: keys.source,
            subject: &event.subject,
            field: &event.field,
            event: &event.event,
            identity_ms: keys.identity_ms,
            template_id: event.template_id.as_deref().unwrap_or_default(),
            account_id: event.account_id.as_deref().unwrap_or_default(),
        }
    }
}

/// The account whose limits an event reports.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct LimitsOf<'w> {
    source: usize,
    subject: &'w str,
    field: &'w str,
    event: &'w str,
    account_id: &'w str,
}

impl<'w> LimitsOf<'w> {
    pub(super) fn of(keys: EventKeys<'w>) -> Self {
        let event = keys.event;
        Self {
            source: keys.source,
            subject: &event.subject,
            field: &event.field,
            event: &event.event,
            account_id: event.account_id.as_deref().unwrap_or_default(),
        }
    }
}

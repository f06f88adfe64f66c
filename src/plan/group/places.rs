//! The places of what each piece of work is about, among the keys of its group.

use crate::model::Report;

/// The places of what one piece of work is about.
pub(super) enum WorkKeys<'w> {
    /// Of a webhook: its source, and item by item.
    Webhook(usize, Vec<ItemKeys>),
    /// Of a registration.
    Registration(Box<RegistrationKeys<'w>>),
}

/// The places of what one item of a webhook is about.
pub(super) enum ItemKeys {
    /// Of a report.
    Report(ReportKeys),
    /// Of an account event.
    Event(usize, GivenNames),
    /// Of names that are one person's.
    Names(GivenNames),
    /// Nothing that is stored.
    Nothing,
}

/// The places of what a report is about.
#[derive(Clone)]
pub(super) struct ReportKeys {
    /// Its message.
    pub(super) message: usize,
    /// What makes it one.
    pub(super) identity: i64,
    /// What it calls the person.
    pub(super) given: GivenNames,
}

/// What one statement calls a person.
#[derive(Clone, Default)]
pub(super) struct GivenNames {
    /// The names, as they are stored.
    pub(super) names: Vec<String>,
    /// The places of the first with each other one.
    pub(super) links: Vec<usize>,
}

/// The places of what a registration is about, and the reports that it may become.
pub(super) struct RegistrationKeys<'w> {
    /// Its source.
    pub(super) source: usize,
    /// The broadcast that it names, where the source is polled.
    pub(super) polled: Option<&'w str>,
    /// The report that it is.
    pub(super) own: (Report, ReportKeys),
    /// The report that it is as a message of its own, where its id may name another.
    pub(super) apart: Option<(Report, ReportKeys)>,
}

//! What a group is decided upon: what was stored, as the earlier pieces of the group left it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::keys::Keys;
use super::names::KnownPeople;
use crate::model::{
    AccountEventKey, Kind, Message, MessageKey, Report, ReportError, ReportKey, Status,
    StatusHistory, SubscriberKey, WebhookKey,
};
use crate::plan::WebhookOutcome;

/// All that a group may need, by the places of its [`Keys`].
#[derive(Default)]
pub(crate) struct Known {
    /// The stored webhooks by their keys.
    pub(crate) webhooks: HashMap<WebhookKey, WebhookState>,
    /// The messages by their places, `None` where nothing is known. What follows has no place: messages on
    /// which two names of a person may contradict each other.
    pub(crate) messages: Vec<Option<MessageState>>,
    /// The reports by the places of their messages and what makes each one.
    pub(crate) reports: HashMap<(usize, i64), KnownReport>,
    /// Who is known by which names.
    pub(crate) people: KnownPeople,
    /// What is known of the events, by their places.
    pub(crate) events: Vec<KnownEvent>,
    /// The bodies of templates by name and language.
    pub(crate) templates: BTreeMap<(String, Option<String>), String>,
    /// How many failures are gathered for each chat, by error, and when they are to be sent, ms since 1970 UTC.
    pub(crate) alerts: HashMap<(SubscriberKey, String), (u64, i64)>,
    /// Whether each broadcast is polled, by source and id; what never was is missing.
    pub(crate) polls: BTreeMap<(usize, String), bool>,
}

/// Templates that are read at most for one that a group names: two of a name are as many as more.
pub(crate) const MOST_TEMPLATES: usize = 2;

impl Known {
    /// Takes in which bodies there are by a name, and by a language where the group names one. Without one a
    /// text is rendered from the only template of the name: of several, none is meant more than another.
    pub(crate) fn template(&mut self, (name, language): (&str, Option<&str>), found: Vec<String>) {
        let mut bodies = found.into_iter();
        if let (Some(body), None) = (bodies.next(), bodies.next()) {
            let key = (name.to_owned(), language.map(str::to_owned));
            self.templates.insert(key, body);
        }
    }

    /// Whether chats may have to be alerted: a report fails, or makes a failure that is held count.
    pub(crate) fn may_alert(&self, keys: &Keys<'_>) -> bool {
        let holds = |state: &MessageState| state.message.others.fallback().is_some();
        keys.may_fail || self.messages.iter().flatten().any(holds)
    }
}

/// A webhook's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookState {
    /// How it ended.
    pub(crate) outcome: WebhookOutcome,
    /// Why it could not be read, or what it was instead of reports.
    pub(crate) detail: Option<String>,
    /// Reports found in it.
    pub(crate) reports: usize,
    /// Those that were new.
    pub(crate) new_reports: usize,
    /// Parts of it that could not be read.
    pub(crate) unreadable: usize,
}

/// What is to be written of a message; more includes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Touch {
    /// Nothing.
    Nothing,
    /// When it was reported.
    Times,
    /// All of it.
    All,
}

/// A message as it is known.
#[derive(Debug)]
pub(crate) struct MessageState {
    /// Its key; `None` when the group makes it.
    pub(crate) key: Option<MessageKey>,
    /// The place of its source.
    pub(crate) source: usize,
    /// It.
    pub(crate) message: Message,
    /// When it was first reported, ms since 1970 UTC.
    pub(crate) first_report_ms: i64,
    /// When it was last reported, ms since 1970 UTC.
    pub(crate) last_report_ms: i64,
    /// The facts of its reports that the group needs; `None` where it needs none.
    pub(crate) facts: Option<Box<MessageFacts>>,
    /// What is to be written of it.
    pub(crate) touch: Touch,
}

impl MessageState {
    /// One of that key, as stored.
    pub(crate) const fn stored(
        key: MessageKey,
        source: usize,
        message: Message,
        (first_report_ms, last_report_ms): (i64, i64),
    ) -> Self {
        Self {
            key: Some(key),
            source,
            message,
            first_report_ms,
            last_report_ms,
            facts: None,
            touch: Touch::Nothing,
        }
    }

    /// Takes the message as it is from now on.
    pub(super) fn set(&mut self, message: Message) {
        if self.message != message {
            self.message = message;
            self.touch = Touch::All;
        }
    }

    /// Takes in when it was reported.
    pub(super) fn reported(&mut self, at_ms: i64) {
        self.first_report_ms = self.first_report_ms.min(at_ms);
        self.last_report_ms = self.last_report_ms.max(at_ms);
        self.touch = self.touch.max(Touch::Times);
    }
}

/// The facts of a message's reports: a join over them, so that the group's own can be added.
#[derive(Debug, Default)]
pub(crate) struct MessageFacts {
    /// The broadcast that the provider reported.
    pub(crate) own_broadcast: Option<String>,
    /// What was registered beside the message.
    pub(crate) registration: Option<RegistrationRow>,
    /// Whether that is to be written.
    pub(super) is_newly_registered: bool,
    /// What the provider reported on WhatsApp.
    pub(super) progress: ReportProgress,
    /// The history on WhatsApp without refusals of the send.
    pub(crate) untaken: StatusHistory,
    /// The first error on WhatsApp itself, with its time, ms since 1970 UTC.
    pub(crate) first_failure: Option<(i64, ReportError)>,
    /// Whether a report is about a member of a group.
    pub(crate) has_members: bool,
    /// The history of the reports that name no member.
    pub(crate) unnamed: StatusHistory,
    /// The history of each member that the group needs, by name.
    pub(crate) members: HashMap<String, StatusHistory>,
}

impl MessageFacts {
    /// The history of a person as a member of the message's group.
    pub(super) fn of_member(&self, names: &BTreeSet<String>) -> StatusHistory {
        let mut history = StatusHistory::new();
        for member in names.iter().filter_map(|name| self.members.get(name)) {
            history.join(member);
        }
        history
    }

    /// Takes in a report.
    pub(crate) fn absorb(&mut self, report: ReportFacts<'_>) {
        if let Some(broadcast) = report.broadcast
            && self
                .own_broadcast
                .as_deref()
                .is_none_or(|known| known < broadcast)
        {
            self.own_broadcast = Some(broadcast.to_owned());
        }
        let is_own = report.is_of_whatsapp && report.kind != Kind::Fallback;
        if is_own && report.kind != Kind::Registration {
            let progress = match report.status {
                Some(Status::Sent | Status::Delivered | Status::Read) => ReportProgress::OnItsWay,
                _ => ReportProgress::Reported,
            };
            self.progress = self.progress.max(progress);
        }
        if let Some(error) = report.error.filter(|_| is_own)
            && self
                .first_failure
                .as_ref()
                .is_none_or(|it| report.at_ms < it.0)
        {
            self.first_failure = Some((report.at_ms, error.clone()));
        }
        let history = match report.participant {
            Some(name) => {
                self.has_members = true;
                self.members.entry(name.to_owned()).or_default()
            }
            None => &mut self.unnamed,
        };
        let Some(status) = report.status else { return };
        history.absorb(status, report.at_ms);
        if is_own && (report.kind, status) != (Kind::Registration, Status::Failed) {
            self.untaken.absorb(status, report.at_ms);
        }
    }
}

/// How far a message came by the reports of its provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReportProgress {
    /// Nothing was reported.
    #[default]
    Unreported,
    /// Something was.
    Reported,
    /// It went on its way.
    OnItsWay,
}

/// The part of a report that [`MessageFacts`] are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportFacts<'r> {
    /// What sort of statement it is.
    pub(crate) kind: Kind,
    /// Whether it is of no other channel.
    pub(crate) is_of_whatsapp: bool,
    /// Its status.
    pub(crate) status: Option<Status>,
    /// When it happened, else when it arrived, ms since 1970 UTC.
    pub(crate) at_ms: i64,
    /// The broadcast.
    pub(crate) broadcast: Option<&'r str>,
    /// The primary error.
    pub(crate) error: Option<&'r ReportError>,
    /// The member of the group that it is about.
    pub(crate) participant: Option<&'r str>,
}

impl<'r> ReportFacts<'r> {
    /// The part of a report that arrived at that time, ms since 1970 UTC.
    pub(super) fn of(report: &'r Report, received_ms: i64) -> Self {
        Self {
            kind: report.kind,
            is_of_whatsapp: report.channel.is_none(),
            status: report.status,
            at_ms: report.time.ms.unwrap_or(received_ms),
            broadcast: report.broadcast.as_deref(),
            error: report.error(),
            participant: report.participant.as_deref(),
        }
    }
}

/// A report that is known: stored, or of the group.
#[derive(Debug, Clone)]
pub(crate) struct KnownReport {
    /// Where it is.
    pub(crate) place: ReportPlace,
    /// Whether it has one of our statuses.
    pub(crate) has_status: bool,
}

/// Where a report is.
#[derive(Debug, Clone)]
pub(crate) enum ReportPlace {
    /// In the store.
    Stored {
        /// Its key.
        key: ReportKey,
        /// The title of its error.
        title: Option<String>,
        /// What the provider adds to it.
        details: Option<String>,
    },
    /// Among the reports that the group writes.
    New(usize),
}

/// What stands in the table of registrations of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RegistrationRow {
    /// Whether a call registered it, and not an echo.
    pub(crate) is_call: bool,
    /// Whose it is.
    pub(crate) owner: Option<String>,
    /// The template's name.
    pub(crate) template_name: Option<String>,
    /// Its language.
    pub(crate) template_language: Option<String>,
    /// What its placeholders stood for, as JSON.
    pub(crate) template_parameters: Option<String>,
    /// What the sender wants to find with it: a JSON object.
    pub(crate) metadata: Option<String>,
    /// When it was sent, as the sender says, ms since 1970 UTC.
    pub(crate) sent_ms: Option<i64>,
    /// For how long a final report may take, in seconds.
    pub(crate) ttl_s: Option<i64>,
    /// From when on it is silent, ms since 1970 UTC.
    pub(crate) silent_after_ms: Option<i64>,
    /// How the provider answered the send.
    pub(crate) send_status: Option<String>,
    /// When it was registered first, ms since 1970 UTC.
    pub(crate) registered_ms: i64,
}

/// What is stored of an account event.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownEvent {
    /// The key of this very event.
    pub(crate) key: Option<AccountEventKey>,
    /// The key of the first event of its subject.
    pub(crate) first: Option<AccountEventKey>,
    /// Of new limits: those before, with the time of their event, ms since 1970 UTC.
    pub(crate) earlier: Option<(i64, Option<String>)>,
    /// Of an error of the channel: whether errors of its code are being gathered.
    pub(crate) is_gathered: bool,
}

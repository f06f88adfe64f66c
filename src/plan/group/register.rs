//! Registering messages: a registration joins the reports, whichever comes first.
//!
//! A registration is a report of our own (`queued`), so that it goes through the same plan.
//! Subscribers are notified of it at most once, when nothing later was reported before.

use std::borrow::Cow;

use super::fold::{Fold, Noting};
use super::known::RegistrationRow;
use super::places::{RegistrationKeys, ReportKeys};
use super::refusals::Bearing;
use super::writes::{NotedReport, PollOpening};
use crate::model::{
    FilledTemplate, Message, Registration, Report, SendResult, Status, StatusHistory,
};
use crate::plan::{self, Context, RegisterOutcome, Registered, Registering};

/// A send that is registered.
struct SendWork<'w, 'r> {
    registering: &'w Registering,
    /// The registration, with the text that a template becomes.
    registration: &'r Registration,
    keys: ReportKeys,
    /// The source's place, and the broadcast to be polled.
    source: usize,
    polled: Option<&'w str>,
    /// The earlier registration by a call.
    before: Option<RegistrationRow>,
}

impl<'w> Fold<'w, '_> {
    /// Registers a message.
    pub(super) fn register(
        &mut self,
        registering: &'w Registering,
        keys: RegistrationKeys<'w>,
    ) -> RegisterOutcome {
        let (source, polled) = (keys.source, keys.polled);
        let registration = self.with_text(&registering.registration);
        let (report, own) = keys.own;
        let mut of_own = registration.clone();
        let kept_broadcast = self.keep_broadcast(&own, &mut of_own);
        let own = SendWork::new(registering, &of_own, own, (source, polled));
        let unchanged = match self.register_new(own, report) {
            Ok(outcome) => {
                return RegisterOutcome {
                    kept_broadcast,
                    ..outcome
                };
            }
            Err(unchanged) => unchanged,
        };
        let Some((report, apart)) = keys.apart else {
            return RegisterOutcome {
                kept_broadcast,
                ..unchanged
            };
        };
        // Its id names a message that was taken: it is a message of its own, without the id, and
        // with the broadcast in which it was sent.
        let apart = SendWork::new(registering, &registration, apart, (source, polled));
        let outcome = self.register_new(apart, report);
        RegisterOutcome {
            is_apart: true,
            ..outcome.unwrap_or_else(|unchanged| unchanged)
        }
    }

    /// Leaves the broadcast out of what is said of a message whose broadcast the provider itself
    /// reported; answers that one where it is another.
    fn keep_broadcast(
        &self,
        keys: &ReportKeys,
        registration: &mut Cow<'_, Registration>,
    ) -> Option<String> {
        let broadcast = registration.broadcast.clone()?;
        let state = self.known.messages[keys.message].as_ref()?;
        let own = state.facts.as_ref()?.own_broadcast.clone()?;
        registration.to_mut().broadcast = None;
        (own != broadcast).then_some(own)
    }

    /// What comes of it; as an error, that it is unchanged, where a refused send is another one than that
    /// of its message.
    fn register_new(
        &mut self,
        mut send: SendWork<'w, '_>,
        report: Report,
    ) -> Result<RegisterOutcome, RegisterOutcome> {
        let registering = send.registering;
        let place = send.keys.message;
        let state = self.known.messages[place].as_ref();
        let facts = state.and_then(|state| state.facts.as_ref());
        let row = facts.and_then(|facts| facts.registration.as_ref());
        send.before = row.filter(|row| row.is_call).cloned();
        let is_known = state.is_some();
        let unchanged = |registered, message: &Message| RegisterOutcome::new(registered, message);
        if let (Some(before), Some(state)) = (&send.before, state)
            && registering.owner.is_some()
            && registering.owner != registering.owner_after(before.owner.as_ref())
        {
            return Ok(unchanged(Registered::OfAnotherOwner, &state.message));
        }
        let given = send.keys.given.clone();
        self.link(send.source, &given, self.handed_in_ms(registering));
        if let Some(state) = self.known.messages[place].as_ref()
            && registering.result.is_refused()
        {
            let word = send.before.as_ref();
            let word = word.and_then(|before| before.send_status.as_deref());
            let outcome = || unchanged(Registered::Unchanged, &state.message);
            match self.bearing(&send.keys, word, &report) {
                Bearing::Own => {}
                Bearing::Known => return Ok(outcome()),
                Bearing::Another => return Err(outcome()),
            }
        }
        let is_repeat = send.before.is_some() && !registering.result.is_refused();
        if is_known && is_repeat {
            Ok(self.register_again(&send, report))
        } else {
            let state = self.known.messages[place].as_ref();
            let message = state.map(|state| state.message.clone());
            Ok(self.announce(&send, report, message))
        }
    }

    /// Takes in what a second registration of a message changes.
    fn register_again(&mut self, send: &SendWork<'w, '_>, report: Report) -> RegisterOutcome {
        let fresh = Message::default();
        let place = send.keys.message;
        let known = self.message(place, &fresh).clone();
        let mut message = known.clone();
        // The same id may be sent again after a refusal, and be taken then.
        let before = send.before.as_ref();
        let word = before.and_then(|before| before.send_status.as_deref());
        let is_answered = send.registering.result.word().is_some();
        let is_taken = word == Some(SendResult::REFUSED) && is_answered;
        if is_taken {
            self.forget_refusal(place, &mut message);
        }
        // What was paused may be taken too.
        let is_news = is_taken || (word == Some(SendResult::PAUSED) && is_answered);
        let identity = (place, send.keys.identity);
        if is_news && !self.known.reports.contains_key(&identity) {
            return self.announce(send, report, Some(message));
        }
        message.register(send.registration);
        let row = send.row(self.handed_in_ms(send.registering), &message);
        let is_same = before.is_some_and(|before| row.is_as(before));
        if message == known && is_same {
            return RegisterOutcome::new(Registered::Unchanged, &message);
        }
        let outcome = RegisterOutcome::new(Registered::Updated, &message);
        self.save(place, message, None);
        self.write_registration(place, row);
        outcome
    }

    /// Takes in the first registration of a message, and the report that it is.
    fn announce(
        &mut self,
        send: &SendWork<'w, '_>,
        report: Report,
        known: Option<Message>,
    ) -> RegisterOutcome {
        let registering = send.registering;
        let at_ms = self.handed_in_ms(registering);
        let place = send.keys.message;
        let registered = match known {
            None => Registered::Created,
            Some(_) => Registered::Joined,
        };
        let mut message = known.unwrap_or_default();
        message.register(send.registration);
        let context = Context {
            source: &registering.source,
            default_type: registering.default_type,
            default_sender: registering.default_sender.as_deref(),
            received_ms: at_ms,
            first_failure: None,
        };
        let history = &message.history;
        let plan = plan::plan(&message, history, &report, context, self.subscribers);
        let outcome = RegisterOutcome::new(registered, &plan.message);
        let row = send.row(at_ms, &plan.message);
        // A late registration is no report, but for the provider's own refusal.
        let is_report = registered == Registered::Created || report.error().is_some();
        self.save(place, plan.message, is_report.then_some(at_ms));
        self.write_registration(place, row);
        if let Some(broadcast) = send.polled {
            let is_news = registered == Registered::Created;
            self.poll(send.source, broadcast, is_news);
        }
        let noting = Noting {
            webhook: None,
            received_ms: at_ms,
            pending_since_ms: at_ms,
        };
        let noted = (NotedReport::Made(report.into()), plan.dispatch);
        self.note(noting, &send.keys, noted, plan.fallback);
        // By the clock that the duty goes by.
        self.alert(self.now_ms);
        outcome
    }

    /// When a message was handed in to be registered, ms since 1970 UTC.
    fn handed_in_ms(&self, registering: &Registering) -> i64 {
        registering.received_ms.unwrap_or(self.now_ms)
    }

    fn write_registration(&mut self, place: usize, row: RegistrationRow) {
        let state = self.known.messages[place].as_mut();
        if let Some(facts) = state.and_then(|state| state.facts.as_mut()) {
            facts.registration = Some(row);
            facts.is_newly_registered = true;
        }
    }

    /// Polls a broadcast from now on.
    fn poll(&mut self, source: usize, broadcast: &'w str, is_news: bool) {
        let key = (source, broadcast.to_owned());
        let is_open = self.known.polls.get(&key).copied();
        if let Some(opening) = PollOpening::of(is_open, is_news) {
            self.known.polls.insert(key, true);
            self.writes.polls.push((source, broadcast, opening));
        }
    }
}

impl<'w, 'r> SendWork<'w, 'r> {
    fn new(
        registering: &'w Registering,
        registration: &'r Registration,
        keys: ReportKeys,
        (source, polled): (usize, Option<&'w str>),
    ) -> Self {
        Self {
            registering,
            registration,
            keys,
            source,
            polled,
            before: None,
        }
    }

    /// What is to stand in the table then, of this message.
    fn row(&self, now_ms: i64, message: &Message) -> RegistrationRow {
        let new = RegistrationRow::called(self.registering, now_ms);
        let row = match &self.before {
            Some(before) => RegistrationRow {
                owner: self.registering.owner_after(before.owner.as_ref()),
                ..new.over(before)
            },
            None => new,
        };
        let sent_ms = row.sent_ms.or(first_ms(&message.history));
        let sent_ms = sent_ms.unwrap_or(row.registered_ms);
        let silent_after = |seconds: i64| sent_ms.saturating_add(seconds.saturating_mul(1000));
        RegistrationRow {
            silent_after_ms: row.ttl_s.map(silent_after),
            ..row
        }
    }
}

/// When the message was first known to be on its way, ms since 1970 UTC.
fn first_ms(history: &StatusHistory) -> Option<i64> {
    let steps = [Status::Queued, Status::Sent];
    let times = steps.map(|status| history.first_ms(status));
    times.into_iter().flatten().min()
}

impl RegistrationRow {
    fn new(registration: &Registration, registered_ms: i64) -> Self {
        let template = registration.template.as_ref();
        Self {
            is_call: false,
            owner: None,
            template_name: template.map(|template| template.name.clone()),
            template_language: template.and_then(|template| template.language.clone()),
            template_parameters: template.and_then(parameters),
            metadata: registration.metadata.clone(),
            sent_ms: registration.sent_ms,
            ttl_s: registration.ttl_s,
            silent_after_ms: None,
            send_status: None,
            registered_ms,
        }
    }

    /// The row of a call.
    fn called(registering: &Registering, now_ms: i64) -> Self {
        Self {
            is_call: true,
            owner: registering.owner.clone(),
            send_status: registering.result.word().map(str::to_owned),
            ..Self::new(&registering.registration, now_ms)
        }
    }

    /// The row of an echo of that time, ms since 1970 UTC.
    pub(super) fn echoed(registration: &Registration, at_ms: i64) -> Self {
        let sent_ms = registration.sent_ms.unwrap_or(at_ms);
        let silent_after = |seconds: i64| sent_ms.saturating_add(seconds.saturating_mul(1000));
        Self {
            silent_after_ms: registration.ttl_s.map(silent_after),
            ..Self::new(registration, at_ms)
        }
    }

    /// Of two echoes the greater value of each, and the earlier time: whichever came first.
    pub(super) fn or_greater(&self, new: Self) -> Self {
        let silent = [self.silent_after_ms, new.silent_after_ms];
        let sent = [self.sent_ms, new.sent_ms];
        Self {
            template_name: new.template_name.max(self.template_name.clone()),
            template_language: new.template_language.max(self.template_language.clone()),
            template_parameters: new
                .template_parameters
                .max(self.template_parameters.clone()),
            metadata: new.metadata.max(self.metadata.clone()),
            ttl_s: new.ttl_s.max(self.ttl_s),
            sent_ms: sent.into_iter().flatten().min(),
            silent_after_ms: silent.into_iter().flatten().min(),
            registered_ms: self.registered_ms.min(new.registered_ms),
            ..self.clone()
        }
    }

    /// As registered again: new values hold, and missing ones stay.
    fn over(self, before: &Self) -> Self {
        let was_taken = before.send_status.as_deref();
        let was_taken = was_taken.is_some_and(|word| word != SendResult::REFUSED);
        // A message that is on its way is not kept any more.
        let is_current = |word: &String| !(was_taken && word == SendResult::PAUSED);
        let template = match self.template_name {
            Some(_) => self.clone(),
            None => before.clone(),
        };
        let before = before.clone();
        Self {
            is_call: true,
            owner: before.owner,
            metadata: self.metadata.or(before.metadata),
            sent_ms: self.sent_ms.or(before.sent_ms),
            ttl_s: self.ttl_s.or(before.ttl_s),
            send_status: self.send_status.filter(is_current).or(before.send_status),
            registered_ms: before.registered_ms,
            ..template
        }
    }

    /// Whether both register the same: from when on it is silent follows from the rest.
    fn is_as(&self, other: &Self) -> bool {
        let other = Self {
            silent_after_ms: self.silent_after_ms,
            ..other.clone()
        };
        *self == other
    }
}

fn parameters(template: &FilledTemplate) -> Option<String> {
    serde_json::to_string(&template.parameters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_echoes_leave_the_same_whichever_came_first() {
        let echo = |sent_ms: i64, text: &str| {
            let registration = Registration {
                metadata: Some(text.to_owned()),
                sent_ms: Some(sent_ms),
                ttl_s: Some(60),
                ..Registration::default()
            };
            RegistrationRow::echoed(&registration, sent_ms + 5)
        };
        let (one, other) = (echo(1_000, "{}"), echo(2_000, "[]"));
        let joined = one.or_greater(other.clone());
        assert_eq!(joined, other.or_greater(one));
        assert_eq!((joined.sent_ms, joined.registered_ms), (Some(1_000), 1_005));
        assert_eq!(joined.silent_after_ms, Some(61_000));
    }
}

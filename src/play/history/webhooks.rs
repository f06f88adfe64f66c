//! The webhooks that bring the reports of a slot, in the bytes of their providers.

use super::course::{PlannedMessage, PlannedReport};
use super::dice::Dice;
use super::world::TEMPLATES;
use super::{History, PastWebhook};
use crate::catalogue;
use crate::play::bodies;
use crate::play::message::InventedMessage;
use crate::providers::sample::Element;

/// The most reports in one webhook.
const MOST: usize = 64;
/// One webhook of so many is sent again.
const SENT_AGAIN: u64 = 250;
/// When it is, ms later.
const AGAIN_AFTER: [i64; 3] = [4_000, 20_000, 90_000];

impl History {
    /// The webhooks of these reports, source by source. What arrives within a moment of each other comes
    /// in one.
    pub(super) fn webhooks(&self, mut reports: Vec<PlannedReport>) -> Vec<PastWebhook> {
        reports.sort_by_key(|it| (it.message.source, it.arrives_ms, it.message.number));
        let mut webhooks = Vec::new();
        let mut rest = &reports[..];
        while let Some(first) = rest.first() {
            let source = first.message.source;
            let latest_ms = first.arrives_ms + self.gathered_ms;
            let is_with =
                |it: &&PlannedReport| it.message.source == source && it.arrives_ms <= latest_ms;
            let batch = self.sources[source].provider.definition().samples.batch;
            let gathered = rest.iter().take(MOST.min(batch.max(1)));
            let (batch, more) = rest.split_at(gathered.take_while(is_with).count().max(1));
            webhooks.push(self.webhook(source, batch));
            rest = more;
        }
        webhooks
    }

    fn webhook(&self, source: usize, reports: &[PlannedReport]) -> PastWebhook {
        let from = &self.sources[source];
        let elements = reports.iter().map(|report| self.element(report));
        let elements: Vec<Element> = elements.collect();
        let body = bodies::write(from.provider, from.sender.as_deref(), &elements);
        let arrives_ms = reports.last().map(|report| report.arrives_ms);
        PastWebhook {
            source,
            received_ms: arrives_ms.unwrap_or_default(),
            body: body.into_bytes(),
        }
    }

    fn element(&self, report: &PlannedReport) -> Element {
        let message = report.message;
        let people = &self.course.people;
        let key = self.key(&message);
        let broadcast = message
            .broadcast
            .and_then(|it| self.calendar.broadcasts.get(it));
        Element {
            id: self.id(&message),
            recipient: people.number(report.recipient),
            group: message.group.map(|(group, _)| group_id(group)),
            status: report.status,
            at_ms: report.at_ms,
            category: category(&message),
            conversation: u128::from(key) << 32,
            broadcast: broadcast.map(|it| it.id.clone()),
            error: report.error.and_then(catalogue::find).map(bodies::failure),
            details: "Made up by a simulation.",
        }
    }

    /// The provider's id of a message.
    pub(super) fn id(&self, message: &PlannedMessage) -> String {
        let provider = self.sources[message.source].provider;
        let number = self.course.people.number(message.recipient);
        (provider.definition().samples.id)(self.key(message), &number)
    }

    fn key(&self, message: &PlannedMessage) -> u64 {
        let (run, number) = (self.run, message.number);
        InventedMessage { run, number }.key()
    }

    /// When a webhook comes a second time, if it does, ms since 1970 UTC.
    pub(super) fn again_ms(&self, webhook: &PastWebhook) -> Option<i64> {
        let seed = self.course.seed ^ webhook.source as u64;
        let mut dice = Dice::of(seed, 6, webhook.received_ms.unsigned_abs());
        let is_again = dice.below(SENT_AGAIN) == 0;
        is_again.then(|| webhook.received_ms + dice.along(&AGAIN_AFTER))
    }
}

/// The id of a group, as long as a true one.
fn group_id(group: u32) -> String {
    format!("Y2FwaV9ncm91cDox{group:04}")
}

/// What a message is billed as.
fn category(message: &PlannedMessage) -> &'static str {
    let template = message.template.and_then(|place| TEMPLATES.get(place));
    template.map_or("service", |template| template.category)
}

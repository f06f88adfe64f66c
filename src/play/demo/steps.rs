//! The show: every case is sent, and each step shown in a line.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::case::{Case, CaseBody, Program};
use super::harness::{DemoStep, Harness};
use super::page::{Ink, Transcript, shortened};
use super::subscriber::Received;
use crate::catalogue;
use crate::model::{ReportEffect, SkipReason, Status, WHATSAPP, Word as _};
use crate::store::WebhookOutcome;
use crate::store::timeline::ReportRecord;

/// Where a step's second column begins.
const INDENT: usize = 7;

/// What is counted for the summary.
#[derive(Default)]
pub(super) struct Tally {
    cases: usize,
    /// By their outcome, in the order of [`WebhookOutcome`].
    webhooks: [usize; 4],
    reports: usize,
    repeats: u64,
    payloads: usize,
    verified: usize,
    answered_in: Vec<Duration>,
    /// The id of the first message that failed, for the hints at the end.
    pub(super) failed_message: Option<String>,
    /// Whether a whole payload was shown already: of any status, of a failed one.
    shown_whole: (bool, bool),
}

/// The payload as a subscriber reads it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceivedPayload {
    ms_id: Option<String>,
    mobile_no: String,
    #[serde(rename = "MessageStatus")]
    message_status: String,
    #[serde(rename = "type")]
    message_type: String,
    timestamp: String,
}

/// Sends it all, the everyday cases of every provider first.
pub(super) async fn play(
    harness: &mut Harness,
    program: &[Program],
    page: &mut Transcript<'_>,
) -> anyhow::Result<Tally> {
    let began = Instant::now();
    let mut tally = Tally::default();
    for Program {
        provider, everyday, ..
    } in program
    {
        let definition = provider.definition();
        let heading = format!("POST /webhooks/{provider}, {}", definition.samples.proof);
        page.gap()?;
        page.line(&[
            (Ink::Bold, definition.title),
            (Ink::Dim, "   "),
            (Ink::Dim, &heading),
        ])?;
        for case in everyday {
            page.gap()?;
            page.text(Ink::Plain, 2, &case.title)?;
            for body in &case.bodies {
                let step = harness.send(case, body).await?;
                tally.count(&step);
                show_step(case, body, &step, &mut tally, page)?;
            }
            tally.cases += 1;
        }
    }
    for Program { provider, odd, .. } in program {
        page.gap()?;
        let heading = format!("{}: the odd cases", provider.definition().title);
        page.line(&[(Ink::Bold, &heading), (Ink::Dim, ", and what came of each")])?;
        for case in odd {
            let mut steps = Vec::new();
            for body in &case.bodies {
                let step = harness.send(case, body).await?;
                tally.count(&step);
                steps.push(step);
            }
            page.pair(&case.title, &in_short(&steps))?;
            tally.cases += 1;
        }
    }
    harness.settled().await?;
    tally.summarise(began.elapsed(), page)?;
    Ok(tally)
}

/// Goes on showing what arrives at the subscriber, until it is dropped.
pub(super) async fn go_on(harness: &mut Harness, page: &mut Transcript<'_>) -> anyhow::Result<()> {
    loop {
        let received = harness.receive().await;
        if !received.is_own {
            continue;
        }
        if show_payload(&received, page).is_err() {
            kept(
                page,
                "something that is no payload was posted to the subscriber",
            )?;
        } else if let Some(report) = harness.newest_report_behind(&received).await? {
            show_reason(&report, page)?;
        }
    }
}

/// What came in and what went out, line by line.
fn show_step(
    case: &Case,
    body: &CaseBody,
    step: &DemoStep,
    tally: &mut Tally,
    page: &mut Transcript<'_>,
) -> anyhow::Result<()> {
    let words = shortened(&case.words(body), 56);
    let took = format!(
        "200 after {:.1} ms",
        step.answered_in.as_secs_f64() * 1000.0
    );
    page.line(&[
        (Ink::Dim, "  in   "),
        (Ink::Plain, &format!("{:<8}{words:<57}", body.file)),
        (Ink::Dim, &took),
    ])?;
    for report in &step.reports {
        match step.payload(report) {
            Some(received) => {
                show_payload(received, page)?;
                show_reason(report, page)?;
                tally.show_whole(received, page)?;
            }
            None => kept(page, &unsent(report))?,
        }
    }
    match step.webhook.outcome {
        WebhookOutcome::Processed => Ok(()),
        outcome => kept(page, &outcome_line(outcome, step)),
    }
}

/// A line about something that is not sent.
fn kept(page: &mut Transcript<'_>, text: &str) -> anyhow::Result<()> {
    page.line(&[(Ink::Dim, "  --   "), (Ink::Yellow, text)])?;
    Ok(())
}

/// One line about what the subscriber got.
fn show_payload(received: &Received, page: &mut Transcript<'_>) -> anyhow::Result<()> {
    let payload: ReceivedPayload = serde_json::from_slice(&received.payload)?;
    let ink = match payload.message_status.as_str() {
        "failed" => Ink::Red,
        _ => Ink::Green,
    };
    let (seal, seal_ink) = if received.verified {
        ("signature ok", Ink::Dim)
    } else {
        ("WRONG SIGNATURE", Ink::Red)
    };
    let rest = format!(
        "{:<15} {:<16}  {}  ",
        payload.mobile_no, payload.message_type, payload.timestamp
    );
    page.line(&[
        (Ink::Dim, "  out  "),
        (ink, &format!("{:<10}", payload.message_status)),
        (Ink::Plain, &rest),
        (seal_ink, seal),
    ])?;
    Ok(())
}

/// Why a message failed and who can fix it, in plain words.
fn show_reason(report: &ReportRecord, page: &mut Transcript<'_>) -> anyhow::Result<()> {
    let Some(error) = report.errors.first() else {
        return Ok(());
    };
    let code = error.code.map(|code| format!("{code} "));
    let code = code.unwrap_or_default();
    let text = match catalogue::find(&error.error_key) {
        Some(entry) => format!("{code}{}: {}", entry.name, entry.sentence()),
        None => format!(
            "{code}{}: not in the catalogue, passed on as it came",
            error.title.as_deref().unwrap_or("no title")
        ),
    };
    // An error beside any other status is WhatsApp's reason for what comes next.
    let text = match report.status {
        Some(Status::Failed) => text,
        _ => format!("kept with it: {text}"),
    };
    page.text(Ink::Yellow, INDENT, &text)?;
    Ok(())
}

/// Why no subscriber is notified of a report.
fn unsent(report: &ReportRecord) -> String {
    let why = match report.change {
        ReportEffect::Superseded => SkipReason::Superseded,
        ReportEffect::Contradicts => SkipReason::Contradicts,
        ReportEffect::NotAStatus => SkipReason::NotAStatus,
        ReportEffect::OtherChannel => SkipReason::OtherChannel,
        ReportEffect::New | ReportEffect::Repeated => SkipReason::Repeated,
    };
    format!(
        "{}: stored, not sent: {}",
        report.provider_status,
        why.explain()
    )
}

/// How a webhook without a new report ended.
fn outcome_line(outcome: WebhookOutcome, step: &DemoStep) -> String {
    let detail = step.webhook.outcome_detail.as_deref().unwrap_or_default();
    match outcome {
        WebhookOutcome::Processed => String::new(),
        WebhookOutcome::Duplicate => "duplicate: known already, nothing is sent".to_owned(),
        WebhookOutcome::Ignored => format!("ignored, no status in it: {detail}"),
        WebhookOutcome::Unparsed => format!("unparsed, kept byte for byte: {detail}"),
    }
}

/// What came of a case, in a few words.
fn in_short(steps: &[DemoStep]) -> String {
    let mut parts: Vec<(String, usize)> = Vec::new();
    let mut add = |profile: String| match parts.iter_mut().find(|(known, _)| *known == profile) {
        Some((_, count)) => *count += 1,
        None => parts.push((profile, 1)),
    };
    for step in steps {
        for report in &step.reports {
            add(report_in_short(report));
        }
        let outcome = step.webhook.outcome;
        match step.webhook.outcome_detail.as_deref() {
            Some(detail) if outcome != WebhookOutcome::Processed => {
                add(format!("{} ({})", outcome.as_str(), shortened(detail, 60)));
            }
            _ if outcome == WebhookOutcome::Processed => {}
            _ => add(outcome.as_str().to_owned()),
        }
    }
    let parts = parts.into_iter().map(|(profile, count)| match count {
        1 => profile,
        _ => format!("{profile} ×{count}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn report_in_short(report: &ReportRecord) -> String {
    let Some(status) = report.status else {
        return format!("{} stored", shortened(&report.provider_status, 30));
    };
    let code = report.errors.first().and_then(|error| error.code);
    match (report.change, code) {
        (ReportEffect::New, _) if report.channel != WHATSAPP => {
            format!("{status} ({})", report.channel)
        }
        (ReportEffect::New, Some(code)) => format!("{status} {code}"),
        (ReportEffect::New, None) => status.to_string(),
        (change, _) => format!("{status} {}", change.as_str()),
    }
}

impl Tally {
    fn count(&mut self, step: &DemoStep) {
        self.webhooks[step.webhook.outcome as usize] += 1;
        let new = &step.reports;
        self.reports += new.len();
        self.repeats += step.webhook.reports - step.webhook.new_reports;
        for report in new {
            let Some(received) = step.payload(report) else {
                continue;
            };
            self.payloads += 1;
            self.verified += usize::from(received.verified);
            if report.status == Some(Status::Failed) && self.failed_message.is_none() {
                let payload: Option<ReceivedPayload> =
                    serde_json::from_slice(&received.payload).ok();
                self.failed_message = payload.and_then(|payload| payload.ms_id);
            }
        }
        self.answered_in.push(step.answered_in);
    }

    /// Shows the first payload, and the first failed one, as they are.
    fn show_whole(&mut self, received: &Received, page: &mut Transcript<'_>) -> anyhow::Result<()> {
        let payload: ReceivedPayload = serde_json::from_slice(&received.payload)?;
        let failed = payload.message_status == "failed";
        let shown = if failed {
            &mut self.shown_whole.1
        } else {
            &mut self.shown_whole.0
        };
        if !std::mem::replace(shown, true) {
            let text = String::from_utf8_lossy(&received.payload);
            page.text(Ink::Dim, INDENT, &text)?;
        }
        Ok(())
    }

    fn summarise(&mut self, took: Duration, page: &mut Transcript<'_>) -> anyhow::Result<()> {
        let [processed, duplicate, ignored, unparsed] = self.webhooks;
        self.answered_in.sort_unstable();
        let median = self.answered_in.get(self.answered_in.len() / 2);
        let median_ms = median.map_or(0.0, |median| median.as_secs_f64() * 1000.0);
        page.gap()?;
        let heading = format!(
            "Summary of {} cases in {:.1} s",
            self.cases,
            took.as_secs_f64()
        );
        page.line(&[(Ink::Bold, &heading)])?;
        page.plain(&format!(
            "  webhooks    {:>4}   {processed} processed, {duplicate} duplicate, {ignored} ignored, {unparsed} unparsed",
            self.answered_in.len()
        ))?;
        page.plain(&format!(
            "                     each answered 200 after it was on the disk, {median_ms:.1} ms in the median"
        ))?;
        page.plain(&format!(
            "  reports     {:>4}   new ones; {} more were known already and sent nothing",
            self.reports, self.repeats
        ))?;
        page.plain(&format!(
            "  payloads    {:>4}   one for each change of a message's status",
            self.payloads
        ))?;
        page.plain(&format!(
            "  signatures  {:>4}   verified by the subscriber, {} wrong",
            self.verified,
            self.payloads - self.verified
        ))?;
        Ok(())
    }

    /// Whether the subscriber could verify everything it got.
    pub(super) const fn is_sound(&self) -> bool {
        self.payloads == self.verified
    }
}

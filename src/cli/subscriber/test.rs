//! `tickrelay subscriber test`: what a provider would have caused, and all that went over the wire.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use super::super::client::{self, Client, Purpose};
use super::super::table::{table, visible};
use super::super::time::span;
use super::super::{Exit, Settings, Terminal};
use crate::admin::{Sample, SampleAnswer, Tested};
use crate::model::{MessageType, Status, Word as _};

#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(in crate::cli) struct Test {
    /// Its name
    name: String,
    /// This status, shown at length: queued, sent, delivered, read, failed or deleted; a table of
    /// one sample each when neither it nor --error is given
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// A failure with this error: a code (131026), a key (infobip:7008) or the provider's name for
    /// it (EC_INVALID_TEMPLATE_ARGS)
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Use samples of this source [default: one that fits]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Use samples of this provider, without a source: one that sends webhooks, such as
    /// meta-cloud or infobip
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// Type of the message: Template-Message or Regular-Message
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<MessageType>,
    /// Recipient of the message
    #[arg(long, value_name = "NUMBER")]
    recipient: Option<String>,
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let sample = Sample {
            status: self.status,
            error: self.error,
            source: self.source,
            provider: self.provider,
            message_type: self.message_type,
            recipient: self.recipient,
        };
        let path = ["subscribers", &self.name, "test"];
        let send = |client: &Client| client.post(&path, &sample);
        let tested: Tested = client::with(settings, Purpose::Change, send)?;
        let samples = tested.samples.len();
        terminal.done = Some(format!("samples were sent to the subscriber: {samples}"));
        match &tested.samples[..] {
            _ if self.json => {
                terminal.json(&tested)?;
            }
            [sample] => show(sample, terminal)?,
            samples => {
                let headings = ["SAMPLE", "WANTED", "ANSWER", "TIME", "ERROR"];
                let text = table(&headings, samples.iter().map(row), terminal.width);
                write!(terminal.data, "{text}")?;
            }
        }
        let refused = tested
            .samples
            .iter()
            .filter(|sample| sample.error.is_some());
        match refused.count() {
            0 => Ok(Exit::Done),
            count => {
                let all = tested.samples.len();
                terminal.refuse(format!("{count} of {all} were not accepted"))
            }
        }
    }
}

/// One sample as it went over the wire.
fn show(sample: &SampleAnswer, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let request = &sample.request;
    let data = &mut terminal.data;
    writeln!(data, "{} {}", request.method, request.url)?;
    message(data, &request.headers, &request.body)?;
    writeln!(data, "\nSigned is webhook-id.webhook-timestamp.body:\n")?;
    writeln!(data, "{}\n", sample.signed)?;
    let time = span(sample.duration_ms.into());
    if let Some(response) = &sample.response {
        writeln!(data, "HTTP {} after {time}", response.status)?;
        message(data, &response.headers, &response.body)?;
    } else {
        writeln!(data, "no answer after {time}")?;
    }
    if let Some(error) = &sample.error {
        writeln!(data, "\n{error}: {}", visible(&sample.detail))?;
    }
    data.flush()?;
    if let Some(reason) = sample.skip_reason {
        writeln!(
            terminal.talk,
            "\nonly this sample was sent to it, a true report is not: {}",
            reason.explain()
        )?;
    }
    Ok(())
}

/// Headers and body of a request or an answer.
fn message(
    data: &mut dyn Write,
    headers: &BTreeMap<String, String>,
    body: &str,
) -> std::io::Result<()> {
    for (name, value) in headers {
        writeln!(data, "{name}: {}", visible(value))?;
    }
    if body.is_empty() {
        return Ok(());
    }
    writeln!(data, "\n{}", visible(body.trim_end_matches('\n')))
}

fn row(sample: &SampleAnswer) -> Vec<String> {
    let error = sample.error.as_deref().unwrap_or_default();
    let response = sample.response.as_ref();
    let body = response.map_or("", |response| &response.body);
    let body = if error.is_empty() { "" } else { body };
    let texts = [error, &sample.detail, body];
    let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    vec![
        sample
            .status
            .map_or_else(|| "event".to_owned(), |status| status.to_string()),
        sample
            .skip_reason
            .map_or_else(|| "yes".to_owned(), |why| format!("no ({})", why.as_str())),
        response.map_or_else(
            || "none".to_owned(),
            |response| format!("HTTP {}", response.status),
        ),
        span(sample.duration_ms.into()),
        texts.join("; "),
    ]
}

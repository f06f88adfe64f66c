//! `tickrelay message register`: what was sent, from a file or a pipe.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::super::client::{self, Client, Purpose};
use super::super::{Exit, Settings, Terminal};
use crate::admin::{Fault, items};
use crate::web::api::sent::{BulkView, ReceiptView};

/// Messages, and bytes of them, that are sent in one call.
const MOST_AT_ONCE: usize = 8_192;
const MOST_BYTES: usize = 8 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Register {
    /// A file of one message a line, or of a JSON object or array of them [default: stdin]
    file: Option<PathBuf>,
    /// The file is a send of this source in the provider's own words: {"request": …, "response": …},
    /// with `http_status` where it was refused
    #[arg(long, value_name = "SOURCE")]
    sent_by: Option<String>,
    /// Answer with the API's JSON document, one of its results for each message
    #[arg(long)]
    json: bool,
}

impl Register {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let bytes = self.read()?;
        let bulk = match &self.sent_by {
            Some(source) => {
                let path = ["sources", source.as_str(), "sent"];
                client::with(settings, Purpose::Change, |client| {
                    client.post_text(&path, bytes)
                })?
            }
            // One object may stand on many lines; many objects stand on one each.
            None => match items::read(&bytes, usize::MAX)
                .or_else(|_| items::read_lines(&bytes, usize::MAX))
            {
                Ok((messages, _)) => client::with(settings, Purpose::Change, |client| {
                    register(client, &messages, &mut terminal.done)
                })?,
                Err(fault) => return terminal.refuse(sentence(&fault)),
            },
        };
        let all = bulk.results.len();
        terminal.done = Some(format!(
            "of {all} messages {} were registered",
            bulk.accepted
        ));
        for receipt in &bulk.results {
            for fault in &receipt.errors {
                writeln!(
                    terminal.talk,
                    "message {}: {}",
                    receipt.index + 1,
                    sentence(fault)
                )?;
            }
            if let Some(note) = &receipt.note {
                writeln!(terminal.talk, "message {}: {note}", receipt.index + 1)?;
            }
        }
        if self.json {
            terminal.json(&bulk)?;
        } else {
            writeln!(
                terminal.talk,
                "{} registered, {} refused",
                bulk.accepted, bulk.refused
            )?;
        }
        Ok(if bulk.refused > 0 {
            Exit::Refused
        } else {
            Exit::Done
        })
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(file) = &self.file {
            return std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.context("cannot read stdin")?;
        Ok(bytes)
    }
}

/// Registers messages, as many at once as one call takes; what came of all of them. What was done is
/// noted after each call, since the next one may fail.
fn register(
    client: &Client,
    messages: &[String],
    done: &mut Option<String>,
) -> anyhow::Result<BulkView> {
    let mut all = BulkView {
        accepted: 0,
        refused: 0,
        results: Vec::new(),
    };
    let mut left = messages;
    while !left.is_empty() {
        let (mut taken, mut bytes) = (0, 0);
        for message in left.iter().take(MOST_AT_ONCE) {
            bytes += message.len() + 1;
            if taken > 0 && bytes > MOST_BYTES {
                break;
            }
            taken += 1;
        }
        let (now, later) = left.split_at(taken);
        let body = format!("[{}]", now.join(","));
        let bulk: BulkView = client.post_text(&["messages"], body.into_bytes())?;
        let before = all.results.len();
        all.accepted += bulk.accepted;
        all.refused += bulk.refused;
        all.results
            .extend(bulk.results.into_iter().map(|receipt| ReceiptView {
                index: receipt.index + before,
                ..receipt
            }));
        left = later;
        *done = Some(format!(
            "of the first {} messages {} were registered",
            messages.len() - left.len(),
            all.accepted
        ));
    }
    Ok(all)
}

fn sentence(fault: &Fault) -> String {
    match fault.field.as_str() {
        "" => fault.detail.clone(),
        field => format!("{field}: {}", fault.detail),
    }
}
